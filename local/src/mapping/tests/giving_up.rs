//! Batches that can never pass: split, given up, kept, and all else goes on.

use std::sync::atomic::{AtomicI64, Ordering};

use aws_lambda_events::event::kinesis::KinesisEventRecord;
use headcount_consumer::kept::KeptInvocation;
use headcount_runtime::clock::Clock;

use super::*;
use crate::failures::Failures;

const SHARD: &str = "shardId-000000000000";

fn policy(folder: &Path, max_retries: u32) -> FailurePolicy {
    let failures = Failures::open(folder.to_str().unwrap()).unwrap();
    FailurePolicy::give_up_after(max_retries, failures, Jitter::from_seed(1))
}

fn data_of(record: &KinesisEventRecord) -> String {
    String::from_utf8_lossy(&record.kinesis.data.0).into_owned()
}

async fn kept(folder: &Path) -> Vec<KeptInvocation> {
    let failures = Failures::open(folder.to_str().unwrap()).unwrap();
    let mut kept = Vec::new();
    for key in failures.list().await.unwrap() {
        kept.push(failures.read(&key).await.unwrap());
    }
    kept
}

/// The data of each kept invocation's records.
async fn kept_data(folder: &Path) -> Vec<Vec<String>> {
    let payload = |kept: KeptInvocation| kept.payload.unwrap().records.iter().map(data_of).collect();
    kept(folder).await.into_iter().map(payload).collect()
}

/// The data of the calls that `script` let pass, in order.
fn passing(script: impl Fn(&Seen) -> Reply + Send + 'static) -> (Scripted, Arc<Mutex<Vec<String>>>) {
    let passed = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&passed);
    let function = Scripted::new(move |seen, _| {
        let reply = script(seen);
        if matches!(reply, Reply::Done) {
            all.lock().extend(seen.data.clone());
        }
        reply
    });
    (function, passed)
}

/// Ten records, of which the named ones make a call end as `reply` says.
async fn check(poisons: &'static [&'static str], reply: fn() -> Reply, total: usize) {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(1).await;
    world.put(0, numbered(0..total)).await;
    let is_poison = |data: &String| poisons.contains(&data.as_str());
    let (function, passed) = passing(move |seen| if seen.data.iter().any(is_poison) { reply() } else { Reply::Done });
    let mapping = world
        .map(&function, |options| {
            options.failure = policy(folder.path(), 1);
            options.function_timeout = Duration::from_millis(200);
        })
        .await;
    let progress = mapping.drain_and_stop(soon()).await.unwrap();
    let healthy: Vec<_> = numbered(0..total).into_iter().filter(|data| !poisons.contains(&data.as_str())).collect();
    assert_eq!(*passed.lock(), healthy, "poisons {poisons:?}");
    let expected: Vec<_> = poisons.iter().map(|poison| vec![(*poison).to_owned()]).collect();
    assert_eq!(kept_data(folder.path()).await, expected, "poisons {poisons:?}");
    assert_eq!((progress.records, progress.kept), (healthy.len() as u64, poisons.len() as u64));
    assert_eq!(progress.shards[SHARD].problem, None);
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_panics_is_bisected_out_kept_and_passed() {
    for poisons in [&["0"][..], &["4"], &["9"], &["3", "7"], &["4", "5"], &["0", "9"]] {
        check(poisons, || Reply::Panic, 10).await;
    }
    check(&["0"], || Reply::Panic, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_is_one_that_hangs_and_one_that_makes_the_answer_malformed() {
    check(&["6"], || Reply::Hang, 8).await;
    check(&["2"], || Reply::Failures(vec!["12345".into()]), 8).await;
    check(&["2"], || Reply::Error, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_again_and_again_is_kept_with_the_rest_of_its_batch_in_lambdas_form() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(1).await;
    world.put(0, numbered(0..10)).await;
    let function = Scripted::new(|seen, _| match seen.data.iter().position(|data| data == "6") {
        Some(at) => Reply::Failures(vec![seen.numbers[at].clone()]),
        None => Reply::Done,
    });
    let mapping = world.map(&function, |options| options.failure = policy(folder.path(), 3)).await;
    let progress = mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!(function.sizes(), [10, 4, 4, 4, 4], "progress, then a try and three retries of the rest");
    assert_eq!((progress.records, progress.kept, progress.failures), (6, 4, 5));

    let kept = kept(folder.path()).await;
    assert_eq!(kept.len(), 1);
    let (context, batch) = (&kept[0].request_context, &kept[0].batch);
    let records = &kept[0].payload.as_ref().unwrap().records;
    assert_eq!(records.iter().map(data_of).collect::<Vec<_>>(), numbered(6..10));
    assert_eq!((&*context.condition, context.approximate_invoke_count), ("RetryAttemptsExhausted", 4));
    assert_eq!(context.function_arn, "arn:aws:lambda:us-east-1:000000000000:function:headcount-consumer");
    assert_eq!((batch.shard_id.as_str(), batch.batch_size), (SHARD, 4));
    assert!(batch.stream_arn.ends_with(":stream/events"), "{}", batch.stream_arn);
    let numbers = &function.seen()[1].numbers;
    assert_eq!((&batch.start_sequence_number, &batch.end_sequence_number), (&numbers[0], &numbers[3]));
    assert_eq!(progress.checkpoints()[SHARD], numbers[3]);
    assert!(records.iter().map(|record| &record.kinesis.sequence_number).eq(numbers));
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_became_too_old_are_kept_and_younger_ones_tried_on() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(1).await;
    world.put(0, numbered(0..4)).await;
    let ahead = Arc::new(AtomicI64::new(0));
    let shown = Arc::clone(&ahead);
    let turn = Arc::clone(&ahead);
    let function = Scripted::new(move |_, call| match call {
        0 => Reply::Error,
        1 => {
            turn.store(7_200_000, Ordering::Relaxed);
            Reply::Error
        }
        _ => Reply::Done,
    });
    let mapping = world
        .map(&function, |options| {
            options.failure = policy(folder.path(), 100);
            options.failure.bisect = false;
            options.failure.max_record_age = Some(Duration::from_hours(1));
            options.clock = Clock::from_fn(move || Clock::system().now_ms() + shown.load(Ordering::Relaxed));
        })
        .await;
    in_time(mapping.caught_up()).await.unwrap();
    ahead.store(0, Ordering::Relaxed);
    world.put(0, numbered(4..6)).await;
    let progress = mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!((progress.records, progress.kept), (2, 4));
    assert_eq!(function.data()[8..], numbered(4..6));
    let kept = kept(folder.path()).await;
    assert_eq!(kept[0].request_context.condition, "RecordAgeExceeded");
    assert_eq!(kept_data(folder.path()).await, [numbered(0..4)]);
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_destination_is_away_nothing_is_passed() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("failures");
    std::fs::write(&blocked, "in the way").unwrap();
    let world = World::new(1).await;
    world.put(0, numbered(0..3)).await;
    let function = Scripted::new(|seen, _| if seen.data.contains(&"1".into()) { Reply::Panic } else { Reply::Done });
    let mapping = world.map(&function, |options| options.failure = policy(&blocked, 0)).await;
    let mut progress = mapping.progress();
    let stuck = |progress: &Progress| {
        let problem = progress.shards.get(SHARD).and_then(|shard| shard.problem.as_deref()).unwrap_or("");
        problem.contains("failure destination") && progress.failures > 4
    };
    let seen = in_time(progress.wait_for(stuck)).await.unwrap().clone();
    assert_eq!((seen.records, seen.kept), (1, 0), "it is tried on, and what comes after it waits");
    std::fs::remove_file(&blocked).unwrap();
    let progress = mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!((progress.records, progress.kept), (2, 1));
    assert_eq!(kept_data(&blocked).await, [["1".to_owned()]]);
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_a_bisect_goes_on_after_what_was_passed() {
    let (folder, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::new(1).await;
    world.put(0, numbered(0..8)).await;
    let poisoned = |seen: &Seen| seen.data.contains(&"5".into());
    let first = Scripted::new(move |seen, call| match call {
        // 0..8, 0..4, 4..8, 4..6, then 4 alone: as if the process had died there.
        4 => Reply::Hang,
        _ if poisoned(seen) => Reply::Panic,
        _ => Reply::Done,
    });
    let kept_in = |options: &mut MappingOptions| {
        options.data_dir = Some(dir.path().to_owned());
        options.failure = policy(folder.path(), 1);
    };
    let mapping = world.map(&first, kept_in).await;
    assert_eq!(first.batches(5).await[4].data, numbered(4..5));
    drop(mapping);

    let (second, passed) = passing(move |seen| if poisoned(seen) { Reply::Panic } else { Reply::Done });
    let mapping = started_again(&world.client, kept_in, &second).await;
    mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!(second.seen()[0].data, numbered(4..8), "after what was passed");
    assert_eq!(*passed.lock(), ["4", "6", "7"]);
    assert_eq!(kept_data(folder.path()).await, [["5".to_owned()]]);
    world.stream.stop().await;
}
