//! Many events in one record: which belong together, and how they are written.

use headcount_core::hash::{hash64, hash128};
use headcount_core::wire::{Form, Raw, open, split};

use crate::limits::MAX_PARTITION_KEY_CHARS;

/// How events are put into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// One event a record, the user's id its partition key.
    Off,
    /// The events of a partition group as newline-delimited JSON, compressed with zstd: a tenth of the bytes.
    Zstd,
    /// The events of a partition group as a KPL aggregated record, for readers that know that format.
    Kpl,
}

/// How hard zstd tries.
const ZSTD_LEVEL: i32 = 3;

/// A partition group: users whose events share records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Group(u32);

impl Group {
    /// The group of a partition key among `groups`: always the same one.
    pub(crate) fn of(key: &str, groups: u32) -> Self {
        Self(((u128::from(hash64(key.as_bytes())) * u128::from(groups)) >> 64) as u32)
    }

    /// The partition key of the group's records.
    pub(crate) fn partition_key(self, groups: u32) -> String {
        format!("group-{}-of-{groups}", self.0)
    }

    /// The middle of the group's part of the hash space: groups are spread evenly over the shards, which a hash of so few
    /// keys would not do.
    pub(crate) fn explicit_hash_key(self, groups: u32) -> String {
        let width = u128::MAX / u128::from(groups.max(1));
        (width * u128::from(self.0) + width / 2).to_string()
    }
}

/// The user's id where Kinesis takes it, so that a user's events meet one shard; else a hash of the event.
pub(crate) fn partition_key(user_id: Option<&str>, event: &str) -> String {
    match user_id.map(str::trim) {
        Some(id) if !id.is_empty() && id.chars().count() <= MAX_PARTITION_KEY_CHARS => id.to_owned(),
        _ => format!("{:032x}", hash128(event.as_bytes())),
    }
}

/// Compresses; what it needs for it is kept from one record to the next.
pub(crate) struct Compressor(Option<zstd::bulk::Compressor<'static>>);

impl Compressor {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    /// The lines, compressed; as they are in the unlikely case that zstd fails, since readers take either.
    pub(crate) fn compress(&mut self, lines: Vec<u8>) -> Vec<u8> {
        if self.0.is_none() {
            self.0 = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
        }
        self.0.as_mut().and_then(|compressor| compressor.compress(&lines).ok()).unwrap_or(lines)
    }
}

/// The events in a record that we made, as JSON, in order.
pub(crate) fn unpack(data: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if Form::of(data) == Form::Plain {
        return vec![text(data)];
    }
    let opened = open(data).map(|opened| opened.parts).unwrap_or_default();
    let mut lines = Vec::new();
    for part in opened.into_iter().flatten() {
        for raw in split(&part).unwrap_or_default() {
            lines.push(match raw {
                Raw::Text(line) => line.to_owned(),
                Raw::NotText(bytes) => text(bytes),
            });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_even_and_stay_in_their_part_of_the_hash_space() {
        let mut sizes = [0_u32; 32];
        for user in 0..32_000 {
            sizes[Group::of(&format!("user-{user}"), 32).0 as usize] += 1;
        }
        assert!(sizes.iter().all(|size| (850..1_150).contains(size)), "{sizes:?}");
        for groups in [1, 3, 32, 4_096] {
            let keys: Vec<u128> =
                (0..groups).map(|group| Group(group).explicit_hash_key(groups).parse().unwrap()).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "{groups}");
            // Twice as many shards as groups would be, each group lies in one of them.
            let first = u128::MAX / u128::from(groups);
            assert!(keys[0] < first && keys[keys.len() - 1] > u128::MAX - first);
        }
        assert_eq!(Group::of("u", 1), Group(0));
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let lines = ["{\"a\":1}", "{\"b\":\"é\"}"];
        let packed = Compressor::new().compress(lines.join("\n").into_bytes());
        assert_eq!(Form::of(&packed), Form::Zstd);
        assert_eq!(unpack(&packed), lines);
        assert_eq!(unpack(lines[0].as_bytes()), [lines[0]]);
    }

    #[test]
    fn a_user_that_kinesis_does_not_take_is_replaced_by_the_events_hash() {
        assert_eq!(partition_key(Some(" ann "), "{}"), "ann");
        for user in [None, Some(" "), Some(&*"é".repeat(257))] {
            assert_eq!(partition_key(user, "{}").len(), 32, "{user:?}");
        }
        assert_eq!(partition_key(Some(&"é".repeat(256)), "{}").chars().count(), 256);
    }
}
