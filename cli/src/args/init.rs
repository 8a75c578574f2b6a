//! `headcount init`: what can be asked for.

use clap::Args;

use super::connection::{KinesisArgs, LogArgs, ServiceArgs, TablesArgs};

const EXAMPLES: &str = "\
Examples:
  headcount init --log s3://my-events            stream and table in the AWS environment's account and region
  headcount init --shards 4 --retention-hours 168
  headcount init --on-demand --json
  headcount init --fix                           also switch on what an existing table lacks
  headcount init --local

What exists is compared and left as it is; doing it again changes nothing. Exit code 1 where something differs in a way
that breaks a promise. The bucket of the event log is only looked at: docs/aws.md has the commands that make one.";

/// `headcount init`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// The shards of a new stream: what each takes, and what that costs, is told by `headcount cost`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub(crate) shards: i32,
    /// Make a stream that scales by itself instead: it starts with four shards, and costs more until it is large
    #[arg(long, conflicts_with_all = ["shards", "local"])]
    pub(crate) on_demand: bool,
    /// How long the stream keeps records for a consumer that is down; the aggregator's `RETENTION_HOURS` must say the same
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(i32).range(24..=8_760))]
    pub(crate) retention_hours: i32,
    /// Do not keep backups of the figures from which any second of the last 35 days can be restored
    #[arg(long)]
    pub(crate) no_recovery: bool,
    /// Switch on what exists without it: expiry of items, point-in-time recovery, a longer retention
    #[arg(long)]
    pub(crate) fix: bool,
    /// Print what was found and done as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Which stream.
    #[command(flatten)]
    pub(crate) kinesis: KinesisArgs,
    /// Which tables.
    #[command(flatten)]
    pub(crate) tables: TablesArgs,
    /// Which event log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
