//! What people look at item by item.

use headcount_store::rows::EventItem;
use headcount_store::traits::UserSpan;

use crate::rows::{START_MS, Store, all_pages, event, put_all};

fn span(user_id: &str, from: i64, to: i64) -> UserSpan {
    UserSpan { user_id: user_id.into(), from_ms: START_MS + from, to_ms: START_MS + to }
}

pub(crate) async fn a_users_events_come_newest_first(store: impl Store) {
    let rows: Vec<_> = (0..10).map(|n| event(&format!("e-{n}"), n)).collect();
    put_all(&store, &rows).await;
    let mut other = event("of-another", 3);
    other.event.user_id = "ann#00".into();
    put_all(&store, &[other]).await;

    let pages = all_pages!(|after| store.user_events_page(&span("ann", 2, 8), after, 3));
    assert!(pages.iter().all(|page| page.len() <= 3) && pages.len() >= 3, "{pages:?}");
    let wanted: Vec<_> = (2..=8).rev().map(|n| rows[n].key()).collect();
    assert_eq!(pages.concat(), wanted, "from its first millisecond to its last");
    let all = UserSpan { from_ms: i64::MIN, to_ms: i64::MAX, ..span("ann", 0, 0) };
    assert_eq!(all_pages!(|after| store.user_events_page(&all, after, 100)).concat().len(), 10);
    let none = store.user_events_page(&span("ann", 9, 8), None, 5).await.expect("a page");
    assert_eq!((none.items.len(), none.next), (0, None));
}

pub(crate) async fn what_is_not_indexed_is_not_listed(store: impl Store) {
    let rows = [event("a", 1), EventItem { is_indexed: false, ..event("b", 2) }, event("c", 3)];
    put_all(&store, &rows).await;
    let listed = async || all_pages!(|after| store.user_events_page(&span("ann", 0, 9), after, 100)).concat();
    assert_eq!(listed().await, [rows[2].key(), rows[0].key()]);
    // Put again, the index follows.
    let changed = [EventItem { is_indexed: false, ..event("a", 1) }, event("b", 2)];
    put_all(&store, &changed).await;
    assert_eq!(listed().await, [rows[2].key(), rows[1].key()]);
}
