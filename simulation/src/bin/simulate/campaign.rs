//! Many worlds, on all cores, until one fails or all are lived through.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use headcount_simulation::shrink::shrink;
use headcount_simulation::{Report, Scenario, Tally, run as live};
use parking_lot::Mutex;

use crate::report;

/// Seeds from which on a campaign is a proof only if every kind of trouble struck often.
const MANY_SEEDS: u64 = 2_000;

/// How often every kind of trouble must strike in so many.
const OFTEN: u64 = 1_000;

/// A line of progress is printed each time that so many worlds more are done.
const PROGRESS: u64 = 100;

/// What all threads share.
struct Campaign {
    next: AtomicU64,
    is_over: AtomicBool,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    worlds: u64,
    tally: Tally,
    failed: Option<(Scenario, Report)>,
}

/// How it went.
pub(crate) struct Ended {
    first: u64,
    done: Done,
    took: Duration,
}

/// Lives through the worlds of `seeds` seeds from `first` on, until one fails or the time is up.
pub(crate) fn run(first: u64, seeds: u64, limit: Option<Duration>, scenario: impl Fn(u64) -> Scenario + Sync) -> Ended {
    let began = Instant::now();
    let campaign =
        Campaign { next: AtomicU64::new(0), is_over: AtomicBool::new(false), done: Mutex::new(Done::default()) };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(number) = campaign.begin(seeds) {
                    let scenario = scenario(first + number);
                    let report = live(&scenario, false);
                    campaign.end(scenario, report);
                    if limit.is_some_and(|limit| began.elapsed() >= limit) {
                        campaign.is_over.store(true, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let done = campaign.done.into_inner();
    Ended { first, done, took: began.elapsed() }
}

impl Ended {
    /// Prints what went wrong first, if anything did; whether all came out as it must.
    pub(crate) fn tell_first(&self) -> bool {
        let Some((scenario, report)) = &self.done.failed else { return true };
        let mismatch = report.mismatches.first().map_or("", String::as_str);
        println!("{} {} {}", self.done.worlds, scenario.seed, mismatch.replace('\n', " "));
        false
    }

    /// Prints what happened and, where a world failed, the shortest history that fails; whether all came out as it must.
    pub(crate) fn tell(self) -> bool {
        let Self { first, done, took } = self;
        report::tally(&done.tally);
        let mismatches = u64::from(done.failed.is_some());
        println!(
            "seeds from {first} on: {} worlds, {} batches, {} records, {} events, {} entries, {} requests: {mismatches} \
             mismatches; {:.1} s",
            done.worlds,
            done.tally.batches,
            done.tally.records,
            done.tally.events,
            done.tally.entries,
            done.tally.requests,
            took.as_secs_f64()
        );
        if let Some((scenario, found)) = done.failed {
            println!("\nseed {}: {}", scenario.seed, found.mismatches.join("\n  "));
            println!("looking for a shorter history that fails");
            let (shortest, report) = shrink(&scenario);
            report::failure(&shortest, &report);
            return false;
        }
        if done.worlds >= MANY_SEEDS {
            let rare = report::rarer_than(&done.tally, OFTEN);
            if !rare.is_empty() {
                println!("struck less than {OFTEN} times, so that this proves little of it: {}", rare.join("; "));
                return false;
            }
        }
        true
    }
}

impl Campaign {
    fn begin(&self, seeds: u64) -> Option<u64> {
        if self.is_over.load(Ordering::SeqCst) {
            return None;
        }
        Some(self.next.fetch_add(1, Ordering::SeqCst)).filter(|number| *number < seeds)
    }

    fn end(&self, scenario: Scenario, report: Report) {
        let mut done = self.done.lock();
        done.worlds += 1;
        done.tally.add(&report.tally);
        if done.worlds.is_multiple_of(PROGRESS) {
            eprintln!("{} worlds", done.worlds);
        }
        if !report.mismatches.is_empty() && done.failed.is_none() {
            done.failed = Some((scenario, report));
            self.is_over.store(true, Ordering::SeqCst);
        }
    }
}
