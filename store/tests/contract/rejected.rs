//! Rejected occurrences.

use headcount_core::keys::WriteShards;
use headcount_core::rejection::{Payload, Problem};
use headcount_store::error::StoreError;
use headcount_store::rows::{RejectedCount, RejectedRow};
use headcount_store::traits::{AggregatorStore, MAX_BATCH_WRITES};

use crate::rows::{all_pages, date, origin, rejected, shards};

/// Items of the paged listing, each with a payload of [`LARGE_BYTES`]: more than 1 MB.
const LARGE_ITEMS: u32 = 200;

const LARGE_BYTES: usize = 8 << 10;

pub(crate) async fn putting_again_changes_nothing(store: impl AggregatorStore) {
    let rows = [rejected(0), rejected(1)];
    for _ in 0..2 {
        assert_eq!(store.put_rejected(&rows).await, Ok(vec![true, true]));
    }
    let page = store.rejected_page(date(1), WriteShards::ONE, 0, None).await.expect("a page");
    let expected = [0, 1].map(|index| RejectedCount { origin: origin(index), count: 1 });
    assert_eq!((page.items, page.next), (expected.to_vec(), None));

    assert_eq!(store.put_rejected(&[]).await, Ok(Vec::new()));
    assert!(matches!(store.put_rejected(&[rejected(3), rejected(3)]).await, Err(StoreError::Invalid { .. })));
    let many: Vec<_> = (0..=MAX_BATCH_WRITES as u32).map(rejected).collect();
    assert!(matches!(store.put_rejected(&many).await, Err(StoreError::Invalid { .. })));
    assert_eq!(store.put_rejected(&many[1..]).await, Ok(vec![true; MAX_BATCH_WRITES]));
}

pub(crate) async fn every_payload_is_taken(store: impl AggregatorStore) {
    let payloads = [
        Payload::Text { text: String::new(), truncated: false },
        Payload::Text { text: "ü".repeat(4_000), truncated: true },
        Payload::Binary { bytes: vec![0, 159, 146, 150], truncated: true },
        Payload::Binary { bytes: Vec::new(), truncated: false },
        Payload::Withheld,
    ];
    let rows: Vec<RejectedRow> = (2..)
        .zip(payloads)
        .map(|(count, payload)| {
            let mut row = rejected(count as u32);
            row.rejection.payload = payload;
            row.rejection.count = count;
            row.rejection.problems = vec![Problem::new("", "must be JSON"); count as usize];
            row
        })
        .collect();
    assert_eq!(store.put_rejected(&rows).await, Ok(vec![true; rows.len()]));
    let page = store.rejected_page(date(1), WriteShards::ONE, 0, None).await.expect("a page");
    assert_eq!(page.items.iter().map(|item| item.count).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
}

pub(crate) async fn pages_hold_every_item_once(store: impl AggregatorStore) {
    let large = |index| {
        let mut row = rejected(index);
        row.shards = shards(2);
        row.rejection.payload = Payload::Text { text: "x".repeat(LARGE_BYTES), truncated: true };
        row
    };
    let rows: Vec<_> = (0..LARGE_ITEMS * 2).map(large).collect();
    for chunk in rows.chunks(MAX_BATCH_WRITES) {
        assert_eq!(store.put_rejected(chunk).await, Ok(vec![true; chunk.len()]));
    }
    let mut found = Vec::new();
    for shard in 0..2 {
        let pages = all_pages!(|after| store.rejected_page(date(1), shards(2), shard, after));
        assert!(pages.len() > 1, "shard {shard}: {} pages", pages.len());
        found.extend(pages.concat().into_iter().map(|item| item.origin));
    }
    found.sort();
    assert_eq!(found, (0..LARGE_ITEMS * 2).map(origin).collect::<Vec<_>>());
    let outside = store.rejected_page(date(1), shards(2), 2, None).await;
    assert!(matches!(outside, Err(StoreError::Invalid { .. })));
}
