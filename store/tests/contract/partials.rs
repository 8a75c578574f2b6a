//! Partials.

use headcount_core::keys::WriteShards;
use headcount_core::partial::PartialRecord;
use headcount_store::error::StoreError;
use headcount_store::rows::Put;
use headcount_store::traits::AggregatorStore;

use crate::rows::{STAMP, all_pages, date, partial, shards, source};

/// Sources of the paged listing, whose partials are of [`LARGE_BYTES`]: more than two pages of 1 MB. Each of the store's
/// pages in memory holds 100.
const SOURCES: u32 = 240;

const LARGE_BYTES: usize = 10 << 10;

const ONE: WriteShards = WriteShards::ONE;

pub(crate) async fn versions_guard_every_write(store: impl AggregatorStore) {
    let steps = [
        // version, expected, what is there afterwards
        (2, 1, Put::Refused, None),
        (1, 0, Put::Written, Some(1)),
        (1, 0, Put::Refused, Some(1)),
        (2, 0, Put::Refused, Some(1)),
        (2, 1, Put::Written, Some(2)),
        (2, 1, Put::Refused, Some(2)),
        (9, 2, Put::Written, Some(9)),
        (10, 2, Put::Refused, Some(9)),
    ];
    for (version, expected, put, there) in steps {
        let case = format!("version {version}, expected {expected}");
        assert_eq!(store.write_partial(&partial(0, version), ONE, expected, STAMP).await, Ok(put), "{case}");
        let read = store.read_partial(date(1), ONE, &source(0)).await.expect("a reading");
        assert_eq!(read.map(|record| record.version), there, "{case}");
    }
    for (version, expected) in [(9, 9), (8, 9), (0, 0)] {
        let refused = store.write_partial(&partial(0, version), ONE, expected, STAMP).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{version} over {expected}: {refused:?}");
    }
}

pub(crate) async fn of_parallel_writes_one_succeeds<S: AggregatorStore + Clone + 'static>(store: S) {
    for expected in 0..3 {
        let writers: Vec<_> = (0..16)
            .map(|writer| {
                let mut record = partial(0, expected + 1);
                record.counters = vec![writer];
                let store = store.clone();
                tokio::spawn(async move {
                    (writer, store.write_partial(&record, ONE, expected, STAMP).await.expect("a write"))
                })
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            if let (writer, Put::Written) = writer.await.expect("no panic") {
                winners.push(writer);
            }
        }
        let read = store.read_partial(date(1), ONE, &source(0)).await.expect("a reading").expect("it is there");
        assert_eq!((winners, read.version), (read.counters.clone(), expected + 1));
    }
}

pub(crate) async fn a_partial_comes_back_as_it_was(store: impl AggregatorStore) {
    assert_eq!(store.read_partial(date(1), ONE, &source(0)).await, Ok(None));
    let fresh = PartialRecord {
        last_sequence: None,
        dirty: true,
        counters: Vec::new(),
        users: (0..=255).cycle().take(60_000).collect(),
        ..partial(0, 1)
    };
    let records = [fresh, partial(1, u64::MAX), PartialRecord { date: date(2), ..partial(0, 3) }];
    for record in &records {
        assert_eq!(store.write_partial(record, ONE, 0, STAMP).await, Ok(Put::Written));
    }
    for record in &records {
        assert_eq!(store.read_partial(record.date, ONE, &record.source).await, Ok(Some(record.clone())));
    }
    assert_eq!(store.read_partial(date(1), shards(2), &source(0)).await, Ok(None), "another partition");
}

pub(crate) async fn pages_hold_every_partial_once(store: impl AggregatorStore) {
    let large = |n| PartialRecord { users: vec![7; LARGE_BYTES], ..partial(n, 1) };
    let records: Vec<_> = (0..SOURCES).map(large).collect();
    for record in &records {
        assert_eq!(store.write_partial(record, ONE, 0, STAMP).await, Ok(Put::Written));
    }
    let pages = all_pages!(|after| store.partials_page(date(1), ONE, 0, after));
    assert!(pages.len() > 2, "{} pages", pages.len());
    assert_eq!(pages.concat(), records);
    assert_eq!(all_pages!(|after| store.partials_page(date(2), ONE, 0, after)).concat(), []);
    assert!(matches!(store.partials_page(date(1), ONE, 1, None).await, Err(StoreError::Invalid { .. })));
}
