use headcount_aggregator::roll_up::Outcome;
use headcount_core::keys::{self, WriteShards};
use headcount_core::limits::SESSION_SAMPLE_SIZE;
use headcount_store::memory::PartialPart;

use crate::world::{World, date, day, page_view, source};

/// A day of two sources, aggregated while it was open.
async fn world_of_march_first() -> World {
    let world = World::new("2026-03-02");
    let at = world.at("2026-03-01", 9);
    world.deliver(&source(0), 1, &[page_view("e1", "ann", at), page_view("e2", "bob", at)]);
    world.deliver(&source(1), 1, &[page_view("e3", "ann", at + 1_000)]);
    world.roll_up().await;
    world
}

#[tokio::test]
async fn a_day_is_closed_once_and_verified() {
    let world = world_of_march_first().await;
    // The day ends with the 1st; 7 days of lateness, 1 of retention and 1 more end with the 10th.
    world.turn_to("2026-03-10");
    assert_eq!(day(&world.roll_up().await, "2026-03-01").outcome, Outcome::Unchanged);
    world.turn_to("2026-03-11");
    let rolled_up = world.roll_up().await;
    let closed = day(&rolled_up, "2026-03-01");
    assert!(closed.closed && closed.verification.as_ref().unwrap().passed(), "{closed:?}");
    let figures = world.figures("2026-03-01");
    assert!(figures.is_final && figures.verified);

    // Not touched again, whatever comes in.
    world.deliver(&source(0), 9, &[page_view("too late", "eve", world.at("2026-03-01", 1))]);
    assert!(world.roll_up().await.days.is_empty());
    assert_eq!(world.figures("2026-03-01"), figures);
    // Unless it is named.
    world.roll_up_named(&["2026-03-01"]).await;
    let named = world.figures("2026-03-01");
    assert!(named.active_users == 3 && named.is_final && named.verified, "{named:?}");
}

#[tokio::test]
async fn a_day_that_was_missed_is_closed_later() {
    let world = world_of_march_first().await;
    world.turn_to("2026-04-05");
    assert!(day(&world.roll_up().await, "2026-03-01").closed);
}

#[tokio::test]
async fn a_lost_event_shows_when_the_day_closes() {
    let world = world_of_march_first().await;
    let key = keys::event(date("2026-03-01"), WriteShards::ONE, world.at("2026-03-01", 9), "e2");
    assert!(world.store.lose_event(&key));
    world.turn_to("2026-03-11");
    let rolled_up = world.roll_up().await;
    let verification = day(&rolled_up, "2026-03-01").verification.as_ref().unwrap();
    assert!(!verification.passed());
    let figures = world.figures("2026-03-01");
    assert!(figures.is_final && !figures.verified);
    assert_eq!(figures.active_users, 2, "the counters stay: they were right");
}

#[tokio::test]
async fn sessions_beyond_the_sample_become_exact() {
    let world = World::new("2026-03-02");
    let (sessions, at) = (SESSION_SAMPLE_SIZE as i64 + 200, world.at("2026-03-01", 9));
    let mut sum = 0;
    for n in 0..sessions {
        let user = format!("u{n}");
        let events = [page_view(&format!("a{n}"), &user, at), page_view(&format!("b{n}"), &user, at + n * 1_000)];
        world.deliver(&source((n % 3) as u32), n as u64, &events);
        sum += n * 1_000;
    }
    world.roll_up().await;
    let open = world.figures("2026-03-01");
    assert!(!open.estimate.sessions_exact && open.sessions.count != sessions as u64, "{:?}", open.sessions);
    world.turn_to("2026-03-11");
    world.roll_up().await;
    let closed = world.figures("2026-03-01");
    assert!(closed.estimate.sessions_exact);
    assert_eq!(closed.sessions.count, sessions as u64);
    assert_eq!(closed.sessions.p50, (sessions as u64).div_ceil(2) * 1_000 - 1_000);
    assert!((closed.average_session_duration - sum as f64 / sessions as f64).abs() < 1e-6);

    // Long after, when the events may be gone, a named date keeps what was known.
    world.turn_to("2026-06-10");
    world.roll_up_named(&["2026-03-01"]).await;
    assert_eq!(world.figures("2026-03-01"), closed);
}

#[tokio::test]
async fn verifying_at_the_close_can_be_switched_off() {
    let mut world = world_of_march_first().await;
    world.settings.verify_at_close = false;
    world.turn_to("2026-03-11");
    let rolled_up = world.roll_up().await;
    assert!(day(&rolled_up, "2026-03-01").verification.is_none());
    let figures = world.figures("2026-03-01");
    assert!(figures.is_final && !figures.verified);
}

#[tokio::test]
async fn a_day_with_a_damaged_source_closes_unverified() {
    let world = world_of_march_first().await;
    world.store.damage_partial(date("2026-03-01"), &source(1), PartialPart::Counters);
    world.turn_to("2026-03-11");
    let rolled_up = world.roll_up().await;
    let closed = day(&rolled_up, "2026-03-01");
    assert_eq!(closed.sources_set_aside.len(), 1);
    let figures = world.figures("2026-03-01");
    assert!(figures.is_final && !figures.verified && figures.estimate.sources_set_aside == 1);
}
