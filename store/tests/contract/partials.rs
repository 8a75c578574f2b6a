//! Partials.

use headcount_core::partial::PartialRecord;
use headcount_store::error::StoreError;
use headcount_store::rows::Put;

use crate::rows::{OTHER_TABLE, STAMP, Store, TABLE, all_pages, date, partial, source};

/// Sources of the paged listing, whose partials are of [`LARGE_BYTES`]: more than two pages of 1 MB. Each of the store's
/// pages in memory holds 100.
const SOURCES: u32 = 240;

const LARGE_BYTES: usize = 10 << 10;

pub(crate) async fn versions_guard_every_write(store: impl Store) {
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
        assert_eq!(store.write_partial(TABLE, &partial(0, version), expected, STAMP).await, Ok(put), "{case}");
        let read = store.read_partial(TABLE, date(1), &source(0)).await.expect("a reading");
        assert_eq!(read.map(|record| record.version), there, "{case}");
    }
    for (version, expected) in [(9, 9), (8, 9), (0, 0)] {
        let refused = store.write_partial(TABLE, &partial(0, version), expected, STAMP).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{version} over {expected}: {refused:?}");
    }
}

pub(crate) async fn of_parallel_writes_one_succeeds(store: impl Store) {
    for expected in 0..3 {
        let writers: Vec<_> = (0..16)
            .map(|writer| {
                let mut record = partial(0, expected + 1);
                record.counters = vec![writer];
                let store = store.clone();
                tokio::spawn(async move {
                    (writer, store.write_partial(TABLE, &record, expected, STAMP).await.expect("a write"))
                })
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            if let (writer, Put::Written) = writer.await.expect("no panic") {
                winners.push(writer);
            }
        }
        let read = store.read_partial(TABLE, date(1), &source(0)).await.expect("a reading").expect("it is there");
        assert_eq!((winners, read.version), (read.counters.clone(), expected + 1));
    }
}

pub(crate) async fn a_partial_of_another_table_counts_as_absent(store: impl Store) {
    let old = partial(0, 5);
    assert_eq!(store.write_partial(OTHER_TABLE, &old, 0, STAMP).await, Ok(Put::Written));
    assert_eq!(store.read_partial(TABLE, date(1), &source(0)).await, Ok(None));
    assert_eq!(all_pages!(|after| store.partials_page(TABLE, date(1), after)).concat(), []);

    // What a writer read before the restore no longer holds; what it reads now does.
    assert_eq!(store.write_partial(TABLE, &partial(0, 6), 5, STAMP).await, Ok(Put::Refused));
    assert_eq!(store.read_partial(OTHER_TABLE, date(1), &source(0)).await, Ok(Some(old)));
    assert_eq!(store.write_partial(TABLE, &partial(0, 1), 0, STAMP).await, Ok(Put::Written));
    assert_eq!(store.write_partial(TABLE, &partial(0, 2), 0, STAMP).await, Ok(Put::Refused), "no longer absent");
    assert_eq!(store.write_partial(OTHER_TABLE, &partial(0, 6), 5, STAMP).await, Ok(Put::Refused));
    assert_eq!(store.write_partial(OTHER_TABLE, &partial(0, 2), 1, STAMP).await, Ok(Put::Refused), "a version of ours");
    assert_eq!(store.read_partial(TABLE, date(1), &source(0)).await, Ok(Some(partial(0, 1))));
    assert_eq!(all_pages!(|after| store.partials_page(TABLE, date(1), after)).concat(), [partial(0, 1)]);
}

pub(crate) async fn a_partial_comes_back_as_it_was(store: impl Store) {
    assert_eq!(store.read_partial(TABLE, date(1), &source(0)).await, Ok(None));
    let large = PartialRecord {
        as_of: u64::MAX,
        first: 0,
        checksum: 0,
        counters: Vec::new(),
        users: (0..=255).cycle().take(60_000).collect(),
        ..partial(0, 1)
    };
    let records = [large, partial(1, u64::MAX), PartialRecord { date: date(2), ..partial(0, 3) }];
    for record in &records {
        assert_eq!(store.write_partial(TABLE, record, 0, STAMP).await, Ok(Put::Written));
    }
    for record in &records {
        assert_eq!(store.read_partial(TABLE, record.date, &record.source).await, Ok(Some(record.clone())));
    }
}

pub(crate) async fn pages_hold_every_partial_once(store: impl Store) {
    let large = |n| PartialRecord { users: vec![7; LARGE_BYTES], ..partial(n, 1) };
    let records: Vec<_> = (0..SOURCES).map(large).collect();
    for record in &records {
        assert_eq!(store.write_partial(TABLE, record, 0, STAMP).await, Ok(Put::Written));
    }
    // Between ours, those of another table: they take room on a page and do not come.
    for n in SOURCES..SOURCES + 3 {
        assert_eq!(store.write_partial(OTHER_TABLE, &large(n), 0, STAMP).await, Ok(Put::Written));
    }
    let pages = all_pages!(|after| store.partials_page(TABLE, date(1), after));
    assert!(pages.len() > 2, "{} pages", pages.len());
    assert_eq!(pages.concat(), records);
    assert_eq!(all_pages!(|after| store.partials_page(TABLE, date(2), after)).concat(), []);
}
