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

/// Seconds of one vCPU for an event, as `cargo xtask bench prove` measures, and of a run besides its reads and events, assumed.
const EVENT_S: f64 = 0.000_002_2;
const RUN_S: f64 = 2.0;

/// Hours of a day, the hour in which a run is the nightly one, and the part of an hour at which each comes.
const HOURS: u64 = 24;
const NIGHTLY_HOUR: u64 = 4;
const MINUTES: f64 = 35.0 / 60.0;

/// Days that take late events, and days after its end until a day takes no more: lateness, the retention of the stream, and one more.
const LATE_DAYS: u64 = (DEFAULT_LATENESS_MS / DAY_MS) as u64;
const CLOSED_AFTER: u64 = LATE_DAYS + 2;

/// The proofs of one day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Proofs {
    /// Memory of the prover in MB: as much as it takes to count a day in one pass over the log, at most what Lambda has.
    pub(crate) memory_mb: u64,
    /// Reads of entries, and of headers to find the first one.
    pub(crate) reads: f64,
    /// Walks through the log.
    pub(crate) walks: f64,
    /// Proofs that are stored, and those of them at night.
    pub(crate) stored: f64,
    pub(crate) at_night: f64,
    /// Seconds of the function.
    pub(crate) seconds: f64,
    /// Passes over the log that a whole day takes with this memory.
    pub(crate) passes: u64,
}

/// Days of the log that are read, days of events that are counted, walks through the log, and proofs that are stored.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    log: f64,
    events: f64,
    walks: f64,
    proofs: f64,
}

impl Proofs {
    /// Of this load, with the default budget and a log of so many days.
    pub(crate) fn of(load: &Load, logged_days: f64) -> Self {
        Self::within(load, logged_days, DEFAULT_PROOF_BUDGET)
    }

    /// Of this load, where so many events are proven together.
    pub(crate) fn within(load: &Load, logged_days: f64, budget: u64) -> Self {
        let events = load.events_per_day.ceil().max(1.0) as u64;
        let memory_mb = (DEFAULT_MB..=MAX_MB).find(|mb| passes(events, *mb) == 1).unwrap_or(MAX_MB);
        let passes = passes(events, memory_mb);
        let mut read = hourly(events, budget);
        let (by_day, night) = (read.proofs, nightly(events, budget, load.late > 0.0));
        // The first pass finds the entries that have something of the day, and the others read these alone: we assume one day's.
        let further = (passes - 1) as f64 * night.events;
        read.log += night.log + further;
        read.events += night.events + further;
        read.walks += night.walks;
        read.proofs += night.proofs;
        let entries = load.entries_per_day();
        let searched =
            (entries / f64::from(load.sources) * logged_days).max(1.0).log2().ceil() * f64::from(load.sources);
        // Entries hold far less than the 1 MiB from which on header and day are read apart.
        let reads = read.log * entries + read.walks * searched;
        let cpus = memory_mb as f64 / DEFAULT_MB as f64;
        let counting = read.events * load.events_per_day * EVENT_S / cpus;
        let seconds = reads * READ_S / READS_AT_ONCE + counting + RUN_S * HOURS as f64;
        let at_night = read.proofs - by_day;
        Self { memory_mb, reads, walks: read.walks, stored: read.proofs, at_night, seconds, passes }
    }
}

fn passes(events: u64, memory_mb: u64) -> u64 {
    passes_for(events, (memory_mb << 20) / 100 * PROOF_MEMORY_PERCENT)
}

/// The part of a day that has passed at a run.
fn passed(hour: u64) -> f64 {
    (hour as f64 + MINUTES) / HOURS as f64
}

/// Today, each time it has grown by a tenth, as long as it is within the budget. Yesterday no longer grows as much.
fn hourly(events: u64, budget: u64) -> Read {
    let (mut read, mut proven) = (Read::default(), 0);
    for hour in 0..HOURS {
        let now = (events as f64 * passed(hour)) as u64;
        // The nightly run has no budget for today.
        if now > budget || hour == NIGHTLY_HOUR || now < proven + u64::div_ceil(proven, GROWN) {
            proven = if hour == NIGHTLY_HOUR { now } else { proven };
            continue;
        }
        proven = now;
        read.log += passed(hour);
        read.events += passed(hour);
        read.walks += 1.0;
        read.proofs += 1.0;
    }
    read
}

/// Today and yesterday. With late events all open days while they are small, the newest first, together up to the budget; of large ones the
/// one that has closed. What is proven together is read once, from its first day to now.
fn nightly(events: u64, budget: u64, is_late: bool) -> Read {
    let oldest = CLOSED_AFTER + 1;
    let mut ages = vec![0, 1];
    match (is_late, events <= budget) {
        (false, _) => {}
        (true, true) => ages.extend(2..=LATE_DAYS + 1),
        (true, false) => ages.push(oldest),
    }
    let today = passed(NIGHTLY_HOUR);
    let mut read = Read::default();
    let (mut rest, mut is_first) = (&ages[..], true);
    while !rest.is_empty() {
        // Today has few events so far.
        let room = budget as f64 / events as f64 + if is_first { 1.0 - today } else { 0.0 };
        let (batch, others) = rest.split_at((room.max(1.0) as usize).min(rest.len()));
        (rest, is_first) = (others, false);
        read.log += batch.last().map_or(0.0, |age| *age as f64) + today;
        read.events += batch.iter().map(|age| if *age == 0 { today } else { 1.0 }).sum::<f64>();
        read.walks += 1.0;
        read.proofs += batch.len() as f64;
    }
    read
}
