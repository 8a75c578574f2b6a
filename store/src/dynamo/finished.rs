//! Requests whose body is written by us, and everything else by the SDK: endpoint, credentials, signature, timeouts, and
//! what an answer means.
//!
//! A finished body travels as the only statement of its request, and takes its place before the request is signed.

use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementInput;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

/// Hands finished bodies over. Every client of [`super::connect`] has it.
#[derive(Debug)]
pub(super) struct Finished;

/// A body on its way through one request.
#[derive(Debug)]
struct Body(SdkBody);

impl Storable for Body {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Finished {
    fn name(&self) -> &'static str {
        "Finished"
    }

    /// Takes the body out before the SDK would write it as a statement.
    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(input) = context.input_mut().downcast_mut::<BatchExecuteStatementInput>() else { return Ok(()) };
        let Some(statement) = input.statements.take().and_then(|mut statements| statements.pop()) else {
            return Ok(());
        };
        let mut body = statement.statement;
        // Asked for by whoever meters the requests.
        if let Some(capacity) = &input.return_consumed_capacity {
            body.truncate(body.len() - 1);
            body.push_str(r#","ReturnConsumedCapacity":""#);
            body.push_str(capacity.as_str());
            body.push_str("\"}");
        }
        config.interceptor_state().store_put(Body(SdkBody::from(body)));
        Ok(())
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(body) = config.load::<Body>().and_then(|Body(body)| body.try_clone()) else { return Ok(()) };
        let request = context.request_mut();
        let length = body.content_length().unwrap_or_default();
        request.headers_mut().insert("content-length", length.to_string());
        *request.body_mut() = body;
        Ok(())
    }
}
