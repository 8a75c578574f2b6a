//! What becomes of an answer that is an error: the one place that knows DynamoDB's error codes.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::error::StoreError;
use crate::rows::Put;

/// Bytes of a service's message that are passed on: some echo what they were sent.
const MAX_DETAIL_BYTES: usize = 300;

/// What to do about credentials.
const SET_CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE";

/// Where requests go, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.endpoint, &self.region) {
            (Some(endpoint), _) => f.write_str(endpoint),
            (None, Some(region)) => write!(f, "DynamoDB in {region}"),
            (None, None) => f.write_str("DynamoDB"),
        }
    }
}

/// Sorts a failed request by what the caller must do.
pub(crate) fn sort<E>(error: &SdkError<E, HttpResponse>, place: &Place, table: &str) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            sort_answer(answer.err().code(), answer.err().message(), status, place, table)
        }
        SdkError::TimeoutError(_) => StoreError::Unknown { detail: format!("{place} did not answer in time") },
        SdkError::DispatchFailure(_) => no_answer(error, place),
        SdkError::ConstructionFailure(_) => {
            StoreError::Invalid { detail: cut(&DisplayErrorContext(error).to_string()) }
        }
        // An answer came that cannot be read, or half of one.
        _ => StoreError::Unknown { detail: cut(&format!("{place} gave no readable answer: {}", innermost(error))) },
    }
}

/// As [`sort`], for the first request of a program: what cannot be reached now is a wrong endpoint, not a bad moment.
pub(crate) fn sort_first<E>(error: &SdkError<E, HttpResponse>, place: &Place, table: &str) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error, sort(error, place, table)) {
        (SdkError::DispatchFailure(_), StoreError::Unknown { detail }) if credentials_error(error).is_some() => {
            StoreError::Unusable { detail: format!("{}: {SET_CREDENTIALS}", detail.trim_end_matches('.')) }
        }
        (SdkError::DispatchFailure(_) | SdkError::TimeoutError(_), StoreError::Unknown { detail }) => {
            StoreError::Unusable {
                detail: format!(
                    "{place} cannot be reached ({detail}): check the endpoint, and that something runs there"
                ),
            }
        }
        (_, sorted) => sorted,
    }
}

/// Whether the condition of a conditional write did not hold.
pub(crate) fn is_condition_failed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.as_service_error().is_some_and(|error| error.code() == Some("ConditionalCheckFailedException"))
}

/// The outcome of a conditional write.
pub(crate) fn put_outcome<T, E>(
    answer: Result<T, SdkError<E, HttpResponse>>,
    place: &Place,
    table: &str,
) -> Result<Put, StoreError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match answer {
        Ok(_) => Ok(Put::Written),
        Err(error) if is_condition_failed(&error) => Ok(Put::Refused),
        Err(error) => Err(sort(&error, place, table)),
    }
}

/// An answer came that is none.
pub(super) fn unreadable(place: &Place) -> StoreError {
    StoreError::Unknown { detail: format!("{place} gave no readable answer") }
}

/// Sorts an error that the service answered with.
pub(super) fn sort_answer(
    code: Option<&str>,
    message: Option<&str>,
    status: u16,
    place: &Place,
    table: &str,
) -> StoreError {
    let said = cut(&format!("{} {}", code.unwrap_or("no error code"), message.unwrap_or("")));
    let detail = said.trim_end().to_owned();
    match code.unwrap_or_default() {
        "ThrottlingException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "TransactionConflictException"
        | "TransactionInProgressException"
        | "ReplicatedWriteConflictException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "Throttling" => StoreError::Throttled { detail },
        "InternalServerError"
        | "InternalServerErrorException"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException" => StoreError::Unknown { detail },
        "ValidationException" | "SerializationException" | "ItemCollectionSizeLimitExceededException" => {
            StoreError::Invalid { detail }
        }
        "ResourceNotFoundException" | "TableNotFoundException" => StoreError::Unusable {
            detail: format!(
                "the table {table} does not exist at {place}: create it, or check the table's name, the region and the \
                 endpoint"
            ),
        },
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" => StoreError::Unusable {
            detail: format!("{place} denies access to the table {table}: check the permissions of these credentials"),
        },
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "InvalidAccessKeyId" => StoreError::Unusable {
            detail: format!(
                "{place} does not accept these credentials ({}): check the access key, its secret, the region and \
                     this machine's clock",
                code.unwrap_or_default()
            ),
        },
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
            StoreError::Unusable { detail: format!("the credentials for {place} have expired: get new ones") }
        }
        _ => match status {
            429 => StoreError::Throttled { detail },
            // A success that cannot be read.
            ..400 => {
                StoreError::Unknown { detail: format!("{place} gave no readable answer with HTTP status {status}") }
            }
            408 | 500.. => {
                StoreError::Unknown { detail: format!("{place} answered with HTTP status {status}: {detail}") }
            }
            _ => StoreError::Unusable {
                detail: format!(
                    "{place} answered with HTTP status {status} ({detail}), which no DynamoDB table would: check the \
                     endpoint"
                ),
            },
        },
    }
}

/// The request was not sent, or its connection ended before an answer came: the SDK does not always say which, so that
/// only what surely happens before is told apart.
fn no_answer<E>(error: &SdkError<E, HttpResponse>, place: &Place) -> StoreError
where
    E: Error + 'static,
{
    match credentials_error(error) {
        Some(CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_)) => StoreError::Unknown {
            detail: cut(&format!("the AWS credentials could not be fetched: {}", innermost(error))),
        },
        Some(_) => StoreError::Unusable { detail: format!("no AWS credentials were found: {SET_CREDENTIALS}") },
        // Every request needs one to be signed.
        None if place.region.is_none() => {
            StoreError::Unusable { detail: "no AWS region is configured: set AWS_REGION".into() }
        }
        None => StoreError::Unknown { detail: cut(&format!("no answer from {place}: {}", innermost(error))) },
    }
}

fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The text of the innermost cause, which is the one that names the trouble.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// At most [`MAX_DETAIL_BYTES`] of a text.
pub(crate) fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_DETAIL_BYTES)].to_owned()
}
