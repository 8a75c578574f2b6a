//! The command `headcount`: wires arguments, signals, logs and exit codes, and decides nothing.

mod aggregation;
mod args;
mod check;
mod collecting;
mod commands;
mod connect;
mod consumption;
mod content;
mod cost;
mod failure;
mod generate;
mod history;
mod interrupt;
mod lines;
mod output;
mod progress;
mod report;
mod sender;
mod web;

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;

use crate::commands::{Command, CommandLine};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;

/// The system's own takes up to a quarter of the processor where an embedded table, the SDK and maps of JSON are at work.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What is logged to standard error where `RUST_LOG` does not say otherwise.
const DEFAULT_LOG: &str = "off,headcount=warn";

fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| DEFAULT_LOG.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(command) {
        Ok(ending) => ExitCode::from(ending.code()),
        Err(failure) => {
            if failure != Failure::ReaderGone {
                output::note(&format!("error: {failure}"));
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run(command: Command) -> Result<Ending, Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::new(format!("no threads can be started ({error})"), "raise this process's limits"))?;
    let ending = runtime.block_on(async { commands::run(command, &Interrupt::listen()?).await });
    // A read of standard input that still waits must not keep the process.
    runtime.shutdown_background();
    ending
}
