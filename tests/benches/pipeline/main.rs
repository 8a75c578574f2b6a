//! The parts of the pipeline, measured. One program, because to link the AWS SDK takes minutes; what needs none of it is a
//! program of its own beside this one.

mod aggregator;
mod cold_start;
mod collector;
mod consumer;
mod producer;
mod prove;
mod query;

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
    Prove(prove::Arguments),
    Query,
}

fn main() -> Result<()> {
    let Arguments { bench: true, part: Some(part) } = Arguments::parse() else { return Ok(()) };
    match part {
        Part::Consumer(arguments) => consumer::run(arguments),
        Part::Aggregator => in_runtime(aggregator::run()),
        Part::ColdStart(arguments) => in_runtime(cold_start::run(arguments)),
        Part::Collector(arguments) => in_runtime(collector::run(arguments)),
        Part::Producer(arguments) => in_runtime(producer::run(arguments)),
        Part::Prove(arguments) => in_runtime(prove::run(arguments)),
        Part::Query => in_runtime(query::run()),
    }
}

/// On as many threads as there are processors. The consumer has a runtime of its own: its function has one processor.
fn in_runtime(bench: impl Future<Output = Result<()>>) -> Result<()> {
    Runtime::new()?.block_on(bench)
}
