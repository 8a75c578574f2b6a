//! What the consumer is invoked with: events of about 400 bytes, in records, in the JSON of an event source mapping.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use serde_json::{Value, json};

/// People whose events these are: as many as a shard has in a while.
const USERS: u64 = 20_000;

/// Digits of a sequence number, as Kinesis hands them out.
const SEQUENCE_DIGITS: usize = 56;

/// How records hold their events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One event a record, as it is.
    Plain,
    /// So many events a record, a line each, compressed by zstd as the producer does.
    Packed(usize),
}

/// The bytes of one invocation. Its sequence numbers can be moved on, so that it is a new one.
#[derive(Clone)]
pub(crate) struct Payload {
    pub(crate) json: Vec<u8>,
    pub(crate) events: usize,
    /// Bytes of the events as JSON.
    pub(crate) event_bytes: usize,
    records: u64,
    /// Where sequence numbers stand, two a record.
    sequences: Vec<usize>,
}

impl Payload {
    /// An invocation with so many events, that happened and arrived about now.
    pub(crate) fn new(random: &mut Rng, events: usize, form: Form, now_ms: i64) -> Self {
        let lines: Vec<String> = (0..events).map(|n| event(random, now_ms - 60_000 + n as i64)).collect();
        let event_bytes = lines.iter().map(String::len).sum();
        let data: Vec<Vec<u8>> = match form {
            Form::Plain => lines.into_iter().map(String::into_bytes).collect(),
            Form::Packed(many) => {
                let pack = |lines: &[String]| zstd::bulk::compress(lines.join("\n").as_bytes(), 3);
                lines.chunks(many).map(|lines| pack(lines).expect("bytes can be compressed")).collect()
            }
        };
        let records = data.len() as u64;
        let (mut text, mut sequences) = (String::from(r#"{"Records":["#), Vec::new());
        for (index, data) in data.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "," });
            text.push_str(r#"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"user-"#);
            text.push_str(&format!("{:06}", random.u64(..USERS)));
            text.push_str(r#"","sequenceNumber":""#);
            sequences.push(text.len());
            text.push_str(&"0".repeat(SEQUENCE_DIGITS));
            text.push_str(r#"","data":""#);
            STANDARD.encode_string(data, &mut text);
            let arrived = now_ms + index as i64 / 10;
            text.push_str(&format!(
                r#"","approximateArrivalTimestamp":{}.{:03}}},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:"#,
                arrived / 1_000,
                arrived % 1_000
            ));
            sequences.push(text.len());
            text.push_str(&"0".repeat(SEQUENCE_DIGITS));
            text.push_str(r#"","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::123456789012:role/headcount-consumer","awsRegion":"eu-central-1","eventSourceARN":"arn:aws:kinesis:eu-central-1:123456789012:stream/headcount-events"}"#);
        }
        text.push_str("]}");
        let mut payload = Self { json: text.into_bytes(), events, event_bytes, records, sequences };
        payload.move_on(0);
        payload
    }

    /// Gives the records the sequence numbers of the invocation number `n` of its shard.
    pub(crate) fn move_on(&mut self, n: u64) {
        let first = 49_590_338_271_490_256_608_u128 * 10_u128.pow(18) + u128::from(n * self.records);
        for (at, index) in self.sequences.iter().zip((0..).flat_map(|record| [record; 2])) {
            let digits = format!("{:0<18}{:038}", "495903382714902566", first + index);
            self.json[*at..at + SEQUENCE_DIGITS].copy_from_slice(digits.as_bytes());
        }
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
