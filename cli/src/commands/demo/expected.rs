//! What a day's figures must be, from the generator's truth.

use std::collections::BTreeMap;

use headcount_core::exact::ExactLatency;
use headcount_core::limits::SESSION_SAMPLE_SIZE;
use headcount_core::metrics::{AiUsage, Breakdown, DailyMetrics, Figures, ModelFigures, SessionFigures};

use crate::generate::truth::{AiCounts, Counts, DayTruth};

/// Nano-dollars of a dollar.
const NANOS: f64 = 1e9;

/// The true figures of a day. What only the pipeline knows (the standard error of its sketches, whether the day is
/// closed) is left at its default, and so is `rejected`: that counts by arrival.
pub(super) fn figures(truth: &DayTruth) -> DailyMetrics {
    let mut expected = DailyMetrics::empty(truth.date);
    let counts = &truth.counts;
    let figures = Figures {
        active_users: truth.active_users,
        daily_active_users: truth.active_users,
        weekly_active_users: truth.weekly_users,
        monthly_active_users: truth.monthly_users,
        total_users: truth.total_users,
        new_signups_24h: truth.new_users,
        average_session_duration: truth.sessions.average_ms,
        sessions: SessionFigures {
            count: truth.sessions.count,
            p50: truth.sessions.p50_ms.unsigned_abs(),
            p95: truth.sessions.p95_ms.unsigned_abs(),
        },
        feature_usage: named(&counts.features),
        content_created: breakdown(&counts.content),
        ai_usage: ai(counts),
        errors: breakdown(&counts.errors),
        events_by_hour: counts.by_hour.to_vec(),
        platforms: named(&counts.platforms),
        duplicates: counts.duplicates,
        ..expected.figures.clone()
    };
    expected.figures = figures;
    expected.figures.events_by_type.extend(named(&counts.by_type));
    expected.figures.estimate.sessions_exact = truth.sessions.count <= SESSION_SAMPLE_SIZE as u64;
    expected
}

fn named(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn breakdown(counts: &BTreeMap<&'static str, u64>) -> Breakdown {
    Breakdown { total: counts.values().sum(), by_type: named(counts) }
}

fn ai(counts: &Counts) -> AiUsage {
    let dollars = |nanos: u64| nanos as f64 / NANOS;
    let model = |name: &str, used: &AiCounts| ModelFigures {
        requests: used.requests,
        tokens: used.tokens,
        cost: dollars(used.cost_nanos),
        cost_nanos: used.cost_nanos,
        latency: counts.latencies.get(name).map(ExactLatency::of).unwrap_or_default().into(),
        ..ModelFigures::default()
    };
    let (all, models) = (&counts.ai, &counts.models);
    AiUsage {
        total_requests: all.requests,
        total_tokens: all.tokens,
        total_cost: dollars(all.cost_nanos),
        total_cost_nanos: all.cost_nanos,
        by_model: models.iter().map(|(name, used)| ((*name).to_owned(), model(name, used))).collect(),
        ..AiUsage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::truth::SessionFigures as TrueSessions;

    #[test]
    fn every_true_figure_has_its_field() {
        let ai = AiCounts { requests: 2, tokens: 30, cost_nanos: 2_500_000_000 };
        let counts = Counts {
            events: 9,
            duplicates: 1,
            by_type: BTreeMap::from([("page_view", 4)]),
            by_hour: [3; 24],
            platforms: BTreeMap::from([("web", 9)]),
            features: BTreeMap::from([("search", 5)]),
            content: BTreeMap::from([("note", 1), ("page", 2)]),
            ai,
            models: BTreeMap::from([("m", ai)]),
            latencies: BTreeMap::from([("m", BTreeMap::from([(200, 1), (300, 1)]))]),
            errors: BTreeMap::from([("network", 6)]),
        };
        let sessions = TrueSessions { count: 4_097, average_ms: 1.5, p50_ms: 1, p95_ms: 2, deviation_ms: 0.5 };
        let truth = DayTruth {
            date: "2026-03-01".parse().unwrap(),
            active_users: 1,
            weekly_users: 2,
            monthly_users: 3,
            new_users: 4,
            total_users: 5,
            counts,
            sessions,
        };
        let day = serde_json::to_value(figures(&truth)).unwrap();
        for (pointer, wanted) in [
            ("/date", serde_json::json!("2026-03-01")),
            ("/activeUsers", 1.into()),
            ("/dailyActiveUsers", 1.into()),
            ("/weeklyActiveUsers", 2.into()),
            ("/monthlyActiveUsers", 3.into()),
            ("/newSignups24h", 4.into()),
            ("/totalUsers", 5.into()),
            ("/averageSessionDuration", 1.5.into()),
            ("/sessions/count", 4_097.into()),
            ("/sessions/p95", 2.into()),
            ("/featureUsage/search", 5.into()),
            ("/contentCreated/total", 3.into()),
            ("/contentCreated/byType/page", 2.into()),
            ("/aiUsage/totalCost", 2.5.into()),
            ("/aiUsage/byModel/m/tokens", 30.into()),
            ("/aiUsage/byModel/m/latency/p95", 300.into()),
            ("/errors/total", 6.into()),
            ("/eventsByType/page_view", 4.into()),
            ("/eventsByType/error", 0.into()),
            ("/eventsByHour/23", 3.into()),
            ("/platforms/web", 9.into()),
            ("/duplicates", 1.into()),
            ("/estimate/sessionsExact", false.into()),
        ] {
            assert_eq!(day.pointer(pointer), Some(&wanted), "{pointer}");
        }
    }
}
