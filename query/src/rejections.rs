//! What was rejected, and why.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDate;
use headcount_core::rejection::Payload;
use headcount_runtime::retry::retry;
use headcount_store::rows::RejectedItem;
use headcount_store::traits::QueryStore;
use schemars::JsonSchema;
use serde::Serialize;

use crate::deps::{Deps, deadline};
use crate::error::QueryError;
use crate::lookup::Reading;
use crate::page::{PageRequest, text_of};

/// A page of what was rejected on a day.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedEvents {
    /// The day of arrival.
    pub date: NaiveDate,
    /// What was rejected, the newest first.
    pub rejected: Vec<RejectedEvent>,
    /// What to ask for to see the next page; null where this is the last.
    pub next: Option<String>,
}

/// One rejected event, or record.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedEvent {
    /// When it arrived, milliseconds since the epoch.
    pub arrived_at: i64,
    /// Every rule that it broke.
    pub problems: Vec<Problem>,
    /// Occurrences that it stands for.
    pub count: u64,
    /// What came, or its beginning; null where it was not kept.
    pub payload: Option<String>,
    /// How the payload is written: as text, or bytes in base64.
    pub encoding: Encoding,
    /// Whether the payload was cut.
    pub truncated: bool,
    /// The stream and shard it came from.
    pub source: String,
    /// The sequence number of its record.
    pub sequence: String,
    /// Its place in the record, from 0.
    pub index: u32,
}

/// One rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// The field; empty where the whole is meant.
    pub field: String,
    /// The rule.
    pub problem: String,
}

/// How a payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Encoding {
    /// As it is.
    Text,
    /// Bytes that are no text, in base64.
    Base64,
    /// Not kept.
    Withheld,
}

impl From<RejectedItem> for RejectedEvent {
    fn from(row: RejectedItem) -> Self {
        let (payload, encoding, truncated) = match row.rejection.payload {
            Payload::Text { text, truncated } => (Some(text), Encoding::Text, truncated),
            Payload::Binary { bytes, truncated } => (Some(STANDARD.encode(bytes)), Encoding::Base64, truncated),
            Payload::Withheld => (None, Encoding::Withheld, false),
        };
        let problems = row.rejection.problems.into_iter();
        Self {
            arrived_at: row.arrived_ms,
            problems: problems.map(|one| Problem { field: one.field, problem: one.problem }).collect(),
            count: row.rejection.count,
            payload,
            encoding,
            truncated,
            source: row.origin.source.to_string(),
            sequence: row.origin.sequence.as_str().to_owned(),
            index: row.origin.index,
        }
    }
}

/// A page of what was rejected on an arrival day. It is kept 30 days.
///
/// # Errors
///
/// [`QueryError`]: the page or its limit break a rule, or the table does not answer.
pub async fn get_rejected<S: QueryStore>(
    deps: &Deps<S>,
    date: NaiveDate,
    page: &PageRequest,
) -> Result<RejectedEvents, QueryError> {
    let (limit, before) = (page.limit()?, page.position::<String>()?);
    let table = deps.meta().await?.table;
    let reading = Reading { deps, table, deadline: deadline(), open_from: date };
    let mut items = list(&reading, date, before, limit).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|item| text_of(&item.key().sk));
    Ok(RejectedEvents { date, rejected: items.into_iter().map(Into::into).collect(), next })
}

/// The newest of a day, more than `limit` where there are; a page of the table may hold fewer.
async fn list<S: QueryStore>(
    reading: &Reading<'_, S>,
    date: NaiveDate,
    mut before: Option<String>,
    limit: usize,
) -> Result<Vec<RejectedItem>, QueryError> {
    let mut items: Vec<RejectedItem> = Vec::new();
    loop {
        let wanted = limit + 1 - items.len();
        let request = || reading.deps.store.rejections_page(date, before.as_deref(), wanted);
        let page = retry(&reading.deps.jitter, reading.deadline, request).await?;
        items.extend(page.items);
        let last = items.last().map(|item| item.key().sk);
        match reading.next(page.next)?.and(last) {
            Some(last) if items.len() <= limit => before = Some(last),
            _ => return Ok(items),
        }
    }
}
