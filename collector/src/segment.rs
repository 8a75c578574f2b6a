//! Segment's HTTP Tracking API: what its SDKs send, as native events. `docs/clients/segment.md` has the table.

use std::borrow::Cow;

use headcount_core::event::{Event, EventType};
use headcount_core::rejection::Problems;
use headcount_core::validate::{Rules, mend};
use http::request::Parts;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::native::{Came, Writer, problem, text, wrong_clock};
use super::refusal::Refusal;
use super::request::{Judge, Taken};

/// Bytes of one message, at most: 32 KB (Segment, "HTTP Tracking API", "Max request size").
const MAX_MESSAGE_BYTES: usize = 32 << 10;

/// Bytes of one batch, at most: 500 KB (the same page).
const MAX_BATCH_BYTES: usize = 500 << 10;

/// What the path says of the messages in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// One message of this type.
    One(Type),
    /// Several, each of which says its type.
    Batch,
}

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Track,
    Page,
    Screen,
    Identify,
    Group,
    Alias,
}

impl Type {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "track" => Self::Track,
            "page" => Self::Page,
            "screen" => Self::Screen,
            "identify" => Self::Identify,
            "group" => Self::Group,
            "alias" => Self::Alias,
            _ => return None,
        })
    }
}

impl Call {
    /// The call at this path. Browsers use the short names.
    pub(super) fn at(path: &str) -> Option<Self> {
        Some(match path.strip_prefix("/v1/")? {
            "b" | "batch" | "import" => Self::Batch,
            "t" => Self::One(Type::Track),
            "p" => Self::One(Type::Page),
            "s" => Self::One(Type::Screen),
            "i" => Self::One(Type::Identify),
            "g" => Self::One(Type::Group),
            "a" => Self::One(Type::Alias),
            name => Self::One(Type::named(name)?),
        })
    }
}

/// A request, taken apart into messages.
#[derive(Debug)]
pub(super) struct Request<'a> {
    call: Call,
    envelope: Envelope<'a>,
    messages: Vec<&'a RawValue>,
}

/// What a body says of all its messages.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Envelope<'a> {
    #[serde(borrow)]
    write_key: Option<&'a RawValue>,
    #[serde(borrow)]
    sent_at: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    batch: Option<Vec<&'a RawValue>>,
}

impl<'a> Request<'a> {
    pub(super) fn read(call: Call, plain: &'a [u8]) -> Result<Self, Refusal> {
        if plain.trim_ascii().is_empty() {
            return Err(Refusal::Empty);
        }
        let most = if call == Call::Batch { MAX_BATCH_BYTES } else { MAX_MESSAGE_BYTES };
        if plain.len() > most {
            return Err(Refusal::LargerThan(most));
        }
        let not_json = |error: serde_json::Error| Refusal::NotJson(error.to_string());
        let mut envelope: Envelope<'_> = serde_json::from_slice(plain).map_err(not_json)?;
        let messages = match (call, envelope.batch.take()) {
            (Call::Batch, None) => return Err(Refusal::NotJson("missing field `batch`".to_owned())),
            (Call::Batch, Some(messages)) => messages,
            (Call::One(_), _) => vec![serde_json::from_slice(plain).map_err(not_json)?],
        };
        Ok(Self { call, envelope, messages })
    }

    /// The write key in the body.
    pub(super) fn key(&self) -> Option<Cow<'_, str>> {
        text(self.envelope.write_key)
    }

    /// The messages as events. What associates users with other ids, and what says nothing of a user, is none.
    pub(super) fn judge(self, judge: &Judge<'_>) -> Taken {
        let Self { call, envelope, messages } = self;
        Taken::of(messages, |raw| envelope.judge_one(call, raw.get(), judge))
    }
}

impl Envelope<'_> {
    fn judge_one(&self, call: Call, raw: &str, judge: &Judge<'_>) -> Result<Option<Event<'static>>, Problems> {
        let bytes = raw.len();
        if bytes > MAX_MESSAGE_BYTES {
            let rule = format_args!("the message has {bytes} bytes: at most {MAX_MESSAGE_BYTES} are allowed");
            return Err(problem("", rule));
        }
        let (raw, _) = mend(raw);
        let message: Message<'_> = serde_json::from_str(&raw)
            .map_err(|error| problem("", format_args!("the message cannot be read: {error}")))?;
        let context = message.context.or(self.context);
        let context: Context<'_> =
            context.and_then(|context| serde_json::from_str(context.get()).ok()).unwrap_or_default();
        let kind = match call {
            Call::One(kind) => kind,
            Call::Batch => {
                let name = text(message.kind).unwrap_or_default();
                let rule = "must be track, page, screen, identify, group or alias";
                Type::named(&name).ok_or_else(|| problem("type", rule))?
            }
        };
        let Some(mut event) = message.begun(kind, judge.rules)? else { return Ok(None) };
        message.identify(&mut event, &context, judge.sender.now_ms);
        event.raw_if("sentAt", wrong_clock(message.sent_at.or(self.sent_at), &judge.sender));
        event.raw("metadata", &context.metadata(judge));
        judge.event(&event.finish()).map(Some)
    }
}

/// One message.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, rename = "messageId")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    anonymous_id: Option<&'a RawValue>,
    #[serde(borrow)]
    group_id: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    category: Option<&'a RawValue>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    original_timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    sent_at: Option<&'a RawValue>,
}

impl Message<'_> {
    /// The event with its type and its data; none where the message is no event.
    fn begun(&self, kind: Type, rules: &Rules) -> Result<Option<Writer>, Problems> {
        let mut event = Writer::default();
        match kind {
            Type::Alias => return Ok(None),
            // Of somebody who is not known yet there is nothing to register.
            Type::Identify | Type::Group if !is_given(self.user_id) => return Ok(None),
            Type::Identify | Type::Group => event.text("eventType", EventType::Identify.as_str()),
            Type::Page | Type::Screen => {
                event.text("eventType", EventType::PageView.as_str());
                let mut data = Writer::on(self.properties);
                data.raw_if("name", self.name);
                data.raw_if("category", self.category);
                event.raw("eventData", &data.finish());
            }
            Type::Track => {
                let Some(name) = text(self.event) else {
                    return Err(problem("event", "is required: the name of what happened"));
                };
                let mut data = Writer::on(self.properties);
                let known = rules.event_type(name.trim()).filter(EventType::is_activity);
                if known.is_none() {
                    data.text("feature", &name);
                }
                event.text("eventType", known.unwrap_or(EventType::FeatureUse).as_str());
                event.raw("eventData", &data.finish());
            }
        }
        Ok(Some(event))
    }

    /// Whose event it is, and what makes it itself.
    fn identify(&self, event: &mut Writer, context: &Context<'_>, now_ms: i64) {
        event.id("eventId", self.id);
        event.id("userId", self.user_id);
        event.id("anonymousId", self.anonymous_id);
        event.id("sessionId", context.session_id);
        event.id("accountId", self.group_id.or(context.group_id).filter(|id| is_given(Some(id))));
        match self.original_timestamp.or(self.timestamp) {
            Some(at) => event.raw("timestamp", at.get()),
            None => event.number("timestamp", now_ms),
        }
    }
}

fn is_given(id: Option<&RawValue>) -> bool {
    id.is_some_and(|id| id.get() != "\"\"")
}

/// How a message came.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Context<'a> {
    #[serde(borrow)]
    ip: Option<&'a RawValue>,
    #[serde(borrow)]
    user_agent: Option<&'a RawValue>,
    #[serde(borrow)]
    locale: Option<&'a RawValue>,
    #[serde(borrow)]
    timezone: Option<&'a RawValue>,
    #[serde(borrow)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow)]
    group_id: Option<&'a RawValue>,
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    library: Option<&'a RawValue>,
    #[serde(borrow)]
    device: Option<&'a RawValue>,
    #[serde(borrow)]
    os: Option<&'a RawValue>,
    #[serde(borrow)]
    page: Option<&'a RawValue>,
}

/// A part of the context that says what something is called.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

impl<'a> Named<'a> {
    fn of(part: Option<&'a RawValue>) -> Self {
        part.and_then(|part| serde_json::from_str(part.get()).ok()).unwrap_or_default()
    }
}

impl Context<'_> {
    fn metadata(&self, judge: &Judge<'_>) -> String {
        let library = Named::of(self.library);
        let library = text(library.name).map(|name| match text(library.version) {
            Some(version) => format!("{name}/{version}"),
            None => name.into_owned(),
        });
        let came = Came {
            user_agent: text(self.user_agent).or(library.as_deref().map(Cow::Borrowed)),
            ip_address: text(self.ip),
            platform: self.platform(library.as_deref()),
        };
        let mut metadata = came.metadata(judge);
        metadata.text_if("library", library.as_deref());
        metadata.raw_if("locale", self.locale);
        metadata.raw_if("timezone", self.timezone);
        metadata.finish()
    }

    /// The device's operating system where it is a phone's, `web` of browsers, and `backend` of the rest.
    fn platform(&self, library: Option<&str>) -> Cow<'static, str> {
        for name in [text(Named::of(self.device).kind), text(Named::of(self.os).name)].into_iter().flatten() {
            let name = name.to_ascii_lowercase();
            if let Some(known) = ["android", "ios", "ipados", "tvos"].into_iter().find(|known| *known == name) {
                return Cow::Borrowed(if known == "ipados" { "ios" } else { known });
            }
        }
        let channel = text(self.channel);
        let is_web = channel.as_deref() == Some("browser") || self.page.is_some() || library == Some("analytics.js");
        Cow::Borrowed(if is_web && channel.as_deref() != Some("server") { "web" } else { "backend" })
    }
}

/// What Segment's SDK for browsers asks for before it sends: where to, which is here. Pages then need no setting but `cdnURL`.
pub(super) fn settings(head: &Parts) -> Option<Value> {
    let key = head.uri.path().strip_prefix("/v1/projects/")?.strip_suffix("/settings")?;
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let host = header("host").or(head.uri.authority().map(http::uri::Authority::as_str))?;
    let protocol = if header("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let here = json!({"apiKey": key, "apiHost": format!("{host}/v1"), "protocol": protocol});
    Some(json!({"integrations": {"Segment.io": here}, "plan": {}}))
}

#[cfg(test)]
mod tests;
