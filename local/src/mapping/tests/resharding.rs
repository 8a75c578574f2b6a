//! Shards that are split and merged while they are read.

use super::*;

async fn shard_ids(client: &Client) -> Vec<String> {
    let listed = client.list_shards().stream_name("events").send().await.unwrap();
    listed.shards().iter().map(|shard| shard.shard_id().to_owned()).collect()
}

async fn reshard(client: &Client, ask: impl AsyncFnOnce(&Client)) {
    let before = shard_ids(client).await.len();
    ask(client).await;
    in_time(async {
        while shard_ids(client).await.len() == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn split(client: &Client, shard: &str, at: u128) {
    reshard(client, async |client| {
        let ask = client.split_shard().stream_name("events").shard_to_split(shard);
        ask.new_starting_hash_key(at.to_string()).send().await.unwrap();
    })
    .await;
}

async fn merge(client: &Client, left: &str, right: &str) {
    reshard(client, async |client| {
        let ask = client.merge_shards().stream_name("events").shard_to_merge(left);
        ask.adjacent_shard_to_merge(right).send().await.unwrap();
    })
    .await;
}

/// Where each data was seen first.
fn places(function: &Scripted) -> BTreeMap<usize, usize> {
    let mut places = BTreeMap::new();
    for (place, data) in function.data().iter().enumerate() {
        places.entry(data.parse().unwrap()).or_insert(place);
    }
    places
}

const SHARD_0: &str = "shardId-000000000000";
const SHARD_1: &str = "shardId-000000000001";
const SHARD_2: &str = "shardId-000000000002";
const SHARD_3: &str = "shardId-000000000003";

#[tokio::test(flavor = "multi_thread")]
async fn parents_come_wholly_before_their_children() {
    let world = World::new(1).await;
    world.put(0, numbered(0..50)).await;
    world.put(1, numbered(100..150)).await;
    // The first shard fails at first: its children must wait though they have records.
    let function =
        Scripted::new(|seen, call| if seen.shard == SHARD_0 && call < 4 { Reply::Error } else { Reply::Done });
    let mapping = world.map(&function, |options| options.batch_size = 20).await;
    function.batches(1).await;
    split(&world.client, SHARD_0, 1 << 127).await;
    world.put(0, numbered(50..100)).await;
    world.put(1, numbered(150..200)).await;
    merge(&world.client, SHARD_1, SHARD_2).await;
    world.put(0, numbered(200..250)).await;
    let progress = mapping.drain_and_stop(soon()).await.unwrap();

    assert_eq!(progress.records, 250);
    let states = |state| progress.shards.values().filter(|shard| shard.state == state).count();
    assert_eq!((states(ShardState::Ended), states(ShardState::Running)), (3, 1));
    let places = places(&function);
    assert_eq!(places.len(), 250, "each record was seen");
    let (last, first) = (
        |range: std::ops::Range<usize>| range.map(|number| places[&number]).max().unwrap(),
        |range: std::ops::Range<usize>| range.map(|number| places[&number]).min().unwrap(),
    );
    assert!(last(0..50).max(last(100..150)) < first(50..100).min(first(150..200)), "the split");
    assert!(last(50..100).max(last(150..200)) < first(200..250), "the merge");
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_count_changed_while_running_is_followed() {
    let world = World::new(1).await;
    world.put(0, numbered(0..10)).await;
    let function = Scripted::done();
    let mapping = world.map(&function, |_| {}).await;
    reshard(&world.client, async |client| {
        let ask = client.update_shard_count().stream_name("events").target_shard_count(2);
        ask.scaling_type(aws_sdk_kinesis::types::ScalingType::UniformScaling).send().await.unwrap();
    })
    .await;
    world.put(0, numbered(10..20)).await;
    world.put(1, numbered(20..30)).await;
    let progress = mapping.drain_and_stop(soon()).await.unwrap();
    let mut seen: Vec<usize> = function.data().iter().map(|data| data.parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
    assert_eq!(progress.shards.len(), 3);
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_parents_are_not_read_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let kept = |options: &mut MappingOptions| options.data_dir = Some(dir.path().to_owned());
    let world = World::new(2).await;
    world.put(0, numbered(0..5)).await;
    world.put(1, numbered(5..10)).await;
    let first = Scripted::done();
    let mapping = world.map(&first, kept).await;
    split(&world.client, SHARD_0, 1 << 126).await;
    in_time(mapping.progress().wait_for(|progress| {
        progress.shards.get(SHARD_0).is_some_and(|shard| shard.state == ShardState::Ended) && progress.records == 10
    }))
    .await
    .unwrap();
    mapping.stop().await;

    world.put(0, numbered(10..15)).await;
    let second = Scripted::done();
    let progress = world.map(&second, kept).await.drain_and_stop(soon()).await.unwrap();
    assert_eq!(second.data(), numbered(10..15));
    assert_eq!(progress.shards[SHARD_0].state, ShardState::Ended);
    assert!(progress.shards.contains_key(SHARD_3));
    world.stream.stop().await;
}
