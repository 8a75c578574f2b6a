//! What a world is like, drawn from its seed.

use std::ops::Range;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::{days_after, end_of, start_of};
use headcount_core::limits::{DAY_MS, DEFAULT_LOG_RETENTION_DAYS};

use crate::time::{HOUR_MS, MINUTE_MS};

/// No world has more sends.
pub(crate) const MAX_SENDS: u32 = 45;

/// What the world is like.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Params {
    pub(crate) began_ms: i64,
    pub(crate) span_ms: i64,
    /// Midnights of the reporting zone that it goes over.
    pub(crate) midnights_ms: Vec<i64>,
    pub(crate) sends: u32,
    pub(crate) users: u8,
    pub(crate) shards: usize,
    /// Processes of the function that are at work at once.
    pub(crate) sandboxes: usize,
    /// Whether one process handles all invocations, as `serve` does.
    pub(crate) is_one_process: bool,
    pub(crate) batch_size: usize,
    pub(crate) window_ms: i64,
    pub(crate) bisects: bool,
    /// After how many retries the mapping gives up.
    pub(crate) max_retries: Option<u32>,
    /// At which age of its records the mapping gives up.
    pub(crate) max_age_ms: Option<i64>,
    /// How often faults of the table happen, from 0 to 2.
    pub(crate) table_roughness: f64,
    /// How often faults of the bucket happen, from 0 to 2.
    pub(crate) bucket_roughness: f64,
    /// Whether there is a record at which the function dies.
    pub(crate) has_poison: bool,
    /// How much of the time nothing runs but the consumer.
    pub(crate) follow_every_ms: i64,
    pub(crate) event_items: bool,
    pub(crate) has_imports: bool,
    pub(crate) has_expiry: bool,
    pub(crate) has_damage: bool,
    /// Whether it is the table whose bytes are damaged, and not the log's.
    pub(crate) has_damaged_table: bool,
    pub(crate) has_restore: bool,
    /// Whether days are proven meanwhile.
    pub(crate) proves: bool,
    /// Bytes that a proof may use.
    pub(crate) proof_memory: u64,
    /// Days that the log keeps an entry.
    pub(crate) log_retention_days: u32,
    /// Whether it is a world of weeks, in which entries expire by their age and days are frozen.
    pub(crate) is_long: bool,
    /// From when to when nobody proves anything.
    pub(crate) sleeps_ms: Range<i64>,
    /// The longest pause between two looks at it.
    pub(crate) look_every_ms: i64,
}

impl Params {
    pub(crate) fn draw(first: NaiveDate, zone: Tz, random: &mut fastrand::Rng) -> Self {
        let began_ms = start_of(zone, first) + random.i64(14..22) * HOUR_MS;
        let span_ms = random.i64(16..34) * HOUR_MS;
        let midnights_ms = (0..3).map(|day| end_of(zone, days_after(first, day)));
        let midnights_ms = midnights_ms.filter(|midnight| (began_ms..began_ms + span_ms).contains(midnight)).collect();
        let gives_up = random.bool();
        let max_retries = (gives_up && random.bool()).then(|| random.u32(0..4));
        let max_age_ms = (gives_up && random.u8(0..3) > 0).then(|| random.i64(3..60) * MINUTE_MS);
        let has_many_shards = random.u8(0..8) == 0;
        let roughness = |random: &mut fastrand::Rng| [0.0, 0.3, 1.0, 2.0][random.usize(0..4)];
        let has_damaged_table = random.bool();
        let has_damage = random.u8(0..5) < 3;
        let has_expiry = random.u8(0..3) == 0 && !(has_damage && has_damaged_table);
        Self {
            began_ms,
            span_ms,
            midnights_ms,
            sends: random.u32(10..MAX_SENDS),
            users: random.u8(3..20),
            shards: if has_many_shards { 20 } else { random.usize(1..4) },
            sandboxes: if has_many_shards { 3 } else { random.usize(2..6) },
            is_one_process: random.u8(0..5) == 0,
            batch_size: random.usize(1..16),
            window_ms: random.i64(0..5) * MINUTE_MS,
            bisects: random.u8(0..5) > 0,
            max_retries,
            max_age_ms,
            table_roughness: roughness(random),
            bucket_roughness: roughness(random),
            has_poison: (max_retries.is_some() || max_age_ms.is_some()) && random.bool(),
            follow_every_ms: [20 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS][random.usize(0..3)],
            event_items: random.u8(0..4) > 0,
            has_imports: random.bool(),
            has_expiry,
            has_damage,
            has_damaged_table,
            has_restore: random.u8(0..3) == 0,
            proves: random.bool(),
            // Ids of a few hundred events at once: larger days take several passes.
            proof_memory: 8 << 10,
            log_retention_days: DEFAULT_LOG_RETENTION_DAYS,
            is_long: false,
            sleeps_ms: 0..0,
            look_every_ms: 2 * HOUR_MS,
        }
    }

    /// The same as a world of weeks: nothing is damaged and no table restored, but the log expires.
    pub(crate) fn lengthened(self, first: NaiveDate, zone: Tz, random: &mut fastrand::Rng) -> Self {
        let span_ms = random.i64(22..32) * DAY_MS;
        let midnights_ms = (0..40).map(|day| end_of(zone, days_after(first, day)));
        let midnights_ms =
            midnights_ms.filter(|midnight| (self.began_ms..self.began_ms + span_ms).contains(midnight)).collect();
        let sleeps_from_ms = self.began_ms + random.i64(DAY_MS..8 * DAY_MS);
        let sleeps_for_ms = if random.u8(0..4) > 0 { random.i64(15..21) * DAY_MS } else { 0 };
        Self {
            span_ms,
            midnights_ms,
            sleeps_ms: sleeps_from_ms..sleeps_from_ms + sleeps_for_ms,
            shards: self.shards.min(3),
            // Some batches are given up, and redriven weeks later.
            max_retries: Some(random.u32(0..2)),
            // A run of minutes in which each request fails once in a while; no world survives weeks of hardly any that comes to its end.
            table_roughness: self.table_roughness.min(0.3),
            bucket_roughness: self.bucket_roughness.min(0.3),
            has_imports: true,
            has_expiry: false,
            has_damage: false,
            has_restore: false,
            follow_every_ms: random.i64(8..30) * HOUR_MS,
            proves: true,
            proof_memory: [8 << 10, 800, 500, 500][random.usize(0..4)],
            // Days are frozen after 5 to 7, and lateness and the stream's retention are less than 2.
            log_retention_days: random.u32(15..18),
            is_long: true,
            look_every_ms: 3 * DAY_MS,
            ..self
        }
    }
}
