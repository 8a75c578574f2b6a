//! `headcount cost`: what a month costs, and where the money goes.

use headcount_core::limits::DEFAULT_SKETCH_PRECISION;

use crate::args::Cost;
use crate::connect;
use crate::cost::estimate::Terms;
use crate::cost::observed::{Observed, observe};
use crate::cost::prices::Prices;
use crate::cost::stream::Packing;
use crate::cost::units::Load;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output;

use report::{Asked, Report};

mod report;

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
