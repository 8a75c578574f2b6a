use std::collections::BTreeSet;

use headcount_aggregator::history::{Closed, closed_days, is_beyond_proof};
use headcount_aggregator::prove::{Asked, prove_days};
use headcount_aggregator::roll_up::{Outcome, follow_up};
use headcount_core::origin::Source;
use headcount_store::traits::DailyStore as _;
use object_store::ObjectStoreExt as _;

use crate::world::{World, date, dates_with, entry_path, other_deployment, page_view, soon, source};

fn import() -> Source {
    Source::import(0x0123_4567_89ab_cdef)
}

async fn closed(world: &World, days: &[&str]) -> Vec<(String, Closed)> {
    let days: BTreeSet<_> = days.iter().map(|day| date(day)).collect();
    let closed = closed_days(&world.deps(), &days, soon()).await.unwrap();
    closed.into_iter().map(|(date, why)| (date.to_string(), why)).collect()
}

#[tokio::test(start_paused = true)]
async fn history_of_days_that_nobody_counted_is_welcome() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), &[page_view("e", "ann", world.at("2026-03-10", 1))]).await;
    assert_eq!(closed(&world, &["2020-01-01", "2025-12-31", "2026-03-09"]).await, []);
    // Its own partials, from an import that was interrupted, are no hindrance.
    world.deliver(&import(), &[page_view("old", "ann", world.at("2020-01-01", 1))]).await;
    world.append(&import(), &[page_view("appended, not followed", "ann", world.at("2020-01-01", 2))]).await;
    assert_eq!(closed(&world, &["2020-01-01"]).await, []);
    let rolled_up = world.roll_up_named(&["2020-01-01"]).await;
    assert_eq!(dates_with(&rolled_up, &Outcome::Written), ["2020-01-01"]);
    let figures = world.figures("2020-01-01");
    assert!(!figures.is_final && figures.events_by_type["page_view"] == 2, "final is what is proven");
    assert_eq!(closed(&world, &["2020-01-01"]).await, []);
    // Frozen from 80 days after the first of it was appended, and not from when it was.
    world.turn_to("2026-05-29");
    assert_eq!(closed(&world, &["2020-01-01"]).await, [("2020-01-01".to_owned(), frozen("2026-03-10"))]);
    // 90 days from two before the beginning of the day, less one.
    let now_ms = world.at("2026-03-10", 1);
    assert!(is_beyond_proof(&other_deployment(), date("2025-12-11"), now_ms));
    assert!(!is_beyond_proof(&other_deployment(), date("2025-12-14"), now_ms));
}

#[tokio::test(start_paused = true)]
async fn a_day_is_frozen_ten_days_before_its_first_entry_expires() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), &[page_view("e1", "ann", world.at("2026-03-10", 1))]).await;
    world.roll_up().await;
    world.turn_to("2026-05-28");
    assert_eq!(closed(&world, &["2026-03-10"]).await, []);
    world.turn_to("2026-05-29");
    assert_eq!(closed(&world, &["2026-03-10", "2026-05-28"]).await, [("2026-03-10".to_owned(), frozen("2026-03-10"))]);
    // What was appended before is proven until a day before the first entry expires.
    world.turn_to("2026-06-06");
    assert!(world.verify("2026-03-10").await.unwrap().passed());
    world.turn_to("2026-06-07");
    let refused = world.verify("2026-03-10").await.unwrap_err().to_string();
    assert!(refused.contains("appended on 2026-03-10"), "{refused}");
    // An entry that is gone was older than anybody can tell.
    world.turn_to("2026-06-06");
    world.lose_entry(&source(0), 1).await;
    let gone = Closed::Gone { source: source(0), entry: 1 };
    assert_eq!(closed(&world, &["2026-03-10"]).await, [("2026-03-10".to_owned(), gone)]);
    // While no entry can have expired, a lost one is for `verify` to find.
    world.turn_to("2026-03-20");
    assert_eq!(closed(&world, &["2026-03-10"]).await, []);
}

#[tokio::test(start_paused = true)]
async fn entries_that_are_not_followed_yet_freeze_a_day_too() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), &[page_view("e1", "ann", world.at("2026-03-10", 1))]).await;
    world.turn_to("2026-03-20");
    world.append(&source(1), &[page_view("old", "ann", world.at("2020-01-01", 1))]).await;
    world.turn_to("2026-06-07");
    assert_eq!(closed(&world, &["2020-01-01"]).await, []);
    world.turn_to("2026-06-08");
    assert_eq!(closed(&world, &["2020-01-01"]).await, [("2020-01-01".to_owned(), frozen("2026-03-20"))]);
}

#[tokio::test(start_paused = true)]
async fn a_proof_remembers_when_the_first_entry_was_appended() {
    let (world, day) = (World::new("2026-03-10"), "2026-03-10");
    world.deliver(&source(0), &[page_view("e1", "ann", world.at(day, 1))]).await;
    prove(&world, day).await;
    // Redriven just before the day is frozen, from a shard that has nothing else of it.
    world.turn_to("2026-05-28");
    world.deliver(&source(1), &[page_view("e2", "bob", world.at(day, 2))]).await;
    world.turn_to("2026-05-29");
    world.lose_entry(&source(0), 1).await;
    assert_eq!(closed(&world, &[day]).await, [(day.to_owned(), frozen(day))]);
    world.objects.put(&entry_path(&source(0), 1), "damaged".into()).await.unwrap();
    prove(&world, day).await;
    let proof = world.log().proof(date(day), soon()).await.unwrap().unwrap();
    assert_eq!((proof.proven.number, proof.proven.first_ms), (2, world.at(day, 12)));
}

async fn prove(world: &World, day: &str) {
    prove_days(&world.deps(), &Asked::Dates(vec![date(day)]), soon()).await.unwrap();
}

fn frozen(first: &str) -> Closed {
    Closed::Frozen { first: date(first) }
}

#[tokio::test(start_paused = true)]
async fn a_day_whose_partials_expired_keeps_its_figures() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), &[page_view("e1", "ann", world.at("2026-03-10", 1))]).await;
    world.roll_up().await;
    let row = world.store.all_dailies().pop().unwrap();
    // The same figures in a table that has nothing else of that day any more.
    let later = World::new("2026-08-01");
    later.deliver(&source(0), &[page_view("e1", "ann", later.at("2026-08-01", 1))]).await;
    later.store.put_daily(&row).await.unwrap();
    assert_eq!(closed(&later, &["2026-03-10"]).await, [("2026-03-10".to_owned(), Closed::PartialsExpired)]);
}

#[tokio::test(start_paused = true)]
async fn who_is_new_earlier_is_new_no_longer_however_much_later() {
    let world = World::new("2026-01-10");
    world.deliver(&source(0), &[page_view("e1", "ann", world.at("2026-01-10", 1))]).await;
    world.roll_up().await;
    world.turn_to("2026-03-10");
    world.deliver(&source(0), &[page_view("e2", "bob", world.at("2026-03-10", 1))]).await;
    world.roll_up().await;
    assert_eq!(world.figures("2026-03-10").total_users, 2);
    // Ann was here a year before, and so was somebody who never came again.
    let long_ago = world.at("2025-01-05", 1);
    world.deliver(&import(), &[page_view("h1", "ann", long_ago), page_view("h2", "eve", long_ago)]).await;
    let asked = Asked::Changed(vec![date("2025-01-05")]);
    prove_days(&world.deps(), &asked, soon()).await.unwrap();
    assert_eq!(world.figures("2026-03-10").total_users, 2, "who adds many days follows up once, in the end");
    let followed = follow_up(&world.deps(), date("2025-01-05"), soon()).await.unwrap();
    assert_eq!(dates_with(&followed, &Outcome::Written), ["2026-01-10", "2026-03-10"]);
    for (day, new, total) in [("2025-01-05", 2, 2), ("2026-01-10", 0, 2), ("2026-03-10", 1, 3)] {
        let figures = world.figures(day);
        assert_eq!((figures.new_signups_24h, figures.total_users), (new, total), "{day}");
    }
    assert_eq!(world.figures("2026-01-10").active_users, 1, "its own figures stay");
    let again = follow_up(&world.deps(), date("2025-01-05"), soon()).await.unwrap();
    assert_eq!(dates_with(&again, &Outcome::Written), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn days_later_than_a_named_one_and_its_month_get_their_new_total() {
    let world = World::new("2026-01-10");
    world.deliver(&source(0), &[page_view("e1", "ann", world.at("2026-01-10", 1))]).await;
    world.roll_up().await;
    world.turn_to("2026-03-10");
    world.deliver(&import(), &[page_view("h1", "eve", world.at("2025-01-05", 1))]).await;
    world.roll_up_named(&["2025-01-05"]).await;
    assert_eq!(world.figures("2026-01-10").total_users, 2);
}
