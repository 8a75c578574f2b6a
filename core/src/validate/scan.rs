//! The short way: an event that breaks no rule and needs no mending, read in one pass that copies nothing.
//!
//! Whatever is out of the ordinary, be it wrong, in need of mending or only rare, ends it without a verdict, and
//! the rules are gone through one by one. So it need not know what is wrong with an event, only that nothing is: what it
//! accepts, the rules accept, with the same outcome. A property test holds the two against each other.

mod cursor;

use std::borrow::Cow;

use crate::event::{ANONYMOUS_PREFIX, EventType};
use crate::ip_policy::IpPolicy;
use crate::json::Json;
use crate::limits::{MAX_COST_USD, MAX_EVENT_BYTES, MAX_EVENT_ID_BYTES, MAX_IDENTITY_BYTES, MAX_TOKENS};

use super::{MAX_ADDED_BYTES, MAX_GROWTH, Rules, time};
use cursor::{Cursor, Field, Token};

/// Texts that are longer may hold an event that is too large.
const MAX_TEXT_BYTES: usize = (MAX_EVENT_BYTES - MAX_ADDED_BYTES) / MAX_GROWTH;

/// An event that keeps all rules as it is written. `eventId` is what it brings, if anything.
pub(super) struct Scanned<'a> {
    pub(super) event_id: Option<&'a str>,
    pub(super) user_id: Cow<'a, str>,
    pub(super) session_id: &'a str,
    pub(super) event_type: EventType,
    pub(super) timestamp_ms: i64,
    pub(super) event_data: Json<'a>,
    pub(super) metadata: Json<'a>,
    pub(super) unknown_fields: u64,
}

/// Reads the text of one event; `None` where the rules must be gone through.
pub(super) fn scan<'a>(text: &'a str, arrived_ms: i64, rules: &Rules) -> Option<Scanned<'a>> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let mut cursor = Cursor::new(text);
    let (mut event_id, mut user_id, mut anonymous_id, mut session_id) = (None, None, None, None);
    let (mut type_name, mut timestamp, mut data, mut metadata) = (None, None, None, None);
    let mut unknown_fields = 0;
    cursor.blanks();
    let mut object = cursor.open(0)?;
    loop {
        cursor.blanks();
        let name = cursor.name(&mut object)?;
        cursor.blanks();
        cursor.colon()?;
        cursor.blanks();
        match name {
            "eventId" => event_id = Some(cursor.value(0)?),
            "userId" => user_id = Some(cursor.value(0)?),
            "anonymousId" => anonymous_id = Some(cursor.value(0)?),
            "sessionId" => session_id = Some(cursor.value(0)?),
            "eventType" => type_name = Some(cursor.value(0)?),
            "timestamp" => timestamp = Some(cursor.value(0)?),
            "eventData" => data = Some(Data::read(text, &mut cursor)?),
            "metadata" => metadata = Some(read_metadata(text, &mut cursor, rules.ip_policy())?),
            "v" | "project" | "name" => {
                cursor.value(0)?;
            }
            _ => {
                cursor.value(0)?;
                unknown_fields += 1;
            }
        }
        cursor.blanks();
        if cursor.close(&object)? {
            break;
        }
    }
    cursor.blanks();
    if !cursor.is_at_end() {
        return None;
    }
    let event_id = match event_id {
        Some(id) => Some(identifier(id, MAX_EVENT_ID_BYTES)?),
        None => None,
    };
    let user_id = match (user_id, anonymous_id) {
        (Some(id), _) => Cow::Borrowed(identifier(id, MAX_IDENTITY_BYTES)?),
        (None, Some(id)) => {
            Cow::Owned(format!("{ANONYMOUS_PREFIX}{}", identifier(id, MAX_IDENTITY_BYTES - ANONYMOUS_PREFIX.len())?))
        }
        (None, None) => return None,
    };
    let Token::Text(type_name) = type_name? else { return None };
    let event_type = rules.event_type(type_name)?;
    let event_data = match data {
        Some(data) => data.keeps_rules_of(&event_type)?,
        None => Json::EMPTY,
    };
    Some(Scanned {
        event_id,
        user_id,
        session_id: identifier(session_id?, MAX_IDENTITY_BYTES)?,
        event_type,
        timestamp_ms: time_of(timestamp, event_id, arrived_ms, rules)?,
        event_data,
        metadata: metadata?,
        unknown_fields,
    })
}

fn identifier(value: Token<'_>, max_bytes: usize) -> Option<&str> {
    let Token::Text(id) = value else { return None };
    (1..=max_bytes).contains(&id.len()).then_some(id)
}

fn time_of(timestamp: Option<Token<'_>>, event_id: Option<&str>, arrived_ms: i64, rules: &Rules) -> Option<i64> {
    let ms = match (timestamp, event_id) {
        (Some(Token::Number(number)), _) => number.parse().ok()?,
        (Some(Token::Text(text)), _) => time::of_text(text)?,
        (Some(_), _) => return None,
        (None, None) => arrived_ms,
        (None, Some(id)) => time::uuid_v7_ms(id)?,
    };
    time::is_in_window(ms, arrived_ms, rules).then_some(ms)
}

/// `eventData`, and the fields of it that some type has rules for.
struct Data<'a> {
    json: Json<'a>,
    feature: Option<Token<'a>>,
    content_type: Option<Token<'a>>,
    model: Option<Token<'a>>,
    error_type: Option<Token<'a>>,
    /// Whether every field that counts tokens is a number of them that is allowed.
    tokens_are_sound: bool,
    cost_is_sound: bool,
}

impl<'a> Data<'a> {
    fn read(text: &'a str, cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut data = Self {
            json: Json::EMPTY,
            feature: None,
            content_type: None,
            model: None,
            error_type: None,
            tokens_are_sound: true,
            cost_is_sound: true,
        };
        let starts = cursor.at();
        let fields = cursor.object(1, |field| match field.name {
            "feature" => data.feature = Some(field.value),
            "contentType" => data.content_type = Some(field.value),
            "model" => data.model = Some(field.value),
            "errorType" => data.error_type = Some(field.value),
            "tokens" | "inputTokens" | "outputTokens" | "cachedTokens" => {
                data.tokens_are_sound &= is_token_count(field.value);
            }
            "cost" => data.cost_is_sound = is_cost(field.value),
            _ => {}
        })?;
        if fields > 0 {
            data.json = Json::sanitized(Cow::Borrowed(&text[starts..cursor.at()]));
        }
        Some(data)
    }

    fn keeps_rules_of(self, event_type: &EventType) -> Option<Json<'a>> {
        let is_sound = match event_type {
            EventType::FeatureUse => is_name(self.feature),
            EventType::ContentCreate => is_name(self.content_type),
            EventType::AiRequest => is_name(self.model) && self.tokens_are_sound && self.cost_is_sound,
            EventType::Error => is_name(self.error_type),
            EventType::PageView | EventType::Custom(_) => true,
        };
        is_sound.then_some(self.json)
    }
}

fn is_name(value: Option<Token<'_>>) -> bool {
    match value {
        None | Some(Token::Escaped(_)) => true,
        Some(Token::Text(name)) => !name.is_empty(),
        Some(Token::Number(_) | Token::Other) => false,
    }
}

fn is_token_count(value: Token<'_>) -> bool {
    matches!(value, Token::Number(number) if number.parse::<u64>().is_ok_and(|tokens| tokens <= MAX_TOKENS))
}

fn is_cost(value: Token<'_>) -> bool {
    matches!(value, Token::Number(number) if number.parse::<f64>().is_ok_and(|cost| (0.0..=MAX_COST_USD).contains(&cost)))
}

/// `metadata` with all that it must hold, its address as the policy wants it.
fn read_metadata<'a>(text: &'a str, cursor: &mut Cursor<'a>, policy: IpPolicy) -> Option<Json<'a>> {
    let (mut user_agent, mut platform, mut address) = (false, false, None);
    let starts = cursor.at();
    let is_text = |value| matches!(value, Token::Escaped(_)) || matches!(value, Token::Text(text) if !text.is_empty());
    cursor.object(1, |field| match field.name {
        "userAgent" => user_agent = is_text(field.value),
        "platform" => platform = is_text(field.value),
        "ipAddress" => address = Some(field),
        _ => {}
    })?;
    let address = address.filter(|field| user_agent && platform && is_text(field.value))?;
    let metadata = Span { text, starts, ends: cursor.at() };
    match (policy, address.value) {
        (IpPolicy::Keep, _) => Some(Json::sanitized(Cow::Borrowed(&text[starts..metadata.ends]))),
        (_, Token::Text(given)) => Some(Json::sanitized(match policy.apply(given) {
            Some(allowed) if allowed == given => Cow::Borrowed(&text[starts..metadata.ends]),
            Some(allowed) => Cow::Owned(metadata.with(&address, &allowed)),
            None => Cow::Owned(metadata.without(&address)),
        })),
        _ => None,
    }
}

/// Where an object lies.
struct Span<'a> {
    text: &'a str,
    starts: usize,
    ends: usize,
}

impl Span<'_> {
    /// The object with another string as a field's value, which needs no escapes.
    fn with(&self, field: &Field<'_>, value: &str) -> String {
        [&self.text[self.starts..=field.value_starts], value, &self.text[field.ends - 1..self.ends]].concat()
    }

    /// The object without a field, one of several.
    fn without(&self, field: &Field<'_>) -> String {
        let (before, behind) = (&self.text[self.starts..field.starts], &self.text[field.ends..self.ends]);
        match behind.trim_start().strip_prefix(',') {
            Some(behind) => [before, behind.trim_start()].concat(),
            None => [before.trim_end().trim_end_matches(','), behind].concat(),
        }
    }
}

#[cfg(test)]
mod tests;
