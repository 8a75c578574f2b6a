//! The table service: an embedded DynamoDB behind its own wire protocol, on a file of its own or of the process.

mod sound;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dynoxide::Database;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::data_dir::{self, DirLock};
use crate::error::LocalError;
use crate::serving::{self, Serving};

/// How often expired items are swept, unless said otherwise. The service itself takes hours or days.
pub const TTL_INTERVAL: Duration = Duration::from_mins(1);

/// Threads of the service. One at a time works on the table, and the others read what was asked and write what is answered.
const THREADS: usize = 4;

/// The table's file in its data directory.
pub const FILE_NAME: &str = "table.sqlite";

/// Where the table lives and listens.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// The directory of its file; `None` keeps it in a temporary file without a name, for as long as the process lives.
    pub data_dir: Option<PathBuf>,
    /// Where it listens. Port 0 takes a free one.
    pub addr: SocketAddr,
    /// How often expired items are deleted.
    pub ttl_interval: Duration,
}

impl Default for TableOptions {
    /// Gone with the process, on a free port of the loopback interface.
    fn default() -> Self {
        Self { data_dir: None, addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ttl_interval: TTL_INTERVAL }
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
    serving: Serving,
    stop_sweeping: watch::Sender<bool>,
    sweeping: JoinHandle<()>,
    lock: Option<DirLock>,
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
        let dir = options.data_dir;
        let (database, lock) = match tokio::task::spawn_blocking(move || open(dir.as_deref())).await {
            Ok(opened) => opened?,
            Err(_) => return Err(LocalError::Stopped { what: "table" }),
        };
        let (stop_sweeping, stopped) = watch::channel(false);
        let sweeping = tokio::spawn(sweep(database.clone(), options.ttl_interval, stopped));
        let serving = Serving::spawn_apart("table", listener, THREADS, move |listener, stop| {
            dynoxide::server::serve_with_shutdown(listener, database, async move {
                // A sender that is gone means the same: the table was dropped.
                let _ = stop.await;
            })
        })?;
        Ok(Self { serving, stop_sweeping, sweeping, lock })
    }

    /// Where SDK clients find it, as `http://127.0.0.1:8000`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.serving.addr())
    }

    /// Finishes the requests under way and ends; the data directory is free afterwards.
    pub async fn stop(self) {
        self.stop_sweeping.send_replace(true);
        if let Err(error) = self.sweeping.await {
            tracing::warn!(%error, "the sweep of expired items failed");
        }
        self.serving.stop().await;
        drop(self.lock);
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
    sound::set_aside_if_damaged(&path)?;
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
