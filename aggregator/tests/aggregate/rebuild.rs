use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chrono_tz::Tz;
use futures_util::FutureExt as _;
use headcount_aggregator::recount::RecountedSource;
use headcount_aggregator::roll_up::Outcome;
use headcount_aggregator::{AggregateError, Rebuild, rebuild};
use headcount_core::deployment::Deployment;
use headcount_core::keys::WriteShards;
use headcount_core::metrics::Figures;
use headcount_store::faulty::Faulty;
use headcount_store::faulty::plan::{Decision, Operation, Request};
use headcount_store::faulty::seeded::{Rates, SeededFaults};
use headcount_store::memory::PartialPart;

use crate::world::{World, date, day, feature_use, page_view, soon, source};

const DAY: &str = "2026-03-10";

/// Seeds of the storms below.
const SEEDS: u64 = 40;

async fn rebuilt(world: &World) -> Rebuild {
    rebuild(&world.deps(), date(DAY), soon()).await.unwrap()
}

/// Three sources with events, rejected ones and duplicates, aggregated.
async fn aggregated() -> (World, Figures) {
    let world = World::new(DAY);
    fill(&world);
    world.roll_up().await;
    let figures = world.figures(DAY);
    (world, figures)
}

fn fill(world: &World) {
    for n in 0..3 {
        let at = world.at(DAY, 8 + i64::from(n));
        let events =
            [page_view(&format!("a{n}"), "ann", at), page_view(&format!("b{n}"), &format!("u{n}"), at + 60_000)];
        world.deliver(&source(n), 1, &events);
        world.deliver(&source(n), 2, &[feature_use(&format!("f{n}"), "search", at + 1)]);
        world.reject(&source(n), 3, DAY, 2);
        world.change_partial(date(DAY), &source(n), |partial| partial.counters.add_duplicates(4));
    }
}

#[tokio::test]
async fn a_sound_day_comes_to_the_same_figures() {
    let (world, figures) = aggregated().await;
    let done = rebuilt(&world).await;
    assert!(done.is_complete());
    let all = [0, 1, 2].map(|n| RecountedSource { source: source(n).to_string(), lost: vec![] });
    assert_eq!(done.sources_recounted, all);
    assert_eq!(done.carried_over, ["duplicates"]);
    assert_eq!(world.figures(DAY), figures);
    assert_eq!(figures.duplicates, 12);
    assert!(world.verify(DAY).await.unwrap().passed());
}

#[tokio::test]
async fn what_was_damaged_is_restored_and_what_events_cannot_tell_is_named() {
    for (part, lost) in
        [(PartialPart::Counters, vec!["duplicates"]), (PartialPart::Users, vec![]), (PartialPart::Sessions, vec![])]
    {
        let (world, before) = aggregated().await;
        assert!(world.store.damage_partial(date(DAY), &source(1), part));
        assert!(!world.verify(DAY).await.unwrap().passed());
        let done = rebuilt(&world).await;
        assert!(done.is_complete(), "{part:?}: {done:?}");
        assert_eq!(done.sources_recounted[1], RecountedSource { source: source(1).to_string(), lost: lost.clone() });
        let duplicates = if lost.is_empty() { 12 } else { 8 };
        assert_eq!(world.figures(DAY), Figures { duplicates, ..before }, "{part:?}");
        assert!(world.verify(DAY).await.unwrap().passed(), "{part:?}");
    }
}

#[tokio::test]
async fn wrong_counters_are_put_right() {
    let (world, before) = aggregated().await;
    world.change_partial(date(DAY), &source(0), |partial| {
        partial.counters.events += 7;
        partial.counters.by_hour[3] += 7;
        partial.counters.add_rejected(1);
    });
    world.roll_up().await;
    assert_ne!(world.figures(DAY), before);
    rebuilt(&world).await;
    assert_eq!(world.figures(DAY), before);
}

#[tokio::test]
async fn a_source_without_a_partial_stays_in_flight() {
    let (world, before) = aggregated().await;
    world.store_events(&source(7), 1, &[page_view("stored, not folded", "ann", world.at(DAY, 9))]);
    let done = rebuilt(&world).await;
    assert!(done.is_complete() && done.sources_recounted.len() == 3);
    assert_eq!(world.figures(DAY), before, "its record will be delivered again, and folded then");
    assert_eq!(world.verify(DAY).await.unwrap().in_flight(), 1);
}

#[tokio::test]
async fn a_day_without_events_is_rebuilt_to_nothing() {
    let world = World::new(DAY);
    let done = rebuilt(&world).await;
    assert!(done.is_complete() && done.sources_recounted.is_empty());
    assert_eq!(day(&done.roll_up, DAY).outcome, Outcome::Empty);
}

#[tokio::test]
async fn every_write_shard_is_rebuilt() {
    let mut deployment = Deployment::new(Tz::UTC, "test");
    deployment.write_shards.change(date(DAY), WriteShards::new(4).unwrap(), date("2026-03-01")).unwrap();
    let world = World::with(deployment, DAY);
    for n in 0..24u32 {
        let view = page_view(&format!("e{n}"), &format!("u{n}"), world.at(DAY, i64::from(n)));
        world.deliver(&source(n % 6), u64::from(n), &[view]);
    }
    world.roll_up().await;
    let before = world.figures(DAY);
    for n in 0..6 {
        world.store.damage_partial(date(DAY), &source(n), PartialPart::Users);
    }
    let done = rebuilt(&world).await;
    assert!(done.is_complete() && done.sources_recounted.len() == 6);
    assert_eq!(world.figures(DAY), before);
}

#[tokio::test]
async fn a_final_day_stays_final_and_is_verified_again() {
    let (world, _) = aggregated().await;
    world.turn_to("2026-03-25");
    world.roll_up().await;
    let before = world.figures(DAY);
    assert!(before.is_final && before.verified);
    world.store.damage_partial(date(DAY), &source(2), PartialPart::Sessions);
    let done = rebuilt(&world).await;
    assert!(day(&done.roll_up, DAY).verification.as_ref().unwrap().passed());
    assert_eq!(world.figures(DAY), before);
}

#[tokio::test]
async fn rejected_items_that_expired_are_carried_over() {
    let (world, before) = aggregated().await;
    world.turn_to("2026-04-20");
    let done = rebuilt(&world).await;
    assert_eq!(done.carried_over, ["duplicates", "rejected"]);
    let figures = world.figures(DAY);
    assert_eq!((figures.rejected, figures.duplicates), (before.rejected, before.duplicates));
    // And lost together with the counters that alone knew them.
    world.store.damage_partial(date(DAY), &source(0), PartialPart::Counters);
    let done = rebuilt(&world).await;
    assert_eq!(done.sources_recounted[0].lost, ["duplicates", "rejected"]);
    assert_eq!(world.figures(DAY).rejected, before.rejected - 2);
}

#[tokio::test]
async fn a_day_whose_events_expire_is_refused_and_left_as_it_is() {
    let (world, _) = aggregated().await;
    world.turn_to("2026-06-06");
    rebuilt(&world).await;
    let partials = world.store.all_partials();
    world.turn_to("2026-06-07");
    let error = rebuild(&world.deps(), date(DAY), soon()).await.unwrap_err();
    assert_eq!(error, AggregateError::Expired { date: date(DAY), expiry: date("2026-06-07") });
    assert!(error.to_string().contains("stay as they are"), "{error}");
    assert_eq!(world.store.all_partials(), partials);
}

#[tokio::test(start_paused = true)]
async fn the_consumer_goes_on_meanwhile() {
    let (world, before) = aggregated().await;
    let (consumer, is_done) = (world.clone(), AtomicBool::new(false));
    let plan = move |request: &Request<'_>| {
        if request.operation == Operation::EventsPage && !is_done.swap(true, Ordering::SeqCst) {
            // One source goes on, another begins, a third has an event stored behind its fence.
            consumer.deliver(&source(0), 9, &[page_view("on", "ann", consumer.at(DAY, 1))]);
            consumer.deliver(&source(8), 1, &[page_view("new source", "ann", consumer.at(DAY, 1))]);
            consumer.deliver_behind(&source(1), 0, &[page_view("behind", "ann", consumer.at(DAY, 1))]);
        }
        Decision::default()
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let done = rebuild(&deps, date(DAY), soon()).await.unwrap();
    assert!(done.is_complete(), "{done:?}");
    let figures = world.figures(DAY);
    assert_eq!(figures.events_by_type["page_view"], before.events_by_type["page_view"] + 3);
    assert_eq!(figures.duplicates, 12);
    assert!(world.verify(DAY).await.unwrap().passed() && !world.source_of(DAY, &source(1)).dirty);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_rests_waits_and_the_others_are_done() {
    let (world, before) = aggregated().await;
    let consumer = world.clone();
    let plan = move |request: &Request<'_>| {
        if request.operation == Operation::RejectedPage {
            consumer.change_partial(date(DAY), &source(1), |partial| partial.counters.add_duplicates(1));
        }
        Decision::default()
    };
    world.store.damage_partial(date(DAY), &source(0), PartialPart::Users);
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let done = rebuild(&deps, date(DAY), soon()).await.unwrap();
    assert!(!done.is_complete());
    assert_eq!(done.sources_waiting, [source(1).to_string()]);
    assert_eq!(done.sources_recounted.len(), 2);
    assert_eq!(world.figures(DAY).active_users, before.active_users);
    assert!(rebuilt(&world).await.is_complete(), "quiet again");
}

#[tokio::test(start_paused = true)]
async fn two_at_once_in_a_storm_come_to_the_same_figures() {
    for seed in 0..SEEDS {
        let (world, before) = aggregated().await;
        for (n, part) in [PartialPart::Counters, PartialPart::Users, PartialPart::Sessions].into_iter().enumerate() {
            world.store.damage_partial(date(DAY), &source(n as u32), part);
        }
        let storm = Faulty::new(world.store.clone(), SeededFaults::new(seed, Rates::stormy()));
        let (first, second) = (world.deps_over(storm.clone(), seed), world.deps_over(storm, seed + 1_000));
        let (first, second) = tokio::join!(rebuild(&first, date(DAY), soon()), rebuild(&second, date(DAY), soon()));
        let done = [first, second].map(|done| done.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
        assert!(done.iter().all(Rebuild::is_complete), "seed {seed}: {done:?}");
        assert_eq!(world.figures(DAY), Figures { duplicates: 8, ..before }, "seed {seed}");
        assert!(world.verify(DAY).await.unwrap().passed(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_died_anywhere_is_made_up_for_by_the_next() {
    let crashes = AtomicU64::new(0);
    for seed in 0..SEEDS {
        let (world, before) = aggregated().await;
        world.store.damage_partial(date(DAY), &source(1), PartialPart::Users);
        let rates = Rates { crash_before: 0.03, crash_after: 0.03, ..Rates::default() };
        let mut storm = Faulty::new(world.store.clone(), SeededFaults::new(seed, rates));
        let mut rounds = 0;
        while storm.until_crash(rebuild(&world.deps_over(storm.clone(), seed), date(DAY), soon())).await.is_err() {
            (storm, rounds) = (storm.process(), rounds + 1);
            assert!(rounds < 500, "seed {seed}: it dies every time");
        }
        crashes.fetch_add(rounds, Ordering::Relaxed);
        world.roll_up().now_or_never().expect("a store in memory answers at once");
        assert_eq!(world.figures(DAY), before, "seed {seed}");
    }
    assert!(crashes.load(Ordering::Relaxed) > SEEDS, "only {crashes:?} crashes");
}
