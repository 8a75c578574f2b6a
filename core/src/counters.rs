//! What is counted of a day: sums, independent of the order in which events come.

mod capped;
mod difference;
mod later;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::calendar::hour_of;
use crate::event::{AiUse, Event, EventType};
use crate::frame::{self, FrameError, Kind};
use crate::latency::Latencies;

pub use capped::{CappedMap, NONE, OTHER, Weigh, cut};
pub use difference::{Compare, Difference};

/// The version of the stored form that this build writes.
pub const VERSION: u8 = 4;

/// Counters of one source and date, or of a whole date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Valid events.
    pub events: u64,
    /// Occurrences that broke a rule, on the day of their arrival.
    pub rejected: u64,
    /// Valid occurrences of events that another occurrence had stored.
    pub duplicates: u64,
    /// Valid events of nobody who is known: anonymous ones, and those whose `userId` is a placeholder.
    pub without_user: u64,
    /// Valid events that count in no session.
    pub without_session: u64,
    /// Events by type.
    pub by_type: CappedMap<u64>,
    /// Events by hour of the reporting zone's clock.
    pub by_hour: [u64; 24],
    /// `feature_use` by feature.
    pub features: CappedMap<u64>,
    /// `content_create` by content type.
    pub content: CappedMap<u64>,
    /// `ai_request` by model.
    pub models: CappedMap<ModelUse>,
    /// `error` by error type.
    pub errors: CappedMap<u64>,
    /// Events by platform.
    pub platforms: CappedMap<u64>,
    /// Events by account, of those that name one.
    pub accounts: CappedMap<u64>,
    /// `ai_request` by account, of those that name one.
    pub ai_accounts: CappedMap<Spent>,
    /// `ai_request` by feature, of those that name one.
    pub ai_features: CappedMap<Spent>,
    /// `ai_request` by user, of those that have one.
    pub ai_users: CappedMap<Spent>,
}

/// Requests to one model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUse {
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
    /// Nano-dollars.
    pub cost_nanos: u128,
    /// Requests that failed.
    pub errors: u64,
    /// Requests that used tokens and have no cost.
    pub unpriced: u64,
    /// How long requests took, of those that say so.
    pub latencies: Latencies,
}

/// What requests to language models took and cost. Names are ranked by cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
    /// Nano-dollars.
    pub cost_nanos: u128,
}

impl Weigh for u64 {
    fn weight(&self) -> u64 {
        *self
    }

    fn add(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

impl Weigh for ModelUse {
    fn weight(&self) -> u64 {
        self.requests
    }

    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.cost_nanos = self.cost_nanos.saturating_add(other.cost_nanos);
        self.errors = self.errors.saturating_add(other.errors);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
        self.latencies.merge(&other.latencies);
    }
}

impl ModelUse {
    /// Of one request.
    pub fn of(ai: &AiUse<'_>) -> Self {
        Self {
            requests: 1,
            tokens: ai.tokens,
            cost_nanos: ai.cost_nanos.into(),
            errors: ai.has_failed.into(),
            unpriced: ai.is_unpriced().into(),
            latencies: ai.latency_ms.map(Latencies::one).unwrap_or_default(),
        }
    }
}

impl Spent {
    /// Of one request.
    pub fn of(ai: &AiUse<'_>) -> Self {
        Self { requests: 1, tokens: ai.tokens, cost_nanos: ai.cost_nanos.into() }
    }
}

impl Weigh for Spent {
    /// A request weighs as much as a nano-dollar, so that those without a cost weigh something.
    fn weight(&self) -> u64 {
        u64::try_from(self.cost_nanos).unwrap_or(u64::MAX).saturating_add(self.requests)
    }

    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.cost_nanos = self.cost_nanos.saturating_add(other.cost_nanos);
    }
}

impl Counters {
    /// Counts one event, in the hour of `zone`'s clock.
    pub fn add(&mut self, event: &Event<'_>, zone: Tz) {
        self.add_at(event, hour_of(zone, event.counted_ms));
    }

    /// As [`Self::add`], with the hour of the reporting zone's clock, 0 to 23.
    pub fn add_at(&mut self, event: &Event<'_>, hour: usize) {
        Weigh::add(&mut self.events, &1);
        Weigh::add(&mut self.without_user, &u64::from(event.user().is_none()));
        Weigh::add(&mut self.without_session, &u64::from(event.session_key().is_none()));
        Weigh::add(&mut self.by_hour[hour], &1);
        self.by_type.add(event.event_type.as_str(), &1);
        self.platforms.add(event.platform().as_deref().unwrap_or(NONE), &1);
        if let Some(account) = &event.account_id {
            self.accounts.add(account, &1);
        }
        match &event.event_type {
            EventType::FeatureUse => self.features.add(event.feature().as_deref().unwrap_or(NONE), &1),
            EventType::ContentCreate => self.content.add(event.content_type().as_deref().unwrap_or(NONE), &1),
            EventType::Error => self.errors.add(event.error_type().as_deref().unwrap_or(NONE), &1),
            EventType::AiRequest => {
                let ai = event.ai_use();
                let spent = Spent::of(&ai);
                self.models.add(event.model().as_deref().unwrap_or(NONE), &ModelUse::of(&ai));
                if let Some(account) = &event.account_id {
                    self.ai_accounts.add(account, &spent);
                }
                if let Some(feature) = &ai.feature {
                    self.ai_features.add(feature, &spent);
                }
                if let Some(user) = event.user() {
                    self.ai_users.add(user, &spent);
                }
            }
            EventType::PageView | EventType::Identify | EventType::Custom(_) => {}
        }
    }

    /// Counts occurrences that broke a rule.
    pub fn add_rejected(&mut self, occurrences: u64) {
        Weigh::add(&mut self.rejected, &occurrences);
    }

    /// Counts occurrences of events that are stored already.
    pub fn add_duplicates(&mut self, occurrences: u64) {
        Weigh::add(&mut self.duplicates, &occurrences);
    }

    /// Adds what another source counted. Names are not capped here, or the sum would depend on the order of sources;
    /// [`Self::capped`] does that once, at the end.
    pub fn merge(&mut self, other: &Self) {
        Weigh::add(&mut self.events, &other.events);
        Weigh::add(&mut self.rejected, &other.rejected);
        Weigh::add(&mut self.duplicates, &other.duplicates);
        Weigh::add(&mut self.without_user, &other.without_user);
        Weigh::add(&mut self.without_session, &other.without_session);
        for (hour, other) in self.by_hour.iter_mut().zip(&other.by_hour) {
            Weigh::add(hour, other);
        }
        self.by_type.merge(&other.by_type);
        self.features.merge(&other.features);
        self.content.merge(&other.content);
        self.models.merge(&other.models);
        self.errors.merge(&other.errors);
        self.platforms.merge(&other.platforms);
        self.accounts.merge(&other.accounts);
        self.ai_accounts.merge(&other.ai_accounts);
        self.ai_features.merge(&other.ai_features);
        self.ai_users.merge(&other.ai_users);
    }

    /// The same counts, each map with its most frequent names only and the rest under [`OTHER`].
    #[must_use]
    pub fn capped(&self) -> Self {
        Self {
            by_type: self.by_type.capped(),
            features: self.features.capped(),
            content: self.content.capped(),
            models: self.models.capped(),
            errors: self.errors.capped(),
            platforms: self.platforms.capped(),
            accounts: self.accounts.capped(),
            ai_accounts: self.ai_accounts.capped(),
            ai_features: self.ai_features.capped(),
            ai_users: self.ai_users.capped(),
            ..*self
        }
    }

    /// Whether a map has more names than it can tell apart exactly, so that the counts of names are lower bounds. Users are left out: of
    /// them only those that spend most are ever listed.
    pub fn is_approximate(&self) -> bool {
        self.models.error() > 0
            || self.maps().iter().any(|(_, map)| map.error() > 0)
            || [&self.ai_accounts, &self.ai_features].iter().any(|map| map.error() > 0)
    }

    /// The stored form: of a sum over sources that of [`Self::capped`], so that what is written can always be read; one
    /// source's counters are capped already. Equal counters have equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let payload = if self.is_sound() { self.payload() } else { self.capped().payload() };
        frame::encode(Kind::Counters, VERSION, &payload)
    }

    /// The maps of plain counts, each with the name of its figure.
    fn maps(&self) -> [(&'static str, &CappedMap<u64>); 6] {
        [
            ("eventsByType", &self.by_type),
            ("featureUsage", &self.features),
            ("contentCreated", &self.content),
            ("errors", &self.errors),
            ("platforms", &self.platforms),
            ("accounts", &self.accounts),
        ]
    }

    /// The maps of what language models cost, each with the name of its figure.
    fn spent(&self) -> [(&'static str, &CappedMap<Spent>); 3] {
        [("aiByAccount", &self.ai_accounts), ("aiByFeature", &self.ai_features), ("aiByUser", &self.ai_users)]
    }

    fn payload(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("memory takes all")
    }

    /// Whether every map holds only such names, and only so many, as adding events makes.
    fn is_sound(&self) -> bool {
        self.models.is_sound()
            && self.maps().iter().all(|(_, map)| map.is_sound())
            && self.spent().iter().all(|(_, map)| map.is_sound())
    }

    /// The counters that were stored.
    ///
    /// # Errors
    ///
    /// [`CountersError`], where the bytes are not exactly what [`Self::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CountersError> {
        let (_, payload) = frame::decode(Kind::Counters, VERSION, bytes)?;
        let counters: Self =
            postcard::from_bytes(payload).map_err(|_| CountersError::Malformed("its fields are cut"))?;
        if !counters.is_sound() {
            return Err(CountersError::Malformed("a map holds impossible names"));
        }
        // Counters are written in one way only. A name that comes twice would lose a count when read; it shows here, as
        // do names out of order, padded numbers and bytes behind the fields.
        if counters.payload() == payload {
            Ok(counters)
        } else {
            Err(CountersError::Malformed("its fields are not as they are written"))
        }
    }
}

/// Why bytes are no counters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountersError {
    /// The frame is damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frame is whole, but what is in it are no counters.
    #[error("it holds no counters: {0}")]
    Malformed(&'static str),
}

#[cfg(test)]
mod tests;
