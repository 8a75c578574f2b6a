//! The Runtime API of one process: what it asks, and what it may answer.
//!
//! After <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. One listener for each process: what a process
//! that was given up still says can never be taken for another's.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use headcount_doors::{Door, Policy};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::fleet::InvokeError;

/// The longest answer, in bytes (the service's own bound: 6 MB and a little).
pub(super) const MAX_RESPONSE_BYTES: usize = 6_291_556;

/// What is read of an answer that is too long, in bytes, before it is refused: a client that is refused in the middle of
/// sending loses its connection, and with it its process.
const MAX_READ_BYTES: usize = 64 << 20;

/// The longest description of an error that is read, in bytes.
const MAX_ERROR_BYTES: usize = 256 << 10;

/// Bytes of an error's message that are passed on.
pub(super) const MAX_MESSAGE_BYTES: usize = 1_000;

/// One invocation on its way to the process.
#[derive(Debug)]
pub(super) struct Invocation {
    /// Its id.
    pub(super) id: String,
    /// When it ends, in milliseconds since the epoch.
    pub(super) deadline_ms: i64,
    /// The event, JSON.
    pub(super) payload: Bytes,
    /// Where its answer goes.
    pub(super) answer: oneshot::Sender<Result<Bytes, InvokeError>>,
}

/// What the process has shown of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not yet asked for an invocation.
    Starting,
    /// It has asked for one.
    Ready,
    /// It has reported that it cannot start.
    Failed(String),
}

/// The running API. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Api {
    addr: SocketAddr,
    invocations: mpsc::UnboundedSender<Invocation>,
    phase: watch::Receiver<Phase>,
    serving: JoinHandle<()>,
}

struct Shared {
    /// The function's ARN.
    arn: String,
    /// Held by the one request that waits for an invocation.
    invocations: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    /// The invocation that the process is at.
    under_way: Mutex<Option<UnderWay>>,
    phase: watch::Sender<Phase>,
}

struct UnderWay {
    id: String,
    answer: oneshot::Sender<Result<Bytes, InvokeError>>,
}

/// How a function describes an error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ErrorReport {
    error_type: String,
    error_message: String,
}

impl Api {
    /// Listens on a free port of the loopback interface.
    pub(super) async fn start(function: &str) -> Result<Self, InvokeError> {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let cannot = |error: std::io::Error| InvokeError::Start { detail: format!("no Runtime API: {error}") };
        let listener = TcpListener::bind(any_port).await.map_err(cannot)?;
        let addr = listener.local_addr().map_err(cannot)?;
        let (invocations, waiting) = mpsc::unbounded_channel();
        let (phase, seen) = watch::channel(Phase::Starting);
        let shared = Arc::new(Shared {
            arn: format!("arn:aws:lambda:{}:000000000000:function:{function}", crate::clients::REGION),
            invocations: tokio::sync::Mutex::new(waiting),
            under_way: Mutex::new(None),
            phase,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(DefaultBodyLimit::max(MAX_READ_BYTES))
            .layer(from_fn(move |request, next| only_programs(addr, request, next)))
            .with_state(shared);
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "a Runtime API failed");
            }
        });
        Ok(Self { addr, invocations, phase: seen, serving })
    }

    /// Where the process finds it: `127.0.0.1:41234`.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What the process has shown of itself; changes can be waited for.
    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// Hands an invocation to the process, at the latest when it asks for its next one.
    pub(super) fn hand_over(&self, invocation: Invocation) {
        // The receiver lives as long as the server, which lives as long as this.
        let _ = self.invocations.send(invocation);
    }
}

/// Keeps web pages out: the function's process alone has business here.
async fn only_programs(addr: SocketAddr, request: Request, next: Next) -> Response {
    match Policy::at(Door::Sdk, addr).check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => (StatusCode::FORBIDDEN, refused.to_string()).into_response(),
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    /// Answers the invocation under way, if it is this one; whether it was.
    fn settle(&self, id: &str, answer: Result<Bytes, InvokeError>) -> bool {
        let mut under_way = self.under_way.lock();
        let Some(settled) = under_way.take_if(|under_way| under_way.id == id) else { return false };
        // Nobody waits any more for an invocation whose time is up.
        let _ = settled.answer.send(answer);
        true
    }

    /// Fails an invocation whose answer is too long.
    fn refuse_length(&self, id: &str) -> Response {
        if !self.settle(id, Err(InvokeError::ResponseTooLarge)) {
            return unknown_id();
        }
        let rule = format!("an answer has at most {MAX_RESPONSE_BYTES} bytes");
        refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &rule)
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    if shared.under_way.lock().is_some() {
        return refuse(StatusCode::FORBIDDEN, "InvalidStateTransition", "the last invocation has no answer yet");
    }
    shared.phase.send_if_modified(|phase| {
        let starts = *phase == Phase::Starting;
        if starts {
            *phase = Phase::Ready;
        }
        starts
    });
    // A client that goes away ends this request here, before an invocation is taken.
    let Some(invocation) = shared.invocations.lock().await.recv().await else {
        return refuse(StatusCode::GONE, "Stopped", "there will be no more invocations");
    };
    let Invocation { id, deadline_ms, payload, answer } = invocation;
    let random = fastrand::u128(..);
    let trace =
        format!("Root=1-{:08x}-{:024x};Parent={:016x};Sampled=0", deadline_ms / 1_000, random >> 32, fastrand::u64(..));
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", id.clone()),
        ("Lambda-Runtime-Deadline-Ms", deadline_ms.to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", shared.arn.clone()),
        ("Lambda-Runtime-Trace-Id", trace),
        (CONTENT_TYPE.as_str(), "application/json".to_owned()),
    ];
    *shared.under_way.lock() = Some(UnderWay { id, answer });
    (headers, payload).into_response()
}

async fn response(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match body {
        Ok(answer) if answer.len() <= MAX_RESPONSE_BYTES => {
            if shared.settle(&id, Ok(answer)) {
                accepted()
            } else {
                unknown_id()
            }
        }
        Ok(_) => shared.refuse_length(&id),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => shared.refuse_length(&id),
        // Half an answer is none: the invocation goes on waiting, for another or for the end of the process.
        Err(rejection) => rejection.into_response(),
    }
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Body) -> Response {
    let report = ErrorReport::read(body).await;
    let failed = InvokeError::Function { error_type: report.error_type, message: report.error_message };
    if shared.settle(&id, Err(failed)) { accepted() } else { unknown_id() }
}

async fn init_error(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    let report = ErrorReport::read(body).await;
    let told = shared.phase.send_if_modified(|phase| {
        let starts = *phase == Phase::Starting;
        if starts {
            *phase = Phase::Failed(format!("{}: {}", report.error_type, report.error_message));
        }
        starts
    });
    if told {
        accepted()
    } else {
        refuse(StatusCode::FORBIDDEN, "InvalidStateTransition", "the function has started already")
    }
}

impl ErrorReport {
    /// Reads a report. A function that cannot even say what is wrong has failed all the same.
    async fn read(body: Body) -> Self {
        let bytes = to_bytes(body, MAX_ERROR_BYTES).await.unwrap_or_default();
        let mut report: Self = serde_json::from_slice(&bytes).unwrap_or_default();
        if report.error_type.is_empty() {
            "Unhandled".clone_into(&mut report.error_type);
        }
        if report.error_message.is_empty() {
            "the function did not say why".clone_into(&mut report.error_message);
        }
        for text in [&mut report.error_type, &mut report.error_message] {
            text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
        }
        report
    }
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))).into_response()
}

fn unknown_id() -> Response {
    refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", "no invocation of this id waits for an answer")
}

fn refuse(status: StatusCode, error_type: &str, message: &str) -> Response {
    (status, Json(json!({"errorType": error_type, "errorMessage": message}))).into_response()
}

#[cfg(test)]
mod tests;
