use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use headcount_aggregator::{AggregateError, verify};
use headcount_core::counters::Counters;
use headcount_core::keys::{self, WriteShards};
use headcount_store::faulty::Faulty;
use headcount_store::faulty::plan::{Decision, Operation, Request};
use headcount_store::memory::PartialPart;
use serde_json::json;

use crate::world::{World, date, feature_use, page_view, soon, source};

fn world_with_two_sources() -> World {
    let world = World::new("2026-03-10");
    let at = world.at("2026-03-10", 9);
    world.deliver(&source(0), 1, &[page_view("e1", "ann", at), feature_use("e2", "search", at)]);
    world.deliver(&source(1), 1, &[page_view("e3", "bob", at)]);
    world.reject(&source(1), 2, "2026-03-10", 2);
    world
}

#[tokio::test]
async fn what_was_counted_right_passes() {
    let world = world_with_two_sources();
    let found = world.verify("2026-03-10").await.unwrap();
    assert!(found.passed() && !found.is_recount_due(), "{found:?}");
    assert_eq!((found.sources.len(), found.events(), found.in_flight()), (2, 3, 0));
    assert_eq!(found.excluded, ["duplicates"]);
    let nothing = world.verify("2026-03-09").await.unwrap();
    assert!(nothing.passed() && nothing.sources.is_empty());
    assert_eq!(
        serde_json::to_value(&found).unwrap()["sources"][1],
        json!({
            "source": source(1).as_str(), "fence": "2", "events": 1, "inFlight": 0, "dirty": false, "damaged": null,
            "differences": [],
        })
    );
}

#[tokio::test]
async fn a_lost_event_is_found_by_source_and_counter() {
    let world = world_with_two_sources();
    let key = keys::event(date("2026-03-10"), WriteShards::ONE, world.at("2026-03-10", 9), "e2");
    assert!(world.store.lose_event(&key));
    let found = world.verify("2026-03-10").await.unwrap();
    assert!(!found.passed());
    let failed: Vec<_> = found.sources.iter().filter(|source| !source.passed()).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].source, source(0).as_str());
    let search = failed[0].differences.iter().find(|found| found.counter == "featureUsage.search").unwrap();
    assert_eq!((search.stored, search.recounted), (1, 0));
    assert!(failed[0].differences.iter().any(|found| found.counter == "events"));
}

#[tokio::test]
async fn a_wrong_counter_of_any_kind_is_found() {
    type Change = fn(&mut Counters);
    let wrong: [(&str, Change); 3] = [
        ("events", |counters| counters.events += 1),
        ("rejected", |counters| counters.add_rejected(1)),
        ("eventsByHour.09", |counters| counters.by_hour[9] -= 1),
    ];
    for (name, change) in wrong {
        let world = world_with_two_sources();
        world.change_partial(date("2026-03-10"), &source(1), |partial| change(&mut partial.counters));
        let found = world.verify("2026-03-10").await.unwrap();
        assert!(found.sources[0].passed() && !found.passed(), "{name}");
        assert_eq!(found.sources[1].differences[0].counter, name);
        assert_eq!(found.sources[1].differences.len(), 1, "{name}: {found:?}");
    }
    // Nobody can tell duplicates from events.
    let world = world_with_two_sources();
    world.change_partial(date("2026-03-10"), &source(1), |partial| partial.counters.add_duplicates(9));
    assert!(world.verify("2026-03-10").await.unwrap().passed());
}

#[tokio::test]
async fn events_after_the_fence_are_in_flight() {
    let world = world_with_two_sources();
    let at = world.at("2026-03-10", 10);
    world.store_events(&source(0), 2, &[page_view("later", "eve", at)]);
    world.store_events(&source(5), 1, &[page_view("a", "eve", at), page_view("b", "eve", at)]);
    let found = world.verify("2026-03-10").await.unwrap();
    assert!(found.passed());
    assert_eq!((found.events(), found.in_flight()), (3, 3));
    let new = found.sources.iter().find(|found| found.source == source(5).as_str()).unwrap();
    assert_eq!((new.in_flight, &new.fence), (2, &None), "a source without a partial has all its events in flight");
}

#[tokio::test]
async fn a_source_that_waits_to_be_recounted_says_so() {
    let world = world_with_two_sources();
    world.deliver_behind(&source(0), 0, &[page_view("behind", "eve", world.at("2026-03-10", 10))]);
    let found = world.verify("2026-03-10").await.unwrap();
    assert!(!found.passed() && found.is_recount_due() && found.sources[0].dirty);
    world.roll_up().await;
    let found = world.verify("2026-03-10").await.unwrap();
    assert!(found.passed() && !found.is_recount_due(), "{found:?}");
}

#[tokio::test]
async fn a_damaged_source_does_not_pass() {
    for part in [PartialPart::Counters, PartialPart::Users, PartialPart::Sessions] {
        let world = world_with_two_sources();
        world.store.damage_partial(date("2026-03-10"), &source(1), part);
        let found = world.verify("2026-03-10").await.unwrap();
        assert!(!found.passed() && found.sources[0].passed(), "{part:?}");
        assert!(found.sources[1].damaged.as_ref().unwrap().contains("damaged"));
    }
}

#[tokio::test]
async fn what_expires_is_excluded_or_refused() {
    let world = world_with_two_sources();
    // Rejected items live 30 days from the end of their day.
    world.turn_to("2026-04-09");
    assert_eq!(world.verify("2026-03-10").await.unwrap().excluded, ["duplicates"]);
    world.turn_to("2026-04-11");
    let found = world.verify("2026-03-10").await.unwrap();
    assert!(found.passed());
    assert_eq!(found.excluded, ["duplicates", "rejected"]);
    // Events live 90 days, and are trusted for 88 of them.
    world.turn_to("2026-06-06");
    assert!(world.verify("2026-03-10").await.unwrap().passed());
    world.turn_to("2026-06-07");
    let error = world.verify("2026-03-10").await.unwrap_err();
    assert_eq!(error, AggregateError::Expired { date: date("2026-03-10"), expiry: date("2026-06-07") });
}

#[tokio::test]
async fn a_recount_between_its_two_readings_does_not_fail_it() {
    let world = world_with_two_sources();
    let (other, is_done) = (world.clone(), AtomicBool::new(false));
    let plan = move |request: &Request<'_>| {
        if request.operation == Operation::EventsPage && !is_done.swap(true, Ordering::SeqCst) {
            other.deliver_behind(&source(0), 0, &[page_view("behind", "eve", other.at("2026-03-10", 10))]);
            other.roll_up().now_or_never().expect("a store in memory answers at once");
        }
        Decision::default()
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let found = verify(&deps, date("2026-03-10"), soon()).await.unwrap();
    assert!(found.passed() && found.events() == 4, "{found:?}");
}
