use std::time::Duration;

use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::rejection::{Payload, Rejection};
use headcount_store::error::StoreError;
use headcount_store::rows::{EventItem, Lookup, RejectedItem};
use headcount_store::traits::{BrowseStore, ItemStore, MetaStore, UserStore};
use tokio::time::Instant;

use super::plan::{Decision, Fault, FaultKind, FaultPlan, ItemFault, Operation, Request};
use super::seeded::{Rates, SeededFaults};
use super::{Crashed, Faulty};
use crate::memory::MemoryStore;

fn event(n: u32) -> EventItem<'static> {
    EventItem {
        event: Event {
            id: format!("e-{n}").into(),
            user_id: "u".into(),
            session_id: Some("s".into()),
            event_type: EventType::PageView,
            account_id: None,
            timestamp_ms: 1_772_323_200_000,
            counted_ms: 1_772_323_200_000,
            priced_by: None,
            event_data: Json::EMPTY,
            metadata: Json::EMPTY,
        },
        date: "2026-03-01".parse().unwrap(),
        created_ms: 0,
        expires_s: 0,
        is_indexed: true,
    }
}

fn rejected(n: u32) -> RejectedItem {
    let rejection = Rejection { problems: Vec::new(), payload: Payload::Withheld, count: 1 };
    let origin = format!("events/shardId-000000000000#7#{n}").parse().unwrap();
    RejectedItem { rejection, origin, arrival_date: event(n).date, arrived_ms: 0, expires_s: 0 }
}

/// A store whose first request fails so, and every other works.
fn failing_first(fault: Fault) -> Faulty<MemoryStore> {
    Faulty::new(MemoryStore::new(), move |request: &Request<'_>| match request.number {
        0 => Decision::fault(fault.clone()),
        _ => Decision::default(),
    })
}

const ITEM_FAULTS: [ItemFault; 3] = [ItemFault::Fine, ItemFault::Unprocessed, ItemFault::Unreported];

#[tokio::test]
async fn a_failed_request_takes_effect_as_its_fault_says() {
    let cases = [
        (Fault::Throttle, FaultKind::Throttle, 0),
        (Fault::UnknownBefore, FaultKind::UnknownBefore, 0),
        (Fault::UnknownAfter, FaultKind::UnknownAfter, 1),
        (Fault::Invalid, FaultKind::Invalid, 0),
    ];
    for (fault, kind, stored) in cases {
        let store = failing_first(fault);
        let error = store.put_events(&[event(0)]).await.unwrap_err();
        let is_sorted = match kind {
            FaultKind::Throttle => matches!(error, StoreError::Throttled { .. }),
            FaultKind::Invalid => matches!(error, StoreError::Invalid { .. }),
            _ => error.is_unknown(),
        };
        assert!(is_sorted, "{kind:?}: {error}");
        assert_eq!(store.inner().all_events().len(), stored, "{kind:?}");
        assert_eq!(store.faults().into_iter().collect::<Vec<_>>(), [(kind, 1)]);
        assert_eq!(store.requests().into_iter().collect::<Vec<_>>(), [(Operation::PutEvents, 1)]);
        assert_eq!(store.read_meta().await, Ok(None), "the next request works");
    }
}

#[tokio::test]
async fn items_of_a_batch_fail_each_in_its_way() {
    let store = failing_first(Fault::Items(ITEM_FAULTS.to_vec()));
    let items: Vec<_> = (0..4).map(event).collect();
    // The fourth is not in the plan: it is fine.
    assert_eq!(store.put_events(&items).await, Ok(vec![true, false, false, true]));
    let stored: Vec<_> = store.inner().all_events().iter().map(|item| item.event.id.clone()).collect();
    assert_eq!(stored, ["e-0", "e-2", "e-3"]);
    for kind in [FaultKind::ItemUnprocessed, FaultKind::ItemUnreported] {
        assert_eq!(store.faults()[&kind], 1, "{kind:?}");
    }

    let store = failing_first(Fault::Items(ITEM_FAULTS.to_vec()));
    let items: Vec<_> = (0..3).map(rejected).collect();
    assert_eq!(store.put_rejected(&items).await, Ok(vec![true, false, false]));
    let written: Vec<_> = store.inner().all_rejected().iter().map(|item| item.origin.index).collect();
    assert_eq!(written, [0, 2]);

    let store = failing_first(Fault::Items(ITEM_FAULTS.to_vec()));
    let keys: Vec<_> = (0..3).map(|n| event(n).key()).collect();
    let unprocessed = || Lookup::Unprocessed;
    assert_eq!(store.events(&keys).await, Ok(vec![Lookup::Absent, unprocessed(), unprocessed()]));
    let store = failing_first(Fault::Items(vec![ItemFault::Unprocessed]));
    assert_eq!(store.first_days(&["a", "b"]).await, Ok(vec![Lookup::Unprocessed, Lookup::Absent]));
}

#[tokio::test]
async fn a_plan_sees_what_is_asked_for() {
    let culprit = event(1).key();
    let store = Faulty::new(MemoryStore::new(), move |request: &Request<'_>| {
        let is_hit = request.operation == Operation::PutEvents && request.keys.contains(&culprit);
        if is_hit { Decision::fault(Fault::Invalid) } else { Decision::default() }
    });
    assert!(store.put_events(&[event(0), event(1)]).await.is_err());
    assert_eq!(store.put_events(&[event(0)]).await, Ok(vec![true]));
    assert!(store.put_events(&[event(1)]).await.is_err());
}

#[tokio::test]
async fn a_crash_ends_its_process_and_no_other() {
    for (fault, stored) in [(Fault::CrashBefore, 0), (Fault::CrashAfter, 1)] {
        let store = failing_first(fault.clone());
        let mut reached = false;
        let invocation = async {
            let _written = store.put_events(&[event(0)]).await;
            reached = true;
        };
        assert_eq!(store.until_crash(invocation).await, Err(Crashed), "{fault:?}");
        assert!(!reached, "{fault:?}: nothing goes on");
        assert_eq!(store.inner().all_events().len(), stored, "{fault:?}");
        // Dead is dead, for what asks and for what does not.
        assert_eq!(store.until_crash(store.read_meta()).await, Err(Crashed));
        assert_eq!(store.until_crash(async { 1 }).await, Err(Crashed));

        let next = store.process();
        assert_eq!(next.until_crash(next.read_meta()).await, Ok(Ok(None)));
        assert_eq!(next.until_crash(async { 1 }).await, Ok(1));
        assert_eq!(next.faults().values().sum::<u64>(), 1, "counted over all processes");
    }
}

#[tokio::test]
async fn a_crash_in_one_task_ends_what_waits_in_another() {
    let store = failing_first(Fault::CrashBefore);
    let crashing = store.clone();
    let task = tokio::spawn(async move { crashing.put_events(&[event(0)]).await });
    assert_eq!(store.until_crash(std::future::pending::<()>()).await, Err(Crashed));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn delays_are_of_tokios_clock() {
    let late = Decision { before: Duration::from_mins(1), after: Duration::from_secs(30), ..Decision::default() };
    let store = Faulty::new(MemoryStore::new(), move |_: &Request<'_>| late.clone());
    let started = Instant::now();
    let put = tokio::spawn({
        let store = store.clone();
        async move { store.put_events(&[event(0)]).await }
    });
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(store.inner().all_events().len(), 0, "not yet");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((store.inner().all_events().len(), put.is_finished()), (1, false), "stored, but not answered");
    assert_eq!(put.await.unwrap(), Ok(vec![true]));
    assert_eq!(started.elapsed().as_secs(), 90);
}

#[test]
fn a_seed_draws_the_same_faults_again_at_about_their_rates() {
    const REQUESTS: u64 = 20_000;
    let keys: Vec<_> = (0..10).map(|n| event(n).key()).collect();
    let rates = Rates { crash_before: 0.01, crash_after: 0.01, ..Rates::stormy() };
    let draw = |seed| {
        let plan = SeededFaults::new(seed, rates);
        let request = |number| Request { operation: Operation::PutEvents, number, keys: &keys };
        (0..REQUESTS).map(|number| plan.decide(&request(number))).collect::<Vec<_>>()
    };
    let drawn = draw(7);
    assert_eq!(drawn, draw(7));
    assert_ne!(drawn, draw(8));

    let share = |is: &dyn Fn(&Decision) -> bool| drawn.iter().filter(|one| is(one)).count() as f64 / REQUESTS as f64;
    let near = |share: f64, rate: f64| (share - rate).abs() < 0.01;
    assert!(near(share(&|one| one.fault == Some(Fault::Throttle)), rates.throttle));
    assert!(near(share(&|one| one.fault == Some(Fault::UnknownAfter)), rates.unknown_after));
    assert!(near(share(&|one| matches!(one.fault, Some(Fault::Items(_)))), rates.partial));
    assert!(near(share(&|one| !one.before.is_zero()), rates.delay));
    let crashes = share(&|one| matches!(one.fault, Some(Fault::CrashBefore | Fault::CrashAfter)));
    assert!(near(crashes, 0.02) && crashes > 0.0, "{crashes}");
    assert!(drawn.iter().all(|one| one.before.max(one.after) <= rates.longest_delay));
}

#[test]
fn no_rates_are_no_faults() {
    let plan = SeededFaults::new(1, Rates::default());
    let request = |number| Request { operation: Operation::PutEvents, number, keys: &[] };
    assert!((0..1_000).all(|number| plan.decide(&request(number)) == Decision::default()));
}
