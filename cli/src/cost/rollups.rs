//! What the aggregator and the prover ask of the table and of the log, besides the entries that proofs read: the light runs of every
//! minute, the hourly roll-ups, the hourly proofs, and the roll-ups of days that were proven.

use headcount_core::limits::PARTIAL_TTL_DAYS;

use super::proofs::Proofs;
use super::units::{LATE_DAYS, Load, Partials, cheap_read_units, read_units, write_units};

/// Runs a day: light ones, and roll-ups or proofs.
pub(crate) const LIGHT_RUNS: f64 = 24.0 * 60.0;
const HOURLY_RUNS: f64 = 24.0;

/// Days that a roll-up looks at: those that may still change, those that may wait to be closed, and all whose users the months of these
/// unite.
const OPEN_DAYS: f64 = 10.0;
const CLOSING_DAYS: f64 = 42.0;
const UNITED_DAYS: f64 = 71.0;

/// The same for the roll-up of a day that was proven.
const MONTH_DAYS: f64 = 31.0;

/// Bytes of a checkpoint, of what is kept of a day's number of new users, and of the copy of a profile in the index.
const CHECKPOINT: f64 = 230.0;
const TOTAL: f64 = 130.0;
const PROFILE_COPY: f64 = 100.0;

/// Bytes that a day's figures, and those of its proof, have besides what its counters take.
const FIGURES_OVERHEAD: f64 = 850.0;
const PROOF_OVERHEAD: f64 = 300.0;

/// Days that a deployment has been counting. An assumption.
pub(crate) const DAYS_COUNTED: f64 = 365.0;

/// Requests of any run: the deployment, the streams and their shards are listed, the deployment is read.
const RUN_LISTS: f64 = 3.0;
const RUN_GETS: f64 = 1.0;

/// The share of light runs that also read the newest header of a shard, because partials of past days wait to be written.
const HELD_BACK: f64 = 0.6;

/// A day of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Runs {
    /// Read units.
    pub(crate) reads: f64,
    /// Write units.
    pub(crate) writes: f64,
    /// Puts and listings of the log.
    pub(crate) puts: f64,
    /// Reads of the log.
    pub(crate) gets: f64,
}

/// Units of one item or listing of each kind.
struct Sizes {
    /// The table's own record and the checkpoints.
    state: f64,
    /// A day's partials.
    partials: f64,
    /// A day's partials and its proof.
    day: f64,
    sketches: f64,
    daily: f64,
    totals: f64,
    /// Writes of a day's figures and number of new users.
    figures: f64,
    /// Writes of a day's sketches, figures and number of new users.
    rolled_up: f64,
    /// Writes of a proof: its figures, and the counters of each source.
    proof: f64,
}

impl Sizes {
    fn of(load: &Load, partials: Partials, days_counted: f64) -> Self {
        let sources = f64::from(load.sources);
        let figures = partials.counter_bytes + FIGURES_OVERHEAD;
        let proof = partials.counter_bytes + PROOF_OVERHEAD;
        let of_partials = read_units(sources * partials.whole_bytes);
        let of_figures = write_units(figures) + write_units(TOTAL);
        Self {
            state: 1.0 + read_units(sources * 2.0 * CHECKPOINT),
            partials: of_partials,
            day: of_partials + read_units(proof) + read_units(sources * partials.counter_bytes),
            sketches: read_units(partials.sketch_bytes),
            daily: read_units(figures),
            totals: read_units(days_counted * TOTAL),
            figures: of_figures,
            rolled_up: write_units(partials.sketch_bytes) + of_figures,
            proof: write_units(proof) + sources * write_units(partials.counter_bytes),
        }
    }
}

impl Runs {
    /// All of a day.
    pub(crate) fn of(load: &Load, partials: Partials, proofs: &Proofs) -> Self {
        let roll_ups = Self::roll_ups(load, partials, DAYS_COUNTED);
        Self::light(load, partials).plus(roll_ups).plus(Self::proving(load, partials, proofs, DAYS_COUNTED))
    }

    fn plus(self, other: Self) -> Self {
        Self {
            reads: self.reads + other.reads,
            writes: self.writes + other.writes,
            puts: self.puts + other.puts,
            gets: self.gets + other.gets,
        }
    }

    /// The light runs.
    pub(crate) fn light(load: &Load, partials: Partials) -> Self {
        let shards = f64::from(load.sources);
        // What is new in each shard is listed, and the header of the first of it is read.
        let headers = shards * if load.late > 0.0 { 1.0 + HELD_BACK } else { 1.0 };
        Self {
            reads: LIGHT_RUNS * Sizes::of(load, partials, DAYS_COUNTED).state,
            writes: 0.0,
            puts: LIGHT_RUNS * (RUN_LISTS + shards),
            gets: LIGHT_RUNS * (RUN_GETS + headers),
        }
    }

    /// The hourly roll-ups of a deployment that has counted so many days.
    pub(crate) fn roll_ups(load: &Load, partials: Partials, days_counted: f64) -> Self {
        let shards = f64::from(load.sources);
        let sizes = Sizes::of(load, partials, days_counted);
        let (changed, following) = changed_days(load, load.events_per_day / HOURLY_RUNS);
        // Of today half are there in the mean.
        let counted = (changed - 0.5) * load.new_users * load.events_per_day * PROFILE_COPY;
        let read = sizes.state
            + CLOSING_DAYS * sizes.daily
            + UNITED_DAYS * sizes.sketches
            + sizes.totals
            + OPEN_DAYS * sizes.day
            // Tomorrow has nothing yet.
            + 2.0
            // Budgets are listed, also where there are none.
            + 1.0
            + cheap_read_units(counted);
        Self {
            reads: HOURLY_RUNS * read,
            writes: HOURLY_RUNS * (changed * sizes.rolled_up + following * sizes.figures),
            // Of each shard, what is new is listed, and its head is written.
            puts: HOURLY_RUNS * (RUN_LISTS + 2.0 * shards),
            gets: HOURLY_RUNS * (RUN_GETS + 2.0 * shards),
        }
    }

    /// The runs of the prover, but for entries and headers that they read to count days.
    pub(crate) fn proving(load: &Load, partials: Partials, proofs: &Proofs, days_counted: f64) -> Self {
        let shards = f64::from(load.sources);
        let sizes = Sizes::of(load, partials, days_counted);
        let Proofs { stored, walks, at_night, .. } = *proofs;
        let by_day = stored - at_night;
        // Each run chooses from today and yesterday, at night from all days that were ever counted.
        let with_partials = days_counted.min(PARTIAL_TTL_DAYS as f64);
        let chosen = HOURLY_RUNS * (sizes.state + 2.0 * (sizes.day + sizes.daily))
            + sizes.totals
            + (days_counted - 2.0) * sizes.daily
            + (with_partials - 2.0) * sizes.day
            + (days_counted - with_partials);
        // A roll-up of its own follows each run that has proven something.
        let counted = cheap_read_units(load.new_users * load.events_per_day * PROFILE_COPY / 2.0);
        let runs = by_day + 1.0;
        let of_months = runs * (2.0 * sizes.daily + MONTH_DAYS * sizes.sketches + sizes.totals);
        let further = (at_night - 1.0).max(0.0) * (sizes.daily + sizes.sketches);
        Self {
            reads: chosen
                + of_months
                + further
                + stored * (sizes.partials + sizes.day + counted)
                + runs * (sizes.state - 1.0),
            writes: stored * (sizes.proof + sizes.rolled_up),
            // One more of its listings looks for what an earlier run has left unfinished.
            puts: HOURLY_RUNS * (RUN_LISTS + 1.0 + 2.0 * shards) + walks * (2.0 + 3.0 * shards) + stored * 3.0,
            gets: HOURLY_RUNS * (RUN_GETS + 3.0 * shards) + stored,
        }
    }
}

/// Days that so many events change, today among them; and those between them and today that only follow: their weeks and months change.
fn changed_days(load: &Load, events: f64) -> (f64, f64) {
    let late = events * load.late;
    let untouched = |days: f64| (1.0 - days / LATE_DAYS).max(0.0).powf(late);
    let changed = LATE_DAYS * (1.0 - untouched(1.0));
    // A day follows where it is untouched itself and not all of those before it are.
    let following: f64 = (1..=LATE_DAYS as u32).map(|days| untouched(1.0) - untouched(f64::from(days))).sum();
    (1.0 + changed, if late > 0.0 { following } else { 0.0 })
}
