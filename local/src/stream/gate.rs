//! What stands before the embedded stream: three promises of the service that it does not keep by itself.
//!
//! **A reader misses no record.** The embedded stream numbers a record first and stores it later; of two producers at
//! once, the higher number may be stored first, be read, and the lower one would never be seen by that reader. So a
//! `GetRecords` waits for the puts that have begun, and puts that come meanwhile wait for it. (`SubscribeToShard` reads by
//! itself and is not held back: read with `GetRecords` where nothing may be missed.)
//!
//! **What is accepted lasts.** With a journal, a put is answered with success, and its records can be read, only when they
//! are in it. A put that cannot be written there is answered as an internal failure, and its records are taken out of
//! the stream again. Only records of the stream that this process made are written down; other streams, which clients
//! make, live in memory.
//!
//! **A lane never goes back in its sequence**: see [`super::marks`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::response::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use ferrokinesis::store::Store;
use tokio::sync::{Mutex, RwLock, RwLockWriteGuard, watch};

use super::accepted::Places;
use super::journal::{Accepted, Journal};
use super::marks::{Making, Marks};
use super::{MAX_BODY_BYTES, accepted};

const TARGET: &str = "x-amz-target";
const JSON: &str = "application/x-amz-json-1.1";

/// The gate of one stream service.
#[derive(Debug)]
pub(super) struct Gate {
    /// Puts share it, a read has it alone.
    puts: RwLock<()>,
    /// One put at a time is in the embedded stream, which must not be read from within while it takes records: it blocks
    /// a thread for a lock that it holds while it waits for another one.
    turn: Mutex<()>,
    /// Whether no more records are taken.
    is_closed: AtomicBool,
    marks: Marks,
    recorder: Option<Recorder>,
    /// Counts the requests after which there may be something to read.
    doorbell: watch::Sender<u64>,
}

/// What writes accepted records down.
pub(super) struct Recorder {
    pub(super) journal: Journal,
    pub(super) store: Store,
    /// The stream's name.
    pub(super) stream: String,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// The answer to a put, and what it accepts.
enum Answer {
    /// Nothing was accepted.
    Refused(Response),
    Accepted {
        parts: Parts,
        body: Bytes,
        places: Places,
        records: Result<Vec<(String, Accepted)>, String>,
    },
}

impl Recorder {
    /// What an answer accepts.
    async fn find(&self, response: Response) -> Answer {
        if response.status() != StatusCode::OK {
            return Answer::Refused(response);
        }
        let (parts, body) = response.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or(JSON);
        let is_cbor = kind.contains("cbor");
        let (body, read) = match to_bytes(body, MAX_BODY_BYTES).await {
            Ok(body) => {
                let places = accepted::places(&body, is_cbor);
                (body, places)
            }
            Err(error) => (Bytes::new(), Err(error.to_string())),
        };
        let (places, records) = match read {
            Ok(places) => {
                let records = accepted::find(&self.store, &self.stream, &places).await;
                (places, records)
            }
            Err(error) => (Places::new(), Err(error)),
        };
        Answer::Accepted { parts, body, places, records }
    }

    /// Hands an answer on when what it accepts is written down; where it cannot be, the places to take it from again.
    async fn write(&self, answer: Answer) -> Result<Response, Places> {
        let (parts, body, places, records) = match answer {
            Answer::Refused(response) => return Ok(response),
            Answer::Accepted { parts, body, places, records } => (parts, body, places, records),
        };
        let written = match records {
            Ok(records) => self.journal.append(&records).await,
            Err(error) => Err(error),
        };
        written.map(|()| Response::from_parts(parts, Body::from(body))).map_err(|error| {
            tracing::error!(error, "a put could not be made durable and is answered as failed");
            places
        })
    }
}

impl Gate {
    pub(super) fn new(marks: Marks, recorder: Option<Recorder>, doorbell: watch::Sender<u64>) -> Arc<Self> {
        Arc::new(Self {
            puts: RwLock::new(()),
            turn: Mutex::new(()),
            is_closed: AtomicBool::new(false),
            marks,
            recorder,
            doorbell,
        })
    }

    /// The journal, where there is one.
    pub(super) fn journal(&self) -> Option<&Journal> {
        self.recorder.as_ref().map(|recorder| &recorder.journal)
    }

    /// Ends the journal, if nobody uses the gate any more.
    pub(super) async fn end(self) {
        if let Some(recorder) = self.recorder {
            recorder.journal.close().await;
        }
    }

    /// Takes no more records from now on; those that were being put are in the stream and written down when it returns.
    pub(super) async fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        let _alone = self.puts.write().await;
    }

    /// Keeps all puts and reads away, so that the embedded stream can be worked on from within.
    pub(super) async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.puts.write().await
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
        "GetRecords" | "GetShardIterator" => Kind::Read,
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
        // A task of its own goes on to its end, whether or not the sender still waits.
        Kind::Put => match tokio::spawn(put(gate, request, next)).await {
            Ok(response) => response,
            Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "The put failed"),
        },
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

/// One put: into the stream, and onto the disk before anybody can read it. A record that was read, and whose events were
/// stored, must not be one that a crash forgets: its events would then be known, and counted by nobody.
async fn put(gate: Arc<Gate>, request: Request, next: Next) -> Response {
    let _shared = gate.puts.read().await;
    if gate.is_closed.load(Ordering::SeqCst) {
        let message = "The stream is about to stop and takes no more records";
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message);
    }
    let turn = gate.turn.lock().await;
    let response = next.run(request).await;
    let response = match &gate.recorder {
        None => response,
        Some(recorder) => {
            let answer = recorder.find(response).await;
            // Others may put meanwhile, so that one write to the disk serves them all.
            drop(turn);
            match recorder.write(answer).await {
                Ok(response) => response,
                Err(places) => {
                    let _turn = gate.turn.lock().await;
                    accepted::remove(&recorder.store, &recorder.stream, &places).await;
                    let message = "The records could not be made durable";
                    refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", message)
                }
            }
        }
    };
    gate.ring();
    response
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = serde_json::json!({ "__type": kind, "message": message }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}
