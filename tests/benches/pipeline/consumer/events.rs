//! What the consumer is invoked with: events of about 400 bytes, in records, in the JSON of an event source mapping.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use serde_json::{Value, json};

/// People whose events these are: as many as a shard has in a while.
const USERS: u64 = 20_000;

/// How records hold their events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One event a record, as it is.
    Plain,
    /// So many events a record, a line each, compressed by zstd as the producer does.
    Packed(usize),
}

/// The bytes of one invocation.
pub(crate) struct Payload {
    pub(crate) json: Vec<u8>,
    /// Bytes of the events as JSON.
    pub(crate) event_bytes: usize,
}

impl Payload {
    /// The invocation number `n` of its shard, with so many new events that happened and arrived about now.
    pub(crate) fn new(random: &mut Rng, n: u64, events: usize, form: Form, now_ms: i64) -> Self {
        let lines: Vec<String> = (0..events).map(|n| event(random, now_ms - 60_000 + n as i64)).collect();
        let event_bytes = lines.iter().map(String::len).sum();
        let records: Vec<Vec<u8>> = match form {
            Form::Plain => lines.into_iter().map(String::into_bytes).collect(),
            Form::Packed(many) => {
                let pack = |lines: &[String]| zstd::bulk::compress(lines.join("\n").as_bytes(), 3);
                lines.chunks(many).map(|lines| pack(lines).expect("bytes can be compressed")).collect()
            }
        };
        let mut text = String::from(r#"{"Records":["#);
        for (index, data) in records.iter().enumerate() {
            // 56 digits, as Kinesis hands them out.
            let sequence = format!("495903382714902566{:038}", n * records.len() as u64 + index as u64);
            text.push_str(if index == 0 { "" } else { "," });
            text.push_str(r#"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"user-"#);
            text.push_str(&format!("{:06}", random.u64(..USERS)));
            text.push_str(r#"","sequenceNumber":""#);
            text.push_str(&sequence);
            text.push_str(r#"","data":""#);
            STANDARD.encode_string(data, &mut text);
            let arrived = now_ms + index as i64 / 10;
            text.push_str(&format!(
                r#"","approximateArrivalTimestamp":{}.{:03}}},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:"#,
                arrived / 1_000,
                arrived % 1_000
            ));
            text.push_str(&sequence);
            text.push_str(r#"","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::123456789012:role/headcount-consumer","awsRegion":"eu-central-1","eventSourceARN":"arn:aws:kinesis:eu-central-1:123456789012:stream/headcount-events"}"#);
        }
        text.push_str("]}");
        Self { json: text.into_bytes(), event_bytes }
    }
}

/// An event as products send them.
fn event(random: &mut Rng, at_ms: i64) -> String {
    let user = random.u64(..USERS);
    let (kind, data) = match random.u32(..100) {
        0..52 => (
            "page_view",
            json!({"path": format!("/projects/{}", random.u32(..500)), "title": "Überblick – projects", "referrer": "https://www.example.com/"}),
        ),
        52..77 => (
            "feature_use",
            json!({"feature": pick(random, &["search", "share", "export_csv", "comment"]), "durationMs": random.u32(5..4_000), "fromKeyboard": random.bool()}),
        ),
        77..85 => (
            "content_create",
            json!({"contentType": pick(random, &["document", "comment", "image"]), "length": random.u32(..20_000), "tags": ["draft", "team"]}),
        ),
        85..97 => (
            "ai_request",
            json!({"model": pick(random, &["swift-mini", "sonata-4"]), "inputTokens": random.u32(10..4_000), "outputTokens": random.u32(10..900), "cost": f64::from(random.u32(1..90_000)) / 1e6}),
        ),
        _ => (
            "error",
            json!({"errorType": pick(random, &["network", "timeout"]), "message": "the server said \"no\" to line 7"}),
        ),
    };
    let metadata: Value = json!({
        "userAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36",
        "ipAddress": format!("203.0.113.{}", random.u8(..)),
        "platform": pick(random, &["web", "ios", "android"]),
        "appVersion": "4.17.2",
    });
    // A UUID of version 7, as the producer's library mints.
    let (high, low) = (random.u64(..) & 0xfff | 0x7000, random.u64(..) & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000);
    let id = format!(
        "{:08x}-{:04x}-{high:04x}-{:04x}-{:012x}",
        at_ms >> 16,
        at_ms & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    );
    format!(
        r#"{{"eventId":"{id}","userId":"user-{user:06}","sessionId":"session-{user:06}-{:02}","eventType":"{kind}","timestamp":{at_ms},"eventData":{data},"metadata":{metadata}}}"#,
        random.u32(..4)
    )
}

fn pick<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}
