//! What must be in the end: everything that is stored and shown, beside what the naive model says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use chrono::NaiveDate;
use headcount_aggregator::verify;
use headcount_core::calendar::days_before;
use headcount_core::metrics::{DailyMetrics, Figures};
use headcount_core::user_sketch::UserSketch;
use headcount_store::rows::EventRow;
use tokio::time::{Duration, Instant};

use super::aggregators::{deps, is_idle_harmless};
use super::truth::{Day, Id, Key, TimeRules, Truth};
use super::world::World;

/// When everything was processed and aggregated, and the days are still open.
pub(super) async fn open(world: &Arc<World>) {
    let mut found = stored(world);
    found.extend(figures(world, |_| {}));
    verified(world, &mut found).await;
    if found.is_empty() && !is_idle_harmless(world).await {
        found.push("a roll-up changes something though nothing happened".to_owned());
    }
    for mismatch in found {
        world.mismatch(mismatch);
    }
}

/// When all days were closed.
pub(super) fn closed(world: &Arc<World>) {
    let mut open = Vec::new();
    let found = figures(world, |figures| {
        if !figures.is_final || !figures.verified {
            open.push((figures.is_final, figures.verified));
        }
    });
    let open = open.into_iter().map(|(is_final, verified)| {
        format!("a day that takes no more events is final: {is_final}, verified: {verified}")
    });
    for mismatch in found.into_iter().chain(open) {
        world.mismatch(mismatch);
    }
}

/// The events, users and rejected items that are stored.
fn stored(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let rows = world.store.all_events();
    let rejected = world.store.all_rejected();
    world.with_truth(|truth, _| {
        let keys: BTreeSet<Key> = rows.iter().map(|row| key_of(row, truth)).collect();
        let wanted: BTreeSet<Key> = truth.events.keys().cloned().collect();
        let missing: Vec<_> = wanted.difference(&keys).collect();
        let extra: Vec<_> = keys.difference(&wanted).collect();
        if !missing.is_empty() || !extra.is_empty() {
            found.push(format!("stored events: {missing:?} are missing, {extra:?} are too many"));
        }
        if rows.len() != keys.len() {
            found.push(format!("{} events are stored more than once", rows.len() - keys.len()));
        }
        let mut by_day: BTreeMap<NaiveDate, u64> = BTreeMap::new();
        for row in &rejected {
            *by_day.entry(row.arrival_date).or_default() += row.rejection.count;
        }
        equal(&mut found, "rejected items", &by_day, &truth.rejected);
        let profiles = world.store.all_profiles();
        let first: BTreeMap<&str, NaiveDate> =
            profiles.iter().map(|profile| (profile.user_id.as_str(), profile.date)).collect();
        equal(&mut found, "first days of users", &first, &truth.first_days(&world.rules));
    });
    found
}

/// An event without an id of its own is known by the place it came from.
fn key_of(row: &EventRow<'_>, truth: &Truth) -> Key {
    let given = Key { timestamp_ms: row.event.timestamp_ms, id: Id::Given(row.event.id.clone().into_owned()) };
    if truth.events.contains_key(&given) {
        return given;
    }
    Key { timestamp_ms: row.event.timestamp_ms, id: Id::Origin(row.origin.to_string()) }
}

/// The figures of every day.
fn figures(world: &World, mut look: impl FnMut(&Figures)) -> Vec<String> {
    let mut found = Vec::new();
    let rows: BTreeMap<NaiveDate, _> = world.store.all_dailies().into_iter().map(|row| (row.date, row)).collect();
    world.with_truth(|truth, loose| {
        for date in truth.days() {
            let Some(row) = rows.get(&date) else {
                found.push(format!("{date} has no figures"));
                continue;
            };
            match DailyMetrics::from_object(&row.data) {
                Ok(metrics) => {
                    look(&metrics.figures);
                    let day = OneDay { date, truth, rules: &world.rules, is_loose: loose.contains(&date) };
                    day.compare(&metrics.figures, &mut found);
                }
                Err(error) => found.push(format!("{date}: {error}")),
            }
        }
    });
    found
}

struct OneDay<'a> {
    date: NaiveDate,
    truth: &'a Truth,
    rules: &'a TimeRules,
    /// Whether duplicates are only a lower bound.
    is_loose: bool,
}

impl OneDay<'_> {
    fn compare(&self, figures: &Figures, found: &mut Vec<String>) {
        let day = self.truth.day(self.date, self.rules);
        let mut differences = Vec::new();
        counters(figures, &day, &mut differences);
        let duplicates_fit =
            if self.is_loose { figures.duplicates <= day.duplicates } else { figures.duplicates == day.duplicates };
        if !duplicates_fit {
            differences.push(format!("duplicates are {}, not {}", figures.duplicates, day.duplicates));
        }
        sessions(figures, &day, &mut differences);
        let users = |days: u64| self.estimate(days);
        equal(&mut differences, "active users", &figures.active_users, &users(1));
        equal(&mut differences, "weekly users", &figures.weekly_active_users, &users(7));
        equal(&mut differences, "monthly users", &figures.monthly_active_users, &users(30));
        let first = self.truth.first_days(self.rules);
        let new = first.values().filter(|first| **first == self.date).count() as u64;
        let total = first.values().filter(|first| **first <= self.date).count() as u64;
        equal(&mut differences, "new users", &figures.new_signups_24h, &new);
        equal(&mut differences, "total users", &figures.total_users, &total);
        if figures.estimate.sources_set_aside > 0 {
            differences.push(format!("{} sources are set aside", figures.estimate.sources_set_aside));
        }
        found.extend(differences.into_iter().map(|difference| format!("{}: {difference}", self.date)));
    }

    /// What a sketch of exactly the right users says.
    fn estimate(&self, days: u64) -> u64 {
        let users = self.truth.users(days_before(self.date, days - 1), self.date, self.rules);
        let mut sketch = UserSketch::new(headcount_core::limits::DEFAULT_SKETCH_PRECISION).expect("a usual precision");
        for user in users {
            sketch.insert(user);
        }
        sketch.estimate().round() as u64
    }
}

fn counters(figures: &Figures, day: &Day, found: &mut Vec<String>) {
    // Built-in types are shown even where there is none of them.
    let by_type: BTreeMap<String, u64> = figures
        .events_by_type
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| (name.clone(), *count))
        .collect();
    equal(found, "events by type", &by_type, &day.by_type);
    equal(found, "events by hour", &figures.events_by_hour, &day.by_hour);
    equal(found, "features", &figures.feature_usage, &day.features);
    equal(found, "content", &figures.content_created.by_type, &day.content);
    equal(found, "errors", &figures.errors.by_type, &day.errors);
    equal(found, "platforms", &figures.platforms, &day.platforms);
    let models: BTreeMap<String, (u64, u64, u64)> = figures
        .ai_usage
        .by_model
        .iter()
        .map(|(name, model)| (name.clone(), (model.requests, model.tokens, model.cost_nanos)))
        .collect();
    equal(found, "models", &models, &day.models);
    equal(found, "rejected", &figures.rejected, &day.rejected);
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

/// The project's own proof must come to the same.
async fn verified(world: &Arc<World>, found: &mut Vec<String>) {
    let deps = deps(world, world.store.clone(), world.scenario.seed);
    for date in world.days() {
        match verify(&deps, date, Instant::now() + Duration::from_mins(15)).await {
            Ok(verification) => {
                let events = world.with_truth(|truth, _| truth.day(date, &world.rules).events);
                equal(found, "verified events", &verification.events(), &events);
                equal(found, "events in flight", &verification.in_flight(), &0);
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
