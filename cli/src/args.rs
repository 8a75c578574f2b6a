//! What can be asked for on the command line: one module a command.

use clap::{Parser, Subcommand};

mod ai;
mod budget;
mod certificate;
mod check;
mod collector;
mod consume;
mod cost;
mod dashboard;
mod demo;
mod engagement;
mod features;
mod generate;
mod import;
mod init;
mod load;
mod metrics;
mod prove;
mod rebuild;
mod redrive;
mod rejected;
mod report;
mod restore;
mod rollup;
mod send;
mod serve;
mod user;
mod verify;

mod connection;
mod items;
mod prices;
mod range;
mod rules;
mod values;

pub(crate) use ai::Ai;
pub(crate) use budget::{BudgetAction, BudgetCommand, RemoveBudget, SetBudget};
pub(crate) use certificate::Certificate;
pub(crate) use check::Check;
pub(crate) use collector::{Collector, PostingArgs};
pub(crate) use connection::{
    DEFAULT_STREAM, DEFAULT_TABLE, DYNAMODB_PORT, DeploymentArgs, DynamoArgs, KINESIS_PORT, KinesisArgs, LogArgs,
    ServiceArgs, StreamArgs, TableArgs, TablesArgs, WEB_PORT,
};
pub(crate) use consume::Consume;
pub(crate) use cost::Cost;
pub(crate) use dashboard::Dashboard;
pub(crate) use demo::Demo;
pub(crate) use engagement::Engagement;
pub(crate) use features::Features;
pub(crate) use generate::Generate;
pub(crate) use import::Import;
pub(crate) use init::Init;
pub(crate) use items::ItemArgs;
pub(crate) use load::Load;
pub(crate) use metrics::Metrics;
pub(crate) use prices::PriceArgs;
pub(crate) use prove::Prove;
pub(crate) use range::{FormatArgs, PageArgs, RangeArgs};
pub(crate) use rebuild::Rebuild;
pub(crate) use redrive::Redrive;
pub(crate) use rejected::Rejected;
pub(crate) use report::Report;
pub(crate) use restore::Restore;
pub(crate) use rollup::Rollup;
pub(crate) use rules::RuleArgs;
pub(crate) use send::Send;
pub(crate) use serve::Serve;
pub(crate) use user::User;
pub(crate) use values::{Moment, Programs, Source};
pub(crate) use verify::Verify;

/// Most users that events are drawn from.
const MAX_USERS: i64 = 100_000_000;

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
    Demo(Demo),
    /// Run the pipeline on this machine: stream, consumer, table, aggregator
    Serve(Serve),
    /// Take events over HTTP, from browsers and other languages, onto the stream
    Collector(Collector),
    /// Create the stream and the table, or say what is different of those that exist
    Init(Init),
    /// Say what of a deployment breaks a promise or wastes money
    Check(Check),
    /// Write generated events, one JSON object a line, to standard output
    Generate(Generate),
    /// Send events, one JSON object a line, to the stream
    Send(Send),
    /// Send a steady load of made events, and measure how long they take to be accepted and counted
    Load(Load),
    /// Bring in history: events of a file, however old
    Import(Import),
    /// Do the work of the mapping and its function on this machine, for any stream and table
    Consume(Consume),
    /// Handle again what an event source mapping gave up on
    Redrive(Redrive),
    /// Aggregate days now instead of waiting for the schedule
    Rollup(Rollup),
    /// Count days exactly, from the event log
    Prove(Prove),
    /// Certify a proven day, so that others can repeat the count
    Certificate(Certificate),
    /// Compare a day's counters with the event log
    Verify(Verify),
    /// Count days again from the event log
    Rebuild(Rebuild),
    /// Make a restored, lost or damaged table whole from the event log
    Restore(Restore),
    /// Estimate what a month costs on AWS, and where the money goes
    Cost(Cost),
    /// Print the figures of a range of days
    Metrics(Metrics),
    /// Print what people use, the most used first
    Features(Features),
    /// Print how many come, how often, and how long they stay
    Engagement(Engagement),
    /// Print the use of language models, and what it costs
    Ai(Ai),
    /// Set monthly budgets of AI cost, and print what is spent of them
    Budget(BudgetCommand),
    /// Print what one user did, the newest first
    User(User),
    /// Print what was rejected on a day, and why
    Rejected(Rejected),
    /// Print the figures of files of events, without any server
    Report(Report),
    /// Show the figures of a table to browsers and programs
    Dashboard(Dashboard),
}

#[cfg(test)]
mod tests;
