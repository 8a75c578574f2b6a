//! What outlives a mapping, and what does not.

use super::*;

fn kept_in(dir: &Path) -> impl Fn(&mut MappingOptions) {
    let dir = dir.to_owned();
    move |options| options.data_dir = Some(dir.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_after_its_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(2).await;
    world.put(0, numbered(0..10)).await;
    world.put(1, numbered(10..20)).await;
    let first = Scripted::done();
    world.map(&first, kept_in(dir.path())).await.drain_and_stop(soon()).await.unwrap();

    world.put(0, numbered(20..25)).await;
    let second = Scripted::done();
    let progress = world.map(&second, kept_in(dir.path())).await.drain_and_stop(soon()).await.unwrap();
    assert_eq!(second.data(), numbered(20..25));
    assert_eq!(progress.records, 5);
    assert!(progress.checkpoints().contains_key("shardId-000000000001"), "those of before are known");

    let without = Scripted::done();
    world.map(&without, |_| {}).await.drain_and_stop(soon()).await.unwrap();
    assert_eq!(without.data().len(), 25, "without a directory, all that is in the stream comes");
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_got_through_is_not_delivered_again() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(1).await;
    world.put(0, numbered(0..10)).await;
    let first = Scripted::new(
        |seen, call| {
            if call == 0 { Reply::Failures(vec![seen.numbers[6].clone()]) } else { Reply::Hang }
        },
    );
    let mapping = world.map(&first, kept_in(dir.path())).await;
    first.batches(2).await;
    // As if the process had died in the second call.
    drop(mapping);

    let second = Scripted::done();
    let mapping = started_again(&world.client, kept_in(dir.path()), &second).await;
    mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!(second.data(), numbered(6..10));
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_of_a_stream_that_is_gone_do_not_hold_for_a_fresh_one() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let options = StreamOptions { data_dir: Some(dir.path().to_owned()), ..StreamOptions::new("events", 1) };
        let stream = Stream::start(options).await.unwrap();
        let world = World { client: clients::kinesis(&stream.endpoint()), stream };
        world.put(0, numbered(round * 10..round * 10 + 10)).await;
        let function = Scripted::done();
        world.map(&function, kept_in(dir.path())).await.drain_and_stop(soon()).await.unwrap();
        assert_eq!(function.data(), numbered(round * 10..round * 10 + 10));
        world.stream.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mappings_never_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(1).await;
    let mapping = world.map(&Scripted::done(), kept_in(dir.path())).await;
    let options = MappingOptions { data_dir: Some(dir.path().to_owned()), ..quick() };
    let refused = Mapping::start(world.client.clone(), options, Scripted::done()).await.unwrap_err().to_string();
    assert!(refused.contains("mapping.lock"), "{refused}");
    mapping.stop().await;
    world.map(&Scripted::done(), kept_in(dir.path())).await.stop().await;
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_deleted_and_made_anew_is_read_from_its_beginning() {
    let world = World::new(1).await;
    world.put(0, numbered(0..5)).await;
    let function = Scripted::done();
    let mapping = world.map(&function, |options| options.list_interval = Duration::from_millis(20)).await;
    in_time(mapping.caught_up()).await.unwrap();
    world.client.delete_stream().stream_name("events").send().await.unwrap();
    in_time(mapping.progress().wait_for(|progress| progress.problem.is_some())).await.unwrap();
    world.client.create_stream().stream_name("events").shard_count(1).send().await.unwrap();
    in_time(async {
        while world.client.list_shards().stream_name("events").send().await.is_ok_and(|said| said.shards().is_empty()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.put(0, numbered(5..9)).await;
    in_time(mapping.progress().wait_for(|progress| progress.records == 9)).await.unwrap();
    assert_eq!(function.data(), numbered(0..9));
    let progress = mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!(progress.problem, None);
    world.stream.stop().await;
}
