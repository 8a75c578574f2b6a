use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::FutureExt as _;
use headcount_aggregator::prove::{Asked, prove_days};
use headcount_aggregator::roll_up::Outcome;
use headcount_aggregator::{Rebuild, rebuild};
use headcount_core::metrics::Figures;
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Operation, Request};
use headcount_testkit::faulty::seeded::{Rates, SeededFaults};
use headcount_testkit::memory::PartialPart;

use crate::world::{World, date, day, feature_use, page_view, soon, source};

const DAY: &str = "2026-03-10";

/// Seeds of the storms below.
const SEEDS: u64 = 40;

async fn rebuilt(world: &World) -> Rebuild {
    rebuild(&world.deps(), &[date(DAY)], soon()).await.unwrap()
}

/// Three sources with events, rejected ones and duplicates, aggregated.
async fn aggregated() -> (World, Figures) {
    let world = World::new(DAY);
    for n in 0..3 {
        let at = world.at(DAY, 8 + i64::from(n));
        let views =
            [page_view(&format!("a{n}"), "ann", at), page_view(&format!("b{n}"), &format!("u{n}"), at + 60_000)];
        world.deliver(&source(n), &views).await;
        let feature = feature_use(&format!("f{n}"), "search", at + 1);
        world.deliver(&source(n), &[feature.clone(), feature]).await;
        world.reject(&source(n), 2).await;
    }
    world.roll_up().await;
    let figures = world.figures(DAY);
    assert_eq!((figures.duplicates, figures.rejected), (3, 6));
    (world, figures)
}

fn changed(done: &Rebuild) -> Vec<&str> {
    let sources = done.days.iter().flat_map(|day| &day.sources);
    sources.filter(|source| source.changed).map(|source| &*source.source).collect()
}

#[tokio::test(start_paused = true)]
async fn a_sound_day_stays_what_it_is() {
    let (world, figures) = aggregated().await;
    let partials = world.store.all_partials();
    let done = rebuilt(&world).await;
    assert!(done.is_complete(), "{done:?}");
    assert_eq!((done.days[0].sources.len(), changed(&done)), (3, vec![]));
    assert_eq!(done.days[0].sources[0].events, 3);
    assert_eq!((world.figures(DAY), world.store.all_partials()), (figures, partials));
    assert_eq!(serde_json::to_value(&done).unwrap()["days"][0]["sources"][1]["changed"], false);
}

#[tokio::test(start_paused = true)]
async fn what_was_damaged_is_restored() {
    for part in [PartialPart::Counters, PartialPart::Users, PartialPart::Sessions, PartialPart::Checksum] {
        let (world, before) = aggregated().await;
        assert!(world.store.damage_partial(date(DAY), &source(1), part));
        assert!(!world.verify(DAY).await.unwrap().passed());
        let done = rebuilt(&world).await;
        assert!(done.is_complete(), "{part:?}: {done:?}");
        assert_eq!(changed(&done), [source(1).as_str()]);
        assert_eq!(world.figures(DAY), before, "{part:?}");
        assert!(world.verify(DAY).await.unwrap().passed(), "{part:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_counters_are_put_right() {
    let (world, before) = aggregated().await;
    world
        .change_partial(DAY, &source(0), |partial| {
            partial.counters.events += 7;
            partial.counters.by_hour[3] += 7;
            partial.counters.add_rejected(1);
        })
        .await;
    world.roll_up_named(&[DAY]).await;
    assert_ne!(world.figures(DAY), before);
    rebuilt(&world).await;
    assert_eq!(world.figures(DAY), before);
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_followed_is_followed_first() {
    let (world, before) = aggregated().await;
    world.append(&source(7), &[page_view("appended", "zoe", world.at(DAY, 9))]).await;
    let done = rebuilt(&world).await;
    assert!(done.is_complete() && done.days[0].sources.len() == 4);
    let figures = world.figures(DAY);
    assert_eq!((figures.active_users, figures.new_signups_24h), (before.active_users + 1, before.new_signups_24h + 1));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_entry_is_named_and_the_rest_is_counted() {
    let (world, before) = aggregated().await;
    world.damage_entry(&source(0), 2).await;
    let done = rebuilt(&world).await;
    let damaged = &done.days[0].sources[0].damaged;
    assert_eq!((damaged.len(), damaged[0].entry), (1, 2), "{done:?}");
    assert_eq!(world.figures(DAY).events_by_type["feature_use"], before.events_by_type["feature_use"] - 1);
}

#[tokio::test(start_paused = true)]
async fn a_day_without_events_is_rebuilt_to_nothing() {
    let (world, _) = aggregated().await;
    let done = rebuild(&world.deps(), &[date("2026-03-08")], soon()).await.unwrap();
    assert!(done.is_complete() && done.days[0].sources.is_empty());
    assert_eq!(day(&done.roll_up, "2026-03-08").outcome, Outcome::Empty);
}

#[tokio::test(start_paused = true)]
async fn several_days_are_rebuilt_in_one_reading() {
    let (world, before) = aggregated().await;
    world.deliver(&source(0), &[page_view("y", "ann", world.at("2026-03-09", 9))]).await;
    world.roll_up().await;
    for day in ["2026-03-09", DAY] {
        world.store.damage_partial(date(day), &source(0), PartialPart::Users);
    }
    let done = rebuild(&world.deps(), &[date(DAY), date("2026-03-09")], soon()).await.unwrap();
    assert!(done.is_complete());
    assert_eq!(changed(&done), [source(0).as_str(); 2]);
    assert_eq!(world.figures(DAY).events_by_type, before.events_by_type);
    assert_eq!(world.figures("2026-03-09").active_users, 1);
}

#[tokio::test(start_paused = true)]
async fn a_final_day_stays_final() {
    let (world, _) = aggregated().await;
    world.turn_to("2026-03-25");
    prove_days(&world.deps(), &Asked::AllOpen, soon()).await.unwrap();
    let before = world.figures(DAY);
    assert!(before.is_final);
    world.store.damage_partial(date(DAY), &source(2), PartialPart::Sessions);
    assert!(rebuilt(&world).await.is_complete());
    assert_eq!(world.figures(DAY), before);
}

#[tokio::test(start_paused = true)]
async fn a_day_whose_entries_expire_is_refused_and_the_others_go_on() {
    let (world, _) = aggregated().await;
    world.turn_to("2026-06-05");
    assert!(rebuilt(&world).await.is_complete());
    world.turn_to("2026-06-09");
    world.deliver(&source(0), &[page_view("later", "ann", world.at("2026-06-09", 9))]).await;
    let partials = world.store.all_partials();
    let done = rebuild(&world.deps(), &[date(DAY), date("2026-06-09")], soon()).await.unwrap();
    assert!(!done.is_complete());
    let error = done.days[0].error.as_deref().unwrap();
    assert!(error.contains("no longer has every entry of 2026-03-10") && error.contains("stay as they are"), "{error}");
    assert_eq!((done.days[1].sources.len(), &done.days[1].error), (1, &None));
    assert_eq!(world.store.all_partials(), partials);
}

#[tokio::test(start_paused = true)]
async fn the_consumer_goes_on_meanwhile() {
    let (world, before) = aggregated().await;
    world.store.damage_partial(date(DAY), &source(1), PartialPart::Users);
    world.change_partial(DAY, &source(0), |partial| partial.counters.events += 1).await;
    let world = world.with_cold_consumer();
    let (consumer, is_done) = (world.clone(), AtomicBool::new(false));
    let plan = move |request: &Request<'_>| {
        if request.operation == Operation::WritePartial && !is_done.swap(true, Ordering::SeqCst) {
            // The source that is about to be written goes on, and another one begins.
            for n in [0, 8] {
                let view = page_view(&format!("on{n}"), "ann", consumer.at(DAY, 1));
                consumer.deliver(&source(n), &[view]).now_or_never().expect("a store in memory answers at once");
            }
        }
        Decision::default()
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let done = rebuild(&deps, &[date(DAY)], soon()).await.unwrap();
    assert!(done.is_complete(), "{done:?}");
    world.roll_up().await;
    let figures = world.figures(DAY);
    assert_eq!(figures.events_by_type["page_view"], before.events_by_type["page_view"] + 2);
    let found = world.verify(DAY).await.unwrap();
    assert!(found.passed() && found.in_flight() == 0, "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_partial_that_never_rests_is_named_and_the_others_are_done() {
    let (world, before) = aggregated().await;
    for n in [0, 1] {
        world.change_partial(DAY, &source(n), |partial| partial.counters.events += 1).await;
    }
    let busy = world.clone();
    let plan = move |request: &Request<'_>| {
        if request.operation == Operation::WritePartial && request.keys[0].sk.contains("000000000001") {
            let source = source(1);
            let change = busy.change_partial(DAY, &source, |partial| partial.counters.events += 1);
            change.now_or_never().expect("a store in memory answers at once");
        }
        Decision::default()
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let done = rebuild(&deps, &[date(DAY)], soon()).await.unwrap();
    assert!(!done.is_complete());
    let error = done.days[0].error.as_deref().unwrap();
    assert!(error.contains(source(1).as_str()) && error.contains("run it again"), "{error}");
    assert_eq!(done.days[0].sources.len(), 2);
    assert!(rebuilt(&world).await.is_complete(), "quiet again");
    assert_eq!(world.figures(DAY), before);
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
        let dates = [date(DAY)];
        let (first, second) = tokio::join!(rebuild(&first, &dates, soon()), rebuild(&second, &dates, soon()));
        let done = [first, second].map(|done| done.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
        assert!(done.iter().all(Rebuild::is_complete), "seed {seed}: {done:?}");
        assert_eq!(world.figures(DAY), before, "seed {seed}");
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
        let dates = [date(DAY)];
        while storm.until_crash(rebuild(&world.deps_over(storm.clone(), seed), &dates, soon())).await.is_err() {
            (storm, rounds) = (storm.process(), rounds + 1);
            assert!(rounds < 500, "seed {seed}: it dies every time");
        }
        crashes.fetch_add(rounds, Ordering::Relaxed);
        world.roll_up().await;
        assert_eq!(world.figures(DAY), before, "seed {seed}");
    }
    assert!(crashes.load(Ordering::Relaxed) > SEEDS, "only {crashes:?} crashes");
}
