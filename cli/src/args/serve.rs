//! `headcount serve`: what can be asked for.

use std::net::IpAddr;
use std::path::PathBuf;

use chrono_tz::Tz;
use clap::Args;
use headcount_consumer::config::{MAX_LATENESS_DAYS, MAX_RETENTION_DAYS, MIN_RETENTION_DAYS};
use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS};

use super::collector::PostingArgs;
use super::connection::{COLLECTOR_PORT, DYNAMODB_PORT, KINESIS_PORT, WEB_PORT};
use super::values::Programs;
use super::{ItemArgs, PriceArgs};

/// Fewest and most days of the event log.
const MIN_RETENTION: i64 = MIN_RETENTION_DAYS as i64;
const MAX_RETENTION: i64 = MAX_RETENTION_DAYS as i64;

/// Most shards of an embedded stream.
const MAX_SHARDS: i64 = 64;

const EXAMPLES: &str = "\
Examples:
  headcount serve                       keeps nothing, until Ctrl-C
  headcount serve --data-dir ./data     what was accepted outlives restarts and kills
  headcount serve --data-dir ./data --no-event-items     faster and smaller, without single events in the table
  headcount serve --zone Europe/Berlin --window 5 --ip-policy drop
  headcount serve --event-types signup,purchase --lateness-days 30     events of your own types, up to 30 days late
  headcount serve --allow-origin http://localhost:3000     pages of this origin may post to the collector
  headcount serve --aws-bind 0.0.0.0 --aws-keys keys.txt     SDKs of other machines, with this key pair
  headcount serve --lambda              the functions as processes, as on AWS; RUST_LOG says what they log";

/// `headcount serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// Keep the event log, the table and every accepted record here [default: nowhere, all is gone when it stops]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where records that still fail after 22 hours are kept, for `headcount redrive`: a folder, or `s3://bucket/prefix` [default:
    /// `failures` in the data directory; without one they are retried without end, for nothing could keep them]
    #[arg(long, value_name = "PLACE")]
    pub(crate) failures: Option<String>,
    /// The address that the figures listen on; where other machines can connect, a read token is needed
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) bind: IpAddr,
    /// The address that the Kinesis and DynamoDB endpoints listen on; any but this machine's own needs --aws-keys
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) aws_bind: IpAddr,
    /// A file with an access key id on its first line and the secret on its second: the Kinesis and DynamoDB endpoints then answer
    /// only requests signed with them (Signature Version 4) [default: any signature is accepted]
    #[arg(long, value_name = "FILE")]
    pub(crate) aws_keys: Option<PathBuf>,
    /// The port of Kinesis; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = KINESIS_PORT)]
    pub(crate) kinesis_port: u16,
    /// The port of DynamoDB; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = DYNAMODB_PORT)]
    pub(crate) dynamodb_port: u16,
    /// The port of the figures and of `/healthz`; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = WEB_PORT)]
    pub(crate) port: u16,
    /// Who reads figures must give the token in this file [default: the variable `HEADCOUNT_READ_TOKEN`, if set]
    #[arg(long, value_name = "FILE")]
    pub(crate) read_token_file: Option<PathBuf>,
    /// The port of the collector, which takes events over HTTP; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = COLLECTOR_PORT)]
    pub(crate) collector_port: u16,
    /// The address that the collector listens on; any but this machine's own needs write keys
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) collector_bind: IpAddr,
    /// Accept only as many events as can be counted within so many seconds, shared fairly between clients; 0 accepts all
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(crate) count_within: u64,
    /// The stream's shards
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=MAX_SHARDS))]
    pub(crate) shards: u32,
    /// The time zone whose days the figures are of (IANA name); fixed when a table is first used [default: UTC]
    #[arg(long, value_name = "TZ")]
    pub(crate) zone: Option<Tz>,
    /// The project's name, kept in a new table
    #[arg(long, value_name = "NAME", default_value = "headcount")]
    pub(crate) project: String,
    /// Batching window, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=300))]
    pub(crate) window: u64,
    /// Additional event types, comma-separated; at most 50
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) event_types: Vec<String>,
    /// Maximum age of an event on arrival, in days
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_LATENESS_MS / DAY_MS,
        value_parser = clap::value_parser!(i64).range(0..=MAX_LATENESS_DAYS))]
    pub(crate) lateness_days: i64,
    /// What is kept of addresses: keep, truncate (to /24 or /48) or drop
    #[arg(long, value_name = "POLICY", default_value = "keep")]
    pub(crate) ip_policy: IpPolicy,
    /// User ids that name nobody, comma-separated, case-insensitive; their events count for no user. A lone comma is none
    /// [default: the variable `PLACEHOLDER_IDS`, or undefined, null, NaN, [object Object] and the like]
    #[arg(long, value_name = "IDS")]
    pub(crate) placeholder_ids: Option<String>,
    /// What tokens cost.
    #[command(flatten)]
    pub(crate) prices: PriceArgs,
    /// Which items to write.
    #[command(flatten)]
    pub(crate) items: ItemArgs,
    /// Days that the event log keeps its entries; fixed when a data directory is first used [default: 90]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(MIN_RETENTION..=MAX_RETENTION))]
    pub(crate) event_retention_days: Option<u32>,
    /// Tells a recreated stream from the first one: a name that changes when the stream is deleted and created again
    #[arg(long, value_name = "NAME")]
    pub(crate) stream_generation: Option<String>,
    /// Who may post to the collector.
    #[command(flatten)]
    pub(crate) posting: PostingArgs,
    /// Run consumer and aggregator as the programs that Lambda runs, from this folder [default: that of this command]
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "")]
    pub(crate) lambda: Option<Programs>,
}
