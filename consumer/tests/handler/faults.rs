//! One fault at a time, and the answer to it.

use headcount_consumer::handler::handle;
use headcount_core::limits::DAY_MS;
use headcount_store::faulty::Faulty;
use headcount_store::faulty::plan::{Decision, Fault, ItemFault, Operation, Request};
use headcount_store::memory::MemoryStore;
use tokio::time::{Duration, Instant};

use crate::world::{NOON, day, deps, event, invocation, partial, record, run, source};

/// A store of which each request of these operations fails so.
fn failing(store: &MemoryStore, operation: Operation, fault: Fault) -> Faulty<MemoryStore> {
    Faulty::new(store.clone(), move |request: &Request<'_>| {
        if request.operation == operation { Decision::fault(fault.clone()) } else { Decision::default() }
    })
}

/// A store of which only the first request of an operation fails so.
fn failing_once(store: &MemoryStore, operation: Operation, fault: Fault) -> Faulty<MemoryStore> {
    let failed = std::sync::atomic::AtomicBool::new(false);
    Faulty::new(store.clone(), move |request: &Request<'_>| {
        let fails = request.operation == operation && !failed.swap(true, std::sync::atomic::Ordering::SeqCst);
        if fails { Decision::fault(fault.clone()) } else { Decision::default() }
    })
}

#[tokio::test(start_paused = true)]
async fn a_table_that_stays_throttled_is_waited_for_and_then_answered() {
    let store = MemoryStore::new();
    let deps = deps(failing(&store, Operation::Claim, Fault::Throttle));
    let began = Instant::now();
    let records = [record(7, &[event("a", "ada", NOON)]), record(8, &[event("b", "ada", NOON)])];
    let deadline = began + Duration::from_mins(5);
    let response = handle(&deps, invocation(0, &records), deadline).await.unwrap();
    let failures: Vec<_> = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    assert_eq!(failures, [Some("7".to_owned())]);
    assert!(began.elapsed() > Duration::from_secs(280) && began.elapsed() < Duration::from_mins(5));
    assert!(store.all_events().is_empty() && store.all_partials().is_empty() && store.all_profiles().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_insert_is_found_to_be_ours_and_counts_once() {
    for fault in [Fault::UnknownAfter, Fault::UnknownBefore, Fault::Throttle] {
        let store = MemoryStore::new();
        let deps = deps(failing_once(&store, Operation::Claim, fault.clone()));
        let outcome = run(&deps, 0, &[record(1, &[event("a", "ada", NOON), event("b", "bob", NOON)])]).await;
        assert_eq!((outcome.failed_from, outcome.inserted, outcome.duplicates), (None, 2, 0), "{fault:?}");
        assert_eq!(partial(&store, day(0), &source(0)).counters.events, 2, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_insert_behind_the_fence_makes_the_partial_dirty() {
    let store = MemoryStore::new();
    run(&deps(store.clone()), 0, &[record(9, &[event("b", "bob", NOON)])]).await;
    let deps = deps(failing_once(&store, Operation::Claim, Fault::UnknownAfter));
    run(&deps, 0, &[record(5, &[event("a", "ada", NOON)])]).await;
    assert!(partial(&store, day(0), &source(0)).dirty);
}

#[tokio::test(start_paused = true)]
async fn only_the_event_that_the_table_refuses_is_rejected() {
    let store = MemoryStore::new();
    // The table refuses every request that holds the culprit.
    let plan = |request: &Request<'_>| {
        let holds =
            request.operation == Operation::Claim && request.keys.iter().any(|key| key.sk.ends_with("#culprit"));
        if holds { Decision::fault(Fault::Invalid) } else { Decision::default() }
    };
    let mut events: Vec<_> = (0..60).map(|n| event(&n.to_string(), "ada", NOON)).collect();
    events[40] = event("culprit", "ada", NOON);
    let records = [record(1, &events[..30]), record(2, &events[30..])];
    let outcome = run(&deps(Faulty::new(store.clone(), plan)), 0, &records).await;
    assert_eq!((outcome.failed_from, outcome.inserted, outcome.rejected), (None, 59, 1));
    let rejected = store.all_rejected();
    assert_eq!((rejected.len(), rejected[0].origin.to_string()), (1, "events/shardId-000000000000#2#10".to_owned()));
    assert!(rejected[0].rejection.problems[0].problem.contains("table"), "{:?}", rejected[0].rejection.problems);
    assert_eq!(partial(&store, day(0), &source(0)).counters.rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_date_that_cannot_be_folded_is_delivered_again_from_its_first_record() {
    let store = MemoryStore::new();
    let yesterday = format!("SKETCH#{}", day(-1));
    let plan = move |request: &Request<'_>| {
        let fails = request.operation == Operation::WritePartial && request.keys[0].pk == yesterday;
        if fails { Decision::fault(Fault::Throttle) } else { Decision::default() }
    };
    let records = [
        record(1, &[event("a", "ada", NOON)]),
        record(2, &[event("b", "ada", NOON - DAY_MS)]),
        record(3, &[event("c", "ada", NOON)]),
    ];
    let outcome = run(&deps(Faulty::new(store.clone(), plan)), 0, &records).await;
    assert_eq!((outcome.failed_from, outcome.failed_folds), (Some(2.into()), 1));
    assert_eq!(partial(&store, day(0), &source(0)).counters.events, 2);

    let outcome = run(&deps(store.clone()), 0, &records[1..]).await;
    assert_eq!((outcome.failed_from, outcome.redelivered), (None, 2));
    for date in [day(0), day(-1)] {
        let stored = partial(&store, date, &source(0));
        assert_eq!((stored.counters.events, stored.dirty), (2 - u64::from(date != day(0)), false), "{date}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_fold_counts_once() {
    for fault in [Fault::UnknownAfter, Fault::UnknownBefore] {
        let store = MemoryStore::new();
        let deps = deps(failing_once(&store, Operation::WritePartial, fault));
        assert_eq!(run(&deps, 0, &[record(1, &[event("a", "ada", NOON)])]).await.failed_from, None);
        assert_eq!(run(&deps, 0, &[record(2, &[event("b", "ada", NOON)])]).await.failed_from, None);
        let stored = partial(&store, day(0), &source(0));
        assert_eq!((stored.counters.events, stored.version, stored.dirty), (2, 2, false), "its own write is known");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_cannot_be_written_moves_the_checkpoint() {
    let store = MemoryStore::new();
    let plan = |request: &Request<'_>| {
        let fails = request.operation == Operation::PutFirstDay && request.keys[0].pk == "USER#bob";
        if fails { Decision::fault(Fault::Throttle) } else { Decision::default() }
    };
    let records = [
        record(1, &[event("a", "ada", NOON)]),
        record(2, &[event("b", "bob", NOON)]),
        record(3, &[event("c", "ada", NOON)]),
    ];
    let outcome = run(&deps(Faulty::new(store.clone(), plan)), 0, &records).await;
    assert_eq!(outcome.failed_from, Some(2.into()));
    assert_eq!(partial(&store, day(0), &source(0)).last_sequence, Some(1.into()));
}

#[tokio::test(start_paused = true)]
async fn unwritten_rejects_hold_their_record_back() {
    let store = MemoryStore::new();
    let fault = Fault::Items(vec![ItemFault::Unprocessed]);
    let records = [record(1, &[event("a", "ada", NOON)]), (2, b"nonsense".to_vec())];
    let outcome = run(&deps(failing(&store, Operation::PutRejected, fault)), 0, &records).await;
    assert_eq!((outcome.failed_from, outcome.rejected), (Some(2.into()), 0));
    let fault = Fault::Items(vec![ItemFault::Unprocessed]);
    let outcome = run(&deps(failing_once(&store, Operation::PutRejected, fault)), 0, &records[1..]).await;
    assert_eq!((outcome.failed_from, outcome.rejected), (None, 1));
    assert_eq!(partial(&store, day(0), &source(0)).counters.rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn an_unprocessed_look_up_is_not_taken_for_absent() {
    let store = MemoryStore::new();
    run(&deps(store.clone()), 1, &[record(1, &[event("a", "ada", NOON)])]).await;
    let fault = Fault::Items(vec![ItemFault::Unprocessed]);
    let deps = deps(failing_once(&store, Operation::Origins, fault));
    let outcome = run(&deps, 0, &[record(1, &[event("a", "ada", NOON)])]).await;
    assert_eq!((outcome.failed_from, outcome.duplicates), (None, 1));
    assert_eq!(store.all_events().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_asked_again_each_answer_goes_to_its_own_event() {
    let store = MemoryStore::new();
    run(&deps(store.clone()), 1, &[record(1, &[event("a", "ada", NOON)])]).await;
    // The first claim leaves `b` unknown, and then nobody says whose `a` is: both are asked for again.
    let failed = std::sync::atomic::AtomicU8::new(0);
    let plan = move |request: &Request<'_>| {
        let first = failed.load(std::sync::atomic::Ordering::SeqCst);
        let fault = match (request.operation, first) {
            (Operation::Claim, 0) => Fault::Items(vec![ItemFault::Fine, ItemFault::UnknownBefore]),
            (Operation::Origins, 1) => Fault::Throttle,
            _ => return Decision::default(),
        };
        failed.store(first + 1, std::sync::atomic::Ordering::SeqCst);
        Decision::fault(fault)
    };
    let deps = deps(Faulty::new(store.clone(), plan));
    let outcome = run(&deps, 0, &[record(1, &[event("a", "ada", NOON), event("b", "bob", NOON)])]).await;
    assert_eq!((outcome.failed_from, outcome.inserted, outcome.duplicates), (None, 1, 1));
    let stored = partial(&store, day(0), &source(0)).counters;
    assert_eq!((stored.events, stored.duplicates), (1, 1));
}
