//! Worlds of weeks: entries expire by their age, every night what changed is proven, and days are frozen before their first entry
//! expires.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use headcount_aggregator::AggregateError;
use headcount_aggregator::history::closed_days;
use headcount_aggregator::prove::{Asked, prove_days};
use headcount_core::calendar::{days_after, start_of};
use headcount_core::limits::DAY_MS;
use headcount_log::Log;
use headcount_runtime::retry::Jitter;
use headcount_testkit::process::Process;
use object_store::ObjectStoreExt as _;
use tokio::time::{Duration, Instant, sleep};

use crate::aggregators::{deps, quiet};
use crate::chance;
use crate::check::entries::{self, Entries};
use crate::tally::Kind;
use crate::time::{HOUR_MS, MINUTE_MS, between};
use crate::trouble::{bytes_of, log, path, soon};
use crate::world::{Gone, World};

/// Days before the first entry expires from which on a day takes nothing more, and from which on it is not proven any more.
const FROZEN_DAYS: i64 = 10;
const UNPROVABLE_DAYS: i64 = 1;

/// How long somebody who began before a day was frozen may take.
const LONGEST_APPEND_MS: i64 = DAY_MS;

/// Tries of a nightly run, as many as the service makes.
const TRIES: u32 = 3;

/// A nightly run that followed and proved everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Night {
    pub(crate) began_ms: i64,
    /// What was appended before is proven, milliseconds since the epoch: one that goes on with slices does not prove what came since.
    pub(crate) covers_ms: i64,
}

/// When the first and the last entry with something of a day were appended, milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ages {
    first_ms: i64,
    last_ms: i64,
    retention_days: u32,
}

impl Ages {
    /// None of a day that nothing was appended of.
    pub(crate) fn of(world: &World, entries: &Entries, date: NaiveDate) -> Option<Self> {
        let of_date = entries.all().filter(|(_, logged, _)| logged.content.days.contains_key(&date));
        let times: Vec<i64> = of_date.map(|(_, logged, _)| logged.facts.appended_ms).collect();
        let retention_days = world.params.log_retention_days;
        Some(Self { first_ms: *times.iter().min()?, last_ms: *times.iter().max()?, retention_days })
    }

    /// So many days before the first entry expires.
    fn before_expiry_ms(self, days: i64) -> i64 {
        self.first_ms + (i64::from(self.retention_days) - days) * DAY_MS
    }

    fn is_frozen(self, now_ms: i64) -> bool {
        now_ms >= self.before_expiry_ms(FROZEN_DAYS)
    }

    /// Whether something was appended though the day was frozen.
    pub(crate) fn is_late(self) -> bool {
        self.is_frozen(self.last_ms - LONGEST_APPEND_MS)
    }

    /// Whether a run could prove all of the day.
    pub(crate) fn is_provable_by(self, night: Night) -> bool {
        let Night { began_ms, covers_ms } = night;
        self.last_ms < covers_ms && began_ms < self.before_expiry_ms(UNPROVABLE_DAYS)
    }
}

/// Asks, as the commands do before they append, whether days take redriven and imported events.
pub(crate) async fn are_open(world: &Arc<World>, days: &BTreeSet<NaiveDate>, random: &mut fastrand::Rng) -> bool {
    if !world.params.is_long {
        return true;
    }
    loop {
        let (asked_ms, before) = (world.time.now_ms(), entries::read(world).await);
        let process = Process::default();
        let seed = random.u64(..);
        let log = Log::new(Arc::new(world.bucket.in_process(&process)), Jitter::from_seed(seed));
        let deps = deps(world, log, world.table().faulty.in_process(&process), seed);
        let closed = process.until_crash(closed_days(&deps, days, Instant::now() + Duration::from_mins(10))).await;
        world.tell(format_args!("whether {days:?} are closed: {closed:?}"));
        let closed = match closed {
            Ok(Ok(closed)) => closed,
            // The commands make one.
            Ok(Err(AggregateError::NoDeployment)) => return true,
            Ok(Err(_)) | Err(_) => {
                sleep(between(random, 50, 10 * MINUTE_MS)).await;
                continue;
            }
        };
        let (now_ms, after) = (world.time.now_ms(), entries::read(world).await);
        let mut is_old = false;
        for date in days {
            let ages = [Ages::of(world, &before, *date), Ages::of(world, &after, *date)];
            let [was, is] = [(ages[0], asked_ms), (ages[1], now_ms)]
                .map(|(ages, at_ms)| ages.is_some_and(|ages| ages.is_frozen(at_ms)));
            if was == is && was != closed.contains_key(date) {
                world.mismatch(format!("{date} is {closed:?}, but of {ages:?} at {now_ms}"));
            }
            is_old |= ages[0].is_some_and(|ages| now_ms - ages.first_ms > 3 * DAY_MS);
        }
        if !closed.is_empty() {
            world.count(Kind::Frozen, 1);
        } else if is_old {
            world.count(Kind::Late, 1);
        }
        return closed.is_empty();
    }
}

/// Deletes entries that are older than the log's retention, by the day, as a lifecycle rule does.
pub(crate) async fn expire(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "lifecycle", 0);
    let end_ms = world.params.began_ms + world.params.span_ms;
    while world.params.is_long && world.time.now_ms() < end_ms {
        sleep(between(&mut random, 12 * HOUR_MS, 30 * HOUR_MS)).await;
        let before_ms = world.time.now_ms() - i64::from(world.params.log_retention_days) * DAY_MS;
        let log = log(&world);
        for source in log.sources(soon()).await.unwrap_or_default() {
            for listed in log.list_after(&source, 0, usize::MAX, soon()).await.unwrap_or_default() {
                let entry = listed.entry;
                let Ok(header) = log.read_header(&source, entry, soon()).await else { continue };
                let path = path(&source, entry);
                let Some(bytes) = bytes_of(&world, &path).await else { continue };
                if header.facts.appended_ms < before_ms && world.bucket.inner().delete(&path).await.is_ok() {
                    world.count(Kind::ExpiredEntry, 1);
                    world.tell(format_args!("entry {entry} of {source} expires"));
                    world.lost_entry(&source, entry, Gone { bytes, is_expired: true, table: world.table().number });
                }
            }
        }
    }
}

/// Runs the prover each night, but for some.
pub(crate) async fn nights(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "night", 0);
    let end_ms = world.params.began_ms + world.params.span_ms;
    let mut date = days_after(world.rules.day(world.params.began_ms), 1);
    if !world.params.is_long {
        return;
    }
    loop {
        let at_ms = start_of(world.rules.zone, date) + 4 * HOUR_MS + random.i64(0..HOUR_MS / 2);
        if at_ms >= end_ms {
            return;
        }
        date = days_after(date, 1);
        world.time.until(at_ms).await;
        if random.u8(0..8) == 0 || world.params.sleeps_ms.contains(&at_ms) {
            world.tell(format_args!("a night without a run"));
            continue;
        }
        for _ in 0..TRIES {
            let began_ms = world.time.now_ms();
            let process = Process::default();
            let seed = random.u64(..);
            let log = Log::new(Arc::new(world.bucket.in_process(&process)), Jitter::from_seed(seed));
            let deps = deps(&world, log, world.table().faulty.in_process(&process), seed);
            if !self::log(&world).sliced_dates(soon()).await.unwrap_or_default().is_empty() {
                world.count(Kind::Sliced, 1);
            }
            let deadline = Instant::now() + Duration::from_mins(15);
            let proved = process.until_crash(prove_days(&deps, &Asked::Nightly, deadline)).await;
            world.tell(format_args!("a nightly run ended: {proved:?}"));
            if let Ok(Ok(run)) = proved
                && run.is_complete()
            {
                world.count(Kind::Nights, 1);
                world.had_a_good_night(Night { began_ms, covers_ms: began_ms - DAY_MS });
                break;
            }
            sleep(between(&mut random, MINUTE_MS, HOUR_MS)).await;
        }
    }
}

/// One more night, in which nothing bad happens.
pub(crate) async fn last_night(world: &Arc<World>) {
    if !world.params.is_long {
        return;
    }
    let began_ms = world.time.now_ms();
    let deps = quiet(world, world.table().store);
    // Once to end what earlier nights left, and once more for what came meanwhile.
    for covers_ms in [began_ms - DAY_MS, began_ms] {
        match prove_days(&deps, &Asked::Nightly, Instant::now() + Duration::from_hours(1)).await {
            Ok(run) if run.is_complete() => world.had_a_good_night(Night { began_ms, covers_ms }),
            other => world.mismatch(format!("the last night: {other:?}")),
        }
    }
}
