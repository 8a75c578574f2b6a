//! `headcount cost`: what a month costs, and where the money goes.

mod report;

use std::path::PathBuf;

use clap::Args;
use headcount_core::limits::DEFAULT_SKETCH_PRECISION;
use report::{Asked, Report};

use crate::args::{DeploymentArgs, ItemArgs, values};
use crate::cost::estimate::Terms;
use crate::cost::observed::{Observed, observe};
use crate::cost::prices::Prices;
use crate::cost::stream::Packing;
use crate::cost::units::Load;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::{connect, output};

const EXAMPLES: &str = "\
Examples:
  headcount cost --events-per-day 864000                    10 events a second
  headcount cost --events-per-day 864000 --window 60        cheaper, and a minute late
  headcount cost --events-per-day 86400000 --no-event-items     much cheaper: figures only, events in the log
  headcount cost --events-per-day 86400000 --no-event-items --packed
  headcount cost --events-per-day 864000,86400000           side by side
  headcount cost --from-table --json
  headcount cost --print-prices > prices.toml
  headcount cost --events-per-day 864000 --prices prices.toml

List prices of one region at one date, both printed; no free tier, no transfer, no tax. An estimate, no offer.";

/// `headcount cost`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cost {
    /// Events a day; several, comma-separated, are shown side by side
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    #[arg(required_unless_present_any = ["from_table", "print_prices"])]
    pub(crate) events_per_day: Vec<u64>,
    /// Take what is not given here from the last full days of the table, and the size of events from the event log
    #[arg(long)]
    pub(crate) from_table: bool,
    /// Bytes of an event's JSON [default: 450]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(100..=65_536))]
    pub(crate) bytes: Option<u32>,
    /// Different users a day [default: one for 20 events]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) users: Option<u64>,
    /// The share of events that are their user's very first [default: 0.01]
    #[arg(long, value_name = "SHARE", value_parser = values::share)]
    pub(crate) new_users: Option<f64>,
    /// The share of events that break a rule [default: 0.01]
    #[arg(long, value_name = "SHARE", value_parser = values::share)]
    pub(crate) invalid: Option<f64>,
    /// The share of events that come days late, up to 7, while others come minutes late
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = values::share)]
    pub(crate) late: f64,
    /// Producers pack many events into one record, as our Rust library and `headcount send --pack` do
    #[arg(long)]
    pub(crate) packed: bool,
    /// Processes that produce: each packs records of its own [default: one for 1,000 events a second]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) producers: Option<u32>,
    /// Batching window, in seconds: a longer one makes larger batches and later figures
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=300))]
    pub(crate) window: u16,
    /// Shards of a provisioned stream [default: what the peak needs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) shards: Option<u32>,
    /// How many times the mean rate the busiest moment has
    #[arg(long, value_name = "TIMES", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) peak: u16,
    /// Which items are written.
    #[command(flatten)]
    pub(crate) items: ItemArgs,
    /// Count a retention of up to 7 days instead of 24 hours
    #[arg(long)]
    pub(crate) long_retention: bool,
    /// Leave out point-in-time recovery of the table
    #[arg(long)]
    pub(crate) no_recovery: bool,
    /// Other prices: a file like the one that `--print-prices` prints
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Print the built-in prices and nothing else
    #[arg(long)]
    pub(crate) print_prices: bool,
    /// Print everything as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}

/// Bytes of an event's JSON, unless told.
const DEFAULT_BYTES: f64 = 450.0;

/// Events of a user and day, unless told.
const EVENTS_PER_USER: f64 = 20.0;

/// The share of new users' events and of invalid ones, unless told.
const DEFAULT_SHARE: f64 = 0.01;

/// Events a second of one process that produces, unless told.
const EVENTS_PER_PRODUCER: f64 = 1_000.0;

/// Runs it.
pub(crate) async fn run(args: Cost, interrupt: &Interrupt) -> Result<Ending, Failure> {
    if args.print_prices {
        output::line(Prices::built_in().trim_end())?;
        return Ok(Ending::Fine);
    }
    let prices = Prices::read(args.prices.as_deref())?;
    let observed = if args.from_table {
        let work = async {
            let store = connect::table(&args.deployment.table).await?;
            let log = match connect::log(&args.deployment.table.services, &args.deployment.log).await {
                Ok(log) => Some(log),
                // Only how large events are cannot be seen then.
                Err(_) if args.deployment.log.log.is_none() => None,
                Err(failure) => return Err(failure),
            };
            observe(&store, log.as_ref()).await
        };
        let Some(observed) = interrupt.or(Box::pin(work)).await else { return Ok(Ending::Interrupted) };
        Some(observed?)
    } else {
        None
    };
    let rates: Vec<f64> = match &observed {
        Some(observed) if args.events_per_day.is_empty() => vec![observed.events_per_day],
        _ => args.events_per_day.iter().map(|events| *events as f64).collect(),
    };
    let loads: Vec<Asked> = rates.into_iter().map(|events| asked(&args, observed.as_ref(), events)).collect();
    let terms = Terms { extended: args.long_retention, recovery: !args.no_recovery, ..Terms::default() };
    let report = Report::new(&loads, &prices, terms);
    if args.json {
        output::json(&report.json())?;
    } else {
        if let Some(observed) = &observed {
            output::note(&format!("of the table's last {} full days with events", observed.days));
        }
        output::line(&report.text())?;
    }
    Ok(Ending::Fine)
}

fn asked(args: &Cost, observed: Option<&Observed>, events_per_day: f64) -> Asked {
    let seen = |of: fn(&Observed) -> f64| observed.map(of);
    let bytes = args.bytes.map(f64::from).or(observed.and_then(|observed| observed.event_bytes));
    let users = args.users.map(|users| users as f64).or(seen(|observed| observed.users));
    let mut load = Load {
        events_per_day,
        event_bytes: bytes.unwrap_or(DEFAULT_BYTES),
        users: users.unwrap_or_else(|| (events_per_day / EVENTS_PER_USER).max(1.0)),
        new_users: args.new_users.or(seen(|observed| observed.new_users)).unwrap_or(DEFAULT_SHARE),
        invalid: args.invalid.or(seen(|observed| observed.invalid)).unwrap_or(DEFAULT_SHARE),
        late: args.late,
        window_s: f64::from(args.window),
        sources: 1,
        peak: f64::from(args.peak),
        precision: observed.map_or(DEFAULT_SKETCH_PRECISION, |observed| observed.precision),
        items: args.items.options(),
        packing: Packing::Single,
    };
    let producers = args.producers.map_or_else(|| (load.rate() / EVENTS_PER_PRODUCER).ceil(), f64::from);
    if args.packed {
        load.packing = Packing::Packed { producers };
    }
    let shards = args.shards.or(observed.and_then(|observed| observed.sources));
    load.sources = shards.unwrap_or_else(|| load.shards_needed());
    Asked { load, shards, producers }
}
