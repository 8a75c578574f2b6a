//! What becomes of a batch that was not processed to its end.

use super::*;

/// Maps ten records in one batch; the data of each call.
async fn calls(script: impl FnMut(&Seen, usize) -> Reply + Send + 'static, timeout: Duration) -> Vec<Vec<String>> {
    let world = World::new(1).await;
    world.put(0, numbered(0..10)).await;
    let function = Scripted::new(script);
    let mapping = world.map(&function, |options| options.function_timeout = timeout).await;
    let progress = mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!(progress.records, 10);
    let failures = function.seen().len() as u64 - 1;
    assert_eq!((progress.batches, progress.failures), (failures + 1, failures));
    let shard = &progress.shards["shardId-000000000000"];
    assert_eq!((shard.attempts, &shard.problem), (0, &None));
    world.stream.stop().await;
    function.seen().into_iter().map(|seen| seen.data).collect()
}

async fn check(script: impl FnMut(&Seen, usize) -> Reply + Send + 'static, starts: &[usize]) {
    let expected: Vec<_> = starts.iter().map(|start| numbered(*start..10)).collect();
    assert_eq!(calls(script, PATIENCE).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_from_the_lowest_failure() {
    let fail = |seen: &Seen, places: &[usize]| {
        Reply::Failures(places.iter().map(|place| seen.numbers[*place].clone()).collect())
    };
    check(
        move |seen, call| match call {
            0 => fail(seen, &[7, 3, 5]),
            1 => fail(seen, &[0]),
            2 => fail(seen, &[6]),
            _ => Reply::Done,
        },
        &[0, 3, 3, 9],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_answer_fails_the_whole_batch() {
    check(
        |seen, call| match call {
            0 => Reply::Failures(vec![String::new()]),
            1 => Reply::Failures(vec![seen.numbers[4].clone(), "12345".into()]),
            2 => Reply::Failures(vec![format!("{}:{}", seen.shard, seen.numbers[4])]),
            _ => Reply::Done,
        },
        &[0, 0, 0, 0],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_panics_are_retried_until_success() {
    check(
        |_, call| match call {
            0..5 => Reply::Error,
            5 => Reply::Panic,
            _ => Reply::Done,
        },
        &[0; 7],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_cut_off_and_has_failed() {
    let script = |_: &Seen, call: usize| if call == 0 { Reply::Hang } else { Reply::Done };
    let calls = calls(script, Duration::from_millis(300)).await;
    assert_eq!(calls, [numbered(0..10), numbered(0..10)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_shard_does_not_hold_back_the_others_and_says_why() {
    let world = World::new(2).await;
    world.put(0, numbered(0..5)).await;
    let bad = "shardId-000000000000";
    let function = Scripted::new(move |seen, _| if seen.shard == bad { Reply::Error } else { Reply::Done });
    let mapping = world.map(&function, |_| {}).await;
    let mut progress = mapping.progress();
    in_time(progress.wait_for(|progress| progress.shards.get(bad).is_some_and(|shard| shard.attempts >= 3)))
        .await
        .unwrap();
    world.put(1, numbered(10..40)).await;
    let now = in_time(progress.wait_for(|progress| progress.records == 30)).await.unwrap().clone();
    assert!(now.shards[bad].problem.as_deref().unwrap().contains("scripted"));
    assert_eq!(now.shards[bad].checkpoint, None);

    let error = mapping.drain_and_stop(Instant::now() + Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, LocalError::NotDrained { pending: 1, shards: 2 }), "{error}");
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_finishes_the_call_under_way_and_no_more() {
    let world = World::new(1).await;
    world.put(0, numbered(0..10)).await;
    let function = Scripted::new(|_, _| Reply::WhenOn);
    let mapping = world.map(&function, |options| options.batch_size = 4).await;
    function.batches(1).await;
    let stopping = tokio::spawn(mapping.stop());
    function.on.send_replace(true);
    let progress = in_time(stopping).await.unwrap();
    assert_eq!(progress.records, 4);
    assert_eq!(function.sizes(), [4]);
    world.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_does_not_try_again_and_a_hanging_call_is_cut_off_at_the_deadline() {
    for reply in [|| Reply::Error, || Reply::Hang] {
        let world = World::new(1).await;
        world.put(0, numbered(0..4)).await;
        let function = Scripted::new(move |_, _| reply());
        let mapping = world.map(&function, |_| {}).await;
        function.batches(1).await;
        let error = in_time(mapping.drain_and_stop(Instant::now() + Duration::from_millis(100))).await.unwrap_err();
        assert!(error.to_string().starts_with("1 of 1 shards"), "{error}");
        world.stream.stop().await;
    }
}
