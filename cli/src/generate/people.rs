//! Who the users are and what they hold in their hands.

use std::sync::Arc;

use fastrand::Rng;
use headcount_core::hash::hash64;

/// Shifts the ranks, so that the busiest user is busy and not a tenth of all traffic.
const RANK_OFFSET: u64 = 32;

/// A platform, its share of users out of 100, and what its clients call themselves.
struct Device {
    platform: &'static str,
    share: u32,
    agents: [&'static str; 2],
}

const DEVICES: [Device; 4] = [
    Device {
        platform: "web",
        share: 55,
        agents: [
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141.0.0.0 Safari/537.36",
        ],
    },
    Device { platform: "ios", share: 20, agents: ["Acme/4.2.1 (iPhone; iOS 19.1)", "Acme/4.2.0 (iPad; iOS 18.6)"] },
    Device { platform: "android", share: 17, agents: ["Acme/4.2.1 (Android 16; Pixel 9)", "Acme/4.1.8 (Android 15)"] },
    Device {
        platform: "desktop",
        share: 8,
        agents: ["Acme Desktop/2.9 (macOS 26.0)", "Acme Desktop/2.9 (Windows 11)"],
    },
];

/// One user, on the device that the user has.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: Arc<str>,
    pub(super) platform: &'static str,
    pub(super) agent: &'static str,
    /// An address of the ranges that documents may use: nobody's.
    pub(super) ip_address: String,
    pub(super) app_version: &'static str,
    pub(super) locale: &'static str,
}

impl User {
    /// The user of this rank, the same for every seed: another run's users are old acquaintances.
    pub(super) fn of_rank(rank: u32) -> Self {
        let id = format!("user-{:08x}", scramble(rank));
        let mut rng = Rng::with_seed(hash64(id.as_bytes()));
        let device = pick_device(&mut rng);
        let agent = device.agents[usize::from(rng.bool())];
        let ip_address = match rng.u32(0..8) {
            0 => format!("2001:db8:{:x}:{:x}::{:x}", rng.u16(..), rng.u16(..), rng.u16(1..)),
            1..=3 => format!("192.0.2.{}", rng.u8(1..255)),
            4 | 5 => format!("198.51.100.{}", rng.u8(1..255)),
            _ => format!("203.0.113.{}", rng.u8(1..255)),
        };
        let app_version = ["4.2.1", "4.2.0", "4.1.8"][pick(&mut rng, &[70, 20, 10])];
        let locale = ["en-US", "de-DE", "pt-BR", "ja-JP"][pick(&mut rng, &[60, 20, 12, 8])];
        Self { id: id.into(), platform: device.platform, agent, ip_address, app_version, locale }
    }
}

/// A rank from 0, heavy-tailed: the chance falls as one over (rank + offset), by steps of an octave. Whole numbers
/// only, so that every machine draws the same.
pub(super) fn draw_rank(rng: &mut Rng, users: u32) -> u32 {
    let end = u64::from(users) + RANK_OFFSET;
    // Each whole octave [32, 64), [64, 128), ... is as likely as the next; the last may be cut short.
    let octaves = (end.div_ceil(RANK_OFFSET)).next_power_of_two().trailing_zeros();
    loop {
        let low = RANK_OFFSET << rng.u32(0..octaves);
        let shifted = rng.u64(low..2 * low);
        if shifted < end {
            return (shifted - RANK_OFFSET) as u32;
        }
    }
}

/// Another number for each number: a rank must not be readable in the id, nor two ranks share one.
fn scramble(rank: u32) -> u32 {
    let mut bits = rank ^ 0x5bd1_e995;
    for factor in [0x85eb_ca6b_u32, 0xc2b2_ae35] {
        bits = (bits ^ (bits >> 15)).wrapping_mul(factor);
    }
    bits ^ (bits >> 16)
}

fn pick_device(rng: &mut Rng) -> &'static Device {
    let shares = DEVICES.map(|device| device.share);
    &DEVICES[pick(rng, &shares)]
}

/// An index, as often as its weight is of all weights.
pub(super) fn pick(rng: &mut Rng, weights: &[u32]) -> usize {
    let mut left = rng.u32(0..weights.iter().sum::<u32>().max(1));
    for (index, weight) in weights.iter().enumerate() {
        if left < *weight {
            return index;
        }
        left -= weight;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rank_is_another_user() {
        let ids: BTreeSet<u32> = (0..200_000).map(scramble).collect();
        assert_eq!(ids.len(), 200_000);
    }

    #[test]
    fn ranks_stay_inside_and_fall_off() {
        let mut rng = Rng::with_seed(7);
        for users in [1, 2, 31, 32, 33, 2_000] {
            let ranks: Vec<u32> = (0..20_000).map(|_| draw_rank(&mut rng, users)).collect();
            assert!(ranks.iter().all(|rank| *rank < users), "{users}");
        }
        let busiest_tenth = (0..20_000).filter(|_| draw_rank(&mut rng, 2_000) < 200).count();
        assert!((8_000..12_000).contains(&busiest_tenth), "{busiest_tenth} of 20,000 by the busiest tenth");
    }
}
