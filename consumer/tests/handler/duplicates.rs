//! The same event again: in its batch, in a later one, in another source, in a redelivery.

use headcount_core::limits::DAY_MS;
use headcount_store::memory::MemoryStore;

use crate::world::{NOON, day, deps, event, partial, record, run, source};

#[tokio::test]
async fn the_first_occurrence_counts_and_the_others_are_duplicates() {
    let store = MemoryStore::new();
    let deps = deps(store.clone());
    let again = || event("a", "ada", NOON);
    let records = [record(1, &[again(), again()]), record(2, &[event("b", "bob", NOON), again()])];
    let outcome = run(&deps, 0, &records).await;
    assert_eq!((outcome.inserted, outcome.duplicates), (2, 2));
    let outcome = run(&deps, 0, &[record(3, &[again()])]).await;
    assert_eq!((outcome.inserted, outcome.duplicates), (0, 1));
    let outcome = run(&deps, 1, &[record(1, &[again()])]).await;
    assert_eq!((outcome.inserted, outcome.duplicates), (0, 1));

    let counters = partial(&store, day(0), &source(0)).counters;
    assert_eq!((counters.events, counters.duplicates), (2, 3));
    let counters = partial(&store, day(0), &source(1)).counters;
    assert_eq!((counters.events, counters.duplicates), (0, 1));
}

#[tokio::test]
async fn another_time_is_another_event() {
    let store = MemoryStore::new();
    let events = [event("a", "ada", NOON), event("a", "ada", NOON + 1), event("a", "ada", NOON - DAY_MS)];
    assert_eq!(run(&deps(store.clone()), 0, &[record(1, &events)]).await.inserted, 3);
}

#[tokio::test]
async fn a_redelivery_changes_nothing_warm_or_cold() {
    let store = MemoryStore::new();
    let warm = deps(store.clone());
    let records = [
        record(1, &[event("a", "ada", NOON), event("a", "ada", NOON)]),
        record(2, &[event("b", "bob", NOON - DAY_MS)]),
        (3, b"nonsense".to_vec()),
    ];
    run(&warm, 0, &records).await;
    let (events, rejected, partials) = (store.all_events(), store.all_rejected(), store.all_partials());
    for deps in [&warm, &deps(store.clone())] {
        for part in [&records[..], &records[1..], &records[..2]] {
            let outcome = run(deps, 0, part).await;
            assert_eq!((outcome.inserted, outcome.folds), (0, 0));
        }
    }
    assert_eq!((store.all_events(), store.all_rejected(), store.all_partials()), (events, rejected, partials));
}
