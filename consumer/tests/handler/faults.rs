//! A table that fails: the log goes on, and the table catches up.

use headcount_core::keys::Follower;
use headcount_core::limits::DAY_MS;
use headcount_core::rejection::Payload;
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Fault, ItemFault, Operation, Request};
use headcount_testkit::memory::MemoryStore;
use tokio::time::Instant;

use crate::world::{NOON, World, day, event, record, run, source};

/// Fails every request of this kind.
fn failing(world: &World, operation: Operation, fault: Fault) -> Faulty<MemoryStore> {
    Faulty::new(world.table.clone(), move |request: &Request<'_>| {
        if request.operation == operation { Decision::fault(fault.clone()) } else { Decision::default() }
    })
}

/// Fails the first request of this kind.
fn failing_once(world: &World, operation: Operation, fault: Fault) -> Faulty<MemoryStore> {
    let first = parking_lot::Mutex::new(true);
    Faulty::new(world.table.clone(), move |request: &Request<'_>| {
        let mut first = first.lock();
        if request.operation == operation && std::mem::take(&mut *first) {
            return Decision::fault(fault.clone());
        }
        *first = *first && request.operation != operation;
        Decision::default()
    })
}

fn one(sequence: u64) -> headcount_consumer::batch::Record {
    record(sequence, &[event(&sequence.to_string(), "ada", NOON), event(&format!("{sequence}y"), "bob", NOON - DAY_MS)])
}

/// What the table holds once everything is followed.
fn check_followed(world: &World, entries: u64) {
    for n in [0, -1] {
        let partial = world.partial(day(n), &source(0));
        assert_eq!((partial.counters.events, partial.as_of), (entries, entries), "day {n}");
    }
    assert_eq!(world.table.all_events().len() as u64, 2 * entries);
    assert_eq!(world.table.all_profiles().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_away_never_holds_up_the_log() {
    let world = World::new();
    let deps = world.cold();
    world.table.set_outage(true);
    let began = Instant::now();
    for n in 1..=5 {
        let outcome = run(&deps, 0, &[one(n)]).await;
        assert_eq!((outcome.failed_from, outcome.events), (None, 2));
    }
    assert_eq!(run(&world.cold(), 0, &[one(5), one(6)]).await.events, 2, "a cold start does not need the table either");
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    world.table.set_outage(false);
    run(&deps, 0, &[one(7)]).await;
    check_followed(&world, 7);
}

#[tokio::test(start_paused = true)]
async fn whatever_a_follower_fails_at_the_next_run_counts_once() {
    let steps = [
        Operation::ReadMeta,
        Operation::CreateMeta,
        Operation::ReadCheckpoint,
        Operation::FirstDays,
        Operation::PutFirstDay,
        Operation::ReadPartial,
        Operation::WritePartial,
        Operation::WriteCheckpoint,
        Operation::PutEvents,
    ];
    for operation in steps {
        for fault in [Fault::Throttle, Fault::UnknownBefore, Fault::UnknownAfter] {
            let world = World::new();
            let deps = world.cold_with(failing_once(&world, operation, fault.clone()));
            for n in 1..=3 {
                let outcome = run(&deps, 0, &[one(n)]).await;
                assert_eq!((outcome.failed_from, outcome.events), (None, 2), "{operation:?} {fault:?}");
            }
            check_followed(&world, 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn items_that_fail_hold_up_no_figures() {
    let world = World::new();
    let deps = world.cold_with(failing(&world, Operation::PutEvents, Fault::Throttle));
    run(&deps, 0, &[one(1)]).await;
    assert_eq!(world.partial(day(0), &source(0)).counters.events, 1);
    assert!(world.table.all_events().is_empty());
    run(&world.cold(), 0, &[one(2)]).await;
    check_followed(&world, 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_event_that_the_table_refuses_has_no_item() {
    let world = World::new();
    let refused = |request: &Request<'_>| {
        let has_bad = request.keys.iter().any(|key| key.sk.ends_with("#bad"));
        match request.operation {
            Operation::PutEvents if has_bad => Decision::fault(Fault::Invalid),
            _ => Decision::default(),
        }
    };
    let deps = world.cold_with(Faulty::new(world.table.clone(), refused));
    let events: Vec<_> = ["a", "bad", "c"].map(|id| event(id, "ada", NOON)).into();
    let outcome = run(&deps, 0, &[record(1, &events)]).await;
    assert_eq!((outcome.failed_from, outcome.events), (None, 3));
    assert_eq!(world.partial(day(0), &source(0)).counters.events, 3, "it is in the log, and counts");
    let ids: Vec<_> = world.table.all_events().into_iter().map(|item| item.event.id.into_owned()).collect();
    assert_eq!(ids, ["a", "c"]);
    let rejected = world.table.all_rejected();
    assert!(matches!(&rejected[..], [one] if one.rejection.problems[0].problem.contains("refused the event")));
    assert!(matches!(&rejected[0].rejection.payload, Payload::Text { text, .. } if text.contains(r#""bad""#)));
}

#[tokio::test(start_paused = true)]
async fn unprocessed_items_are_put_again() {
    let world = World::new();
    let faults = vec![ItemFault::Unprocessed, ItemFault::Unreported, ItemFault::Fine];
    let deps = world.cold_with(failing_once(&world, Operation::PutEvents, Fault::Items(faults)));
    let events: Vec<_> = (0..60).map(|n| event(&n.to_string(), "ada", NOON + n)).collect();
    run(&deps, 0, &[record(1, &events)]).await;
    assert_eq!(world.table.all_events().len(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_profile_comes_before_the_partial_that_counts_its_user() {
    let world = World::new();
    let deps = world.cold_with(failing(&world, Operation::PutFirstDay, Fault::Throttle));
    run(&deps, 0, &[one(1)]).await;
    assert!(
        world.table.all_partials().is_empty() && world.table.all_checkpoints().len() == 1,
        "only items were followed"
    );
    run(&world.cold(), 0, &[one(2)]).await;
    check_followed(&world, 2);
}

#[tokio::test(start_paused = true)]
async fn two_processes_that_follow_one_source_count_once() {
    let world = World::new();
    let (one_process, other) = (world.cold(), world.cold());
    for n in 1..=6 {
        let deps = if n % 2 == 0 { &other } else { &one_process };
        run(deps, 0, &[one(n)]).await;
    }
    check_followed(&world, 6);
}

/// A record of so many users that the partial is large.
fn crowd(sequence: u64) -> headcount_consumer::batch::Record {
    let events: Vec<_> =
        (0..2_000).map(|n| event(&format!("{sequence}-{n}"), &format!("u{sequence}-{n}"), NOON)).collect();
    record(sequence, &events)
}

#[tokio::test(start_paused = true)]
async fn large_partials_are_written_once_a_minute_and_never_lost() {
    let world = World::new();
    let deps = world.cold();
    for n in 1..=6 {
        run(&deps, 0, &[crowd(n)]).await;
    }
    let written = world.partial(day(0), &source(0));
    assert!(written.as_of < 6, "written as of {}", written.as_of);
    tokio::time::advance(headcount_follow::figures::SNAPSHOT_INTERVAL).await;
    run(&deps, 0, &[crowd(7)]).await;
    let written = world.partial(day(0), &source(0));
    assert_eq!((written.as_of, written.counters.events), (7, 14_000));
    // What a process had only in memory is folded again from the log.
    run(&deps, 0, &[crowd(8)]).await;
    drop(deps);
    tokio::time::advance(headcount_follow::figures::SNAPSHOT_INTERVAL).await;
    run(&world.cold(), 0, &[crowd(9)]).await;
    tokio::time::advance(headcount_follow::figures::SNAPSHOT_INTERVAL).await;
    let cold = world.cold();
    run(&cold, 0, &[crowd(10)]).await;
    tokio::time::advance(headcount_follow::figures::SNAPSHOT_INTERVAL).await;
    run(&cold, 0, &[crowd(11)]).await;
    let written = world.partial(day(0), &source(0));
    assert_eq!((written.as_of, written.counters.events), (11, 22_000));
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_of_a_large_partial_is_not_put_off_for_another_minute() {
    let world = World::new();
    run(&world.cold(), 0, &[crowd(1)]).await;
    run(&world.cold(), 0, &[crowd(2)]).await;
    tokio::time::advance(headcount_follow::figures::SNAPSHOT_INTERVAL).await;
    let deps = world.cold_with(failing(&world, Operation::WritePartial, Fault::Throttle));
    run(&deps, 0, &[crowd(3)]).await;
    assert_eq!(world.partial(day(0), &source(0)).as_of, 1);
    // Whatever process comes next finds an entry that is a minute old.
    run(&world.cold(), 0, &[crowd(4)]).await;
    assert_eq!(world.partial(day(0), &source(0)).as_of, 4);
}

#[tokio::test(start_paused = true)]
async fn large_partials_of_past_days_are_written_every_five_minutes_and_today_s_every_minute() {
    let world = World::new();
    let deps = world.cold();
    // Both days are large: one event more is not written at once.
    let of_day = |sequence: u64, at_ms: i64, count: u64| {
        let event = |n| event(&format!("{sequence}-{n}"), &format!("u{sequence}-{n}"), at_ms);
        record(sequence, &(0..count).map(event).collect::<Vec<_>>())
    };
    let three_days_ago = NOON - 3 * DAY_MS;
    run(&deps, 0, &[of_day(1, NOON, 2_000), of_day(2, three_days_ago, 2_000)]).await;
    let written = || [0, -3].map(|n| world.partial(day(n), &source(0)).as_of);
    assert_eq!(written(), [1, 1]);
    let mut seen = Vec::new();
    for n in 2..=8 {
        run(&deps, 0, &[of_day(2 * n, NOON, 1), of_day(2 * n + 1, three_days_ago, 1)]).await;
        seen.push(written());
        tokio::time::advance(headcount_follow::figures::SNAPSHOT_INTERVAL).await;
    }
    // An entry a minute: today's partial comes with every second one, the other with the first one that is five minutes behind.
    assert_eq!(seen, [[1, 1], [3, 1], [3, 1], [5, 1], [5, 1], [7, 7], [7, 7]]);
    // Whoever dies before that loses nothing.
    run(&world.cold(), 0, &[of_day(20, NOON, 1)]).await;
    tokio::time::advance(headcount_follow::figures::LATE_SNAPSHOT_INTERVAL).await;
    run(&world.cold(), 0, &[of_day(22, NOON, 1)]).await;
    tokio::time::advance(headcount_follow::figures::SNAPSHOT_INTERVAL).await;
    run(&world.cold(), 0, &[of_day(24, NOON, 1)]).await;
    assert_eq!([0, -3].map(|n| world.partial(day(n), &source(0)).counters.events), [2_010, 2_007]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_write_of_a_partial_is_tried_again() {
    let world = World::new();
    let deps = world.cold_with(failing_once(&world, Operation::WritePartial, Fault::Throttle));
    run(&deps, 0, &[one(1)]).await;
    check_followed(&world, 1);
}

#[tokio::test(start_paused = true)]
async fn items_that_another_process_wrote_are_not_written_again() {
    let world = World::new();
    let table = Faulty::new(world.table.clone(), |_: &Request<'_>| Decision::default());
    let processes = [0; 3].map(|_| world.cold_with(table.process()));
    for n in 1..=9 {
        run(&processes[n as usize % 3], 0, &[one(n)]).await;
    }
    check_followed(&world, 9);
    assert_eq!(table.requests()[&Operation::PutEvents], 9);
}

#[tokio::test(start_paused = true)]
async fn a_table_short_of_units_for_items_leaves_figures_their_time() {
    let world = World::new();
    let slow = Faulty::new(world.table.clone(), |request: &Request<'_>| match request.operation {
        Operation::PutEvents => Decision::fault(Fault::Throttle),
        // Longer than a table is probed that does not answer.
        Operation::WriteCheckpoint => {
            Decision { before: 2 * headcount_consumer::follow::PROBE_TIME, ..Decision::default() }
        }
        _ => Decision::default(),
    });
    let deps = world.cold_with(slow);
    for n in 1..=3 {
        let began = Instant::now();
        run(&deps, 0, &[one(n)]).await;
        assert_eq!(world.partial(day(0), &source(0)).as_of, n);
        assert!(n == 1 || began.elapsed().as_secs() < 2, "items are only probed: {:?}", began.elapsed());
    }
    let figures = world.table.all_checkpoints().into_iter().find(|row| row.follower == Follower::Figures);
    assert_eq!(figures.map(|row| row.checkpoint.entry), Some(3));
}

#[tokio::test(start_paused = true)]
async fn items_of_an_old_backlog_are_left_to_the_aggregator() {
    let world = World::new();
    run(&world.cold_with(failing(&world, Operation::PutEvents, Fault::Throttle)), 0, &[one(1)]).await;
    run(&world.cold(), 0, &[one(2)]).await;
    check_followed(&world, 2);
    run(&world.cold_with(failing(&world, Operation::PutEvents, Fault::Throttle)), 0, &[one(3)]).await;
    tokio::time::advance(std::time::Duration::from_mins(3)).await;
    run(&world.cold(), 0, &[one(4)]).await;
    assert_eq!(world.table.all_events().len(), 4, "entries 3 and 4 wait for the aggregator");
    assert_eq!(world.partial(day(0), &source(0)).as_of, 4, "their figures do not");
}
