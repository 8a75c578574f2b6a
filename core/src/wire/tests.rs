use std::io::Write as _;

use super::*;
use crate::event::EventType;
use crate::json::Json;
use proptest::prelude::*;
use serde_json::json;

type Wrap = fn(&[u8]) -> Vec<u8>;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 3).unwrap()
}

fn texts(data: &[u8]) -> Vec<&str> {
    let raws = split(data).unwrap();
    raws.iter().map(|raw| if let Raw::Text(text) = raw { *text } else { "(not text)" }).collect()
}

#[test]
fn every_compression_gives_the_same_bytes() {
    let data = b"{\"a\":1}\n{\"a\":2}\n".repeat(1_000);
    let (first, second) = data.split_at(777);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &*zstd(&data)].concat();
    for wrapped in [
        data.clone(),
        gzip(&data),
        zstd(&data),
        [gzip(first), gzip(second)].concat(),
        [zstd(first), zstd(second)].concat(),
        skippable,
    ] {
        assert_eq!(decompress(&wrapped).unwrap(), &*data, "{:?}", Form::of(&wrapped));
    }
}

#[test]
fn what_does_not_decompress_is_corrupt() {
    let data = b"{\"a\":1}".repeat(100);
    for whole in [gzip(&data), zstd(&data)] {
        for cut in 4..whole.len() {
            let error = decompress(&whole[..cut]).unwrap_err();
            assert!(matches!(error, RecordError::Corrupt { .. }), "cut at {cut}: {error}");
        }
        let padded = [gzip(&data), vec![0; 1_000]].concat();
        assert_eq!(decompress(&padded).unwrap(), &*data, "as tapes pad it");
        let trailing = [&*whole, b"rubbish"].concat();
        assert!(matches!(decompress(&trailing), Err(RecordError::Corrupt { .. })));
    }
    let mut damaged = gzip(&data);
    let crc = damaged.len() - 8;
    damaged[crc] ^= 1;
    assert!(matches!(decompress(&damaged), Err(RecordError::Corrupt { form: "gzip", .. })));
}

#[test]
fn a_record_has_a_size() {
    let fitting = vec![b' '; MAX_RECORD_BYTES];
    let larger = vec![b' '; MAX_RECORD_BYTES + 1];
    let wrappers: [Wrap; 3] = [<[u8]>::to_vec, gzip, zstd];
    for wrap in wrappers {
        assert_eq!(decompress(&wrap(&fitting)).unwrap().len(), MAX_RECORD_BYTES);
        assert_eq!(decompress(&wrap(&larger)), Err(RecordError::TooLarge));
        let bomb = vec![0; 16 * MAX_RECORD_BYTES];
        assert_eq!(decompress(&wrap(&bomb)), Err(RecordError::TooLarge));
    }
}

#[test]
fn a_zstd_frame_may_not_demand_a_huge_window() {
    let encode = |window_log| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.write_all(b"{}").unwrap();
        encoder.flush().unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(&*decompress(&encode(MAX_ZSTD_WINDOW_LOG)).unwrap(), b"{}");
    assert!(matches!(decompress(&encode(MAX_ZSTD_WINDOW_LOG + 1)), Err(RecordError::Corrupt { form: "zstd", .. })));
}

#[test]
fn only_one_level_of_wrapping() {
    let kpl = [0xf3, 0x89, 0x9a, 0xc2, 1, 2, 3];
    assert_eq!(decompress(&kpl), Err(RecordError::Nested { outer: "KPL", inner: "KPL" }));
    for (data, outer, inner) in [
        (gzip(&gzip(b"{}")), "gzip", "gzip"),
        (gzip(&zstd(b"{}")), "gzip", "zstd"),
        (zstd(&gzip(b"{}")), "zstd", "gzip"),
        (zstd(&kpl), "zstd", "KPL"),
    ] {
        assert_eq!(decompress(&data), Err(RecordError::Nested { outer, inner }));
    }
}

#[test]
fn records_are_split_by_their_form() {
    for (data, events) in [
        ("{\"a\":1}", &["{\"a\":1}"][..]),
        ("\u{feff}  {\"a\":1}\n", &["{\"a\":1}"]),
        ("{\n  \"a\": {\n  }\n}\n", &["{\n  \"a\": {\n  }\n}"]),
        ("[]", &[]),
        ("\u{feff}[ {} , 7, \"x\", [1] ]", &["{}", "7", "\"x\"", "[1]"]),
        ("{}\r\n\r\n \t\n{\"b\":2}", &["{}", "{\"b\":2}"]),
        ("{}\nnot json\n{}", &["{}", "not json", "{}"]),
        ("{bad}\n{}", &["{bad}", "{}"]),
        ("x\n{}", &["x", "{}"]),
        // Arrays without an end, or one after the other; events without a newline between them.
        ("[{},\n{}\n", &["{}", "{}"]),
        ("[{}] {}", &["{}", "{}"]),
        ("[{}]\n[{},{}]", &["{}", "{}", "{}"]),
        ("{}\n[{},7]\n{}{}", &["{}", "{}", "7", "{}", "{}"]),
        ("{}{}", &["{}", "{}"]),
        ("{\n \"a\": 1\n}\n{\n \"b\": {}\n}", &["{\n \"a\": 1\n}", "{\n \"b\": {}\n}"]),
        // One bad event: an object over several lines that is cut.
        ("{\n  \"a\": {}\n", &["{\n  \"a\": {}"]),
        ("not json", &["not json"]),
        ("null", &["null"]),
    ] {
        assert_eq!(texts(data.as_bytes()), events, "{data:?}");
    }
    for empty in ["", " \n\t", "\u{feff}"] {
        assert_eq!(split(empty.as_bytes()), Err(RecordError::Empty));
    }
}

#[test]
fn a_line_that_is_no_text_spoils_only_itself() {
    assert_eq!(split(b"{}\n\xff{}\n{}").unwrap(), [Raw::Text("{}"), Raw::NotText(b"\xff{}"), Raw::Text("{}")]);
    assert_eq!(split(b"{\"a\":\"\xff\"}").unwrap(), [Raw::NotText(b"{\"a\":\"\xff\"}")]);
    assert_eq!(split(b"[\"\xff\"]").unwrap(), [Raw::NotText(b"[\"\xff\"]")]);
    assert_eq!(split(b"[{},{\"a\":\"\xff\"},{}]").unwrap().len(), 3);
}

#[test]
fn a_record_has_so_many_events_at_most() {
    for (open, separator, close) in [("[", ",", "]"), ("", "\n", "")] {
        let of = |count: usize| format!("{open}{}{close}", vec!["{}"; count].join(separator));
        assert_eq!(split(of(MAX_EVENTS_PER_RECORD).as_bytes()).unwrap().len(), MAX_EVENTS_PER_RECORD);
        let count = MAX_EVENTS_PER_RECORD as u64 + 1;
        assert_eq!(split(of(MAX_EVENTS_PER_RECORD + 1).as_bytes()), Err(RecordError::TooManyEvents { count }));
        assert_eq!(split(of(350_000).as_bytes()), Err(RecordError::TooManyEvents { count: 350_000 }));
    }
}

#[test]
fn nesting_without_end_is_split_without_recursion() {
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    assert_eq!(split(deep.as_bytes()).unwrap().len(), 1);
    assert_eq!(split("[".repeat(1_000_000).as_bytes()).unwrap().len(), 1);
    assert_eq!(split("{\"a\":".repeat(800_000).as_bytes()).unwrap().len(), 1);
}

#[test]
fn an_event_is_written_as_it_came() {
    let mut event = Event {
        id: "e-1".into(),
        user_id: "u".into(),
        session_id: Some("s".into()),
        event_type: EventType::PageView,
        account_id: None,
        timestamp_ms: 1_772_323_200_000,
        counted_ms: 1_772_323_200_000,
        priced_by: None,
        event_data: Json::EMPTY,
        metadata: json!({"platform": "wëb"}).into(),
    };
    let text = r#"{"eventId":"e-1","userId":"u","sessionId":"s","eventType":"page_view","timestamp":1772323200000,"#;
    assert_eq!(to_json(&event), format!(r#"{text}"metadata":{{"platform":"wëb"}}}}"#));
    event.event_data = json!({"n": 1.5}).into();
    assert_eq!(to_json(&event), format!(r#"{text}"eventData":{{"n":1.5}},"metadata":{{"platform":"wëb"}}}}"#));
    event.counted_ms += 900_000;
    assert!(to_json(&event).contains(r#""timestamp":1772323200000,"countedAt":1772324100000,"eventData""#));
}

proptest! {
    #[test]
    fn no_bytes_cause_a_panic(form in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\xf3\x89\x9a\xc2", b"[", b"{"]), bytes in any::<Vec<u8>>()) {
        let data = [form, &bytes].concat();
        if let Ok(plain) = decompress(&data) {
            let _ = split(&plain);
        }
    }

    #[test]
    fn damage_anywhere_is_an_error_or_other_bytes(at in any::<prop::sample::Index>(), bit in 0u8..8, zst in any::<bool>()) {
        let data = b"{\"a\":1}\n{\"a\":2}\n".repeat(20);
        let mut wrapped = if zst { zstd(&data) } else { gzip(&data) };
        let at = at.index(wrapped.len());
        wrapped[at] ^= 1u8 << bit;
        let _ = decompress(&wrapped).map(|plain| split(&plain).map(|events| events.len()));
    }
}
