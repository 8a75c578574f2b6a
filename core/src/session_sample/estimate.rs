//! Figures of all sessions from a sample of them, each with a 95 % confidence interval.
//!
//! The sample is a simple random sample without replacement of n out of N sessions, because hashes do not depend on what
//! happens in a session. N is unknown; the number of events X of all sessions is known exactly. Let x be a session's
//! events and y its duration.
//!
//! - **Count.** The largest hash h in the sample, as a share of all hashes, estimates N by (n - 1) / h (Bar-Yossef et al.,
//!   Counting Distinct Elements in a Data Stream, 2002) with the relative variance (1 - (n - 1) / N) / (n - 2) (Beyer et
//!   al., On Synopses for Distinct-Value Estimation Under Multiset Operations, 2007). X / mean(x) is a second, independent
//!   estimate, with the relative variance (1 - n / N) s²(x) / (n mean(x)²). The count is their mean, weighted by the inverse
//!   of their variances.
//! - **Mean duration.** The regression estimator mean(y) + b (X / N - mean(x)) (Cochran, Sampling Techniques, 3rd ed.,
//!   chapter 7), with N from the hashes and with the slope that minimizes the variance under both errors, that of N and that
//!   of the sample. Each residual is divided by 1 - its leverage, as if the slope had been fitted without the session
//!   (HC3 in Long and Ervin, 2000).
//! - **Guard.** Where the events of one session are more than `MAX_LEVERAGE` of the sum of squares of x, the sample says
//!   too little about long sessions to extrapolate: count and mean then use no events (Cochran, chapters 2 and 6).
//! - **Interval of the mean.** Durations are skewed, so mean and variance of a sample err together. Hall's cubic
//!   transformation (On the Removal of Skewness by Transformation, 1992) corrects for that, with the coefficients for sampling
//!   without replacement (Sugden, Smith and Jones, Cochran's Rule for Simple Random Sampling, 2000), and Student's t instead
//!   of the normal distribution, with the degrees of freedom that the kurtosis leaves to the variance (Satterthwaite, 1946).
//! - **Percentiles.** The sample's nearest rank, between the order statistics whose ranks a binomial variable lies between,
//!   narrowed by 1 - n / N (David and Nagaraja, Order Statistics, 3rd ed., section 7.1). No distribution is assumed.

use serde::{Deserialize, Serialize};

use crate::exact::ExactSessions;

use super::{HASH_BITS, Span};

/// The quantile of the normal distribution that leaves 2.5 % on either side.
const NORMAL_95: f64 = 1.959_964;

/// The largest share of the sum of squared deviations of event counts that one session may have.
const MAX_LEVERAGE: f64 = 0.1;

/// How many times the kurtosis of a sample is taken, because a sample shows too little of a heavy tail. Found by simulation:
/// without it, only 89 of 100 intervals hold the mean of durations with a Pareto tail of 1.2; with it, 93.
const KURTOSIS_FACTOR: f64 = 4.0;

/// Fewest degrees of freedom of a variance: with fewer, the expansion of Student's t does not hold.
const FEWEST_DEGREES: f64 = 3.0;

/// A 95 % confidence interval. Both ends are the figure itself where it is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// How far the farther end is from `figure`, as a share of it; 0 where the figure is 0.
    pub fn share_of(self, figure: f64) -> f64 {
        let off = (self.high - figure).max(figure - self.low).max(0.0);
        if figure > 0.0 { off / figure } else { 0.0 }
    }

    fn exact(figure: f64) -> Self {
        Self { low: figure, high: figure }
    }
}

/// 95 % confidence intervals of the figures of sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionIntervals {
    /// Of the number of sessions.
    pub count: Interval,
    /// Of the mean duration, milliseconds.
    pub average_duration: Interval,
    /// Of the median duration, milliseconds.
    pub p50: Interval,
    /// Of the duration that 95 of 100 sessions do not exceed, milliseconds.
    pub p95: Interval,
}

impl SessionIntervals {
    /// Both ends of each are the figure: nothing is estimated.
    pub fn exact(sessions: &ExactSessions) -> Self {
        let at = |figure: f64| Interval { low: figure, high: figure };
        Self {
            count: at(sessions.count as f64),
            average_duration: at(sessions.average_ms()),
            p50: at(sessions.p50_ms as f64),
            p95: at(sessions.p95_ms as f64),
        }
    }
}

/// Figures of all sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SessionEstimates {
    /// How many.
    pub count: f64,
    /// The standard error of `count`; 0 where exact.
    pub count_standard_error: f64,
    /// The mean time from a session's first event to its last, milliseconds; 0 where there is no session.
    pub average_ms: f64,
    /// The standard error of `average_ms`, milliseconds; 0 where exact.
    pub average_standard_error_ms: f64,
    /// The median duration (nearest rank), milliseconds; 0 where there is no session.
    pub p50_ms: u64,
    /// The 95th percentile of durations (nearest rank), milliseconds; 0 where there is no session.
    pub p95_ms: u64,
    /// How far they may be off.
    pub intervals: SessionIntervals,
}

/// An estimate of the mean duration with what its interval needs.
#[derive(Clone, Copy, Debug)]
struct Mean {
    ms: f64,
    /// The part of the variance that the durations, or their residuals, in the sample cause.
    sampled: f64,
    /// The part of the variance that the number of sessions causes.
    counted: f64,
    skewness: f64,
    kurtosis: f64,
}

impl Mean {
    fn variance(&self) -> f64 {
        self.sampled + self.counted
    }
}

/// The figures where all sessions are in the sample.
pub(super) fn exact(spans: &[Span]) -> SessionEstimates {
    let durations = sorted_durations(spans);
    let count = durations.len() as f64;
    // The sum of no floating-point numbers is -0.
    let average_ms = durations.iter().fold(0.0, |sum, ms| sum + *ms as f64) / count.max(1.0);
    let [p50_ms, p95_ms] = [0.50, 0.95].map(|q| at_rank(&durations, (q * count).ceil()));
    SessionEstimates {
        count,
        average_ms,
        p50_ms,
        p95_ms,
        intervals: SessionIntervals {
            count: Interval::exact(count),
            average_duration: Interval::exact(average_ms),
            p50: Interval::exact(p50_ms as f64),
            p95: Interval::exact(p95_ms as f64),
        },
        ..SessionEstimates::default()
    }
}

/// The number of sessions by the hashes of a full sample.
pub(super) fn sessions(spans: &[Span]) -> f64 {
    let Some(largest) = spans.last() else { return 0.0 };
    let share = (largest.hash as f64 + 1.0) / 2f64.powi(HASH_BITS as i32);
    // There are at least those in the sample, and one that is not.
    ((spans.len() as f64 - 1.0) / share).max(spans.len() as f64 + 1.0)
}

/// The figures from a full sample of sessions that have `events` events together.
pub(super) fn sampled(spans: &[Span], events: u64) -> SessionEstimates {
    let sample = Sample::new(spans, events);
    let uses_events = sample.uses_events();
    let (count, variance) = sample.count(uses_events);
    let count_standard_error = variance.sqrt();
    let plain = sample.mean(0.0);
    let regression = uses_events.then(|| sample.mean(sample.slope()));
    let mean = regression.filter(|mean| mean.variance() < plain.variance()).unwrap_or(plain);
    let durations = sorted_durations(spans);
    let [p50, p95] = [0.50, 0.95].map(|q| sample.percentile(&durations, q));
    let margin = NORMAL_95 * count_standard_error;
    let fewest = sample.n + 1.0;
    SessionEstimates {
        count,
        count_standard_error,
        average_ms: mean.ms,
        average_standard_error_ms: mean.variance().sqrt(),
        p50_ms: p50.0,
        p95_ms: p95.0,
        intervals: SessionIntervals {
            count: Interval { low: (count - margin).floor().max(fewest), high: (count + margin).ceil() },
            average_duration: sample.interval(&mean),
            p50: p50.1,
            p95: p95.1,
        },
    }
}

/// The moments of a full sample.
struct Sample<'a> {
    spans: &'a [Span],
    /// Sessions in the sample.
    n: f64,
    /// Sessions by the hashes.
    sessions: f64,
    /// The relative variance of `sessions`.
    sessions_variance: f64,
    /// The share of sessions that are not in the sample: the finite population correction.
    rest: f64,
    /// Events a session, in the sample and of all sessions.
    mean_events: f64,
    overall_events: f64,
    /// The mean duration in the sample, milliseconds.
    mean_ms: f64,
    /// Sums of squared deviations of events, and of their products with those of durations.
    events_squares: f64,
    products: f64,
    /// The largest squared deviation of events.
    largest_square: f64,
}

impl<'a> Sample<'a> {
    fn new(spans: &'a [Span], events: u64) -> Self {
        let n = spans.len() as f64;
        let sessions = sessions(spans);
        let sampled_events: u64 = spans.iter().map(|span| u64::from(span.events)).sum();
        let mean_events = sampled_events as f64 / n;
        let mean_ms = spans.iter().map(|span| span.duration() as f64).sum::<f64>() / n;
        let mut sample = Self {
            spans,
            n,
            sessions,
            sessions_variance: (1.0 - (n - 1.0) / sessions) / (n - 2.0),
            rest: 1.0 - n / sessions,
            mean_events,
            overall_events: events.max(sampled_events) as f64 / sessions,
            mean_ms,
            events_squares: 0.0,
            products: 0.0,
            largest_square: 0.0,
        };
        for span in spans {
            let (events, ms) = (f64::from(span.events) - mean_events, span.duration() as f64 - mean_ms);
            sample.events_squares += events * events;
            sample.products += events * ms;
            sample.largest_square = sample.largest_square.max(events * events);
        }
        sample
    }

    /// Whether the events are spread over enough sessions. Where all have the same number, the others may still differ.
    fn uses_events(&self) -> bool {
        self.events_squares > 0.0 && self.largest_square <= MAX_LEVERAGE * self.events_squares
    }

    /// The variance of the sample's mean of what has this sum of squared deviations.
    fn variance_of_mean(&self, squares: f64) -> f64 {
        self.rest * squares / (self.n - 1.0) / self.n
    }

    /// The number of sessions and its variance.
    fn count(&self, uses_events: bool) -> (f64, f64) {
        let by_hashes = self.sessions_variance;
        let by_events = self.variance_of_mean(self.events_squares) / self.mean_events.powi(2);
        let (sessions, variance) = if uses_events {
            let of_events = self.overall_events * self.sessions / self.mean_events;
            let weight = by_hashes / (by_hashes + by_events);
            (self.sessions + weight * (of_events - self.sessions), by_events * weight)
        } else {
            (self.sessions, by_hashes)
        };
        let sessions = sessions.max(self.n + 1.0);
        (sessions, variance * sessions * sessions)
    }

    /// The slope of durations over events that minimizes the variance of the mean.
    fn slope(&self) -> f64 {
        self.variance_of_mean(self.products) / (self.variance_of_mean(self.events_squares) + self.overall_variance())
    }

    /// The variance of the events a session of all sessions: they are as uncertain as the number of sessions.
    fn overall_variance(&self) -> f64 {
        self.overall_events.powi(2) * self.sessions_variance
    }

    /// The estimate of the mean duration with this slope; without events where it is 0.
    fn mean(&self, slope: f64) -> Mean {
        let overall = self.overall_variance();
        let spread = self.events_squares + overall * self.n * (self.n - 1.0) / self.rest;
        let [mut squares, mut cubes, mut fourths] = [0.0; 3];
        for span in self.spans {
            let events = f64::from(span.events) - self.mean_events;
            let leverage = if slope == 0.0 { 0.0 } else { events * events / spread };
            let residual = (span.duration() as f64 - self.mean_ms - slope * events) / (1.0 - leverage);
            let square = residual * residual;
            squares += square;
            cubes += square * residual;
            fourths += square * square;
        }
        let per_session = squares / self.n;
        let standardized =
            |sum: f64, power: f64| if squares > 0.0 { sum / self.n / per_session.powf(power) } else { 0.0 };
        Mean {
            ms: (self.mean_ms + slope * (self.overall_events - self.mean_events)).max(0.0),
            sampled: self.variance_of_mean(squares),
            counted: slope * slope * overall,
            skewness: standardized(cubes, 1.5),
            kurtosis: standardized(fourths, 2.0),
        }
    }

    fn interval(&self, mean: &Mean) -> Interval {
        let variance = mean.variance();
        if variance <= 0.0 {
            return Interval::exact(mean.ms);
        }
        let (standard_error, share) = (variance.sqrt(), mean.sampled / variance);
        let degrees = 2.0 * self.n / (KURTOSIS_FACTOR * (mean.kurtosis - 1.0) * share * share).max(f64::MIN_POSITIVE);
        let quantile = student_95(degrees.max(FEWEST_DEGREES));
        let skewness = mean.skewness * share.powf(1.5) / self.n.sqrt();
        let root = self.rest.sqrt();
        let (bent, shifted) = ((1.0 + self.rest) / (6.0 * root), (2.0 * self.rest - 1.0) / (6.0 * root));
        // The inverse of t + s (bent t² + shifted) + s² bent² t³ / 3, s being the skewness of the mean.
        let unskewed = |quantile: f64| {
            let scale = skewness * bent;
            if scale.abs() < 1e-9 {
                return quantile;
            }
            ((1.0 + 3.0 * scale * (quantile - skewness * shifted)).cbrt() - 1.0) / scale
        };
        Interval {
            low: (mean.ms - standard_error * unskewed(quantile)).clamp(0.0, mean.ms),
            high: (mean.ms - standard_error * unskewed(-quantile)).max(mean.ms),
        }
    }

    /// The nearest rank of the share `q` of sorted durations, and its interval.
    fn percentile(&self, durations: &[u64], q: f64) -> (u64, Interval) {
        let rank = q * self.n;
        let margin = NORMAL_95 * (self.n * q * (1.0 - q) * self.rest).sqrt();
        let at = |rank: f64| at_rank(durations, rank) as f64;
        let interval = Interval { low: at((rank - margin).floor()), high: at((rank + margin).ceil() + 1.0) };
        (at_rank(durations, rank.ceil()), interval)
    }
}

/// The quantile of Student's t distribution that leaves 2.5 % on either side, by its expansion in the degrees of freedom
/// (Abramowitz and Stegun, 26.7.5).
fn student_95(degrees: f64) -> f64 {
    let z = NORMAL_95;
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| (sum + term) / degrees) + z
}

fn sorted_durations(spans: &[Span]) -> Vec<u64> {
    let mut durations: Vec<u64> = spans.iter().map(Span::duration).collect();
    durations.sort_unstable();
    durations
}

/// The duration of this rank, counted from 1; the nearest one where there is no such rank, 0 where there is none at all.
fn at_rank(durations: &[u64], rank: f64) -> u64 {
    let place = (rank.max(1.0) as usize).min(durations.len());
    place.checked_sub(1).map_or(0, |place| durations[place])
}

#[cfg(test)]
mod tests;
