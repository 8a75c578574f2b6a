//! Figures out of counters, sketch and sample.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    AiUsage, Breakdown, DailyMetrics, Estimate, Figures, LatencyFigures, ModelFigures, SessionFigures, SpentFigures,
};
use crate::counters::{CappedMap, Counters, ModelUse, OTHER, Spent, Weigh};
use crate::event::EventType;
use crate::exact::ExactLatency;
use crate::latency::{Latencies, ModelLatencies, RELATIVE_ERROR};
use crate::limits::MAX_COUNTER_NAMES;
use crate::session_sample::{SessionEstimates, SessionSample};
use crate::user_sketch::UserSketch;

/// All that a day's figures are made of.
#[derive(Clone, Copy, Debug)]
pub struct DayInput<'a> {
    /// The day.
    pub date: NaiveDate,
    /// The sum of all sources' counters.
    pub counters: &'a Counters,
    /// Different users.
    pub users: u64,
    /// The standard error of user figures, as a share of them.
    pub users_relative_standard_error: f64,
    /// Different accounts.
    pub accounts: u64,
    /// The standard error of account figures, as a share of them.
    pub accounts_relative_standard_error: f64,
    /// The sample of all sources' sessions.
    pub sessions: &'a SessionSample,
    /// Different users of the 7 days that end with this one.
    pub weekly_users: u64,
    /// Different users of the 30 days that end with this one.
    pub monthly_users: u64,
    /// Different accounts of the 7 days that end with this one.
    pub weekly_accounts: u64,
    /// Different accounts of the 30 days that end with this one.
    pub monthly_accounts: u64,
    /// Users first seen on this day.
    pub new_users: u64,
    /// Users ever seen up to the end of this day.
    pub total_users: u64,
    /// Sources whose partials are damaged.
    pub sources_set_aside: u32,
    /// Whether the day takes no more events and is proven with all that it took.
    pub is_final: bool,
}

impl DailyMetrics {
    /// The figures of a day.
    pub fn of_day(input: &DayInput<'_>) -> Self {
        let session_figures =
            input.sessions.figures(input.counters.events.saturating_sub(input.counters.without_session));
        let mut figures = Figures {
            active_users: input.users,
            total_users: input.total_users,
            new_signups_24h: input.new_users,
            daily_active_users: input.users,
            weekly_active_users: input.weekly_users,
            monthly_active_users: input.monthly_users,
            active_accounts: input.accounts,
            weekly_active_accounts: input.weekly_accounts,
            monthly_active_accounts: input.monthly_accounts,
            average_session_duration: session_figures.average_ms,
            sessions: sessions(&session_figures),
            estimate: Estimate {
                users_relative_standard_error: finite(input.users_relative_standard_error),
                accounts_relative_standard_error: finite(input.accounts_relative_standard_error),
                latency_relative_error: 0.0,
                sessions_exact: input.sessions.is_exact(),
                session_intervals: session_figures.intervals,
                sources_set_aside: input.sources_set_aside,
                names_approximate: false,
            },
            is_final: input.is_final,
            ..Figures::default()
        };
        count(&mut figures, &input.counters.capped());
        Self { date: input.date, figures }
    }
}

/// JSON has no other numbers, and the day could not be read again.
fn finite(error: f64) -> f64 {
    if error.is_finite() { error } else { 0.0 }
}

/// Sets the figures that are counters, with every name that these list.
pub(super) fn count(figures: &mut Figures, counters: &Counters) {
    figures.events_by_type = built_in_types();
    figures.events_by_type.extend(named(&counters.by_type));
    figures.events_by_hour = counters.by_hour.to_vec();
    figures.feature_usage = named(&counters.features);
    figures.content_created = Breakdown { total: counters.content.total(), by_type: named(&counters.content) };
    figures.ai_usage = ai(counters);
    figures.errors = Breakdown { total: counters.errors.total(), by_type: named(&counters.errors) };
    figures.platforms = named(&counters.platforms);
    figures.accounts = named(&counters.accounts);
    figures.rejected = counters.rejected;
    figures.duplicates = counters.duplicates;
    figures.events_without_user = counters.without_user;
    figures.events_without_session = counters.without_session;
    figures.estimate.names_approximate = counters.is_approximate();
    let is_measured = figures.ai_usage.by_model.values().any(|model| model.latency.count > 0);
    figures.estimate.latency_relative_error = if is_measured { RELATIVE_ERROR } else { 0.0 };
}

/// The figures of a range of days, in their order: `users` and `accounts` are unions of the days' sketches, `sessions` of their
/// samples. Counters are summed; `totalUsers` and the weekly and monthly users are those of the last day;
/// `dailyActiveUsers` is the mean; `final` and `verified` need all days.
pub fn total<'a>(
    days: impl IntoIterator<Item = &'a DailyMetrics>,
    users: &mut UserSketch,
    accounts: &mut UserSketch,
    sessions: &SessionSample,
) -> Figures {
    let days: Vec<_> = days.into_iter().collect();
    let Some(last) = days.last().map(|day| &day.figures) else {
        return DailyMetrics::empty(NaiveDate::MIN).figures;
    };
    // Every event belongs to an hour; the sample's sessions cross days, their events add up.
    let add = |sum: u64, count: &u64| sum.saturating_add(*count);
    let events = days.iter().flat_map(|day| &day.figures.events_by_hour).fold(0, add);
    let without_session = days.iter().map(|day| &day.figures.events_without_session).fold(0, add);
    let session_figures = sessions.figures(events.saturating_sub(without_session));
    let mut sum = Figures {
        average_session_duration: session_figures.average_ms,
        sessions: self::sessions(&session_figures),
        active_users: users.estimate().round() as u64,
        total_users: last.total_users,
        weekly_active_users: last.weekly_active_users,
        monthly_active_users: last.monthly_active_users,
        active_accounts: accounts.estimate().round() as u64,
        weekly_active_accounts: last.weekly_active_accounts,
        monthly_active_accounts: last.monthly_active_accounts,
        events_by_type: built_in_types(),
        events_by_hour: vec![0; 24],
        estimate: Estimate {
            users_relative_standard_error: users.relative_standard_error(),
            accounts_relative_standard_error: accounts.relative_standard_error(),
            latency_relative_error: 0.0,
            sessions_exact: sessions.is_exact(),
            session_intervals: session_figures.intervals,
            sources_set_aside: 0,
            names_approximate: false,
        },
        is_final: true,
        verified: true,
        ..Figures::default()
    };
    let mut daily_users = 0u64;
    for day in days.iter().map(|day| &day.figures) {
        daily_users = daily_users.saturating_add(day.daily_active_users);
        add_day(&mut sum, day);
    }
    sum.daily_active_users = (daily_users as f64 / days.len() as f64).round() as u64;
    for map in [
        &mut sum.feature_usage,
        &mut sum.content_created.by_type,
        &mut sum.errors.by_type,
        &mut sum.events_by_type,
        &mut sum.platforms,
        &mut sum.accounts,
    ] {
        cap(map, |count| *count, |into, count| *into = into.saturating_add(*count));
    }
    cap(&mut sum.ai_usage.by_model, |model| model.requests, add_model);
    let AiUsage { by_account, by_feature, by_user, .. } = &mut sum.ai_usage;
    for map in [by_account, by_feature, by_user] {
        cap(map, |spent| spent.cost_nanos.saturating_add(spent.requests), add_spent);
    }
    sum.ai_usage.total_cost = dollars(u128::from(sum.ai_usage.total_cost_nanos));
    sum
}

fn add_day(sum: &mut Figures, day: &Figures) {
    let add = |into: &mut u64, count: u64| *into = into.saturating_add(count);
    add(&mut sum.new_signups_24h, day.new_signups_24h);
    add(&mut sum.rejected, day.rejected);
    add(&mut sum.duplicates, day.duplicates);
    add(&mut sum.events_without_user, day.events_without_user);
    add(&mut sum.events_without_session, day.events_without_session);
    add(&mut sum.content_created.total, day.content_created.total);
    add(&mut sum.errors.total, day.errors.total);
    add(&mut sum.ai_usage.total_requests, day.ai_usage.total_requests);
    add(&mut sum.ai_usage.total_tokens, day.ai_usage.total_tokens);
    add(&mut sum.ai_usage.total_cost_nanos, day.ai_usage.total_cost_nanos);
    add(&mut sum.ai_usage.failed_requests, day.ai_usage.failed_requests);
    add(&mut sum.ai_usage.unpriced_requests, day.ai_usage.unpriced_requests);
    for (into, count) in sum.events_by_hour.iter_mut().zip(&day.events_by_hour) {
        add(into, *count);
    }
    for (into, from) in [
        (&mut sum.feature_usage, &day.feature_usage),
        (&mut sum.content_created.by_type, &day.content_created.by_type),
        (&mut sum.errors.by_type, &day.errors.by_type),
        (&mut sum.events_by_type, &day.events_by_type),
        (&mut sum.platforms, &day.platforms),
        (&mut sum.accounts, &day.accounts),
    ] {
        for (name, count) in from {
            add(into.entry(name.clone()).or_default(), *count);
        }
    }
    for (name, used) in &day.ai_usage.by_model {
        add_model(sum.ai_usage.by_model.entry(name.clone()).or_default(), used);
    }
    for (into, from) in [
        (&mut sum.ai_usage.by_account, &day.ai_usage.by_account),
        (&mut sum.ai_usage.by_feature, &day.ai_usage.by_feature),
        (&mut sum.ai_usage.by_user, &day.ai_usage.by_user),
    ] {
        for (name, spent) in from {
            add_spent(into.entry(name.clone()).or_default(), spent);
        }
    }
    sum.estimate.sources_set_aside = sum.estimate.sources_set_aside.saturating_add(day.estimate.sources_set_aside);
    sum.estimate.names_approximate |= day.estimate.names_approximate;
    sum.is_final &= day.is_final;
    sum.verified &= day.verified;
}

/// The five types that every deployment knows, none counted yet.
pub(super) fn built_in_types() -> BTreeMap<String, u64> {
    EventType::BUILT_IN.iter().map(|known| (known.as_str().to_owned(), 0)).collect()
}

fn named(map: &CappedMap<u64>) -> BTreeMap<String, u64> {
    map.iter().map(|(name, count)| (name.to_string(), *count)).collect()
}

/// The names of most weight, as [`CappedMap`] keeps them; the rest under [`OTHER`].
fn cap<V: Clone + Default>(map: &mut BTreeMap<String, V>, weight: impl Fn(&V) -> u64, add: impl Fn(&mut V, &V)) {
    let mut ranked: Vec<(String, V)> =
        map.iter().filter(|(name, _)| *name != OTHER).map(|(name, value)| (name.clone(), value.clone())).collect();
    ranked.sort_by(|a, b| weight(&b.1).cmp(&weight(&a.1)).then(a.0.cmp(&b.0)));
    for (name, value) in ranked.iter().skip(MAX_COUNTER_NAMES) {
        map.remove(name);
        add(map.entry(OTHER.to_owned()).or_default(), value);
    }
}

fn model(used: &ModelUse) -> ModelFigures {
    ModelFigures {
        requests: used.requests,
        tokens: used.tokens,
        cost: dollars(used.cost_nanos),
        cost_nanos: nanos(used.cost_nanos),
        errors: used.errors,
        unpriced: used.unpriced,
        latency: LatencyFigures::of(&used.latencies),
    }
}

impl LatencyFigures {
    /// Of these durations.
    pub fn of(latencies: &Latencies) -> Self {
        Self { count: latencies.count(), p50: latencies.percentile(50), p95: latencies.percentile(95) }
    }
}

impl From<ExactLatency> for LatencyFigures {
    fn from(exact: ExactLatency) -> Self {
        Self { count: exact.count, p50: exact.p50_ms, p95: exact.p95_ms }
    }
}

impl Figures {
    /// Sets how long requests took over a range of days, of the models that are listed.
    pub fn set_latencies(&mut self, latencies: &ModelLatencies) {
        for (name, model) in &mut self.ai_usage.by_model {
            model.latency = latencies.0.get(&**name).map(LatencyFigures::of).unwrap_or_default();
        }
        let is_measured = self.ai_usage.by_model.values().any(|model| model.latency.count > 0);
        self.estimate.latency_relative_error = if is_measured { RELATIVE_ERROR } else { 0.0 };
    }

    /// The same where they are known exactly.
    pub fn set_exact_latencies(&mut self, latencies: &BTreeMap<String, ExactLatency>) {
        for (name, model) in &mut self.ai_usage.by_model {
            model.latency = latencies.get(name).copied().unwrap_or_default().into();
        }
        self.estimate.latency_relative_error = 0.0;
    }
}

fn add_model(into: &mut ModelFigures, used: &ModelFigures) {
    Weigh::add(&mut into.requests, &used.requests);
    Weigh::add(&mut into.tokens, &used.tokens);
    Weigh::add(&mut into.cost_nanos, &used.cost_nanos);
    Weigh::add(&mut into.errors, &used.errors);
    Weigh::add(&mut into.unpriced, &used.unpriced);
    into.cost = dollars(u128::from(into.cost_nanos));
}

fn spent(spent: &Spent) -> SpentFigures {
    SpentFigures {
        requests: spent.requests,
        tokens: spent.tokens,
        cost: dollars(spent.cost_nanos),
        cost_nanos: nanos(spent.cost_nanos),
    }
}

fn add_spent(into: &mut SpentFigures, spent: &SpentFigures) {
    Weigh::add(&mut into.requests, &spent.requests);
    Weigh::add(&mut into.tokens, &spent.tokens);
    Weigh::add(&mut into.cost_nanos, &spent.cost_nanos);
    into.cost = dollars(u128::from(into.cost_nanos));
}

fn ai(counters: &Counters) -> AiUsage {
    let all = counters.models.total();
    let spenders = |map: &CappedMap<Spent>| map.iter().map(|(name, one)| (name.to_string(), spent(one))).collect();
    AiUsage {
        total_requests: all.requests,
        total_tokens: all.tokens,
        total_cost: dollars(all.cost_nanos),
        total_cost_nanos: nanos(all.cost_nanos),
        failed_requests: all.errors,
        unpriced_requests: all.unpriced,
        by_model: counters.models.iter().map(|(name, used)| (name.to_string(), model(used))).collect(),
        by_account: spenders(&counters.ai_accounts),
        by_feature: spenders(&counters.ai_features),
        by_user: spenders(&counters.ai_users),
    }
}

fn sessions(figures: &SessionEstimates) -> SessionFigures {
    SessionFigures { count: figures.count.round() as u64, p50: figures.p50_ms, p95: figures.p95_ms }
}

fn dollars(nanos: u128) -> f64 {
    nanos as f64 / 1e9
}

fn nanos(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(u64::MAX)
}
