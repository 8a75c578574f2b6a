//! How records become batches.

use super::*;
use headcount_core::origin::SequenceNumber;

#[tokio::test(flavor = "multi_thread")]
async fn records_come_in_order_in_batches_of_the_size_and_say_where_they_are_from() {
    let world = World::new(2).await;
    world.put(0, numbered(0..95)).await;
    world.put(1, numbered(1000..1010)).await;
    let function = Scripted::done();
    let mapping = world.map(&function, |options| options.batch_size = 10).await;
    in_time(mapping.caught_up()).await.unwrap();
    let progress = mapping.drain_and_stop(soon()).await.unwrap();

    let of = |shard: &str| {
        let seen = function.seen().into_iter().filter(|seen| seen.shard == shard);
        seen.flat_map(|seen| seen.data).collect::<Vec<_>>()
    };
    assert_eq!(of("shardId-000000000000"), numbered(0..95));
    assert_eq!(of("shardId-000000000001"), numbered(1000..1010));
    assert!(function.sizes().iter().all(|size| (1..=10).contains(size)), "{:?}", function.sizes());
    for seen in function.seen() {
        let numbers: Vec<SequenceNumber> = seen.numbers.iter().map(|number| number.parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
    }
    assert_eq!((progress.records, progress.failures), (105, 0));
    assert_eq!(progress.batches, function.seen().len() as u64);
    let last = function.seen().into_iter().rfind(|seen| seen.shard == "shardId-000000000000").unwrap();
    assert_eq!(progress.checkpoints()["shardId-000000000000"], *last.numbers.last().unwrap());
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_backlog_comes_whole() {
    let world = World::new(1).await;
    world.put(0, numbered(0..12_345)).await;
    let function = Scripted::done();
    let mapping = world.map(&function, |options| options.batch_size = options::MAX_BATCH_SIZE).await;
    let progress = mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!(function.data(), numbered(0..12_345));
    assert_eq!(progress.records, 12_345);
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_waits_for_its_window_which_its_first_record_begins() {
    let window = Duration::from_millis(700);
    let world = World::new(1).await;
    let function = Scripted::done();
    let mapping = world.map(&function, |options| options.window = window).await;
    in_time(mapping.caught_up()).await.unwrap();
    let first = Instant::now();
    world.put(0, numbered(0..1)).await;
    world.put(0, numbered(1..3)).await;
    let seen = function.batches(1).await;
    assert!(seen[0].at >= first + window, "after {:?}", seen[0].at - first);
    assert_eq!(seen[0].data, numbered(0..3));
    mapping.stop().await;
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_batch_does_not_wait_and_draining_does_not_either() {
    let world = World::new(1).await;
    let function = Scripted::done();
    let mapping = world
        .map(&function, |options| {
            options.window = options::MAX_WINDOW;
            options.batch_size = 4;
        })
        .await;
    world.put(0, numbered(0..10)).await;
    assert_eq!(function.batches(2).await.iter().map(|seen| seen.data.len()).collect::<Vec<_>>(), [4, 4]);
    mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!(function.sizes(), [4, 4, 2]);
    assert_eq!(function.data(), numbered(0..10));
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_when_its_payload_is_full() {
    let world = World::new(1).await;
    let function = Scripted::done();
    let mapping = world.map(&function, |options| options.window = options::MAX_WINDOW).await;
    for number in 0..9 {
        world.put(0, [number.to_string().repeat(1_000_000)]).await;
    }
    // As base64, four of these are 5.3 MB, five are 6.7 MB.
    function.batches(2).await;
    mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!(function.sizes(), [4, 4, 1]);
    let firsts: String = function.data().iter().map(|data| &data[..1]).collect();
    assert_eq!(firsts, "012345678");
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn catching_up_does_not_wait_for_records_that_come_later() {
    let world = World::new(1).await;
    let function = Scripted::done();
    let mapping = world.map(&function, |_| {}).await;
    let client = world.client.clone();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let traffic = tokio::spawn(async move {
        let mut number = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            put(&client, 0, numbered(number..number + 5)).await;
            number += 5;
        }
        number
    });
    function.batches(3).await;
    world.put(0, ["marker".to_owned()]).await;
    in_time(mapping.caught_up()).await.unwrap();
    assert!(function.data().contains(&"marker".to_owned()));
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let put = traffic.await.unwrap();
    mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!(function.data().len(), put + 1);
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_doorbell_an_idle_shard_is_seldom_read_and_new_records_come_at_once() {
    let world = World::new(1).await;
    let function = Scripted::done();
    let bell = world.stream.doorbell();
    let mapping = world.map(&function, |options| options.doorbell = Some(bell)).await;
    for round in 0..5 {
        in_time(mapping.caught_up()).await.unwrap();
        let put_at = Instant::now();
        world.put(0, numbered(round..round + 1)).await;
        let seen = function.batches(round + 1).await;
        let after = seen[round].at - put_at;
        assert!(after < options::IDLE_INTERVAL, "round {round}: seen after {after:?}");
    }
    let progress = mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!((progress.records, function.data()), (5, numbered(0..5)));
    world.stream.stop().await;
}
