use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use headcount_aggregator::roll_up::{Outcome, RollUp};
use headcount_aggregator::{AggregateError, Compute, Deps, roll_up};
use headcount_store::rows::{MadeOf, Put};
use headcount_store::traits::DailyStore;
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Fault, ItemFault, Operation, Request};
use headcount_testkit::faulty::seeded::{Rates, SeededFaults};
use headcount_testkit::memory::MemoryStore;
use serde_json::Value;

use crate::world::{World, day, page_view, soon, source};

/// Seeds of the storms below.
const SEEDS: u64 = 60;

#[tokio::test(start_paused = true)]
async fn what_is_newer_stays() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), &[page_view("e1", "ann", world.at("2026-03-10", 1))]).await;
    world.roll_up().await;
    let mut newer = world.store.all_dailies().pop().unwrap();
    newer.made_of = MadeOf { day: 9, proof: 0, month: 9 };
    assert_eq!(world.store.put_daily(&newer).await.unwrap(), Put::Written);
    let rolled_up = world.roll_up_named(&["2026-03-10"]).await;
    assert_eq!(day(&rolled_up, "2026-03-10").outcome, Outcome::Superseded);
    assert_eq!(world.store.all_dailies(), [newer]);
}

#[tokio::test(start_paused = true)]
async fn who_was_overtaken_reads_again() {
    let world = World::new("2026-03-10");
    for visited in ["2026-03-09", "2026-03-10"] {
        world.deliver(&source(0), &[page_view(visited, "ann", world.at(visited, 1))]).await;
    }
    // Before the second day's sketches are written, more events come, and somebody else aggregates all of them.
    let (other, puts) = (world.clone(), AtomicU32::new(0));
    let plan = move |request: &Request<'_>| {
        if request.operation == Operation::PutSketches && puts.fetch_add(1, Ordering::SeqCst) == 1 {
            for (n, visited) in ["2026-03-09", "2026-03-10"].iter().enumerate() {
                let more = page_view(&format!("more {visited}"), &format!("user {n}"), other.at(visited, 2));
                other.deliver(&source(0), &[more]).now_or_never().expect("a store in memory answers at once");
            }
            other.roll_up().now_or_never().expect("a store in memory answers at once");
        }
        Decision::default()
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let rolled_up = roll_up(&deps, None, soon()).await.unwrap();
    let found = day(&rolled_up, "2026-03-10");
    assert_eq!(found.outcome, Outcome::Unchanged, "the other one's figures are these: {found:?}");
    let figures = world.figures("2026-03-10");
    assert_eq!((figures.active_users, figures.weekly_active_users, figures.total_users), (2, 3, 3));
}

#[tokio::test(start_paused = true)]
async fn what_a_batched_read_left_out_is_not_taken_for_absent() {
    let world = busy_world(1).await;
    world.roll_up().await;
    let before = world.store.all_dailies();
    let reads = AtomicU32::new(0);
    let plan = move |request: &Request<'_>| match request.operation {
        Operation::Dailies | Operation::Sketches if reads.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) => {
            Decision::fault(Fault::Items(vec![ItemFault::Unprocessed; request.keys.len()]))
        }
        _ => Decision::default(),
    };
    let store = Faulty::new(world.store.clone(), plan);
    let rolled_up = roll_up(&world.deps_over(store.clone(), 1), None, soon()).await.unwrap();
    assert!(rolled_up.days.iter().all(|day| day.outcome == Outcome::Unchanged), "{rolled_up:?}");
    assert_eq!(world.store.all_dailies(), before);
    assert!(!store.requests().contains_key(&Operation::PutDaily));
}

#[tokio::test(start_paused = true)]
async fn the_pool_and_the_task_itself_come_to_the_same() {
    let mut figures = Vec::new();
    for compute in [Compute::Pool, Compute::InPlace] {
        let mut world = busy_world(1).await;
        world.settings.compute = compute;
        world.roll_up().await;
        figures.push(world.store.all_dailies());
    }
    assert_eq!(figures[0], figures[1]);
}

/// Three days, four sources, users in common; some entries are appended and not followed.
async fn busy_world(seed: u64) -> World {
    let world = World::new("2026-03-11");
    let mut random = fastrand::Rng::with_seed(seed);
    for sequence in 0..30u64 {
        let events: Vec<Value> = (0..random.usize(1..4))
            .map(|n| {
                let visited = ["2026-03-08", "2026-03-09", "2026-03-10"][random.usize(0..3)];
                let user = format!("u{}", random.u32(0..12));
                let at = world.at(visited, 0) + random.i64(0..24 * 60) * 60_000;
                page_view(&format!("e{sequence}-{n}"), &user, at)
            })
            .collect();
        let source = source(random.u32(0..4));
        if sequence % 8 == 7 {
            world.append(&source, &events).await;
        } else {
            world.deliver(&source, &events).await;
        }
    }
    world.deliver(&source(0), &[page_view("last", "u1", world.at("2026-03-09", 5))]).await;
    world.append(&source(5), &[page_view("behind", "u99", world.at("2026-03-09", 5))]).await;
    world
}

/// The figures that the days must have in the end.
fn expected(world: &World) -> Vec<(String, u64, u64, u64)> {
    let events = world.store.all_events();
    let users_from = |from: &str, to: &str| {
        let in_range = events.iter().filter(|row| (from..=to).contains(&row.date.to_string().as_str()));
        in_range.map(|row| &*row.event.user_id).collect::<std::collections::BTreeSet<_>>().len() as u64
    };
    let day = |date: &str| {
        let of_day = events.iter().filter(|row| row.date.to_string() == date).count() as u64;
        (date.to_owned(), of_day, users_from(date, date), users_from("2026-03-01", date))
    };
    ["2026-03-08", "2026-03-09", "2026-03-10"].map(day).to_vec()
}

fn stored(world: &World) -> Vec<(String, u64, u64, u64)> {
    let day = |date: &str| {
        let figures = world.figures(date);
        assert_eq!(figures.weekly_active_users, figures.total_users, "{date}: all users came within a week");
        assert_eq!(figures.monthly_active_users, figures.total_users, "{date}");
        (date.to_owned(), figures.events_by_type["page_view"], figures.active_users, figures.total_users)
    };
    ["2026-03-08", "2026-03-09", "2026-03-10"].map(day).to_vec()
}

#[tokio::test(start_paused = true)]
async fn two_at_once_in_a_storm_come_to_the_right_figures() {
    for seed in 0..SEEDS {
        let world = busy_world(seed).await;
        let storm = Faulty::new(world.store.clone(), SeededFaults::new(seed, Rates::stormy()));
        let (first, second) = (world.deps_over(storm.clone(), seed), world.deps_over(storm, seed + 1_000));
        let (first, second) = tokio::join!(run(&first), run(&second));
        for rolled_up in [&first, &second] {
            let rolled_up = rolled_up.as_ref().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(rolled_up.failed().next(), None, "seed {seed}");
        }
        assert_eq!(stored(&world), expected(&world), "seed {seed}");
        for date in ["2026-03-08", "2026-03-09", "2026-03-10"] {
            assert!(world.verify(date).await.unwrap().passed(), "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_died_anywhere_leaves_nothing_that_the_next_does_not_see() {
    let mut crashes = 0;
    for seed in 0..SEEDS {
        let world = busy_world(seed).await;
        let rates = Rates { crash_before: 0.02, crash_after: 0.02, ..Rates::default() };
        let mut storm = Faulty::new(world.store.clone(), SeededFaults::new(seed, rates));
        let mut rounds = 0;
        while storm.until_crash(run(&world.deps_over(storm.clone(), seed))).await.is_err() {
            (storm, rounds) = (storm.process(), rounds + 1);
            assert!(rounds < 500, "seed {seed}: it dies every time");
            // The consumer goes on meanwhile: one more event on the first day.
            if rounds < 4 {
                let late = page_view(&format!("late{rounds}"), &format!("l{rounds}"), world.at("2026-03-08", 1));
                world.deliver(&source(9), &[late]).await;
            }
        }
        crashes += rounds;
        world.roll_up().await;
        assert_eq!(stored(&world), expected(&world), "seed {seed}");
    }
    assert!(crashes > SEEDS, "only {crashes} crashes");
}

async fn run(deps: &Deps<Faulty<MemoryStore>>) -> Result<RollUp, AggregateError> {
    roll_up(deps, None, soon()).await
}
