//! Bytes of every version ever written: they must be read for ever, and today's encoder must still write the newest.
//!
//! A test that fails here says that the stored form changed: give it a new version, and keep reading the old one.

use headcount_core::counters::Counters;
use headcount_core::event::{Event, EventType};
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use serde_json::json;

fn users(precision: u8, count: u32) -> UserSketch {
    let mut sketch = UserSketch::new(precision).unwrap();
    (0..count).for_each(|n| sketch.insert(&format!("user-{n}")));
    sketch
}

fn sessions(count: i64) -> SessionSample {
    let mut sample = SessionSample::default();
    for n in 0..count {
        sample.insert(&format!("session-{n}"), 1_772_323_200_000 + n * 1_000);
        sample.insert(&format!("session-{n}"), 1_772_323_200_000 + n * 2_000);
    }
    sample
}

fn counters() -> Counters {
    let types = ["page_view", "feature_use", "content_create", "ai_request", "error", "signup"];
    let mut counters = Counters::default();
    for n in 0..600i64 {
        let name = format!("name-{}", n % 130);
        let data = json!({"feature": name, "contentType": name, "model": name, "tokens": n, "cost": 0.25, "errorType": name,
            "latencyMs": n});
        let event = Event {
            id: n.to_string().into(),
            user_id: "u".into(),
            session_id: (n % 3 > 0).then(|| "s".into()),
            event_type: EventType::from_stored(types[n as usize % types.len()]),
            account_id: (n % 2 == 1).then(|| format!("account-{}", n % 7).into()),
            timestamp_ms: 1_772_323_200_000 + n * 100_000,
            counted_ms: 1_772_323_200_000 + n * 100_000,
            priced_by: None,
            event_data: data.into(),
            metadata: json!({"platform": if n % 2 == 0 { "web" } else { "ios" }}).into(),
        };
        counters.add(&event, chrono_tz::UTC);
    }
    counters.add_duplicates(7);
    counters.add_rejected(9);
    counters
}

/// The stored bytes. `UPDATE_GOLDEN=1` writes what is not there yet, and never what is.
fn golden(name: &str, encoded: &[u8]) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if !path.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, encoded).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("tests/golden/{name}: {error}"))
}

/// Precision and users of the stored sketches, and the share that their number may be off: nothing while sparse, three
/// errors of 3.25 % when dense.
const SKETCHES: [(&str, u8, u32, f64); 3] =
    [("empty", 14, 0, 0.0), ("sparse", 14, 300, 0.0), ("dense", 10, 20_000, 0.0975)];

#[test]
fn user_sketches_of_version_1_are_read() {
    for (name, precision, count, _) in SKETCHES {
        let stored = golden(&format!("users-v1-{name}.bin"), &[]);
        assert_eq!(stored[3], 1, "{name}");
        let mut read = UserSketch::decode(&stored).unwrap();
        assert_eq!(read.encode(), users(precision, count).encode(), "{name}");
    }
}

#[test]
fn user_sketches_of_version_2() {
    for (name, precision, count, known) in SKETCHES {
        let mut sketch = users(precision, count);
        let stored = golden(&format!("users-v2-{name}.bin"), &sketch.encode());
        assert_eq!(stored, sketch.encode(), "{name}");
        let mut read = UserSketch::decode(&stored).unwrap();
        assert_eq!(read.estimate().to_bits(), sketch.estimate().to_bits(), "{name}");
        let users = read.estimate().round();
        assert!((users - f64::from(count)).abs() <= known * f64::from(count), "{name}: {users}");
    }
}

const SAMPLES: [(&str, i64); 2] = [("exact", 100), ("full", 5_000)];

#[test]
fn session_samples_of_version_1() {
    for (name, count) in SAMPLES {
        let sample = sessions(count);
        let stored = golden(&format!("sessions-v1-{name}.bin"), &sample.encode());
        assert_eq!(stored, sample.encode(), "{name}");
        let read = SessionSample::decode(&stored).unwrap();
        assert_eq!(read, sample, "{name}");
        assert_eq!(read.is_exact(), count == 100, "{name}");
        // Session n lasts n seconds.
        let (half, tenth) = (count as f64 * 500.0, count as f64 * 100.0);
        let average = read.figures(2 * count as u64).average_ms;
        assert!((average - half).abs() < tenth, "{name}: {average}");
    }
}

#[test]
fn counters_of_version_4() {
    let stored = golden("counters-v4.bin", &counters().encode());
    assert_eq!(stored, counters().encode());
    let read = Counters::decode(&stored).unwrap();
    assert_eq!(read, counters());
    assert_eq!((read.events, read.duplicates, read.rejected, read.features.total()), (600, 7, 9, 100));
    assert_eq!((read.without_user, read.without_session), (0, 200));
    assert_eq!((read.models.total().cost_nanos, read.platforms.get("web")), (100 * 250_000_000, Some(&300)));
    assert_eq!((read.accounts.total(), read.accounts.get("account-3")), (300, Some(&43)));
    assert_eq!(read.ai_accounts.total().requests, 100);
}

#[test]
fn aggregated_records_of_aws_kinesis_agg() {
    // Made by PyPI's aws_kinesis_agg 1.2.3: four records, three partition keys, two explicit hash keys.
    let data = include_bytes!("golden/kpl-aggregated.bin");
    let wanted: Vec<Vec<u8>> = (0..4).map(|n| format!("{{\"n\":{n}}}").into_bytes()).collect();
    assert_eq!(headcount_core::wire::kpl::take_apart(data).unwrap(), wanted);
}
