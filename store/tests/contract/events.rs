//! Claims and look-ups.

use headcount_core::keys::ItemKey;
use headcount_store::error::StoreError;
use headcount_store::rows::{Claim, EventRow, Lookup};
use headcount_store::traits::{AggregatorStore, MAX_BATCH_GETS, MAX_BATCH_WRITES};

use crate::rows::{date, event, origin};

fn keys(rows: &[EventRow<'_>]) -> Vec<ItemKey> {
    rows.iter().map(EventRow::key).collect()
}

/// Parallel claimants of one key.
const CLAIMANTS: u32 = 16;

pub(crate) async fn the_first_insert_stands(store: impl AggregatorStore) {
    let first = [event("a", 1), event("b", 2)];
    assert_eq!(store.claim(&first).await, Ok(vec![Claim::Inserted, Claim::Inserted]));

    let mut again = event("a", 1);
    again.origin = origin(7);
    again.event.user_id = "bob".into();
    let claims = store.claim(&[event("c", 3), again.clone(), event("b", 2)]).await.expect("a second batch");
    assert_eq!(claims[0], Claim::Inserted);
    for claim in &claims[1..] {
        assert!(matches!(claim, Claim::Exists(None)) || *claim == Claim::Exists(Some(origin(0))), "{claim:?}");
    }
    // The origin is still the first one's, whoever came second.
    assert_eq!(store.origins(&keys(&[again])).await, Ok(vec![Lookup::Found(origin(0))]));
}

pub(crate) async fn of_parallel_inserts_one_succeeds<S: AggregatorStore + Clone + 'static>(store: S) {
    let claimants: Vec<_> = (0..CLAIMANTS)
        .map(|index| {
            let store = store.clone();
            let mut row = event("contested", 1);
            row.origin = origin(index);
            let beside = event(&format!("own-{index}"), 1);
            tokio::spawn(async move { (index, store.claim(&[row, beside]).await.expect("a claim")) })
        })
        .collect();
    let mut winners = Vec::new();
    for claimant in claimants {
        let (index, claims) = claimant.await.expect("no panic");
        assert_eq!(claims[1], Claim::Inserted, "what nobody else claims is not held up");
        match &claims[0] {
            Claim::Inserted => winners.push(index),
            Claim::Exists(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    let stored = store.origins(&keys(&[event("contested", 1)])).await;
    assert_eq!(stored, Ok(vec![Lookup::Found(origin(winners[0]))]));
}

pub(crate) async fn batches_are_bounded(store: impl AggregatorStore) {
    let rows: Vec<_> = (0..=MAX_BATCH_WRITES).map(|n| event(&format!("e-{n}"), 0)).collect();
    assert!(matches!(store.claim(&rows).await, Err(StoreError::Invalid { .. })), "one too many");
    assert!(matches!(store.claim(&[event("x", 0), event("x", 0)]).await, Err(StoreError::Invalid { .. })), "twice");
    let first = keys(&rows[..1]);
    assert_eq!(store.origins(&first).await, Ok(vec![Lookup::Absent]), "a refused batch does nothing");
    assert_eq!(store.claim(&[]).await, Ok(Vec::new()));
    assert_eq!(store.claim(&rows[..MAX_BATCH_WRITES]).await, Ok(vec![Claim::Inserted; MAX_BATCH_WRITES]));

    let many: Vec<_> = (0..=MAX_BATCH_GETS).map(|n| event(&format!("e-{n}"), 0).key()).collect();
    assert!(matches!(store.origins(&many).await, Err(StoreError::Invalid { .. })), "one too many");
    let twice = [first[0].clone(), first[0].clone()];
    assert!(matches!(store.origins(&twice).await, Err(StoreError::Invalid { .. })), "twice");
    assert_eq!(store.origins(&[]).await, Ok(Vec::new()));
    let found = store.origins(&many[..MAX_BATCH_GETS]).await.expect("a full batch");
    let count = found.iter().filter(|found| matches!(found, Lookup::Found(_))).count();
    assert_eq!((found.len(), count), (MAX_BATCH_GETS, MAX_BATCH_WRITES));
}

pub(crate) async fn one_id_at_two_times_is_two_events(store: impl AggregatorStore) {
    let mut other_day = event("a", 0);
    other_day.date = date(2);
    let rows = [event("a", 0), event("a", 1), other_day];
    assert_eq!(store.claim(&rows).await, Ok(vec![Claim::Inserted; 3]));
}

pub(crate) async fn a_look_up_answers_in_order(store: impl AggregatorStore) {
    // In the order asked for, which is not that of the keys; ids may hold what separates a key's parts.
    let mut rows: Vec<_> = ["z#1", "m", "a b", "ü"].iter().map(|id| event(id, 0)).collect();
    for (index, row) in rows.iter_mut().enumerate() {
        row.origin = origin(index as u32);
    }
    assert_eq!(store.claim(&rows).await, Ok(vec![Claim::Inserted; 4]));
    let mut wanted = keys(&rows);
    wanted.insert(2, event("absent", 0).key());
    let found = store.origins(&wanted).await.expect("a look-up");
    let expected = [Some(0), Some(1), None, Some(2), Some(3)]
        .map(|index| index.map_or(Lookup::Absent, |n| Lookup::Found(origin(n))));
    assert_eq!(found, expected);
}
