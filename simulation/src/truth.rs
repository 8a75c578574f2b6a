//! The naive model: what sources delivered, in sets and maps. It knows nothing of entries, tails, checkpoints or partials.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::day_of;
use headcount_core::event::Event;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::origin::{Origin, Source};
use headcount_core::record::OpenedRecord;
use headcount_core::validate::{Arrival, Rules};

use crate::stream::Record;

/// What a producer says of one event, and whether it breaks a rule by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) id: Option<String>,
    pub(crate) timestamp_ms: Option<i64>,
    /// `None` for an anonymous event.
    pub(crate) user: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) what: What,
    pub(crate) platform: &'static str,
    pub(crate) breaks_a_rule: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    PageView,
    Feature(String),
    Content(String),
    Ai(Ai),
    Error(String),
    Identify,
}

/// A request to a language model. Without a cost it is priced by nobody: the world has no price table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ai {
    pub(crate) model: String,
    pub(crate) tokens: u64,
    pub(crate) cost_cents: Option<u64>,
    pub(crate) feature: Option<String>,
    pub(crate) latency_ms: Option<u64>,
    pub(crate) has_failed: bool,
}

impl What {
    pub(crate) fn event_type(&self) -> &'static str {
        match self {
            Self::PageView => "page_view",
            Self::Feature(_) => "feature_use",
            Self::Content(_) => "content_create",
            Self::Ai(_) => "ai_request",
            Self::Error(_) => "error",
            Self::Identify => "identify",
        }
    }
}

/// What makes two occurrences the same event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) timestamp_ms: i64,
    pub(crate) id: String,
}

impl Key {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        Self { timestamp_ms: event.timestamp_ms, id: event.id.clone().into_owned() }
    }
}

/// What a record holds.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Events(Vec<Said>),
    /// Bytes that nobody can take apart.
    Nonsense,
}

/// One valid occurrence.
#[derive(Clone, Debug)]
pub(crate) struct Occurrence {
    pub(crate) day: NaiveDate,
    pub(crate) said: Said,
    /// As it is stored, wherever it is.
    pub(crate) event: Event<'static>,
}

/// A record as its first source delivers it.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    pub(crate) arrival_day: NaiveDate,
    pub(crate) occurrences: Vec<Occurrence>,
    /// What breaks a rule.
    pub(crate) rejected: Vec<Origin>,
}

impl Delivered {
    /// The days that it has something of.
    pub(crate) fn days(&self) -> BTreeSet<NaiveDate> {
        let events = self.occurrences.iter().map(|occurrence| occurrence.day);
        events.chain((!self.rejected.is_empty()).then_some(self.arrival_day)).collect()
    }
}

/// What each source delivered, by sequence number.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) sources: BTreeMap<Source, BTreeMap<u64, Delivered>>,
    /// Records that a mapping gave up on: they may be missing from their shard's log.
    pub(crate) given_up: BTreeSet<(Source, u64)>,
    /// What is known of each event.
    pub(crate) events: BTreeMap<Key, Said>,
}

/// The rules of time that the deployment has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeRules {
    pub(crate) zone: Tz,
    pub(crate) lateness_ms: i64,
    pub(crate) earliness_ms: i64,
}

impl TimeRules {
    pub(crate) fn day(&self, ms: i64) -> NaiveDate {
        day_of(self.zone, ms).unwrap_or_default()
    }

    /// The rules as a consumer is configured with them; history may be however old.
    pub(crate) fn rules(&self, is_history: bool) -> Rules {
        let lateness_ms = (!is_history).then_some(self.lateness_ms);
        Rules::new(Vec::new(), lateness_ms, self.earliness_ms, IpPolicy::Keep).expect("the world's rules are sound")
    }
}

impl Truth {
    /// A source takes a record, which came from `origin` first.
    pub(crate) fn take(&mut self, source: &Source, record: &Record, content: &Content, rules: &TimeRules) {
        let is_history = !source.is_shard();
        let delivered = delivered(source, record, content, rules, is_history);
        for occurrence in &delivered.occurrences {
            self.events.entry(Key::of(&occurrence.event)).or_insert_with(|| occurrence.said.clone());
        }
        self.sources.entry(source.clone()).or_default().insert(record.sequence, delivered);
    }

    /// A kept batch becomes a source of its own.
    pub(crate) fn redrive(&mut self, source: &Source, origin: &Source, records: &[Record]) {
        let of_origin = self.sources.get(origin).cloned().unwrap_or_default();
        let wanted =
            records.iter().filter_map(|record| Some((record.sequence, of_origin.get(&record.sequence)?.clone())));
        self.sources.entry(source.clone()).or_default().extend(wanted);
    }

    /// The events that must be in a log: what was given up may be in none, unless it was redriven.
    pub(crate) fn needed(&self) -> BTreeSet<Key> {
        let mut needed = BTreeSet::new();
        for (source, delivered) in &self.sources {
            for (sequence, one) in delivered {
                if !self.given_up.contains(&(source.clone(), *sequence)) {
                    needed.extend(one.occurrences.iter().map(|occurrence| Key::of(&occurrence.event)));
                }
            }
        }
        needed
    }

    /// Each user's first day, by the events that are in a log.
    pub(crate) fn first_days(&self, rules: &TimeRules, known: &BTreeSet<Key>) -> BTreeMap<&str, NaiveDate> {
        let mut first: BTreeMap<&str, NaiveDate> = BTreeMap::new();
        for (key, said) in self.events.iter().filter(|(key, _)| known.contains(key)) {
            let Some(user) = &said.user else { continue };
            let day = rules.day(key.timestamp_ms);
            first.entry(user).and_modify(|known| *known = day.min(*known)).or_insert(day);
        }
        first
    }
}

/// What a record comes to. Which occurrences are valid is decided here; only ids that are derived and the stored form of
/// an event are taken from the product.
fn delivered(source: &Source, record: &Record, content: &Content, rules: &TimeRules, is_history: bool) -> Delivered {
    let arrival_day = rules.day(record.arrived_ms);
    let arrival = Arrival { source: source.clone(), sequence: record.sequence.into(), arrived_ms: record.arrived_ms };
    let mut found = Delivered { arrival_day, occurrences: Vec::new(), rejected: Vec::new() };
    let Content::Events(said) = content else {
        found.rejected.push(arrival.origin(0));
        return found;
    };
    let opened = OpenedRecord::open(&record.data);
    let decoded = opened.decode(&arrival, &rules.rules(is_history));
    let mut events: BTreeMap<u32, Event<'static>> =
        decoded.events.into_iter().map(|(index, event)| (index, event.into_owned())).collect();
    for (index, said) in (0..).zip(said) {
        let timestamp_ms = said.timestamp_ms.unwrap_or(record.arrived_ms);
        let age_ms = record.arrived_ms - timestamp_ms;
        let is_late = age_ms > rules.lateness_ms && !is_history;
        if said.breaks_a_rule || is_late || -age_ms > rules.earliness_ms {
            found.rejected.push(arrival.origin(index));
            continue;
        }
        let event = events.remove(&index).expect("what the model accepts is accepted");
        assert_eq!(event.timestamp_ms, timestamp_ms, "an event keeps its time");
        if let Some(id) = &said.id {
            assert_eq!(event.id, *id, "an event keeps its id");
        }
        found.occurrences.push(Occurrence { day: rules.day(timestamp_ms), said: said.clone(), event });
    }
    assert!(events.is_empty(), "what the model rejects is rejected");
    found
}

/// Requests, tokens, nano-dollars.
pub(crate) type Spent = (u64, u64, u64);

/// One day, counted the plain way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) events: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
    pub(crate) without_user: u64,
    pub(crate) without_session: u64,
    pub(crate) by_type: BTreeMap<String, u64>,
    pub(crate) by_hour: Vec<u64>,
    pub(crate) features: BTreeMap<String, u64>,
    pub(crate) content: BTreeMap<String, u64>,
    pub(crate) models: BTreeMap<String, Spent>,
    /// Requests that failed, and those without a price, by model.
    pub(crate) ai_failed: BTreeMap<String, u64>,
    pub(crate) ai_unpriced: BTreeMap<String, u64>,
    pub(crate) latencies: BTreeMap<String, Vec<u64>>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) platforms: BTreeMap<String, u64>,
    pub(crate) users: BTreeSet<String>,
    pub(crate) accounts: BTreeMap<String, u64>,
    pub(crate) active_accounts: BTreeSet<String>,
    pub(crate) ai_accounts: BTreeMap<String, Spent>,
    pub(crate) ai_features: BTreeMap<String, Spent>,
    pub(crate) ai_users: BTreeMap<String, Spent>,
    /// First and last time of each session.
    pub(crate) sessions: BTreeMap<String, (i64, i64)>,
}

impl Day {
    pub(crate) fn add(&mut self, at_ms: i64, said: &Said, zone: Tz) {
        let one = |map: &mut BTreeMap<String, u64>, name: &str| *map.entry(name.to_owned()).or_default() += 1;
        self.events += 1;
        self.by_hour.resize(24, 0);
        self.by_hour[headcount_core::calendar::hour_of(zone, at_ms)] += 1;
        one(&mut self.by_type, said.what.event_type());
        one(&mut self.platforms, said.platform);
        match &said.what {
            What::PageView | What::Identify => {}
            What::Feature(name) => one(&mut self.features, name),
            What::Content(name) => one(&mut self.content, name),
            What::Error(name) => one(&mut self.errors, name),
            What::Ai(ai) => {
                for (sums, name) in [
                    (&mut self.models, Some(&ai.model)),
                    (&mut self.ai_accounts, said.account.as_ref()),
                    (&mut self.ai_features, ai.feature.as_ref()),
                    (&mut self.ai_users, said.user.as_ref()),
                ] {
                    let Some(name) = name else { continue };
                    let sum = sums.entry(name.clone()).or_default();
                    *sum = (sum.0 + 1, sum.1 + ai.tokens, sum.2 + ai.cost_cents.unwrap_or(0) * 10_000_000);
                }
                if ai.has_failed {
                    one(&mut self.ai_failed, &ai.model);
                }
                if ai.cost_cents.is_none() && ai.tokens > 0 {
                    one(&mut self.ai_unpriced, &ai.model);
                }
                self.latencies.entry(ai.model.clone()).or_default().extend(ai.latency_ms);
            }
        }
        if let Some(account) = &said.account {
            one(&mut self.accounts, account);
        }
        self.without_user += u64::from(said.user.is_none());
        let is_activity = said.what != What::Identify;
        self.users.extend(said.user.clone().filter(|_| is_activity));
        self.active_accounts.extend(said.account.clone().filter(|_| is_activity));
        let Some(session) = said.session.as_ref().filter(|_| is_activity) else {
            self.without_session += 1;
            return;
        };
        let span = self.sessions.entry(session.clone()).or_insert((at_ms, at_ms));
        *span = (span.0.min(at_ms), span.1.max(at_ms));
    }
}
