use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

type Answered = oneshot::Receiver<Result<Bytes, InvokeError>>;

/// A client of one request, and its connection.
async fn send(api: &Api, method: &str, path: &str, body: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(api.addr()).await.unwrap();
    let head = format!(
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // A server that has seen enough closes before it has read all.
    let _ = socket.write_all(body).await;
    socket
}

/// The status and the whole answer.
async fn read(mut socket: TcpStream) -> (u16, String) {
    let mut answer = Vec::new();
    // A reset after the answer, where its request was not read to the end.
    let _ = socket.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {answer:?}")), answer)
}

async fn ask(api: &Api, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    read(send(api, method, path, body).await).await
}

fn hand_over(api: &Api, id: &str) -> Answered {
    let (answer, answered) = oneshot::channel();
    let payload = Bytes::from_static(b"{\"a\":1}");
    api.hand_over(Invocation { id: id.to_owned(), deadline_ms: 1_800_000_000_123, payload, answer });
    answered
}

#[tokio::test]
async fn an_invocation_goes_out_with_its_headers_and_comes_back() {
    let api = Api::start("counter").await.unwrap();
    assert_eq!(*api.phase().borrow(), Phase::Starting);
    let waiting = send(&api, "GET", "invocation/next", b"").await;
    api.phase().wait_for(|phase| *phase == Phase::Ready).await.unwrap();
    let answered = hand_over(&api, "first");
    let (status, invocation) = read(waiting).await;
    assert_eq!(status, 200);
    let head = invocation.to_lowercase();
    for header in [
        "lambda-runtime-aws-request-id: first",
        "lambda-runtime-deadline-ms: 1800000000123",
        "lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:counter",
        "lambda-runtime-trace-id: root=1-",
        "content-type: application/json",
    ] {
        assert!(head.contains(header), "{header}: {invocation}");
    }
    assert!(invocation.ends_with("{\"a\":1}"), "{invocation}");
    assert_eq!(ask(&api, "POST", "invocation/first/response", b"\"done\"").await.0, 202);
    assert_eq!(answered.await.unwrap(), Ok(Bytes::from_static(b"\"done\"")));
}

#[tokio::test]
async fn an_error_is_passed_on_even_if_it_says_nothing() {
    let api = Api::start("counter").await.unwrap();
    let long = format!(r#"{{"errorType":"E","errorMessage":"{}"}}"#, "é".repeat(MAX_MESSAGE_BYTES));
    for (report, error_type, message) in [
        (r#"{"errorType":"HandleError","errorMessage":"no table","stackTrace":[]}"#, "HandleError", "no table"),
        ("no JSON", "Unhandled", "the function did not say why"),
        (&long, "E", &"é".repeat(MAX_MESSAGE_BYTES / 2)),
    ] {
        let answered = hand_over(&api, "one");
        assert_eq!(ask(&api, "GET", "invocation/next", b"").await.0, 200);
        assert_eq!(ask(&api, "POST", "invocation/one/error", report.as_bytes()).await.0, 202);
        let (error_type, message) = (error_type.to_owned(), message.to_owned());
        assert_eq!(answered.await.unwrap(), Err(InvokeError::Function { error_type, message }));
    }
}

#[tokio::test]
async fn what_no_runtime_would_say_is_refused_and_changes_nothing() {
    let api = Api::start("counter").await.unwrap();
    for path in ["invocation/first/response", "invocation/first/error"] {
        let (status, said) = ask(&api, "POST", path, b"{}").await;
        assert!(status == 400 && said.contains("InvalidRequestID"), "before any invocation: {said}");
    }
    let mut answered = hand_over(&api, "first");
    assert_eq!(ask(&api, "GET", "invocation/next", b"").await.0, 200);
    assert_eq!(ask(&api, "POST", "invocation/other/response", b"1").await.0, 400);
    assert_eq!(ask(&api, "POST", "invocation/%ff/response", b"1").await.0, 400);
    let (status, said) = ask(&api, "GET", "invocation/next", b"").await;
    assert!(status == 403 && said.contains("InvalidStateTransition"), "a second one before the answer: {said}");
    assert_eq!(ask(&api, "POST", "init/error", b"{}").await.0, 403);
    assert_eq!(ask(&api, "PUT", "invocation/first/response", b"1").await.0, 405);
    assert_eq!(ask(&api, "GET", "anything/else", b"").await.0, 404);
    assert!(answered.try_recv().is_err(), "it still waits");

    assert_eq!(ask(&api, "POST", "invocation/first/response", b"1").await.0, 202);
    assert_eq!(ask(&api, "POST", "invocation/first/response", b"2").await.0, 400, "a second answer");
    assert_eq!(ask(&api, "POST", "invocation/first/error", b"{}").await.0, 400);
    assert_eq!(answered.await.unwrap(), Ok(Bytes::from_static(b"1")));
    // Whoever waited may be gone.
    drop(hand_over(&api, "second"));
    assert_eq!(ask(&api, "GET", "invocation/next", b"").await.0, 200);
    assert_eq!(ask(&api, "POST", "invocation/second/response", b"1").await.0, 202);
}

#[tokio::test]
async fn an_answer_that_is_too_long_fails_its_invocation() {
    let api = Api::start("counter").await.unwrap();
    for (bytes, status) in [(MAX_RESPONSE_BYTES, 202), (MAX_RESPONSE_BYTES + 1, 413), (MAX_READ_BYTES + 1, 413)] {
        let answered = hand_over(&api, "one");
        assert_eq!(ask(&api, "GET", "invocation/next", b"").await.0, 200);
        assert_eq!(ask(&api, "POST", "invocation/one/response", &vec![b'7'; bytes]).await.0, status);
        match answered.await.unwrap() {
            Ok(answer) => assert!(status == 202 && answer.len() == bytes),
            Err(error) => assert!(status == 413 && error == InvokeError::ResponseTooLarge, "{error}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_no_invocation_with_it() {
    let api = Api::start("counter").await.unwrap();
    drop(send(&api, "GET", "invocation/next", b"").await);
    let half = send(&api, "GET", "invocation/next", b"").await;
    drop(half);
    let waiting = send(&api, "GET", "invocation/next", b"").await;
    let answered = hand_over(&api, "first");
    assert!(read(waiting).await.1.contains("first"));
    // Half an answer, then nothing: the invocation waits on.
    let mut socket = TcpStream::connect(api.addr()).await.unwrap();
    let half = b"POST /2018-06-01/runtime/invocation/first/response HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n12";
    socket.write_all(half).await.unwrap();
    drop(socket);
    assert_eq!(ask(&api, "POST", "invocation/first/response", b"12").await.0, 202);
    assert_eq!(answered.await.unwrap(), Ok(Bytes::from_static(b"12")));
}

#[tokio::test]
async fn a_start_that_failed_is_told_once() {
    let api = Api::start("counter").await.unwrap();
    let report = br#"{"errorType":"Config","errorMessage":"EVENTS_TABLE is not set"}"#;
    assert_eq!(ask(&api, "POST", "init/error", report).await.0, 202);
    assert_eq!(*api.phase().borrow(), Phase::Failed("Config: EVENTS_TABLE is not set".to_owned()));
    assert_eq!(ask(&api, "POST", "init/error", b"{}").await.0, 403);
}
