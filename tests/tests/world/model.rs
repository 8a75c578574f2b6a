//! What the sources hold, and what must become of it: sets and maps.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate};
use headcount_core::limits::DAY_MS;
use headcount_runtime::clock::Clock;
use serde_json::{Value, json};

/// A record's sequence number and data.
pub(crate) type Record = (u64, Vec<u8>);

/// An event, as far as it is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    pub(crate) at_ms: i64,
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) event_type: &'static str,
    pub(crate) feature: Option<&'static str>,
}

/// What is true of all sources.
pub(crate) struct Model {
    /// When every record arrived.
    pub(crate) arrived_ms: i64,
    /// Each valid event once.
    pub(crate) events: BTreeSet<Known>,
    /// Occurrences of valid events, however often.
    pub(crate) occurrences: u64,
    /// Occurrences that break a rule, by source.
    pub(crate) rejected: Vec<u64>,
    sources: Vec<Vec<Record>>,
}

/// The event of this number: the same whoever sends it, and however often.
fn known(number: u64, noon_ms: i64) -> Known {
    let (event_type, feature) = match number % 3 {
        0 => ("page_view", None),
        1 => ("feature_use", Some(if number.is_multiple_of(2) { "search" } else { "export" })),
        _ => ("error", None),
    };
    Known {
        at_ms: noon_ms - (number % 2) as i64 * DAY_MS + number as i64,
        id: format!("event-{number}"),
        user: format!("user-{}", number % 97),
        event_type,
        feature,
    }
}

impl Known {
    fn json(&self) -> Value {
        json!({
            "eventId": self.id, "userId": self.user, "sessionId": format!("session-{}", self.user),
            "eventType": self.event_type, "timestamp": self.at_ms,
            "eventData": self.feature.map(|feature| json!({"feature": feature})),
            "metadata": {"userAgent": "test/1", "ipAddress": "203.0.113.9", "platform": "web"},
        })
    }

    pub(crate) fn date(&self) -> NaiveDate {
        date(self.at_ms)
    }
}

/// The day of a moment; days are of UTC here.
pub(crate) fn date(at_ms: i64) -> NaiveDate {
    DateTime::from_timestamp_millis(at_ms).expect("a time of our days").date_naive()
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) sources: u32,
    /// Records of each source.
    pub(crate) records: usize,
    /// Most events of a record; one at least.
    pub(crate) most_events: u64,
    /// Events that occurrences are drawn from.
    pub(crate) pool: u64,
}

impl Model {
    /// Sources of so many records, drawn from the seed: each holds a few events, some of which other records of this and
    /// of other sources hold as well, and some of which break a rule.
    pub(crate) fn new(seed: u64, shape: Shape) -> Self {
        let Shape { sources, records, most_events, pool } = shape;
        let mut random = fastrand::Rng::with_seed(seed);
        let arrived_ms = Clock::system().now_ms();
        // Noon of yesterday and of the day before: whole days, none of them that of the arrival.
        let noon_ms = arrived_ms.div_euclid(DAY_MS) * DAY_MS - DAY_MS / 2;
        let mut model = Self {
            arrived_ms,
            events: BTreeSet::new(),
            occurrences: 0,
            rejected: vec![0; sources as usize],
            sources: vec![Vec::new(); sources as usize],
        };
        for source in 0..sources as usize {
            for sequence in 1..=records as u64 {
                let mut events = Vec::new();
                for _ in 0..random.u64(1..=most_events) {
                    if random.u64(0..25) == 0 {
                        model.rejected[source] += 1;
                        events.push(json!({"eventId": "broken", "eventType": "page_view"}));
                        continue;
                    }
                    let event = known(random.u64(0..pool), noon_ms);
                    events.push(event.json());
                    model.occurrences += 1;
                    model.events.insert(event);
                }
                model.sources[source].push((sequence, Value::from(events).to_string().into_bytes()));
            }
        }
        model
    }

    pub(crate) fn records(&self, source: u32) -> Vec<Record> {
        self.sources[source as usize].clone()
    }

    /// The days that have events, in order.
    pub(crate) fn dates(&self) -> BTreeSet<NaiveDate> {
        self.events.iter().map(Known::date).collect()
    }

    /// Each user's first day.
    pub(crate) fn first_days(&self) -> BTreeMap<String, NaiveDate> {
        let mut first: BTreeMap<String, NaiveDate> = BTreeMap::new();
        for event in &self.events {
            let date = event.date();
            first.entry(event.user.clone()).and_modify(|known| *known = date.min(*known)).or_insert(date);
        }
        first
    }
}
