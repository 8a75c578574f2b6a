//! Which days a scheduled run of proofs takes, and which it leaves for later.

use std::collections::BTreeSet;
use std::sync::Arc;

use headcount_aggregator::Deps;
use headcount_aggregator::prove::{Asked, prove_days};
use headcount_core::exact::Proof;
use headcount_log::Log;
use headcount_log::slices::SliceName;
use headcount_runtime::retry::Jitter;
use headcount_testkit::memory::MemoryStore;
use headcount_testkit::objects::FaultyObjects;
use headcount_testkit::objects::plan::{Decision, Fault, ObjectFaults, Operation, Request};
use headcount_testkit::process::Process;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::world::{World, date, page_view, soon, source};

/// Date and number of each proof of a run.
async fn proven(world: &World, asked: &Asked) -> Vec<(String, u64)> {
    let run = prove_days(&world.deps(), asked, soon()).await.unwrap();
    assert!(run.is_clean(), "{run:?}");
    run.days.into_iter().map(|day| (day.date.to_string(), day.number.unwrap())).collect()
}

fn events(world: &World, day: &str, ids: std::ops::Range<u32>) -> Vec<Value> {
    ids.map(|id| page_view(&format!("{day} {id}"), "ann", world.at(day, 1))).collect()
}

fn number(day: &str, number: u64) -> Vec<(String, u64)> {
    vec![(day.to_owned(), number)]
}

#[tokio::test(start_paused = true)]
async fn an_hour_proves_a_day_again_once_it_has_grown_by_a_tenth() {
    let (world, today) = (World::new("2026-03-10"), "2026-03-10");
    world.deliver(&source(0), &events(&world, today, 0..20)).await;
    assert_eq!(proven(&world, &Asked::Hourly).await, number(today, 1));
    world.deliver(&source(0), &events(&world, today, 20..21)).await;
    assert_eq!(proven(&world, &Asked::Hourly).await, []);
    world.deliver(&source(0), &events(&world, today, 21..22)).await;
    assert_eq!(proven(&world, &Asked::Hourly).await, number(today, 2));
    // A person, and the night, take any change.
    world.deliver(&source(0), &events(&world, today, 22..23)).await;
    assert_eq!(proven(&world, &Asked::WithinBudget).await, number(today, 3));
    world.deliver(&source(0), &events(&world, today, 23..24)).await;
    assert_eq!(proven(&world, &Asked::Nightly).await, number(today, 4));
}

#[tokio::test(start_paused = true)]
async fn a_large_day_is_proven_in_its_first_night_and_when_it_takes_no_more() {
    let mut world = World::new("2026-03-02");
    world.settings.proof_budget = 3;
    let (large, small) = ("2026-03-01", "2026-03-02");
    world.deliver(&source(0), &events(&world, large, 0..5)).await;
    assert_eq!(proven(&world, &Asked::Hourly).await, [], "it is beyond the budget");
    assert_eq!(proven(&world, &Asked::Nightly).await, number(large, 1));
    world.turn_to("2026-03-05");
    world.deliver(&source(0), &events(&world, large, 5..6)).await;
    world.deliver(&source(0), &events(&world, small, 0..1)).await;
    assert_eq!(proven(&world, &Asked::Nightly).await, number(small, 1));
    world.turn_to("2026-03-10");
    assert_eq!(proven(&world, &Asked::Nightly).await, []);
    // Seven days late, a day in the stream, one for the consumer.
    world.turn_to("2026-03-11");
    assert_eq!(proven(&world, &Asked::Nightly).await, number(large, 2));
    assert_eq!(proven(&world, &Asked::Nightly).await, []);
}

/// A world with a day of 40 events in two shards, five of them in both, and memory for a few ids.
async fn world_with_a_large_day(day: &str) -> World {
    let mut world = World::new(day);
    world.settings.proof_memory = 8 * 48;
    world.deliver(&source(0), &events(&world, day, 0..25)).await;
    let mut world = world.with_cold_consumer();
    world.deliver(&source(1), &events(&world, day, 20..40)).await;
    world.settings.proof_budget = 100;
    world
}

/// What is stored of the day's proof, but for the time at which it was made.
async fn stored(world: &World, day: &str) -> Proof {
    let mut proof = world.log().proof(date(day), soon()).await.unwrap().unwrap();
    proof.proven.proven_ms = 0;
    proof
}

/// The world's deployment over a log that fails as planned, in a process that may die.
fn deps(world: &World, plan: impl ObjectFaults + 'static, process: &Process) -> Deps<MemoryStore> {
    let objects = FaultyObjects::new(world.objects.clone(), plan).in_process(process);
    Deps { log: Log::new(Arc::new(objects), Jitter::from_seed(3)), ..world.deps() }
}

/// Proves the day by runs that die as planned, until one comes to its end: how many slices other runs went on from.
async fn prove_in_deadly_runs(
    world: &World,
    day: &str,
    mut plan: impl FnMut() -> Box<dyn Fn(&Request<'_>) -> Decision + Send + Sync>,
) -> usize {
    let mut slices = BTreeSet::new();
    for _ in 0..500 {
        let process = Process::default();
        let deps = deps(world, plan(), &process);
        if let Ok(run) = process.until_crash(prove_days(&deps, &Asked::Nightly, soon())).await {
            let run = run.unwrap();
            assert!(run.is_clean(), "{run:?}");
            assert_eq!(world.log().sliced_dates(soon()).await.unwrap(), BTreeSet::new());
            return slices.len();
        }
        if let Some(slice) = world.log().newest_slice(date(day), soon()).await.unwrap() {
            // What comes meanwhile is behind the positions of the first slice.
            if slices.is_empty() {
                world.deliver(&source(1), &events(world, day, 90..91)).await;
            }
            assert!(slices.last().is_none_or(|last| *last <= slice), "{slices:?} go back to {slice:?}");
            slices.insert(slice);
        }
    }
    panic!("it does not come to an end: {slices:?}");
}

/// What the day's proof is where nothing dies and all ids fit into memory.
async fn proven_at_once(day: &str) -> Proof {
    let mut world = world_with_a_large_day(day).await;
    world.settings.proof_memory = 1 << 20;
    assert_eq!(proven(&world, &Asked::Nightly).await, number(day, 1));
    let proof = stored(&world, day).await;
    let counters = &proof.proven.figures.counters;
    assert_eq!((counters.events, counters.duplicates), (40, 5));
    proof
}

#[tokio::test(start_paused = true)]
async fn a_large_day_whose_run_dies_after_each_pass_is_proven_as_in_one() {
    let day = "2026-03-10";
    let world = world_with_a_large_day(day).await;
    let after_a_slice = || {
        let plan = |request: &Request<'_>| match request.operation {
            Operation::Create if request.path.as_ref().contains("slices") => Decision::fault(Fault::CrashAfter),
            _ => Decision::default(),
        };
        Box::new(plan) as Box<dyn Fn(&Request<'_>) -> Decision + Send + Sync>
    };
    // 45 events and room for 8 ids: six passes, of which the last one needs no slice; if eight ids are too few, twelve.
    let slices = prove_in_deadly_runs(&world, day, after_a_slice).await;
    assert!(slices >= 6, "{slices}");
    assert_eq!(stored(&world, day).await, proven_at_once(day).await);
    assert_eq!(world.figures(day).proof.unwrap().events_since, 1);
}

#[tokio::test(start_paused = true)]
async fn a_large_day_whose_runs_die_anywhere_is_proven_as_in_one() {
    let (day, seed) = ("2026-03-10", fastrand::u64(..));
    println!("seed {seed}");
    let expected = proven_at_once(day).await;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut went_on = 0;
    for _ in 0..20 {
        let world = world_with_a_large_day(day).await;
        let anywhere = || {
            let dies_at = random.u64(0..150);
            let fault = if random.bool() { Fault::CrashBefore } else { Fault::CrashAfter };
            let plan = move |request: &Request<'_>| {
                if request.number == dies_at { Decision::fault(fault) } else { Decision::default() }
            };
            Box::new(plan) as Box<dyn Fn(&Request<'_>) -> Decision + Send + Sync>
        };
        let slices = prove_in_deadly_runs(&world, day, anywhere).await;
        if slices > 0 {
            // A run that died after it had stored the proof left nothing to go on from.
            let mut found = stored(&world, day).await;
            if found.proven.number == 1 {
                assert_eq!(found, expected);
            } else {
                found.proven.number = 1;
                assert_eq!(found.proven.figures.counters.events, 41);
            }
            went_on += 1;
        }
    }
    assert!(went_on > 0, "no run died between two passes");
}

#[tokio::test(start_paused = true)]
async fn a_run_stops_before_a_pass_that_would_not_end_in_time_and_the_next_goes_on() {
    let (world, day) = (world_with_a_large_day("2026-03-10").await, "2026-03-10");
    let slow = |_: &Request<'_>| Decision { before: Duration::from_secs(1), ..Decision::default() };
    let (mut runs, mut passes) = (0, Vec::new());
    let last = loop {
        let deps = deps(&world, slow, &Process::default());
        let until = Instant::now() + Duration::from_mins(1);
        let run = prove_days(&deps, &Asked::Hourly, until).await.unwrap();
        runs += 1;
        match run.days[0].unfinished {
            Some(unfinished) => passes.push(unfinished.passes),
            None => break run,
        }
        assert!(runs < 50, "{passes:?}");
    };
    assert!(last.is_clean() && runs > 1, "{last:?}");
    assert!(passes.is_sorted() && passes.last() > Some(&0), "{passes:?}");
    assert_eq!(stored(&world, day).await, proven_at_once(day).await);
}

#[tokio::test(start_paused = true)]
async fn slices_of_a_day_that_was_proven_otherwise_are_deleted() {
    let day = "2026-03-10";
    let world = world_with_a_large_day(day).await;
    let name = SliceName { number: 1, passes: 6, done: 2 };
    world.log().put_slice(date(day), name, "of another build".into(), soon()).await.unwrap();
    let mut large = world.clone();
    large.settings.proof_memory = 1 << 20;
    assert_eq!(proven(&large, &Asked::Dates(vec![date(day)])).await, number(day, 1));
    assert_eq!(proven(&world, &Asked::Hourly).await, []);
    assert_eq!(world.log().sliced_dates(soon()).await.unwrap(), BTreeSet::new());
    // One that cannot be read is not gone on with.
    let name = SliceName { number: 2, ..name };
    world.log().put_slice(date(day), name, "of another build".into(), soon()).await.unwrap();
    assert_eq!(proven(&world, &Asked::Dates(vec![date(day)])).await, number(day, 2));
    assert_eq!(world.log().sliced_dates(soon()).await.unwrap(), BTreeSet::new());
}
