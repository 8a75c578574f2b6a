use std::io::Write as _;

use super::*;
use crate::limits::{MAX_EVENTS_PER_RECORD, MAX_RECORD_BYTES, MAX_REJECTED_PAYLOAD_BYTES};
use crate::origin::Source;
use crate::wire::MAX_SPOILT_PARTS;
use crate::wire::kpl::Aggregate;
use proptest::prelude::*;

const VALID: &str = r#"{"userId":"u","sessionId":"s","eventType":"page_view","extra":1,"metadata":{"userAgent":"x","ipAddress":"203.0.113.7","platform":"x"}}"#;

fn decode(data: &[u8]) -> DecodedRecord<'static> {
    decode_by(data, &Rules::default())
}

fn decode_by(data: &[u8], rules: &Rules) -> DecodedRecord<'static> {
    let source = Source::shard("events", None, "shardId-000000000000").unwrap();
    let arrival = Arrival { source, sequence: 7.into(), arrived_ms: 1_772_323_200_000 };
    let opened = OpenedRecord::open(data);
    let DecodedRecord { events, rejections, unknown_fields, mended, placeholders, without_time } =
        opened.decode(&arrival, rules);
    let events = events.into_iter().map(|(index, event)| (index, event.into_owned())).collect();
    DecodedRecord { events, rejections, unknown_fields, mended, placeholders, without_time }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn dropping() -> Rules {
    Rules::new(vec![], None, 0, IpPolicy::Drop).unwrap()
}

#[test]
fn good_and_bad_events_keep_their_places() {
    for data in [format!("[{VALID},{{}}, 7,{VALID}]"), format!("{VALID}\n{{}}\n\n7\n{VALID}")] {
        let bytes = data.len();
        for data in [data.clone().into_bytes(), gzip(data.as_bytes()), zstd::encode_all(data.as_bytes(), 1).unwrap()] {
            let decoded = decode(&data);
            let indexes = |list: &[(u32, Rejection)]| list.iter().map(|(index, _)| *index).collect::<Vec<_>>();
            assert_eq!(decoded.events.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 3]);
            assert_eq!(indexes(&decoded.rejections), [1, 2]);
            assert_eq!((decoded.unknown_fields, OpenedRecord::open(&data).bytes()), (2, bytes));
            assert_ne!(decoded.events[0].1.id, decoded.events[1].1.id, "ids are derived by index");
            let seven = Payload::Text { text: "7".into(), truncated: false };
            assert_eq!(decoded.rejections[1].1.payload, seven);
        }
    }
}

#[test]
fn a_line_that_is_no_text_is_rejected_alone() {
    let data = [VALID.as_bytes(), b"\n{\"a\":\"\xff\"}\n", VALID.as_bytes()].concat();
    let decoded = decode(&data);
    assert_eq!((decoded.events.len(), decoded.rejections.len()), (2, 1));
    let payload = Payload::Binary { bytes: b"{\"a\":\"\xff\"}".to_vec(), truncated: false };
    assert_eq!(decoded.rejections[0].1.payload, payload);
    let masked = decode_by(&[&data[..], b"\n{\"at\": \"203.0.113.7\xff\"}"].concat(), &dropping());
    let Payload::Text { text, truncated: false } = &masked.rejections[1].1.payload else { panic!("{masked:?}") };
    assert_eq!(text, "{\"at\": \"(withheld)\u{fffd}\"}");
}

#[test]
fn an_undecodable_record_is_one_rejection() {
    for (data, problem) in [
        (&b""[..], "the record is empty: it must hold an event, an array of events, or events one a line"),
        (&[0xf3, 0x89, 0x9a, 0xc2], "the record begins as a KPL aggregated record but is damaged: it is too short"),
        (&[0x1f, 0x8b, 8, 0], "the record begins as gzip but does not decompress"),
        (&vec![b' '; MAX_RECORD_BYTES + 1], "the record holds more than 4194304 bytes"),
        (b"\xff\xfe{\0}\0", "the event is not valid JSON: its bytes are not UTF-8"),
    ] {
        let decoded = decode(data);
        assert!(decoded.events.is_empty());
        let [(0, rejection)] = &*decoded.rejections else { panic!("one rejection at 0: {decoded:?}") };
        assert_eq!((rejection.count, rejection.problems.len()), (1, 1));
        assert!(rejection.problems[0].to_string().starts_with(problem), "{rejection:?}");
        assert_ne!(rejection.payload, Payload::Withheld);
    }
}

fn aggregate(parts: &[&[u8]]) -> Vec<u8> {
    let mut aggregate = Aggregate::new("0");
    for part in parts {
        aggregate.push("k", part.to_vec());
    }
    aggregate.finish()
}

#[test]
fn the_records_of_an_aggregated_one_may_have_any_form_and_one_count_of_indexes() {
    let two = format!("{VALID}\n{VALID}");
    let nested = aggregate(&[VALID.as_bytes()]);
    let array = format!("[{VALID}]");
    let parts = [VALID.as_bytes(), &gzip(two.as_bytes()), b"", &[0x1f, 0x8b, 8, 0], &nested, b"{}", array.as_bytes()];
    let decoded = decode(&aggregate(&parts));
    assert_eq!(decoded.events.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2, 7]);
    let mut ids: Vec<_> = decoded.events.iter().map(|(_, event)| event.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each event without an id gets one of its own");
    let rejected: Vec<_> =
        decoded.rejections.iter().map(|(index, one)| (*index, one.problems[0].to_string())).collect();
    for (at, (index, problem)) in [
        (3, "the record is empty"),
        (4, "the record begins as gzip but does not decompress"),
        (5, "the record is KPL of KPL"),
        (6, "userId"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(rejected[at].0 == index && rejected[at].1.starts_with(problem), "{rejected:?}");
    }
    assert_eq!(decode(&aggregate(&parts)), decoded, "a redelivery derives the same");
}

#[test]
fn the_records_of_an_aggregated_one_share_its_bounds() {
    let half = "{}\n".repeat(MAX_EVENTS_PER_RECORD / 2);
    let decoded = decode(&aggregate(&[half.as_bytes(), half.as_bytes()]));
    assert_eq!(decoded.rejections.iter().map(|(_, one)| one.count).sum::<u64>(), MAX_EVENTS_PER_RECORD as u64);
    let decoded = decode(&aggregate(&[half.as_bytes(), half.as_bytes(), b"{}"]));
    let [(0, rejection)] = &*decoded.rejections else { panic!("one rejection at 0") };
    assert_eq!(rejection.count, MAX_EVENTS_PER_RECORD as u64 + 1);
    let bomb = gzip(&vec![b' '; MAX_RECORD_BYTES / 2 + 1]);
    let decoded = decode(&aggregate(&[&bomb, &bomb]));
    let [(0, rejection)] = &*decoded.rejections else { panic!("one rejection at 0") };
    assert!(rejection.problems[0].to_string().starts_with("the record holds more than 4194304 bytes"));
    assert_eq!(decode(&aggregate(&[])), DecodedRecord::default());
    // Thousands of bombs cost no more than a few.
    let bombs = vec![&*bomb; 5_000];
    assert_eq!(decode(&aggregate(&bombs)).rejections.len(), 1);
    let spoilt = vec![&[0x1f_u8, 0x8b, 8][..]; MAX_SPOILT_PARTS + 1];
    assert_eq!(decode(&aggregate(&spoilt[1..])).rejections.len(), MAX_SPOILT_PARTS);
    let decoded = decode(&aggregate(&spoilt));
    assert!(decoded.rejections[0].1.problems[0].to_string().contains("more than 100 of its records"));
}

#[test]
fn an_empty_array_holds_nothing() {
    assert_eq!(decode(b" [ ] "), DecodedRecord::default());
    assert_eq!(OpenedRecord::open(b" [ ] ").bytes(), 5);
}

#[test]
fn only_so_many_rejections_are_kept() {
    let rejected = |count: usize| decode(format!("{VALID}\n{}", "{}\n".repeat(count)).as_bytes()).rejections;
    let kept = rejected(MAX_REJECTED_ITEMS_PER_RECORD);
    assert_eq!(kept.len(), MAX_REJECTED_ITEMS_PER_RECORD);
    assert!(kept.iter().all(|(_, one)| one.count == 1 && one.payload != Payload::Withheld));

    let more = rejected(MAX_REJECTED_ITEMS_PER_RECORD + 1);
    assert_eq!(more[..MAX_REJECTED_ITEMS_PER_RECORD], kept);
    let (index, last) = more.last().unwrap();
    assert_eq!((more.len(), *index, last.count), (MAX_REJECTED_ITEMS_PER_RECORD + 1, 101, 1));
    assert_eq!(last.payload, Payload::Withheld);

    let all = rejected(MAX_EVENTS_PER_RECORD - 1);
    assert_eq!(all.len(), MAX_REJECTED_ITEMS_PER_RECORD + 1);
    assert_eq!(all.iter().map(|(_, one)| one.count).sum::<u64>(), MAX_EVENTS_PER_RECORD as u64 - 1);
    let text =
        "9899 more events of this record are rejected and only counted: the first 100 are kept with their reasons";
    assert_eq!(all.last().unwrap().1.problems[0].to_string(), text);
}

#[test]
fn a_record_of_countless_empty_objects_is_cheap_bounded_and_counted() {
    let array = format!("[{}{{}}]", "{},".repeat(349_999));
    let lines = "{}\n".repeat(350_000);
    for data in [array.clone().into_bytes(), lines.into_bytes(), gzip(array.as_bytes())] {
        for rules in [Rules::default(), dropping()] {
            let decoded = decode_by(&data, &rules);
            let [(0, rejection)] = &*decoded.rejections else { panic!("one rejection at 0") };
            assert_eq!(rejection.count, 350_000);
            let problem = "the record holds 350000 events: send at most 10000 in one record";
            assert_eq!(rejection.problems[0].to_string(), problem);
            match &rejection.payload {
                Payload::Text { text, truncated } => {
                    assert_eq!((text.len(), *truncated), (MAX_REJECTED_PAYLOAD_BYTES, true));
                }
                payload => panic!("{payload:?}"),
            }
        }
    }
}

#[test]
fn a_bad_element_spoils_only_itself_in_every_form() {
    let half = r#"{"userId":"u","session"#;
    let nan = VALID.replace("\"extra\":1", "\"extra\":NaN");
    for (data, events, rejected) in [
        (format!("[{VALID},{nan},{VALID}]"), &[0, 2][..], &[1][..]),
        (format!("[{VALID},{VALID},]"), &[0, 1], &[]),
        (format!("[{VALID},{VALID},{half}"), &[0, 1], &[2]),
        (format!("{VALID}{VALID}{nan}{VALID}"), &[0, 1, 3], &[2]),
        (format!("[{VALID},{VALID}]\n[{nan},{VALID}]\n[{VALID}]"), &[0, 1, 3, 4], &[2]),
        (format!("{VALID}\n[{VALID},{nan}]\n{VALID} {VALID}\n{half}"), &[0, 1, 3, 4], &[2, 5]),
    ] {
        for data in [data.clone().into_bytes(), gzip(data.as_bytes()), aggregate(&[data.as_bytes()])] {
            let decoded = decode(&data);
            let of_events: Vec<_> = decoded.events.iter().map(|(index, _)| *index).collect();
            let of_rejections: Vec<_> = decoded.rejections.iter().map(|(index, _)| *index).collect();
            assert_eq!((&*of_events, &*of_rejections), (events, rejected));
        }
    }
}

#[test]
fn what_is_lost_is_counted_as_what_it_was() {
    let many = format!("{VALID}\n").repeat(500);
    let packed = gzip(many.as_bytes());
    let mut damaged = packed.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut aggregated = aggregate(&vec![VALID.as_bytes(); 500]);
    *aggregated.last_mut().unwrap() ^= 1;
    for data in [damaged, packed[..packed.len() - 1].to_vec(), aggregated] {
        let decoded = decode_by(&data, &dropping());
        let [(0, rejection)] = &*decoded.rejections else { panic!("one rejection at 0: {decoded:?}") };
        assert_eq!(rejection.count, 500, "{rejection:?}");
        if data[0] == 0x1f {
            let Payload::Text { text, truncated: true } = &rejection.payload else { panic!("{rejection:?}") };
            assert!(text.starts_with("{\"userId\"") && !text.contains("203.0.113.7"), "{text}");
        }
    }
    let nan = VALID.replace("\"extra\":1", "\"extra\":NaN");
    let decoded = decode(format!("[{}]", vec![nan; 500].join(",")).as_bytes());
    assert_eq!(decoded.rejections.iter().map(|(_, one)| one.count).sum::<u64>(), 500);
}

#[test]
fn lines_of_many_events_hold_so_many_together() {
    let line = VALID.repeat(MAX_EVENTS_PER_RECORD / 2);
    assert_eq!(decode(format!("{line}\n{line}").as_bytes()).events.len(), MAX_EVENTS_PER_RECORD);
    let decoded = decode(format!("{line}\n{line}\n{VALID}").as_bytes());
    assert_eq!((decoded.events.len(), decoded.rejections[0].1.count), (0, MAX_EVENTS_PER_RECORD as u64 + 1));
}

#[test]
fn what_was_mended_and_whom_nobody_knows_is_counted() {
    let odd = VALID.replace("\"extra\":1", "\"eventData\":{\"\":1,\"n\":1e999}").replace("\"u\"", "\"undefined\"");
    let decoded = decode(format!("{odd}\n{VALID}").as_bytes());
    assert_eq!((decoded.events.len(), decoded.mended, decoded.placeholders, decoded.without_time), (2, 3, 1, 2));
}

#[test]
fn a_refused_event_keeps_its_address_secret() {
    let event = decode(VALID.as_bytes()).events.remove(0).1;
    let rejection = refused(&event, "ValidationException: no", IpPolicy::Truncate);
    assert_eq!(rejection.problems[0].to_string(), "the table refused the event: ValidationException: no");
    let Payload::Text { text, truncated: false } = rejection.payload else { panic!("text") };
    assert!(text.contains("\"203.0.113.0\"") && text.contains(&*event.id), "{text}");
    assert_eq!(rejection.count, 1);
}

proptest! {
    #[test]
    fn any_bytes_decode_to_events_or_rejections(
        start in prop::sample::select(vec![&b""[..], b"{", b"[", b"{}\n", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd"]),
        bytes in any::<Vec<u8>>(), wrap in any::<bool>(),
    ) {
        let data = [start, &bytes].concat();
        let decoded = decode(&if wrap { gzip(&data) } else { data });
        prop_assert!(decoded.events.is_empty());
        prop_assert!(decoded.rejections.iter().all(|(_, one)| !one.problems.is_empty() && one.count > 0));
        let mut indexes: Vec<_> = decoded.rejections.iter().map(|(index, _)| *index).collect();
        indexes.dedup();
        prop_assert_eq!(indexes.len(), decoded.rejections.len());
    }
}
