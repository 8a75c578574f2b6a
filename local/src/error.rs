//! How standing in for AWS can fail. Every message says what to do next.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What went wrong on this machine.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Another program listens there.
    #[error("the {what} cannot listen on {addr}: port {} is in use; stop the program that uses it, or choose another port ({option})", addr.port())]
    PortInUse {
        /// What wanted to listen.
        what: &'static str,
        /// Where.
        addr: SocketAddr,
        /// The option that chooses the port.
        option: &'static str,
    },
    /// The address cannot be listened on for another reason.
    #[error("the {what} cannot listen on {addr} ({option}): {source}")]
    Bind {
        /// What wanted to listen.
        what: &'static str,
        /// Where.
        addr: SocketAddr,
        /// The option that chooses the port.
        option: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file or directory of the data directory cannot be used.
    #[error("{} cannot be {action}: {source}; choose a data directory that this user may write to", path.display())]
    DataDir {
        /// The file or directory.
        path: PathBuf,
        /// What was tried: `"created"`, `"written"`, ...
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another process works on the same data directory.
    #[error("another process uses the data directory {} (it holds {}); stop it, or choose another directory", dir.display(), lock.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The locked file.
        lock: PathBuf,
    },
    /// A file of the data directory does not hold what it should.
    #[error("{} is damaged: {detail}; {advice}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
        /// What to do, and what that means.
        advice: &'static str,
    },
    /// The table has counted entries that the log does not have.
    #[error(
        "the table has counted entry {entry} of {source_name}, and the event log in {} ends before it: put back the newer log, or          move table.sqlite out of the data directory to count the log that is there", log.display()
    )]
    TableAhead {
        /// The log's folder.
        log: PathBuf,
        /// The source.
        source_name: String,
        /// The entry.
        entry: u64,
    },
    /// The machine's clock lies too far behind an earlier run.
    #[error(
        "the machine's clock lies {behind_s} s behind an earlier run on {}: the stream would hand out sequence numbers \
         again; set the clock right, or choose another data directory", path.display()
    )]
    ClockBehind {
        /// The file that knows the earlier run.
        path: PathBuf,
        /// How far behind, in seconds.
        behind_s: u64,
    },
    /// An option is out of its bounds.
    #[error("{field}: {rule}")]
    Option {
        /// Which option.
        field: &'static str,
        /// What holds for it.
        rule: String,
    },
    /// A function's program is missing.
    #[error(
        "{} is not there: build it with `cargo build -p headcount-consumer -p headcount-aggregator`, or name the folder \
         that holds it", path.display()
    )]
    Program {
        /// The program.
        path: PathBuf,
    },
    /// The stream cannot be used.
    #[error("the stream {stream:?} cannot be used: {detail}")]
    Stream {
        /// The stream's name.
        stream: String,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// The failure destination cannot be used.
    #[error("the failure destination {place} cannot be {action}: {detail}; check that it is there and may be used")]
    Failures {
        /// The folder, or the place in S3.
        place: String,
        /// What was tried: `"written"`, `"listed"`, ...
        action: &'static str,
        /// What was said.
        detail: String,
    },
    /// A file of the failure destination is not what a mapping keeps.
    #[error("{file} is no invocation that a mapping kept: {detail}; move it away, or name another place")]
    NotKept {
        /// The file, with its place.
        file: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The deadline came before all records were processed.
    #[error(
        "{pending} of {shards} shards still had records to process when the time was up; they stay in the stream, and \
         are delivered again after the checkpoint"
    )]
    NotDrained {
        /// Shards with records left.
        pending: usize,
        /// All shards.
        shards: usize,
    },
    /// What was waited for has stopped.
    #[error("the {what} has stopped")]
    Stopped {
        /// What has stopped.
        what: &'static str,
    },
    /// What was run by hand failed.
    #[error("the {what} failed: {detail}; it is tried again at its next time")]
    Failed {
        /// What was run.
        what: &'static str,
        /// Why.
        detail: String,
    },
}
