//! The parts of the pipeline, measured. One program, because to link the AWS SDK takes minutes; what needs none of it is a
//! program of its own beside this one.

mod aggregator;
mod cold_start;
mod collector;
mod consumer;
mod producer;
mod query;

use std::pin::Pin;

use anyhow::Result;
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use tokio::runtime::Runtime;

/// As in the programs `headcount` and `headcount-consumer`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Parser)]
struct Arguments {
    /// Given by `cargo bench`; without it nothing is measured
    #[arg(long, global = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured.
#[derive(Subcommand)]
enum Part {
    Aggregator,
    ColdStart(cold_start::Arguments),
    Collector(collector::Arguments),
    Consumer(consumer::Arguments),
    Producer(producer::Arguments),
    Query,
}

fn main() -> Result<()> {
    let Arguments { bench: true, part: Some(part) } = Arguments::parse() else { return Ok(()) };
    // As many threads as there are processors, but for the consumer, whose function has one.
    let in_runtime = |bench: Pin<Box<dyn Future<Output = Result<()>>>>| Runtime::new()?.block_on(bench);
    match part {
        Part::Consumer(arguments) => consumer::run(arguments),
        Part::Aggregator => in_runtime(Box::pin(aggregator::run())),
        Part::ColdStart(arguments) => in_runtime(Box::pin(cold_start::run(arguments))),
        Part::Collector(arguments) => in_runtime(Box::pin(collector::run(arguments))),
        Part::Producer(arguments) => in_runtime(Box::pin(producer::run(arguments))),
        Part::Query => in_runtime(Box::pin(query::run())),
    }
}
