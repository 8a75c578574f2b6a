use std::io::Write as _;

use headcount_core::ip_policy::IpPolicy;
use serde_json::json;

use super::*;
use crate::report::figures::figures;

/// 2026-03-02T12:00:00Z.
const NOON: i64 = 1_772_452_800_000;

fn line(id: &str, user: &str, at_ms: i64) -> String {
    let metadata = json!({"userAgent": "a", "ipAddress": "192.0.2.1", "platform": "web"});
    let event = json!({"eventId": id, "userId": user, "sessionId": user, "eventType": "page_view", "timestamp": at_ms,
        "eventData": {}, "metadata": metadata});
    event.to_string()
}

fn read(threads: usize, contents: &[Vec<u8>]) -> Folded {
    let files: Vec<_> = contents
        .iter()
        .map(|content| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(content).unwrap();
            file
        })
        .collect();
    let reading = Reading {
        files: files.iter().map(|file| file.path().to_owned()).collect(),
        rules: Rules::new(Vec::new(), None, 60_000, IpPolicy::Keep).unwrap(),
        zone: chrono_tz::UTC,
        arrived_ms: NOON,
        threads,
    };
    let (_asked, interrupt) = Interrupt::manual();
    fold(&reading, &interrupt).unwrap().unwrap()
}

#[test]
fn each_event_counts_once_whatever_the_file_and_the_number_of_threads() {
    let day = 86_400_000;
    let mut first = Vec::new();
    for n in 0..3_000 {
        let at_ms = NOON - day * (n % 3) - n;
        first.push(line(&format!("e-{n}"), &format!("u-{}", n % 500), at_ms));
    }
    first.push(String::new());
    first.push("no json".to_owned());
    first.push(line("e-7", "u-7", NOON - day - 7));
    first.push(line("ahead", "u-1", NOON + day));
    let plain = first.join("\n").into_bytes();
    let again = zstd::stream::encode_all(&plain[..], 1).unwrap();
    let mut shown = Vec::new();
    for threads in [1, 4] {
        let folded = read(threads, &[plain.clone(), again.clone()]);
        assert_eq!((folded.lines, folded.events), (2 * 3_003, 3_000), "{threads} threads");
        assert_eq!((folded.rejected, folded.duplicates), (4, 3_002));
        assert_eq!(
            folded.examples.iter().map(|example| example.line).collect::<Vec<_>>(),
            [3_002, 3_004, 6_006, 6_008]
        );
        let metrics = figures(&folded, chrono_tz::UTC, NOON).unwrap();
        let total = &metrics.total;
        assert_eq!((metrics.days.len(), total.active_users, total.total_users), (3, 500, 500));
        assert_eq!((total.new_signups_24h, total.rejected, total.duplicates), (500, 4, 3_002));
        assert_eq!(total.events_by_type["page_view"], 3_000);
        shown.push(serde_json::to_value(&metrics).unwrap());
    }
    assert_eq!(shown[0], shown[1], "the order of threads is not to be seen");
}

#[test]
fn nothing_is_all_zero_and_what_is_no_file_is_named() {
    let folded = read(2, &[Vec::new()]);
    let metrics = figures(&folded, chrono_tz::UTC, NOON).unwrap();
    assert_eq!((metrics.days.len(), metrics.total.active_users), (1, 0));
    let reading = Reading {
        files: vec!["/no/such/file".into()],
        rules: Rules::default(),
        zone: chrono_tz::UTC,
        arrived_ms: NOON,
        threads: 2,
    };
    let (asked, interrupt) = Interrupt::manual();
    assert!(fold(&reading, &interrupt).unwrap_err().to_string().contains("/no/such/file"));
    asked.send_replace(true);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"x\n").unwrap();
    let stopped = fold(&Reading { files: vec![file.path().to_owned()], ..reading }, &interrupt).unwrap();
    assert!(stopped.is_none());
}

#[test]
fn an_entry_of_the_event_log_is_read_for_its_events() {
    let event = line("e-1", "u-1", NOON - 1);
    let logged = event.replacen('{', "{\"index\":0,", 1);
    let entry = [r#"{"headcount":{"version":1}}"#, &logged, r#"{"rejected":{"count":1}}"#]
        .map(|line| zstd::stream::encode_all(format!("{line}\n").as_bytes(), 1).unwrap());
    let folded = read(1, &[entry.concat()]);
    assert_eq!((folded.lines, folded.events, folded.rejected), (1, 1, 0), "{:?}", folded.examples);
}
