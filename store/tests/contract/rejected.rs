//! Rejected items: put, and listed.

use headcount_core::rejection::{Payload, Problem};
use headcount_store::error::StoreError;
use headcount_store::rows::RejectedItem;
use headcount_store::traits::MAX_BATCH_WRITES;

use crate::rows::{START_MS, Store, date, rejected};

/// Items of the paged listing, each with a payload of [`LARGE_BYTES`]: more than 1 MB.
const LARGE_ITEMS: u32 = 200;

const LARGE_BYTES: usize = 8 << 10;

/// Pages of a listing, the newest first: each asks for those before the last one's last.
async fn listed(store: &impl Store, limit: usize) -> Vec<Vec<RejectedItem>> {
    let (mut pages, mut before) = (Vec::new(), None::<String>);
    loop {
        let page = store.rejections_page(date(1), before.as_deref(), limit).await.expect("a page");
        before = page.items.last().map(|item| item.key().sk);
        pages.push(page.items);
        assert!(pages.len() < 100, "a listing without an end");
        if page.next.is_none() {
            return pages;
        }
    }
}

pub(crate) async fn putting_again_changes_nothing(store: impl Store) {
    let rows = [rejected(0), rejected(1)];
    for _ in 0..2 {
        assert_eq!(store.put_rejected(&rows).await, Ok(vec![true, true]));
    }
    assert_eq!(listed(&store, 100).await.concat(), [rows[1].clone(), rows[0].clone()]);

    assert_eq!(store.put_rejected(&[]).await, Ok(Vec::new()));
    assert!(matches!(store.put_rejected(&[rejected(3), rejected(3)]).await, Err(StoreError::Invalid { .. })));
    let many: Vec<_> = (0..=MAX_BATCH_WRITES as u32).map(rejected).collect();
    assert!(matches!(store.put_rejected(&many).await, Err(StoreError::Invalid { .. })));
    assert_eq!(store.put_rejected(&many[1..]).await, Ok(vec![true; MAX_BATCH_WRITES]));
}

pub(crate) async fn every_payload_comes_back(store: impl Store) {
    let payloads = [
        Payload::Text { text: "{\"userId\":".into(), truncated: true },
        Payload::Text { text: String::new(), truncated: false },
        Payload::Text { text: "ü".repeat(4_000), truncated: true },
        Payload::Binary { bytes: vec![0, 159, 146, 150], truncated: true },
        Payload::Binary { bytes: Vec::new(), truncated: false },
        Payload::Withheld,
    ];
    let rows: Vec<RejectedItem> = (2..)
        .zip(payloads)
        .map(|(count, payload)| {
            let mut row = rejected(count as u32);
            row.arrived_ms = START_MS + count as i64 * 10;
            row.rejection.payload = payload;
            row.rejection.count = count;
            row.rejection.problems = vec![Problem::new("", "must be JSON"); count as usize];
            row
        })
        .collect();
    assert_eq!(store.put_rejected(&rows).await, Ok(vec![true; rows.len()]));
    let newest_first: Vec<_> = rows.iter().rev().cloned().collect();
    assert_eq!(listed(&store, 100).await.concat(), newest_first);

    let first = store.rejections_page(date(1), None, 2).await.expect("a page");
    assert_eq!((&first.items[..], first.next.is_some()), (&newest_first[..2], true));
    let rest = store.rejections_page(date(1), Some(&rows[1].key().sk), 9).await.expect("a page");
    assert_eq!((rest.items, rest.next), (vec![rows[0].clone()], None));
    let other_day = store.rejections_page(date(2), None, 3).await.expect("a page");
    assert_eq!((other_day.items, other_day.next), (Vec::new(), None));
}

pub(crate) async fn pages_hold_every_item_once(store: impl Store) {
    let large = |index| {
        let mut row = rejected(index);
        row.arrived_ms = START_MS + i64::from(index);
        row.rejection.payload = Payload::Text { text: "x".repeat(LARGE_BYTES), truncated: true };
        row
    };
    let rows: Vec<_> = (0..LARGE_ITEMS).map(large).collect();
    for chunk in rows.chunks(MAX_BATCH_WRITES) {
        assert_eq!(store.put_rejected(chunk).await, Ok(vec![true; chunk.len()]));
    }
    let pages = listed(&store, 1_000).await;
    assert!(pages.len() > 1, "{} pages", pages.len());
    assert_eq!(pages.concat(), rows.into_iter().rev().collect::<Vec<_>>());
}
