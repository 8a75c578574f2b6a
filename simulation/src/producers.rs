//! Producers: what they send and when, twice at times, late at times, wrong at times.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::chance;
use crate::scenario::Cause;
use crate::stream::source;
use crate::tally::Kind;
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::truth::{Ai, Content, Said, What};
use crate::world::World;

/// Of so many people one stays anonymous.
const ANONYMOUS_OF: u8 = 5;

/// Of so many events one belongs to no session.
const WITHOUT_SESSION_OF: u8 = 6;

/// One thing that a producer sends: a record, when, and what comes of it.
struct Send {
    at_ms: i64,
    partition_key: String,
    content: Content,
    /// When the same is sent again, if the answer got lost.
    again_ms: Option<i64>,
    /// Whether its first event goes to another source too, in the same moment.
    has_twin: bool,
}

/// Lets all sends of the world happen, each on its own.
pub(crate) fn produce(world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let numbers = (0..world.params.sends).filter(|number| world.scenario.sends(*number));
    numbers.map(|number| tokio::spawn(send(Arc::clone(world), number))).collect()
}

async fn send(world: Arc<World>, number: u32) {
    let mut random = chance(world.scenario.seed, "send", u64::from(number));
    let send = Send::draw(&world, number, &mut random);
    world.time.until(send.at_ms).await;
    let first = world.stream.shard_of(&send.partition_key);
    put(&world, number, first, &send.content, &mut random);
    if send.has_twin && world.scenario.has(Cause::Twins) {
        twin(&world, number, first, &send.content, &mut random);
    }
    if let Some(again_ms) = send.again_ms.filter(|_| world.scenario.has(Cause::Resend)) {
        world.time.until(again_ms).await;
        world.count(Kind::Resent, 1);
        let shard = world.stream.shard_of(&send.partition_key);
        put(&world, number, shard, &send.content, &mut random);
    }
}

/// The same event, by itself, to another source.
fn twin(world: &World, number: u32, first: usize, content: &Content, random: &mut fastrand::Rng) {
    let others: Vec<usize> = world.stream.open().into_iter().filter(|shard| *shard != first).collect();
    let (Content::Events(said), false) = (content, others.is_empty()) else { return };
    let with_id: Vec<_> = said.iter().filter(|said| said.id.is_some()).cloned().collect();
    if !with_id.is_empty() {
        world.count(Kind::Twins, 1);
        put(world, number, others[random.usize(..others.len())], &Content::Events(with_id), random);
    }
}

fn put(world: &World, number: u32, shard: usize, content: &Content, random: &mut fastrand::Rng) {
    let data = written(content, random);
    let record = world.stream.put(shard, world.time.now_ms(), data, random);
    world.took(&source(shard), &record, content);
    let sequence = record.sequence;
    world.tell(format_args!("send {number} is record {sequence} of shard {shard}: {}", summary(content)));
}

fn summary(content: &Content) -> String {
    let Content::Events(said) = content else { return "nonsense".to_owned() };
    let one = |said: &Said| {
        let id = said.id.as_deref().unwrap_or("no id");
        let at = said.timestamp_ms.map_or_else(|| "no time".to_owned(), |at| at.to_string());
        format!("{id} at {at}{}", if said.breaks_a_rule { " (wrong)" } else { "" })
    };
    said.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl Send {
    fn draw(world: &World, number: u32, random: &mut fastrand::Rng) -> Self {
        let params = &world.params;
        // Often around a midnight, and often several at once, so that batches are larger than one record.
        let bursts = i64::from(params.sends / 5).max(1);
        let mut burst = chance(world.scenario.seed, "burst", random.u64(0..bursts.unsigned_abs()));
        let at_ms = if burst.u8(0..3) == 0 {
            let midnight = params.midnights_ms[burst.usize(..params.midnights_ms.len())];
            midnight + burst.i64(-3 * MINUTE_MS..3 * MINUTE_MS)
        } else {
            params.began_ms + burst.i64(0..params.span_ms)
        };
        let at_ms = at_ms + random.i64(0..20_000);
        let content = if random.u8(0..25) == 0 {
            Content::Nonsense
        } else {
            let count = random.u32(1..6);
            Content::Events((0..count).map(|index| said(world, at_ms, (number, index), random)).collect())
        };
        let again_ms = (random.u8(0..5) == 0).then(|| {
            let pause = if random.bool() { random.i64(0..5_000) } else { random.i64(0..3 * HOUR_MS) };
            at_ms + pause
        });
        let partition_key = format!("key-{}", random.u8(0..40));
        Self { at_ms, partition_key, content, again_ms, has_twin: random.u8(0..4) == 0 }
    }
}

pub(crate) fn said(world: &World, at_ms: i64, (number, index): (u32, u32), random: &mut fastrand::Rng) -> Said {
    let late_ms = match random.u8(0..10) {
        0 => random.i64(0..world.rules.lateness_ms),
        // At the very edge, and beyond it.
        1 => world.rules.lateness_ms + random.i64(-2..3),
        2 => random.i64(-world.rules.earliness_ms..0),
        _ => random.i64(0..2 * MINUTE_MS),
    };
    if late_ms >= HOUR_MS {
        world.count(Kind::LateEvent, 1);
    }
    if late_ms < 0 {
        world.count(Kind::EarlyEvent, 1);
    }
    let happened_ms = at_ms - late_ms;
    let (id, timestamp_ms) = match random.u8(0..12) {
        // No id: each occurrence is an event of its own.
        0 => (None, Some(happened_ms)),
        1 => (None, None),
        // An event that another send may have sent as well: its id says when it happened.
        2 | 3 => {
            let shared = random.u8(0..6);
            let at_ms = world.params.began_ms + i64::from(shared) * 10 * MINUTE_MS;
            (Some(format!("shared-{shared}")), Some(at_ms))
        }
        _ => (Some(format!("e-{number}-{index}")), Some(happened_ms)),
    };
    if id.is_none() {
        world.count(Kind::WithoutId, 1);
    }
    let user = random.u8(0..world.params.users);
    let breaks_a_rule = random.u8(0..20) == 0;
    if breaks_a_rule {
        world.count(Kind::Invalid, 1);
    }
    // What is shared is the same, whoever sends it.
    let mut detail = match &id {
        Some(id) if id.starts_with("shared") => chance(world.scenario.seed, id, 0),
        _ => random.fork(),
    };
    let user =
        if id.as_ref().is_some_and(|id| id.starts_with("shared")) { detail.u8(0..world.params.users) } else { user };
    let what = match detail.u8(0..6) {
        0 => What::Feature(format!("feature-{}", detail.u8(0..4))),
        1 => What::Content(format!("content-{}", detail.u8(0..3))),
        2 => What::Ai(Ai {
            model: format!("model-{}", detail.u8(0..2)),
            tokens: detail.u64(0..1_000),
            cost_cents: (detail.u8(0..4) > 0).then(|| detail.u64(0..100)),
            feature: detail.bool().then(|| format!("feature-{}", detail.u8(0..3))),
            latency_ms: (detail.u8(0..4) > 0).then(|| detail.u64(0..30_000)),
            has_failed: detail.u8(0..5) == 0,
        }),
        3 => What::Error(format!("error-{}", detail.u8(0..3))),
        4 if detail.u8(0..3) == 0 => What::Identify,
        _ => What::PageView,
    };
    let session = format!("session-{user}-{}", detail.u8(0..3));
    let platform = ["web", "ios", "android"][detail.usize(0..3)];
    let session = (detail.u8(0..WITHOUT_SESSION_OF) > 0).then_some(session);
    let account = Some(detail.u8(0..9)).filter(|account| *account < 6).map(|account| format!("account-{account}"));
    let user = (user % ANONYMOUS_OF != 1).then(|| format!("user-{user}"));
    Said { id, timestamp_ms, user, session, account, what, platform, breaks_a_rule }
}

/// The record's bytes, in one of the forms that the wire knows.
fn written(content: &Content, random: &mut fastrand::Rng) -> Vec<u8> {
    let Content::Events(said) = content else { return b"nobody can take this apart".to_vec() };
    let events: Vec<Value> = said.iter().map(json_of).collect();
    let lines = || events.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into_bytes();
    match (random.u8(0..4), events.as_slice()) {
        (0, [event]) => event.to_string().into_bytes(),
        (0 | 1, events) => Value::from(events.to_vec()).to_string().into_bytes(),
        (2, _) => lines(),
        _ => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&lines()).and_then(|()| packed.finish()).expect("memory takes all")
        }
    }
}

pub(crate) fn json_of(said: &Said) -> Value {
    let data = match &said.what {
        What::PageView | What::Identify => json!({}),
        What::Feature(name) => json!({"feature": name}),
        What::Content(name) => json!({"contentType": name}),
        What::Error(name) => json!({"errorType": name}),
        What::Ai(Ai { model, tokens, cost_cents, feature, latency_ms, has_failed }) => json!({
            "model": model, "tokens": tokens, "cost": cost_cents.map(|cents| cents as f64 / 100.0), "feature": feature,
            "latencyMs": latency_ms, "errorType": has_failed.then_some("timeout"),
        }),
    };
    let (name, person) = match (&said.user, &said.session) {
        (Some(user), _) => ("userId", user.as_str()),
        (None, Some(session)) => ("anonymousId", session.as_str()),
        (None, None) => ("anonymousId", "visitor"),
    };
    let mut event = json!({
        name: person, "eventType": said.what.event_type(), "eventData": data,
        "metadata": {"userAgent": "simulated", "ipAddress": "203.0.113.9", "platform": said.platform},
    });
    if let Some(id) = &said.id {
        event["eventId"] = json!(id);
    }
    if let Some(session) = &said.session {
        event["sessionId"] = json!(session);
    }
    if let Some(at) = said.timestamp_ms {
        event["timestamp"] = json!(at);
    }
    if let Some(account) = &said.account {
        event["accountId"] = json!(account);
    }
    if said.breaks_a_rule {
        event["sessionId"] = json!("  ");
    }
    event
}
