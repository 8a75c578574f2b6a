//! Where a process that knows nothing finds the tail of a log.

use headcount_consumer::handler::HandleError;
use headcount_core::keys::Follower;
use headcount_log::Head;
use headcount_store::rows::Checkpoint;
use headcount_store::traits::CheckpointStore as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use tokio::time::{Duration, Instant};

use crate::world::{NOON, World, event, record, run, source, try_run};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn path(entry: u64) -> Path {
    Path::from(format!("log/{}/{entry:012}.ndjson.zst", source(0)))
}

fn one(sequence: u64) -> headcount_consumer::batch::Record {
    record(sequence, &[event(&sequence.to_string(), "ada", NOON)])
}

#[tokio::test]
async fn an_expired_log_goes_on_behind_its_head_or_checkpoint() {
    for by_head in [true, false] {
        let world = World::new();
        let warm = world.cold();
        for n in 1..=3 {
            run(&warm, 0, &[one(n)]).await;
        }
        for n in 1..=3 {
            world.objects.delete(&path(n)).await.unwrap();
        }
        if by_head {
            let head = Head { entry: 3, last: 3.into(), appended_ms: NOON + 60_000 };
            world.log().put_head(&source(0), &head, soon()).await.unwrap();
            world.table.clear();
        }
        if by_head {
            assert_eq!(run(&world.cold(), 0, &[one(3)]).await.redelivered, 1);
        }
        assert_eq!(run(&world.cold(), 0, &[one(4)]).await.events, 1);
        let listed = world.log().list_after(&source(0), 0, 10, soon()).await.unwrap();
        assert_eq!(listed.iter().map(|entry| entry.entry).collect::<Vec<_>>(), [4], "by head: {by_head}");
    }
}

#[tokio::test]
async fn a_gap_is_never_taken_for_the_tail() {
    let world = World::new();
    let warm = world.cold();
    for n in 1..=4 {
        run(&warm, 0, &[one(n)]).await;
    }
    world.objects.delete(&path(2)).await.unwrap();
    assert_eq!(run(&world.cold(), 0, &[one(5)]).await.events, 1);
    assert!(world.objects.head(&path(2)).await.is_err() && world.objects.head(&path(5)).await.is_ok());
}

#[tokio::test]
async fn what_a_damaged_newest_entry_covered_is_appended_again() {
    let world = World::new();
    run(&world.cold(), 0, &[one(1)]).await;
    run(&world.cold(), 0, &[one(2)]).await;
    world.objects.put(&path(2), "no entry".into()).await.unwrap();
    // As if the table had never followed it.
    world.table.clear();
    let outcome = run(&world.cold(), 0, &[one(1), one(2), one(3)]).await;
    assert_eq!((outcome.redelivered, outcome.events), (1, 2));
    assert!(world.objects.head(&path(3)).await.is_ok());
}

#[tokio::test]
async fn a_stale_process_takes_over_what_another_appended() {
    let world = World::new();
    let (stale, other) = (world.cold(), world.cold());
    run(&stale, 0, &[one(1)]).await;
    run(&other, 0, &[one(2), one(3)]).await;
    let outcome = run(&stale, 0, &[one(2), one(3), one(4)]).await;
    assert_eq!((outcome.redelivered, outcome.events, outcome.entries), (2, 1, 1));
    assert_eq!(world.logged(&source(0)).await, [vec!["1"], vec!["2", "3"], vec!["4"]]);
    assert_eq!(world.partial(crate::world::day(0), &source(0)).counters.events, 4);
}

#[tokio::test]
async fn a_stream_that_was_created_again_fails_loudly() {
    let world = World::new();
    run(&world.cold(), 0, &[one(1_000)]).await;
    let mut anew = one(1);
    anew.arrived_ms += 2 * 60 * 60 * 1_000;
    let error = try_run(&world.cold(), 0, &[anew.clone()]).await.unwrap_err();
    assert!(matches!(error, HandleError::RecreatedStream { .. }), "{error}");
    assert!(error.to_string().contains("StreamGeneration"), "{error}");
    // Also once the entry has expired: the head outlives it.
    let head = Head { entry: 1, last: 1_000.into(), appended_ms: NOON + 60_000 };
    world.log().put_head(&source(0), &head, soon()).await.unwrap();
    world.objects.delete(&path(1)).await.unwrap();
    assert!(try_run(&world.cold(), 0, &[anew]).await.is_err());
}

#[tokio::test]
async fn checkpoints_of_another_table_count_as_absent() {
    let world = World::new();
    run(&world.cold(), 0, &[one(1)]).await;
    let meta = world.table.meta().unwrap();
    let other = headcount_core::deployment::TableId(meta.table.0 ^ 1);
    let far = Checkpoint { entry: 70, last: 70.into() };
    world.table.write_checkpoint(other, Follower::Figures, &source(1), &far).await.unwrap();
    assert_eq!(run(&world.cold(), 1, &[one(2)]).await.events, 1);
    let listed = world.log().list_after(&source(1), 0, 10, soon()).await.unwrap();
    assert_eq!(listed[0].entry, 1);
}
