//! What stands before the embedded stream: three promises of the service that it does not keep by itself. It lets in SDKs only
//! ([`crate::sdk_door`]).
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
//!
//! And one of our own: **what is accepted is counted in time**. A put that would wait too long for its turn is refused as one that
//! exceeds the throughput ([`super::meter`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::response::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use ferrokinesis::store::Store;
use headcount_core::origin::SequenceNumber;
use headcount_runtime::clock::Clock;
use tokio::sync::{Mutex, RwLock, RwLockWriteGuard, watch};

use super::journal::{Accepted, Journal};
use super::marks::{Making, Marks};
use super::meter::{Meter, Put};
use super::{MAX_BODY_BYTES, accepted};
use crate::sdk_door::{SdkDoor, TARGET, refusal};

/// Characters of an access key's id that are looked at.
const MAX_KEY_CHARS: usize = 128;

/// The gate of one stream service.
#[derive(Debug)]
pub(super) struct Gate {
    door: SdkDoor,
    /// Puts share it, a read has it alone.
    puts: RwLock<()>,
    /// One put at a time is in the embedded stream, which must not be read from within while it takes records: it blocks
    /// a thread for a lock that it holds while it waits for another one.
    turn: Mutex<()>,
    /// Whether no more records are taken.
    is_closed: AtomicBool,
    marks: Marks,
    /// The stream's name.
    stream: String,
    meter: Arc<Meter>,
    /// Part of the user agent of clients whose events were admitted already.
    admitted_agent: String,
    recorder: Option<Recorder>,
    /// The last put that could not be made durable, milliseconds since the epoch, and why.
    failed: parking_lot::Mutex<Option<(i64, String)>>,
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
        placed: Placed,
        records: Result<Vec<(String, Accepted)>, String>,
    },
}

/// The shard and the sequence number of each record of a put.
type Placed = Vec<Option<(String, String)>>;

impl Recorder {
    /// Writes down what an answer accepts.
    async fn write(&self, records: Result<Vec<(String, Accepted)>, String>) -> Result<(), String> {
        let written = match records {
            Ok(records) => self.journal.append(&records).await,
            Err(error) => Err(error),
        };
        written.inspect_err(|error| tracing::error!(error, "a put could not be made durable and is answered as failed"))
    }
}

/// What an answer accepts.
async fn read(recorder: Option<&Recorder>, response: Response) -> Answer {
    if response.status() != StatusCode::OK {
        return Answer::Refused(response);
    }
    let (parts, body) = response.into_parts();
    let is_cbor = is_cbor(&parts.headers);
    let (body, read) = match to_bytes(body, MAX_BODY_BYTES).await {
        Ok(body) => {
            let placed = accepted::placed(&body, is_cbor);
            (body, placed)
        }
        Err(error) => (Bytes::new(), Err(error.to_string())),
    };
    let (placed, records) = match (read, recorder) {
        (Ok(placed), Some(recorder)) => {
            let records = accepted::find(&recorder.store, &recorder.stream, &accepted::by_shard(&placed)).await;
            (placed, records)
        }
        (Ok(placed), None) => (placed, Ok(Vec::new())),
        (Err(error), _) => (Placed::new(), Err(error)),
    };
    Answer::Accepted { parts, body, placed, records }
}

fn is_cbor(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.contains("cbor"))
}

impl Gate {
    pub(super) fn new(
        door: SdkDoor,
        marks: Marks,
        (stream, meter): (String, Arc<Meter>),
        recorder: Option<Recorder>,
        doorbell: watch::Sender<u64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            door,
            puts: RwLock::new(()),
            turn: Mutex::new(()),
            is_closed: AtomicBool::new(false),
            marks,
            stream,
            meter,
            admitted_agent: format!("headcount-admitted-{:016x}", fastrand::u64(..)),
            recorder,
            failed: parking_lot::Mutex::default(),
            doorbell,
        })
    }

    pub(super) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// What clients call themselves whose events were admitted already.
    pub(super) fn admitted_agent(&self) -> &str {
        &self.admitted_agent
    }

    /// The last put that could not be made durable, milliseconds since the epoch, and why.
    pub(super) fn failed(&self) -> Option<(i64, String)> {
        self.failed.lock().clone()
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
    let (parts, body) = request.into_parts();
    if let Err(refused) = gate.door.check(&parts) {
        return *refused;
    }
    // The whole body first: a slow sender must not keep the others waiting.
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        let message = "The request's body is too large, or did not come in time";
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "SerializationException", message);
    };
    if let Err(refused) = gate.door.check_signature(&parts, &body) {
        return *refused;
    }
    let (is_cbor, name, data) = (is_cbor(&parts.headers), gate.stream.clone(), body.clone());
    let request = Request::from_parts(parts, Body::from(body));
    match kind {
        Kind::Put => {
            // Taking records apart is work for a thread of its own.
            let counted = tokio::task::spawn_blocking(move || accepted::events(&data, is_cbor, &name)).await;
            let events = counted.unwrap_or_default();
            // A task of its own goes on to its end, whether or not the sender still waits.
            match tokio::spawn(put(gate, request, events, next)).await {
                Ok(response) => response,
                Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "The put failed"),
            }
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

/// One put: into the stream, and onto the disk before anybody can read it. A record that was read, and whose events were
/// stored, must not be one that a crash forgets: its events would then be known, and counted by nobody.
async fn put(gate: Arc<Gate>, request: Request, events: Vec<u64>, next: Next) -> Response {
    let _shared = gate.puts.read().await;
    if gate.is_closed.load(Ordering::SeqCst) {
        let message = "The stream is about to stop and takes no more records";
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message);
    }
    if let Some(client) = gate.client(request.headers())
        && !gate.meter.admit(&client, events.iter().sum(), now_ms())
    {
        let message = "More events wait to be counted than are counted in time: put these again a little later";
        return refusal(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException", message);
    }
    let turn = gate.turn.lock().await;
    let response = next.run(request).await;
    let answer = read(gate.recorder.as_ref(), response).await;
    // Others may put meanwhile, so that one write to the disk serves them all.
    drop(turn);
    let (parts, body, placed, records) = match answer {
        Answer::Refused(response) => return response,
        Answer::Accepted { parts, body, placed, records } => (parts, body, placed, records),
    };
    if let Some(recorder) = &gate.recorder
        && let Err(error) = recorder.write(records).await
    {
        *gate.failed.lock() = Some((now_ms(), error));
        let _turn = gate.turn.lock().await;
        accepted::remove(&recorder.store, &recorder.stream, &accepted::by_shard(&placed)).await;
        return refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "The records could not be made durable");
    }
    gate.count(&placed, &events);
    gate.ring();
    Response::from_parts(parts, Body::from(body))
}

fn now_ms() -> i64 {
    Clock::system().now_ms()
}

impl Gate {
    /// By what name a client is known: its access key. `None` for one whose events were admitted already.
    fn client(&self, headers: &HeaderMap) -> Option<String> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if text(USER_AGENT).contains(&self.admitted_agent) {
            return None;
        }
        let key = text(AUTHORIZATION).split_once("Credential=").and_then(|(_, rest)| rest.split('/').next());
        Some(key.unwrap_or_default().chars().take(MAX_KEY_CHARS).collect())
    }

    /// Tells the meter what was accepted.
    fn count(&self, placed: &Placed, events: &[u64]) {
        let mut shards: BTreeMap<&str, (SequenceNumber, u64)> = BTreeMap::new();
        for ((shard, sequence), events) in
            placed.iter().zip(events).filter_map(|(placed, n)| Some((placed.as_ref()?, n)))
        {
            let Ok(sequence) = sequence.parse::<SequenceNumber>() else { continue };
            let (last, sum) = shards.entry(shard).or_insert_with(|| (sequence.clone(), 0));
            *last = sequence.max(last.clone());
            *sum += events;
        }
        for (shard, (last, events)) in shards {
            self.meter.accept(shard, last, Put { events, arrived_ms: now_ms() });
        }
    }
}
