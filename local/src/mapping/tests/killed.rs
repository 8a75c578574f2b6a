//! A process that dies without a word: every record whose put was answered is processed by the next one, under the lane
//! and the sequence number that the answer named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use headcount_core::origin::SequenceNumber;
use tokio::runtime::Runtime;

use super::*;

/// Lane, sequence number and data.
type Place = (String, SequenceNumber, String);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The stream and the mapping over `dir`, as one process has them; waits for the locks of the one before.
async fn start(dir: &Path, shards: u32, function: &Scripted) -> (Stream, Mapping) {
    let mut stream = in_time(async {
        loop {
            let options = StreamOptions { data_dir: Some(dir.to_owned()), ..StreamOptions::new("events", shards) };
            match Stream::start(options).await {
                Err(LocalError::Locked { .. }) => tokio::task::yield_now().await,
                started => break started.unwrap(),
            }
        }
    })
    .await;
    let backlog = stream.take_backlog();
    let client = clients::kinesis(&stream.endpoint());
    let change = |options: &mut MappingOptions| {
        options.data_dir = Some(dir.to_owned());
        options.batch_size = 7;
        options.backlog = backlog.clone();
        options.doorbell = Some(stream.doorbell());
    };
    let mapping = started_again(&client, change, function).await;
    (stream, mapping)
}

type Places = Arc<Mutex<BTreeSet<Place>>>;

/// Puts records of both kinds of request, and notes what was answered.
async fn put_some(client: Client, name: String, count: usize, answered: Places) {
    let data = |number: usize| format!("{name}/{number}");
    let note = |shard: &str, sequence: &str, data: String| {
        answered.lock().insert((shard.to_owned(), sequence.parse().unwrap(), data));
    };
    for number in 0..count {
        let key = number.to_string();
        let put = client.put_record().stream_name("events").partition_key(&key).data(Blob::new(data(number)));
        if let Ok(answer) = put.send().await {
            note(answer.shard_id(), answer.sequence_number(), data(number));
        }
        let entry = |at: usize| {
            let data = Blob::new(data(1_000 * (number + 1) + at));
            PutRecordsRequestEntry::builder().partition_key(at.to_string()).data(data).build().unwrap()
        };
        let put = client.put_records().stream_name("events").set_records(Some((0..5).map(entry).collect()));
        let Ok(answer) = put.send().await else { continue };
        for (at, placed) in answer.records().iter().enumerate() {
            if let (Some(shard), Some(sequence)) = (placed.shard_id(), placed.sequence_number()) {
                note(shard, sequence, data(1_000 * (number + 1) + at));
            }
        }
    }
}

/// What the function was given and answered for, lane by lane; panics where a lane goes back.
fn processed(seen: &[Seen]) -> BTreeSet<Place> {
    let mut last: BTreeMap<&str, SequenceNumber> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for Seen { shard, numbers, data, .. } in seen {
        for (number, data) in numbers.iter().zip(data) {
            let number: SequenceNumber = number.parse().unwrap();
            let before = last.insert(shard, number.clone());
            assert!(before.as_ref() < Some(&number), "{shard} goes back from {before:?} to {number:?}");
            all.insert((shard.clone(), number, data.clone()));
        }
    }
    all
}

#[test]
fn what_was_answered_comes_under_its_lane_and_number_after_kills() {
    let dir = tempfile::tempdir().unwrap();
    let answered = Places::default();
    let mut done: BTreeSet<Place> = BTreeSet::new();
    // Three processes die: with nothing processed, in the middle of the backlog, and with puts under way.
    // How many batches pass before it dies, and which are counted: of all records, or of its own.
    for (round, passes, counted) in [(0, 0, "round"), (1, 3, "round"), (2, 2, "round-2")] {
        let (given, hangs) = (Arc::new(Mutex::new(Vec::new())), watch::Sender::new(false));
        let (passed, hung) = (Arc::clone(&given), hangs.clone());
        let mut calls = 0;
        let function = Scripted::new(move |seen, _| {
            calls += usize::from(seen.data.iter().any(|data| data.starts_with(counted)));
            if calls > passes {
                hung.send_replace(true);
                return Reply::Hang;
            }
            passed.lock().push(seen.clone());
            Reply::Done
        });
        let process = runtime();
        process.block_on(async {
            let (stream, mapping) = start(dir.path(), 2, &function).await;
            let client = clients::kinesis(&stream.endpoint());
            in_time(put_some(client.clone(), format!("round-{round}"), 6, answered.clone())).await;
            // These are cut off wherever they are.
            tokio::spawn(put_some(client, format!("cut-off-{round}"), usize::MAX, answered.clone()));
            in_time(hangs.subscribe().wait_for(|hung| *hung)).await.unwrap();
            drop((stream, mapping));
        });
        process.shutdown_timeout(PATIENCE);
        done.extend(processed(&given.lock()));
    }

    let process = runtime();
    process.block_on(async {
        let function = Scripted::done();
        let (stream, mapping) = start(dir.path(), 2, &function).await;
        in_time(mapping.caught_up()).await.unwrap();
        done.extend(processed(&function.seen()));
        let seen = mapping.progress().borrow().clone();
        assert!(seen.is_backlog_passed && seen.backlog == 0);
        let answered = answered.lock().clone();
        let lost: Vec<_> = answered.difference(&done).collect();
        assert!(lost.is_empty() && answered.len() >= 3 * 36, "lost {lost:?}");
        let data: BTreeSet<_> = done.iter().map(|(_, _, data)| data).collect();
        assert_eq!(data.len(), done.len(), "nothing came under two numbers");
        let calls = function.seen().len();

        // A clean stop leaves an empty journal, and nothing comes again.
        let client = clients::kinesis(&stream.endpoint());
        let more = Places::default();
        in_time(put_some(client, "last".into(), 3, more.clone())).await;
        stream.close().await;
        let progress = mapping.drain_and_stop(soon()).await.unwrap();
        stream.forget(&progress.checkpoints(), progress.is_backlog_passed, true).await;
        stream.stop().await;
        assert_eq!(processed(&function.seen()[calls..]), *more.lock());
        let left = std::fs::read_dir(dir.path().join("journal")).unwrap().map(|file| file.unwrap().file_name());
        let left: std::collections::BTreeSet<_> = left.collect();
        assert!(left.iter().eq(["journal.lock", "tail.json"]), "{left:?}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_for_the_backlog_and_new_records_for_their_turn() {
    let dir = tempfile::tempdir().unwrap();
    let (stream, mapping) = start(dir.path(), 1, &Scripted::new(|_, _| Reply::Hang)).await;
    put_some(clients::kinesis(&stream.endpoint()), "old".into(), 2, Places::default()).await;
    drop(mapping);
    stream.stop().await;

    let (open, given) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (is_open, passed) = (Arc::clone(&open), Arc::clone(&given));
    let function = Scripted::new(move |seen, _| {
        if !is_open.load(Ordering::SeqCst) {
            return Reply::Error;
        }
        passed.lock().push(seen.clone());
        Reply::Done
    });
    let (stream, mapping) = start(dir.path(), 1, &function).await;
    put_some(clients::kinesis(&stream.endpoint()), "new".into(), 1, Places::default()).await;
    let mut progress = mapping.progress();
    let seen = in_time(progress.wait_for(|progress| progress.failures >= 2)).await.unwrap().clone();
    assert_eq!((seen.backlog, seen.is_backlog_passed), (12, false));
    let refused = mapping.ask_and_wait(true);
    let refused = tokio::time::timeout(Duration::from_millis(50), refused).await;
    assert!(refused.is_err(), "it is not caught up while the backlog is not passed");
    open.store(true, Ordering::SeqCst);
    in_time(mapping.caught_up()).await.unwrap();
    let all = processed(&given.lock());
    assert_eq!(all.len(), 18, "old and new: {all:?}");
    mapping.drain_and_stop(soon()).await.unwrap();
    stream.stop().await;
}
