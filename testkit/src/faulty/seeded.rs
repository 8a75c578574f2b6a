//! Faults drawn from a seed: the same requests in the same order meet the same faults.

use std::time::Duration;

use headcount_core::hash::hash64;

use super::plan::{Decision, Fault, FaultPlan, ItemFault, Request};

/// How often each fault happens, from 0 to 1. The default is never.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Of all requests: throttled.
    pub throttle: f64,
    /// Of all requests: unknown, without effect.
    pub unknown_before: f64,
    /// Of all requests: unknown, with effect.
    pub unknown_after: f64,
    /// Of all requests: the process dies before it.
    pub crash_before: f64,
    /// Of all requests: the process dies after it.
    pub crash_after: f64,
    /// Of all requests: only some of its items succeed.
    pub partial: f64,
    /// Of the items of such a request: one of the faults of items.
    pub item: f64,
    /// Of all requests: late, also those that fail otherwise.
    pub delay: f64,
    /// The longest delay, both before the effect and after it.
    pub longest_delay: Duration,
}

impl Rates {
    /// Everything but crashes, often.
    pub fn stormy() -> Self {
        Self {
            throttle: 0.1,
            unknown_before: 0.05,
            unknown_after: 0.05,
            partial: 0.2,
            item: 0.3,
            delay: 0.2,
            longest_delay: Duration::from_millis(500),
            ..Self::default()
        }
    }
}

/// Faults drawn from a seed.
#[derive(Clone, Copy, Debug)]
pub struct SeededFaults {
    seed: u64,
    rates: Rates,
}

impl SeededFaults {
    /// The faults of this seed. A test prints it where it fails.
    pub fn new(seed: u64, rates: Rates) -> Self {
        Self { seed, rates }
    }
}

impl FaultPlan for SeededFaults {
    fn decide(&self, request: &Request<'_>) -> Decision {
        // Drawn anew for each request, so that how much one draws does not shift those after it.
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..].copy_from_slice(&request.number.to_le_bytes());
        let mut random = fastrand::Rng::with_seed(hash64(&bytes));

        let rates = &self.rates;
        let mut decision = Decision::default();
        if random.f64() < rates.delay {
            decision.before = rates.longest_delay.mul_f64(random.f64());
            decision.after = rates.longest_delay.mul_f64(random.f64());
        }
        let mut drawn = random.f64();
        let faults = [
            (rates.throttle, Fault::Throttle),
            (rates.unknown_before, Fault::UnknownBefore),
            (rates.unknown_after, Fault::UnknownAfter),
            (rates.crash_before, Fault::CrashBefore),
            (rates.crash_after, Fault::CrashAfter),
            (rates.partial, Fault::Items(Vec::new())),
        ];
        for (rate, fault) in faults {
            if drawn < rate {
                decision.fault = Some(fault);
                break;
            }
            drawn -= rate;
        }
        if let Some(Fault::Items(items)) = &mut decision.fault {
            items.extend(request.keys.iter().map(|_| item_fault(&mut random, rates.item)));
        }
        decision
    }
}

fn item_fault(random: &mut fastrand::Rng, rate: f64) -> ItemFault {
    if random.f64() >= rate {
        return ItemFault::Fine;
    }
    if random.bool() { ItemFault::Unprocessed } else { ItemFault::Unreported }
}
