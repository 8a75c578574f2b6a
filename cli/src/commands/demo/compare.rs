//! Whether a figure is what it must be. Counters are exact; users and sampled sessions are estimates whose error is known.

use headcount_core::latency::RELATIVE_ERROR;
use headcount_core::limits::SESSION_SAMPLE_SIZE;
use serde_json::Value;

/// How far unique users may be from the truth, as a share of it.
const USERS_TOLERANCE: f64 = 0.01;

/// Beyond so many users a sketch is no longer nearly exact, and 3 of its standard errors may be more than that share.
const NEARLY_EXACT_USERS: f64 = 5_000.0;

/// Standard errors that an honest estimate stays within, but for one in some 370.
const STANDARD_ERRORS: f64 = 3.0;

/// How far two sums of the same floating-point numbers may lie apart, as a share of them.
const ROUNDING: f64 = 1e-9;

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The very same.
    Equal,
    /// An estimate, within its bounds.
    Within,
    /// Not what it must be.
    Differs,
    /// There is nothing to compare with.
    Shown,
}

impl Verdict {
    /// The mark in a table.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Within => "~",
            Self::Differs => "DIFFERS",
            Self::Shown => "",
        }
    }
}

/// What is known of a day beside its figures: how far its estimates may be off.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    /// The standard error of user figures, as a share of them, as the day itself states it.
    pub(super) users_relative_standard_error: f64,
    /// The true standard deviation of session durations, milliseconds.
    pub(super) session_deviation_ms: f64,
    /// The true durations, sorted, milliseconds.
    pub(super) durations_ms: Vec<u64>,
}

impl Bounds {
    /// Judges the figure at `path`.
    pub(super) fn judge(&self, path: &[String], counted: &Value, truth: &Value) -> Verdict {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        // Rejected ones count by arrival, while the truth knows only the events' own time; compared as a sum.
        // How far an estimate may be off follows from the sketch and the sample, not from the truth.
        if let ["rejected" | "final" | "verified"]
        | ["proof", ..]
        | [
            "estimate",
            "usersRelativeStandardError"
            | "accountsRelativeStandardError"
            | "latencyRelativeError"
            | "sessionIntervals",
            ..,
        ] = names.as_slice()
        {
            return Verdict::Shown;
        }
        if equal(counted, truth) {
            return Verdict::Equal;
        }
        let (Some(counted), Some(truth)) = (counted.as_f64(), truth.as_f64()) else { return Verdict::Differs };
        let within = match names.as_slice() {
            ["activeUsers" | "dailyActiveUsers" | "weeklyActiveUsers" | "monthlyActiveUsers"] => {
                (counted - truth).abs() <= self.users_tolerance(truth)
            }
            ["aiUsage", "byModel", _, "latency", "p50" | "p95"] => (counted - truth).abs() <= RELATIVE_ERROR * truth,
            ["averageSessionDuration"] if self.is_sampled() => (counted - truth).abs() <= self.average_tolerance(),
            ["sessions", "count"] if self.is_sampled() => (counted - truth).abs() <= Self::count_tolerance(truth),
            ["sessions", "p50"] if self.is_sampled() => self.is_near_percentile(counted, 0.5),
            ["sessions", "p95"] if self.is_sampled() => self.is_near_percentile(counted, 0.95),
            _ => false,
        };
        if within { Verdict::Within } else { Verdict::Differs }
    }

    fn is_sampled(&self) -> bool {
        self.durations_ms.len() > SESSION_SAMPLE_SIZE
    }

    fn users_tolerance(&self, truth: f64) -> f64 {
        let share = if truth > NEARLY_EXACT_USERS {
            USERS_TOLERANCE.max(STANDARD_ERRORS * self.users_relative_standard_error)
        } else {
            USERS_TOLERANCE
        };
        truth * share
    }

    /// The mean of k drawn without replacement out of n: deviation / sqrt(k), times sqrt(1 - k / n). Event counts make the
    /// estimate more exact than that.
    fn average_tolerance(&self) -> f64 {
        let (sample, all) = (SESSION_SAMPLE_SIZE as f64, self.durations_ms.len() as f64);
        STANDARD_ERRORS * self.session_deviation_ms / sample.sqrt() * (1.0 - sample / all).max(0.0).sqrt()
    }

    /// The k-th smallest hash estimates a number with a relative standard error of at most 1 / sqrt(k - 2).
    fn count_tolerance(truth: f64) -> f64 {
        STANDARD_ERRORS * truth / (SESSION_SAMPLE_SIZE as f64 - 2.0).sqrt()
    }

    /// A percentile of a sample is the true percentile of a share that is off by sqrt(q (1 - q) / k).
    fn is_near_percentile(&self, counted: f64, q: f64) -> bool {
        let off = STANDARD_ERRORS * (q * (1.0 - q) / SESSION_SAMPLE_SIZE as f64).sqrt();
        let at = |q: f64| {
            let rank = (q.clamp(0.0, 1.0) * self.durations_ms.len() as f64).ceil() as usize;
            self.durations_ms.get(rank.max(1) - 1).map_or(0.0, |ms| *ms as f64)
        };
        (at(q - off)..=at(q + off)).contains(&counted)
    }
}

fn equal(counted: &Value, truth: &Value) -> bool {
    match (counted.as_u64(), truth.as_u64()) {
        (Some(counted), Some(truth)) => counted == truth,
        _ => match (counted.as_f64(), truth.as_f64()) {
            (Some(counted), Some(truth)) => (counted - truth).abs() <= ROUNDING * counted.abs().max(truth.abs()),
            _ => counted == truth,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(bounds: &Bounds, path: &str, counted: Value, truth: Value, wanted: Verdict) {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        assert_eq!(bounds.judge(&path, &counted, &truth), wanted, "{path:?}: {counted} for {truth}");
    }

    fn sampled() -> Bounds {
        // 16,384 sessions of 0 to 16,383 ms: deviation 4,729.7, a sample of a quarter.
        Bounds {
            users_relative_standard_error: 0.008,
            session_deviation_ms: 4_729.7,
            durations_ms: (0..16_384).collect(),
        }
    }

    #[test]
    fn counters_are_exact() {
        let bounds = sampled();
        for path in ["eventsByType.error", "totalUsers", "newSignups24h", "aiUsage.totalCostNanos", "eventsByHour.07"] {
            check(&bounds, path, json!(1_000_000), json!(1_000_000), Verdict::Equal);
            check(&bounds, path, json!(1_000_001), json!(1_000_000), Verdict::Differs);
        }
        check(&bounds, "estimate.sessionsExact", json!(true), json!(false), Verdict::Differs);
        check(&bounds, "estimate.sourcesSetAside", json!(1), json!(0), Verdict::Differs);
        check(&bounds, "aiUsage.totalCost", json!(0.1 + 0.2), json!(0.3), Verdict::Equal);
        check(&bounds, "aiUsage.totalCost", json!(0.300_001), json!(0.3), Verdict::Differs);
        check(&bounds, "eventsByType.error", json!(3.0), json!(3), Verdict::Equal);
        check(&bounds, "eventsByType.error", json!("3"), json!(3), Verdict::Differs);
    }

    #[test]
    fn latencies_are_within_a_bucket() {
        let bounds = Bounds::default();
        check(&bounds, "aiUsage.byModel.m.latency.p95", json!(1_031), json!(1_000), Verdict::Within);
        check(&bounds, "aiUsage.byModel.m.latency.p95", json!(1_032), json!(1_000), Verdict::Differs);
        check(&bounds, "aiUsage.byModel.m.latency.count", json!(9), json!(10), Verdict::Differs);
    }

    #[test]
    fn unique_users_are_within_one_percent() {
        let bounds = sampled();
        for path in ["activeUsers", "dailyActiveUsers", "weeklyActiveUsers", "monthlyActiveUsers"] {
            check(&bounds, path, json!(1_010), json!(1_000), Verdict::Within);
            check(&bounds, path, json!(1_011), json!(1_000), Verdict::Differs);
            check(&bounds, path, json!(51), json!(50), Verdict::Differs);
            // Beyond what a sketch keeps nearly exactly: 3 standard errors of 0.8 %.
            check(&bounds, path, json!(102_300), json!(100_000), Verdict::Within);
            check(&bounds, path, json!(102_500), json!(100_000), Verdict::Differs);
        }
    }

    #[test]
    fn sessions_are_exact_while_all_fit_into_the_sample() {
        let bounds = Bounds { durations_ms: (0..4_096).collect(), session_deviation_ms: 1e6, ..Bounds::default() };
        for path in ["averageSessionDuration", "sessions.count", "sessions.p50", "sessions.p95"] {
            check(&bounds, path, json!(500), json!(500), Verdict::Equal);
            check(&bounds, path, json!(501), json!(500), Verdict::Differs);
        }
    }

    #[test]
    fn sampled_sessions_are_within_three_standard_errors() {
        let bounds = sampled();
        // 3 * 4729.7 / 64 * sqrt(3 / 4) = 192.0
        check(&bounds, "averageSessionDuration", json!(8_383.0), json!(8_191.5), Verdict::Within);
        check(&bounds, "averageSessionDuration", json!(8_384.0), json!(8_191.5), Verdict::Differs);
        // 3 * 16384 / sqrt(4094) = 768.2
        check(&bounds, "sessions.count", json!(17_152), json!(16_384), Verdict::Within);
        check(&bounds, "sessions.count", json!(17_153), json!(16_384), Verdict::Differs);
        // 3 * sqrt(0.25 / 4096) = 0.0234375 of 16,384 ranks: 384.
        check(&bounds, "sessions.p50", json!(8_191 - 384), json!(8_191), Verdict::Within);
        check(&bounds, "sessions.p50", json!(8_191 - 385), json!(8_191), Verdict::Differs);
        check(&bounds, "sessions.p50", json!(8_191 + 384), json!(8_191), Verdict::Within);
        check(&bounds, "sessions.p95", json!(15_564 + 400), json!(15_564), Verdict::Differs);
    }

    #[test]
    fn what_the_truth_cannot_know_is_only_shown() {
        for path in [
            "rejected",
            "final",
            "verified",
            "proof.usersBy.platforms.web",
            "estimate.usersRelativeStandardError",
            "estimate.sessionIntervals.p50.low",
        ] {
            check(&sampled(), path, json!(9), json!(0), Verdict::Shown);
        }
    }
}
