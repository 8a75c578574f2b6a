use headcount_aggregator::roll_up::Outcome;
use headcount_store::memory::PartialPart;
use headcount_store::rows::SketchesRow;
use headcount_store::traits::DailyStore;

use crate::world::{World, date, dates_with, day, page_view, source};

#[tokio::test]
async fn a_damaged_source_is_named_and_set_aside() {
    for part in [PartialPart::Counters, PartialPart::Users, PartialPart::Sessions] {
        let world = World::new("2026-03-10");
        for n in 0..3 {
            let at = world.at("2026-03-10", 9);
            world.deliver(&source(n), 1, &[page_view(&format!("e{n}"), &format!("u{n}"), at)]);
        }
        world.deliver(&source(1), 2, &[page_view("yesterday", "u9", world.at("2026-03-09", 9))]);
        assert!(world.store.damage_partial(date("2026-03-10"), &source(1), part));
        let rolled_up = world.roll_up().await;
        assert_eq!(dates_with(&rolled_up, &Outcome::Written), ["2026-03-09", "2026-03-10"]);
        let set_aside = &day(&rolled_up, "2026-03-10").sources_set_aside;
        assert_eq!(set_aside.len(), 1, "{part:?}");
        assert_eq!(set_aside[0].source, source(1).as_str());
        assert!(set_aside[0].reason.contains("damaged"), "{set_aside:?}");
        let figures = world.figures("2026-03-10");
        assert_eq!((figures.active_users, figures.events_by_type["page_view"]), (2, 2), "{part:?}");
        assert_eq!(figures.estimate.sources_set_aside, 1);
        assert_eq!(world.figures("2026-03-09").active_users, 1);
        // Every later run names it too, and leaves the figures as they are.
        let again = world.roll_up().await;
        assert_eq!(day(&again, "2026-03-10").outcome, Outcome::Unchanged);
        assert_eq!(day(&again, "2026-03-10").sources_set_aside, *set_aside);
    }
}

#[tokio::test]
async fn good_figures_are_not_replaced_when_a_partial_is_damaged_later() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), 1, &[page_view("e1", "ann", world.at("2026-03-10", 9))]);
    world.roll_up().await;
    world.store.damage_partial(date("2026-03-10"), &source(0), PartialPart::Counters);
    let rolled_up = world.roll_up().await;
    assert_eq!(day(&rolled_up, "2026-03-10").sources_set_aside.len(), 1);
    assert_eq!(world.figures("2026-03-10").active_users, 1);
}

#[tokio::test]
async fn a_day_of_nothing_but_damaged_sources_is_zero_and_says_so() {
    let world = World::new("2026-03-10");
    world.deliver(&source(0), 1, &[page_view("e1", "ann", world.at("2026-03-10", 9))]);
    world.store.damage_partial(date("2026-03-10"), &source(0), PartialPart::Users);
    world.roll_up().await;
    let figures = world.figures("2026-03-10");
    assert_eq!((figures.active_users, figures.estimate.sources_set_aside), (0, 1));
}

#[tokio::test]
async fn damaged_sketches_of_a_day_are_made_again_from_its_partials() {
    let world = World::new("2026-03-10");
    for (n, today) in ["2026-03-08", "2026-03-09"].iter().enumerate() {
        world.deliver(&source(0), n as u64, &[page_view(today, today, world.at(today, 1))]);
    }
    world.roll_up().await;
    let day_before = date("2026-03-08");
    let damaged = |made_of_day| {
        let (users, sessions) = (b"nonsense".to_vec(), b"nonsense".to_vec());
        SketchesRow { date: day_before, users, sessions, made_of_day, updated_ms: 1 }
    };
    world.store.put_sketches(&damaged(1)).await.unwrap();
    world.deliver(&source(0), 7, &[page_view("today", "ann", world.at("2026-03-10", 1))]);
    let rolled_up = world.roll_up().await;
    assert_eq!(world.figures("2026-03-10").weekly_active_users, 3);
    assert!(day(&rolled_up, "2026-03-10").sketches_set_aside.is_empty());

    // Where no partials are left, the day is named, and the others go on.
    let long_ago = date("2026-02-20");
    world.store.put_sketches(&SketchesRow { date: long_ago, ..damaged(1) }).await.unwrap();
    world.deliver(&source(0), 8, &[page_view("more", "bob", world.at("2026-03-10", 2))]);
    let rolled_up = world.roll_up().await;
    assert_eq!(day(&rolled_up, "2026-03-10").sketches_set_aside, [long_ago]);
    assert_eq!(world.figures("2026-03-10").monthly_active_users, 4);
}
