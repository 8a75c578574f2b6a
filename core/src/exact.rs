//! A day's exact figures, as a proof computes them from the log.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::latency::nearest_rank;
use crate::origin::Source;

/// Names of one kind that exact figures list, at most; the rest is [`crate::counters::OTHER`].
pub const MAX_EXACT_NAMES: usize = 250;

/// What is exact of a day: every event counts once, whatever was sent again and wherever it arrived.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExactFigures {
    /// The counters. Of each kind the [`MAX_EXACT_NAMES`] most used names, with exact counts.
    pub counters: Counters,
    /// Different users.
    pub users: u64,
    /// Different users by what they used.
    pub users_by: UsersBy,
    /// Sessions.
    pub sessions: ExactSessions,
    /// Different accounts.
    pub accounts: u64,
    /// How long requests to language models took, by model, of those that say so.
    pub latencies: BTreeMap<String, ExactLatency>,
    /// Ids that came with more than one timestamp. They count as that many events, and are a hint that a producer stamps an event
    /// anew when it sends it again.
    pub ids_with_several_times: u64,
}

/// Different users by name. Who sent nothing but anonymous events is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsersBy {
    /// Of `feature_use`, by feature.
    pub features: BTreeMap<String, u64>,
    /// Of `content_create`, by content type.
    pub content: BTreeMap<String, u64>,
    /// Of `ai_request`, by model.
    pub models: BTreeMap<String, u64>,
    /// By platform.
    pub platforms: BTreeMap<String, u64>,
}

/// How long requests to a model took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExactLatency {
    /// Requests that say how long they took.
    pub count: u64,
    /// The median, milliseconds.
    pub p50_ms: u64,
    /// What 95 of 100 do not exceed, milliseconds (nearest rank).
    pub p95_ms: u64,
}

impl ExactLatency {
    /// That of these durations in milliseconds, each with how often there is one, in ascending order.
    pub fn of(durations: &BTreeMap<u64, u64>) -> Self {
        let [p50_ms, p95_ms] = [50, 95].map(|percent| nearest_rank(durations, percent).copied().unwrap_or(0));
        Self { count: durations.values().sum(), p50_ms, p95_ms }
    }
}

/// Sessions, from the first event of each to its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExactSessions {
    /// How many.
    pub count: u64,
    /// Their durations together, milliseconds.
    pub total_ms: u64,
    /// The median duration, milliseconds.
    pub p50_ms: u64,
    /// The duration that 95 of 100 do not exceed, milliseconds (nearest rank).
    pub p95_ms: u64,
}

impl ExactSessions {
    /// Those of these durations, milliseconds, in any order.
    pub fn of(durations: &mut [u64]) -> Self {
        let total_ms = durations.iter().fold(0, |sum: u64, duration| sum.saturating_add(*duration));
        let [p50_ms, p95_ms] = [50, 95].map(|percent| {
            let rank = (durations.len() * percent).div_ceil(100).max(1);
            if durations.is_empty() { 0 } else { *durations.select_nth_unstable(rank - 1).1 }
        });
        Self { count: durations.len() as u64, total_ms, p50_ms, p95_ms }
    }

    /// The mean duration, milliseconds; 0 where there is none.
    pub fn average_ms(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.total_ms as f64 / self.count as f64 }
    }
}

/// A day's exact figures as a proof found them. What they rest on, source by source, is beside them: [`ProvenSource`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenFigures {
    /// The day.
    pub date: NaiveDate,
    /// The number of this proof of the day, from 1.
    pub number: u64,
    /// The sum of the positions up to which the sources are counted: a later proof has a larger one.
    pub positions: u64,
    /// When the first entry with something of the day was appended, milliseconds since the epoch: the smallest that any proof of the
    /// day ever saw, for entries expire.
    pub first_ms: i64,
    /// When it was computed, milliseconds since the epoch.
    pub proven_ms: i64,
    /// The figures.
    pub figures: ExactFigures,
    /// Entries that are missing or cannot be read, and may have events of the day: the figures do not have these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Unreadable>,
}

impl ProvenFigures {
    /// Whether every entry up to the positions could be read: only then the figures are the day's.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty()
    }
}

/// A proof as the table keeps it: the figures, and what they rest on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProvenDay {
    /// The figures.
    pub proven: ProvenFigures,
    /// Up to which entry of each source they count.
    pub sources: BTreeMap<Source, ProvenSource>,
}

impl ProvenDay {
    /// The last entry of a source that is counted; 0 where none is.
    pub fn position(&self, source: &Source) -> u64 {
        self.sources.get(source).map_or(0, |proven| proven.entry)
    }
}

/// A proof as it is kept beside the log, where it outlives the day's entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The figures.
    pub proven: ProvenFigures,
    /// Up to which entry of each source they count.
    pub sources: BTreeMap<Source, ProvenSource>,
    /// The day's user sketch, framed, in hexadecimal: for weeks and months.
    #[serde(with = "hex::serde")]
    pub users: Vec<u8>,
    /// The day's session sample, framed, in hexadecimal: for ranges of days.
    #[serde(with = "hex::serde")]
    pub sessions: Vec<u8>,
    /// The day's account sketch, framed, in hexadecimal: for weeks and months.
    #[serde(with = "hex::serde")]
    pub accounts: Vec<u8>,
}

/// How far a proof counts one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenSource {
    /// The last entry that is counted.
    pub entry: u64,
    /// What a partial of the source holds at that entry: its own counters, duplicates among other sources' events included. None
    /// where the source has nothing of the day up to there.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "framed")]
    pub raw: Option<Counters>,
}

/// An entry that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Its source.
    pub source: Source,
    /// Its number.
    pub entry: u64,
    /// What is wrong with it.
    pub detail: String,
}

/// A source's counters in their stored form: what they cannot tell apart must come back as it was.
mod framed {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Counters;

    #[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
    pub(super) fn serialize<S: Serializer>(raw: &Option<Counters>, serializer: S) -> Result<S::Ok, S::Error> {
        raw.as_ref().map(|raw| hex::encode(raw.encode())).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Counters>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let bytes = hex::decode(text).map_err(D::Error::custom)?;
        Counters::decode(&bytes).map(Some).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{CappedMap, OTHER};

    #[test]
    fn durations_tell_mean_median_and_the_long_ones() {
        assert_eq!(ExactSessions::of(&mut []), ExactSessions::default());
        let mut durations: Vec<u64> = (1..=100).rev().collect();
        let sessions = ExactSessions::of(&mut durations);
        assert_eq!(sessions, ExactSessions { count: 100, total_ms: 5_050, p50_ms: 50, p95_ms: 95 });
        assert_eq!(sessions.average_ms().to_bits(), 50.5f64.to_bits());
    }

    #[test]
    fn a_proof_is_json_that_people_can_read_and_comes_back() {
        let counters = Counters {
            events: 9,
            features: CappedMap::exact([("search".into(), 7u64), ("export".into(), 2), ("x".into(), 1)], 2),
            ..Counters::default()
        };
        let raw = Counters { events: 10, ..Counters::default() };
        let source = Source::shard("events", None, "shardId-000000000000").unwrap();
        let proven = ProvenFigures {
            date: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap(),
            number: 3,
            positions: 17,
            first_ms: 1,
            proven_ms: 2,
            figures: ExactFigures { counters, users: 4, ..ExactFigures::default() },
            damaged: vec![Unreadable { source: source.clone(), entry: 5, detail: "it is missing".to_owned() }],
        };
        let sources = [(source, ProvenSource { entry: 17, raw: Some(raw) })].into();
        let proof = Proof { proven, sources, users: vec![0, 255], sessions: Vec::new(), accounts: Vec::new() };
        let json = serde_json::to_value(&proof).unwrap();
        assert_eq!(
            json["proven"]["figures"]["counters"]["features"],
            serde_json::json!({"export": 2, "search": 7, OTHER: 1})
        );
        assert_eq!(serde_json::from_value::<Proof>(json).unwrap(), proof);
        assert!(serde_json::from_str::<Proof>(&serde_json::to_string(&proof).unwrap().replace("00ff", "0ff")).is_err());
    }
}
