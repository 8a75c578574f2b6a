//! The fence, `Dirty`, damaged partials, and another writer.

use headcount_core::limits::DAY_MS;
use headcount_store::memory::{MemoryStore, PartialPart};

use crate::world::{NOON, day, deps, event, partial, record, run, source};

#[tokio::test]
async fn an_event_stored_behind_the_fence_makes_the_partial_dirty() {
    let store = MemoryStore::new();
    let deps = deps(store.clone());
    run(&deps, 0, &[record(9, &[event("b", "bob", NOON)])]).await;
    // Its source had moved on: the record comes from where discarded ones are kept.
    let outcome = run(&deps, 0, &[record(5, &[event("a", "ada", NOON)])]).await;
    assert_eq!((outcome.inserted, outcome.folds), (1, 1));
    let stored = partial(&store, day(0), &source(0));
    assert!(stored.dirty);
    assert_eq!((stored.counters.events, stored.version, stored.last_sequence), (1, 2, Some(9.into())));
    // Again: nothing is new, and the mark stays.
    assert_eq!(run(&deps, 0, &[record(5, &[event("a", "ada", NOON)])]).await.folds, 0);
    // Another one: the version must change although it is dirty, or a recount under way would miss the event.
    run(&deps, 0, &[record(6, &[event("c", "ada", NOON)])]).await;
    assert_eq!(partial(&store, day(0), &source(0)).version, 3);
}

#[tokio::test]
async fn each_date_has_a_fence_of_its_own() {
    let store = MemoryStore::new();
    let deps = deps(store.clone());
    run(&deps, 0, &[record(9, &[event("b", "bob", NOON)])]).await;
    run(&deps, 0, &[record(8, &[event("a", "ada", NOON - DAY_MS)])]).await;
    let yesterday = partial(&store, day(-1), &source(0));
    assert_eq!((yesterday.counters.events, yesterday.dirty), (1, false));
}

#[tokio::test]
async fn sequence_numbers_are_compared_as_numbers() {
    let store = MemoryStore::new();
    let deps = deps(store.clone());
    for sequence in [9, 10, 100] {
        run(&deps, 0, &[record(sequence, &[event(&sequence.to_string(), "ada", NOON)])]).await;
    }
    let stored = partial(&store, day(0), &source(0));
    assert_eq!((stored.counters.events, stored.dirty), (3, false));
}

#[tokio::test]
async fn a_warm_cache_gives_way_to_what_another_wrote() {
    let store = MemoryStore::new();
    let (one, other) = (deps(store.clone()), deps(store.clone()));
    run(&one, 0, &[record(1, &[event("a", "ada", NOON)])]).await;
    run(&other, 0, &[record(2, &[event("b", "ada", NOON)])]).await;
    run(&one, 0, &[record(3, &[event("c", "ada", NOON)])]).await;
    run(&other, 0, &[record(4, &[event("d", "ada", NOON)])]).await;
    let stored = partial(&store, day(0), &source(0));
    assert_eq!((stored.counters.events, stored.version, stored.dirty), (4, 4, false));
}

#[tokio::test]
async fn a_damaged_part_goes_on_anew_and_awaits_its_recount() {
    for part in [PartialPart::Counters, PartialPart::Users, PartialPart::Sessions] {
        let store = MemoryStore::new();
        run(&deps(store.clone()), 0, &[record(1, &[event("a", "ada", NOON)])]).await;
        assert!(store.damage_partial(day(0), &source(0), part));
        let outcome = run(
            &deps(store.clone()),
            0,
            &[record(1, &[event("a", "ada", NOON)]), record(2, &[event("b", "bob", NOON)])],
        )
        .await;
        assert_eq!((outcome.failed_from, outcome.damaged), (None, 1));
        let mut stored = partial(&store, day(0), &source(0));
        assert!(stored.dirty);
        assert_eq!(stored.last_sequence, Some(2.into()));
        let expected = if part == PartialPart::Counters { 1 } else { 2 };
        assert_eq!(stored.counters.events, expected, "{part:?}");
        let expected = if part == PartialPart::Users { 1 } else { 2 };
        assert_eq!(stored.users.estimate().round() as u64, expected, "{part:?}");
    }
}
