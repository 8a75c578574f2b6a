use headcount_aggregator::roll_up::{Outcome, roll_up};
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Fault, Operation, Request};

use crate::world::{World, day, page_view, soon, source};

/// A day of two sources, aggregated while it was open.
async fn world_of_march_first() -> World {
    let world = World::new("2026-03-02");
    let at = world.at("2026-03-01", 9);
    world.deliver(&source(0), &[page_view("e1", "ann", at), page_view("e2", "bob", at)]).await;
    world.deliver(&source(1), &[page_view("e3", "ann", at + 1_000)]).await;
    world.roll_up().await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_day_becomes_final_once() {
    let world = world_of_march_first().await;
    // The day ends with the 1st; 7 days of lateness, 1 of retention and 1 more end with the 10th.
    world.turn_to("2026-03-10");
    assert_eq!(day(&world.roll_up().await, "2026-03-01").outcome, Outcome::Unchanged);
    world.turn_to("2026-03-11");
    assert!(day(&world.roll_up().await, "2026-03-01").became_final);
    let figures = world.figures("2026-03-01");
    assert!(figures.is_final && !figures.verified, "only a proof verifies: {figures:?}");

    // Not touched again, whatever comes in.
    world.deliver(&source(0), &[page_view("too late", "eve", world.at("2026-03-01", 1))]).await;
    assert!(world.roll_up().await.days.is_empty());
    assert_eq!(world.figures("2026-03-01"), figures);
    // Unless it is named.
    let rolled_up = world.roll_up_named(&["2026-03-01"]).await;
    assert!(!day(&rolled_up, "2026-03-01").became_final, "it was");
    let named = world.figures("2026-03-01");
    assert!(named.active_users == 3 && named.is_final, "{named:?}");
}

#[tokio::test(start_paused = true)]
async fn a_day_that_was_missed_becomes_final_later() {
    let world = world_of_march_first().await;
    world.turn_to("2026-04-05");
    assert!(day(&world.roll_up().await, "2026-03-01").became_final);
}

#[tokio::test(start_paused = true)]
async fn a_day_is_not_final_while_its_entries_wait_to_be_followed() {
    let world = world_of_march_first().await;
    world.append(&source(1), &[page_view("e4", "eve", world.at("2026-03-01", 10))]).await;
    world.turn_to("2026-03-11");
    let plan = |request: &Request<'_>| match request.operation {
        Operation::WritePartial => Decision::fault(Fault::Invalid),
        _ => Decision::default(),
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let rolled_up = roll_up(&deps, None, soon()).await.unwrap();
    assert_eq!(rolled_up.following.behind().count(), 1);
    assert!(!world.figures("2026-03-01").is_final);
    world.roll_up().await;
    let figures = world.figures("2026-03-01");
    assert!(figures.is_final && figures.active_users == 3, "{figures:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_appended_since_keeps_no_old_day_open() {
    let world = world_of_march_first().await;
    world.turn_to("2026-03-11");
    world.append(&source(1), &[page_view("today", "eve", world.at("2026-03-11", 10))]).await;
    let plan = |request: &Request<'_>| match request.operation {
        Operation::WritePartial => Decision::fault(Fault::Invalid),
        _ => Decision::default(),
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    roll_up(&deps, None, soon()).await.unwrap();
    assert!(world.figures("2026-03-01").is_final);
}
