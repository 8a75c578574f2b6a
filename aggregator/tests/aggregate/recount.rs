use std::sync::atomic::{AtomicBool, Ordering};

use headcount_aggregator::roll_up;
use headcount_aggregator::roll_up::Outcome;
use headcount_core::limits::MAX_COUNTER_NAMES;
use headcount_store::faulty::Faulty;
use headcount_store::faulty::plan::{Decision, Fault, Operation, Request};
use headcount_store::memory::PartialPart;

use crate::world::{World, date, day, feature_use, page_view, soon, source};

#[tokio::test]
async fn a_dirty_source_is_recounted_from_its_events() {
    let world = World::new("2026-03-10");
    let at = world.at("2026-03-10", 9);
    world.deliver(&source(0), 5, &[page_view("e1", "ann", at)]);
    world.reject(&source(0), 6, "2026-03-10", 2);
    world.change_partial(date("2026-03-10"), &source(0), |partial| partial.counters.add_duplicates(4));
    world.deliver(&source(1), 5, &[page_view("other source", "joe", at)]);
    world.deliver_behind(&source(0), 3, &[page_view("e0", "bob", at + 1)]);
    world.store_events(&source(0), 7, &[page_view("in flight", "eve", at + 2)]);

    let rolled_up = world.roll_up().await;
    let found = day(&rolled_up, "2026-03-10");
    assert_eq!(found.sources_recounted.len(), 1);
    assert_eq!(found.sources_recounted[0].source, source(0).as_str());
    assert!(found.sources_recounted[0].lost.is_empty() && found.sources_waiting.is_empty());
    let figures = world.figures("2026-03-10");
    assert_eq!(figures.events_by_type["page_view"], 3, "two of the source and one of the other, none in flight");
    assert_eq!((figures.active_users, figures.sessions.count), (3, 3));
    assert_eq!((figures.rejected, figures.duplicates), (2, 4));

    let partial = world.source_of("2026-03-10", &source(0));
    assert!(!partial.dirty);
    assert_eq!(partial.last_sequence, Some(6u64.into()), "the fence stays");
    assert_eq!(day(&world.roll_up().await, "2026-03-10").outcome, Outcome::Unchanged);
    // What was in flight is folded once.
    world.change_partial(date("2026-03-10"), &source(0), |partial| {
        partial.fold(&page_view("in flight", "eve", at + 2), chrono_tz::UTC);
        partial.advance(&7u64.into());
    });
    world.roll_up().await;
    assert_eq!(world.figures("2026-03-10").events_by_type["page_view"], 4);
    assert!(world.verify("2026-03-10").await.unwrap().passed());
}

#[tokio::test]
async fn sequence_numbers_are_compared_as_numbers() {
    let world = World::new("2026-03-10");
    let at = world.at("2026-03-10", 9);
    world.deliver(&source(0), 10, &[page_view("e10", "ann", at)]);
    world.deliver_behind(&source(0), 9, &[page_view("e9", "bob", at)]);
    world.roll_up().await;
    assert_eq!(world.figures("2026-03-10").active_users, 2, "9 lies before 10");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_went_on_meanwhile_is_recounted_again() {
    let world = World::new("2026-03-10");
    let at = world.at("2026-03-10", 9);
    world.deliver(&source(0), 5, &[page_view("e1", "ann", at)]);
    world.deliver_behind(&source(0), 3, &[page_view("e0", "bob", at + 1)]);
    // While the events are read for the first time, the consumer folds one more record.
    let (consumer, is_done) = (world.clone(), AtomicBool::new(false));
    let plan = move |request: &Request<'_>| {
        if request.operation == Operation::EventsPage && !is_done.swap(true, Ordering::SeqCst) {
            let late = page_view("e2", "eve", consumer.at("2026-03-10", 1));
            consumer.deliver(&source(0), 8, &[late]);
        }
        Decision::default()
    };
    let store = Faulty::new(world.store.clone(), plan);
    let deps = world.deps_over(store.clone(), 1);
    let rolled_up = roll_up(&deps, None, soon()).await.unwrap();
    assert_eq!(day(&rolled_up, "2026-03-10").sources_recounted.len(), 1);
    assert!(store.requests()[&Operation::WritePartial] >= 2, "the first write was refused");
    assert_eq!(world.figures("2026-03-10").active_users, 3);
    assert!(!world.source_of("2026-03-10", &source(0)).dirty);
    assert!(world.verify("2026-03-10").await.unwrap().passed());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_rests_waits_and_the_day_goes_on() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), 5, &[page_view("e1", "ann", world.at("2026-03-10", 9))]);
    world.deliver_behind(&source(0), 3, &[page_view("e0", "bob", world.at("2026-03-10", 9))]);
    let consumer = world.clone();
    let plan = move |request: &Request<'_>| {
        if request.operation == Operation::RejectedPage {
            consumer.change_partial(date("2026-03-10"), &source(0), |partial| partial.counters.add_duplicates(1));
        }
        Decision::default()
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let rolled_up = roll_up(&deps, None, soon()).await.unwrap();
    let found = day(&rolled_up, "2026-03-10");
    assert_eq!(found.sources_waiting, [source(0).to_string()]);
    assert_eq!(found.outcome, Outcome::Written);
    assert_eq!(world.figures("2026-03-10").active_users, 1, "what was folded");
    // Quiet again, though nothing else changed: the mark alone opens the day.
    let rolled_up = world.roll_up().await;
    assert_eq!(day(&rolled_up, "2026-03-10").sources_recounted.len(), 1);
    assert_eq!(world.figures("2026-03-10").active_users, 2);
}

#[tokio::test]
async fn names_beyond_the_cap_are_told_by_the_order_of_origins() {
    let world = World::new("2026-03-10");
    let features = MAX_COUNTER_NAMES as u64 + 20;
    // Timestamps run against the sequence numbers.
    let use_of = |n: u64| feature_use(&format!("e{n}"), &format!("f{n}"), world.at("2026-03-10", 12) - n as i64);
    for n in 0..features {
        world.deliver(&source(0), n, &[use_of(n)]);
    }
    let folded = world.source_of("2026-03-10", &source(0)).counters;
    assert!(world.verify("2026-03-10").await.unwrap().passed(), "compared in the same order");
    world.change_partial(date("2026-03-10"), &source(0), |partial| partial.dirty = true);
    world.roll_up().await;
    assert_eq!(world.source_of("2026-03-10", &source(0)).counters, folded);
}

#[tokio::test]
async fn a_recount_heals_a_damaged_source_and_names_what_it_cannot() {
    for (part, lost) in
        [(PartialPart::Counters, vec!["duplicates"]), (PartialPart::Users, vec![]), (PartialPart::Sessions, vec![])]
    {
        let world = World::new("2026-03-10");
        let at = world.at("2026-03-10", 9);
        world.deliver(&source(0), 5, &[page_view("e1", "ann", at), page_view("e2", "bob", at)]);
        world.reject(&source(0), 6, "2026-03-10", 2);
        world.change_partial(date("2026-03-10"), &source(0), |partial| {
            partial.counters.add_duplicates(4);
            partial.dirty = true;
        });
        assert!(world.store.damage_partial(date("2026-03-10"), &source(0), part));
        let rolled_up = world.roll_up().await;
        let found = day(&rolled_up, "2026-03-10");
        assert!(found.sources_set_aside.is_empty(), "{part:?}: {found:?}");
        assert_eq!(found.sources_recounted[0].lost, lost, "{part:?}");
        let figures = world.figures("2026-03-10");
        assert_eq!((figures.active_users, figures.sessions.count, figures.rejected), (2, 2, 2), "{part:?}");
        assert_eq!(figures.duplicates, if lost.is_empty() { 4 } else { 0 }, "{part:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recount_whose_outcome_was_unknown_is_reported_once() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), 5, &[page_view("e1", "ann", world.at("2026-03-10", 9))]);
    world.deliver_behind(&source(0), 3, &[page_view("e0", "bob", world.at("2026-03-10", 9))]);
    let is_done = AtomicBool::new(false);
    let plan = move |request: &Request<'_>| match request.operation {
        Operation::WritePartial if !is_done.swap(true, Ordering::SeqCst) => Decision::fault(Fault::UnknownAfter),
        _ => Decision::default(),
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let rolled_up = roll_up(&deps, None, soon()).await.unwrap();
    assert_eq!(day(&rolled_up, "2026-03-10").sources_recounted.len(), 1);
    assert_eq!(world.source_of("2026-03-10", &source(0)).version, 3, "written once");
}
