//! The figures of each day are the content of all logs, counted the plain way; and the product's own proof agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use chrono::NaiveDate;
use headcount_aggregator::prove::{Asked, prove_days};
use headcount_aggregator::{MAX_DATES, verify};
use headcount_core::calendar::days_before;
use headcount_core::latency::RELATIVE_ERROR;
use headcount_core::limits::DEFAULT_SKETCH_PRECISION;
use headcount_core::metrics::{AiUsage, DailyMetrics, Figures, LatencyFigures};
use headcount_core::user_sketch::UserSketch;
use tokio::time::{Duration, Instant};

use super::entries::Entries;
use crate::ages::Ages;
use crate::aggregators::{is_idle_harmless, quiet};
use crate::tally::Kind;
use crate::truth::{Day, Key, Spent, Truth};
use crate::world::World;

/// All days of the log, and how many events of each are there more than once.
struct Days {
    days: BTreeMap<NaiveDate, Day>,
    repeated: BTreeMap<NaiveDate, u64>,
}

/// How what is in the log more than once counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeated {
    /// Each time, as in the sum of partials.
    Counts,
    /// As a duplicate, as in a proof.
    IsDuplicate,
}

impl Days {
    fn of(world: &World, truth: &Truth, entries: &Entries, how: Repeated) -> Self {
        let (mut days, mut repeated): (BTreeMap<_, Day>, BTreeMap<_, u64>) = Default::default();
        let mut seen = BTreeSet::new();
        for (_, logged, _) in entries.all() {
            for (date, content) in &logged.content.days {
                let day = days.entry(*date).or_default();
                day.by_hour.resize(24, 0);
                day.duplicates += content.duplicates;
                day.rejected += content.rejected;
                for (_, event) in &content.events {
                    let key = Key::of(event);
                    let is_first = seen.insert(key.clone());
                    *repeated.entry(*date).or_default() += u64::from(!is_first);
                    if !is_first && how == Repeated::IsDuplicate {
                        day.duplicates += 1;
                    } else if let Some(said) = truth.events.get(&key) {
                        day.add(key.timestamp_ms, said, world.rules.zone);
                    }
                }
            }
        }
        Self { days, repeated }
    }
}

/// Compares all of it, in a world whose table has followed all that was ever appended.
pub(crate) async fn differences(world: &Arc<World>, entries: &Entries) -> Vec<String> {
    let mut found = Vec::new();
    let is_sound = entries.all().all(|(_, _, fate)| fate == super::entries::Fate::Sound);
    // A day that was proven meanwhile is partly exact: it is compared once all of it is.
    if !world.params.proves {
        let counts = counted(world, entries, Repeated::Counts);
        compare(world, &counts, &mut found);
        if is_sound {
            verified(world, &counts.0, &mut found).await;
        }
    }
    if is_sound && !world.params.is_long {
        proven(world, entries, &mut found).await;
    }
    if world.params.is_long {
        let counts = counted(world, entries, Repeated::IsDuplicate);
        settled(world, entries, &counts, &mut found);
    }
    if found.is_empty() && !is_idle_harmless(world).await {
        found.push("a roll-up changes something though nothing happened".to_owned());
    }
    found
}

/// What all days must be, and the first day of each user.
type Counted = (Days, Vec<NaiveDate>);

fn counted(world: &World, entries: &Entries, how: Repeated) -> Counted {
    world.with_truth(|truth| {
        let first = truth.first_days(&world.rules, &entries.keys());
        (Days::of(world, truth, entries, how), first.into_values().collect())
    })
}

fn compare(world: &World, (days, first): &Counted, found: &mut Vec<String>) {
    let rows: BTreeMap<NaiveDate, _> =
        world.table().store.all_dailies().into_iter().map(|row| (row.date, row)).collect();
    for date in days.days.keys() {
        let Some(row) = rows.get(date) else {
            found.push(format!("{date} has no figures"));
            continue;
        };
        match DailyMetrics::from_object(&row.data) {
            Ok(metrics) => OneDay { date: *date, days, first }.compare(&metrics.figures, found),
            Err(error) => found.push(format!("{date}: {error}")),
        }
    }
}

/// Proves every day, after which its figures must be exact: each event once.
async fn proven(world: &Arc<World>, entries: &Entries, found: &mut Vec<String>) {
    let (days, first) = counted(world, entries, Repeated::IsDuplicate);
    let deps = quiet(world, world.table().store);
    for dates in days.days.keys().copied().collect::<Vec<_>>().chunks(MAX_DATES) {
        match prove_days(&deps, &Asked::Dates(dates.to_vec()), Instant::now() + Duration::from_mins(15)).await {
            Ok(run) if run.is_clean() => {}
            other => found.push(format!("{dates:?} were not proven: {other:?}")),
        }
    }
    compare(world, &(days, first), found);
}

/// In a world of weeks: each day that a good night could prove is proven, what is proven is exact, its entries there or expired, and no
/// day takes anything after it is frozen.
fn settled(world: &World, entries: &Entries, (days, first): &Counted, found: &mut Vec<String>) {
    let rows: BTreeMap<NaiveDate, _> =
        world.table().store.all_dailies().into_iter().map(|row| (row.date, row)).collect();
    for date in days.days.keys() {
        let Some(span) = Ages::of(world, entries, *date) else { continue };
        if span.is_late() {
            found.push(format!("{date} has something that was appended after it was frozen: {span:?}"));
        }
        let metrics = rows.get(date).and_then(|row| DailyMetrics::from_object(&row.data).ok());
        match metrics.filter(|metrics| metrics.figures.verified) {
            Some(metrics) => OneDay { date: *date, days, first }.compare(&metrics.figures, found),
            None if world.nights().into_iter().any(|night| span.is_provable_by(night)) => {
                found.push(format!("{date} is not proven: {span:?}, nights {:?}", world.nights()));
            }
            None => world.count(Kind::Unproven, 1),
        }
    }
}

struct OneDay<'a> {
    date: NaiveDate,
    days: &'a Days,
    first: &'a [NaiveDate],
}

impl OneDay<'_> {
    fn compare(&self, figures: &Figures, found: &mut Vec<String>) {
        let day = &self.days.days[&self.date];
        let mut differences = Vec::new();
        counters(figures, day, &mut differences);
        sessions(figures, day, &mut differences);
        let users = if figures.verified { day.users.len() as u64 } else { self.users(1) };
        equal(&mut differences, "active users", &figures.active_users, &users);
        equal(&mut differences, "weekly users", &figures.weekly_active_users, &self.users(7));
        equal(&mut differences, "monthly users", &figures.monthly_active_users, &self.users(30));
        // So few accounts a sketch tells apart.
        equal(&mut differences, "active accounts", &figures.active_accounts, &self.accounts(1));
        equal(&mut differences, "weekly accounts", &figures.weekly_active_accounts, &self.accounts(7));
        equal(&mut differences, "monthly accounts", &figures.monthly_active_accounts, &self.accounts(30));
        let new = self.first.iter().filter(|first| **first == self.date).count() as u64;
        let total = self.first.iter().filter(|first| **first <= self.date).count() as u64;
        equal(&mut differences, "new users", &figures.new_signups_24h, &new);
        equal(&mut differences, "total users", &figures.total_users, &total);
        if figures.estimate.sources_set_aside > 0 {
            differences.push(format!("{} sources are set aside", figures.estimate.sources_set_aside));
        }
        found.extend(differences.into_iter().map(|difference| format!("{}: {difference}", self.date)));
    }

    fn accounts(&self, days: u64) -> u64 {
        let days = self.days.days.range(days_before(self.date, days - 1)..=self.date);
        days.flat_map(|(_, day)| &day.active_accounts).collect::<BTreeSet<_>>().len() as u64
    }

    /// What a sketch of exactly the right users says.
    fn users(&self, days: u64) -> u64 {
        let mut sketch = UserSketch::new(DEFAULT_SKETCH_PRECISION).expect("a usual precision");
        for (_, day) in self.days.days.range(days_before(self.date, days - 1)..=self.date) {
            day.users.iter().for_each(|user| sketch.insert(user));
        }
        sketch.estimate().round() as u64
    }
}

fn counters(figures: &Figures, day: &Day, found: &mut Vec<String>) {
    // Built-in types are shown even where there is none of them.
    let by_type = figures.events_by_type.iter().filter(|(_, count)| **count > 0);
    let by_type: BTreeMap<String, u64> = by_type.map(|(name, count)| (name.clone(), *count)).collect();
    equal(found, "events by type", &by_type, &day.by_type);
    equal(found, "events by hour", &figures.events_by_hour, &day.by_hour);
    equal(found, "features", &figures.feature_usage, &day.features);
    equal(found, "content", &figures.content_created.by_type, &day.content);
    equal(found, "errors", &figures.errors.by_type, &day.errors);
    equal(found, "platforms", &figures.platforms, &day.platforms);
    equal(found, "accounts", &figures.accounts, &day.accounts);
    let AiUsage { by_model, by_account, by_feature, by_user, .. } = &figures.ai_usage;
    let models: BTreeMap<String, Spent> =
        by_model.iter().map(|(name, used)| (name.clone(), (used.requests, used.tokens, used.cost_nanos))).collect();
    equal(found, "models", &models, &day.models);
    for (what, is, should_be) in [
        ("AI use by account", by_account, &day.ai_accounts),
        ("AI use by feature", by_feature, &day.ai_features),
        ("AI use by user", by_user, &day.ai_users),
    ] {
        let is: BTreeMap<String, Spent> =
            is.iter().map(|(name, spent)| (name.clone(), (spent.requests, spent.tokens, spent.cost_nanos))).collect();
        equal(found, what, &is, should_be);
    }
    for (name, used) in by_model {
        let of = |counts: &BTreeMap<String, u64>| counts.get(name).copied().unwrap_or(0);
        equal(found, "failed requests", &used.errors, &of(&day.ai_failed));
        equal(found, "unpriced requests", &used.unpriced, &of(&day.ai_unpriced));
        latencies(name, figures.verified, used.latency, day, found);
    }
    equal(found, "rejected", &figures.rejected, &day.rejected);
    equal(found, "duplicates", &figures.duplicates, &day.duplicates);
    equal(found, "events without a user", &figures.events_without_user, &day.without_user);
    equal(found, "events without a session", &figures.events_without_session, &day.without_session);
}

/// Exact where the day is proven, else within the error that is stated.
fn latencies(model: &str, is_exact: bool, is: LatencyFigures, day: &Day, found: &mut Vec<String>) {
    let mut sorted = day.latencies.get(model).cloned().unwrap_or_default();
    sorted.sort_unstable();
    equal(found, "measured requests", &is.count, &(sorted.len() as u64));
    for (percent, is) in [(50, is.p50), (95, is.p95)] {
        let exact = sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or(0);
        let off = if is_exact { 0.0 } else { RELATIVE_ERROR * exact as f64 };
        if is.abs_diff(exact) as f64 > off {
            found.push(format!("{percent} % of the requests to {model} took {is} ms at most, not {exact}"));
        }
    }
}

fn sessions(figures: &Figures, day: &Day, found: &mut Vec<String>) {
    let mut durations: Vec<u64> = day.sessions.values().map(|(first, last)| last.abs_diff(*first)).collect();
    durations.sort_unstable();
    let rank = |share: f64| {
        let place = ((share * durations.len() as f64).ceil() as usize).max(1) - 1;
        durations.get(place).copied().unwrap_or(0)
    };
    equal(found, "sessions", &figures.sessions.count, &(durations.len() as u64));
    equal(found, "median of sessions", &figures.sessions.p50, &rank(0.50));
    equal(found, "95th percentile of sessions", &figures.sessions.p95, &rank(0.95));
    let sum: u64 = durations.iter().sum();
    let average = if durations.is_empty() { 0.0 } else { sum as f64 / durations.len() as f64 };
    if (figures.average_session_duration - average).abs() > 1e-6 * average.max(1.0) {
        found.push(format!("the average session is {}, not {average}", figures.average_session_duration));
    }
}

/// The product's own proof must come to the same, and name how many events are there more than once.
async fn verified(world: &Arc<World>, days: &Days, found: &mut Vec<String>) {
    let deps = quiet(world, world.table().store);
    for (date, day) in &days.days {
        match verify(&deps, *date, Instant::now() + Duration::from_mins(15)).await {
            Ok(verification) => {
                equal(found, "verified events", &verification.events(), &day.events);
                equal(found, "events in flight", &verification.in_flight(), &0);
                let repeated = days.repeated.get(date).copied().unwrap_or(0);
                equal(found, "repeated events", &verification.repeated, &repeated);
                if !verification.passed() {
                    found.push(format!("{date} does not verify: {:?}", verification.sources));
                }
            }
            Err(error) => found.push(format!("{date} cannot be verified: {error}")),
        }
    }
}

fn equal<T: PartialEq + Debug>(found: &mut Vec<String>, what: &str, is: &T, should_be: &T) {
    if is != should_be {
        found.push(format!("{what}: {is:?}, not {should_be:?}"));
    }
}
