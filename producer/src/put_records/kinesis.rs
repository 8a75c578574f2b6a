//! A Kinesis stream, and what its errors mean to whoever sends.

use std::error::Error;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry, StreamStatus};

use super::{Answer, Record, RequestError, Target};
use crate::error::StreamProblem;

/// Characters of a service's own words that are shown.
const MAX_DETAIL_CHARS: usize = 300;

/// The reason where a request did not even leave.
const NOT_SENT: &str = "NotSent";

/// A stream to send to.
#[derive(Clone, Debug)]
pub struct KinesisStream {
    client: Client,
    name: String,
    place: String,
}

impl KinesisStream {
    /// The stream `name`; `place` says where it is, for messages. The SDK's own retries are switched off: it would send
    /// whole requests again, and know nothing of records that were refused.
    pub fn new(client: &Client, name: &str, place: &str) -> Self {
        let config = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
        Self { client: Client::from_conf(config), name: name.to_owned(), place: place.to_owned() }
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether records can be sent: the stream is there and ready, as far as these credentials may know.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    pub async fn check(&self) -> Result<(), StreamProblem> {
        let answer = self.client.describe_stream_summary().stream_name(&self.name).send().await;
        let status = match &answer {
            Ok(answer) => answer.stream_description_summary().map(|summary| summary.stream_status().clone()),
            // A sender may be allowed to send and no more.
            Err(SdkError::ServiceError(refusal)) if is_denied(refusal.err().code()) => None,
            Err(error) => return Err(self.first_failure(error)),
        };
        match status {
            Some(status @ (StreamStatus::Creating | StreamStatus::Deleting)) => Err(StreamProblem::new(
                status.as_str(),
                format!("the stream {} at {} is {}", self.name, self.place, status.as_str().to_lowercase()),
                "try again when it is active",
            )),
            _ => Ok(()),
        }
    }

    /// What it means that the very first request failed: what cannot be reached now is a wrong endpoint.
    pub fn first_failure<E: ProvideErrorMetadata + Error + 'static>(
        &self,
        error: &SdkError<E, HttpResponse>,
    ) -> StreamProblem {
        match self.sort(error) {
            RequestError::Final(problem) => problem,
            RequestError::Passing(reason) => match error {
                SdkError::ServiceError(_) => StreamProblem::new(
                    &reason,
                    format!("{} is not well ({reason})", self.place),
                    "try again in a moment",
                ),
                _ => StreamProblem::new(
                    &reason,
                    format!("nothing answers at {} ({})", self.place, cut(&innermost(error))),
                    "check the endpoint, and that something runs there",
                ),
            },
        }
    }

    fn sort<E: ProvideErrorMetadata + Error + 'static>(&self, error: &SdkError<E, HttpResponse>) -> RequestError {
        match error {
            SdkError::ServiceError(refusal) => {
                let status = refusal.raw().status().as_u16();
                self.sort_refusal(refusal.err().code(), refusal.err().message(), status)
            }
            SdkError::TimeoutError(_) => RequestError::Passing("Timeout".into()),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => RequestError::Passing("Timeout".into()),
            SdkError::DispatchFailure(failure) if failure.is_io() => RequestError::Passing("ConnectionFailed".into()),
            SdkError::ResponseError(_) => RequestError::Passing("UnreadableAnswer".into()),
            _ => self.never_sent(error),
        }
    }

    fn sort_refusal(&self, code: Option<&str>, message: Option<&str>, status: u16) -> RequestError {
        let Self { name, place, .. } = self;
        let reason = code.unwrap_or("NoErrorCode").to_owned();
        let new = |problem: String, remedy: &str| StreamProblem::new(&reason, problem, remedy);
        let problem = match code.unwrap_or_default() {
            code if is_throttle(code) => return RequestError::Passing(reason),
            "ResourceNotFoundException" => new(
                format!("the stream {name} does not exist at {place}"),
                "create it, or check --stream, the region and the endpoint",
            ),
            _ if is_denied(code) => new(
                format!("{place} denies access to the stream {name}"),
                "give these credentials the permission kinesis:PutRecords",
            ),
            "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
                new(format!("the credentials for {place} have expired"), "get new ones")
            }
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationTokenException"
            | "InvalidAccessKeyId" => new(
                format!("{place} does not accept these credentials ({reason})"),
                "check the access key, its secret, the region and this machine's clock",
            ),
            _ if status == 429 || status == 408 || status >= 500 => return RequestError::Passing(reason),
            _ => new(
                format!("{place} refused the request: {reason} {}", cut(message.unwrap_or_default())),
                "check that the endpoint is one of Kinesis",
            ),
        };
        RequestError::Final(problem)
    }

    /// The request did not even leave: credentials or configuration.
    fn never_sent<E: Error + 'static>(&self, error: &SdkError<E, HttpResponse>) -> RequestError {
        let new = |problem: String, remedy: &str| StreamProblem::new(NOT_SENT, problem, remedy);
        let chain = chain(error);
        let problem = if chain.iter().any(|message| message.to_lowercase().contains("credential")) {
            new(
                format!("no usable AWS credentials for {}", self.place),
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or use --local for a running `headcount serve`",
            )
        } else {
            new(
                format!("no request can be sent to {} ({})", self.place, cut(&innermost(error))),
                "check the endpoint, the region and the credentials",
            )
        };
        RequestError::Final(problem)
    }
}

impl Target for KinesisStream {
    async fn put<'a>(&self, records: impl Iterator<Item = &'a Record> + Send) -> Result<Vec<Answer>, RequestError> {
        let mut entries = Vec::with_capacity(records.size_hint().0);
        for record in records {
            let entry = PutRecordsRequestEntry::builder()
                .partition_key(&record.partition_key)
                .set_explicit_hash_key(record.explicit_hash_key.clone())
                .data(Blob::new(record.data.as_slice()))
                .build()
                .map_err(|error| RequestError::Final(StreamProblem::new(NOT_SENT, error.to_string(), "report this")))?;
            entries.push(entry);
        }
        let answer = self.client.put_records().stream_name(&self.name).set_records(Some(entries)).send().await;
        answer.map(|answer| answer.records.into_iter().map(of_entry).collect()).map_err(|error| self.sort(&error))
    }
}

/// What the stream says of one record. Without an error code and without a sequence number it says nothing.
fn of_entry(entry: PutRecordsResultEntry) -> Answer {
    match (entry.error_code, entry.sequence_number) {
        (Some(code), _) => {
            let shard = entry.error_message.as_deref().and_then(shard_in).map(str::to_owned);
            Answer::Refused { code, shard }
        }
        (None, Some(_)) => Answer::Accepted(entry.shard_id.unwrap_or_default()),
        (None, None) => Answer::Refused { code: "NoSequenceNumber".to_owned(), shard: None },
    }
}

/// The shard that a message names, as in `Rate exceeded for shard shardId-000000000001 in stream ...`.
fn shard_in(message: &str) -> Option<&str> {
    let named = &message[message.find("shardId-")?..];
    named.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next()
}

/// Whether a service's error code says that more was asked for than it gives.
pub(crate) fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "ProvisionedThroughputExceededException"
            | "LimitExceededException"
            | "KMSThrottlingException"
            | "ThrottlingException"
            | "Throttling"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
    )
}

/// Whether a service's error code says that something is not permitted.
pub fn is_denied(code: Option<&str>) -> bool {
    matches!(code, Some("AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "KMSAccessDeniedException"))
}

fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    /// An error with more causes than this is no help to anyone.
    const MAX_CAUSES: usize = 20;
    let mut messages = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause.filter(|_| messages.len() < MAX_CAUSES) {
        messages.push(error.to_string());
        cause = error.source();
    }
    messages
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).pop().unwrap_or_default()
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_DETAIL_CHARS).collect()
}

#[cfg(test)]
mod tests;
