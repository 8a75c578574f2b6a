//! The way to the stream, the table and the event log that a command line asks for.

mod running;

pub(crate) use running::LOG_FIELD;

use std::time::Duration;

use aws_config::SdkConfig;
use headcount_log::Log;
use headcount_producer::KinesisStream;
use headcount_runtime::aws::{ConnectOptions, sdk_config};
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::Tables;
use headcount_store::error::StoreError;

use crate::args::{
    DYNAMODB_PORT, DynamoArgs, KINESIS_PORT, KinesisArgs, LogArgs, ServiceArgs, StreamArgs, TableArgs, TablesArgs,
    WEB_PORT,
};
use crate::failure::Failure;
use crate::sender::failed;

/// How long one `PutRecords` may take: 5 MiB over a slow line.
const PUT_TIMEOUT: Duration = Duration::from_mins(1);

/// The endpoint of an embedded server on this machine.
pub(crate) fn local_endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The stream, checked.
pub(crate) async fn stream(args: &StreamArgs) -> Result<KinesisStream, Failure> {
    let options = ConnectOptions { operation_timeout: PUT_TIMEOUT, ..kinesis(&args.services, &args.kinesis) };
    open_stream(&options, &args.kinesis.stream).await
}

/// The stream of this name behind these options, checked.
pub(crate) async fn open_stream(options: &ConnectOptions, name: &str) -> Result<KinesisStream, Failure> {
    let config = sdk_config(options).await;
    let client = aws_sdk_kinesis::Client::new(&config);
    let place = place_of_stream(&config)?;
    let stream = KinesisStream::new(&client, name, &place);
    stream.check().await.map_err(|problem| failed(&problem))?;
    Ok(stream)
}

/// Where requests to Kinesis go, for messages.
pub(crate) fn place_of_stream(config: &SdkConfig) -> Result<String, Failure> {
    match (config.endpoint_url(), config.region()) {
        (Some(endpoint), _) => Ok(endpoint.to_owned()),
        (None, Some(region)) => Ok(format!("Kinesis in {region}")),
        (None, None) => Err(no_region()),
    }
}

/// The table, checked.
pub(crate) async fn table(args: &TableArgs) -> Result<DynamoStore, Failure> {
    let options = dynamodb(&args.services, &args.tables.dynamodb);
    let store = DynamoStore::new(connect(&options).await, tables(&args.tables));
    store.check().await.map_err(|error| cannot_be_used(error, &args.services))?;
    Ok(store)
}

/// Whoever meant a `headcount serve` of this machine is told how to say so.
fn cannot_be_used(error: StoreError, services: &ServiceArgs) -> Failure {
    match error {
        StoreError::Unusable { detail } if !services.local => {
            Failure::said(format_args!("{detail}; for a running `headcount serve` give --local"))
        }
        error => Failure::said(error),
    }
}

/// The names of the tables.
pub(crate) fn tables(args: &TablesArgs) -> Tables {
    let events = &args.dynamodb.table;
    Tables::new(events, args.metrics_table.as_deref().unwrap_or(events))
}

/// The event log.
pub(crate) async fn log(services: &ServiceArgs, args: &LogArgs) -> Result<Log, Failure> {
    let place = place_of_log(services, args).await?;
    Log::open(&place, Jitter::from_entropy()).await.map_err(Failure::said)
}

/// Where the event log is: as given, or where the running `headcount serve` says.
pub(crate) async fn place_of_log(services: &ServiceArgs, args: &LogArgs) -> Result<String, Failure> {
    if let Some(place) = &args.log {
        return Ok(place.clone());
    }
    if !services.local {
        let remedy = "give --log s3://<bucket> (the stack's LogBucket), or set HEADCOUNT_LOG; for a running `headcount \
                      serve` give --local";
        return Err(Failure::new("this command needs the event log", remedy));
    }
    running::place_of_log(WEB_PORT).await.map_err(|problem| {
        let what = format!("the running `headcount serve` does not say where its event log is ({problem})");
        Failure::new(what, "start it, or give its folder: --log DIR/log, where DIR is its --data-dir")
    })
}

/// How to reach Kinesis.
pub(crate) fn kinesis(services: &ServiceArgs, args: &KinesisArgs) -> ConnectOptions {
    options(services, args.kinesis_endpoint.as_deref(), KINESIS_PORT)
}

/// How to reach DynamoDB.
pub(crate) fn dynamodb(services: &ServiceArgs, args: &DynamoArgs) -> ConnectOptions {
    options(services, args.dynamodb_endpoint.as_deref(), DYNAMODB_PORT)
}

/// How to reach one of the services.
pub(crate) fn options(services: &ServiceArgs, endpoint: Option<&str>, local_port: u16) -> ConnectOptions {
    let base = if services.local {
        ConnectOptions::local(endpoint.map_or_else(|| local_endpoint(local_port), str::to_owned))
    } else {
        ConnectOptions { endpoint: endpoint.map(str::to_owned), ..ConnectOptions::default() }
    };
    ConnectOptions { region: services.region.clone().or_else(|| base.region.clone()), ..base }
}

fn no_region() -> Failure {
    Failure::new(
        "no AWS region is known",
        "give --region, set AWS_REGION, or use --local for a running `headcount serve`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_means_the_default_ports_and_needs_no_credentials() {
        let local = ServiceArgs { local: true, region: None };
        let given = options(&local, None, 4567);
        assert_eq!(given.endpoint.as_deref(), Some("http://127.0.0.1:4567"));
        assert!(given.credentials.is_some() && given.region.is_some());
        let elsewhere = options(&local, Some("http://127.0.0.1:9"), 4567);
        assert_eq!(elsewhere.endpoint.as_deref(), Some("http://127.0.0.1:9"));
    }

    #[test]
    fn without_it_everything_is_the_environments() {
        let aws = ServiceArgs { local: false, region: Some("eu-west-1".into()) };
        let given = options(&aws, None, 4567);
        assert_eq!((given.endpoint, given.region.as_deref()), (None, Some("eu-west-1")));
        assert!(given.credentials.is_none());
    }
}
