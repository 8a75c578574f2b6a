//! Redelivery, and producers' own duplicates.

use headcount_core::limits::DAY_MS;

use crate::world::{NOON, World, day, event, record, run, source};

#[tokio::test]
async fn the_first_occurrence_is_in_the_log_and_the_others_are_counted_as_duplicates() {
    let world = World::new();
    let deps = world.cold();
    let twice = [event("a", "ada", NOON), event("a", "ada", NOON), event("b", "ada", NOON)];
    let outcome = run(&deps, 0, &[record(1, &twice), record(2, &twice[..1])]).await;
    assert_eq!((outcome.events, outcome.duplicates), (2, 2));
    // Later in the same shard, and in another one that the same process serves.
    for shard in [0, 1] {
        let outcome = run(&deps, shard, &[record(3, &[event("b", "ada", NOON)])]).await;
        assert_eq!((outcome.events, outcome.duplicates), (0, 1), "shard {shard}");
    }
    assert_eq!(world.logged(&source(0)).await.concat(), ["a", "b"]);
    let counters = world.partial(day(0), &source(0)).counters;
    assert_eq!((counters.events, counters.duplicates), (2, 3));
    assert_eq!(world.partial(day(0), &source(1)).counters.duplicates, 1);
}

#[tokio::test]
async fn a_cold_process_remembers_the_newest_entries() {
    let world = World::new();
    run(&world.cold(), 0, &[record(1, &[event("a", "ada", NOON)])]).await;
    let outcome = run(&world.cold(), 0, &[record(2, &[event("a", "ada", NOON)])]).await;
    assert_eq!((outcome.events, outcome.duplicates), (0, 1));
}

#[tokio::test]
async fn another_time_is_another_event() {
    let world = World::new();
    let both = [event("a", "ada", NOON), event("a", "ada", NOON + 1)];
    assert_eq!(run(&world.cold(), 0, &[record(1, &both)]).await.events, 2);
}

#[tokio::test]
async fn a_redelivery_changes_nothing_warm_or_cold_whole_or_in_part() {
    let world = World::new();
    let warm = world.cold();
    let records: Vec<_> = (1..=4)
        .map(|n| record(n, &[event(&n.to_string(), "ada", NOON), event(&format!("{n}y"), "bob", NOON - DAY_MS)]))
        .collect();
    assert_eq!(run(&warm, 0, &records[..3]).await.events, 6);
    let before = (world.logged(&source(0)).await, world.table.all_partials());
    for deps in [&warm, &world.cold()] {
        for again in [&records[..3], &records[1..2], &records[..1]] {
            let outcome = run(deps, 0, again).await;
            assert_eq!((outcome.events, outcome.redelivered, outcome.failed_from), (0, again.len() as u64, None));
        }
        assert_eq!((world.logged(&source(0)).await, world.table.all_partials()), before);
    }
    // Part of a batch is new.
    let outcome = run(&world.cold(), 0, &records).await;
    assert_eq!((outcome.events, outcome.redelivered), (2, 3));
    assert_eq!(world.partial(day(-1), &source(0)).counters.events, 4);
}

#[tokio::test]
async fn an_event_without_an_id_is_known_by_its_place_in_the_stream() {
    let world = World::new();
    let mut nameless = event("", "ada", NOON);
    nameless.as_object_mut().unwrap().remove("eventId");
    let sent_twice = [record(1, &[nameless.clone()]), record(2, &[nameless])];
    assert_eq!(run(&world.cold(), 0, &sent_twice).await.events, 2, "sent again it is another event");
    assert_eq!(run(&world.cold(), 0, &sent_twice).await.redelivered, 2, "delivered again it is the same");
}
