//! The simulation's own test: each rule that is left out must be found out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use headcount_store::defects::Defect;
use headcount_tests::simulation::shrink::shrink;
use headcount_tests::simulation::{Scenario, run as live};

/// Worlds after which a defect counts as not found.
const MAX_SEEDS: u64 = 3_000;

/// Characters of a mismatch that are printed.
const MISMATCH_CHARS: usize = 140;

/// Leaves out each rule in turn, in worlds from `first` on; whether each was found out.
pub(crate) fn find(first: u64, seeds: Option<u64>) -> bool {
    let most = seeds.unwrap_or(MAX_SEEDS);
    println!("seeds from {first} on, at most {most} for each defect\n");
    println!("{:<26}{:>8}  the first thing that was wrong", "defect", "worlds");
    let mut all_found = true;
    let mut one_failing = None;
    for defect in Defect::ALL {
        let found = first_to_fail(defect, first, most);
        all_found &= found.is_some();
        if let Some((number, _)) = &found {
            one_failing = Some(Scenario { defect: Some(defect), ..Scenario::of_seed(first + number) });
        }
        let (worlds, mismatch) = found.map_or(("-".to_owned(), "NOT FOUND".to_owned()), |(number, mismatch)| {
            ((number + 1).to_string(), mismatch.chars().take(MISMATCH_CHARS).collect())
        });
        println!("{:<26}{worlds:>8}  {mismatch}", defect.name());
    }
    println!("\n{}", if all_found { "every defect was found" } else { "a defect was not found" });
    all_found && one_failing.is_none_or(|failing| shrinks(&failing))
}

/// Whether a shorter history of a failure is one that fails as well.
fn shrinks(failing: &Scenario) -> bool {
    let (shortest, report) = shrink(failing);
    println!(
        "the shortest history found of the last one has {} lines:\n  {}",
        report.history.len(),
        shortest.command()
    );
    !report.mismatches.is_empty() && !report.history.is_empty()
}

/// The number of the first world that fails, and what is wrong in it.
fn first_to_fail(defect: Defect, first: u64, most: u64) -> Option<(u64, String)> {
    let (next, lowest) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let search = || {
        let mut found = None;
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= most || number > lowest.load(Ordering::SeqCst) {
                return found;
            }
            let scenario = Scenario { defect: Some(defect), ..Scenario::of_seed(first + number) };
            if let Some(mismatch) = live(&scenario, false).mismatches.into_iter().next() {
                lowest.fetch_min(number, Ordering::SeqCst);
                found = Some((number, mismatch));
                return found;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let searches: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        searches.into_iter().filter_map(|search| search.join().ok().flatten()).min()
    })
}
