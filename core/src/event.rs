//! An accepted event: validated, sanitized, ready to be stored and folded.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use crate::hash::hash64_of_both;
use crate::json::Json;
use crate::latency::MAX_LATENCY_MS;
use crate::prices::{PriceTable, Tokens};

/// What the `userId` of an event begins with whose person is not known. Such an event counts in every counter and in
/// its session, and its person is no user.
pub const ANONYMOUS_PREFIX: &str = "anonymous:";

/// A JSON object.
pub type Object = Map<String, Value>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// A page was looked at.
    PageView,
    /// A feature was used; `eventData.feature` names it.
    FeatureUse,
    /// Something was made; `eventData.contentType` says what.
    ContentCreate,
    /// A language model was asked; `eventData` has the model, its tokens and its cost.
    AiRequest,
    /// Something went wrong; `eventData.errorType` says what.
    Error,
    /// A user became known. It makes them a new user on its day, and is no activity of theirs: it is in no session, and makes nobody
    /// active.
    Identify,
    /// A type that this deployment configured.
    Custom(Box<str>),
}

impl EventType {
    /// The five types of what users do that every deployment knows.
    pub const BUILT_IN: [Self; 5] =
        [Self::PageView, Self::FeatureUse, Self::ContentCreate, Self::AiRequest, Self::Error];

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::PageView => "page_view",
            Self::FeatureUse => "feature_use",
            Self::ContentCreate => "content_create",
            Self::AiRequest => "ai_request",
            Self::Error => "error",
            Self::Identify => "identify",
            Self::Custom(name) => name,
        }
    }

    /// The type of this name that every deployment knows, if there is one.
    pub fn built_in(name: &str) -> Option<Self> {
        Some(match name {
            "page_view" => Self::PageView,
            "feature_use" => Self::FeatureUse,
            "content_create" => Self::ContentCreate,
            "ai_request" => Self::AiRequest,
            "error" => Self::Error,
            "identify" => Self::Identify,
            _ => return None,
        })
    }

    /// Whether it is something that a user does.
    pub fn is_activity(&self) -> bool {
        *self != Self::Identify
    }

    /// The type of this name, which an item of the table carries and which was therefore accepted once.
    ///
    /// ```
    /// use headcount_core::event::EventType;
    /// assert_eq!(EventType::from_stored("ai_request"), EventType::AiRequest);
    /// assert_eq!(EventType::from_stored("signup").as_str(), "signup");
    /// ```
    pub fn from_stored(name: &str) -> Self {
        Self::built_in(name).unwrap_or_else(|| Self::Custom(name.into()))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An event that passed every rule. Only [`crate::validate`] makes one from foreign bytes; the store reads back
/// what it made. It borrows what it can of the bytes that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// The event's id, 1 to 128 bytes: with the timestamp, what makes it count once.
    pub id: Cow<'a, str>,
    /// Whose event it is. An anonymous id has [`ANONYMOUS_PREFIX`] in front: ask [`Self::user`] for what counts as a user.
    pub user_id: Cow<'a, str>,
    /// The session that it belongs to. What a server sends has none, and counts in everything but sessions.
    pub session_id: Option<Cow<'a, str>>,
    /// What happened.
    pub event_type: EventType,
    /// The account (company, workspace, tenant) that it belongs to; none where the event names none.
    pub account_id: Option<Cow<'a, str>>,
    /// When it happened as its sender's clock had it, milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// When it counts: the timestamp, corrected where the sender's clock is known to be wrong. Its day and hour are those of
    /// the figures; what makes the event itself is the timestamp.
    pub counted_ms: i64,
    /// The price table that made its cost, where it stated tokens and no cost when it was accepted.
    pub priced_by: Option<Cow<'a, str>>,
    /// `eventData`, sanitized; empty where it was absent.
    pub event_data: Json<'a>,
    /// `metadata`, sanitized, its `ipAddress` as the deployment's policy wants it.
    pub metadata: Json<'a>,
}

/// What one `ai_request` says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AiUse<'a> {
    /// Tokens in all: `tokens`, or else `inputTokens` and `outputTokens` together.
    pub tokens: u64,
    /// The tokens by kind: `inputTokens` with those of them that are `cachedTokens` or `cacheWriteTokens`, `outputTokens` with those of
    /// them that are `reasoningTokens`. OpenTelemetry's conventions for generative AI make them parts ("MUST"), so they are not added.
    pub parts: Tokens,
    /// `cost`, in nano-dollars; 0 where it is not known.
    pub cost_nanos: u64,
    /// Whether a cost is stated.
    pub has_cost: bool,
    /// `latencyMs`, or else `durationMs`, or else `duration`, in whole milliseconds.
    pub latency_ms: Option<u64>,
    /// Whether it failed: it has an `errorType`.
    pub has_failed: bool,
    /// `feature`, if it names one.
    pub feature: Option<Cow<'a, str>>,
}

impl Event<'_> {
    /// The same, whatever it borrowed from.
    pub fn into_owned(self) -> Event<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Event {
            id: owned(self.id),
            user_id: owned(self.user_id),
            session_id: self.session_id.map(owned),
            event_type: self.event_type,
            account_id: self.account_id.map(owned),
            timestamp_ms: self.timestamp_ms,
            counted_ms: self.counted_ms,
            priced_by: self.priced_by.map(owned),
            event_data: self.event_data.into_owned(),
            metadata: self.metadata.into_owned(),
        }
    }

    /// The user that this event is of; none where it is anonymous.
    pub fn user(&self) -> Option<&str> {
        (!self.user_id.starts_with(ANONYMOUS_PREFIX)).then_some(&*self.user_id)
    }

    /// The user whom this event makes active.
    pub fn active_user(&self) -> Option<&str> {
        self.user().filter(|_| self.event_type.is_activity())
    }

    /// The account that this event makes active.
    pub fn active_account(&self) -> Option<&str> {
        self.account_id.as_deref().filter(|_| self.event_type.is_activity())
    }

    /// What the session that it counts in is known by, if there is one: the session's id and whose it is, for ids such as `undefined` are shared by
    /// many.
    pub fn session_key(&self) -> Option<u64> {
        let session_id = self.session_id.as_ref().filter(|_| self.event_type.is_activity());
        session_id.map(|id| hash64_of_both(id.as_bytes(), self.user_id.as_bytes()))
    }

    /// `eventData.feature`.
    pub fn feature(&self) -> Option<Cow<'_, str>> {
        self.event_data.text("feature")
    }

    /// `eventData.contentType`.
    pub fn content_type(&self) -> Option<Cow<'_, str>> {
        self.event_data.text("contentType")
    }

    /// `eventData.model`.
    pub fn model(&self) -> Option<Cow<'_, str>> {
        self.event_data.text("model")
    }

    /// `eventData.errorType`.
    pub fn error_type(&self) -> Option<Cow<'_, str>> {
        self.event_data.text("errorType")
    }

    /// `metadata.platform`.
    pub fn platform(&self) -> Option<Cow<'_, str>> {
        self.metadata.text("platform")
    }

    /// Sets the cost of an `ai_request` that states tokens by kind and no cost, and notes the table. Nothing changes where the table
    /// lacks the model.
    pub fn price(&mut self, table: &PriceTable) {
        if self.event_type != EventType::AiRequest {
            return;
        }
        let ai = self.ai_use();
        if ai.has_cost || ai.parts.input == 0 && ai.parts.output == 0 {
            return;
        }
        let Some(nanos) = self.model().and_then(|model| table.bill(&model, &ai.parts)) else { return };
        self.event_data = std::mem::take(&mut self.event_data).with_number("cost", &dollars(nanos));
        self.priced_by = Some(Cow::Owned(table.id().to_string()));
    }

    /// Tokens, cost and the like in `eventData`; zero where absent.
    pub fn ai_use(&self) -> AiUse<'_> {
        let (mut ai, mut stated, mut duration) = (AiUse::default(), None, None);
        for (name, value) in self.event_data.fields() {
            let count = || value.as_str().parse().ok().or_else(|| whole_number(&value.to_value()));
            match &*name {
                "tokens" => stated = count(),
                "inputTokens" => ai.parts.input = count().unwrap_or(0),
                "outputTokens" => ai.parts.output = count().unwrap_or(0),
                "cachedTokens" => ai.parts.cached = count().unwrap_or(0),
                "cacheWriteTokens" => ai.parts.cache_write = count().unwrap_or(0),
                "reasoningTokens" => ai.parts.reasoning = count().unwrap_or(0),
                "batch" => ai.parts.is_batch = value.as_str() == "true",
                "cost" => {
                    let cost = value.to_value().as_f64();
                    (ai.cost_nanos, ai.has_cost) = (cost.map_or(0, nano_dollars), cost.is_some());
                }
                "latencyMs" => ai.latency_ms = latency(&value.to_value()),
                "durationMs" => duration = latency(&value.to_value()).or(duration),
                "duration" => duration = duration.or_else(|| latency(&value.to_value())),
                "errorType" => ai.has_failed = value.as_text().is_some_and(|text| !text.is_empty()),
                "feature" => ai.feature = value.as_text().filter(|feature| !feature.is_empty()),
                _ => {}
            }
        }
        ai.latency_ms = ai.latency_ms.or(duration);
        ai.tokens = stated.unwrap_or_else(|| ai.parts.input.saturating_add(ai.parts.output));
        ai
    }
}

impl AiUse<'_> {
    /// Whether it used tokens and nobody said what they cost.
    pub fn is_unpriced(&self) -> bool {
        self.tokens > 0 && !self.has_cost
    }
}

/// US dollars as whole nano-dollars, rounded to the nearest; nothing below zero.
///
/// ```
/// assert_eq!(headcount_core::event::nano_dollars(0.000_000_001_4), 1);
/// assert_eq!(headcount_core::event::nano_dollars(12.5), 12_500_000_000);
/// ```
pub fn nano_dollars(dollars: f64) -> u64 {
    (dollars * 1e9).round() as u64
}

/// Milliseconds, rounded; none where it is no duration of a request.
fn latency(value: &Value) -> Option<u64> {
    value.as_f64().filter(|ms| (0.0..=MAX_LATENCY_MS as f64).contains(ms)).map(|ms| ms.round() as u64)
}

/// Nano-dollars as US dollars in plain decimals, without zeros at the end: read as a double it gives the very same nano-dollars, up to
/// [`crate::limits::MAX_COST_USD`].
fn dollars(nanos: u64) -> String {
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A whole number that is not negative, however JSON wrote it (`12` or `12.0`).
pub fn whole_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number >= 0.0 && number.fract() == 0.0 && number < 2f64.powi(53)).then_some(number as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(data: Value) -> Event<'static> {
        let ([id, user_id], session_id) = (["e", "u"].map(Cow::from), None);
        let (event_type, event_data) = (EventType::AiRequest, data.into());
        let metadata = Json::EMPTY;
        let (account_id, timestamp_ms, counted_ms, priced_by) = (None, 0, 0, None);
        Event {
            id,
            user_id,
            session_id,
            event_type,
            account_id,
            timestamp_ms,
            counted_ms,
            priced_by,
            event_data,
            metadata,
        }
    }

    fn ai_use(data: Value) -> AiUse<'static> {
        let event = asked(data);
        let ai = event.ai_use();
        AiUse { feature: ai.feature.map(|feature| Cow::Owned(feature.into_owned())), ..ai }
    }

    #[test]
    fn latency_failure_and_feature_are_told_where_they_make_sense() {
        let of = |data: Value| {
            let ai = ai_use(data);
            (ai.latency_ms, ai.has_failed, ai.feature.map(Cow::into_owned))
        };
        let whole = json!({"duration": 9, "latencyMs": 812.5, "errorType": "timeout", "feature": "summary"});
        assert_eq!(of(whole), (Some(813), true, Some("summary".to_owned())));
        assert_eq!(of(json!({"duration": 9, "errorType": "", "feature": 7})), (Some(9), false, None));
        assert_eq!(of(json!({"latencyMs": -1, "errorType": 5})), (None, false, None));
        for both in [json!({"duration": 9, "durationMs": 7}), json!({"durationMs": 7, "duration": 9})] {
            assert_eq!(of(both).0, Some(7));
        }
        assert_eq!(of(json!({"latencyMs": "812", "duration": 86_400_001})), (None, false, None));
    }

    #[test]
    fn built_in_types_are_known_by_their_names() {
        for known in EventType::BUILT_IN.into_iter().chain([EventType::Identify]) {
            assert_eq!(EventType::built_in(known.as_str()), Some(known));
        }
        assert_eq!(EventType::built_in("signup"), None);
    }

    #[test]
    fn tokens_are_stated_or_summed() {
        let parts = json!({ "inputTokens": 301, "outputTokens": 20.0, "cachedTokens": 300, "cost": 0.25 });
        let parts_of = Tokens { input: 301, output: 20, cached: 300, ..Tokens::default() };
        let summed =
            AiUse { tokens: 321, parts: parts_of, cost_nanos: 250_000_000, has_cost: true, ..AiUse::default() };
        assert_eq!(ai_use(parts), summed);
        assert_eq!(ai_use(json!({ "tokens": 7, "inputTokens": 1 })).tokens, 7);
        assert_eq!(ai_use(json!({})), AiUse::default());
    }

    #[test]
    fn stored_figures_beyond_all_rules_cause_no_panic() {
        let huge = ai_use(json!({ "inputTokens": u64::MAX, "outputTokens": 5, "cachedTokens": -1, "cost": 1e300 }));
        assert_eq!((huge.tokens, huge.parts.cached, huge.cost_nanos), (u64::MAX, 0, u64::MAX));
    }

    #[test]
    fn a_request_with_tokens_and_no_cost_is_priced_and_says_by_what() {
        let table = PriceTable::parse(
            "p.json",
            br#"{"m": {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}, "tiny": {"input_cost_per_token": 1.4e-09}}"#,
        )
        .unwrap();
        let priced = |data: Value| {
            let mut event = asked(data);
            event.price(&table);
            let ai = event.ai_use();
            (ai.cost_nanos, event.priced_by.is_some(), ai.is_unpriced(), event.event_data.text("model").is_some())
        };
        assert_eq!(priced(json!({"model": "m", "inputTokens": 3, "outputTokens": 2})), (7_000, true, false, true));
        assert_eq!(priced(json!({"model": "tiny", "inputTokens": 1})), (1, true, false, true));
        // A stated cost stands, even if it is nothing.
        assert_eq!(priced(json!({"model": "m", "inputTokens": 3, "cost": 0.5})), (500_000_000, false, false, true));
        assert_eq!(priced(json!({"model": "m", "inputTokens": 3, "cost": 0})), (0, false, false, true));
        // No price, no model, no kinds of tokens, no tokens.
        assert_eq!(priced(json!({"model": "other", "inputTokens": 3})), (0, false, true, true));
        assert_eq!(priced(json!({"inputTokens": 3})), (0, false, true, false));
        assert_eq!(priced(json!({"model": "m", "tokens": 3})), (0, false, true, true));
        assert_eq!(priced(json!({"model": "m"})), (0, false, false, true));
        assert_eq!(Event { event_type: EventType::Error, ..asked(json!({"model": "m", "inputTokens": 3})) }, {
            let mut error = Event { event_type: EventType::Error, ..asked(json!({"model": "m", "inputTokens": 3})) };
            error.price(&table);
            error
        });
    }

    #[test]
    fn dollars_that_are_written_are_the_nano_dollars_that_are_read() {
        for nanos in
            [1, 9, 10, 123_456_789, 1_000_000_000, 999_999_999_999_999, 1_000_000_000_000_000, 100_000_000_000_007]
        {
            let written = dollars(nanos);
            assert_eq!(nano_dollars(written.parse().unwrap()), nanos, "{written}");
        }
        assert_eq!([dollars(1), dollars(2_500_000_000), dollars(3_000_000_000)], ["0.000000001", "2.5", "3"]);
    }
}
