//! PostHog's capture API: what its SDKs send, as native events. `docs/clients/posthog.md` has the table.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headcount_core::event::{Event, EventType};
use headcount_core::rejection::Problems;
use headcount_core::validate::{Rules, mend};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::native::{Came, RawFields, Writer, given, object, problem, text, wrong_clock};
use super::refusal::Refusal;
use super::request::{Judge, Taken};

/// Names of the group that is an account, the first of them that an event has.
const ACCOUNT_GROUPS: [&str; 3] = ["company", "organization", "account"];

/// Fields of `properties` that say nothing of what happened.
const ENVELOPE: [&str; 2] = ["token", "distinct_id"];

/// A request, taken apart into events.
#[derive(Debug)]
pub(super) struct Request<'a> {
    key: Option<Cow<'a, str>>,
    sent_at: Option<&'a RawValue>,
    events: Vec<&'a RawValue>,
}

/// A body: a batch, or one event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    api_key: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    sent_at: Option<&'a RawValue>,
    #[serde(borrow)]
    batch: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    pub(super) fn read(plain: &'a [u8]) -> Result<Self, Refusal> {
        if plain.trim_ascii().is_empty() {
            return Err(Refusal::Empty);
        }
        let not_json = |error: serde_json::Error| Refusal::NotJson(error.to_string());
        let body: &RawValue = serde_json::from_slice(plain).map_err(not_json)?;
        if body.get().starts_with('[') {
            let events: Vec<&RawValue> = serde_json::from_str(body.get()).map_err(not_json)?;
            let first = events.first().and_then(|first| serde_json::from_str::<Body<'_>>(first.get()).ok());
            let key = first.and_then(|first| first.key());
            return Ok(Self { key, sent_at: None, events });
        }
        let mut envelope: Body<'_> = serde_json::from_str(body.get()).map_err(not_json)?;
        let events = envelope.batch.take().unwrap_or_else(|| vec![body]);
        Ok(Self { key: envelope.key(), sent_at: envelope.sent_at, events })
    }

    /// The write key in the body.
    pub(super) fn key(&self) -> Option<Cow<'_, str>> {
        self.key.as_deref().map(Cow::Borrowed)
    }

    /// What happened, as events. What sets properties of persons or groups, and what the SDKs say of themselves, is none.
    pub(super) fn judge(self, judge: &Judge<'_>) -> Taken {
        Taken::of(self.events, |raw| judge_one(raw.get(), self.sent_at, judge))
    }
}

fn judge_one(raw: &str, sent_with: Option<&RawValue>, judge: &Judge<'_>) -> Result<Option<Event<'static>>, Problems> {
    let (raw, _) = mend(raw);
    let captured: Captured<'_> =
        serde_json::from_str(&raw).map_err(|error| problem("", format_args!("the event cannot be read: {error}")))?;
    let properties = Properties(captured.properties.and_then(|raw| object(raw.get())).unwrap_or_default());
    let Some((event_type, data)) = captured.said(&properties, judge.rules)? else { return Ok(None) };
    let mut event = Writer::default();
    event.text("eventType", &event_type);
    event.raw("eventData", &data);
    event.id("eventId", captured.uuid.or_else(|| properties.raw("$insert_id")));
    let whose = if properties.is_nobody() { "anonymousId" } else { "userId" };
    event.id(whose, captured.distinct_id.or_else(|| properties.raw("distinct_id")));
    event.id("sessionId", properties.raw("$session_id"));
    event.id("accountId", properties.account());
    match (captured.timestamp, captured.uuid) {
        (Some(at), _) => event.raw("timestamp", at.get()),
        // A UUIDv7 tells the time by itself; any other id needs one.
        (None, Some(uuid)) if is_version_7(uuid) => {}
        (None, _) => event.number("timestamp", judge.sender.now_ms),
    }
    event.raw_if("sentAt", wrong_clock(captured.sent_at.or(sent_with), &judge.sender));
    event.raw("metadata", &properties.metadata(judge));
    judge.event(&event.finish()).map(Some)
}

impl<'a> Body<'a> {
    fn key(&self) -> Option<Cow<'a, str>> {
        let of_properties = || text(object(self.properties?.get())?.get("token").copied());
        text(self.api_key).or_else(|| text(self.token)).or_else(of_properties)
    }
}

fn is_version_7(uuid: &RawValue) -> bool {
    text(Some(uuid)).is_some_and(|uuid| uuid.len() == 36 && uuid.as_bytes()[14] == b'7')
}

/// One event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Captured<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    uuid: Option<&'a RawValue>,
    #[serde(borrow)]
    distinct_id: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    sent_at: Option<&'a RawValue>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

impl Captured<'_> {
    /// The event's type and its `eventData`; none where it is no event of a user.
    fn said(&self, properties: &Properties<'_>, rules: &Rules) -> Result<Option<(String, String)>, Problems> {
        let Some(name) = text(self.event) else {
            return Err(problem("event", "is required: the name of what happened"));
        };
        let mut data = properties.data();
        let event_type = match name.trim() {
            "$pageview" => EventType::PageView,
            "$screen" => {
                data.raw_if("name", properties.raw("$screen_name"));
                EventType::PageView
            }
            "$identify" if !properties.is_nobody() => {
                return Ok(Some((EventType::Identify.to_string(), "{}".to_owned())));
            }
            "$ai_generation" | "$ai_embedding" => {
                properties.write_ai(&mut data);
                EventType::AiRequest
            }
            "$exception" => {
                properties.write_exception(&mut data);
                EventType::Error
            }
            own if own.starts_with('$') => return Ok(None),
            own => rules.event_type(own).filter(EventType::is_activity).unwrap_or_else(|| {
                data.text("feature", own);
                EventType::FeatureUse
            }),
        };
        Ok(Some((event_type.to_string(), data.finish())))
    }
}

/// What an event says besides its name. PostHog's own fields begin with `$`.
#[derive(Debug)]
struct Properties<'a>(RawFields<'a>);

impl<'a> Properties<'a> {
    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        given(&self.0, name)
    }

    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.raw(name))
    }

    fn is(&self, name: &str, value: bool) -> bool {
        self.raw(name).is_some_and(|raw| raw.get() == if value { "true" } else { "false" })
    }

    /// Whether its person is not known.
    fn is_nobody(&self) -> bool {
        self.is("$process_person_profile", false) || self.is("$is_identified", false)
    }

    /// The account: the group of a known name, or the only one.
    fn account(&self) -> Option<&'a RawValue> {
        let groups: RawFields<'a> = object(self.raw("$groups")?.get())?;
        let named = ACCOUNT_GROUPS.iter().find_map(|name| groups.get(*name).copied());
        named.or_else(|| groups.values().next().copied().filter(|_| groups.len() == 1))
    }

    /// What the application says, and the page.
    fn data(&self) -> Writer {
        let mut data = Writer::default();
        for (name, raw) in &self.0 {
            if !name.starts_with('$') && !ENVELOPE.contains(&name.as_str()) {
                data.foreign(name, raw.get());
            }
        }
        for (theirs, ours) in [("$pathname", "path"), ("$current_url", "url"), ("$referrer", "referrer")] {
            data.raw_if(ours, self.raw(theirs));
        }
        data
    }

    /// A request to a language model. Prompts and answers are left out.
    fn write_ai(&self, data: &mut Writer) {
        let count = |name: &str| self.raw(name).and_then(|raw| raw.get().parse::<u64>().ok());
        data.raw_if("model", self.raw("$ai_model"));
        let (cached, written) = (count("$ai_cache_read_input_tokens"), count("$ai_cache_creation_input_tokens"));
        match (count("$ai_input_tokens"), self.is("$ai_cache_reporting_exclusive", true)) {
            // Anthropic counts what came from a cache beside the input; here it is a part of it.
            (Some(input), true) => {
                data.number("inputTokens", input + cached.unwrap_or_default() + written.unwrap_or_default());
            }
            _ => data.raw_if("inputTokens", self.raw("$ai_input_tokens")),
        }
        for (theirs, ours) in [
            ("$ai_output_tokens", "outputTokens"),
            ("$ai_cache_read_input_tokens", "cachedTokens"),
            ("$ai_cache_creation_input_tokens", "cacheWriteTokens"),
            ("$ai_reasoning_tokens", "reasoningTokens"),
            ("$ai_total_cost_usd", "cost"),
            ("$ai_provider", "provider"),
            ("$ai_trace_id", "traceId"),
        ] {
            data.raw_if(ours, self.raw(theirs));
        }
        let latency_ms = self.raw("$ai_latency").and_then(|raw| Some(raw.get().parse::<f64>().ok()? * 1e3));
        if let Some(ms) = latency_ms.filter(|ms| ms.is_finite()) {
            data.number("latencyMs", ms.round());
        }
        if self.is("$ai_is_error", true) {
            data.text("errorType", self.text("$ai_http_status").as_deref().unwrap_or("error"));
        }
    }

    fn write_exception(&self, data: &mut Writer) {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Exception<'a> {
            #[serde(borrow, rename = "type")]
            kind: Option<&'a RawValue>,
            #[serde(borrow)]
            value: Option<&'a RawValue>,
        }
        let listed: Option<Vec<Exception<'a>>> =
            self.raw("$exception_list").and_then(|raw| serde_json::from_str(raw.get()).ok());
        let first = listed.and_then(|listed| listed.into_iter().next()).unwrap_or_default();
        data.text_if("errorType", text(first.kind.or_else(|| self.raw("$exception_type"))).as_deref());
        data.text_if("message", text(first.value.or_else(|| self.raw("$exception_message"))).as_deref());
    }

    fn metadata(&self, judge: &Judge<'_>) -> String {
        let library = self.text("$lib").map(|name| match self.text("$lib_version") {
            Some(version) => format!("{name}/{version}"),
            None => name.into_owned(),
        });
        let agent = self.text("$raw_user_agent").or_else(|| self.text("$user_agent"));
        let came = Came {
            user_agent: agent.or_else(|| self.is("$is_server", true).then(|| library.clone().map(Cow::Owned))?),
            ip_address: self.text("$ip"),
            platform: self.platform(),
        };
        let mut metadata = came.metadata(judge);
        metadata.text_if("library", library.as_deref());
        metadata.raw_if("timezone", self.raw("$timezone"));
        metadata.raw_if("locale", self.raw("$browser_language"));
        metadata.finish()
    }

    fn platform(&self) -> Cow<'static, str> {
        if self.is("$is_server", true) {
            return Cow::Borrowed("backend");
        }
        if self.text("$lib").as_deref() == Some("web") {
            return Cow::Borrowed("web");
        }
        let os = self.text("$os").or_else(|| self.text("$os_name")).unwrap_or_default().to_ascii_lowercase();
        Cow::Borrowed(match &*os {
            "android" => "android",
            "ios" | "ipados" => "ios",
            _ => "backend",
        })
    }
}

/// A body without its wrapping. Browsers send gzip without saying so in a header, and base64 in a form.
pub(super) fn unwrapped(plain: &[u8]) -> Option<Vec<u8>> {
    let begin = plain.trim_ascii_start();
    if !begin.starts_with(b"data=") {
        return None;
    }
    let data = form_urlencoded::parse(begin).find(|(name, _)| name == "data").map(|(_, data)| data)?;
    if data.trim_start().starts_with(['{', '[']) {
        return Some(data.into_owned().into_bytes());
    }
    // A plus sign that was not escaped has become a blank.
    STANDARD.decode(data.trim().replace(' ', "+")).ok()
}

/// What SDKs ask for before they send: a configuration in which everything is off but capturing.
pub(super) fn configuration(path: &str) -> Option<(&'static str, String)> {
    let (token, file) = path.strip_prefix("/array/")?.split_once('/')?;
    match file {
        // It would set the configuration that follows as JSON.
        "config.js" => Some(("text/javascript; charset=utf-8", String::new())),
        "config" => Some(("application/json", of_project(token).to_string())),
        _ => None,
    }
}

fn of_project(token: &str) -> Value {
    json!({
        "token": token, "supportedCompression": ["gzip", "gzip-js"], "hasFeatureFlags": false,
        "analytics": {"endpoint": "/i/v0/e/"}, "autocapture_opt_out": true, "autocaptureExceptions": false,
        "captureDeadClicks": false, "capturePerformance": false, "heatmaps": false, "sessionRecording": false,
        "surveys": false, "siteApps": [], "toolbarParams": {}, "isAuthenticated": false,
    })
}

/// Whether this asks for feature flags.
pub(super) fn asks_for_flags(path: &str) -> bool {
    matches!(path, "/flags" | "/flags/" | "/decide" | "/decide/")
}

/// The answer: there are none.
pub(super) fn flags() -> Value {
    json!({
        "flags": {}, "featureFlags": {}, "featureFlagPayloads": {}, "errorsWhileComputingFlags": false,
        "config": {"enable_collect_everything": false}, "sessionRecording": false, "supportedCompression": ["gzip", "gzip-js"],
    })
}

#[cfg(test)]
mod tests;
