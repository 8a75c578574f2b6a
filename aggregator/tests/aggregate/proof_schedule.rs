//! Which days a scheduled run of proofs takes, and which it leaves for later.

use headcount_aggregator::prove::{Asked, prove_days};
use serde_json::Value;

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

#[tokio::test(start_paused = true)]
async fn a_day_beyond_two_passes_is_left_to_a_person() {
    let mut world = World::new("2026-03-02");
    // Two ids fit.
    world.settings.proof_memory = 96;
    let day = "2026-03-02";
    world.deliver(&source(0), &events(&world, day, 0..4)).await;
    assert_eq!(proven(&world, &Asked::Hourly).await, number(day, 1));
    world.deliver(&source(0), &events(&world, day, 4..5)).await;
    assert_eq!(proven(&world, &Asked::Hourly).await, []);
    assert_eq!(proven(&world, &Asked::Nightly).await, []);
    assert_eq!(proven(&world, &Asked::Dates(vec![date(day)])).await, number(day, 2));
}
