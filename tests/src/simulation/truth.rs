//! The naive model: what the stream took, in sets and maps. It knows nothing of partials, fences or claims.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::{day_of, hour_of};
use headcount_core::origin::Origin;

/// What a producer says of one event, and whether it breaks a rule by itself.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) id: Option<String>,
    pub(super) timestamp_ms: Option<i64>,
    /// None of what is anonymous.
    pub(super) user: Option<String>,
    pub(super) session: String,
    pub(super) what: What,
    pub(super) platform: &'static str,
    pub(super) breaks_a_rule: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum What {
    PageView,
    Feature(String),
    Content(String),
    Ai { model: String, tokens: u64, cost_cents: u64 },
    Error(String),
}

impl What {
    pub(super) fn event_type(&self) -> &'static str {
        match self {
            Self::PageView => "page_view",
            Self::Feature(_) => "feature_use",
            Self::Content(_) => "content_create",
            Self::Ai { .. } => "ai_request",
            Self::Error(_) => "error",
        }
    }
}

/// What makes two occurrences the same event: its time, and the id or, without one, the place it came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) timestamp_ms: i64,
    pub(super) id: Id,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    Given(String),
    Origin(String),
}

/// What a record holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Events(Vec<Said>),
    /// Bytes that nobody can take apart.
    Nonsense,
}

#[derive(Debug, Default)]
pub(super) struct Truth {
    /// Each event once.
    pub(super) events: BTreeMap<Key, Said>,
    /// Valid occurrences, by the event's day.
    pub(super) occurrences: BTreeMap<NaiveDate, u64>,
    /// Occurrences that break a rule, by the day of arrival.
    pub(super) rejected: BTreeMap<NaiveDate, u64>,
    /// Days of which records were given up, so that their duplicates are only a lower bound.
    pub(super) given_up: BTreeSet<NaiveDate>,
}

/// The rules of time that the deployment has.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeRules {
    pub(super) zone: Tz,
    pub(super) lateness_ms: i64,
    pub(super) earliness_ms: i64,
}

impl TimeRules {
    pub(super) fn day(&self, ms: i64) -> NaiveDate {
        day_of(self.zone, ms).unwrap_or_default()
    }
}

impl Truth {
    /// The stream took a record; the days that it touches.
    pub(super) fn take(
        &mut self,
        content: &Content,
        origin: impl Fn(u32) -> Origin,
        arrived_ms: i64,
        rules: &TimeRules,
    ) -> BTreeSet<NaiveDate> {
        let arrival_day = rules.day(arrived_ms);
        let mut days = BTreeSet::new();
        let Content::Events(said) = content else {
            *self.rejected.entry(arrival_day).or_default() += 1;
            return BTreeSet::from([arrival_day]);
        };
        for (index, said) in (0..).zip(said) {
            let timestamp_ms = said.timestamp_ms.unwrap_or(arrived_ms);
            let age_ms = arrived_ms - timestamp_ms;
            if said.breaks_a_rule || age_ms > rules.lateness_ms || -age_ms > rules.earliness_ms {
                *self.rejected.entry(arrival_day).or_default() += 1;
                days.insert(arrival_day);
                continue;
            }
            let day = rules.day(timestamp_ms);
            days.insert(day);
            *self.occurrences.entry(day).or_default() += 1;
            let id = said.id.clone().map_or_else(|| Id::Origin(origin(index).to_string()), Id::Given);
            self.events.entry(Key { timestamp_ms, id }).or_insert_with(|| said.clone());
        }
        days
    }

    /// What a day's figures must be made of.
    pub(super) fn day(&self, day: NaiveDate, rules: &TimeRules) -> Day {
        let mut found = Day { by_hour: vec![0; 24], ..Day::default() };
        for (key, said) in self.events.iter().filter(|(key, _)| rules.day(key.timestamp_ms) == day) {
            found.add(key.timestamp_ms, said, rules.zone);
        }
        let occurrences = self.occurrences.get(&day).copied().unwrap_or(0);
        found.duplicates = occurrences - found.events;
        found.rejected = self.rejected.get(&day).copied().unwrap_or(0);
        found
    }

    /// Users of the days from the first to the last.
    pub(super) fn users(&self, from: NaiveDate, to: NaiveDate, rules: &TimeRules) -> BTreeSet<&str> {
        let of_days = |key: &Key| (from..=to).contains(&rules.day(key.timestamp_ms));
        self.events.iter().filter(|(key, _)| of_days(key)).filter_map(|(_, said)| said.user.as_deref()).collect()
    }

    /// Each user's first day.
    pub(super) fn first_days(&self, rules: &TimeRules) -> BTreeMap<&str, NaiveDate> {
        let mut first: BTreeMap<&str, NaiveDate> = BTreeMap::new();
        for (key, said) in &self.events {
            let Some(user) = &said.user else { continue };
            let day = rules.day(key.timestamp_ms);
            first.entry(user).and_modify(|known| *known = day.min(*known)).or_insert(day);
        }
        first
    }

    /// Days with an event or a rejected occurrence.
    pub(super) fn days(&self) -> BTreeSet<NaiveDate> {
        self.occurrences.keys().chain(self.rejected.keys()).copied().collect()
    }
}

/// One day, counted the plain way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) events: u64,
    pub(super) duplicates: u64,
    pub(super) rejected: u64,
    pub(super) by_type: BTreeMap<String, u64>,
    pub(super) by_hour: Vec<u64>,
    pub(super) features: BTreeMap<String, u64>,
    pub(super) content: BTreeMap<String, u64>,
    /// Requests, tokens, nano-dollars.
    pub(super) models: BTreeMap<String, (u64, u64, u64)>,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) platforms: BTreeMap<String, u64>,
    /// First and last time of each session.
    pub(super) sessions: BTreeMap<String, (i64, i64)>,
}

impl Day {
    fn add(&mut self, at_ms: i64, said: &Said, zone: Tz) {
        let one = |map: &mut BTreeMap<String, u64>, name: &str| *map.entry(name.to_owned()).or_default() += 1;
        self.events += 1;
        self.by_hour[hour_of(zone, at_ms)] += 1;
        one(&mut self.by_type, said.what.event_type());
        one(&mut self.platforms, said.platform);
        match &said.what {
            What::PageView => {}
            What::Feature(name) => one(&mut self.features, name),
            What::Content(name) => one(&mut self.content, name),
            What::Error(name) => one(&mut self.errors, name),
            What::Ai { model, tokens, cost_cents } => {
                let sum = self.models.entry(model.clone()).or_default();
                *sum = (sum.0 + 1, sum.1 + tokens, sum.2 + cost_cents * 10_000_000);
            }
        }
        let span = self.sessions.entry(said.session.clone()).or_insert((at_ms, at_ms));
        *span = (span.0.min(at_ms), span.1.max(at_ms));
    }
}
