//! What an event says, and how it looks on the wire.
//!
//! Written by structs whose fields have an order, never by maps: the bytes must not depend on how a map sorts.

use chrono::{DateTime, SecondsFormat};
use fastrand::Rng;
use serde::Serialize;

use super::people::pick;
use super::session::{Fate, Planned};
use super::{Action, Fact, Flaw, Kind, Line};

type Act = fn(&mut Rng) -> (Action, Data);

/// What people do, and how often out of 100.
const ACTIONS: [(u32, Act); 5] =
    [(52, page_view), (25, feature_use), (8, content_create), (12, ai_request), (3, error)];

const PAGES: [(u32, &str, &str); 8] = [
    (30, "/", "Home"),
    (22, "/dashboard", "Dashboard"),
    (14, "/projects", "Projects"),
    (10, "/search", "Search"),
    (9, "/settings", "Settings"),
    (6, "/pricing", "Pricing – plans & prices"),
    (5, "/docs/getting-started", "Getting started"),
    (4, "/de/übersicht", "Übersicht"),
];
const REFERRERS: [&str; 4] = [
    "https://www.example.com/",
    "https://search.example/?q=analytics",
    "https://news.example.org/item",
    "android-app://org.example.mail",
];
const FEATURES: [(u32, &str); 12] = [
    (24, "search"),
    (16, "share"),
    (12, "export_csv"),
    (10, "comment"),
    (9, "dark_mode"),
    (8, "filter"),
    (6, "bulk_edit"),
    (5, "import"),
    (4, "keyboard_shortcuts"),
    (3, "version_history"),
    (2, "api_token"),
    (1, "export_pdf"),
];
const CONTENT: [(u32, &str); 5] =
    [(40, "document"), (25, "comment"), (18, "image"), (12, "dashboard"), (5, "template")];
const ERRORS: [(u32, &str); 6] =
    [(34, "network"), (22, "validation"), (18, "timeout"), (14, "server"), (8, "permission"), (4, "crash")];

/// A model: weight, name, nano-dollars for a token in, out and read from a cache.
const MODELS: [(u32, &str, [u64; 3]); 4] = [
    (50, "swift-mini", [150, 600, 75]),
    (28, "swift", [2_500, 10_000, 1_250]),
    (16, "sonata-4", [3_000, 15_000, 300]),
    (6, "opera-4", [15_000, 75_000, 1_500]),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    event_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    session_id: &'a str,
    event_type: &'a str,
    timestamp: Timestamp,
    event_data: Data,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Timestamp {
    Millis(i64),
    Text(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    user_agent: &'a str,
    ip_address: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'a str>,
    app_version: &'static str,
    locale: &'static str,
}

/// `eventData`.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referrer: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Tokens>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u32>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Tokens {
    Count(u64),
    Nonsense(&'static str),
}

/// The line that was planned.
pub(super) fn line(planned: &Planned) -> Line {
    let session = &planned.session;
    let mut rng = session.rng(planned.index);
    let event_id = event_id(&mut rng, planned.at_ms);
    let (action, data) = act(&mut rng);
    let wire = Wire {
        event_id: &event_id,
        user_id: Some(&session.user.id),
        session_id: &session.id,
        event_type: action.event_type(),
        timestamp: timestamp(&mut rng, planned.at_ms),
        event_data: data,
        metadata: Some(Metadata {
            user_agent: session.user.agent,
            ip_address: &session.user.ip_address,
            platform: Some(session.user.platform),
            app_version: session.user.app_version,
            locale: session.user.locale,
        }),
    };
    let (json, kind) = match planned.fate {
        Fate::Fresh => (to_json(&wire), Kind::Fresh(fact(planned, action))),
        Fate::Again => (to_json(&wire), Kind::Duplicate),
        Fate::Flawed(flaw) => (flawed(flaw, wire, planned.at_ms), Kind::Invalid(flaw)),
    };
    Line { json, partition_key: session.user.id.clone(), timestamp_ms: planned.at_ms, kind }
}

fn fact(planned: &Planned, action: Action) -> Fact {
    let session = &planned.session;
    Fact { user_id: session.user.id.clone(), session_id: session.id.clone(), platform: session.user.platform, action }
}

/// A `UUIDv7` of the event's own time.
fn event_id(rng: &mut Rng, at_ms: i64) -> String {
    let mut random = [0; 10];
    rng.fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(at_ms.unsigned_abs(), &random).into_uuid().to_string()
}

/// Most clients write milliseconds, some RFC 3339.
fn timestamp(rng: &mut Rng, at_ms: i64) -> Timestamp {
    let text = DateTime::from_timestamp_millis(at_ms).filter(|_| rng.u32(0..100) < 15);
    text.map_or(Timestamp::Millis(at_ms), |at| Timestamp::Text(at.to_rfc3339_opts(SecondsFormat::Millis, true)))
}

/// A struct of texts and finite numbers always becomes JSON.
fn to_json(wire: &Wire<'_>) -> String {
    serde_json::to_string(wire).unwrap_or_default()
}

fn flawed(flaw: Flaw, mut wire: Wire<'_>, at_ms: i64) -> String {
    match flaw {
        Flaw::NoMetadata => wire.metadata = None,
        Flaw::UnknownType => wire.event_type = "pageview!",
        Flaw::NegativeCost => {
            wire.event_type = "ai_request";
            wire.event_data = Data { model: Some("swift"), cost: Some(-0.01), ..Data::default() };
        }
        Flaw::NoUser => wire.user_id = None,
        Flaw::SeveralProblems => {
            wire.session_id = "   ";
            wire.event_type = "ai_request";
            wire.event_data = Data { tokens: Some(Tokens::Nonsense("many")), ..Data::default() };
            wire.metadata = wire.metadata.map(|metadata| Metadata { platform: None, ..metadata });
        }
        // Midnight of 2001-09-09 and what a clock counts from there in a day.
        Flaw::TooOld => wire.timestamp = Timestamp::Millis(999_993_600_000 + at_ms % 86_400_000),
        Flaw::TooFarAhead => wire.timestamp = Timestamp::Millis(at_ms + 3_653 * 86_400_000),
        Flaw::NotJson => {
            let mut text = to_json(&wire);
            let half = (text.len() / 2..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(1);
            text.truncate(half);
            return text;
        }
    }
    to_json(&wire)
}

fn act(rng: &mut Rng) -> (Action, Data) {
    let weights = ACTIONS.map(|(weight, _)| weight);
    ACTIONS[pick(rng, &weights)].1(rng)
}

fn page_view(rng: &mut Rng) -> (Action, Data) {
    let (_, page, title) = PAGES[pick(rng, &PAGES.map(|(weight, ..)| weight))];
    let referrer = (rng.u32(0..10) < 3).then(|| REFERRERS[rng.u32(0..REFERRERS.len() as u32) as usize]);
    (Action::PageView, Data { page: Some(page), title: Some(title), referrer, ..Data::default() })
}

fn feature_use(rng: &mut Rng) -> (Action, Data) {
    let feature = named(rng, &FEATURES);
    let duration_ms = Some(rng.u32(20..9_000));
    (Action::FeatureUse(feature), Data { feature: Some(feature), duration_ms, ..Data::default() })
}

fn content_create(rng: &mut Rng) -> (Action, Data) {
    let content = named(rng, &CONTENT);
    let length = Some(rng.u32(10..20_000));
    (Action::ContentCreate(content), Data { content_type: Some(content), length, ..Data::default() })
}

/// Most clients tell the kinds of tokens apart; some state only how many there were in all.
fn ai_request(rng: &mut Rng) -> (Action, Data) {
    let (_, model, [price_in, price_out, price_cached]) = MODELS[pick(rng, &MODELS.map(|(weight, ..)| weight))];
    let (input, output) = (rng.u64(50..6_000), rng.u64(5..1_500));
    let cached = if rng.u32(0..10) < 3 { rng.u64(500..8_000) } else { 0 };
    let cost_nanos = input * price_in + output * price_out + cached * price_cached;
    // Those out of a cache are a part of the input.
    let input = input + cached;
    let tokens = input + output;
    let mut data = Data { model: Some(model), cost: Some(cost_nanos as f64 / 1e9), ..Data::default() };
    let duration_ms = rng.u32(200..30_000);
    data.duration_ms = Some(duration_ms);
    if rng.u32(0..10) < 3 {
        data.tokens = Some(Tokens::Count(tokens));
    } else {
        (data.input_tokens, data.output_tokens) = (Some(input), Some(output));
        data.cached_tokens = (cached > 0).then_some(cached);
    }
    (Action::AiRequest { model, tokens, cost_nanos, duration_ms }, data)
}

fn error(rng: &mut Rng) -> (Action, Data) {
    let error_type = named(rng, &ERRORS);
    let message = Some("the request could not be completed");
    (Action::Error(error_type), Data { error_type: Some(error_type), message, ..Data::default() })
}

fn named(rng: &mut Rng, names: &[(u32, &'static str)]) -> &'static str {
    let weights: Vec<u32> = names.iter().map(|(weight, _)| *weight).collect();
    names.get(pick(rng, &weights)).map_or("", |(_, name)| name)
}
