//! The object store that fails on command.

use std::time::Duration;

use chrono::DateTime;
use futures_util::TryStreamExt as _;
use headcount_testkit::objects::FaultyObjects;
use headcount_testkit::objects::plan::{Decision, Fault, FaultKind, Operation, Request};
use headcount_testkit::process::{Crashed, Process};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode, Result};
use tokio::time::{Instant, timeout};

/// The first request is as `decision` says, all others work.
fn first(decision: Decision) -> FaultyObjects {
    FaultyObjects::new(
        InMemory::new(),
        move |request: &Request<'_>| {
            if request.number == 0 { decision } else { Decision::default() }
        },
    )
}

async fn create(store: &FaultyObjects) -> Result<()> {
    store.put_opts(&Path::from("a"), "text".into(), PutMode::Create.into()).await.map(drop)
}

async fn is_there(store: &FaultyObjects) -> bool {
    store.inner().head(&Path::from("a")).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn faults_are_told_as_object_stores_tell_them() {
    let check = async |fault: Fault, has_effect: bool, is_expected: fn(&Error) -> bool| {
        let store = first(Decision::fault(fault));
        let error = create(&store).await.unwrap_err();
        assert!(is_expected(&error), "{fault:?}: {error}");
        // What was sent late arrives now.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(is_there(&store).await, has_effect, "{fault:?}");
        assert_eq!(store.faults(), [(FaultKind::Fault(fault), 1)].into());
    };
    let is_unknown = |error: &Error| matches!(error, Error::Generic { .. });
    check(Fault::UnknownBefore, false, is_unknown).await;
    check(Fault::UnknownAfter, true, is_unknown).await;
    check(Fault::UnknownLate, true, is_unknown).await;
    check(Fault::Conflict, false, |error| matches!(error, Error::AlreadyExists { .. })).await;
    check(Fault::Refused, false, |error| matches!(error, Error::PermissionDenied { .. })).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_put_takes_effect_when_its_sender_has_given_up() {
    let store = first(Decision::late(Duration::from_secs(9)));
    assert!(timeout(Duration::from_secs(5), create(&store)).await.is_err());
    assert!(!is_there(&store).await);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(is_there(&store).await);
    assert!(matches!(create(&store).await, Err(Error::AlreadyExists { .. })));
    assert_eq!(store.faults()[&FaultKind::LateEffect], 1);

    // One that is not in flight goes with its sender.
    let store = first(Decision { in_flight: false, ..Decision::late(Duration::from_secs(9)) });
    assert!(timeout(Duration::from_secs(5), create(&store)).await.is_err());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!is_there(&store).await);
}

#[tokio::test(start_paused = true)]
async fn a_process_dies_at_its_request_and_others_go_on() {
    for (fault, has_effect) in [(Fault::CrashBefore, false), (Fault::CrashAfter, true)] {
        let store = first(Decision::fault(fault));
        assert_eq!(store.until_crash(create(&store)).await.map(drop), Err(Crashed));
        assert_eq!(store.until_crash(create(&store)).await.map(drop), Err(Crashed), "it stays dead");
        assert_eq!(is_there(&store).await, has_effect);
        let next = store.process();
        assert_eq!(create(&next).await.is_err(), has_effect);
    }
    let process = Process::default();
    let store = first(Decision::fault(Fault::CrashBefore)).in_process(&process);
    assert!(process.until_crash(create(&store)).await.is_err() && process.is_dead());
}

#[tokio::test(start_paused = true)]
async fn nothing_works_while_it_is_down() {
    let store = first(Decision::default());
    store.set_down(true);
    assert!(create(&store).await.is_err() && store.get(&Path::from("a")).await.is_err());
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
    store.set_down(false);
    create(&store).await.unwrap();
    assert_eq!(store.faults(), [(FaultKind::Outage, 3)].into());
    assert_eq!(store.requests(), [(Operation::Create, 2), (Operation::Get, 1), (Operation::List, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn objects_are_as_old_as_the_clock_says() {
    let start = Instant::now();
    let plan = |_: &Request<'_>| Decision::default();
    let clock = move || DateTime::UNIX_EPOCH + start.elapsed();
    let store = FaultyObjects::with_clock(InMemory::new(), plan, clock);
    tokio::time::sleep(Duration::from_hours(1)).await;
    create(&store).await.unwrap();
    let found = store.list(None).try_collect::<Vec<_>>().await.unwrap();
    let seen = store.head(&Path::from("a")).await.unwrap();
    for meta in [&found[0], &seen] {
        assert_eq!(meta.last_modified.timestamp(), 3_600);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_take_their_time() {
    let start = Instant::now();
    let decision = Decision { before: Duration::from_secs(2), after: Duration::from_secs(3), ..Decision::default() };
    create(&first(decision)).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}
