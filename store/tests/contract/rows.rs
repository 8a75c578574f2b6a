//! Rows to store.

use chrono::NaiveDate;
use headcount_core::deployment::TableId;
use headcount_core::event::{Event, EventType, Object};
use headcount_core::origin::{Origin, Source};
use headcount_core::partial::PartialRecord;
use headcount_core::rejection::{Payload, Problem, Rejection};
use headcount_store::error::StoreError;
use headcount_store::rows::{Cursor, EventItem, FirstDay, Page, RejectedItem};
use headcount_store::traits::{AggregatorStore, BrowseStore, MAX_BATCH_WRITES, Stamp};
use serde_json::Value;

/// All that a store can do.
pub(crate) trait Store: AggregatorStore + BrowseStore + Clone + 'static {}

impl<S: AggregatorStore + BrowseStore + Clone + 'static> Store for S {}

/// The table's number in these tests.
pub(crate) const TABLE: TableId = TableId(u64::MAX - 1);

/// The number of a table that another one was restored from.
pub(crate) const OTHER_TABLE: TableId = TableId(7);

/// 2026-03-01T00:00:00Z.
pub(crate) const START_MS: i64 = 1_772_323_200_000;

/// Pages that a listing of a test may have at most.
const MAX_PAGES: usize = 100;

pub(crate) const STAMP: Stamp = Stamp { now_ms: START_MS, expires_s: 1_800_000_000 };

pub(crate) fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, day).expect("a day of March")
}

pub(crate) fn source(number: u32) -> Source {
    Source::shard("events", None, &format!("shardId-{number:012}")).expect("a source")
}

/// An origin with a sequence number as long as Kinesis hands out.
pub(crate) fn origin(index: u32) -> Origin {
    let sequence = "49590338271490256608559692538361571095921575989136588898".parse().expect("digits");
    Origin { source: source(0), sequence, index }
}

pub(crate) fn object(json: Value) -> Object {
    match json {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

/// An event of 2026-03-01, this many milliseconds after its start.
pub(crate) fn event(id: &str, after_ms: i64) -> EventItem<'static> {
    let metadata = serde_json::json!({"userAgent": "a", "ipAddress": "10.0.0.0", "platform": "web"});
    EventItem {
        event: Event {
            id: id.to_owned().into(),
            user_id: "ann".into(),
            session_id: Some("s-1".into()),
            event_type: EventType::FeatureUse,
            account_id: Some("account-1".into()),
            timestamp_ms: START_MS + after_ms,
            counted_ms: START_MS + after_ms,
            priced_by: None,
            event_data: serde_json::json!({"feature": "search"}).into(),
            metadata: metadata.into(),
        },
        date: date(1),
        created_ms: START_MS + 5,
        expires_s: 1_780_000_000,
        is_indexed: true,
    }
}

pub(crate) fn event_with(id: &str, event_data: Value) -> EventItem<'static> {
    let mut row = event(id, 0);
    row.event.event_data = event_data.into();
    row
}

pub(crate) fn rejected(index: u32) -> RejectedItem {
    let payload = Payload::Text { text: "{\"userId\":\"\"}".to_owned(), truncated: false };
    RejectedItem {
        rejection: Rejection { problems: vec![Problem::new("userId", "must not be empty")], payload, count: 1 },
        origin: origin(index),
        arrival_date: date(1),
        arrived_ms: START_MS,
        expires_s: 1_780_000_000,
    }
}

pub(crate) fn first_day(user_id: &str, day: u32) -> FirstDay {
    FirstDay { user_id: user_id.to_owned(), date: date(day), seen_ms: START_MS }
}

pub(crate) fn partial(number: u32, version: u64) -> PartialRecord {
    PartialRecord {
        date: date(1),
        source: source(number),
        version,
        as_of: 7,
        first: 3,
        counters: vec![1, 2, 3],
        users: vec![0, 255],
        sessions: vec![9; 40],
        accounts: vec![8; 3],
        checksum: u64::MAX,
    }
}

/// Puts all, in batches.
pub(crate) async fn put_all(store: &impl Store, rows: &[EventItem<'_>]) {
    for chunk in rows.chunks(MAX_BATCH_WRITES) {
        assert_eq!(store.put_events(chunk).await, Ok(vec![true; chunk.len()]));
    }
}

/// Every page's items, and how many pages there were. `$page` asks for the page after `$after`.
macro_rules! all_pages {
    (|$after:ident| $page:expr) => {{
        let mut pages = Vec::new();
        let mut next = None;
        loop {
            let $after = next.as_ref();
            next = crate::rows::take_page(&mut pages, $page.await);
            if next.is_none() {
                break pages;
            }
        }
    }};
}
pub(crate) use all_pages;

pub(crate) fn take_page<T>(pages: &mut Vec<Vec<T>>, page: Result<Page<T>, StoreError>) -> Option<Cursor> {
    let page = page.expect("a page");
    pages.push(page.items);
    assert!(pages.len() <= MAX_PAGES, "a listing without an end");
    page.next
}
