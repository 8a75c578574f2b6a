//! The topic of SNS that is told of alarms.

use aws_sdk_sns::Client;
use aws_sdk_sns::config::http::HttpResponse;
use aws_sdk_sns::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sns::operation::publish::PublishError as OperationError;
use headcount_runtime::aws::{ConnectOptions, config_for};
use headcount_runtime::retry::Retryable;

/// The subject of the e-mails that SNS makes: ASCII, less than 100 characters
/// (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).
const SUBJECT: &str = "Headcount: a budget of AI cost is used up";

/// The variable that names another endpoint of SNS than the region's own.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_SNS";

/// A topic. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Topic {
    client: Client,
    arn: String,
}

/// Why nothing was published, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the topic {arn} took no message: {detail}")]
pub struct PublishError {
    arn: String,
    detail: String,
    is_retryable: bool,
}

impl Retryable for PublishError {
    fn is_retryable(&self) -> bool {
        self.is_retryable
    }
}

impl Topic {
    /// The topic with this ARN, reached as `options` say. Nothing is asked yet.
    pub async fn connect(arn: String, options: &ConnectOptions) -> Self {
        let of_service = std::env::var(ENDPOINT).ok();
        let config = config_for(options, of_service.as_deref()).await;
        Self { client: Client::new(&config), arn }
    }

    /// Publishes a message.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; one that can be tried again may have been published all the same.
    pub async fn publish(&self, message: &str) -> Result<(), PublishError> {
        let request = self.client.publish().topic_arn(&self.arn).subject(SUBJECT).message(message);
        request.send().await.map(drop).map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &SdkError<OperationError, HttpResponse>) -> PublishError {
        let (detail, is_retryable) = match error {
            SdkError::ServiceError(answer) => {
                let code = answer.err().code().unwrap_or("unknown");
                let detail = format!("{code}: {}", answer.err().message().unwrap_or_default());
                (detail, answer.raw().status().is_server_error() || code.contains("Throttl"))
            }
            SdkError::ConstructionFailure(_) => (DisplayErrorContext(error).to_string(), false),
            _ => (DisplayErrorContext(error).to_string(), true),
        };
        PublishError { arn: self.arn.clone(), detail, is_retryable }
    }
}
