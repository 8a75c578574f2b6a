//! What the services say of the deployment.

use std::collections::BTreeMap;

use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::types::{EncryptionType, StreamMode};
use aws_sdk_lambda::types::{EventSourceMappingConfiguration, FunctionResponseType};
use headcount_runtime::aws::{ConnectOptions, sdk_config};
use headcount_store::dynamo::schema::Tables;

use super::Names;
use crate::check::seen::{Function, Mapping, Stream};
use crate::failure::Failure;

/// Pages of mappings that are read at most: 100 each.
const MAX_PAGES: usize = 20;

/// What the stack made.
pub(super) async fn names(options: &ConnectOptions, stack: &str) -> Result<Names, Failure> {
    let client = aws_sdk_cloudformation::Client::new(&sdk_config(options).await);
    let answer = client.describe_stack_resources().stack_name(stack).send().await;
    let answer = answer
        .map_err(|error| failure(&format!("the stack {stack}"), "cloudformation:DescribeStackResources", &error))?;
    let named: BTreeMap<&str, &str> = answer
        .stack_resources()
        .iter()
        .filter_map(|one| Some((one.logical_resource_id()?, one.physical_resource_id()?)))
        .collect();
    let of = |name: &str| {
        named.get(name).copied().ok_or_else(|| {
            let remedy = "name a stack of infra/template.yaml, or give --stream and --table instead";
            Failure::new(format!("the stack {stack} has no {name}"), remedy)
        })
    };
    let events = of("EventsTable")?;
    // A stack of an earlier template has none.
    let prover = match (named.get("Prover"), named.get("ProofSchedule")) {
        (None, _) => Err("Prover"),
        (Some(_), None) => Err("ProofSchedule"),
        (Some(name), Some(_)) => Ok((*name).to_owned()),
    };
    Ok(Names {
        stream: of("EventStream")?.to_owned(),
        tables: Tables::new(events, named.get("MetricsTable").copied().unwrap_or(events)),
        aggregator: Some(of("Aggregator")?.to_owned()),
        prover: Some(prover),
    })
}

/// The stream and its ARN.
pub(super) async fn stream(options: &ConnectOptions, name: &str) -> Result<(Stream, String), Failure> {
    let client = aws_sdk_kinesis::Client::new(&sdk_config(options).await);
    let answer = client.describe_stream_summary().stream_name(name).send().await;
    let answer =
        answer.map_err(|error| failure(&format!("the stream {name}"), "kinesis:DescribeStreamSummary", &error))?;
    let told = answer.stream_description_summary();
    let told = told.ok_or_else(|| Failure::said(format!("Kinesis did not describe the stream {name}")))?;
    let is_on_demand = told.stream_mode_details().is_some_and(|mode| *mode.stream_mode() == StreamMode::OnDemand);
    let stream = Stream {
        name: name.to_owned(),
        retention_hours: told.retention_period_hours().into(),
        is_on_demand,
        open_shards: told.open_shard_count().into(),
        is_encrypted: told.encryption_type() == Some(&EncryptionType::Kms),
    };
    Ok((stream, told.stream_arn().to_owned()))
}

/// Every mapping of the stream, each with its function.
pub(super) async fn mappings(options: &ConnectOptions, stream_arn: &str) -> Result<Vec<Mapping>, Failure> {
    let client = aws_sdk_lambda::Client::new(&sdk_config(options).await);
    let mut listed = Vec::new();
    let mut marker = None;
    for _ in 0..MAX_PAGES {
        let request = client.list_event_source_mappings().event_source_arn(stream_arn).set_marker(marker);
        let answer = request.send().await;
        let answer =
            answer.map_err(|error| failure("the mappings of the stream", "lambda:ListEventSourceMappings", &error))?;
        marker = answer.next_marker.filter(|marker| !marker.is_empty());
        listed.extend(answer.event_source_mappings.unwrap_or_default());
        if marker.is_none() {
            break;
        }
    }
    let mut mappings = Vec::new();
    for told in listed {
        let name = told.function_arn().unwrap_or_default().to_owned();
        mappings.push(mapping(&told, function(options, &name).await?));
    }
    Ok(mappings)
}

fn mapping(told: &EventSourceMappingConfiguration, function: Function) -> Mapping {
    let bound = |number: Option<i32>| number.filter(|number| *number >= 0).map(i64::from);
    let destination = told.destination_config().and_then(|config| config.on_failure()).and_then(|to| to.destination());
    Mapping {
        id: told.uuid().unwrap_or_default().to_owned(),
        state: told.state().unwrap_or_default().to_owned(),
        parallelization: told.parallelization_factor().unwrap_or(1).into(),
        max_retries: bound(told.maximum_retry_attempts()),
        max_age_s: bound(told.maximum_record_age_in_seconds()),
        destination: destination.filter(|arn| !arn.is_empty()).map(str::to_owned),
        reports_failures: told.function_response_types().contains(&FunctionResponseType::ReportBatchItemFailures),
        bisects: told.bisect_batch_on_function_error() == Some(true),
        batch_size: told.batch_size().unwrap_or(100).into(),
        window_s: told.maximum_batching_window_in_seconds().unwrap_or(0).into(),
        function,
    }
}

/// How a function is configured.
pub(super) async fn function(options: &ConnectOptions, name: &str) -> Result<Function, Failure> {
    let client = aws_sdk_lambda::Client::new(&sdk_config(options).await);
    let answer = client.get_function_configuration().function_name(name).send().await;
    let told =
        answer.map_err(|error| failure(&format!("the function {name}"), "lambda:GetFunctionConfiguration", &error))?;
    let variables = told.environment().and_then(|environment| environment.variables()).cloned().unwrap_or_default();
    Ok(Function {
        name: told.function_name().unwrap_or(name).to_owned(),
        timeout_s: told.timeout().unwrap_or(3).into(),
        variables: variables.into_iter().collect(),
    })
}

/// Why a service could not tell, and what to do about it.
fn failure<E, R>(what: &str, permission: &str, error: &SdkError<E, R>) -> Failure
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    match error.as_service_error().and_then(|service| service.message()) {
        Some(said) => Failure::new(
            format!("{what} cannot be looked at: {said}"),
            format!("see the name and the region, and whether these credentials may {permission}"),
        ),
        None => Failure::new(
            format!("{what} cannot be looked at: {}", DisplayErrorContext(error)),
            "check the endpoint, the region and the credentials",
        ),
    }
}
