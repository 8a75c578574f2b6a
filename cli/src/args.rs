//! What can be asked for on the command line.

use std::net::IpAddr;
use std::path::PathBuf;

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::{Args, Parser, Subcommand};
use headcount_core::ip_policy::IpPolicy;

mod values;

pub(crate) use values::{Moment, Source};

/// The stream's name unless another is asked for.
pub(crate) const DEFAULT_STREAM: &str = "headcount-events";

/// The table's name unless another is asked for.
pub(crate) const DEFAULT_TABLE: &str = "headcount";

/// The port of the embedded Kinesis.
pub(crate) const KINESIS_PORT: u16 = 4567;

/// The port of the embedded DynamoDB.
pub(crate) const DYNAMODB_PORT: u16 = 8000;

/// The port of Headcount's own web server.
pub(crate) const WEB_PORT: u16 = 8600;

/// Most shards of an embedded stream.
const MAX_SHARDS: i64 = 64;

/// Most events of a demonstration, which remembers every session to know the truth.
const MAX_DEMO_EVENTS: u64 = 10_000_000;

/// Most users that events are drawn from.
const MAX_USERS: i64 = 100_000_000;

/// Most events that one run generates.
const MAX_EVENTS: u64 = 1_000_000_000;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "headcount",
    version,
    about = "Product analytics that a team runs in its own AWS account: counts you can prove",
    after_help = "\
Examples:
  headcount demo                        everything on this machine, with generated events
  headcount serve --data-dir ./data     the pipeline on this machine, for your own events
  headcount send --local events.ndjson  events into a running serve
  headcount metrics --local --from 2026-03-01 --to 2026-03-07

Exit codes: 0 all is well; 1 an error, figures that differ or events that were refused; 2 a wrong command line;
130 interrupted by Ctrl-C."
)]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole pipeline on this machine with generated events, and prove its figures
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Demo),
    /// Run the pipeline on this machine: stream, consumer, table, aggregator
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// Write generated events, one JSON object a line, to standard output
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate(Generate),
    /// Send events, one JSON object a line, to the stream
    #[command(after_help = SEND_EXAMPLES)]
    Send(Send),
    /// Aggregate days now instead of waiting for the schedule
    #[command(after_help = ROLLUP_EXAMPLES)]
    Rollup(Rollup),
    /// Prove a day's counters against its raw events
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Print the figures of a range of days
    #[command(after_help = METRICS_EXAMPLES)]
    Metrics(Metrics),
}

const DEMO_EXAMPLES: &str = "\
Examples:
  headcount demo                            20,000 events over 3 days, then keeps serving
  headcount demo --events 100000 --days 7   more of them
  headcount demo --exit                     stops after the proof: exit code 1 if a figure differs";

const SERVE_EXAMPLES: &str = "\
Examples:
  headcount serve                       in memory, until Ctrl-C
  headcount serve --data-dir ./data     the table outlives a restart
  headcount serve --zone Europe/Berlin --window 5 --ip-policy drop";

const GENERATE_EXAMPLES: &str = "\
Examples:
  headcount generate --events 1000 > events.ndjson
  headcount generate --events 1000 --seed 7 --end 2026-03-01T00:00:00Z    the same bytes every time
  headcount generate --events 50000 | headcount send --local -";

const SEND_EXAMPLES: &str = "\
Examples:
  headcount send --local events.ndjson                 to a running `headcount serve`
  zcat events.gz | headcount send --stream clicks -    to the stream `clicks` of your AWS account
  headcount send --failed left.ndjson events.ndjson    keeps what the stream refused, to send it again

An event without `eventId` and `timestamp` gets both before the first try, one with a `timestamp` alone gets an
`eventId`: a request that is repeated then counts once. Each line is one record; its `userId` is the partition key.";

const ROLLUP_EXAMPLES: &str = "\
Examples:
  headcount rollup --local                              every open day
  headcount rollup --date 2026-03-01 --date 2026-03-02  these days, open or not";

const VERIFY_EXAMPLES: &str = "\
Examples:
  headcount verify --local --date 2026-03-01
  headcount verify --date 2026-03-01 --json    exit code 1 if a counter differs";

const METRICS_EXAMPLES: &str = "\
Examples:
  headcount metrics --local --from 2026-03-01 --to 2026-03-07
  headcount metrics --from 2026-03-01 --to 2026-03-31 --json | jq .total.activeUsers";

/// Where the stream is, and as whom to ask.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ServiceArgs {
    /// Use a `headcount serve` on this machine's default ports, instead of the AWS environment
    #[arg(long)]
    pub(crate) local: bool,
    /// The AWS region [default: the AWS environment's]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
}

/// The stream.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct StreamArgs {
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Where Kinesis is [default: the AWS environment's]
    #[arg(long, value_name = "URL", value_parser = values::endpoint)]
    pub(crate) kinesis_endpoint: Option<String>,
    /// The stream's name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STREAM)]
    pub(crate) stream: String,
}

/// The table, or both of them.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct TableArgs {
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Where DynamoDB is [default: the AWS environment's]
    #[arg(long, value_name = "URL", value_parser = values::endpoint)]
    pub(crate) dynamodb_endpoint: Option<String>,
    /// The table's name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_TABLE)]
    pub(crate) table: String,
    /// The table of the figures, where it is another [default: the same]
    #[arg(long, value_name = "NAME")]
    pub(crate) metrics_table: Option<String>,
}

/// `headcount demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many events to generate, duplicates and invalid ones included
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=MAX_DEMO_EVENTS))]
    pub(crate) events: u64,
    /// How many users they come from [default: one for 10 events]
    #[arg(long, value_name = "U", value_parser = clap::value_parser!(u32).range(1..=MAX_USERS))]
    pub(crate) users: Option<u32>,
    /// Over how many days, today included
    #[arg(long, value_name = "D", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=30))]
    pub(crate) days: u32,
    /// The same seed on the same day generates the same events
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Stop after the proof, with exit code 1 if a figure differs
    #[arg(long)]
    pub(crate) exit: bool,
}

/// `headcount serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Keep the table here [default: in memory, gone when it stops]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The address to listen on; there is no authentication, so think before you change it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) bind: IpAddr,
    /// The port of Kinesis; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = KINESIS_PORT)]
    pub(crate) kinesis_port: u16,
    /// The port of DynamoDB; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = DYNAMODB_PORT)]
    pub(crate) dynamodb_port: u16,
    /// The port of `/healthz`; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = WEB_PORT)]
    pub(crate) port: u16,
    /// The stream's shards
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=MAX_SHARDS))]
    pub(crate) shards: u32,
    /// The time zone whose days the figures are of (IANA name); fixed when a table is first used [default: UTC]
    #[arg(long, value_name = "TZ")]
    pub(crate) zone: Option<Tz>,
    /// The project's name, kept in a new table
    #[arg(long, value_name = "NAME", default_value = "headcount")]
    pub(crate) project: String,
    /// The longest that an event waits for company before the consumer takes it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=300))]
    pub(crate) window: u64,
    /// What is kept of addresses: keep, truncate (to /24 or /48) or drop
    #[arg(long, value_name = "POLICY", default_value = "keep")]
    pub(crate) ip_policy: IpPolicy,
}

/// `headcount generate`.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// How many lines, duplicates and invalid ones included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_EVENTS))]
    pub(crate) events: u64,
    /// How many users they come from [default: one for 10 events]
    #[arg(long, value_name = "U", value_parser = clap::value_parser!(u32).range(1..=MAX_USERS))]
    pub(crate) users: Option<u32>,
    /// Over how many days
    #[arg(long, value_name = "D", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub(crate) days: u32,
    /// The same seed and `--end` give the same bytes
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// When the last event happens: RFC 3339 or milliseconds since the epoch [default: now]
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) end: Option<Moment>,
    /// The share of invalid lines, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = values::share)]
    pub(crate) invalid: f64,
    /// The share of duplicates, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = values::share)]
    pub(crate) duplicates: f64,
    /// The time zone that the users live in (IANA name)
    #[arg(long, value_name = "TZ", default_value = "UTC")]
    pub(crate) zone: Tz,
}

/// `headcount send`.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The file of newline-delimited events, `-` for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) source: Source,
    /// Write the lines that the stream kept refusing to this file, as they were sent
    #[arg(long, value_name = "FILE")]
    pub(crate) failed: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to.
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
}

/// `headcount rollup`.
#[derive(Debug, Args)]
pub(crate) struct Rollup {
    /// A day, YYYY-MM-DD; may be given again [default: every open day]
    #[arg(long = "date", value_name = "DATE", value_parser = values::date)]
    pub(crate) dates: Vec<NaiveDate>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}

/// `headcount verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The day, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(crate) date: NaiveDate,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}

/// `headcount metrics`.
#[derive(Debug, Args)]
pub(crate) struct Metrics {
    /// The first day, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(crate) from: NaiveDate,
    /// The last day, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(crate) to: NaiveDate,
    /// Print the figures as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}

#[cfg(test)]
mod tests;
