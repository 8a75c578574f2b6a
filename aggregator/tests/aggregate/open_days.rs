use chrono_tz::Tz;
use headcount_aggregator::handler::{Handled, handle};
use headcount_aggregator::roll_up::Outcome;
use headcount_aggregator::{AggregateError, roll_up};
use headcount_core::deployment::{DeploymentError, TableId, TableMeta};
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Fault, Operation, Request};
use serde_json::json;
use tokio::time::{Duration, Instant};

use crate::world::{World, date, dates_with, day, other_deployment, page_view, soon, source};

#[tokio::test(start_paused = true)]
async fn a_day_is_made_of_all_its_sources() {
    let world = World::new("2026-03-10");
    let at = world.at("2026-03-10", 9);
    world.deliver(&source(0), &[page_view("e1", "ann", at), page_view("e2", "bob", at + 60_000)]).await;
    world.deliver(&source(1), &[page_view("e3", "ann", at + 120_000)]).await;
    world.reject(&source(1), 3).await;
    let rolled_up = world.roll_up().await;
    assert_eq!(dates_with(&rolled_up, &Outcome::Written), ["2026-03-10"]);
    assert_eq!(day(&rolled_up, "2026-03-10").sources, 2);

    let figures = world.figures("2026-03-10");
    assert_eq!((figures.active_users, figures.daily_active_users), (2, 2), "ann is in both sources");
    assert_eq!((figures.new_signups_24h, figures.total_users), (2, 2));
    assert_eq!((figures.weekly_active_users, figures.monthly_active_users), (2, 2));
    assert_eq!(figures.events_by_type["page_view"], 3);
    assert_eq!(figures.events_by_hour[9], 3);
    assert_eq!(figures.rejected, 3);
    assert_eq!((figures.sessions.count, figures.sessions.p95), (2, 120_000), "ann's session spans both sources");
    assert!((figures.average_session_duration - 60_000.0).abs() < 1e-9);
    assert!(!figures.is_final && !figures.verified);
}

#[tokio::test(start_paused = true)]
async fn only_days_that_differ_from_their_metrics_are_written() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), &[page_view("e1", "ann", world.at("2026-03-09", 1))]).await;
    world.deliver(&source(0), &[page_view("e2", "ann", world.at("2026-03-10", 1))]).await;
    assert_eq!(dates_with(&world.roll_up().await, &Outcome::Written), ["2026-03-09", "2026-03-10"]);
    let before = world.store.all_dailies();
    let again = world.roll_up().await;
    assert_eq!(dates_with(&again, &Outcome::Unchanged), ["2026-03-09", "2026-03-10"]);
    assert_eq!(world.store.all_dailies(), before);

    world.deliver(&source(0), &[page_view("e3", "bob", world.at("2026-03-10", 2))]).await;
    assert_eq!(dates_with(&world.roll_up().await, &Outcome::Written), ["2026-03-10"]);
    assert_eq!(world.figures("2026-03-10").active_users, 2);
    // Created once, whatever was written since.
    world.turn_to("2026-03-11");
    world.deliver(&source(0), &[page_view("e4", "bob", world.at("2026-03-10", 3))]).await;
    world.roll_up().await;
    let row = world.store.all_dailies().pop().unwrap();
    assert!(row.created_ms < row.updated_ms, "{row:?}");
}

#[tokio::test(start_paused = true)]
async fn the_window_reaches_from_late_events_to_tomorrow() {
    let world = World::new("2026-03-20");
    // 7 days of lateness, 1 of retention and 1 more; events may be a little ahead of the clock.
    world.pass(12 * crate::world::HOUR_MS - 60_000);
    for day in ["2026-03-11", "2026-03-21"] {
        world.deliver(&source(0), &[page_view(day, "ann", world.at(day, 0))]).await;
    }
    world.turn_to("2026-03-20");
    assert_eq!(dates_with(&world.roll_up().await, &Outcome::Written), ["2026-03-11", "2026-03-21"]);
}

#[tokio::test(start_paused = true)]
async fn named_dates_are_aggregated_whatever_the_table_says() {
    let world = World::new("2026-03-20");
    world.deliver(&source(0), &[page_view("e1", "ann", world.at("2026-01-05", 1))]).await;
    world.deliver(&source(0), &[page_view("e2", "ann", world.at("2026-03-20", 1))]).await;
    let rolled_up = world.roll_up_named(&["2026-01-05", "2026-01-06"]).await;
    assert_eq!(day(&rolled_up, "2026-01-05").outcome, Outcome::Written);
    assert_eq!(day(&rolled_up, "2026-01-06").outcome, Outcome::Empty);
    assert_eq!(rolled_up.days.len(), 2, "no other day was touched: {rolled_up:?}");
    assert_eq!(world.store.all_dailies().len(), 1);
    assert!(!world.figures("2026-01-05").is_final, "it is not proven");

    let too_many: Vec<_> = date("2024-01-01").iter_days().take(401).collect();
    let error = roll_up(&world.deps(), Some(&too_many), soon()).await.unwrap_err();
    assert_eq!(error, AggregateError::TooManyDates { count: 401 });
}

#[tokio::test(start_paused = true)]
async fn a_log_or_table_that_is_none_of_ours_is_refused() {
    let mut world = World::new("2026-03-20");
    let error = roll_up(&world.deps(), None, soon()).await.unwrap_err();
    assert_eq!(error, AggregateError::NoDeployment);
    assert!(error.to_string().contains("check the name of the bucket"), "{error}");

    world.store.set_meta(TableMeta { deployment: other_deployment(), table: TableId(1) });
    let error = roll_up(&world.deps(), None, soon()).await.unwrap_err();
    assert!(matches!(error, AggregateError::Deployment(DeploymentError::NoLog { .. })), "{error}");
    world
        .log()
        .open_deployment(&headcount_core::deployment::Deployment::new("ours".to_owned(), Tz::UTC, "x"), soon())
        .await
        .unwrap();
    let error = roll_up(&world.deps(), None, soon()).await.unwrap_err();
    assert!(matches!(error, AggregateError::Deployment(DeploymentError::OtherTable { .. })), "{error}");

    world.store.clear();
    world.settings.zone = Some(Tz::Europe__Berlin);
    let error = roll_up(&world.deps(), None, soon()).await.unwrap_err();
    assert!(matches!(error, AggregateError::Deployment(DeploymentError::OtherZone { .. })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn days_with_a_change_of_clocks_have_all_their_hours() {
    // 23 hours in March, 25 in October, as Berlin's clocks go.
    for (today, tomorrow, hours) in [("2026-03-29", "2026-03-30", 23), ("2026-10-25", "2026-10-26", 25)] {
        let world = World::of(Tz::Europe__Berlin, tomorrow);
        for hour in 0..hours {
            world.deliver(&source(0), &[page_view(&format!("e{hour}"), "ann", world.at(today, hour))]).await;
        }
        let last = world.at(today, hours) - 1;
        world.deliver(&source(0), &[page_view("first of the next day", "bob", last + 1)]).await;
        world.deliver(&source(0), &[page_view("last", "ann", last)]).await;
        world.roll_up().await;
        let figures = world.figures(today);
        assert_eq!(figures.events_by_type["page_view"], hours as u64 + 1, "{today}");
        assert_eq!(figures.active_users, 1, "{today}");
        let in_hour_two = if hours == 23 { 0 } else { 2 };
        assert_eq!(figures.events_by_hour[2], in_hour_two, "{today}");
        let found = world.verify(today).await.unwrap();
        assert!(found.passed() && found.events() == hours as u64 + 1, "{today}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_that_fails_does_not_stop_the_others() {
    let world = World::new("2026-03-10");
    for day in ["2026-03-08", "2026-03-09", "2026-03-10"] {
        world.deliver(&source(0), &[page_view(day, "ann", world.at(day, 1))]).await;
    }
    let refuses = |request: &Request<'_>| match request.operation {
        Operation::PartialsPage if request.keys[0].pk.contains("2026-03-09") => Decision::fault(Fault::Invalid),
        _ => Decision::default(),
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), refuses), 1);
    let rolled_up = roll_up(&deps, None, soon()).await.unwrap();
    assert_eq!(dates_with(&rolled_up, &Outcome::Written), ["2026-03-08", "2026-03-10"]);
    let failed: Vec<_> = rolled_up.failed().collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0, date("2026-03-09"));

    // The function reports it, so that the service tries again and an alarm may ring.
    let event = json!({"dates": ["2026-03-09", "2026-03-10"]});
    let error = handle(&deps, &event, Duration::from_mins(2)).await.unwrap_err();
    assert_eq!(error.name(), "Incomplete");
    assert!(error.to_string().starts_with("1 of 2 dates were not aggregated, the first 2026-03-09"), "{error}");
    let handled = handle(&world.deps(), &event, Duration::from_mins(2)).await.unwrap();
    assert!(matches!(&handled, Handled::RolledUp(_)));
    assert_eq!(serde_json::to_value(&handled).unwrap()["days"][0]["outcome"], "written");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_run() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), &[page_view("e", "ann", world.at("2026-03-10", 1))]).await;
    let (start, minute) = (Instant::now(), Duration::from_mins(1));
    let always = |_: &Request<'_>| Decision::fault(Fault::Throttle);
    let deps = world.deps_over(Faulty::new(world.store.clone(), always), 1);
    let error = roll_up(&deps, None, start + minute).await.unwrap_err();
    assert!(matches!(error, AggregateError::Store(_)) && start.elapsed() <= minute, "{error}");

    // Away in the middle of the run: each date that was not done says so.
    let partials = |request: &Request<'_>| match request.operation {
        Operation::PartialsPage => Decision::fault(Fault::UnknownBefore),
        _ => Decision::default(),
    };
    let start = Instant::now();
    let deps = world.deps_over(Faulty::new(world.store.clone(), partials), 1);
    let rolled_up = roll_up(&deps, None, start + minute).await.unwrap();
    assert!(start.elapsed() <= minute);
    assert!(rolled_up.failed().count() > 0 && world.store.all_dailies().is_empty(), "{rolled_up:?}");
}
