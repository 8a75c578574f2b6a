//! Exact counts of one day: what [`headcount_core::partial::Partial`] bounds, a tally keeps whole while it counts.
//!
//! Users, sessions and names are told apart by 64 bits of their hash. That two of n are taken for one has a chance of about n^2 / 2^65: of
//! ten million, three in a million.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasherDefault;

use headcount_core::counters::{CappedMap, Counters, ModelUse, NONE, OTHER, Spent, Weigh, cut};
use headcount_core::event::{Event, EventType};
use headcount_core::exact::{ExactFigures, ExactLatency, ExactSessions, MAX_EXACT_NAMES, UsersBy};
use headcount_core::hash::{PassedThrough, hash64};
use serde::{Deserialize, Serialize};

type Hashes = HashSet<u64, BuildHasherDefault<PassedThrough>>;

/// Uses of a name by a user that were counted a moment ago: most events repeat one of these, and change nothing more.
const RECENT: usize = 1 << 12;

/// Odd: different names of one user lie in different places.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The exact counts of one day, or of a part of its events: parts merge.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tally {
    events: u64,
    rejected: u64,
    duplicates: u64,
    without_user: u64,
    without_session: u64,
    by_hour: [u64; 24],
    types: Names<u64>,
    features: Names<u64>,
    content: Names<u64>,
    models: Names<ModelUse>,
    errors: Names<u64>,
    platforms: Names<u64>,
    accounts: Names<u64>,
    ai_accounts: Names<Spent>,
    ai_features: Names<Spent>,
    ai_users: Names<Spent>,
    /// How often a request to a model took so many milliseconds, by the hash of its name.
    latencies: HashMap<u64, BTreeMap<u64, u64>, BuildHasherDefault<PassedThrough>>,
    users: Hashes,
    /// Names of accounts are cut, and these tell them apart all the same.
    account_ids: Hashes,
    sessions: HashMap<u64, Span, BuildHasherDefault<PassedThrough>>,
    #[serde(skip, default = "nothing_recent")]
    recent: Vec<u64>,
}

fn nothing_recent() -> Vec<u64> {
    vec![0; RECENT]
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            events: 0,
            rejected: 0,
            duplicates: 0,
            without_user: 0,
            without_session: 0,
            by_hour: [0; 24],
            types: Names::of_kind(1),
            features: Names::of_kind(2),
            content: Names::of_kind(3),
            models: Names::of_kind(4),
            errors: Names::of_kind(5),
            platforms: Names::of_kind(6),
            accounts: Names::of_kind(7),
            ai_accounts: Names::of_kind(8),
            ai_features: Names::of_kind(9),
            ai_users: Names::of_kind(10),
            latencies: HashMap::default(),
            users: Hashes::default(),
            account_ids: Hashes::default(),
            sessions: HashMap::default(),
            recent: nothing_recent(),
        }
    }
}

/// A session's first and last millisecond.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Span {
    first_ms: i64,
    last_ms: i64,
}

impl Tally {
    /// Counts an event in an hour of the reporting zone's clock, 0 to 23. The caller has made sure that it counts.
    pub fn add(&mut self, event: &Event<'_>, hour: usize) {
        self.events += 1;
        self.by_hour[hour] += 1;
        match event.session_key() {
            Some(session) => {
                let span = Span { first_ms: event.counted_ms, last_ms: event.counted_ms };
                self.sessions.entry(session).and_modify(|known| known.extend(span)).or_insert(span);
            }
            None => self.without_session += 1,
        }
        let user = event.active_user().map(|user| hash64(user.as_bytes()));
        match user {
            Some(user) => {
                if !is_recent(&mut self.recent, user) {
                    self.users.insert(user);
                }
            }
            None => self.without_user += u64::from(event.user().is_none()),
        }
        let Self { types, features, content, models, errors, platforms, accounts, recent, .. } = self;
        if let Some(account) = &event.account_id {
            if event.event_type.is_activity() {
                self.account_ids.insert(hash64(account.as_bytes()));
            }
            accounts.add(account, &1, None, recent);
        }
        types.add(event.event_type.as_str(), &1, None, recent);
        platforms.add(event.platform().as_deref().unwrap_or(NONE), &1, user, recent);
        match &event.event_type {
            EventType::FeatureUse => features.add(event.feature().as_deref().unwrap_or(NONE), &1, user, recent),
            EventType::ContentCreate => content.add(event.content_type().as_deref().unwrap_or(NONE), &1, user, recent),
            EventType::Error => errors.add(event.error_type().as_deref().unwrap_or(NONE), &1, None, recent),
            EventType::AiRequest => {
                let ai = event.ai_use();
                let (model, spent) = (event.model(), Spent::of(&ai));
                let model = model.as_deref().unwrap_or(NONE);
                models.add(model, &ModelUse::of(&ai), user, recent);
                if let Some(ms) = ai.latency_ms {
                    let times = self.latencies.entry(hash64(cut(model).as_bytes())).or_default();
                    *times.entry(ms).or_default() += 1;
                }
                if let Some(account) = &event.account_id {
                    self.ai_accounts.add(account, &spent, None, recent);
                }
                if let Some(feature) = &ai.feature {
                    self.ai_features.add(feature, &spent, None, recent);
                }
                if let Some(user) = event.user() {
                    self.ai_users.add(user, &spent, None, recent);
                }
            }
            EventType::PageView | EventType::Identify | EventType::Custom(_) => {}
        }
    }

    /// Counts occurrences that broke a rule.
    pub fn add_rejected(&mut self, occurrences: u64) {
        self.rejected = self.rejected.saturating_add(occurrences);
    }

    /// Counts occurrences of events that were counted already.
    pub fn add_duplicates(&mut self, occurrences: u64) {
        self.duplicates = self.duplicates.saturating_add(occurrences);
    }

    /// Valid events.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Adds the counts of other events of the day.
    pub fn merge(&mut self, other: Self) {
        self.events += other.events;
        self.add_rejected(other.rejected);
        self.add_duplicates(other.duplicates);
        self.without_user += other.without_user;
        self.without_session += other.without_session;
        self.by_hour.iter_mut().zip(other.by_hour).for_each(|(hour, other)| *hour += other);
        self.types.merge(other.types);
        self.features.merge(other.features);
        self.content.merge(other.content);
        self.models.merge(other.models);
        self.errors.merge(other.errors);
        self.platforms.merge(other.platforms);
        self.accounts.merge(other.accounts);
        self.ai_accounts.merge(other.ai_accounts);
        self.ai_features.merge(other.ai_features);
        self.ai_users.merge(other.ai_users);
        self.merge_latencies(&other.latencies);
        self.users.extend(other.users);
        self.account_ids.extend(other.account_ids);
        self.merge_sessions(other.sessions);
    }

    fn merge_sessions(&mut self, sessions: impl IntoIterator<Item = (u64, Span)>) {
        for (session, span) in sessions {
            self.sessions.entry(session).and_modify(|known| known.extend(span)).or_insert(span);
        }
    }

    fn merge_latencies(&mut self, others: &HashMap<u64, BTreeMap<u64, u64>, BuildHasherDefault<PassedThrough>>) {
        for (model, theirs) in others {
            let ours = self.latencies.entry(*model).or_default();
            for (ms, times) in theirs {
                *ours.entry(*ms).or_default() += times;
            }
        }
    }

    /// Adds the users, accounts, sessions and latencies of another day, which a range of days unites, and nothing else.
    pub fn unite(&mut self, other: &Self) {
        self.merge_latencies(&other.latencies);
        self.users.extend(&other.users);
        self.account_ids.extend(&other.account_ids);
        self.merge_sessions(other.sessions.iter().map(|(session, span)| (*session, *span)));
    }

    /// The counters: of each kind the [`MAX_EXACT_NAMES`] most used names, each with its exact count.
    pub fn counters(&self) -> Counters {
        Counters {
            events: self.events,
            rejected: self.rejected,
            duplicates: self.duplicates,
            without_user: self.without_user,
            without_session: self.without_session,
            by_type: self.types.counts(),
            by_hour: self.by_hour,
            features: self.features.counts(),
            content: self.content.counts(),
            models: self.models.counts(),
            errors: self.errors.counts(),
            platforms: self.platforms.counts(),
            accounts: self.accounts.counts(),
            ai_accounts: self.ai_accounts.counts(),
            ai_features: self.ai_features.counts(),
            ai_users: self.ai_users.counts(),
        }
    }

    /// Different users.
    pub fn users(&self) -> u64 {
        self.users.len() as u64
    }

    /// Different accounts.
    pub fn accounts(&self) -> u64 {
        self.account_ids.len() as u64
    }

    /// The sessions.
    pub fn sessions(&self) -> ExactSessions {
        let mut durations: Vec<u64> = self.sessions.values().map(|span| span.last_ms.abs_diff(span.first_ms)).collect();
        ExactSessions::of(&mut durations)
    }

    /// How long requests to these models took, of those that say so.
    pub fn latencies<'a>(&self, models: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, ExactLatency> {
        let of = |name: &str| Some((name.to_owned(), ExactLatency::of(self.latencies.get(&hash64(name.as_bytes()))?)));
        models.into_iter().filter_map(of).collect()
    }

    /// All figures; of ids that came with several times a tally knows nothing.
    pub fn figures(&self) -> ExactFigures {
        let counters = self.counters();
        let users_by = UsersBy {
            features: self.features.users(&counters.features),
            content: self.content.users(&counters.content),
            models: self.models.users(&counters.models),
            platforms: self.platforms.users(&counters.platforms),
        };
        let (users, accounts, sessions) = (self.users(), self.accounts(), self.sessions());
        let latencies = self.latencies(counters.models.iter().map(|(name, _)| name));
        ExactFigures { counters, users, users_by, sessions, accounts, latencies, ids_with_several_times: 0 }
    }
}

impl Span {
    fn extend(&mut self, other: Self) {
        (self.first_ms, self.last_ms) = (self.first_ms.min(other.first_ms), self.last_ms.max(other.last_ms));
    }
}

/// Whether this was there a moment ago; from now on it was.
fn is_recent(recent: &mut [u64], key: u64) -> bool {
    let place = &mut recent[key as usize % RECENT];
    std::mem::replace(place, key) == key
}

/// The names of one kind, as many as there are, by 64 bits of their hash.
#[derive(Debug, Serialize, Deserialize)]
struct Names<V> {
    /// Tells the same name of different kinds apart.
    kind: u64,
    by_hash: HashMap<u64, Name<V>, BuildHasherDefault<PassedThrough>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Name<V> {
    text: Box<str>,
    value: V,
    users: Hashes,
}

impl<V: Weigh> Names<V> {
    fn of_kind(kind: u64) -> Self {
        Self { kind, by_hash: HashMap::default() }
    }

    fn add(&mut self, name: &str, value: &V, user: Option<u64>, recent: &mut [u64]) {
        let name = cut(name);
        let hash = hash64(name.as_bytes());
        let counted = self.by_hash.entry(hash).or_insert_with(|| Name::new(name.into()));
        counted.value.add(value);
        if let Some(user) = user
            && !is_recent(recent, user ^ (hash ^ self.kind).wrapping_mul(MIX))
        {
            counted.users.insert(user);
        }
    }

    fn merge(&mut self, other: Self) {
        for (hash, theirs) in other.by_hash {
            let ours = self.by_hash.entry(hash).or_insert_with(|| Name::new(theirs.text));
            ours.value.add(&theirs.value);
            ours.users.extend(theirs.users);
        }
    }

    fn counts(&self) -> CappedMap<V> {
        let counts = self.by_hash.values().map(|counted| (counted.text.clone(), counted.value.clone()));
        CappedMap::exact(counts, MAX_EXACT_NAMES)
    }

    /// The users of each name that is listed.
    fn users(&self, listed: &CappedMap<V>) -> BTreeMap<String, u64> {
        let names = listed.iter().map(|(name, _)| name).filter(|name| *name != OTHER);
        let users =
            |name: &str| Some((name.to_owned(), self.by_hash.get(&hash64(name.as_bytes()))?.users.len() as u64));
        names.filter_map(users).collect()
    }
}

impl<V: Weigh> Name<V> {
    fn new(text: Box<str>) -> Self {
        Self { text, value: V::default(), users: Hashes::default() }
    }
}
