use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::Method;
use headcount_consumer::kept::{BatchInfo, RequestContext, ResponseContext};
use parking_lot::Mutex;

use super::*;

const SHARD: &str = "shardId-000000000001";

fn invocation(shard: &str, at: &str, sequence: u64, size: usize) -> KeptInvocation {
    let mut event = KinesisEvent::default();
    for number in 0..size as u64 {
        let mut record = KinesisEventRecord::default();
        record.kinesis.sequence_number = (sequence + number).to_string();
        record.kinesis.data.0 = format!("data {number}").into_bytes();
        event.records.push(record);
    }
    KeptInvocation {
        request_context: RequestContext {
            request_id: "c9b8fa9f".into(),
            function_arn: "arn:aws:lambda:us-east-1:000000000000:function:consumer".into(),
            condition: "RetryAttemptsExhausted".into(),
            approximate_invoke_count: 101,
        },
        response_context: Some(ResponseContext {
            status_code: 200,
            executed_version: "$LATEST".into(),
            function_error: Some("Unhandled".into()),
        }),
        version: "1.0".into(),
        timestamp: at.into(),
        batch: BatchInfo {
            shard_id: shard.into(),
            start_sequence_number: sequence.to_string(),
            end_sequence_number: (sequence + size as u64 - 1).to_string(),
            approximate_arrival_of_first_record: at.into(),
            approximate_arrival_of_last_record: at.into(),
            batch_size: size,
            stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/events".into(),
        },
        payload: Some(event),
    }
}

fn in_folder(folder: &Folder) -> Failures {
    Failures::open(folder.to_str().unwrap()).unwrap()
}

/// What every destination must do.
async fn keeps_lists_reads_and_removes(failures: &Failures) {
    let kept = [
        invocation(SHARD, "2026-11-24T10:00:01Z", 100, 2),
        invocation(SHARD, "2026-11-24T10:00:01Z", 9, 1),
        invocation("shardId-000000000000", "2026-11-25T00:00:00Z", 7, 3),
        invocation(SHARD, "2026-11-23T23:59:59.999Z", 5, 1),
        invocation(SHARD, "2026-11-24T11:00:00+02:00", 8, 1),
    ];
    let mut keys = Vec::new();
    for invocation in &kept {
        keys.push(failures.keep(invocation).await.unwrap());
    }
    assert_eq!(failures.keep(&kept[0]).await.unwrap(), keys[0], "the same twice is kept once");
    assert!(keys[0].starts_with("aws/lambda/") && keys[0].contains("/2026/11/24/2026-11-24T10.00.01-"), "{}", keys[0]);
    let expected = [2, 3, 4, 1, 0].map(|at: usize| keys[at].clone());
    assert_eq!(failures.list().await.unwrap(), expected, "by shard and time, within a second by sequence");
    let read = failures.read(&keys[2]).await.unwrap();
    assert_eq!(read.batch, kept[2].batch);
    assert_eq!(read.payload, kept[2].payload);
    for key in &keys[1..] {
        failures.remove(key).await.unwrap();
    }
    failures.remove(&keys[1]).await.unwrap();
    assert_eq!(failures.list().await.unwrap(), keys[..1]);
}

#[tokio::test]
async fn a_folder_keeps_invocations() {
    let folder = tempfile::tempdir().unwrap();
    keeps_lists_reads_and_removes(&in_folder(&folder.path().join("made/on the way"))).await;
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = in_folder(&folder.path().join("missing"));
    let refused = missing.list().await.unwrap_err().to_string();
    assert!(refused.contains("missing") && refused.contains("cannot be opened"), "{refused}");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let kept = invocation(SHARD, "2026-11-24T10:00:01Z", 1, 1);
    let refused = in_folder(&file.join("below")).keep(&kept).await.unwrap_err().to_string();
    assert!(refused.contains("file") && refused.contains("check that it is there"), "{refused}");

    let failures = in_folder(folder.path());
    let refused = failures.keep(&invocation(SHARD, "yesterday", 1, 1)).await.unwrap_err().to_string();
    assert!(refused.contains("yesterday"), "{refused}");
    let key = failures.keep(&kept).await.unwrap();
    for text in ["", "{\"version\":\"1.0\"", "{\"version\":\"1.0\"}", "[]"] {
        std::fs::write(folder.path().join(&key), text).unwrap();
        let refused = failures.read(&key).await.unwrap_err();
        let LocalError::NotKept { file, .. } = &refused else { panic!("{refused}") };
        assert!(file.ends_with(&key) && refused.to_string().contains("no invocation"), "{refused}");
    }
    let refused = failures.read("aws/lambda/m/s/2026/11/24/gone").await.unwrap_err().to_string();
    assert!(refused.contains("gone") && refused.contains("cannot be read"), "{refused}");
}

#[test]
fn a_place_is_a_folder_or_in_s3() {
    for (place, said) in [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("./failures", "./failures"),
    ] {
        assert_eq!(Failures::open(place).unwrap().to_string(), said);
    }
    for place in ["", "s3://", "s3:///prefix", "gs://bucket/prefix"] {
        let refused = Failures::open(place).unwrap_err().to_string();
        assert!(refused.contains("failure destination") && refused.contains(place), "{refused}");
    }
}

/// Of S3, what a destination asks: put, get, delete and list objects of `bucket`, by path.
async fn little_s3() -> String {
    type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;
    async fn answer(objects: Objects, request: Request) -> (u16, Vec<u8>) {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let query = request.uri().query().unwrap_or("").to_owned();
        let body = to_bytes(request.into_body(), usize::MAX).await.unwrap().to_vec();
        let mut objects = objects.lock();
        let key = path.trim_start_matches("/bucket").trim_start_matches('/').to_owned();
        match method {
            Method::PUT => {
                objects.insert(key, body);
                (200, Vec::new())
            }
            Method::DELETE => {
                objects.remove(&key);
                (204, Vec::new())
            }
            Method::GET if query.contains("list-type=2") => {
                let one = |(key, data): (&String, &Vec<u8>)| {
                    let size = data.len();
                    format!(
                        "<Contents><Key>{key}</Key><LastModified>2026-11-24T10:00:00.000Z</LastModified>\
                         <ETag>e</ETag><Size>{size}</Size></Contents>"
                    )
                };
                let all: String = objects.iter().map(one).collect();
                (
                    200,
                    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{all}</ListBucketResult>").into_bytes(),
                )
            }
            Method::GET => objects.get(&key).map_or((404, Vec::new()), |data| (200, data.clone())),
            _ => (405, Vec::new()),
        }
    }
    let objects = Objects::default();
    let router = Router::new().fallback(move |request: Request| {
        let objects = objects.clone();
        async move {
            let (status, body) = answer(objects, request).await;
            axum::http::Response::builder()
                .status(status)
                .header("ETag", "\"e\"")
                .header("Last-Modified", "Tue, 24 Nov 2026 10:00:00 GMT")
                .body(axum::body::Body::from(body))
                .unwrap()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    endpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_invocations() {
    for place in ["s3://bucket", "s3://bucket/kept/here"] {
        let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"));
        let store =
            headcount_log::s3::of("bucket", credentials, Some("us-east-1".into()), Some(little_s3().await)).unwrap();
        let failures = Failures::open(place).unwrap();
        let prefix = Path::from(place.trim_start_matches("s3://bucket"));
        failures.store.set(Opened { store, prefix }).unwrap();
        keeps_lists_reads_and_removes(&failures).await;
    }
}
