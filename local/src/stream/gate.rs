//! What stands before the embedded stream: two promises of the service that it does not keep by itself.
//!
//! **A reader misses no record.** The embedded stream numbers a record first and stores it later; of two producers at
//! once, the higher number may be stored first, be read, and the lower one would never be seen by that reader. So a
//! `GetRecords` waits for the puts that have begun, and puts that come meanwhile wait for it. (`SubscribeToShard` reads by
//! itself and is not held back: read with `GetRecords` where nothing may be missed.)
//!
//! **A lane never goes back in its sequence**: see [`super::marks`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{RwLock, watch};

use super::MAX_BODY_BYTES;
use super::marks::{Making, Marks};

const TARGET: &str = "x-amz-target";
const JSON: &str = "application/x-amz-json-1.1";

/// The gate of one stream service.
#[derive(Debug)]
pub(super) struct Gate {
    /// Puts share it, a read has it alone.
    puts: RwLock<()>,
    /// Whether no more records are taken.
    is_closed: AtomicBool,
    marks: Marks,
    /// Counts the requests after which there may be something to read.
    doorbell: watch::Sender<u64>,
}

impl Gate {
    pub(super) fn new(marks: Marks, doorbell: watch::Sender<u64>) -> Arc<Self> {
        Arc::new(Self { puts: RwLock::new(()), is_closed: AtomicBool::new(false), marks, doorbell })
    }

    /// Takes no more records from now on; those that were being put when it returns are in the stream.
    pub(super) async fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        let _alone = self.puts.write().await;
    }

    fn ring(&self) {
        self.doorbell.send_modify(|rung| *rung = rung.wrapping_add(1));
    }
}

enum Kind {
    Put,
    Read,
    Making(Making),
    Other,
}

fn kind(request: &Request) -> Kind {
    let target = request.headers().get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or("");
    match target.rsplit('.').next().unwrap_or("") {
        "PutRecord" | "PutRecords" => Kind::Put,
        "GetRecords" => Kind::Read,
        "CreateStream" => Kind::Making(Making::Stream),
        "SplitShard" | "MergeShards" | "UpdateShardCount" => Kind::Making(Making::Reshard),
        _ => Kind::Other,
    }
}

/// Lets a request through when its turn has come.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let kind = kind(&request);
    // The whole body first: a slow sender must not keep the others waiting.
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "SerializationException", "Request body is too large");
    };
    let request = Request::from_parts(parts, Body::from(body));
    match kind {
        Kind::Put => {
            let shared = gate.puts.read().await;
            if gate.is_closed.load(Ordering::SeqCst) {
                let message = "The stream is about to stop and takes no more records";
                return refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message);
            }
            let response = next.run(request).await;
            drop(shared);
            gate.ring();
            response
        }
        Kind::Read => {
            let _alone = gate.puts.write().await;
            next.run(request).await
        }
        Kind::Making(making) => match gate.marks.before_making(making).await {
            Ok(()) => next.run(request).await,
            Err(refused) => refusal(StatusCode::BAD_REQUEST, "LimitExceededException", &refused.to_string()),
        },
        Kind::Other => next.run(request).await,
    }
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = serde_json::json!({ "__type": kind, "message": message }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}
