//! Rejected items: `REJECTED#<date>` / `REJECT#<arrival ms>#<source>#<sequence>#<index>`.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::NaiveDate;
use headcount_core::keys;
use headcount_core::rejection::{Payload, Problem, Rejection};

use super::attributes::{Attributes, Item, b, key_item, n, s};
use crate::error::StoreError;
use crate::rows::RejectedItem;

pub(super) fn item(row: &RejectedItem) -> Item {
    let problem = |problem: &Problem| {
        AttributeValue::M(Item::from([
            ("field".to_owned(), s(&problem.field)),
            ("problem".to_owned(), s(&problem.problem)),
        ]))
    };
    let mut item = key_item(&row.key());
    item.extend([
        ("EntityType".to_owned(), s("RejectedEvent")),
        ("Problems".to_owned(), AttributeValue::L(row.rejection.problems.iter().map(problem).collect())),
        ("Count".to_owned(), n(row.rejection.count)),
        ("Origin".to_owned(), s(row.origin.to_string())),
        ("ArrivedAt".to_owned(), n(row.arrived_ms)),
        ("TTL".to_owned(), n(row.expires_s)),
    ]);
    let (payload, is_cut) = match &row.rejection.payload {
        Payload::Text { text, truncated } => (s(text), *truncated),
        Payload::Binary { bytes, truncated } => (b(bytes), *truncated),
        Payload::Withheld => return item,
    };
    item.insert("Payload".to_owned(), payload);
    item.insert("Truncated".to_owned(), AttributeValue::Bool(is_cut));
    item
}

/// The rejected occurrence that an item of this arrival day holds.
pub(super) fn read(item: Attributes<'_>, arrival_date: NaiveDate) -> Result<RejectedItem, StoreError> {
    let sk = item.text("SK")?;
    let (arrived_ms, origin) = keys::parse_rejected(sk).ok_or_else(|| item.malformed("its key names no arrival"))?;
    Ok(RejectedItem {
        rejection: Rejection { problems: problems(item)?, payload: payload(item)?, count: item.number("Count")? },
        origin,
        arrival_date,
        arrived_ms,
        expires_s: item.number("TTL")?,
    })
}

fn problems(item: Attributes<'_>) -> Result<Vec<Problem>, StoreError> {
    let one = |value: &AttributeValue| {
        let map = Attributes(value.as_m().map_err(|_| item.malformed("one of its problems is no map"))?);
        Ok(Problem::new(map.text("field")?, map.text("problem")?))
    };
    item.list("Problems")?.iter().map(one).collect()
}

fn payload(item: Attributes<'_>) -> Result<Payload, StoreError> {
    if !item.has("Payload") {
        return Ok(Payload::Withheld);
    }
    let truncated = item.flag("Truncated")?;
    match item.text("Payload") {
        Ok(text) => Ok(Payload::Text { text: text.to_owned(), truncated }),
        Err(_) => Ok(Payload::Binary { bytes: item.bytes("Payload")?, truncated }),
    }
}
