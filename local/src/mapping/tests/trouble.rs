//! A stream that does not always answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use ferrokinesis::store::StoreOptions;
use tokio::net::TcpListener;

use super::*;

/// What a request to the troubled stream meets, by its operation and how many of that kind came before it.
type Trouble = fn(&str, usize) -> Option<(u16, &'static str)>;

/// An embedded stream with one shard that refuses what `trouble` says.
async fn troubled(trouble: Trouble) -> Client {
    let (router, _store) = ferrokinesis::create_app(StoreOptions { create_stream_ms: 0, ..StoreOptions::default() });
    let reads = Arc::new(AtomicUsize::new(0));
    let router = router.layer(from_fn(move |request: Request, next: Next| {
        let target = request.headers().get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
        let operation = target.unwrap_or_default().rsplit('.').next().unwrap_or_default().to_owned();
        let before = if operation == "GetRecords" { reads.fetch_add(1, Ordering::Relaxed) } else { 0 };
        async move {
            let Some((status, kind)) = trouble(&operation, before) else { return next.run(request).await };
            let body = Body::from(format!("{{\"__type\":\"{kind}\",\"message\":\"scripted\"}}"));
            let mut response = Response::new(body);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response.headers_mut().insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
            response
        }
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = clients::kinesis(&format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    client.create_stream().stream_name("events").shard_count(1).send().await.unwrap();
    in_time(async {
        while client.list_shards().stream_name("events").send().await.is_ok_and(|said| said.shards().is_empty()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn throttles_expired_iterators_and_server_errors_lose_and_repeat_nothing() {
    let client = troubled(|operation, before| match (operation, before) {
        ("GetRecords", 0 | 9) => Some((400, "ExpiredIteratorException")),
        ("GetRecords", 2..=5) => Some((400, "ProvisionedThroughputExceededException")),
        ("GetRecords", 7) => Some((400, "InvalidArgumentException")),
        ("GetRecords", 11 | 12) => Some((500, "InternalFailure")),
        _ => None,
    })
    .await;
    let function = Scripted::done();
    let mapping = Mapping::start(client.clone(), quick(), function.clone()).await.unwrap();
    for number in 0..20 {
        put(&client, 0, numbered(number * 5..number * 5 + 5)).await;
        function.batches(number / 4).await;
    }
    let progress = mapping.drain_and_stop(soon()).await.unwrap();
    assert_eq!(function.data(), numbered(0..100));
    assert_eq!(progress.shards["shardId-000000000000"].problem, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_said_while_it_is_tried_again() {
    let client = troubled(|operation, _| (operation == "GetRecords").then_some((400, "AccessDeniedException"))).await;
    let mapping = Mapping::start(client, quick(), Scripted::done()).await.unwrap();
    let mut progress = mapping.progress();
    let said = in_time(progress.wait_for(|progress| progress.shards.values().any(|shard| shard.problem.is_some())));
    let problem = said.await.unwrap().shards.values().find_map(|shard| shard.problem.clone()).unwrap();
    assert!(problem.contains("AccessDenied"), "{problem}");
    mapping.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_used_is_named_at_the_start() {
    let world = World::new(1).await;
    let options = MappingOptions { stream: "nothing".into(), ..quick() };
    let refused = Mapping::start(world.client.clone(), options, Scripted::done()).await.unwrap_err().to_string();
    assert!(refused.contains("\"nothing\"") && refused.contains("no such stream"), "{refused}");
    world.stream.stop().await;

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = clients::kinesis(&format!("http://{free}"));
    let refused = Mapping::start(client, quick(), Scripted::done()).await.unwrap_err().to_string();
    assert!(refused.contains("check the endpoint"), "{refused}");

    let options = MappingOptions { batch_size: 0, ..quick() };
    let client = clients::kinesis(&format!("http://{free}"));
    let refused = Mapping::start(client, options, Scripted::done()).await.unwrap_err().to_string();
    assert!(refused.contains("batch_size"), "{refused}");
}
