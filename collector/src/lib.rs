//! The HTTP collector: events from browsers and from other languages onto the stream.
//!
//! `POST /v1/events` takes one event, an array of events, or events one a line, plain or compressed. **202 means that every
//! event of the request is on the stream.** Anything less is no success: 400 where events break rules (the others of the
//! request are accepted, and the results say which), 429 and 503 where the stream does not take them. An event that is sent
//! again under its id and timestamp counts once, so a client may always send a whole request again.
//!
//! CloudEvents, and what SDKs of Segment and PostHog and exporters of OpenTelemetry send, is put into the native format, each in a module
//! of its own, and then goes the same way.

mod accept;
mod answer;
mod api;
mod body;
mod budget;
mod cloudevents;
mod events;
mod native;
mod origins;
mod otlp;
mod posthog;
mod rates;
mod refusal;
mod request;
mod segment;
mod sender;
mod snippet;
mod spans;
mod stream;
mod write_keys;

pub mod config;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::validate::Rules;
use headcount_doors::{Door, Load, Policy, Slots, Waiting};
use headcount_producer::identity::now_ms;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, USER_AGENT,
    VARY,
};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Body;

use answer::Outcome;
use api::Api;
use body::Encoding;
use budget::Budget;
use rates::Rates;
use refusal::Refusal;
use request::{Judge, Judged, Sender, Taken};
use snippet::Snippet;

pub use accept::{Accept, NotAccepted};
pub use body::{BODY_TIMEOUT, MAX_BODY_BYTES, MAX_PLAIN_BYTES};
pub use budget::MAX_BYTES_AT_WORK;
pub use events::MAX_EVENTS;
pub use origins::{OriginError, Origins};
pub use sender::{TrustedProxies, TrustedProxyError};
pub use spans::{SpanAttributes, SpanAttributesError};
pub use stream::RETRY_FOR;
pub use write_keys::{MAX_KEY_BYTES, MAX_KEYS, MIN_KEY_BYTES, WriteKeys, WriteKeysError};

/// Requests that are worked on at once, at most: beyond, 503.
pub const MAX_REQUESTS: usize = 512;

/// Milliseconds that the collector calls itself not ready after the stream failed it.
const OUTAGE_MS: i64 = 10_000;

/// Seconds that a browser may keep the script.
const SCRIPT_CACHE: &str = "public, max-age=3600";

/// Who may post, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may post.
    pub keys: WriteKeys,
    /// Pages that may post.
    pub origins: Origins,
    /// Proxies that are believed about who is behind them.
    pub proxies: TrustedProxies,
    /// Events a second that each write key may post; `None` bounds nothing.
    pub key_rate: Option<NonZeroU32>,
    /// What makes an event acceptable, and what becomes of addresses before they reach the stream.
    pub rules: Rules,
    /// Attributes of spans that say whose request it was.
    pub spans: SpanAttributes,
}

/// Who shares what with others: a write key, by its place in the list, or an address where there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    Key(usize),
    Peer(IpAddr),
}

/// Tells how much waits to be counted, and how much may.
type AskLoad = Box<dyn Fn() -> Load + Send + Sync>;

/// The collector, over what puts events onto the stream.
pub struct Collector<A> {
    settings: Settings,
    policy: Policy,
    /// The rules without their policy for addresses, which is applied to what the stream gets.
    rules: Rules,
    ip_policy: IpPolicy,
    snippet: Snippet,
    accept: A,
    budget: Budget,
    rates: Rates,
    requests: Slots<Client>,
    load: Option<AskLoad>,
    waiting: Waiting<Client>,
    closing: AtomicBool,
    failed_ms: AtomicI64,
    left_out: AtomicU64,
}

impl<A> fmt::Debug for Collector<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<A: Accept> Collector<A> {
    /// A collector that puts events onto the stream by `accept`.
    pub fn new(accept: A, settings: Settings) -> Self {
        Self {
            rules: settings.rules.clone().with_ip_policy(IpPolicy::Keep),
            ip_policy: settings.rules.ip_policy(),
            snippet: Snippet::new(&settings.rules),
            rates: Rates::new(settings.key_rate),
            settings,
            policy: Policy::behind(Door::Collector),
            accept,
            budget: Budget::new(MAX_BYTES_AT_WORK),
            requests: Slots::new(MAX_REQUESTS),
            load: None,
            waiting: Waiting::default(),
            closing: AtomicBool::new(false),
            failed_ms: AtomicI64::new(i64::MIN),
            left_out: AtomicU64::new(0),
        }
    }

    /// The collector behind a listener at this address. Without write keys, only this machine may post there.
    #[must_use]
    pub fn at(mut self, addr: SocketAddr) -> Self {
        let policy = Policy::at(Door::Collector, addr);
        self.policy = if self.settings.keys.is_empty() { policy } else { policy.of_any_host() };
        self
    }

    /// Accepts only what is counted in time: `load` tells how much waits, and how much may. Each client gets its share.
    #[must_use]
    pub fn admitting(mut self, load: Box<dyn Fn() -> Load + Send + Sync>) -> Self {
        self.load = Some(load);
        self
    }

    /// What puts events onto the stream.
    pub fn into_accept(self) -> A {
        self.accept
    }

    /// From now on `/readyz` says that nothing more should come.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Answers one request that came from `peer`.
    pub async fn answer<B: Body>(&self, head: &Parts, body: B, peer: IpAddr) -> Response<Bytes> {
        if let Err(refused) = self.policy.check(&head.method, &head.headers) {
            body::discard(body).await;
            return answer::refusal(&Refusal::Host(refused));
        }
        let path = head.uri.path();
        if let Some(api) = Api::at(path) {
            return self.events(api, head, body, peer).await;
        }
        if let Some(answer) = first_question(head) {
            body::discard(body).await;
            return self.to_page(head, answer);
        }
        match path {
            "/headcount.js" => asked(head).map_or_else(|refused| answer::refusal(&refused), |()| self.script(head)),
            "/healthz" => asked(head).map_or_else(|refused| answer::refusal(&refused), |()| self.health()),
            "/readyz" => asked(head).map_or_else(|refused| answer::refusal(&refused), |()| self.readiness()),
            _ => {
                body::discard(body).await;
                answer::refusal(&Refusal::Path)
            }
        }
    }

    /// An answer that pages of named origins may read.
    fn to_page(&self, head: &Parts, mut answer: Response<Bytes>) -> Response<Bytes> {
        let from = self.settings.origins.judge(&head.headers);
        if head.method == Method::OPTIONS {
            return preflight(from);
        }
        from.grant(answer.headers_mut());
        answer
    }

    async fn events<B: Body>(&self, api: Api, head: &Parts, body: B, peer: IpAddr) -> Response<Bytes> {
        let from = self.settings.origins.judge(&head.headers);
        if head.method == Method::OPTIONS {
            return preflight(from);
        }
        let mut answer = match self.admit(api, head, from, peer) {
            Ok((client, encoding)) => match self.take(api, head, (client, encoding), body, peer).await {
                Ok(outcomes) => api.answer(head, &outcomes),
                Err(refused) => api.refuse(head, &refused),
            },
            Err(refused) => {
                body::discard(body).await;
                api.refuse(head, &refused)
            }
        };
        from.grant(answer.headers_mut());
        answer
    }

    /// Whether the body is worth reading, and how. Who brings no key where the body may hold it is an address until that is read.
    fn admit(
        &self,
        api: Api,
        head: &Parts,
        from: origins::From<'_>,
        peer: IpAddr,
    ) -> Result<(Client, Encoding), Refusal> {
        if head.method != Method::POST {
            return Err(Refusal::Method("POST, OPTIONS"));
        }
        if from == origins::From::Forbidden {
            return Err(Refusal::Origin);
        }
        let key = write_key(head);
        let client = if self.settings.keys.is_empty() || (key.is_none() && api.has_key_in_body()) {
            Client::Peer(self.settings.proxies.address_behind(peer, &head.headers))
        } else {
            self.client_of(key.as_deref())?
        };
        Ok((client, Encoding::of(&head.headers, api.max_body_bytes())?))
    }

    /// Whose key this is, if it may post now.
    fn client_of(&self, key: Option<&str>) -> Result<Client, Refusal> {
        let key = self.settings.keys.find(key).ok_or(Refusal::WriteKey)?;
        match self.rates.wait(key) {
            Some(wait) => Err(Refusal::Rate { seconds: wait.as_secs() as u32 + 1 }),
            None => Ok(Client::Key(key)),
        }
    }

    /// Reads the body and takes its events.
    async fn take<B: Body>(
        &self,
        api: Api,
        head: &Parts,
        (mut client, encoding): (Client, Encoding),
        body: B,
        peer: IpAddr,
    ) -> Result<Vec<Outcome>, Refusal> {
        let (body, mut charge) = body::read(body, &self.budget, api.max_body_bytes()).await?;
        // Only now: a slow body holds its few bytes and nothing else.
        let Some(_slot) = self.requests.take(client) else {
            return Err(if self.requests.is_full() { Refusal::Busy } else { Refusal::Share });
        };
        let encoding = if api == Api::PostHog { encoding.or_gzip(&body) } else { encoding };
        let mut plain = encoding.open(body)?;
        if encoding != Encoding::Plain && !charge.add(plain.len()) {
            return Err(Refusal::Busy);
        }
        if api == Api::PostHog
            && let Some(unwrapped) = posthog::unwrapped(&plain)
        {
            plain = unwrapped.into();
        }
        let opened = api.open(head, &plain)?;
        if !self.settings.keys.is_empty() && matches!(client, Client::Peer(_)) {
            client = self.client_of(opened.key().as_deref())?;
        }
        // Of a header that is not ASCII only some characters can be read; one is better than none.
        let agent = head.headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let address = self.settings.proxies.address_behind(peer, &head.headers);
        let sender = Sender { address, user_agent: agent.as_deref(), now_ms: now_ms() };
        let Taken { events: judged, left_out } =
            opened.judge(&Judge { sender, rules: &self.rules, ip_policy: self.ip_policy }, &self.settings.spans)?;
        drop(plain);
        self.left_out.fetch_add(left_out, Ordering::Relaxed);
        let valid = judged.iter().filter(|one| one.is_ok()).count();
        if let Some(load) = &self.load
            && valid > 0
            && !self.waiting.take(client, valid as u64, load(), sender.now_ms)
        {
            return Err(Refusal::Backlog);
        }
        if let Client::Key(key) = client {
            self.rates.spend(key, judged.len());
        }
        Ok(self.put(judged).await)
    }

    /// Puts the valid events onto the stream.
    async fn put(&self, judged: Vec<Judged>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(judged.len());
        let mut valid = Vec::with_capacity(judged.len());
        for (index, one) in judged.into_iter().enumerate() {
            outcomes.push(match one {
                Ok(event) => {
                    // Until the stream has said that it has it.
                    let later = Outcome::Later {
                        id: event.id.clone().into_owned(),
                        timestamp_ms: event.timestamp_ms,
                        throttled: false,
                    };
                    valid.push((index, event));
                    later
                }
                Err(problems) => Outcome::Invalid(problems.into_vec()),
            });
        }
        if valid.is_empty() {
            return outcomes;
        }
        let (places, valid): (Vec<usize>, Vec<_>) = valid.into_iter().unzip();
        let results = self.accept.accept(valid).await;
        for (place, result) in places.into_iter().zip(results) {
            self.settle(&mut outcomes[place], result);
        }
        outcomes
    }

    fn settle(&self, outcome: &mut Outcome, result: Result<(), NotAccepted>) {
        let Outcome::Later { id, throttled, .. } = outcome else { return };
        match result {
            Ok(()) => *outcome = Outcome::Accepted { id: std::mem::take(id) },
            Err(NotAccepted::Throttled) => *throttled = true,
            Err(NotAccepted::Unavailable) => self.failed_ms.store(now_ms(), Ordering::Relaxed),
        }
    }

    fn health(&self) -> Response<Bytes> {
        let left_out = self.left_out.load(Ordering::Relaxed);
        answer::json(StatusCode::OK, "application/json", &serde_json::json!({"status": "ok", "leftOut": left_out}))
    }

    fn readiness(&self) -> Response<Bytes> {
        let said = if self.closing.load(Ordering::Relaxed) {
            "closing"
        } else if self.requests.is_full() {
            "busy"
        } else if now_ms().saturating_sub(self.failed_ms.load(Ordering::Relaxed)) < OUTAGE_MS {
            "the stream failed lately"
        } else {
            return answer::state(StatusCode::OK, "ready");
        };
        answer::state(StatusCode::SERVICE_UNAVAILABLE, said)
    }

    fn script(&self, head: &Parts) -> Response<Bytes> {
        let etag = &self.snippet.etag;
        let known = head.headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
        let is_known = known.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag);
        let accepted = head.headers.get(ACCEPT_ENCODING).and_then(|names| names.to_str().ok()).unwrap_or_default();
        let takes_gzip = accepted.split(',').any(|name| matches!(name.split(';').next().map(str::trim), Some("gzip")));
        let script = if takes_gzip { &self.snippet.gzip } else { &self.snippet.script };
        let mut answer = Response::new(if is_known { Bytes::new() } else { script.clone() });
        if takes_gzip && !is_known {
            answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        answer.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
        if is_known {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(SCRIPT_CACHE));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        // A page that checks the script's integrity asks for it as another origin's.
        headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        if let Ok(etag) = HeaderValue::from_str(etag) {
            headers.insert(ETAG, etag);
        }
        answer
    }
}

/// What a browser may send.
fn preflight(from: origins::From<'_>) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    from.grant_preflight(answer.headers_mut());
    answer
}

/// The answer to what the SDKs of others ask before they send anything.
fn first_question(head: &Parts) -> Option<Response<Bytes>> {
    let path = head.uri.path();
    if posthog::asks_for_flags(path) {
        return Some(answer::json(StatusCode::OK, "application/json", &posthog::flags()));
    }
    if let Some((media_type, body)) = posthog::configuration(path) {
        let mut answer = Response::new(Bytes::from(body));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        return Some(answer);
    }
    segment::settings(head).map(|settings| answer::json(StatusCode::OK, "application/json", &settings))
}

/// What only can be asked for.
fn asked(head: &Parts) -> Result<(), Refusal> {
    if head.method == Method::GET || head.method == Method::HEAD { Ok(()) } else { Err(Refusal::Method("GET, HEAD")) }
}

/// The write key that a request brings: in its `Authorization`, or else in its address, since a browser's beacon has no
/// headers of its own.
fn write_key(head: &Parts) -> Option<String> {
    let header = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match header.and_then(|value| value.split_once(' ')) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => return Some(key.trim().to_owned()),
        // Segment's clients bring it as the name of a user without a password.
        Some((scheme, user)) if scheme.eq_ignore_ascii_case("basic") => return Some(basic_user(user.trim())),
        _ => {}
    }
    let pairs = head.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(name, _)| *name == "key").map(|(_, key)| unescaped(key))
}

/// The user's name in the credentials of basic authentication; empty where these cannot be read.
fn basic_user(credentials: &str) -> String {
    let decoded = STANDARD.decode(credentials).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.and_then(|text| Some(text.split_once(':')?.0.to_owned())).unwrap_or_default()
}

/// A text of an address without its percent signs.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        if let (b'%', Some(byte)) = (first, escaped) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
