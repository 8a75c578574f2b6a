use headcount_aggregator::roll_up::Outcome;
use headcount_store::rows::SketchesRow;
use headcount_store::traits::DailyStore;
use headcount_testkit::memory::PartialPart;

use crate::world::{World, date, dates_with, day, page_view, source};

const PARTS: [PartialPart; 4] =
    [PartialPart::Counters, PartialPart::Users, PartialPart::Sessions, PartialPart::Checksum];

#[tokio::test(start_paused = true)]
async fn a_damaged_partial_is_folded_anew_from_the_log() {
    for part in PARTS {
        let world = World::new("2026-03-10");
        for n in 0..3 {
            let at = world.at("2026-03-10", 9);
            world.deliver(&source(n), &[page_view(&format!("e{n}"), &format!("u{n}"), at)]).await;
        }
        world.deliver(&source(1), &[page_view("yesterday", "u9", world.at("2026-03-09", 9))]).await;
        world.roll_up().await;
        let before = world.figures("2026-03-10");
        assert!(world.store.damage_partial(date("2026-03-10"), &source(1), part));
        let rolled_up = world.roll_up().await;
        let found = day(&rolled_up, "2026-03-10");
        assert_eq!(found.sources_refolded, [source(1).to_string()], "{part:?}");
        assert!(found.sources_set_aside.is_empty(), "{part:?}");
        assert_eq!(world.figures("2026-03-10"), before, "{part:?}");
        assert!(world.verify("2026-03-10").await.unwrap().passed(), "{part:?}");
        assert!(day(&world.roll_up().await, "2026-03-10").sources_refolded.is_empty(), "{part:?}: once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_partial_stops_its_follower_until_it_is_folded_anew() {
    for part in PARTS {
        let world = World::new("2026-03-10");
        let at = world.at("2026-03-10", 9);
        world.deliver(&source(0), &[page_view("e1", "ann", at)]).await;
        assert!(world.store.damage_partial(date("2026-03-10"), &source(0), part));
        // Another process, which has not the partial in memory.
        let world = world.with_cold_consumer();
        world.deliver(&source(0), &[page_view("e2", "bob", at), page_view("e3", "eve", at)]).await;
        let rolled_up = world.roll_up().await;
        let following = &rolled_up.following.sources[0];
        assert_eq!(following.refolded, [date("2026-03-10")], "{part:?}: {following:?}");
        assert_eq!((following.figures.entry, &following.error), (2, &None), "{part:?}");
        let figures = world.figures("2026-03-10");
        assert_eq!((figures.active_users, figures.events_by_type["page_view"]), (3, 3), "{part:?}");
        assert_eq!(figures.new_signups_24h, 3, "{part:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_log_no_longer_tells_is_named_and_set_aside() {
    let world = World::new("2026-03-10");
    for n in 0..3 {
        let at = world.at("2026-03-10", 9);
        world.deliver(&source(n), &[page_view(&format!("e{n}"), &format!("u{n}"), at)]).await;
    }
    world.turn_to("2026-06-20");
    world.log().expire(i64::MAX, crate::world::soon()).await.unwrap();
    world.store.damage_partial(date("2026-03-10"), &source(1), PartialPart::Users);
    let rolled_up = world.roll_up_named(&["2026-03-10"]).await;
    let set_aside = &day(&rolled_up, "2026-03-10").sources_set_aside;
    assert_eq!(set_aside.len(), 1);
    assert_eq!(set_aside[0].source, source(1).as_str());
    assert!(set_aside[0].reason.contains("damaged"), "{set_aside:?}");
    let figures = world.figures("2026-03-10");
    assert_eq!((figures.active_users, figures.events_by_type["page_view"]), (2, 2));
    assert_eq!(figures.estimate.sources_set_aside, 1);
}

#[tokio::test(start_paused = true)]
async fn damaged_sketches_of_a_day_are_made_again_from_its_partials() {
    let world = World::new("2026-03-10");
    for today in ["2026-03-08", "2026-03-09"] {
        world.deliver(&source(0), &[page_view(today, today, world.at(today, 1))]).await;
    }
    world.roll_up().await;
    let day_before = date("2026-03-08");
    let damaged = |made_of_day| {
        let [users, sessions, accounts, latencies] = [b"nonsense"; 4].map(|bytes| bytes.to_vec());
        SketchesRow { date: day_before, users, sessions, accounts, latencies, made_of_day, updated_ms: 1 }
    };
    world.store.put_sketches(&damaged(1)).await.unwrap();
    world.deliver(&source(0), &[page_view("today", "ann", world.at("2026-03-10", 1))]).await;
    let rolled_up = world.roll_up().await;
    assert_eq!(world.figures("2026-03-10").weekly_active_users, 3);
    assert!(day(&rolled_up, "2026-03-10").sketches_set_aside.is_empty());

    // Where no partials are left, the day is named, and the others go on.
    let long_ago = date("2026-02-20");
    world.store.put_sketches(&SketchesRow { date: long_ago, ..damaged(1) }).await.unwrap();
    world.deliver(&source(0), &[page_view("more", "bob", world.at("2026-03-10", 2))]).await;
    let rolled_up = world.roll_up().await;
    assert_eq!(day(&rolled_up, "2026-03-10").sketches_set_aside, [long_ago]);
    assert_eq!(world.figures("2026-03-10").monthly_active_users, 4);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_entry_is_passed_and_named() {
    let world = World::new("2026-03-10");
    let at = world.at("2026-03-10", 9);
    world.deliver(&source(0), &[page_view("e1", "ann", at)]).await;
    world.append(&source(0), &[page_view("e2", "bob", at)]).await;
    world.append(&source(0), &[page_view("e3", "eve", at)]).await;
    world.damage_entry(&source(0), 2).await;
    let rolled_up = world.roll_up().await;
    let following = &rolled_up.following.sources[0];
    assert_eq!((following.figures.entry, following.damaged.len(), following.damaged[0].entry), (3, 1, 2));
    assert_eq!(dates_with(&rolled_up, &Outcome::Written), ["2026-03-10"]);
    assert_eq!(world.figures("2026-03-10").active_users, 2);
}
