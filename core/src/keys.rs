//! The keys of every item in the table: formatted here, parsed here, nowhere else.
//!
//! A date's write shards put `#<00..n-1>` behind the partition keys that would be hot; one shard gives none.

use chrono::NaiveDate;

use crate::hash::hash64;
use crate::limits::MAX_WRITE_SHARDS;
use crate::origin::{Origin, Source};

/// A partition key and a sort key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey {
    /// `PK`.
    pub pk: String,
    /// `SK`.
    pub sk: String,
}

/// How many partitions the hot keys of one date are spread over.
///
/// ```
/// use headcount_core::keys::WriteShards;
/// assert_eq!(WriteShards::ONE.partition("SKETCH#2026-03-01", "anything"), "SKETCH#2026-03-01");
/// let four = WriteShards::new(4).unwrap();
/// assert_eq!(four.partitions("SKETCH#2026-03-01").last().unwrap(), "SKETCH#2026-03-01#03");
/// assert!(WriteShards::new(0).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteShards(u32);

impl WriteShards {
    /// No spreading: what a deployment begins with.
    pub const ONE: Self = Self(1);

    /// From 1 to [`MAX_WRITE_SHARDS`].
    pub fn new(count: u32) -> Option<Self> {
        (1..=MAX_WRITE_SHARDS).contains(&count).then_some(Self(count))
    }

    /// The number of partitions.
    pub fn count(self) -> u32 {
        self.0
    }

    /// The partition of `prefix` that holds the item spread by `by`.
    pub fn partition(self, prefix: &str, by: &str) -> String {
        if self.0 == 1 { prefix.to_owned() } else { shard(prefix, (hash64(by.as_bytes()) % u64::from(self.0)) as u32) }
    }

    /// Every partition of `prefix`.
    pub fn partitions(self, prefix: &str) -> Vec<String> {
        if self.0 == 1 { vec![prefix.to_owned()] } else { (0..self.0).map(|n| shard(prefix, n)).collect() }
    }
}

fn shard(prefix: &str, n: u32) -> String {
    format!("{prefix}#{n:02}")
}

/// The event's own key. Spread by event id, so that all occurrences of one id meet.
///
/// ```
/// use headcount_core::keys::{self, WriteShards};
/// let key = keys::event("2026-03-01".parse().unwrap(), WriteShards::ONE, 1_772_323_200_000, "e-1");
/// assert_eq!((&*key.pk, &*key.sk), ("ANALYTICS#2026-03-01", "EVENT#1772323200000#e-1"));
/// ```
pub fn event(date: NaiveDate, shards: WriteShards, timestamp_ms: i64, event_id: &str) -> ItemKey {
    ItemKey { pk: shards.partition(&events(date), event_id), sk: format!("{}#{event_id}", event_at(timestamp_ms)) }
}

/// The prefix of a date's event partitions.
pub fn events(date: NaiveDate) -> String {
    format!("ANALYTICS#{date}")
}

/// What sort keys of events begin with.
pub const EVENT: &str = "EVENT#";

/// The sort key below which every event of this millisecond and later lies.
pub fn event_at(timestamp_ms: i64) -> String {
    format!("{EVENT}{timestamp_ms:013}")
}

/// The timestamp and the id in an event's sort key.
///
/// ```
/// assert_eq!(headcount_core::keys::parse_event("EVENT#1772323200000#a#b"), Some((1_772_323_200_000, "a#b")));
/// ```
pub fn parse_event(sk: &str) -> Option<(i64, &str)> {
    let (ms, id) = sk.strip_prefix(EVENT)?.split_once('#')?;
    Some((ms.parse().ok()?, id))
}

/// The key of one source's partial.
pub fn partial(date: NaiveDate, shards: WriteShards, source: &Source) -> ItemKey {
    ItemKey { pk: shards.partition(&partials(date), source.as_str()), sk: format!("SOURCE#{source}") }
}

/// The prefix of a date's partials.
pub fn partials(date: NaiveDate) -> String {
    format!("SKETCH#{date}")
}

/// The source in a partial's sort key.
pub fn parse_partial(sk: &str) -> Option<Source> {
    Source::parse(sk.strip_prefix("SOURCE#")?).ok()
}

/// The key of a user's profile; its partition is also the user's partition in the index.
pub fn profile(user_id: &str) -> ItemKey {
    ItemKey { pk: user(user_id), sk: "PROFILE".to_owned() }
}

/// What partition keys of users begin with.
pub const USER: &str = "USER#";

/// The prefix of a user's partitions in the index.
pub fn user(user_id: &str) -> String {
    format!("{USER}{user_id}")
}

/// The prefix of the index partitions that list a date's new users.
pub fn new_users(date: NaiveDate) -> String {
    format!("NEWUSERS#{date}")
}

/// The key of a date's metrics.
pub fn daily(date: NaiveDate) -> ItemKey {
    ItemKey { pk: format!("METRICS#{date}"), sk: "DAILY".to_owned() }
}

/// The key of a date's merged sketches.
pub fn sketches(date: NaiveDate) -> ItemKey {
    ItemKey { pk: format!("METRICS#{date}"), sk: "SKETCHES".to_owned() }
}

/// The partition of all running totals.
pub const TOTALS: &str = "TOTALS";

/// The key of a date's number of new users.
pub fn total(date: NaiveDate) -> ItemKey {
    ItemKey { pk: TOTALS.to_owned(), sk: format!("DAY#{date}") }
}

/// The date in the sort key of a running total.
pub fn parse_total(sk: &str) -> Option<NaiveDate> {
    sk.strip_prefix("DAY#")?.parse().ok()
}

/// The key of the deployment's own record.
pub fn deployment() -> ItemKey {
    ItemKey { pk: "META".to_owned(), sk: "DEPLOYMENT".to_owned() }
}

/// The key of a rejected occurrence. A redelivery derives the same one.
pub fn rejected(arrival_date: NaiveDate, shards: WriteShards, arrived_ms: i64, origin: &Origin) -> ItemKey {
    ItemKey {
        pk: shards.partition(&rejections(arrival_date), &origin.to_string()),
        sk: format!("REJECT#{arrived_ms:013}#{origin}"),
    }
}

/// The prefix of an arrival day's rejected items.
pub fn rejections(arrival_date: NaiveDate) -> String {
    format!("REJECTED#{arrival_date}")
}

/// The arrival time and the origin in a rejected item's sort key.
pub fn parse_rejected(sk: &str) -> Option<(i64, Origin)> {
    let (ms, origin) = sk.strip_prefix("REJECT#")?.split_once('#')?;
    Some((ms.parse().ok()?, origin.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sort_keys_round_trip(ms in 0i64..4_000_000_000_000, id in ".{1,40}", stream in "[a-zA-Z0-9_.-]{1,40}", n in 1u32..=100, index in any::<u32>()) {
            let date = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
            let shards = WriteShards::new(n).unwrap();
            let key = event(date, shards, ms, &id);
            prop_assert_eq!(parse_event(&key.sk), Some((ms, id.as_str())));
            prop_assert!(shards.partitions(&events(date)).contains(&key.pk));

            let source = Source::new(&stream, "shardId-000000000000");
            prop_assert_eq!(parse_partial(&partial(date, shards, &source).sk), Some(source.clone()));

            let origin = Origin { source, sequence: 123_456u64.into(), index };
            let key = rejected(date, shards, ms, &origin);
            prop_assert_eq!(parse_rejected(&key.sk), Some((ms, origin)));
            prop_assert_eq!(parse_total(&total(date).sk), Some(date));
        }

        #[test]
        fn sort_keys_order_by_time(a in 0i64..4_000_000_000_000, b in 0i64..4_000_000_000_000) {
            prop_assert_eq!(event_at(a).cmp(&event_at(b)), a.cmp(&b));
        }
    }
}
