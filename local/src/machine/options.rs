//! How the pipeline of one machine is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use headcount_core::prices::PriceTable;
use headcount_core::validate::Rules;
use headcount_doors::Limits;
use headcount_follow::ItemOptions;
use headcount_runtime::aws::StaticCredentials;

use super::functions::Functions;
use crate::mapping::options::{FUNCTION_TIMEOUT, MAX_BATCH_SIZE};
use crate::schedule::INTERVAL;

/// How the pipeline of one machine is set up.
#[derive(Clone, Debug)]
pub struct MachineOptions {
    /// Where the log, the table, the mapping's checkpoints and the journal of accepted records are kept; `None` keeps nothing
    /// beyond the process.
    pub data_dir: Option<PathBuf>,
    /// Where batches are kept that cannot pass: a folder or `s3://bucket/prefix`. `None` takes the folder
    /// [`super::FAILURES_FOLDER`] of the data directory; without that either, they are retried without end.
    pub failures: Option<String>,
    /// Where the stream listens. Port 0 takes a free one.
    pub kinesis_addr: SocketAddr,
    /// Where the table listens. Port 0 takes a free one.
    pub dynamodb_addr: SocketAddr,
    /// What requests to both must be signed with; `None` takes any signature, on the loopback interface.
    pub aws_keys: Option<StaticCredentials>,
    /// What clients may hold of each of the two listeners.
    pub limits: Limits,
    /// How long counting what waits may take before more is refused; nothing is where it is zero.
    pub count_within: Duration,
    /// The stream's name.
    pub stream: String,
    /// How many shards the stream starts with.
    pub shards: u32,
    /// The table's name.
    pub table: String,
    /// The reporting zone; `None` takes that of an existing log, UTC for a new one.
    pub zone: Option<Tz>,
    /// The project's name, for a new log.
    pub project: String,
    /// What makes an event acceptable.
    pub rules: Rules,
    /// How the functions run.
    pub functions: Functions,
    /// The most records of a batch.
    pub batch_size: usize,
    /// How long the consumer may take for a batch.
    pub function_timeout: Duration,
    /// How long a batch waits for more records.
    pub window: Duration,
    /// Which items are written for people to look at.
    pub items: ItemOptions,
    /// Days that the log keeps an entry; `None` takes those of an existing log, the default for a new one.
    pub log_retention_days: Option<u32>,
    /// Tells a stream that was deleted and created again under its old name from the first one.
    pub stream_generation: Option<String>,
    /// How often the open days are aggregated.
    pub roll_up_interval: Duration,
}

impl Default for MachineOptions {
    /// In memory, on free ports of the loopback interface, two shards, hourly roll-ups.
    fn default() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            data_dir: None,
            failures: None,
            kinesis_addr: any_port,
            dynamodb_addr: any_port,
            aws_keys: None,
            limits: Limits::default(),
            count_within: Duration::ZERO,
            stream: "headcount-events".to_owned(),
            shards: 2,
            table: "headcount".to_owned(),
            zone: None,
            project: "headcount".to_owned(),
            rules: Rules::default().with_prices(PriceTable::shipped()),
            functions: Functions::InProcess,
            batch_size: MAX_BATCH_SIZE,
            function_timeout: FUNCTION_TIMEOUT,
            window: Duration::ZERO,
            items: ItemOptions::default(),
            log_retention_days: None,
            stream_generation: None,
            roll_up_interval: INTERVAL,
        }
    }
}
