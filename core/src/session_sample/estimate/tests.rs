//! Seeded days with known figures. `HEADCOUNT_SEED` takes another seed, `HEADCOUNT_ROUNDS` more days.

use super::*;
use crate::hash::hash64;
use crate::limits::{DAY_MS, SESSION_SAMPLE_SIZE};
use crate::session_sample::SessionSample;

/// Days of an ordinary run.
const DAYS: u64 = 200;

/// The share of days whose interval holds the truth, at least.
const COVERAGE: f64 = 0.93;

/// Draws numbers, by `SplitMix64`.
struct Random(u64);

impl Random {
    /// Above 0 and below 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((mixed ^ (mixed >> 31)) >> 11) as f64 + 0.5) / 2f64.powi(53)
    }

    fn exponential(&mut self) -> f64 {
        -self.share().ln()
    }

    fn normal(&mut self) -> f64 {
        (2.0 * self.exponential()).sqrt() * (std::f64::consts::TAU * self.share()).cos()
    }

    fn log_normal(&mut self, sigma: f64) -> f64 {
        (sigma * self.normal()).exp()
    }

    fn pareto(&mut self, alpha: f64) -> f64 {
        self.share().powf(-1.0 / alpha)
    }

    /// Rounded noise around `mean`, never negative.
    fn about(&mut self, mean: f64) -> f64 {
        (mean + mean.sqrt() * self.normal()).round().max(0.0)
    }

    /// Trials until one of this chance fails.
    fn geometric(&mut self, chance: f64) -> f64 {
        (self.exponential() / -chance.ln()).floor() + 1.0
    }
}

/// What sessions of a day are like.
struct Skew {
    name: &'static str,
    /// Events and milliseconds of a session.
    draw: fn(&mut Random) -> (f64, f64),
}

const MINUTE: f64 = 60_000.0;

/// From mild to extreme.
const SKEWS: [Skew; 8] = [
    Skew {
        name: "exponential",
        draw: |random| {
            let ms = 5.0 * MINUTE * random.exponential();
            (1.0 + random.about(ms / MINUTE), ms)
        },
    },
    Skew {
        name: "a pause for each event",
        draw: |random| {
            let events = random.geometric(0.875).min(80.0);
            (events, (1..events as u32).map(|_| MINUTE * random.exponential().powi(2)).sum())
        },
    },
    Skew {
        name: "log-normal, sigma 1",
        draw: |random| {
            let ms = MINUTE * random.log_normal(1.0);
            (1.0 + random.about(ms / MINUTE), ms)
        },
    },
    Skew {
        name: "log-normal, sigma 2, fewer events the longer",
        draw: |random| {
            let ms = MINUTE * random.log_normal(2.0);
            (1.0 + random.about((ms / MINUTE).powf(0.8)), ms)
        },
    },
    Skew {
        name: "log-normal, sigma 2.5, events of their own",
        draw: |random| (random.geometric(0.8), MINUTE * random.log_normal(2.5)),
    },
    Skew {
        name: "95 of 100 have one event, the others are log-normal, sigma 2",
        draw: |random| {
            if random.share() < 0.95 {
                return (1.0, 0.0);
            }
            let ms = MINUTE * random.log_normal(2.0);
            (2.0 + random.about(ms / MINUTE), ms)
        },
    },
    Skew {
        name: "Pareto, 1.2",
        draw: |random| {
            let ms = 10_000.0 * random.pareto(1.2);
            (1.0 + random.about(ms / 20_000.0), ms)
        },
    },
    Skew {
        name: "Pareto, 1.2, events of their own",
        draw: |random| (random.geometric(0.8), 10_000.0 * random.pareto(1.2)),
    },
];

/// A day's true figures, and those of its sample.
struct Day {
    count: f64,
    average_ms: f64,
    percentiles: [f64; 2],
    is_sampled: bool,
    estimates: SessionEstimates,
}

fn day(skew: &Skew, sessions: u64, random: &mut Random) -> Day {
    let mut sample = SessionSample::default();
    let mut durations = Vec::new();
    let mut all_events = 0;
    let salt = random.share().to_bits();
    for n in 0..sessions {
        let (events, ms) = (skew.draw)(random);
        // A session of a day is no longer than the day.
        let (events, last) = (events.min(1e6) as u32, (ms as i64).min(DAY_MS));
        let hash = hash64(&[salt.to_le_bytes(), n.to_le_bytes()].concat()) >> (u64::BITS - HASH_BITS);
        sample.add(Span { hash, first: 0, last, events });
        durations.push(last as u64);
        all_events += u64::from(events);
    }
    durations.sort_unstable();
    let count = sessions as f64;
    Day {
        count,
        average_ms: durations.iter().sum::<u64>() as f64 / count,
        percentiles: [0.50, 0.95].map(|q| at_rank(&durations, (q * count).ceil()) as f64),
        is_sampled: !sample.is_exact(),
        estimates: sample.figures(all_events),
    }
}

fn number(variable: &str, usual: u64) -> u64 {
    let number = std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"));
    eprintln!("{variable}={number}");
    number
}

fn holds(interval: Interval, truth: f64) -> bool {
    (interval.low..=interval.high).contains(&truth)
}

#[test]
fn stated_intervals_hold_the_truth_from_mild_to_extreme_skew() {
    let (mut random, days) = (Random(number("HEADCOUNT_SEED", 20)), number("HEADCOUNT_ROUNDS", DAYS));
    let (mut held, mut sampled) = ([0u64; 4], 0u64);
    for n in 0..days {
        let skew = &SKEWS[(n % SKEWS.len() as u64) as usize];
        let sessions = 2_000 + (48_000.0 * random.share()) as u64;
        let Day { count, average_ms, percentiles, is_sampled, estimates } = day(skew, sessions, &mut random);
        let SessionIntervals { count: of_count, average_duration, p50, p95 } = estimates.intervals;
        let holds = [
            holds(of_count, count),
            holds(average_duration, average_ms),
            holds(p50, percentiles[0]),
            holds(p95, percentiles[1]),
        ];
        if is_sampled {
            sampled += 1;
            held.iter_mut().zip(holds).for_each(|(held, holds)| *held += u64::from(holds));
        } else {
            assert_eq!(holds, [true; 4], "{}: {sessions} sessions are exact", skew.name);
        }
    }
    let coverage = held.map(|held| held as f64 / sampled as f64);
    eprintln!("{sampled} sampled days: intervals of count, average, p50 and p95 hold {coverage:.3?}");
    assert!(sampled > days * 9 / 10);
    assert!(coverage.iter().all(|share| *share >= COVERAGE), "{coverage:?}");
}

#[test]
fn events_make_mild_days_more_exact_and_leave_extreme_ones_alone() {
    let seed = number("HEADCOUNT_SEED", 20);
    for (skew, improves) in SKEWS.iter().zip([true, true, true, false, false, false, false, false]) {
        let mut random = Random(seed);
        let mut draw = |_| (skew.draw)(&mut random);
        let drawn: Vec<_> = (0..20_000).map(&mut draw).collect();
        let span = |(n, (events, ms)): (usize, &(f64, f64))| Span {
            hash: hash64(&n.to_le_bytes()) >> (u64::BITS - HASH_BITS),
            first: 0,
            last: (*ms as i64).min(DAY_MS),
            events: events.min(1e6) as u32,
        };
        let mut sample = SessionSample::default();
        drawn.iter().enumerate().map(span).for_each(|span| sample.add(span));
        let events: u64 = drawn.iter().enumerate().map(span).map(|span| u64::from(span.events)).sum();
        let estimates = sample.figures(events);
        let plain = Sample::new(&sample.spans, events).mean(0.0).variance().sqrt();
        let by_hashes = estimates.count / (SESSION_SAMPLE_SIZE as f64).sqrt();
        if improves {
            assert!(estimates.average_standard_error_ms < 0.9 * plain, "{}: {estimates:?} {plain}", skew.name);
            assert!(estimates.count_standard_error < 0.9 * by_hashes, "{}: {estimates:?}", skew.name);
        } else {
            assert!(estimates.average_standard_error_ms <= plain, "{}: {estimates:?} {plain}", skew.name);
        }
    }
}

#[test]
fn sessions_that_are_all_alike_leave_only_their_number_uncertain() {
    let spans: Vec<_> = (0..SESSION_SAMPLE_SIZE as u64)
        .map(|n| Span { hash: n << (HASH_BITS - 14), first: 0, last: 60_000, events: 1 })
        .collect();
    let estimates = sampled(&spans, 16_384);
    assert!((estimates.count - 16_384.0).abs() < 10.0, "{estimates:?}");
    assert!(estimates.intervals.count.low < 16_384.0 - 100.0, "{estimates:?}");
    for interval in [estimates.intervals.average_duration, estimates.intervals.p50, estimates.intervals.p95] {
        assert_eq!(interval, Interval::exact(60_000.0));
    }
}

#[test]
fn quantiles_of_student_are_those_of_the_tables() {
    for (degrees, quantile) in [(3.0, 3.182), (5.0, 2.571), (10.0, 2.228), (30.0, 2.042), (1e9, 1.960)] {
        assert!((student_95(degrees) - quantile).abs() < 0.03, "{degrees}: {}", student_95(degrees));
    }
}

#[test]
fn an_interval_as_a_share() {
    let share = |low, figure: f64, high| Interval { low, high }.share_of(figure);
    for (share, wanted) in [(share(98.0, 100.0, 103.0), 0.03), (share(0.0, 0.0, 0.0), 0.0), (share(5.0, 5.0, 5.0), 0.0)]
    {
        assert!((share - wanted).abs() < 1e-12, "{share}");
    }
}
