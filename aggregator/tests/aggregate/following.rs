use headcount_aggregator::prove::{Asked, prove_days};
use headcount_aggregator::roll_up::Outcome;
use headcount_core::event::Object;
use headcount_store::rows::{DailyRow, MadeOf};
use headcount_store::traits::DailyStore;
use serde_json::json;

use crate::world::{World, date, dates_with, day, page_view, soon, source};

#[tokio::test(start_paused = true)]
async fn weeks_and_months_unite_users() {
    let world = World::new("2026-03-10");
    let visits = [
        ("2026-03-03", "ann"),
        ("2026-03-04", "bob"),
        ("2026-03-09", "bob"),
        ("2026-03-10", "eve"),
        ("2026-03-10", "bob"),
    ];
    for (n, (visited, user)) in visits.iter().enumerate() {
        world.deliver(&source(0), &[page_view(&n.to_string(), user, world.at(visited, 1))]).await;
    }
    world.roll_up().await;
    let figures = world.figures("2026-03-10");
    assert_eq!(figures.weekly_active_users, 2, "bob and eve from the 4th on");
    assert_eq!(figures.monthly_active_users, 3);
    assert_eq!((figures.total_users, figures.new_signups_24h), (3, 1));
    assert_eq!(world.figures("2026-03-09").weekly_active_users, 2, "ann and bob from the 3rd on");
    assert_eq!(world.figures("2026-03-09").total_users, 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_event_changes_the_days_that_follow() {
    let world = World::new("2026-03-10");
    for visited in ["2026-03-04", "2026-03-08", "2026-03-10"] {
        world.deliver(&source(0), &[page_view(visited, "ann", world.at(visited, 1))]).await;
    }
    world.roll_up().await;
    world.deliver(&source(0), &[page_view("late", "bob", world.at("2026-03-03", 1))]).await;
    let rolled_up = world.roll_up().await;
    assert_eq!(dates_with(&rolled_up, &Outcome::Written), ["2026-03-03", "2026-03-04", "2026-03-08", "2026-03-10"]);
    for (visited, weekly) in [("2026-03-04", 2), ("2026-03-08", 2), ("2026-03-10", 1)] {
        let figures = world.figures(visited);
        assert_eq!(figures.weekly_active_users, weekly, "{visited}");
        assert_eq!((figures.monthly_active_users, figures.total_users), (2, 2), "{visited}");
        assert_eq!((figures.active_users, figures.events_by_type["page_view"]), (1, 1), "{visited}: its own stay");
    }
    assert_eq!(dates_with(&world.roll_up().await, &Outcome::Written), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_user_seen_earlier_than_thought_moves_to_that_day() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), &[page_view("e1", "ann", world.at("2026-03-09", 1))]).await;
    world.roll_up().await;
    assert_eq!(world.figures("2026-03-09").new_signups_24h, 1);
    world.deliver(&source(0), &[page_view("late", "ann", world.at("2026-03-07", 1))]).await;
    world.roll_up().await;
    let (before, after) = (world.figures("2026-03-07"), world.figures("2026-03-09"));
    assert_eq!((before.new_signups_24h, before.total_users), (1, 1));
    assert_eq!((after.new_signups_24h, after.total_users), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_named_old_day_changes_those_that_follow_it_though_they_are_final() {
    let world = World::new("2026-02-20");
    for visited in ["2026-02-19", "2026-02-20"] {
        world.deliver(&source(0), &[page_view(visited, "ann", world.at(visited, 1))]).await;
    }
    world.roll_up().await;
    world.turn_to("2026-03-10");
    prove_days(&world.deps(), &Asked::AllOpen, soon()).await.unwrap();
    assert!(world.figures("2026-02-20").is_final);
    // History comes in.
    world.deliver(&source(7), &[page_view("history", "bob", world.at("2026-02-18", 1))]).await;
    let rolled_up = world.roll_up_named(&["2026-02-18"]).await;
    assert_eq!(dates_with(&rolled_up, &Outcome::Written), ["2026-02-18", "2026-02-19", "2026-02-20"]);
    let figures = world.figures("2026-02-20");
    assert_eq!((figures.weekly_active_users, figures.total_users), (2, 2));
    assert!(figures.is_final && figures.active_users == 1, "all else stays: {figures:?}");
}

#[tokio::test(start_paused = true)]
async fn malformed_metrics_are_made_again_where_they_can_be() {
    let world = World::new("2026-03-10");
    let broken = |text: &str| DailyRow {
        date: date(text),
        data: Object::from_iter([("activeUsers".to_owned(), json!("many"))]),
        made_of: MadeOf { day: 1, proof: 0, month: 1 },
        created_ms: 1,
        updated_ms: 1,
    };
    world.deliver(&source(0), &[page_view("e", "ann", world.at("2026-03-10", 1))]).await;
    world.store.put_daily(&broken("2026-03-10")).await.unwrap();
    world.store.put_daily(&broken("2026-03-09")).await.unwrap();
    let rolled_up = world.roll_up().await;
    assert_eq!(day(&rolled_up, "2026-03-10").outcome, Outcome::Written);
    assert_eq!(world.figures("2026-03-10").active_users, 1);
    let failed: Vec<_> = rolled_up.failed().collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].1.contains("METRICS#2026-03-09 / DAILY"), "{failed:?}");
}
