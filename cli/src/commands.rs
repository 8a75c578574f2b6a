//! One file a command: its arguments, and what it does.

use clap::{Parser, Subcommand};

use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;

mod ai;
mod asking;
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

pub(crate) use collector::PostingArgs;

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
    Demo(demo::Demo),
    /// Run the pipeline on this machine: stream, consumer, table, aggregator
    Serve(serve::Serve),
    /// Take events over HTTP, from browsers and other languages, onto the stream
    Collector(collector::Collector),
    /// Create the stream and the table, or say what is different of those that exist
    Init(init::Init),
    /// Say what of a deployment breaks a promise or wastes money
    Check(check::Check),
    /// Write generated events, one JSON object a line, to standard output
    Generate(generate::Generate),
    /// Send events, one JSON object a line, to the stream
    Send(send::Send),
    /// Send a steady load of made events, and measure how long they take to be accepted and counted
    Load(load::Load),
    /// Bring in history: events of a file, however old
    Import(import::Import),
    /// Do the work of the mapping and its function on this machine, for any stream and table
    Consume(consume::Consume),
    /// Handle again what an event source mapping gave up on
    Redrive(redrive::Redrive),
    /// Aggregate days now instead of waiting for the schedule
    Rollup(rollup::Rollup),
    /// Count days exactly, from the event log
    Prove(prove::Prove),
    /// Certify a proven day, so that others can repeat the count
    Certificate(certificate::CertificateCommand),
    /// Compare a day's counters with the event log
    Verify(verify::Verify),
    /// Count days again from the event log
    Rebuild(rebuild::Rebuild),
    /// Make a restored, lost or damaged table whole from the event log
    Restore(restore::Restore),
    /// Estimate what a month costs on AWS, and where the money goes
    Cost(cost::Cost),
    /// Print the figures of a range of days
    Metrics(metrics::Metrics),
    /// Print what people use, the most used first
    Features(features::Features),
    /// Print how many come, how often, and how long they stay
    Engagement(engagement::Engagement),
    /// Print the use of language models, and what it costs
    Ai(ai::Ai),
    /// Set monthly budgets of AI cost, and print what is spent of them
    Budget(budget::BudgetCommand),
    /// Print what one user did, the newest first
    User(user::User),
    /// Print what was rejected on a day, and why
    Rejected(rejected::Rejected),
    /// Print the figures of files of events, without any server
    Report(report::Report),
    /// Show the figures of a table to browsers and programs
    Dashboard(dashboard::Dashboard),
}

/// Does what was asked for.
pub(crate) async fn run(command: Command, interrupt: &Interrupt) -> Result<Ending, Failure> {
    match command {
        Command::Collector(args) => collector::run(args, interrupt).await,
        Command::Init(args) => init::run(args, interrupt).await,
        Command::Check(args) => check::run(args, interrupt).await,
        Command::Generate(args) => generate::run(&args, interrupt),
        Command::Send(args) => send::run(args, interrupt).await,
        Command::Load(args) => load::run(args, interrupt).await,
        Command::Import(args) => import::run(args, interrupt).await,
        Command::Consume(args) => consume::run(args, interrupt).await,
        Command::Redrive(args) => redrive::run(args, interrupt).await,
        Command::Rollup(args) => rollup::run(args, interrupt).await,
        Command::Prove(args) => prove::run(args, interrupt).await,
        Command::Certificate(args) => certificate::run(args, interrupt).await,
        Command::Verify(args) => verify::run(args, interrupt).await,
        Command::Rebuild(args) => rebuild::run(args, interrupt).await,
        Command::Restore(args) => restore::run(args, interrupt).await,
        Command::Demo(args) => demo::run(args, interrupt).await,
        Command::Serve(args) => serve::run(args, interrupt).await,
        Command::Cost(args) => cost::run(args, interrupt).await,
        Command::Metrics(args) => metrics::run(args, interrupt).await,
        Command::Features(args) => features::run(args, interrupt).await,
        Command::Engagement(args) => engagement::run(args, interrupt).await,
        Command::Budget(args) => budget::run(args, interrupt).await,
        Command::Ai(args) => ai::run(args, interrupt).await,
        Command::User(args) => user::run(args, interrupt).await,
        Command::Rejected(args) => rejected::run(args, interrupt).await,
        Command::Report(args) => report::run(args, interrupt).await,
        Command::Dashboard(args) => dashboard::run(args, interrupt).await,
    }
}

#[cfg(test)]
mod tests;
