//! Stored bytes that are damaged, and a table that answers nobody for a while.

use std::sync::Arc;

use headcount_store::memory::PartialPart;

use super::chance;
use super::scenario::Cause;
use super::tally::Kind;
use super::time::{HOUR_MS, MINUTE_MS};
use super::world::World;

/// Damages something a few times in the life of every other world.
pub(super) async fn damage(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "damage", 0);
    if !world.scenario.has(Cause::Damage) || random.bool() {
        return;
    }
    let mut times: Vec<i64> = (0..12).map(|_| random.i64(0..world.params.span_ms)).collect();
    times.sort_unstable();
    for at_ms in times {
        world.time.until(world.params.began_ms + at_ms).await;
        spoil(&world, &mut random);
    }
}

fn spoil(world: &World, random: &mut fastrand::Rng) {
    if random.u8(0..5) < 2 {
        let dailies = world.store.all_dailies();
        if let Some(daily) = random.choice(&dailies)
            && world.store.damage_sketches(daily.date)
        {
            world.count(Kind::DamagedDay, 1);
            world.tell(format_args!("the merged sketch of {} is damaged", daily.date));
        }
        return;
    }
    let partials = world.store.all_partials();
    let Some(partial) = random.choice(&partials) else { return };
    let parts = [
        (PartialPart::Counters, Kind::DamagedCounters),
        (PartialPart::Users, Kind::DamagedUsers),
        (PartialPart::Sessions, Kind::DamagedSessions),
    ];
    let (part, kind) = parts[random.usize(0..3)];
    if world.store.damage_partial(partial.date, &partial.source, part) {
        world.count(kind, 1);
        world.tell(format_args!("{part:?} of {} {} are damaged", partial.date, partial.source));
        world.damaged(partial.date, part);
    }
}

/// Takes the table away now and then.
pub(super) async fn take_away(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "outage", 0);
    if !world.scenario.has(Cause::Outage) {
        return;
    }
    for _ in 0..random.u8(0..3) {
        let at_ms = world.params.began_ms + random.i64(0..world.params.span_ms);
        world.time.until(at_ms).await;
        world.count(Kind::Outage, 1);
        let longest = if random.bool() { 2 * HOUR_MS } else { 10 * MINUTE_MS };
        let until_ms = world.time.now_ms() + random.i64(MINUTE_MS..longest);
        world.tell(format_args!("the table is away until {until_ms}"));
        world.weather.go_out_until(until_ms);
    }
}
