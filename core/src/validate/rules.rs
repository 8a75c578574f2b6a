//! What a deployment may configure of the rules.

use std::sync::Arc;

use super::ids::{PLACEHOLDER_IDS, trimmed_id};
use crate::event::{ANONYMOUS_PREFIX, EventType};
use crate::ip_policy::IpPolicy;
use crate::limits::{
    DEFAULT_LATENESS_MS, MAX_CUSTOM_EVENT_TYPES, MAX_EARLINESS_MS, MAX_EVENT_TYPE_BYTES, MAX_IDENTITY_BYTES,
};
use crate::prices::PriceTable;

/// The rules of one deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    custom_types: Vec<Box<str>>,
    lateness_ms: Option<i64>,
    earliness_ms: i64,
    ip_policy: IpPolicy,
    placeholders: Placeholders,
    prices: Option<Arc<PriceTable>>,
}

/// Ids of users that name nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placeholders {
    ids: Vec<Box<str>>,
    /// A bit for each of them, several to a bit, so that most ids are compared with none.
    bits: u64,
}

impl Placeholders {
    fn new<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let ids: Vec<Box<str>> = ids.into_iter().map(trimmed_id).filter(|id| !id.is_empty()).map(Into::into).collect();
        let bits = ids.iter().fold(0, |bits, id| bits | Self::bit(id));
        Self { ids, bits }
    }

    /// The bit of an id, whatever its case.
    fn bit(id: &str) -> u64 {
        let end = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(byte | 0x20));
        let (first, last) = (end(id.as_bytes().first()), end(id.as_bytes().last()));
        1 << ((first ^ last << 2 ^ id.len() << 1) & 63)
    }

    fn contain(&self, id: &str) -> bool {
        self.bits & Self::bit(id) != 0 && self.ids.iter().any(|known| known.eq_ignore_ascii_case(id))
    }
}

impl Default for Rules {
    /// No types but the built-in ones, 7 days late, 15 minutes early, addresses kept.
    fn default() -> Self {
        Self {
            custom_types: Vec::new(),
            lateness_ms: Some(DEFAULT_LATENESS_MS),
            earliness_ms: MAX_EARLINESS_MS,
            ip_policy: IpPolicy::Keep,
            placeholders: Placeholders::new(PLACEHOLDER_IDS),
            prices: None,
        }
    }
}

impl Rules {
    /// Rules with these event types beside the built-in ones. `lateness_ms` and `earliness_ms` are how many
    /// milliseconds an event may lie before and after its arrival; without a lateness, however long before.
    ///
    /// # Errors
    /// There are too many types, a type's name is unusable, or a number of milliseconds is negative.
    ///
    /// ```
    /// use headcount_core::{ip_policy::IpPolicy, validate::Rules};
    /// let rules = Rules::new(vec!["signup".into()], Some(3_600_000), 60_000, IpPolicy::Drop).unwrap();
    /// assert_eq!(rules.lateness_ms(), Some(3_600_000));
    /// assert!(Rules::new(vec![String::new()], None, 0, IpPolicy::Keep).is_err());
    /// ```
    pub fn new(
        custom_types: Vec<String>,
        lateness_ms: Option<i64>,
        earliness_ms: i64,
        ip_policy: IpPolicy,
    ) -> Result<Self, RulesError> {
        let mut names: Vec<Box<str>> = Vec::new();
        for name in custom_types {
            let name = name.trim();
            if name.is_empty() || name.len() > MAX_EVENT_TYPE_BYTES || name.chars().any(char::is_control) {
                return Err(RulesError::EventType(name.chars().take(MAX_EVENT_TYPE_BYTES).collect()));
            }
            if EventType::built_in(name).is_none() && !names.iter().any(|known| **known == *name) {
                names.push(name.into());
            }
        }
        if names.len() > MAX_CUSTOM_EVENT_TYPES {
            return Err(RulesError::TooManyEventTypes(names.len()));
        }
        if let Some(ms) = lateness_ms.filter(|ms| *ms < 0) {
            return Err(RulesError::Lateness(ms));
        }
        if earliness_ms < 0 {
            return Err(RulesError::Earliness(earliness_ms));
        }
        let placeholders = Placeholders::new(PLACEHOLDER_IDS);
        Ok(Self { custom_types: names, lateness_ms, earliness_ms, ip_policy, placeholders, prices: None })
    }

    /// The same rules for history: an event may lie however long before its arrival.
    #[must_use]
    pub fn without_lateness_limit(self) -> Self {
        Self { lateness_ms: None, ..self }
    }

    /// The same rules under another policy for addresses.
    #[must_use]
    pub fn with_ip_policy(self, ip_policy: IpPolicy) -> Self {
        Self { ip_policy, ..self }
    }

    /// The same rules with other ids that name nobody than [`PLACEHOLDER_IDS`]. An event whose `userId` is one, in whatever case,
    /// counts in everything but users.
    ///
    /// # Errors
    /// One of them is longer than a `userId` may be.
    pub fn with_placeholder_ids<'a>(self, ids: impl IntoIterator<Item = &'a str>) -> Result<Self, RulesError> {
        let placeholders = Placeholders::new(ids);
        // An event that has one keeps it, as the id of nobody.
        match placeholders.ids.iter().find(|id| id.len() > MAX_IDENTITY_BYTES - ANONYMOUS_PREFIX.len()) {
            Some(id) => Err(RulesError::PlaceholderId(id.chars().take(MAX_EVENT_TYPE_BYTES).collect())),
            None => Ok(Self { placeholders, ..self }),
        }
    }

    /// The same rules with prices for requests to language models that state tokens and no cost. Only who accepts events for good has
    /// them: the event says by which table it was priced.
    #[must_use]
    pub fn with_prices(self, prices: PriceTable) -> Self {
        Self { prices: Some(Arc::new(prices)), ..self }
    }

    /// The prices of tokens, where there are any.
    pub fn prices(&self) -> Option<&PriceTable> {
        self.prices.as_deref()
    }

    /// The ids that name nobody.
    pub fn placeholder_ids(&self) -> impl Iterator<Item = &str> {
        self.placeholders.ids.iter().map(AsRef::as_ref)
    }

    /// Whether a `userId` names nobody.
    pub fn is_placeholder(&self, user_id: &str) -> bool {
        self.placeholders.contain(user_id)
    }

    /// Milliseconds before its arrival that an event may lie; `None` where there is no limit.
    pub fn lateness_ms(&self) -> Option<i64> {
        self.lateness_ms
    }

    /// Milliseconds after its arrival that an event may lie.
    pub fn earliness_ms(&self) -> i64 {
        self.earliness_ms
    }

    /// What becomes of addresses.
    pub fn ip_policy(&self) -> IpPolicy {
        self.ip_policy
    }

    /// The event types beside the built-in ones.
    pub fn custom_types(&self) -> impl Iterator<Item = &str> {
        self.custom_types.iter().map(AsRef::as_ref)
    }

    /// The event type of this name, if this deployment knows it.
    pub fn event_type(&self, name: &str) -> Option<EventType> {
        EventType::built_in(name)
            .or_else(|| self.custom_types.iter().find(|known| ***known == *name).cloned().map(EventType::Custom))
    }

    /// Every known name, for a problem's text.
    pub(super) fn event_type_names(&self) -> String {
        let built_in = EventType::BUILT_IN.iter().chain([&EventType::Identify]).map(EventType::as_str);
        let names: Vec<&str> = built_in.chain(self.custom_types.iter().map(|name| &**name)).collect();
        names.join(", ")
    }
}

/// Rules that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// More types than allowed.
    #[error("{0} event types are configured: at most {MAX_CUSTOM_EVENT_TYPES} beside the built-in ones are allowed")]
    TooManyEventTypes(usize),
    /// A name that no event type may have.
    #[error(
        "the event type {0:?} cannot be used: a name has 1 to {MAX_EVENT_TYPE_BYTES} bytes and no control characters"
    )]
    EventType(String),
    /// A negative lateness.
    #[error("the lateness is {0} ms: it must not be negative")]
    Lateness(i64),
    /// A placeholder that no `userId` can be.
    #[error("the placeholder id {0:?} is too long: a userId has at most {MAX_IDENTITY_BYTES} bytes")]
    PlaceholderId(String),
    /// A negative earliness.
    #[error("the earliness is {0} ms: it must not be negative")]
    Earliness(i64),
}
