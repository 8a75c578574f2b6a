//! What is printed of worlds.

use headcount_simulation::incident::{self, Incident};
use headcount_simulation::{Kind, Report, Scenario, Tally, run as live};

/// Of what is broken so much is printed: some of it names every event.
const MAX_BROKEN_CHARS: usize = 400;

/// Lives through one world and prints all that happens in it; whether it came out as it must.
pub(crate) fn one(scenario: &Scenario) -> bool {
    let report = live(scenario, true);
    for line in &report.history {
        println!("{line}");
    }
    println!("\nthe digest of this history is {:016x}", report.digest);
    for mismatch in &report.mismatches {
        println!("MISMATCH: {mismatch}");
    }
    report.mismatches.is_empty()
}

/// Lives through an incident and prints what was measured; whether it came out as it must.
pub(crate) fn incident(incident: Incident, seed: u64) -> bool {
    let course = incident::run(incident, seed);
    for (what, value) in &course.measured {
        println!("{what:<52}{value:>12}");
    }
    for broken in &course.broken {
        println!("BROKEN: {}", broken.chars().take(MAX_BROKEN_CHARS).collect::<String>());
    }
    println!("to live through it again: cargo xtask simulate --scenario {} --seed {seed}", incident.name());
    course.broken.is_empty()
}

/// A table of what happened, and how often.
pub(crate) fn tally(tally: &Tally) {
    for kind in Kind::ALL.iter().copied() {
        println!("{:<48}{:>12}", kind.words(), tally.of(kind));
    }
}

/// What happened less often.
pub(crate) fn rarer_than(tally: &Tally, often: u64) -> Vec<String> {
    let rare = Kind::ALL.iter().copied().filter(|kind| tally.of(*kind) < often);
    rare.map(|kind| format!("{} ({})", kind.words(), tally.of(kind))).collect()
}

/// A failure, its history, and how to see it again.
pub(crate) fn failure(scenario: &Scenario, report: &Report) {
    println!("\nthe shortest history found, {} lines:", report.history.len());
    for line in &report.history {
        println!("  {line}");
    }
    for mismatch in &report.mismatches {
        println!("MISMATCH: {mismatch}");
    }
    println!("\nto live through it again:\n  {}", scenario.command());
}
