//! Single events and rejected occurrences, page by page, however many share a millisecond.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use headcount_core::deployment::{Deployment, TableId, TableMeta};
use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::origin::{Origin, Source};
use headcount_core::rejection::{Payload, Problem, Rejection};
use headcount_query::error::QueryError;
use headcount_query::page::PageRequest;
use headcount_query::rejections::Encoding;
use headcount_query::{Deps, Range, get_rejected, get_user_events};
use headcount_store::rows::{EventItem, RejectedItem};
use headcount_store::traits::{ItemStore as _, MetaStore as _};
use headcount_testkit::memory::MemoryStore;

/// 2026-03-01T00:00:00Z.
const START_MS: i64 = 1_772_323_200_000;

fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn origin(index: u32) -> Origin {
    Origin { source: Source::shard("events", None, "shard").expect("a source"), sequence: 7u64.into(), index }
}

/// A table whose pages are small.
async fn table() -> MemoryStore {
    let store = MemoryStore::with_page_items(3);
    let deployment = Deployment::new("d".to_owned(), chrono_tz::UTC, "test");
    store.create_meta(&TableMeta { deployment, table: TableId(1) }).await.expect("a table");
    store
}

async fn store_event(store: &MemoryStore, user: &str, id: &str, at_ms: i64, is_indexed: bool) {
    let item = EventItem {
        event: Event {
            id: id.into(),
            user_id: user.into(),
            session_id: Some("s".into()),
            event_type: EventType::PageView,
            account_id: None,
            timestamp_ms: at_ms,
            counted_ms: at_ms,
            priced_by: None,
            event_data: Json::EMPTY,
            metadata: Json::EMPTY,
        },
        date: headcount_core::calendar::day_of(chrono_tz::UTC, at_ms).expect("a day"),
        created_ms: at_ms,
        expires_s: 0,
        is_indexed,
    };
    store.put_events(&[item]).await.expect("written");
}

fn next(after: Option<String>, limit: usize) -> PageRequest {
    PageRequest { after, limit: Some(limit) }
}

#[tokio::test]
async fn a_timeline_shows_each_event_once_whatever_the_page() {
    let store = table().await;
    let mut wanted = BTreeSet::new();
    // Seven events of each of six milliseconds, on two days.
    for n in 0..42i64 {
        let at_ms = START_MS + (n / 7) * 8 * 60 * 60 * 1_000;
        let id = format!("e-{n:02}");
        store_event(&store, "ann", &id, at_ms, true).await;
        wanted.insert((at_ms, id));
    }
    store_event(&store, "ann#00", "foreign", START_MS, true).await;
    store_event(&store, "ann", "not in the index", START_MS, false).await;
    let deps = Deps::new(store);
    let range = Range::new(date("2026-03-01"), date("2026-03-05")).expect("a range");
    for limit in [1, 2, 5, 41, 42, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = get_user_events(&deps, "ann", range, &next(after, limit)).await.expect("a page");
            assert!(page.events.len() <= limit);
            seen.extend(page.events.into_iter().map(|event| (event.timestamp, event.event_id)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let newest_first: Vec<_> = wanted.iter().rev().cloned().collect();
        assert_eq!(seen, newest_first, "pages of {limit}");
    }
    let first_day = Range::new(date("2026-03-01"), date("2026-03-01")).expect("a range");
    let page = get_user_events(&deps, "ann", first_day, &PageRequest::default()).await.expect("a page");
    assert_eq!((page.events.len(), page.next), (21, None));
    let nobody = get_user_events(&deps, "nobody", range, &PageRequest::default()).await.expect("a page");
    assert_eq!(nobody.events, []);
}

#[tokio::test]
async fn what_asks_for_a_page_is_checked() {
    let deps = Deps::new(table().await);
    let range = Range::new(date("2026-03-01"), date("2026-03-05")).expect("a range");
    for limit in [0, 101] {
        let refused = get_user_events(&deps, "ann", range, &next(None, limit)).await;
        assert_eq!(refused, Err(QueryError::Limit { limit }));
    }
    for page in ["", "x", "e30", "AAAA", &"A".repeat(2_000)] {
        let refused = get_user_events(&deps, "ann", range, &next(Some(page.to_owned()), 5)).await;
        assert_eq!(refused, Err(QueryError::Page), "{page}");
        let refused = get_rejected(&deps, range.from, &next(Some(page.to_owned()), 5)).await;
        assert_eq!(refused, Err(QueryError::Page), "{page}");
    }
    for user in ["", &"u".repeat(257)] {
        assert_eq!(get_user_events(&deps, user, range, &next(None, 5)).await, Err(QueryError::UserId));
    }
}

#[tokio::test]
async fn rejected_occurrences_come_newest_first() {
    let store = table().await;
    let payloads = [
        Payload::Text { text: "{}".into(), truncated: true },
        Payload::Binary { bytes: vec![0, 255], truncated: false },
        Payload::Withheld,
    ];
    let items: Vec<_> = (0..20)
        .map(|n| RejectedItem {
            rejection: Rejection {
                problems: vec![Problem::new("userId", "must not be empty")],
                payload: payloads[n as usize % 3].clone(),
                count: 1,
            },
            origin: origin(n),
            arrival_date: date("2026-03-02"),
            arrived_ms: START_MS + i64::from(n / 2),
            expires_s: 0,
        })
        .collect();
    store.put_rejected(&items).await.expect("written");
    let deps = Deps::new(store);
    for limit in [1, 3, 19, 20, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = get_rejected(&deps, date("2026-03-02"), &next(after, limit)).await.expect("a page");
            assert!(page.rejected.len() <= limit);
            seen.extend(page.rejected);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let times: Vec<_> = seen.iter().map(|one| one.arrived_at).collect();
        assert!(times.is_sorted_by(|a, b| a >= b), "pages of {limit}: {times:?}");
        assert_eq!(seen.iter().map(|one| one.index).collect::<BTreeSet<_>>(), (0..20).collect(), "pages of {limit}");
        assert_eq!(seen.len(), 20);
        let binary = seen.iter().find(|one| one.index == 1).expect("the second");
        assert_eq!((binary.payload.as_deref(), binary.encoding), (Some("AP8="), Encoding::Base64));
        assert_eq!(binary.problems[0].field, "userId");
    }
}
