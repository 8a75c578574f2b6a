//! What happens to which request: drawn from a seed, the request's number, and how often each fault is wanted.

use std::time::Duration;

use headcount_core::hash::hash64;

/// How often each fault strikes, from 0 to 1. The default is never.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Throttled, without effect.
    pub throttle: f64,
    /// Only a part of the batch succeeds; what is no batch is throttled.
    pub partial: f64,
    /// Answered with 500 or 503; half of them took effect.
    pub server_error: f64,
    /// The connection is reset before the request took effect.
    pub reset_before: f64,
    /// The connection is reset after it did.
    pub reset_after: f64,
    /// Late: before the effect, after it, or both. Also those that fail otherwise.
    pub delay: f64,
    /// The longest delay of either.
    pub longest_delay: Duration,
}

impl Rates {
    /// Everything, often.
    pub fn stormy() -> Self {
        Self {
            throttle: 0.06,
            partial: 0.12,
            server_error: 0.05,
            reset_before: 0.03,
            reset_after: 0.03,
            delay: 0.1,
            longest_delay: Duration::from_millis(150),
        }
    }
}

/// Throttling that comes in bursts: of every `every` requests the first `length` are refused, but for one in ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Requests from the beginning of one burst to the next.
    pub every: u64,
    /// Requests of a burst.
    pub length: u64,
}

/// The seed of this run: `HEADCOUNT_SEED`, or another one each time. Said on standard error, so that a failure can be had
/// again: the same faults strike the same requests, as far as these come in the same order.
///
/// # Panics
/// Where `HEADCOUNT_SEED` is no number.
pub fn seed_of_run(test: &str) -> u64 {
    let seed = match std::env::var("HEADCOUNT_SEED") {
        Ok(seed) => seed.parse().expect("HEADCOUNT_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    eprintln!("{test}: HEADCOUNT_SEED={seed}");
    seed
}

/// What befalls a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It passes.
    None,
    /// It is throttled.
    Throttle,
    /// Only a part of it succeeds.
    Partial,
    /// It fails before it took effect.
    ServerErrorBefore,
    /// It took effect, and the answer says that it failed.
    ServerErrorAfter,
    /// Its connection is reset before it took effect.
    ResetBefore,
    /// Its connection is reset after it took effect.
    ResetAfter,
}

impl Fault {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Throttle,
        Self::Partial,
        Self::ServerErrorBefore,
        Self::ServerErrorAfter,
        Self::ResetBefore,
        Self::ResetAfter,
    ];

    /// Its name among the counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "passed",
            Self::Throttle => "throttled",
            Self::Partial => "partial",
            Self::ServerErrorBefore => "server error before",
            Self::ServerErrorAfter => "server error after",
            Self::ResetBefore => "reset before",
            Self::ResetAfter => "reset after",
        }
    }
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) fault: Fault,
    /// How long it waits before anything happens.
    pub(super) before: Duration,
    /// How long the answer waits.
    pub(super) after: Duration,
    /// Which of two ways of saying the same.
    pub(super) coin: bool,
    /// For what else must be drawn.
    pub(super) random: u64,
}

impl Plan {
    /// The plan for request number `number`: the same for the same seed.
    pub(super) fn draw(seed: u64, number: u64, rates: &Rates, burst: Option<Burst>) -> Self {
        let word = |what: u64| hash64(&[seed, number, what].map(u64::to_le_bytes).concat());
        let share = |what: u64| (word(what) >> 11) as f64 / (1_u64 << 53) as f64;
        let in_burst = burst.is_some_and(|burst| number % burst.every.max(1) < burst.length);
        let mut left = share(0);
        let server_error = rates.server_error / 2.0;
        let by_rate = [
            (rates.throttle, Fault::Throttle),
            (rates.partial, Fault::Partial),
            (server_error, Fault::ServerErrorBefore),
            (server_error, Fault::ServerErrorAfter),
            (rates.reset_before, Fault::ResetBefore),
            (rates.reset_after, Fault::ResetAfter),
        ];
        let struck = by_rate.into_iter().find(|(rate, _)| {
            left -= rate;
            left < 0.0
        });
        let fault = if in_burst && share(1) < 0.9 { Fault::Throttle } else { struck.map_or(Fault::None, |(_, at)| at) };
        let delay = |what: u64| {
            if share(what) < rates.delay { rates.longest_delay.mul_f64(share(what + 1)) } else { Duration::ZERO }
        };
        Self { fault, before: delay(2), after: delay(4), coin: word(6) % 2 == 0, random: word(7) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn faults_strike_as_often_as_is_wanted_and_the_same_every_time() {
        let (rates, count) = (Rates::stormy(), 100_000);
        let draw = |seed| (0..count).map(move |number| Plan::draw(seed, number, &rates, None));
        let mut seen = HashMap::new();
        for plan in draw(7) {
            *seen.entry(plan.fault).or_insert(0.0) += 1.0 / count as f64;
            assert!(plan.before <= rates.longest_delay && plan.after <= rates.longest_delay);
        }
        for (fault, rate) in [(Fault::Throttle, 0.06), (Fault::Partial, 0.12), (Fault::ServerErrorAfter, 0.025)] {
            assert!((seen[&fault] - rate).abs() < 0.005, "{fault:?}: {}", seen[&fault]);
        }
        assert!(Fault::ALL.iter().all(|fault| seen.contains_key(fault)));
        assert!(draw(7).eq(draw(7)));
        assert!(!draw(7).eq(draw(8)));
    }

    #[test]
    fn bursts_come_and_go_and_never_is_never() {
        let burst = Some(Burst { every: 100, length: 20 });
        let throttled = |number| Plan::draw(1, number, &Rates::default(), burst).fault == Fault::Throttle;
        let of = |from: u64| (from..10_000).step_by(100).filter(|number| throttled(*number)).count();
        assert!(of(0) > 80 && of(0) < 98 && of(19) > 80, "{} {}", of(0), of(19));
        assert_eq!((of(20), of(99)), (0, 0));
        let calm = (0..1_000).map(|number| Plan::draw(1, number, &Rates::default(), None));
        assert!(calm.into_iter().all(|plan| plan.fault == Fault::None && plan.before.is_zero()));
    }
}
