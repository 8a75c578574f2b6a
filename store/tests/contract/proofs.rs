//! Proofs.

use headcount_core::counters::{CappedMap, Counters, ModelUse};
use headcount_core::exact::{ExactFigures, ProvenFigures, ProvenSource, Unreadable};
use headcount_store::rows::{ProvenSourceRow, Put};
use headcount_store::traits::MAX_BATCH_WRITES;

use crate::rows::{OTHER_TABLE, START_MS, Store, TABLE, all_pages, date, source};

/// With numbers that DynamoDB's do not hold.
fn proof(number: u64) -> ProvenFigures {
    let used = ModelUse { requests: 3, tokens: u64::MAX, cost_nanos: u128::MAX, ..ModelUse::default() };
    let counters = Counters {
        events: u64::MAX,
        features: CappedMap::exact([("search".into(), 7), ("export".into(), 2)], 9),
        models: CappedMap::exact([("m".into(), used)], 9),
        ..Counters::default()
    };
    ProvenFigures {
        date: date(1),
        number,
        positions: 40 + number,
        first_ms: START_MS,
        proven_ms: START_MS + 1,
        figures: ExactFigures { counters, users: 9, ..ExactFigures::default() },
        damaged: vec![Unreadable { source: source(1), entry: 4, detail: "it is missing".to_owned() }],
    }
}

pub(crate) async fn the_largest_number_stands(store: impl Store) {
    assert_eq!(store.read_proof(TABLE, date(1)).await, Ok(None));
    for (number, put, there) in
        [(2, Put::Written, 2), (2, Put::Refused, 2), (1, Put::Refused, 2), (10, Put::Written, 10)]
    {
        assert_eq!(store.put_proof(TABLE, &proof(number)).await, Ok(put), "{number}");
        assert_eq!(store.read_proof(TABLE, date(1)).await, Ok(Some(proof(there))), "{number}");
    }
    assert_eq!(store.read_proof(TABLE, date(2)).await, Ok(None));
}

pub(crate) async fn a_proof_comes_back_with_its_sources(store: impl Store) {
    let raw = |events| Some(Counters { events, ..Counters::default() });
    let rows = |number: u64| {
        let proven =
            |n: u32| ProvenSource { entry: u64::from(n) + number, raw: if n == 3 { None } else { raw(n.into()) } };
        let row = |n| ProvenSourceRow { date: date(1), number, source: source(n), proven: proven(n), expires_s: 9 };
        (0..120).map(row).collect::<Vec<_>>()
    };
    for number in [1, 12] {
        for batch in rows(number).chunks(MAX_BATCH_WRITES) {
            assert_eq!(store.put_proven_sources(batch).await, Ok(vec![true; batch.len()]));
        }
    }
    for number in [1, 12] {
        let found = all_pages!(|after| store.proven_sources_page(date(1), number, after)).concat();
        let expected: Vec<_> = rows(number).into_iter().map(|row| (row.source, row.proven)).collect();
        assert_eq!(found, expected, "{number}");
    }
    assert_eq!(all_pages!(|after| store.proven_sources_page(date(1), 2, after)).concat(), []);
    assert!(store.put_proven_sources(&rows(1)[..=MAX_BATCH_WRITES]).await.is_err());
}

pub(crate) async fn a_proof_of_another_table_counts_as_absent(store: impl Store) {
    assert_eq!(store.put_proof(OTHER_TABLE, &proof(50)).await, Ok(Put::Written));
    assert_eq!(store.read_proof(TABLE, date(1)).await, Ok(None));
    assert_eq!(store.put_proof(TABLE, &proof(1)).await, Ok(Put::Written));
    assert_eq!(store.read_proof(TABLE, date(1)).await, Ok(Some(proof(1))));
    assert_eq!(store.read_proof(OTHER_TABLE, date(1)).await, Ok(None));
}
