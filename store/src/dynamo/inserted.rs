//! What became of batched inserts, read from the answer as it came.

use aws_sdk_dynamodb::types::BatchStatementError;
use headcount_core::origin::Origin;
use serde::Deserialize;

use super::item::Attributes;

/// The whole answer.
#[derive(Deserialize)]
struct Body {
    #[serde(rename = "Responses")]
    responses: Option<Vec<Response>>,
}

/// A statement's answer.
#[derive(Deserialize)]
struct Response {
    #[serde(rename = "Error")]
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(rename = "Code")]
    code: Option<String>,
    #[serde(rename = "Message")]
    message: Option<String>,
    #[serde(rename = "Item")]
    item: Option<Item>,
}

/// What matters of an item that is there already.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "Origin")]
    origin: Option<Text>,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: Option<String>,
}

/// Why an event was not inserted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// DynamoDB's word for it.
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    /// The origin of the event that is there already.
    pub(super) origin: Option<Origin>,
}

/// One for each statement that was answered, in order: none where the event was inserted.
///
/// # Errors
/// The answer is not what DynamoDB answers.
pub(super) fn read(answer: &[u8]) -> Result<Vec<Option<Refusal>>, serde_json::Error> {
    let body: Body = serde_json::from_slice(answer)?;
    let refusal = |response: Response| response.error.map(Refusal::from);
    Ok(body.responses.into_iter().flatten().map(refusal).collect())
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let origin = error.item.and_then(|item| item.origin?.text?.parse().ok());
        Self { code: error.code, message: error.message, origin }
    }
}

impl From<&BatchStatementError> for Refusal {
    fn from(error: &BatchStatementError) -> Self {
        Self {
            code: error.code().map(|code| code.as_str().to_owned()),
            message: error.message().map(str::to_owned),
            origin: error.item().and_then(|item| Attributes(item).parsed("Origin").ok()),
        }
    }
}
