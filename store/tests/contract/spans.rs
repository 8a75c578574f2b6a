//! Listings of events.

use headcount_core::keys::WriteShards;
use headcount_store::error::StoreError;
use headcount_store::rows::{EventRow, Page};
use headcount_store::traits::{AggregatorStore, EventSpan, MAX_BATCH_WRITES};

use crate::rows::{START_MS, all_pages, date, event, shards};

/// Events of the paged listing, of [`LARGE_BYTES`] each: more than two pages of 1 MB.
const LARGE_EVENTS: usize = 300;

const LARGE_BYTES: usize = 8 << 10;

fn span(from: i64, to: i64) -> EventSpan {
    let (from_ms, to_ms) = (START_MS.saturating_add(from), START_MS.saturating_add(to));
    EventSpan { date: date(1), shards: WriteShards::ONE, shard: 0, from_ms, to_ms }
}

fn ids<'a>(page: &'a Page<EventRow<'static>>) -> Vec<&'a str> {
    page.items.iter().map(|row| &*row.event.id).collect()
}

pub(crate) async fn claim_all(store: &impl AggregatorStore, rows: &[EventRow<'_>]) {
    for chunk in rows.chunks(MAX_BATCH_WRITES) {
        store.claim(chunk).await.expect("claimed");
    }
}

pub(crate) async fn a_span_takes_its_first_millisecond_and_not_its_last(store: impl AggregatorStore) {
    let mut other_day = event("other", 10);
    other_day.date = date(2);
    let rows = [event("d", 20), event("b", 10), event("~", 10), event("a", 9), event("c", 19), other_day];
    claim_all(&store, &rows).await;
    let page = store.events_page(&span(10, 20), None).await.expect("a page");
    assert_eq!(ids(&page), ["b", "~", "c"]);
    assert_eq!(page.items[0], rows[1], "an event comes back as it was claimed");
    let all = store.events_page(&EventSpan { from_ms: i64::MIN, to_ms: i64::MAX, ..span(0, 0) }, None).await;
    assert_eq!(ids(&all.expect("a page")), ["a", "b", "~", "c", "d"]);
}

pub(crate) async fn a_span_without_room_is_an_empty_page(store: impl AggregatorStore) {
    claim_all(&store, &[event("a", 10)]).await;
    let earlier = EventSpan { date: date(9), ..span(0, 100) };
    for empty in [span(10, 10), span(20, 10), span(11, 20), earlier] {
        let page = store.events_page(&empty, None).await;
        assert_eq!(page, Ok(Page { items: Vec::new(), next: None }), "{empty:?}");
    }
    let outside = EventSpan { shard: 1, ..span(0, 100) };
    assert!(matches!(store.events_page(&outside, None).await, Err(StoreError::Invalid { .. })));
}

pub(crate) async fn write_shards_divide_a_date(store: impl AggregatorStore) {
    let spread = |mut row: EventRow<'static>| {
        row.shards = shards(3);
        row
    };
    let rows: Vec<_> = (0..60).map(|n| spread(event(&format!("e-{n:02}"), n))).collect();
    claim_all(&store, &rows).await;
    let mut found = Vec::new();
    for shard in 0..3 {
        let span = EventSpan { shards: shards(3), shard, ..span(0, 1_000) };
        let page = store.events_page(&span, None).await.expect("a page");
        assert!(!page.items.is_empty() && page.next.is_none(), "shard {shard}");
        found.extend(page.items);
    }
    found.sort_by_key(|row| row.event.timestamp_ms);
    assert_eq!(found, rows);
    let unspread = store.events_page(&span(0, 1_000), None).await;
    assert_eq!(unspread.expect("a page").items, [], "a date without spreading has another partition");
}

pub(crate) async fn pages_hold_every_event_once_in_order(store: impl AggregatorStore) {
    let large = |n: usize| {
        let mut row = event(&format!("e-{n:03}"), n as i64 / 2);
        row.event.event_data = serde_json::json!({"text": "x".repeat(LARGE_BYTES)}).into();
        row
    };
    let rows: Vec<_> = (0..LARGE_EVENTS).map(large).collect();
    claim_all(&store, &rows).await;
    let pages = all_pages!(|after| store.events_page(&span(0, 1_000), after));
    assert!(pages.len() > 2, "{} pages", pages.len());
    assert_eq!(pages.concat(), rows);
}
