//! What is printed of worlds.

use headcount_simulation::{Kind, Report, Scenario, Tally, run as live};

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
