//! What becomes of an answer that is an error: the one module that knows DynamoDB's error codes.

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
pub(crate) struct Endpoint {
    pub(crate) url: Option<String>,
    pub(crate) region: Option<String>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.url, &self.region) {
            (Some(url), _) => f.write_str(url),
            (None, Some(region)) => write!(f, "DynamoDB in {region}"),
            (None, None) => f.write_str("DynamoDB"),
        }
    }
}

/// Sorts a failed request by what the caller must do.
pub(crate) fn sort<E>(error: &SdkError<E, HttpResponse>, endpoint: &Endpoint, table: &str) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            sort_answer(answer.err().code(), answer.err().message(), status, endpoint, table)
        }
        SdkError::TimeoutError(_) => StoreError::Unknown { detail: format!("{endpoint} did not answer in time") },
        SdkError::DispatchFailure(_) => no_answer(error, endpoint),
        SdkError::ConstructionFailure(_) => {
            StoreError::Invalid { detail: cut(&DisplayErrorContext(error).to_string()) }
        }
        // An answer came that cannot be read, or half of one.
        _ => StoreError::Unknown { detail: cut(&format!("{endpoint} gave no readable answer: {}", innermost(error))) },
    }
}

/// As [`sort`], for the first request of a program: what cannot be reached now is a wrong endpoint, not a bad moment.
pub(crate) fn sort_first<E>(error: &SdkError<E, HttpResponse>, endpoint: &Endpoint, table: &str) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error, sort(error, endpoint, table)) {
        (SdkError::DispatchFailure(_), StoreError::Unknown { detail }) if credentials_error(error).is_some() => {
            StoreError::Unusable { detail: format!("{}: {SET_CREDENTIALS}", detail.trim_end_matches('.')) }
        }
        (SdkError::DispatchFailure(_) | SdkError::TimeoutError(_), StoreError::Unknown { detail }) => {
            StoreError::Unusable {
                detail: format!(
                    "{endpoint} cannot be reached ({detail}): check the endpoint, and that something runs there"
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
    endpoint: &Endpoint,
    table: &str,
) -> Result<Put, StoreError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match answer {
        Ok(_) => Ok(Put::Written),
        Err(error) if is_condition_failed(&error) => Ok(Put::Refused),
        Err(error) => Err(sort(&error, endpoint, table)),
    }
}

/// Sorts an error that the service answered with
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>).
fn sort_answer(code: Option<&str>, message: Option<&str>, status: u16, endpoint: &Endpoint, table: &str) -> StoreError {
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
                "the table {table} does not exist at {endpoint}: create it, or check the table's name, the region and the \
                 endpoint"
            ),
        },
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" => {
            StoreError::Unusable { detail: denied(message.unwrap_or_default(), endpoint, table) }
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "InvalidAccessKeyId" => StoreError::Unusable {
            detail: format!(
                "{endpoint} does not accept these credentials ({}): check the access key, its secret, the region and \
                     this machine's clock",
                code.unwrap_or_default()
            ),
        },
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
            StoreError::Unusable { detail: format!("the credentials for {endpoint} have expired: get new ones") }
        }
        _ => match status {
            429 => StoreError::Throttled { detail },
            // A success that cannot be read.
            ..400 => {
                StoreError::Unknown { detail: format!("{endpoint} gave no readable answer with HTTP status {status}") }
            }
            408 | 500.. => {
                StoreError::Unknown { detail: format!("{endpoint} answered with HTTP status {status}: {detail}") }
            }
            _ => StoreError::Unusable {
                detail: format!(
                    "{endpoint} answered with HTTP status {status} ({detail}), which no DynamoDB table would: check the \
                     endpoint"
                ),
            },
        },
    }
}

/// Which action must be allowed: the service says "User: <who> is not authorized to perform: dynamodb:PutItem on resource:
/// <which> because no identity-based policy allows the dynamodb:PutItem action"
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>). Who it was is left out.
fn denied(message: &str, endpoint: &Endpoint, table: &str) -> String {
    let action = message.split_once("not authorized to perform: ").and_then(|(_, rest)| rest.split([' ', ',']).next());
    match action.filter(|action| !action.is_empty()) {
        Some(action) => format!(
            "{endpoint} denies {} on the table {table}: allow this action on the table and its indexes in the policies of \
             these credentials",
            cut(action)
        ),
        None => format!(
            "{endpoint} denies access to the table {table} ({}): check the policies of these credentials, and those of the \
             table's key, VPC endpoint and organization",
            cut(message)
        ),
    }
}

/// The request was not sent, or its connection ended before an answer came: the SDK does not always say which, so that
/// only what surely happens before is told apart.
fn no_answer<E>(error: &SdkError<E, HttpResponse>, endpoint: &Endpoint) -> StoreError
where
    E: Error + 'static,
{
    match credentials_error(error) {
        Some(CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_)) => StoreError::Unknown {
            detail: cut(&format!("the AWS credentials could not be fetched: {}", innermost(error))),
        },
        Some(_) => StoreError::Unusable { detail: format!("no AWS credentials were found: {SET_CREDENTIALS}") },
        // Every request needs one to be signed.
        None if endpoint.region.is_none() => {
            StoreError::Unusable { detail: "no AWS region is configured: set AWS_REGION".into() }
        }
        None => StoreError::Unknown { detail: cut(&format!("no answer from {endpoint}: {}", innermost(error))) },
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
