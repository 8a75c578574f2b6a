//! The stream service: an embedded Kinesis behind its own wire protocol, in memory.
//!
//! Its records live as long as the process; with a data directory a journal keeps what was accepted until it has been
//! processed, and the next start finds what was not ([`Stream::take_backlog`]). What has been processed is trimmed when they become many
//! ([`Stream::trim`]); when they are too many all the same, puts are refused until the consumer has caught up.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::middleware;
use ferrokinesis::sequence::{SeqObj, shard_id_name, shard_ix_to_hex, stringify_sequence};
use ferrokinesis::store::{Store, StoreOptions};
use ferrokinesis::types::{EpochSeconds, HashKeyRange, SequenceNumberRange, Shard, StreamBuilder, StreamStatus};
use headcount_doors::{Limits, Listener, routed};
use headcount_runtime::aws::StaticCredentials;
use headcount_runtime::clock::Clock;
use tokio::sync::watch;

use crate::clients::REGION;
use crate::data_dir::{self, DirLock};
use crate::error::LocalError;
use crate::sdk_door::SdkDoor;
use crate::serving;
use gate::{Gate, Recorder};
use headcount_core::origin::SequenceNumber;
use journal::{Backlog, Journal, Processed};
use marks::Marks;
use meter::Meter;

pub mod journal;

pub(crate) mod accepted;
mod gate;
mod marks;
pub(crate) mod meter;

/// The longest request body, in bytes: `PutRecords` takes 10 MiB of records, which base64 makes a third longer.
pub const MAX_BODY_BYTES: usize = 16 << 20;

/// The most shards of all streams together.
pub const MAX_SHARDS: u32 = 500;

/// The longest name of a stream, in bytes (the service's own bound).
pub const MAX_NAME_BYTES: usize = 128;

/// Beyond these bytes of records, a put is refused.
pub const MAX_RETAINED_BYTES: u64 = 2 << 30;

/// Beyond these bytes of records, [`Stream::trim`] removes what was processed.
pub const TRIM_ABOVE_BYTES: u64 = 256 << 20;

/// How often records beyond the retention period are looked for, in seconds.
const RETENTION_CHECK_S: u64 = 60;

/// Records removed at once by a trim.
const TRIM_CHUNK: usize = 5_000;

/// The account that the stream's ARN names.
const ACCOUNT: &str = "000000000000";

/// What the stream is like and where it listens.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The stream's name.
    pub name: String,
    /// How many shards it starts with, 1 to [`MAX_SHARDS`].
    pub shards: u32,
    /// Where to keep what stops sequence numbers from repeating after a restart, and the journal of accepted records.
    /// Needed wherever a table outlives the process.
    pub data_dir: Option<PathBuf>,
    /// Where it listens. Port 0 takes a free one.
    pub addr: SocketAddr,
    /// What requests must be signed with; `None` takes any.
    pub keys: Option<StaticCredentials>,
    /// What clients may hold.
    pub limits: Limits,
    /// How long counting what waits may take before more is refused; nothing is where it is zero.
    pub count_within: Duration,
    /// The clock that new shards are dated by.
    pub clock: Clock,
}

impl StreamOptions {
    /// A stream in memory on a free port of the loopback interface.
    pub fn new(name: impl Into<String>, shards: u32) -> Self {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            name: name.into(),
            shards,
            data_dir: None,
            addr,
            keys: None,
            limits: Limits::default(),
            count_within: Duration::ZERO,
            clock: Clock::system(),
        }
    }

    fn check(&self) -> Result<(), LocalError> {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES || !self.name.bytes().all(named) {
            let rule = format!("1 to {MAX_NAME_BYTES} letters, digits, '_', '.' or '-', not {:?}", self.name);
            return Err(LocalError::Option { field: "stream name", rule });
        }
        if !(1..=MAX_SHARDS).contains(&self.shards) {
            let rule = format!("1 to {MAX_SHARDS}, not {}", self.shards);
            return Err(LocalError::Option { field: "shards", rule });
        }
        Ok(())
    }
}

/// The running stream service with its one stream.
///
/// ```
/// use headcount_local::{clients, stream::{Stream, StreamOptions}};
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stream = Stream::start(StreamOptions::new("events", 2)).await?;
/// let shards = clients::kinesis(&stream.endpoint()).list_shards().stream_name("events").send().await?;
/// assert_eq!(shards.shards().len(), 2);
/// stream.stop().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Stream {
    listener: Listener,
    name: String,
    store: StoreHandle,
    doorbell: watch::Receiver<u64>,
    gate: Arc<Gate>,
    backlog: Backlog,
    lock: Option<DirLock>,
}

/// The embedded stream's records, without the noise of printing them.
struct StoreHandle(Store);

impl std::fmt::Debug for StoreHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Stream {
    /// Makes the stream and listens.
    ///
    /// # Errors
    /// When an option is out of its bounds, the address is taken, another process uses the data directory, the
    /// directory cannot be used, its journal is damaged, or the clock lies too far behind an earlier run.
    pub async fn start(options: StreamOptions) -> Result<Self, LocalError> {
        options.check()?;
        let StreamOptions { name, shards, data_dir, addr, keys, limits, count_within, clock } = options;
        let now_ms = clock.now_ms();
        let listener = serving::bind("stream", addr, "--kinesis-port").await?;
        let lock = data_dir.as_deref().map(|dir| data_dir::lock(dir, "stream")).transpose()?;
        let (marks, second) = Marks::begin(data_dir.as_deref(), clock)?;
        let (router, store) = ferrokinesis::create_app(StoreOptions {
            create_stream_ms: 0,
            delete_stream_ms: 0,
            update_stream_ms: 0,
            shard_limit: MAX_SHARDS,
            retention_check_interval_secs: RETENTION_CHECK_S,
            max_retained_bytes: Some(MAX_RETAINED_BYTES),
            aws_account_id: ACCOUNT.into(),
            aws_region: REGION.into(),
            ..StoreOptions::default()
        });
        make(&store, &name, shards, second).await?;
        let (ring, doorbell) = watch::channel(0);
        let (recorder, backlog) = match &data_dir {
            Some(dir) => {
                let opened = Journal::open(&dir.join(journal::FOLDER), &arn(&name), journal::SEGMENT_BYTES)?;
                (Some(Recorder { journal: opened.0, store: store.clone(), stream: name.clone() }), opened.1)
            }
            None => (None, Backlog::default()),
        };
        // The last layer is the first that a request meets.
        let meter = Arc::new(Meter::new(count_within, &backlog, now_ms));
        let gate = Gate::new(SdkDoor::at(addr, keys), marks, (name.clone(), meter), recorder, ring);
        let router = router
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(middleware::from_fn_with_state(gate.clone(), gate::pass));
        let listener =
            Listener::serve(listener, limits, routed(router)).map_err(|source| serving::unusable("stream", source))?;
        Ok(Self { listener, name, store: StoreHandle(store), doorbell, gate, backlog, lock })
    }

    /// Where SDK clients find it, as `http://127.0.0.1:4567`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listener.addr())
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was accepted, and what of it waits.
    pub(crate) fn meter(&self) -> &Arc<Meter> {
        self.gate.meter()
    }

    /// Part of the user agent of clients whose events were admitted already, by [`Meter::load`].
    pub(crate) fn admitted_agent(&self) -> &str {
        self.gate.admitted_agent()
    }

    /// The last put that could not be made durable, milliseconds since the epoch, and why.
    pub(crate) fn failed(&self) -> Option<(i64, String)> {
        self.gate.failed()
    }

    /// Changes whenever records were put: for a mapping in the same process, which then need not look all the time
    /// ([`crate::mapping::MappingOptions::doorbell`]).
    pub fn doorbell(&self) -> watch::Receiver<u64> {
        self.doorbell.clone()
    }

    /// Takes no more records from now on, and refuses them as a service that is away: what was accepted can then be read
    /// to its end.
    pub async fn close(&self) {
        self.gate.close().await;
    }

    /// What earlier runs accepted and the journal still has, to be handed to a mapping once
    /// ([`crate::mapping::MappingOptions::backlog`]).
    pub fn take_backlog(&mut self) -> Backlog {
        std::mem::take(&mut self.backlog)
    }

    /// Tells the journal what was processed: each shard up to its sequence number, and whether all of the backlog is.
    /// `finally` says that no more comes.
    pub async fn forget(&self, processed: &BTreeMap<String, String>, backlog: bool, finally: bool) {
        let Some(journal) = self.gate.journal() else { return };
        let number =
            |(shard, sequence): (&String, &String)| Some((shard.clone(), sequence.parse::<SequenceNumber>().ok()?));
        journal.forget(Processed { backlog, shards: processed.iter().filter_map(number).collect(), finally }).await;
    }

    /// The bytes that its records take.
    pub fn retained_bytes(&self) -> u64 {
        self.store.0.metrics().retained_bytes()
    }

    /// Removes the records up to each shard's checkpoint (shard id, sequence number) if all records together take more
    /// than [`TRIM_ABOVE_BYTES`]; returns how many. Later readers find them gone, as after the retention period.
    pub async fn trim(&self, processed: &BTreeMap<String, String>) -> usize {
        if self.retained_bytes() <= TRIM_ABOVE_BYTES {
            return 0;
        }
        self.trim_now(processed).await
    }

    async fn trim_now(&self, processed: &BTreeMap<String, String>) -> usize {
        let store = &self.store.0;
        let mut removed = 0;
        for (shard, sequence) in processed {
            let Ok((_, index)) = ferrokinesis::sequence::resolve_shard_id(shard) else { continue };
            let shard = shard_ix_to_hex(index);
            let (from, to) = (format!("{shard}/"), format!("{shard}/{sequence}"));
            loop {
                let _alone = self.gate.alone().await;
                let found = store.get_records_range_limited(&self.name, &from, &to, TRIM_CHUNK).await;
                if found.is_empty() {
                    break;
                }
                let keys: Vec<String> = found.into_iter().map(|(key, _)| key).collect();
                store.delete_record_keys(&self.name, &keys).await;
                removed += keys.len();
            }
        }
        removed
    }

    /// Finishes the requests under way and ends. The records are gone afterwards, but for those in the journal.
    pub async fn stop(self) {
        self.listener.stop().await;
        // A connection that was cut off may hold the gate a little longer; its journal then ends with it.
        if let Some(gate) = Arc::into_inner(self.gate) {
            gate.end().await;
        }
        drop(self.lock);
    }
}

/// The ARN of the stream of this name.
fn arn(name: &str) -> String {
    format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}")
}

/// Makes the stream with shards that are dated in `second`. The service's own `CreateStream` would date them by the clock,
/// which may stand where it stood at the last start.
async fn make(store: &Store, name: &str, count: u32, second: u64) -> Result<(), LocalError> {
    let width = u128::MAX / u128::from(count);
    let shards = (0..count)
        .map(|index| {
            let start = width * u128::from(index);
            let end = if index + 1 == count { u128::MAX } else { width * u128::from(index + 1) - 1 };
            let first = SeqObj {
                shard_create_time: second * 1000,
                seq_ix: None,
                byte1: None,
                seq_time: None,
                seq_rand: None,
                shard_ix: i64::from(index),
                version: 2,
            };
            Shard {
                shard_id: shard_id_name(i64::from(index)),
                hash_key_range: HashKeyRange::new(start.to_string(), end.to_string()),
                sequence_number_range: SequenceNumberRange {
                    starting_sequence_number: stringify_sequence(&first),
                    ending_sequence_number: None,
                },
                parent_shard_id: None,
                adjacent_parent_shard_id: None,
            }
        })
        .collect();
    let created = EpochSeconds(second as f64);
    let stream = StreamBuilder::new(name.into(), arn(name), StreamStatus::Active, created, shards).build();
    store
        .put_stream(name, stream)
        .await
        .map_err(|error| LocalError::Stream { stream: name.into(), detail: format!("it cannot be made: {error:?}") })
}

#[cfg(test)]
mod tests;
