//! The table service: an embedded DynamoDB behind its own wire protocol, on a file of its own or of the process.

mod sound;
mod sum;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use dynoxide::Database;
use headcount_doors::{Limits, Listener};
use headcount_runtime::aws::StaticCredentials;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::data_dir::{self, DirLock};
use crate::error::LocalError;
use crate::sdk_door::SdkDoor;
use crate::serving;
use wire::Wire;

/// How often expired items are swept, unless said otherwise. The service itself takes hours or days.
pub const TTL_INTERVAL: Duration = Duration::from_mins(1);

/// The table's file in its data directory.
pub const FILE_NAME: &str = "table.sqlite";

/// Where the table lives and listens.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// The directory of its file; `None` keeps it in a temporary file without a name, for as long as the process lives.
    pub data_dir: Option<PathBuf>,
    /// Where it listens. Port 0 takes a free one.
    pub addr: SocketAddr,
    /// What requests must be signed with; `None` takes any.
    pub keys: Option<StaticCredentials>,
    /// What clients may hold.
    pub limits: Limits,
    /// How often expired items are deleted.
    pub ttl_interval: Duration,
}

impl Default for TableOptions {
    /// Gone with the process, on a free port of the loopback interface.
    fn default() -> Self {
        Self {
            data_dir: None,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keys: None,
            limits: Limits::default(),
            ttl_interval: TTL_INTERVAL,
        }
    }
}

/// The running table service.
///
/// ```
/// use headcount_local::{clients, table::{Table, TableOptions}};
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let table = Table::start(TableOptions::default()).await?;
/// let names = clients::dynamodb(&table.endpoint()).list_tables().send().await?;
/// assert!(names.table_names().is_empty());
/// table.stop().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Table {
    listener: Listener,
    wire: Arc<Wire>,
    stop_sweeping: watch::Sender<bool>,
    sweeping: JoinHandle<()>,
    lock: Option<DirLock>,
    data_dir: Option<PathBuf>,
}

impl Table {
    /// Opens the table and listens.
    ///
    /// # Errors
    /// When the address is taken, another process uses the data directory, or the directory or its file cannot be used.
    pub async fn start(options: TableOptions) -> Result<Self, LocalError> {
        if options.ttl_interval.is_zero() {
            let rule = "must be longer than nothing".to_owned();
            return Err(LocalError::Option { field: "ttl_interval", rule });
        }
        let listener = serving::bind("table", options.addr, "--dynamodb-port").await?;
        let (dir, data_dir) = (options.data_dir.clone(), options.data_dir);
        let (database, lock) = match tokio::task::spawn_blocking(move || open(dir.as_deref())).await {
            Ok(opened) => opened?,
            Err(_) => return Err(LocalError::Stopped { what: "table" }),
        };
        let (stop_sweeping, stopped) = watch::channel(false);
        let sweeping = tokio::spawn(sweep(database.clone(), options.ttl_interval, stopped));
        let door = SdkDoor::at(options.addr, options.keys);
        let wire = Arc::new(Wire::new(database, door));
        let answering = Arc::clone(&wire);
        let listener = Listener::serve(listener, options.limits, move |request, _| {
            let wire = Arc::clone(&answering);
            async move { wire.answer(request.map(Body::new)).await }
        })
        .map_err(|source| serving::unusable("table", source))?;
        Ok(Self { listener, wire, stop_sweeping, sweeping, lock, data_dir })
    }

    /// Where SDK clients find it, as `http://127.0.0.1:8000`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listener.addr())
    }

    /// Finishes the requests under way and ends; the data directory is free afterwards.
    pub async fn stop(self) {
        self.stop_sweeping.send_replace(true);
        if let Err(error) = self.sweeping.await {
            tracing::warn!(%error, "the sweep of expired items failed");
        }
        self.listener.stop().await;
        self.wire.end().await;
        let (wire, lock) = (self.wire, self.lock);
        let closed = tokio::task::spawn_blocking(move || {
            // The database is closed before another process may open it.
            drop(wire);
            if let Some(dir) = self.data_dir {
                sum::write(&dir.join(FILE_NAME));
            }
            drop(lock);
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "closing the table failed");
        }
    }
}

fn open(dir: Option<&Path>) -> Result<(Database, Option<DirLock>), LocalError> {
    let Some(dir) = dir else { return Ok((passing()?, None)) };
    let lock = data_dir::lock(dir, "table")?;
    let path = dir.join(FILE_NAME);
    let damaged = |detail: String| LocalError::Damaged {
        path: path.clone(),
        detail,
        advice: "move it away to start with an empty table, or choose another data directory",
    };
    let name = path.to_str().ok_or_else(|| damaged("its path is no UTF-8".into()))?;
    let changed = sum::check(&path);
    sound::set_aside_if_damaged(&path, changed)?;
    let database = Database::new(name).map_err(|error| damaged(error.to_string()))?;
    sync_at_checkpoints(&database).map_err(|error| damaged(error.to_string()))?;
    Ok((database, Some(lock)))
}

/// Has the disk synced when `SQLite` checkpoints its write-ahead log, and not at every commit
/// (<https://www.sqlite.org/pragma.html#pragma_synchronous>, NORMAL). A machine that loses its power may lose the newest commits, but never
/// an older one before a newer: the followers go on from the checkpoint that is left. A process that is killed loses nothing.
fn sync_at_checkpoints(database: &Database) -> dynoxide::errors::Result<()> {
    // Named after what else it sets, to what is the default.
    database.disable_bulk_loading()
}

/// A table that is gone with the process, however it ends.
///
/// It is a file whose name is removed as soon as it is open. A database that `SQLite` holds in memory looks through all
/// its pages at nearly every commit: with 100,000 events stored that is most of its work, and it grows with each. Where
/// there is no place for temporary files it is in memory all the same.
fn passing() -> Result<Database, LocalError> {
    if let Ok(dir) = tempfile::tempdir()
        && let Some(path) = dir.path().join(FILE_NAME).to_str()
        && let Ok(database) = Database::new(path)
        && sync_at_checkpoints(&database).is_ok()
    {
        return Ok(database);
    }
    Database::memory()
        .map_err(|error| LocalError::Option { field: "data_dir", rule: format!("no table in memory: {error}") })
}

/// Deletes expired items every `interval` until told to stop.
async fn sweep(database: Database, interval: Duration, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(interval) => {}
        }
        let database = database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(0)) => {}
            Ok(Ok(deleted)) => tracing::debug!(deleted, "expired items deleted"),
            Ok(Err(error)) => tracing::warn!(%error, "expired items could not be deleted"),
            Err(error) => tracing::warn!(%error, "the sweep of expired items failed"),
        }
    }
}

#[cfg(test)]
mod tests;
