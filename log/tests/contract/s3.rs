//! S3's answers, one by one, as its pages document them, from a server that says what it is told to.

use std::collections::VecDeque;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use headcount_log::{Append, Log, LogError, entry, s3};
use headcount_runtime::retry::Jitter;
use parking_lot::Mutex;

use crate::cases::soon;
use crate::samples::{content, facts, source};

#[derive(Clone, Default)]
struct Script(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    /// What to answer next.
    answers: VecDeque<(u16, String)>,
    /// What was asked.
    requests: Vec<String>,
}

impl Script {
    async fn serve(answers: &[(u16, &str)]) -> (Self, Log) {
        let script = Self::default();
        let of_code = |(status, code): &(u16, &str)| (*status, format!("<Error><Code>{code}</Code></Error>"));
        script.0.lock().answers = answers.iter().map(of_code).collect();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serving = script.clone();
        let router = Router::new().fallback(move |request: Request| {
            let answer = serving.answer(&request);
            async move { answer }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"));
        let bucket = s3::of("bucket", credentials, Some("us-east-1".into()), Some(endpoint)).unwrap();
        (script, Log::new(bucket, Jitter::from_seed(1)))
    }

    fn answer(&self, request: &Request) -> Response<Body> {
        let condition = request.headers().get("if-none-match").map(|value| value.to_str().unwrap().to_owned());
        let asked = format!("{} {}", request.method(), condition.unwrap_or_default());
        let Lines { answers, requests } = &mut *self.0.lock();
        requests.push(asked.trim().to_owned());
        let (status, body) = answers.pop_front().expect("no more requests are expected");
        let is_head = request.method() == "HEAD";
        let answer = Response::builder().status(status).header("ETag", "\"e\"");
        let answer = answer.header("Last-Modified", "Tue, 24 Nov 2026 10:00:00 GMT");
        answer.body(if is_head { Body::empty() } else { Body::from(body) }).unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.0.lock().requests.clone()
    }
}

/// Appends against these answers.
async fn append(answers: &[(u16, &str)]) -> (Result<Append, LogError>, Vec<String>) {
    let (script, log) = Script::serve(answers).await;
    let appended = log.append(&source(), 1, entry::encode(&facts(1), &content()), soon()).await;
    (appended, script.requests())
}

#[tokio::test]
async fn a_put_is_conditional_and_409_is_not_412() {
    assert_eq!(append(&[(200, "")]).await, (Ok(Append::Created), vec!["PUT *".to_owned()]));
    let (exists, requests) = append(&[(412, "PreconditionFailed"), (200, "")]).await;
    assert_eq!((exists, requests), (Ok(Append::Exists), ["PUT *", "HEAD"].map(str::to_owned).into()));
    let conflict = (409, "ConditionalRequestConflict");
    let (created, requests) = append(&[conflict, (404, ""), conflict, (404, ""), (200, "")]).await;
    assert_eq!(created, Ok(Append::Created));
    assert_eq!(requests, ["PUT *", "HEAD", "PUT *", "HEAD", "PUT *"]);
    // Another's put came through meanwhile.
    assert_eq!(append(&[conflict, (200, "")]).await.0, Ok(Append::Exists));
}

#[tokio::test]
async fn what_passes_is_tried_again_by_one_place_only() {
    let (created, requests) =
        append(&[(503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout"), (200, "")]).await;
    assert_eq!((created, requests.len()), (Ok(Append::Created), 4));
}

#[tokio::test]
async fn what_lasts_is_told_with_what_to_do() {
    for (status, code, says) in [
        (403, "AccessDenied", "allow s3:PutObject"),
        (404, "NoSuchBucket", "there is no such bucket"),
        (301, "PermanentRedirect", "AWS_REGION"),
        (400, "AuthorizationHeaderMalformed", "AWS_REGION"),
        (403, "InvalidAccessKeyId", "check the AWS credentials"),
        (501, "NotImplemented", "If-None-Match"),
    ] {
        let (refused, requests) = append(&[(status, code)]).await;
        assert_eq!(requests, ["PUT *"], "{code}");
        assert!(matches!(&refused, Err(LogError::Unusable { detail }) if detail.contains(says)), "{code}: {refused:?}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_no_missing_object() {
    let (_, log) = Script::serve(&[(404, "NoSuchKey"), (404, "NoSuchBucket"), (403, "AccessDenied")]).await;
    assert_eq!(log.head(&source(), soon()).await, Ok(None));
    let refused = log.head(&source(), soon()).await.unwrap_err().to_string();
    assert!(refused.contains("there is no such bucket"), "{refused}");
    let refused = log.head(&source(), soon()).await.unwrap_err().to_string();
    assert!(refused.contains("s3:GetObject") && refused.contains("s3:ListBucket"), "{refused}");
}
