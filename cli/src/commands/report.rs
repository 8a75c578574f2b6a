//! `headcount report`: the figures of files, without any server.

use std::path::PathBuf;
use std::time::Instant;

use chrono_tz::Tz;
use clap::Args;
use headcount_consumer::config::EVENT_TYPES;
use headcount_core::calendar::day_of;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, MAX_EARLINESS_MS};
use headcount_core::validate::Rules;
use headcount_runtime::clock::Clock;

use super::asking::print;
use super::metrics::tables;
use crate::args::{FormatArgs, Moment, PriceArgs, RuleArgs, values};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};
use crate::report::figures::figures;
use crate::report::fold::{Example, Folded, Reading, fold};

/// Most threads.
const MAX_THREADS: i64 = 1_024;

const EXAMPLES: &str = "\
Examples:
  headcount report events.ndjson
  headcount report january.ndjson.gz february.ndjson.zst --zone Europe/Berlin --json
  headcount report events.ndjson --csv > days.csv";

/// `headcount report`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Report {
    /// Files with one event a line, plain or compressed with gzip or zstd
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The time zone whose days are counted (IANA name)
    #[arg(long, value_name = "TZ", default_value = "UTC")]
    pub(crate) zone: Tz,
    /// When the events arrived: later ones are rejected, and what is rejected counts on that day [default: now]
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) arrived: Option<Moment>,
    /// Days before their arrival that events may lie; earlier ones are rejected [default: no limit]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(0..=80))]
    pub(crate) lateness_days: Option<u16>,
    /// Threads that count [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_THREADS))]
    pub(crate) threads: Option<u32>,
    /// Print the figures as one JSON object, as `headcount metrics` does
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a line of comma-separated values for each day
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// What is acceptable.
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// What tokens cost.
    #[command(flatten)]
    pub(crate) prices: PriceArgs,
}

/// Runs it.
pub(crate) async fn run(args: Report, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let arrived_ms = args.arrived.map_or_else(|| Clock::system().now_ms(), |Moment(ms)| ms);
    let reading = Reading {
        rules: rules(&args)?,
        zone: args.zone,
        arrived_ms,
        threads: args.threads.map_or_else(cores, |threads| threads as usize),
        files: args.files,
    };
    let (asked, begun) = (interrupt.clone(), Instant::now());
    let arrival = day_of(args.zone, arrived_ms).unwrap_or_default().to_string();
    let counting = tokio::task::spawn_blocking(move || {
        let Some(folded) = fold(&reading, &asked)? else { return Ok(None) };
        let metrics = figures(&folded, reading.zone, reading.arrived_ms)?;
        Ok(Some((folded, metrics)))
    });
    let counted =
        counting.await.map_err(|error| Failure::new(format!("nothing was counted ({error})"), "report this"))?;
    let Some((folded, metrics)) = counted? else { return Ok(Ending::Interrupted) };
    tell(&folded, &arrival, begun.elapsed().as_secs_f64());
    let ending = print(Some(metrics), FormatArgs { json: args.json, csv: args.csv }, |metrics| {
        Ok(tables(metrics)?.iter().map(Table::to_string).collect())
    })?;
    // Figures of nothing are no answer.
    Ok(if folded.events == 0 && folded.rejected > 0 { Ending::Differences } else { ending })
}

fn rules(args: &Report) -> Result<Rules, Failure> {
    let variable = std::env::var(EVENT_TYPES).ok();
    let names = args.rules.event_types.as_deref().or(variable.as_deref()).unwrap_or_default().split(',').map(str::trim);
    let types = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let lateness_ms = args.lateness_days.map(|days| i64::from(days) * DAY_MS);
    let rules = Rules::new(types, lateness_ms, MAX_EARLINESS_MS, args.rules.ip_policy.unwrap_or(IpPolicy::Keep));
    let rules = args.rules.with_placeholder_ids(rules.map_err(Failure::said)?)?;
    Ok(rules.with_prices(args.prices.table_or_shipped()?))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What was read, for people; what is wrong with lines is no figure.
fn tell(folded: &Folded, arrival: &str, seconds: f64) {
    for Example { line, unit, reasons } in &folded.examples {
        output::note(&format!("{unit} {line}: {reasons}"));
    }
    for note in notes(folded, arrival) {
        output::note(&note);
    }
    let speed = folded.lines as f64 / seconds.max(1e-9);
    output::note(&format!(
        "{} lines in {seconds:.2} s ({} a second): {} events, {} duplicates, {} rejected",
        whole(folded.lines),
        whole(speed as u64),
        whole(folded.events),
        whole(folded.duplicates),
        whole(folded.rejected),
    ));
}

/// What a person should know of the events that were counted.
fn notes(folded: &Folded, arrival: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let count = |count: u64, one: &str, more: &str| {
        (count > 0).then(|| format!("{} {}", whole(count), if count == 1 { one } else { more }))
    };
    if let Some(events) = count(folded.without_time, "event tells", "events tell") {
        let names: Vec<_> = folded.unknown_names.iter().map(String::as_str).collect();
        let fields = if names.is_empty() { String::new() } else { format!("; unknown fields: {}", names.join(", ")) };
        notes.push(format!(
            "{events} no time (timestamp) and count on {arrival}, when they arrived (--arrived){fields}"
        ));
    }
    if let Some(events) = count(folded.placeholders, "event has", "events have") {
        notes.push(format!("{events} a userId that names nobody (such as undefined or null) and count for no user"));
    }
    if let Some(properties) = count(folded.mended, "property was", "properties were") {
        notes.push(format!("{properties} mended or dropped, because no table can hold them as they are"));
    }
    if let Some(ids) = count(folded.ids_with_several_times, "id comes", "ids come") {
        notes.push(format!(
            "{ids} with more than one timestamp: each counts as that many events; does a producer stamp an event anew when it sends \
             it again?"
        ));
    }
    notes
}
