//! The stream's part of setting up.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::types::{StreamDescriptionSummary, StreamMode, StreamModeDetails, StreamStatus};
use headcount_runtime::aws::{ConnectOptions, sdk_config};
use headcount_store::dynamo::set_up::Difference;
use tokio::time::Instant;

use super::Part;
use headcount_producer::put_records::kinesis::{KinesisStream, is_denied};

use super::Init;
use crate::connect::place_of_stream;
use crate::failure::Failure;
use crate::sender::failed;

/// How long to wait before asking again whether the stream is ready.
const POLL: Duration = Duration::from_millis(250);

/// What these credentials must be allowed.
const PERMISSIONS: &str =
    "kinesis:DescribeStreamSummary, kinesis:CreateStream and kinesis:IncreaseStreamRetentionPeriod";

/// Makes the stream if it is missing, and compares it if it is there.
pub(super) async fn set_up(args: &Init, options: &ConnectOptions, deadline: Instant) -> Result<Part, Failure> {
    let config = sdk_config(options).await;
    let place = place_of_stream(&config)?;
    let work = Work { args, client: Client::new(&config), place, deadline };
    let mut part = Part {
        kind: "stream",
        name: args.kinesis.stream.clone(),
        created: false,
        state: None,
        fixed: Vec::new(),
        differences: Vec::new(),
    };
    if work.describe().await?.is_none() {
        part.created = work.create().await?;
    }
    let mut summary = work.ready().await?;
    let is_short = |summary: &StreamDescriptionSummary| summary.retention_period_hours() < args.retention_hours;
    if is_short(&summary) && (part.created || args.fix) {
        work.lengthen().await?;
        if !part.created {
            part.fixed.push("the longer retention");
        }
        summary = work.ready().await?;
    }
    part.differences = differences(args, &summary);
    Ok(part)
}

struct Work<'a> {
    args: &'a Init,
    client: Client,
    place: String,
    deadline: Instant,
}

impl Work<'_> {
    async fn describe(&self) -> Result<Option<StreamDescriptionSummary>, Failure> {
        match self.client.describe_stream_summary().stream_name(&self.args.kinesis.stream).send().await {
            Ok(answer) => Ok(answer.stream_description_summary),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// Whether it was this request that made it.
    async fn create(&self) -> Result<bool, Failure> {
        let mode = if self.args.on_demand { StreamMode::OnDemand } else { StreamMode::Provisioned };
        let mode = StreamModeDetails::builder().stream_mode(mode).build().map_err(Failure::said)?;
        let shards = (!self.args.on_demand).then_some(self.args.shards);
        let request = self.client.create_stream().stream_name(&self.args.kinesis.stream).set_shard_count(shards);
        match request.stream_mode_details(mode).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(false),
            Err(error) if error.code() == Some("LimitExceededException") => Err(Failure::new(
                format!("{} allows no further stream or shard now", self.place),
                "try again in a minute; if it stays so, raise the account's quota or ask for fewer --shards",
            )),
            Err(error) => Err(self.failure(&error)),
        }
    }

    async fn lengthen(&self) -> Result<(), Failure> {
        let request = self.client.increase_stream_retention_period().stream_name(&self.args.kinesis.stream);
        let answer = request.retention_period_hours(self.args.retention_hours).send().await;
        answer.map(|_| ()).map_err(|error| self.failure(&error))
    }

    /// What it is, once it can be used.
    async fn ready(&self) -> Result<StreamDescriptionSummary, Failure> {
        loop {
            let summary = self.describe().await?;
            match summary {
                Some(summary) if *summary.stream_status() == StreamStatus::Active => return Ok(summary),
                Some(summary) if *summary.stream_status() == StreamStatus::Deleting => {
                    return Err(Failure::new(
                        format!("the stream {} at {} is being deleted", self.args.kinesis.stream, self.place),
                        "try again when it is gone; a stream of another name keeps its sources apart from the old one's",
                    ));
                }
                _ => {}
            }
            if Instant::now() + POLL >= self.deadline {
                return Err(Failure::new(
                    format!("the stream {} at {} did not become ready in time", self.args.kinesis.stream, self.place),
                    "run headcount init again",
                ));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if is_denied(error.code()) {
            let what = format!("{} denies access to the stream {}", self.place, self.args.kinesis.stream);
            return Failure::new(what, format!("give these credentials the permissions {PERMISSIONS}"));
        }
        let stream = KinesisStream::new(&self.client, &self.args.kinesis.stream, &self.place);
        failed(&stream.first_failure(error))
    }
}

fn differences(args: &Init, summary: &StreamDescriptionSummary) -> Vec<Difference> {
    let mut differences = Vec::new();
    let on_demand = summary.stream_mode_details().is_some_and(|mode| *mode.stream_mode() == StreamMode::OnDemand);
    let capacity = |on_demand: bool, shards: i32| match (on_demand, shards) {
        (true, _) => "on demand".to_owned(),
        (false, 1) => "1 shard".to_owned(),
        (false, shards) => format!("{shards} shards"),
    };
    let found = capacity(on_demand, summary.open_shard_count());
    let wanted = capacity(args.on_demand, args.shards);
    if found != wanted {
        differences.push(Difference {
            what: "capacity".into(),
            found,
            wanted,
            breaks: false,
            remedy: "change it when you like: sources may split and merge".into(),
        });
    }
    let (hours, asked) = (summary.retention_period_hours(), args.retention_hours);
    if hours != asked {
        let remedy = if hours < asked {
            "records older than that are lost while the consumer is down: run headcount init --fix".to_owned()
        } else {
            format!(
                "set RETENTION_HOURS={hours} for the aggregator, or a day may close before its last records are \
                     counted; or ask for --retention-hours {hours}"
            )
        };
        differences.push(Difference {
            what: "retention".into(),
            found: format!("{hours} hours"),
            wanted: format!("{asked} hours"),
            breaks: true,
            remedy,
        });
    }
    differences
}
