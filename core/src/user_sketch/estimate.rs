//! From registers to the number of users.

use super::registers::{MOST_VALUES, highest};

/// Terms after which a series must have come to rest: each halves, squares or takes the root of the one before.
const MOST_TERMS: usize = 64;

/// The number of users, from how many of 2^`precision` registers have each value.
///
/// The improved raw estimator of Otmar Ertl (New cardinality estimation algorithms for HyperLogLog sketches, 2017,
/// section 3): unbiased from the first user to the last without tables of corrections, standard error 1.039 / sqrt(2^precision)
/// when there are many, less when there are few.
pub(super) fn of_histogram(histogram: &[u32; MOST_VALUES], precision: u8) -> f64 {
    let registers = f64::from(1u32 << precision);
    let full = usize::from(highest(precision));
    let share = |value: usize| f64::from(histogram[value]) / registers;
    let mut sum = tau(1.0 - share(full));
    for value in (1..full).rev() {
        sum = 0.5 * (sum + share(value));
    }
    sum += sigma(share(0));
    registers / (2.0 * std::f64::consts::LN_2 * sum)
}

/// What the share of empty registers adds: x + x^2 + 2 x^4 + 4 x^8 + ...
fn sigma(mut x: f64) -> f64 {
    let (mut weight, mut sum) = (1.0, x);
    if x >= 1.0 {
        return f64::INFINITY;
    }
    for _ in 0..MOST_TERMS {
        x *= x;
        let next = sum + x * weight;
        weight += weight;
        if next <= sum {
            break;
        }
        sum = next;
    }
    sum
}

/// What the registers below the highest value add: (1 - x - (1 - x^1/2)^2 / 2 - (1 - x^1/4)^2 / 4 - ...) / 3.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    for _ in 0..MOST_TERMS {
        x = x.sqrt();
        weight *= 0.5;
        let next = sum - (1.0 - x) * (1.0 - x) * weight;
        if next >= sum {
            break;
        }
        sum = next;
    }
    sum / 3.0
}
