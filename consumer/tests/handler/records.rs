//! What a record may hold, and what becomes of it.

use std::io::Write as _;

use headcount_consumer::batch::BatchError;
use headcount_consumer::handler::HandleError;
use headcount_core::limits::{DAY_MS, MAX_REJECTED_ITEMS_PER_RECORD};
use headcount_core::rejection::Payload;
use headcount_store::memory::MemoryStore;
use serde_json::json;

use crate::world::{NOON, day, deps, event, invocation, partial, record, run, source, try_run};

/// Compressed records might hold much more than they do: they are not all taken apart at once.
fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn events_are_stored_and_counted_on_their_own_days() {
    let store = MemoryStore::new();
    let deps = deps(store.clone());
    let records = [
        record(1, &[event("a", "ada", NOON), event("b", "bob", NOON - DAY_MS)]),
        record(2, &[event("c", "ada", NOON - DAY_MS), event("d", "eve", NOON + 1)]),
    ];
    let outcome = run(&deps, 0, &records).await;
    assert_eq!((outcome.failed_from, outcome.inserted, outcome.folds), (None, 4, 2));

    let events = store.all_events();
    assert_eq!(events.len(), 4);
    let a = events.iter().find(|row| row.event.id == "a").unwrap();
    assert_eq!(a.origin.to_string(), "events/shardId-000000000000#1#0");
    assert_eq!(a.expires_s, (NOON + DAY_MS / 2 + 90 * DAY_MS) / 1_000, "90 days after its day");

    let mut today = partial(&store, day(0), &source(0));
    assert_eq!((today.counters.events, today.version), (2, 1));
    assert_eq!(today.users.estimate().round() as u64, 2);
    assert_eq!(today.last_sequence, Some(2.into()));
    assert!(!today.dirty);
    assert_eq!(partial(&store, day(-1), &source(0)).counters.by_hour[12], 2);

    let mut first_days: Vec<_> = store.all_profiles().into_iter().map(|user| (user.user_id, user.date)).collect();
    first_days.sort();
    assert_eq!(first_days, [("ada".into(), day(-1)), ("bob".into(), day(-1)), ("eve".into(), day(0))]);
}

#[tokio::test]
async fn first_days_only_ever_get_earlier() {
    let store = MemoryStore::new();
    for (sequence, at) in [(1, NOON), (2, NOON - 2 * DAY_MS), (3, NOON - DAY_MS)] {
        // Cold each time, so that the table alone knows.
        run(&deps(store.clone()), 0, &[record(sequence, &[event(&sequence.to_string(), "ada", at)])]).await;
    }
    assert_eq!(store.all_profiles()[0].date, day(-2));
}

#[tokio::test]
async fn what_breaks_a_rule_is_kept_with_every_reason_and_counted_on_its_arrival_day() {
    let store = MemoryStore::new();
    let mut bad = event("bad", "", NOON - DAY_MS);
    bad["eventType"] = json!("party");
    let records =
        [record(1, &[event("a", "ada", NOON), bad]), (2, b"\xff\xfe".to_vec()), record(3, &[event("b", "ada", NOON)])];
    let outcome = run(&deps(store.clone()), 0, &records).await;
    assert_eq!((outcome.failed_from, outcome.inserted, outcome.rejected), (None, 2, 2));
    let rejected = store.all_rejected();
    assert_eq!(rejected.len(), 2);
    let fields: Vec<&str> = rejected[0].rejection.problems.iter().map(|problem| &*problem.field).collect();
    assert_eq!(fields, ["userId", "eventType"]);
    assert_eq!((rejected[0].arrival_date, rejected[0].origin.index), (day(0), 1));
    assert!(matches!(&rejected[0].rejection.payload, Payload::Text { text, .. } if text.contains("party")));
    assert_eq!(partial(&store, day(0), &source(0)).counters.rejected, 2);
    assert_eq!(store.all_partials().len(), 1, "the day that the bad event claimed has no partial");
}

#[tokio::test]
async fn a_record_of_350_000_empty_objects_is_bounded_and_counted() {
    let store = MemoryStore::new();
    let many = (1, gzip(format!("[{}{{}}]", "{},".repeat(349_999)).as_bytes()));
    let some = (2, "{}\n".repeat(5_000).into_bytes());
    let outcome = run(&deps(store.clone()), 0, &[many, some, record(3, &[event("a", "ada", NOON)])]).await;
    assert_eq!((outcome.failed_from, outcome.inserted, outcome.rejected), (None, 1, 355_000));
    assert_eq!(store.all_rejected().len(), 1 + MAX_REJECTED_ITEMS_PER_RECORD + 1);
    let counted: u64 = store.all_rejected().iter().map(|row| row.rejection.count).sum();
    assert_eq!((counted, partial(&store, day(0), &source(0)).counters.rejected), (355_000, 355_000));
}

#[tokio::test]
async fn a_large_batch_is_worked_on_in_chunks() {
    let store = MemoryStore::new();
    let records: Vec<_> = (1..=25u64)
        .map(|sequence| {
            let events: Vec<_> =
                (0..1_000).map(|n| event(&format!("{sequence}-{n}"), &format!("u{}", n % 50), NOON)).collect();
            let (sequence, data) = record(sequence, &events);
            (sequence, gzip(&data))
        })
        .collect();
    let outcome = run(&deps(store.clone()), 0, &records).await;
    assert_eq!((outcome.failed_from, outcome.inserted), (None, 25_000));
    assert!(outcome.folds > 1, "{} folds", outcome.folds);
    assert_eq!(partial(&store, day(0), &source(0)).counters.events, 25_000);
    assert_eq!(store.all_events().len(), 25_000);
}

#[tokio::test]
async fn records_without_order_or_twice_are_put_in_order() {
    let store = MemoryStore::new();
    let [nine, ten] = [record(9, &[event("a", "ada", NOON)]), record(10, &[event("b", "ada", NOON)])];
    let outcome = run(&deps(store.clone()), 0, &[ten.clone(), nine, ten]).await;
    assert_eq!((outcome.inserted, outcome.duplicates), (2, 0));
    assert_eq!(partial(&store, day(0), &source(0)).last_sequence, Some(10.into()));
}

#[tokio::test]
async fn what_is_no_batch_of_one_shard_is_refused() {
    let deps = deps(MemoryStore::new());
    assert_eq!(run(&deps, 0, &[]).await.records, 0);
    let mut mixed = invocation(0, &[record(1, &[event("a", "ada", NOON)])]);
    mixed.records.extend(invocation(1, &[record(2, &[event("b", "ada", NOON)])]).records);
    let refused = |event| headcount_consumer::batch::Batch::parse(event).unwrap_err();
    assert!(matches!(refused(mixed), BatchError::Mixed(..)));
    let good = || invocation(0, &[record(1, &[event("a", "ada", NOON)])]);
    let mut nameless = good();
    nameless.records[0].event_source_arn = Some("arn:aws:sqs:us-east-1:0:queue".to_owned());
    assert!(refused(nameless).to_string().contains("eventSourceARN"));
    let mut shardless = good();
    shardless.records[0].event_id = None;
    assert!(refused(shardless).to_string().contains("eventID"));
    let mut unnumbered = good();
    unnumbered.records[0].kinesis.sequence_number = "1e3".to_owned();
    assert!(refused(unnumbered).to_string().contains("sequenceNumber"));
    assert!(deps.store.all_events().is_empty());
}

#[tokio::test]
async fn a_table_of_another_zone_is_not_written_to() {
    let store = MemoryStore::new();
    run(&deps(store.clone()), 0, &[record(1, &[event("a", "ada", NOON)])]).await;
    let mut other = deps(store.clone());
    other.settings.zone = Some(chrono_tz::Europe::Berlin);
    let error = try_run(&other, 0, &[record(2, &[event("b", "ada", NOON)])]).await.unwrap_err();
    assert!(matches!(error, HandleError::Deployment(_)) && error.to_string().contains("Europe/Berlin"), "{error}");
    assert_eq!(store.all_events().len(), 1);
}
