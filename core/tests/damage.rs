//! A record of fifty events in every form, damaged in one place: at most the damaged event is lost.
//!
//! Exceptions, each of which is counted as all that is known to be lost: compressed records, which are whole or not at all, and
//! KPL records, whose checksum says no more than that something is wrong. An event nested in a property of another one could be
//! taken for an event of its own where the outer one is damaged; these have none.
//!
//! `HEADCOUNT_ROUNDS=100000 cargo nextest run -p headcount-core --test damage` goes through as many rounds; `HEADCOUNT_SEED`
//! takes a seed again.

use std::collections::BTreeSet;
use std::io::Write as _;

use headcount_core::origin::Source;
use headcount_core::record::OpenedRecord;
use headcount_core::validate::{Arrival, Rules};
use headcount_core::wire::kpl::Aggregate;

/// Events of a record.
const EVENTS: usize = 50;

/// Rounds of an ordinary run.
const ROUNDS: u64 = 3_000;

/// When all of it happens.
const NOW_MS: i64 = 1_772_323_200_000;

/// What one place may be replaced by, or get inserted: what JSON is made of, and what it may not hold.
const BYTES: [u8; 24] = *b"{}[]\",:\\0e-.tn \n\tx\x00\x1f\x7f\x80\xc3\xff";

/// Draws numbers, by `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")))
}

fn event(number: usize) -> String {
    let data = match number % 4 {
        0 => r#"{"feature":"search","results":[{"id":1,"tags":["a","b"]},{"id":2}],"note":"a \"quoted\" {brace}"}"#,
        1 => r#"{"feature":"export","nested":{"list":[[1,2],[]],"eventType":"x"},"empty":{}}"#,
        2 => r#"{"feature":"über","escaped":"\u00fc\n\\","n":-12.5e3,"yes":true}"#,
        _ => r#"{"feature":"},{","objects":[{},{},{"metadata":{}}]}"#,
    };
    format!(
        r#"{{"eventId":"e-{number}","userId":"user-{number}","sessionId":"s-{number}","eventType":"feature_use","timestamp":{},"eventData":{data},"metadata":{{"userAgent":"Mozilla/5.0","ipAddress":"203.0.113.9","platform":"web"}}}}"#,
        NOW_MS - number as i64
    )
}

fn pretty(event: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(event).unwrap()).unwrap()
}

/// The record in each form that can be taken apart event by event.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let events: Vec<_> = (0..EVENTS).map(event).collect();
    let printed: Vec<_> = events.iter().map(|event| pretty(event)).collect();
    let arrays: Vec<_> = events.chunks(10).map(|ten| format!("[{}]", ten.join(","))).collect();
    [
        ("array", format!("[{}]", events.join(","))),
        ("array with blanks", format!("[ {} ]", events.join(" , "))),
        ("array, an event a line", format!("[\n{}\n]\n", events.join(",\n"))),
        ("pretty-printed array", format!("[\n{}\n]\n", printed.join(",\n"))),
        ("lines", events.join("\n")),
        ("lines of Windows", format!("{}\r\n", events.join("\r\n"))),
        ("concatenated", events.concat()),
        ("pretty-printed objects", printed.join("\n")),
        ("arrays a line", arrays.join("\n")),
        ("text sequence", format!("\u{1e}{}\n", events.join("\n\u{1e}"))),
    ]
    .map(|(name, text)| (name, text.into_bytes()))
    .to_vec()
}

/// Ids of the valid events of a record, and how many others it is known to hold.
fn decoded(data: &[u8]) -> (BTreeSet<String>, u64) {
    let arrival =
        Arrival { source: Source::shard("events", None, "shard").unwrap(), sequence: 7.into(), arrived_ms: NOW_MS };
    let opened = OpenedRecord::open(data);
    let record = opened.decode(&arrival, &Rules::default());
    let ids = record.events.into_iter().map(|(_, event)| event.session_id.unwrap_or_default().into_owned()).collect();
    (ids, record.rejections.iter().map(|(_, rejection)| rejection.count).sum())
}

/// One place replaced, removed, doubled, with something inserted, or the end cut off.
fn damaged(data: &[u8], random: &mut Random) -> Vec<u8> {
    let (mut data, at) = (data.to_vec(), random.below(data.len()));
    let byte = if random.below(2) == 0 { BYTES[random.below(BYTES.len())] } else { random.next() as u8 };
    match random.below(6) {
        0 | 1 => data[at] = byte,
        2 => drop(data.remove(at)),
        3 => data.insert(at, byte),
        4 => data[at] ^= 1 << random.below(8),
        _ => data.truncate(at),
    }
    data
}

#[test]
fn damage_in_one_place_costs_one_event_at_most() {
    let seed = number("HEADCOUNT_SEED").unwrap_or(0x0019_1919);
    let rounds = number("HEADCOUNT_ROUNDS").unwrap_or(ROUNDS);
    eprintln!("HEADCOUNT_SEED={seed} HEADCOUNT_ROUNDS={rounds}");
    let forms = forms();
    let all: BTreeSet<_> = (0..EVENTS).map(|number| format!("s-{number}")).collect();
    for (name, whole) in &forms {
        assert_eq!(decoded(whole), (all.clone(), 0), "{name}");
    }
    let mut random = Random(seed);
    let mut most_rejected = 0;
    for round in 0..rounds {
        let (name, whole) = &forms[random.below(forms.len())];
        let record = damaged(whole, &mut random);
        let (kept, rejected) = decoded(&record);
        // What is cut off is not there to be lost.
        let is_cut = whole.len().saturating_sub(record.len()) > 1;
        let there = if is_cut { events_in(&record) } else { EVENTS };
        let lost: Vec<_> = all.iter().filter(|id| number_of(id) < there && !kept.contains(*id)).collect();
        let shown = || String::from_utf8_lossy(&record).into_owned();
        assert!(lost.len() <= 1, "round {round}, {name}: {lost:?} are lost\n{}", shown());
        // A line that was torn in two counts as its halves, and objects in the second one as themselves.
        assert!(rejected <= 5, "round {round}, {name}: {rejected} are rejected\n{}", shown());
        most_rejected = most_rejected.max(rejected);
    }
    eprintln!("{rounds} rounds; at most {most_rejected} rejections");
}

/// How many events a record has that is cut off, the cut one included.
fn events_in(record: &[u8]) -> usize {
    let text = String::from_utf8_lossy(record);
    text.matches("\"eventId\"").count()
}

fn number_of(session: &str) -> usize {
    session.trim_start_matches("s-").parse().expect("a number")
}

#[test]
fn what_cannot_be_told_apart_is_lost_as_a_whole_and_counted() {
    let seed = number("HEADCOUNT_SEED").unwrap_or(0x0019_1919);
    let lines = (0..EVENTS).map(event).collect::<Vec<_>>().join("\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    let mut aggregate = Aggregate::new("0");
    (0..EVENTS).for_each(|number| aggregate.push("key", event(number).into_bytes()));
    // Without its checksum zstd notices no other byte in a text.
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    zstd.include_checksum(true).unwrap();
    zstd.write_all(lines.as_bytes()).unwrap();
    let mut random = Random(seed);
    for whole in [gzip.finish().unwrap(), zstd.finish().unwrap(), aggregate.finish()] {
        for _ in 0..300 {
            let (kept, rejected) = decoded(&damaged(&whole, &mut random));
            assert!(kept.len() == EVENTS || rejected > 0, "seed {seed}: lost without a word");
        }
    }
}
