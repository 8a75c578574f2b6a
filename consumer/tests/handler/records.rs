//! What a record may hold, and what becomes of it.

use std::io::Write as _;

use headcount_consumer::handler::HandleError;
use headcount_core::limits::{DAY_MS, MAX_REJECTED_ITEMS_PER_RECORD};
use headcount_core::rejection::Payload;
use serde_json::json;

use crate::world::{NOON, World, day, event, of_bytes, record, run, source, try_run};

/// Compressed records might hold much more than they do: they are not all opened at once.
fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(start_paused = true)]
async fn events_are_appended_and_counted_on_their_own_days() {
    let world = World::new();
    let records = [
        record(1, &[event("a", "ada", NOON), event("b", "bob", NOON - DAY_MS)]),
        record(2, &[event("c", "ada", NOON - DAY_MS), event("d", "eve", NOON + 1)]),
    ];
    let outcome = run(&world.cold(), 0, &records).await;
    assert_eq!((outcome.failed_from, outcome.events, outcome.entries), (None, 4, 1));
    assert_eq!(world.logged(&source(0)).await, [["b", "c", "a", "d"]], "by date");

    let items = world.table.all_events();
    assert_eq!(items.len(), 4);
    let a = items.iter().find(|item| item.event.id == "a").unwrap();
    assert_eq!(a.expires_s, (NOON + DAY_MS / 2 + 90 * DAY_MS) / 1_000, "90 days after its day");
    assert_eq!(a.created_ms, NOON + 60_000);

    let mut today = world.partial(day(0), &source(0));
    assert_eq!((today.counters.events, today.version, today.as_of, today.first), (2, 1, 1, 1));
    assert_eq!(today.users.estimate().round() as u64, 2);
    assert_eq!(world.partial(day(-1), &source(0)).counters.by_hour[12], 2);

    let mut first_days: Vec<_> = world.table.all_profiles().into_iter().map(|user| (user.user_id, user.date)).collect();
    first_days.sort();
    assert_eq!(first_days, [("ada".into(), day(-1)), ("bob".into(), day(-1)), ("eve".into(), day(0))]);
    let positions: Vec<_> = world.table.all_checkpoints().into_iter().map(|row| row.checkpoint).collect();
    assert!(positions.iter().all(|at| at.entry == 1 && at.last == 2.into()) && positions.len() == 2, "{positions:?}");
}

#[tokio::test]
async fn first_days_only_ever_get_earlier() {
    let world = World::new();
    for (sequence, at) in [(1, NOON), (2, NOON - 2 * DAY_MS), (3, NOON - DAY_MS)] {
        // Cold each time, so that the table alone knows.
        run(&world.cold(), 0, &[record(sequence, &[event(&sequence.to_string(), "ada", at)])]).await;
    }
    assert_eq!(world.table.all_profiles()[0].date, day(-2));
}

#[tokio::test]
async fn what_breaks_a_rule_is_kept_with_every_reason_and_counted_on_its_arrival_day() {
    let world = World::new();
    let mut bad = event("bad", "", NOON - DAY_MS);
    bad["eventType"] = json!("party");
    let records = [
        record(1, &[event("a", "ada", NOON), bad]),
        of_bytes(2, b"\xff\xfe".to_vec()),
        record(3, &[event("b", "ada", NOON)]),
    ];
    let outcome = run(&world.cold(), 0, &records).await;
    assert_eq!((&outcome.failed_from, outcome.events, outcome.rejections()), (&None, 2, 2));
    let rejected = world.table.all_rejected();
    assert_eq!(rejected.len(), 2);
    let fields: Vec<&str> = rejected[0].rejection.problems.iter().map(|problem| &*problem.field).collect();
    assert_eq!(fields, ["userId", "eventType"]);
    assert_eq!((rejected[0].arrival_date, rejected[0].origin.index), (day(0), 1));
    assert!(matches!(&rejected[0].rejection.payload, Payload::Text { text, .. } if text.contains("party")));
    assert_eq!(world.partial(day(0), &source(0)).counters.rejected, 2);
    assert_eq!(world.table.all_partials().len(), 1, "the day that the bad event claimed has no partial");
}

#[tokio::test]
async fn a_record_of_350_000_empty_objects_is_bounded_and_counted() {
    let world = World::new();
    let many = of_bytes(1, gzip(format!("[{}{{}}]", "{},".repeat(349_999)).as_bytes()));
    let some = of_bytes(2, "{}\n".repeat(5_000).into_bytes());
    let outcome = run(&world.cold(), 0, &[many, some, record(3, &[event("a", "ada", NOON)])]).await;
    assert_eq!((&outcome.failed_from, outcome.events, outcome.rejections()), (&None, 1, 355_000));
    assert_eq!(world.table.all_rejected().len(), 1 + MAX_REJECTED_ITEMS_PER_RECORD + 1);
    let counted: u64 = world.table.all_rejected().iter().map(|item| item.rejection.count).sum();
    assert_eq!((counted, world.partial(day(0), &source(0)).counters.rejected), (355_000, 355_000));
}

#[tokio::test]
async fn a_large_batch_is_several_entries() {
    let world = World::new();
    let records: Vec<_> = (1..=25u64)
        .map(|sequence| {
            let events: Vec<_> =
                (0..1_000).map(|n| event(&format!("{sequence}-{n}"), &format!("u{}", n % 50), NOON)).collect();
            let record = record(sequence, &events);
            of_bytes(sequence, gzip(&record.data))
        })
        .collect();
    let outcome = run(&world.cold(), 0, &records).await;
    assert_eq!((&outcome.failed_from, outcome.events), (&None, 25_000));
    assert!(outcome.entries > 1, "{} entries", outcome.entries);
    assert_eq!(world.partial(day(0), &source(0)).counters.events, 25_000);
    assert_eq!(world.table.all_events().len(), 25_000);
}

#[tokio::test]
async fn records_without_order_or_twice_are_put_in_order() {
    let world = World::new();
    let [nine, ten] = [record(9, &[event("a", "ada", NOON)]), record(10, &[event("b", "ada", NOON)])];
    let outcome = run(&world.cold(), 0, &[ten.clone(), nine, ten]).await;
    assert_eq!((outcome.events, outcome.duplicates), (2, 0));
    assert_eq!(world.table.all_checkpoints()[0].checkpoint.last, 10.into());
}

#[tokio::test]
async fn a_deployment_of_another_zone_is_not_written_to() {
    let world = World::new();
    run(&world.cold(), 0, &[record(1, &[event("a", "ada", NOON)])]).await;
    let mut other = world.cold();
    other.settings.zone = Some(chrono_tz::Europe::Berlin);
    let error = try_run(&other, 0, &[record(2, &[event("b", "ada", NOON)])]).await.unwrap_err();
    assert!(matches!(error, HandleError::Log(_)) && error.to_string().contains("Europe/Berlin"), "{error}");
    assert_eq!(world.logged(&source(0)).await.len(), 1);
}

#[tokio::test]
async fn a_table_of_another_deployment_is_refused() {
    let (ours, theirs) = (World::new(), World::new());
    run(&theirs.cold(), 0, &[record(1, &[event("a", "ada", NOON)])]).await;
    // Another seed draws another identity.
    let mut deps = ours.cold_with(theirs.table.clone());
    deps.jitter = headcount_runtime::retry::Jitter::from_seed(7);
    let error = try_run(&deps, 0, &[record(1, &[event("b", "ada", NOON)])]).await.unwrap_err();
    assert!(error.to_string().contains("the bucket and the table of the same deployment"), "{error}");
    assert!(ours.logged(&source(0)).await.is_empty(), "nothing is appended for a table that is not ours");
}
