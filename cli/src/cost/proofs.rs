//! What proving the days reads of the event log, and how long it takes, as `headcount_aggregator::prove` schedules it.

use headcount_aggregator::config::PROOF_MEMORY_PERCENT;
use headcount_aggregator::deps::DEFAULT_PROOF_BUDGET;
use headcount_aggregator::prove::GROWN;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS};
use headcount_proof::passes_for;

use super::units::Load;

/// Memory of the prover in MB: the template's default, and the most that Lambda has.
const DEFAULT_MB: u64 = 1_769;
const MAX_MB: u64 = 10_240;

/// Reads that the prover makes at the same time, as the template has it, and how long one takes. Assumed.
const READS_AT_ONCE: f64 = 32.0;
const READ_S: f64 = 0.025;

/// Seconds of one vCPU for an event, and of a run besides its reads and events. Assumed: `headcount report`, which counts with the same
/// code, handles 1,061,000 events a second on one thread.
const EVENT_S: f64 = 0.000_001;
const RUN_S: f64 = 2.0;

/// Hours of a day, and the hour of the nightly run as a part of a day.
const HOURS: u64 = 24;
const NIGHT: f64 = 4.5 / 24.0;

/// Days after its end that a day takes late events: lateness, the retention of the stream, and one more. We assume that each gets some.
const LATE_DAYS: u64 = (DEFAULT_LATENESS_MS / DAY_MS) as u64 + 2;

/// Write units of a proof in the table: its figures and a source. Assumed.
pub(crate) const ITEM_UNITS: f64 = 20.0;

/// The proofs of one day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Proofs {
    /// Memory of the prover in MB: as much as it takes to count a day in one pass over the log, at most what Lambda has.
    pub(crate) memory_mb: u64,
    /// Reads of entries.
    pub(crate) reads: f64,
    /// Proofs that are stored.
    pub(crate) stored: f64,
    /// Seconds of the function.
    pub(crate) seconds: f64,
    /// Passes over the log that a whole day takes with this memory.
    pub(crate) passes: u64,
}

/// Days of the log that are read, and days of events that are counted.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    log: f64,
    events: f64,
    proofs: f64,
}

impl Proofs {
    /// Of this load, with the default budget.
    pub(crate) fn of(load: &Load) -> Self {
        let events = load.events_per_day.ceil().max(1.0) as u64;
        let memory_mb = (DEFAULT_MB..=MAX_MB).find(|mb| passes(events, *mb) == 1).unwrap_or(MAX_MB);
        let passes = passes(events, memory_mb);
        let (mut read, night) = (hourly(events), nightly(events));
        // The first pass finds the entries that have something of the day, and the others read these alone: we assume one day's.
        let further = (passes - 1) as f64 * night.events;
        read.log += night.log + further;
        read.events += night.events + further;
        read.proofs += night.proofs;
        let entries = load.batches_per_day();
        // Entries hold far less than the 1 MiB from which on header and day are read apart.
        let reads = read.log * entries;
        let cpus = memory_mb as f64 / DEFAULT_MB as f64;
        let counting = read.events * load.events_per_day * EVENT_S / cpus;
        let seconds = reads * READ_S / READS_AT_ONCE + counting + RUN_S * HOURS as f64;
        Self { memory_mb, reads, stored: read.proofs, seconds, passes }
    }
}

fn passes(events: u64, memory_mb: u64) -> u64 {
    passes_for(events, (memory_mb << 20) / 100 * PROOF_MEMORY_PERCENT)
}

/// Today, each time it has grown by a tenth, as long as it is within the budget. Yesterday no longer grows as much.
fn hourly(events: u64) -> Read {
    let (mut read, mut proven) = (Read::default(), 0);
    for hour in 1..=HOURS {
        let now = events * hour / HOURS;
        if now > DEFAULT_PROOF_BUDGET || now < proven + u64::div_ceil(proven, GROWN) {
            continue;
        }
        proven = now;
        let share = hour as f64 / HOURS as f64;
        read.log += share;
        read.events += share;
        read.proofs += 1.0;
    }
    read
}

/// All open days while they are small, the newest first, together up to the budget; of large ones yesterday and the one that has closed.
/// What is proven together is read once, from its first day to now.
fn nightly(events: u64) -> Read {
    let is_small = events <= DEFAULT_PROOF_BUDGET;
    let oldest = LATE_DAYS + 1;
    let ages: Vec<u64> = if is_small { (1..=oldest).collect() } else { vec![1, oldest] };
    let together = (DEFAULT_PROOF_BUDGET / events).max(1) as usize;
    let mut read = Read { log: NIGHT, events: NIGHT, proofs: 1.0 };
    for batch in ages.chunks(together) {
        read.log += batch.last().map_or(0.0, |age| *age as f64 + NIGHT);
        read.events += batch.len() as f64;
        read.proofs += batch.len() as f64;
    }
    read
}
