//! Incidents under a steady load: what they cost in time, and that they cost no event.

use headcount_simulation::incident::{Incident, run};

/// The world that is lived through, so that a limit on time holds or breaks by what was changed and not by chance.
const SEED: u64 = 1;

fn check(incident: Incident) {
    let course = run(incident, SEED);
    let command = format!("cargo xtask simulate --scenario {} --seed {SEED}", incident.name());
    assert!(course.broken.is_empty(), "{command}: {:#?}", course.broken);
}

#[test]
fn ten_minutes_without_the_table_neither_hold_up_the_stream_nor_lose_an_event() {
    check(Incident::Outage);
}

#[test]
fn figures_stay_fresh_while_the_table_is_short_of_write_units_and_items_catch_up() {
    check(Incident::HalfCapacity);
}
