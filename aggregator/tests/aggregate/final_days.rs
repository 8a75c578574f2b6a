use headcount_aggregator::prove::{Asked, prove_days};
use headcount_aggregator::roll_up::{Outcome, roll_up};
use headcount_store::rows::{FirstDay, TotalRow};
use headcount_store::traits::{DailyStore as _, UserStore as _};
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Fault, Operation, Request};

use crate::world::{World, date, day, page_view, soon, source};

/// A day of two sources, aggregated while it was open.
async fn world_of_march_first() -> World {
    let world = World::new("2026-03-02");
    let at = world.at("2026-03-01", 9);
    world.deliver(&source(0), &[page_view("e1", "ann", at), page_view("e2", "bob", at)]).await;
    world.deliver(&source(1), &[page_view("e3", "ann", at + 1_000)]).await;
    world.roll_up().await;
    world
}

async fn prove(world: &World, asked: &Asked) {
    let run = prove_days(&world.deps(), asked, soon()).await.unwrap();
    assert!(run.is_clean(), "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn a_day_is_final_when_it_takes_no_more_and_is_proven() {
    let world = world_of_march_first().await;
    // The day ends with the 1st; 7 days of lateness, 1 of retention and 1 more end with the 10th.
    world.turn_to("2026-03-10");
    assert_eq!(day(&world.roll_up().await, "2026-03-01").outcome, Outcome::Unchanged);
    prove(&world, &Asked::AllOpen).await;
    assert!(world.figures("2026-03-01").verified && !world.figures("2026-03-01").is_final, "events may still come");
    world.turn_to("2026-03-11");
    assert!(day(&world.roll_up().await, "2026-03-01").became_final);
    let figures = world.figures("2026-03-01");
    assert!(figures.is_final && figures.verified, "{figures:?}");
    assert!(world.roll_up().await.days.is_empty(), "it is not looked at again");
}

#[tokio::test(start_paused = true)]
async fn a_final_day_gets_the_total_that_a_run_which_died_left_behind() {
    let world = world_of_march_first().await;
    world.turn_to("2026-03-20");
    prove(&world, &Asked::AllOpen).await;
    let made_of = world.store.all_dailies()[0].made_of;
    assert!(world.figures("2026-03-01").is_final);
    // A run that found a user of an earlier day, and died before it came to this one.
    let earlier = date("2026-02-20");
    let eve = FirstDay { user_id: "eve".to_owned(), date: earlier, seen_ms: world.at("2026-02-20", 9) };
    world.store.put_first_day(&eve).await.unwrap();
    world.store.put_total(&TotalRow { date: earlier, new_users: 1, made_of }).await.unwrap();
    world.roll_up().await;
    let figures = world.figures("2026-03-01");
    assert_eq!((figures.total_users, figures.is_final), (3, true));
}

#[tokio::test(start_paused = true)]
async fn a_day_that_was_never_proven_is_not_final() {
    let world = world_of_march_first().await;
    world.turn_to("2026-03-11");
    world.roll_up().await;
    assert!(!world.figures("2026-03-01").is_final);
    prove(&world, &Asked::AllOpen).await;
    assert!(world.figures("2026-03-01").is_final);
}

#[tokio::test(start_paused = true)]
async fn what_comes_later_takes_final_away_until_the_day_is_proven_again() {
    let world = world_of_march_first().await;
    world.turn_to("2026-04-20");
    prove(&world, &Asked::AllOpen).await;
    assert!(world.figures("2026-03-01").is_final);
    // A redriven batch, whose command did not come to its end.
    world.deliver(&source(7), &[page_view("redriven", "eve", world.at("2026-03-01", 1))]).await;
    let rolled_up = world.roll_up_named(&["2026-03-01"]).await;
    assert!(!day(&rolled_up, "2026-03-01").became_final);
    let figures = world.figures("2026-03-01");
    assert!(figures.active_users == 3 && !figures.is_final && !figures.verified, "{figures:?}");
    // The night finds it, however long ago the day was.
    prove(&world, &Asked::Nightly).await;
    let figures = world.figures("2026-03-01");
    assert!(figures.active_users == 3 && figures.is_final && figures.verified, "{figures:?}");
}

#[tokio::test(start_paused = true)]
async fn a_day_that_cannot_be_proven_any_more_keeps_its_proof_and_counts_what_is_followed_late() {
    let world = world_of_march_first().await;
    prove(&world, &Asked::AllOpen).await;
    world.turn_to("2026-04-20");
    world.append(&source(7), &[page_view("behind", "eve", world.at("2026-03-01", 1))]).await;
    world.turn_to("2026-06-01");
    let run = prove_days(&world.deps(), &Asked::Nightly, soon()).await.unwrap();
    assert_eq!(run.days, [], "its first entry was appended on the second of March");
    let figures = world.figures("2026-03-01");
    assert!(figures.active_users == 3 && !figures.is_final && !figures.verified, "{figures:?}");
    let proof = world.log().proof(date("2026-03-01"), soon()).await.unwrap().unwrap();
    assert_eq!((proof.proven.number, proof.proven.figures.users), (1, 2));
    let run = prove_days(&world.deps(), &Asked::Dates(vec![date("2026-03-01")]), soon()).await.unwrap();
    assert!(run.days[0].error.as_ref().is_some_and(|error| error.contains("expire")), "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn entries_that_no_proof_counts_are_told_of_a_week_before_they_expire() {
    let mut world = world_of_march_first().await;
    world.settings.proof_budget = 1;
    prove(&world, &Asked::Dates(vec![date("2026-03-01")])).await;
    world.deliver(&source(7), &[page_view("late", "eve", world.at("2026-03-01", 1))]).await;
    for (today, overdue) in [("2026-05-23", &[][..]), ("2026-05-24", &["2026-03-01"])] {
        world.turn_to(today);
        let run = prove_days(&world.deps(), &Asked::WithinBudget, soon()).await.unwrap();
        assert_eq!(run.overdue, [], "it does not look at old days");
        let store = Faulty::new(world.store.clone(), |request: &Request<'_>| match request.operation {
            Operation::PutProvenSources => Decision::fault(Fault::Invalid),
            _ => Decision::default(),
        });
        world.deliver(&source(7), &[page_view(today, "eve", world.at("2026-03-01", 1))]).await;
        let run = prove_days(&world.deps_over(store, 1), &Asked::Nightly, soon()).await.unwrap();
        assert!(run.days[0].error.is_some(), "{run:?}");
        let overdue: Vec<_> = overdue.iter().map(|day| date(day)).collect();
        assert_eq!(run.overdue, overdue, "{today}");
    }
    prove(&world, &Asked::Nightly).await;
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
    prove(&world, &Asked::AllOpen).await;
    let figures = world.figures("2026-03-01");
    assert!(figures.is_final && figures.active_users == 3, "{figures:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_appended_since_keeps_no_old_day_open() {
    let world = world_of_march_first().await;
    prove(&world, &Asked::AllOpen).await;
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
