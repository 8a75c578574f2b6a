//! One file a command.

use crate::args::Command;
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
