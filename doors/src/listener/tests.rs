use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::*;

/// Far longer than any answer takes here.
const PATIENCE: Duration = Duration::from_secs(20);

const GET: &str = "GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";

fn small() -> Limits {
    Limits { connections: 8, per_peer: 8, head: PATIENCE, body: PATIENCE, life: PATIENCE, last_request: PATIENCE }
}

/// Answers with what was sent.
async fn start(limits: Limits) -> Listener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let echo = |request: Request<Body>, _| async move {
        let text = match request.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => error.to_string().into(),
        };
        Response::new(Full::new(text))
    };
    Listener::serve(listener, limits, echo).unwrap()
}

async fn connect(to: &Listener, sent: &str) -> TcpStream {
    let mut socket = TcpStream::connect(to.addr()).await.unwrap();
    socket.write_all(sent.as_bytes()).await.unwrap();
    socket
}

/// What a connection still gets until it is closed.
async fn rest(mut socket: TcpStream) -> String {
    let mut text = Vec::new();
    // One that was sent away may be reset.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut text)).await.expect("it is closed");
    String::from_utf8(text).unwrap()
}

async fn is_served(listener: &Listener) {
    let answer = rest(connect(listener, GET).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
}

#[tokio::test]
async fn clients_that_hold_connections_keep_nobody_out() {
    let post = "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\nx";
    for (what, sent) in [("silent", ""), ("slow heads", "GET / HTTP/1.1\r\nHost: h"), ("one-byte bodies", post)] {
        let listener = start(small()).await;
        let mut held = Vec::new();
        for _ in 0..10 * small().connections {
            held.push(connect(&listener, sent).await);
            let began = Instant::now();
            is_served(&listener).await;
            assert!(began.elapsed() < PATIENCE / 4, "{what}");
        }
        // The first was sent away long ago.
        assert_eq!(rest(held.swap_remove(0)).await, "", "{what}");
        drop(held);
        listener.stop().await;
    }
}

#[tokio::test]
async fn requests_that_are_answered_are_not_cut_off_and_then_there_is_no_room() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (inside, mut entered) = tokio::sync::mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wait = {
        let gate = Arc::clone(&gate);
        move |_: Request<Body>, _| {
            let (gate, inside) = (Arc::clone(&gate), inside.clone());
            async move {
                inside.send(()).unwrap();
                let _permit = gate.acquire().await.unwrap();
                Response::new(Full::new(Bytes::from_static(b"done")))
            }
        }
    };
    let listener = Listener::serve(listener, small(), wait).unwrap();
    let mut asking = Vec::new();
    for _ in 0..small().connections {
        asking.push(connect(&listener, GET).await);
        entered.recv().await.unwrap();
    }
    assert_eq!(rest(connect(&listener, GET).await).await, "", "no room");
    gate.add_permits(1);
    for socket in asking {
        let answer = rest(socket).await;
        assert!(answer.ends_with("done"), "{answer:?}");
    }
    is_answered_again(&listener).await;
    listener.stop().await;
}

async fn is_answered_again(listener: &Listener) {
    let answer = rest(connect(listener, GET).await).await;
    assert!(answer.ends_with("done"), "{answer:?}");
}

#[tokio::test]
async fn heads_bodies_and_lives_end() {
    let short = Duration::from_millis(50);
    let whole = "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nhi";
    let half = "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhi";
    for (limits, sent, expected) in [
        (Limits { head: short, ..small() }, "", None),
        (Limits { head: short, ..small() }, "GET / HT", None),
        // Idle after its answer.
        (Limits { head: short, ..small() }, whole, Some("hi")),
        (Limits { body: short, ..small() }, half, Some("in time")),
        (Limits { life: short, last_request: short, ..small() }, "", None),
        (Limits { life: short, last_request: short, ..small() }, half, None),
    ] {
        let listener = start(limits).await;
        let answer = rest(connect(&listener, sent).await).await;
        match expected {
            None => assert!(!answer.contains("200 OK"), "{sent:?}: {answer:?}"),
            Some(text) => assert!(answer.ends_with(text), "{sent:?}: {answer:?}"),
        }
        listener.stop().await;
    }
}

#[test]
fn connections_leave_descriptors_for_files() {
    for (descriptors, connections) in [(0, 16), (256, 16), (1_024, 192), (1 << 20, 1_024)] {
        let limits = Limits::for_descriptors(descriptors);
        assert_eq!((limits.connections, limits.per_peer), (connections, connections / 2));
    }
}
