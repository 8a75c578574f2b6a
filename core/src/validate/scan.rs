//! The short way: an event that breaks no rule and needs no mending, read in one pass that copies nothing.
//!
//! Whatever is out of the ordinary, be it wrong, in need of mending or only rare, ends it without a verdict, and
//! the rules are gone through one by one. So it need not know what is wrong with an event, only that nothing is: what it
//! accepts, the rules accept, with the same outcome. A property test holds the two against each other.

mod cursor;

use std::borrow::Cow;

use crate::event::{ANONYMOUS_PREFIX, Event, EventType};
use crate::ip_policy::IpPolicy;
use crate::json::{Found, Json};
use crate::limits::{
    MAX_COST_USD, MAX_EVENT_BYTES, MAX_EVENT_ID_BYTES, MAX_IDENTITY_BYTES, MAX_PRICED_BY_BYTES, MAX_TOKENS,
};

use super::{MAX_ADDED_BYTES, MAX_GROWTH, Rules, time};
use cursor::{Cursor, Field, Kind, Token};

/// Texts that are longer may hold an event that is too large.
const MAX_TEXT_BYTES: usize = (MAX_EVENT_BYTES - MAX_ADDED_BYTES) / MAX_GROWTH;

/// An event that keeps all rules as it is written. `eventId` is what it brings, if anything.
pub(super) struct Scanned<'a> {
    pub(super) event_id: Option<&'a str>,
    pub(super) user_id: Cow<'a, str>,
    pub(super) session_id: Option<&'a str>,
    pub(super) event_type: EventType,
    pub(super) account_id: Option<&'a str>,
    pub(super) timestamp_ms: i64,
    pub(super) tells_time: bool,
    pub(super) priced_by: Option<&'a str>,
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
    let (mut account_id, mut priced_by, mut unknown_fields) = (None, None, 0);
    cursor.blanks();
    let mut object = cursor.open(0)?;
    loop {
        cursor.blanks();
        let name = cursor.name(&mut object)?;
        cursor.blanks();
        cursor.colon()?;
        cursor.blanks();
        match name {
            b"eventId" => event_id = Some(cursor.value(0)?),
            b"userId" => user_id = Some(cursor.value(0)?),
            b"anonymousId" => anonymous_id = Some(cursor.value(0)?),
            b"sessionId" => session_id = Some(cursor.value(0)?),
            b"eventType" => type_name = Some(cursor.value(0)?),
            b"timestamp" => timestamp = Some(cursor.value(0)?),
            b"eventData" => data = Some(Data::read(text, &mut cursor)?),
            b"accountId" => account_id = Some(cursor.value(0)?),
            b"pricedBy" => priced_by = Some(cursor.value(0)?),
            b"metadata" => metadata = Some(read_metadata(text, &mut cursor, rules.ip_policy())?),
            b"v" | b"project" | b"name" => {
                cursor.value(0)?;
            }
            // They move the time, by rules that are not for the short way.
            b"sentAt" | b"countedAt" => return None,
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
        Some(id) => Some(identifier(text, id, MAX_EVENT_ID_BYTES)?),
        None => None,
    };
    let user_id = match (user_id, anonymous_id) {
        (Some(id), _) => {
            let id = identifier(text, id, MAX_IDENTITY_BYTES)?;
            if rules.is_placeholder(id) {
                return None;
            }
            Cow::Borrowed(id)
        }
        (None, Some(id)) => {
            let id = identifier(text, id, MAX_IDENTITY_BYTES - ANONYMOUS_PREFIX.len())?;
            Cow::Owned(format!("{ANONYMOUS_PREFIX}{id}"))
        }
        (None, None) => return None,
    };
    let session_id = match session_id {
        Some(id) => Some(identifier(text, id, MAX_IDENTITY_BYTES)?),
        None => None,
    };
    let account_id = match account_id {
        Some(id) => Some(identifier(text, id, MAX_IDENTITY_BYTES).filter(|id| !rules.is_placeholder(id))?),
        None => None,
    };
    let priced_by = match priced_by {
        Some(id) => Some(identifier(text, id, MAX_PRICED_BY_BYTES)?),
        None => None,
    };
    let type_name = type_name.filter(|name| name.kind == Kind::Text)?;
    let event_type = rules.event_type(type_name.of(text))?;
    let event_data = match data {
        Some(data) => data.keeps_rules_of(text, &event_type)?,
        None => Json::EMPTY,
    };
    Some(Scanned {
        event_id,
        user_id,
        session_id,
        event_type,
        account_id,
        timestamp_ms: time_of(text, timestamp, event_id, arrived_ms, rules)?,
        tells_time: timestamp.is_some() || event_id.is_some(),
        priced_by,
        event_data,
        metadata: metadata?,
        unknown_fields,
    })
}

fn identifier(text: &str, value: Token, max_bytes: usize) -> Option<&str> {
    let id = value.of(text);
    (value.kind == Kind::Text && (1..=max_bytes).contains(&id.len())).then_some(id)
}

fn time_of(
    text: &str,
    timestamp: Option<Token>,
    event_id: Option<&str>,
    arrived_ms: i64,
    rules: &Rules,
) -> Option<i64> {
    let ms = match (timestamp, event_id) {
        (Some(given), _) => match given.kind {
            Kind::Number => given.of(text).parse().ok()?,
            Kind::Text => time::of_text(given.of(text))?,
            Kind::Escaped | Kind::Other => return None,
        },
        (None, None) => arrived_ms,
        (None, Some(id)) => time::uuid_v7_ms(id)?,
    };
    time::is_in_window(ms, arrived_ms, rules).then_some(ms)
}

/// `eventData`, and the fields of it that some type has rules for.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Data {
    starts: usize,
    ends: usize,
    is_empty: bool,
    feature: Option<Token>,
    content_type: Option<Token>,
    model: Option<Token>,
    error_type: Option<Token>,
    /// Whether every field that counts tokens is a number of them that is allowed.
    tokens_are_sound: bool,
    cost_is_sound: bool,
    /// Whether a field counts tokens.
    counts_tokens: bool,
    /// Whether there is a provider's `usage`: without any count of tokens it is looked at the long way.
    has_usage: bool,
}

impl Data {
    fn read(text: &str, cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut data = Self {
            starts: cursor.at(),
            ends: 0,
            is_empty: false,
            feature: None,
            content_type: None,
            model: None,
            error_type: None,
            tokens_are_sound: true,
            cost_is_sound: true,
            counts_tokens: false,
            has_usage: false,
        };
        let fields = cursor.object(1, |field| match field.name {
            b"feature" => data.feature = Some(field.value),
            b"contentType" => data.content_type = Some(field.value),
            b"model" => data.model = Some(field.value),
            b"errorType" => data.error_type = Some(field.value),
            b"tokens" | b"inputTokens" | b"outputTokens" | b"cachedTokens" | b"cacheWriteTokens"
            | b"reasoningTokens" => {
                data.tokens_are_sound &= is_token_count(text, field.value);
                data.counts_tokens = true;
            }
            b"usage" => data.has_usage = true,
            b"cost" => data.cost_is_sound = is_cost(text, field.value),
            _ => {}
        })?;
        data.ends = cursor.at();
        data.is_empty = fields == 0;
        Some(data)
    }

    fn keeps_rules_of<'a>(&self, text: &'a str, event_type: &EventType) -> Option<Json<'a>> {
        if self.is_empty {
            return Some(Json::EMPTY);
        }
        let named = match event_type {
            EventType::FeatureUse => Some(("feature", self.feature)),
            EventType::ContentCreate => Some(("contentType", self.content_type)),
            EventType::AiRequest
                if self.tokens_are_sound && self.cost_is_sound && (self.counts_tokens || !self.has_usage) =>
            {
                Some(("model", self.model))
            }
            EventType::AiRequest => return None,
            EventType::Error => Some(("errorType", self.error_type)),
            EventType::PageView | EventType::Identify | EventType::Custom(_) => None,
        };
        let found = match named {
            Some((name, Some(value))) if is_filled_text(value) => Some(found(name, value, self.starts)),
            Some((_, Some(_))) => return None,
            Some((_, None)) | None => None,
        };
        Some(Json::sanitized(Cow::Borrowed(&text[self.starts..self.ends])).with_found(found))
    }
}

/// Where a string lies in an object that starts at `object`, its quotes included.
fn found(name: &'static str, value: Token, object: usize) -> Found {
    Found { name, starts: u32::from(value.starts) - 1 - object as u32, ends: u32::from(value.ends) + 1 - object as u32 }
}

fn is_filled_text(value: Token) -> bool {
    match value.kind {
        Kind::Text | Kind::Escaped => value.starts < value.ends,
        Kind::Number | Kind::Other => false,
    }
}

fn is_token_count(text: &str, value: Token) -> bool {
    value.kind == Kind::Number && value.of(text).parse::<u64>().is_ok_and(|tokens| tokens <= MAX_TOKENS)
}

fn is_cost(text: &str, value: Token) -> bool {
    value.kind == Kind::Number && value.of(text).parse::<f64>().is_ok_and(|cost| (0.0..=MAX_COST_USD).contains(&cost))
}

/// Reads an event that the log stored, with its index, in one pass that copies nothing. Where its names lie is then known when it is counted.
/// `None` where the general way must read it, which takes longer: something about it is rare.
pub fn scan_stored(line: &str) -> Option<(u32, Event<'_>)> {
    if line.len() > MAX_TEXT_BYTES {
        return None;
    }
    let mut cursor = Cursor::new(line);
    let (mut index, mut event_id, mut user_id, mut session_id) = (None, None, None, None);
    let (mut type_name, mut timestamp, mut counted_at, mut data, mut metadata) = (None, None, None, None, None);
    let (mut account_id, mut priced_by, mut object) = (None, None, cursor.open(0)?);
    loop {
        let name = cursor.name(&mut object)?;
        cursor.colon()?;
        match name {
            b"index" => index = Some(cursor.value(0)?),
            b"eventId" => event_id = Some(cursor.value(0)?),
            b"userId" => user_id = Some(cursor.value(0)?),
            b"sessionId" => session_id = Some(cursor.value(0)?),
            b"eventType" => type_name = Some(cursor.value(0)?),
            b"accountId" => account_id = Some(cursor.value(0)?),
            b"timestamp" => timestamp = Some(cursor.value(0)?),
            b"countedAt" => counted_at = Some(cursor.value(0)?),
            b"pricedBy" => priced_by = Some(cursor.value(0)?),
            b"eventData" => data = Some(Data::read(line, &mut cursor)?),
            b"metadata" => metadata = Some(stored_metadata(line, &mut cursor)?),
            _ => return None,
        }
        if cursor.close(&object)? {
            break;
        }
    }
    if !cursor.is_at_end() {
        return None;
    }
    let text = |value: Option<Token>| value.filter(|value| value.kind == Kind::Text).map(|value| value.of(line));
    let millis = |value: Token| (value.kind == Kind::Number).then(|| value.of(line).parse().ok()).flatten();
    let event_type = EventType::from_stored(text(type_name)?);
    let event_data = match data {
        Some(data) => data.keeps_rules_of(line, &event_type)?,
        None => Json::EMPTY,
    };
    let timestamp_ms = millis(timestamp?)?;
    let optional = |value: Option<Token>| match value {
        Some(value) => Some(Some(text(Some(value))?.into())),
        None => Some(None),
    };
    let (session_id, account_id, priced_by) = (optional(session_id)?, optional(account_id)?, optional(priced_by)?);
    let event = Event {
        id: text(event_id)?.into(),
        user_id: text(user_id)?.into(),
        session_id,
        event_type,
        account_id,
        timestamp_ms,
        counted_ms: counted_at.map_or(Some(timestamp_ms), millis)?,
        priced_by,
        event_data,
        metadata: metadata?,
    };
    Some((index.and_then(millis)?.try_into().ok()?, event))
}

fn stored_metadata<'a>(line: &'a str, cursor: &mut Cursor<'a>) -> Option<Json<'a>> {
    let (mut platform, starts) = (None, cursor.at());
    cursor.object(1, |field| {
        if field.name == b"platform" {
            platform = Some(field.value);
        }
    })?;
    let found =
        platform.filter(|platform| is_filled_text(*platform)).map(|platform| found("platform", platform, starts));
    Some(Json::sanitized(Cow::Borrowed(&line[starts..cursor.at()])).with_found(found))
}

/// `metadata` with all that it must hold, its address as the policy wants it.
fn read_metadata<'a>(text: &'a str, cursor: &mut Cursor<'a>, policy: IpPolicy) -> Option<Json<'a>> {
    let (mut has_user_agent, mut platform, mut address) = (false, None, None);
    let starts = cursor.at();
    cursor.object(1, |field| match field.name {
        b"userAgent" => has_user_agent = is_filled_text(field.value),
        b"platform" => platform = Some(field.value),
        b"ipAddress" => address = Some(field),
        _ => {}
    })?;
    let platform = platform.filter(|platform| has_user_agent && is_filled_text(*platform))?;
    let address = address.filter(|field| is_filled_text(field.value))?;
    let object = &text[starts..cursor.at()];
    let mut found = found("platform", platform, starts);
    if policy == IpPolicy::Keep {
        return Some(Json::sanitized(Cow::Borrowed(object)).with_found(Some(found)));
    }
    if address.value.kind != Kind::Text {
        return None;
    }
    let given = address.value.of(text);
    let stored = match policy.apply(given) {
        Some(allowed) if allowed == given => Cow::Borrowed(object),
        Some(allowed) => Cow::Owned(with_text(object, address.value, starts, &allowed)),
        None => Cow::Owned(without(object, &address, starts)),
    };
    if platform.starts > address.value.starts {
        let lost = object.len().checked_sub(stored.len())? as u32;
        found = Found { starts: found.starts - lost, ends: found.ends - lost, ..found };
    }
    Some(Json::sanitized(stored).with_found(Some(found)))
}

/// The object with another string in the place of one, which needs no escapes.
fn with_text(object: &str, old: Token, starts: usize, new: &str) -> String {
    [&object[..usize::from(old.starts) - starts], new, &object[usize::from(old.ends) - starts..]].concat()
}

/// The object without a string, one of several fields.
fn without(object: &str, field: &Field<'_>, starts: usize) -> String {
    let (before, behind) = (&object[..field.starts - starts], &object[usize::from(field.value.ends) + 1 - starts..]);
    match behind.trim_start().strip_prefix(',') {
        Some(behind) => [before, behind.trim_start()].concat(),
        None => [before.trim_end().trim_end_matches(','), behind].concat(),
    }
}

#[cfg(test)]
mod tests;
