use std::fs;
use std::path::PathBuf;

use super::*;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/events";

fn record(sequence: u64) -> Accepted {
    Accepted {
        sequence: SequenceNumber::from(sequence),
        arrival_ms: 1_795_500_000_000 + sequence as i64,
        partition_key: format!("ключ {sequence}"),
        data: format!("data of {sequence}").into_bytes(),
    }
}

fn put(shard: &str, sequences: impl IntoIterator<Item = u64>) -> Vec<(String, Accepted)> {
    sequences.into_iter().map(|sequence| (shard.to_owned(), record(sequence))).collect()
}

fn open(dir: &Path) -> (Journal, Backlog) {
    Journal::open(dir, ARN, SEGMENT_BYTES).unwrap()
}

/// The shards of a backlog with their sequence numbers, and that each record is as it was.
fn told(backlog: &Backlog) -> Vec<(String, Vec<u64>)> {
    let numbers = |lane: &BacklogLane| {
        assert_eq!(lane.arn, ARN);
        let numbers: Vec<u64> = lane.records.iter().map(|record| record.sequence.as_str().parse().unwrap()).collect();
        assert!(lane.records.iter().zip(&numbers).all(|(found, number)| *found == record(*number)));
        (lane.shard.clone(), numbers)
    };
    backlog.lanes.iter().map(numbers).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    segment::list(dir).unwrap()
}

fn up_to(shards: &[(&str, u64)], backlog: bool, finally: bool) -> Processed {
    let shards = shards.iter().map(|(shard, number)| ((*shard).to_owned(), SequenceNumber::from(*number))).collect();
    Processed { backlog, shards, finally }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_found_again_in_the_order_of_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, backlog) = open(dir.path());
    assert_eq!(backlog, Backlog::default());
    journal.append(&put("b", [10, 9])).await.unwrap();
    journal.append(&put("a", [100])).await.unwrap();
    journal.append(&put("b", [7, 9])).await.unwrap();
    journal.append(&[]).await.unwrap();
    journal.close().await;

    let (journal, backlog) = open(dir.path());
    let expected = [("b".to_owned(), vec![7, 9, 10]), ("a".to_owned(), vec![100])];
    assert_eq!(told(&backlog), expected);
    journal.append(&put("c", [1])).await.unwrap();
    journal.append(&put("b", [11])).await.unwrap();
    journal.close().await;
    let (journal, backlog) = open(dir.path());
    let expected = [("b".to_owned(), vec![7, 9, 10, 11]), ("a".to_owned(), vec![100]), ("c".to_owned(), vec![1])];
    assert_eq!(told(&backlog), expected, "of two runs");
    journal.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn puts_at_the_same_time_share_writes_and_none_is_lost() {
    const ROUNDS: u64 = 10;
    const PUTS: u64 = 20;
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(dir.path(), ARN, 2_000).unwrap();
    let journal = std::sync::Arc::new(journal);
    for round in 0..ROUNDS {
        let mut puts = tokio::task::JoinSet::new();
        for number in round * PUTS..(round + 1) * PUTS {
            let journal = journal.clone();
            puts.spawn(async move { journal.append(&put("a", [2 * number, 2 * number + 1])).await.unwrap() });
        }
        puts.join_all().await;
    }
    std::sync::Arc::into_inner(journal).unwrap().close().await;
    assert!(files(dir.path()).len() > 1, "files follow each other");
    let (journal, backlog) = open(dir.path());
    assert_eq!(told(&backlog), [("a".to_owned(), (0..2 * ROUNDS * PUTS).collect::<Vec<_>>())]);
    journal.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_end_is_cut_off_wherever_it_is_torn() {
    let source = tempfile::tempdir().unwrap();
    let (journal, _) = open(source.path());
    journal.append(&put("a", [1, 2])).await.unwrap();
    let answered = fs::read(&files(source.path())[0]).unwrap();
    journal.append(&put("a", [3, 4])).await.unwrap();
    journal.close().await;
    let whole = fs::read(&files(source.path())[0]).unwrap();
    for length in 0..whole.len() {
        let dir = tempfile::tempdir().unwrap();
        let file = segment::path(dir.path(), 5);
        fs::write(&file, &whole[..length]).unwrap();
        let (journal, backlog) = open(dir.path());
        let expected = if length >= answered.len() { vec![("a".to_owned(), vec![1, 2])] } else { Vec::new() };
        assert_eq!(told(&backlog), expected, "{length} of {} bytes", whole.len());
        journal.append(&put("a", [9])).await.unwrap();
        journal.close().await;
        // It is clean now, though no more the last.
        let (journal, backlog) = open(dir.path());
        assert_eq!(told(&backlog).last().unwrap().1.last(), Some(&9), "{length} of {} bytes", whole.len());
        journal.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_named_and_nothing_is_passed_over() {
    let source = tempfile::tempdir().unwrap();
    let (journal, _) = open(source.path());
    for number in 0..3 {
        journal.append(&put("a", [number])).await.unwrap();
    }
    journal.close().await;
    let whole = fs::read(&files(source.path())[0]).unwrap();
    let check = |bytes: &[u8], more: bool| {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(source.path().join("tail.json"), dir.path().join("tail.json")).unwrap();
        fs::write(segment::path(dir.path(), 0), bytes).unwrap();
        if more {
            fs::write(segment::path(dir.path(), 1), &whole).unwrap();
        }
        let refused = Journal::open(dir.path(), ARN, SEGMENT_BYTES).unwrap_err().to_string();
        assert!(refused.contains("0000.journal is damaged") && refused.contains("not counted yet"), "{refused}");
    };
    // Any bit, and any end.
    for at in (0..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        check(&bytes, false);
        check(&whole[..at], false);
        check(&whole[..at], true);
    }
    check(b"something else entirely", false);
    // Without what says how far it went: a whole frame that was changed is no torn one.
    let dir = tempfile::tempdir().unwrap();
    let (mut bytes, last) = (whole.clone(), whole.len() - 1);
    bytes[last] ^= 1;
    fs::write(segment::path(dir.path(), 0), bytes).unwrap();
    let refused = Journal::open(dir.path(), ARN, SEGMENT_BYTES).unwrap_err().to_string();
    assert!(refused.contains("0000.journal is damaged"), "{refused}");
    // A file that is gone.
    fs::remove_file(&files(source.path())[0]).unwrap();
    let refused = Journal::open(source.path(), ARN, SEGMENT_BYTES).unwrap_err().to_string();
    assert!(refused.contains("0000.journal is damaged") && refused.contains("are gone"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_when_all_their_records_are_processed() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.append(&put("a", [1, 2])).await.unwrap();
    journal.close().await;

    // Every put fills a file.
    let (journal, _) = Journal::open(dir.path(), ARN, 1).unwrap();
    for (shard, number) in [("a", 10), ("b", 11), ("a", 12)] {
        journal.append(&put(shard, [number])).await.unwrap();
    }
    let check = async |processed: Processed, left: usize| {
        let said = format!("{processed:?}");
        journal.forget(processed).await;
        assert_eq!(files(dir.path()).len(), left, "{said}");
    };
    check(up_to(&[("a", 9)], false, false), 4).await;
    check(up_to(&[("a", 9)], true, false), 3).await;
    check(up_to(&[("a", 10)], true, false), 2).await;
    check(up_to(&[("a", 12)], true, false), 2).await;
    check(up_to(&[("a", 12), ("b", 11)], true, false), 1).await;
    check(up_to(&[("a", 11), ("b", 11)], true, true), 1).await;
    check(up_to(&[("a", 12), ("b", 11)], true, true), 0).await;
    journal.append(&put("b", [13])).await.unwrap();
    assert_eq!(files(dir.path()).len(), 1);
    journal.close().await;
    let (journal, backlog) = open(dir.path());
    assert_eq!(told(&backlog), [("b".to_owned(), vec![13])]);
    journal.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_is_answered_so_and_the_next_one_works() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("journal");
    let (journal, _) = open(&inner);
    // A folder where the file would be.
    fs::create_dir_all(segment::path(&inner, 0)).unwrap();
    journal.append(&put("a", [1])).await.unwrap_err();
    fs::remove_dir(segment::path(&inner, 0)).unwrap();
    journal.append(&put("a", [2])).await.unwrap();
    journal.close().await;
    let (journal, backlog) = open(&inner);
    assert_eq!(told(&backlog), [("a".to_owned(), vec![2])]);
    let refused = Journal::open(&inner, ARN, SEGMENT_BYTES).unwrap_err().to_string();
    assert!(refused.contains("journal.lock"), "{refused}");
    journal.close().await;
}
