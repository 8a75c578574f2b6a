//! `headcount report`: the figures of files, without any server.

use std::time::Instant;

use headcount_consumer::config::EVENT_TYPES;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, MAX_EARLINESS_MS};
use headcount_core::validate::Rules;
use headcount_runtime::clock::Clock;

use super::asking::print;
use super::metrics::tables;
use crate::args::{FormatArgs, Moment, Report};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};
use crate::report::figures::figures;
use crate::report::fold::{Folded, Reading, fold};

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
    let counting = tokio::task::spawn_blocking(move || {
        let Some(folded) = fold(&reading, &asked)? else { return Ok(None) };
        let metrics = figures(&folded, reading.zone, reading.arrived_ms)?;
        Ok(Some((folded, metrics)))
    });
    let counted =
        counting.await.map_err(|error| Failure::new(format!("nothing was counted ({error})"), "report this"))?;
    let Some((folded, metrics)) = counted? else { return Ok(Ending::Interrupted) };
    tell(&folded, begun.elapsed().as_secs_f64());
    print(Some(metrics), FormatArgs { json: args.json, csv: args.csv }, |metrics| {
        Ok(tables(metrics)?.iter().map(Table::to_string).collect())
    })
}

fn rules(args: &Report) -> Result<Rules, Failure> {
    let variable = std::env::var(EVENT_TYPES).ok();
    let names = args.rules.event_types.as_deref().or(variable.as_deref()).unwrap_or_default().split(',').map(str::trim);
    let types = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let lateness_ms = args.lateness_days.map(|days| i64::from(days) * DAY_MS);
    Rules::new(types, lateness_ms, MAX_EARLINESS_MS, args.rules.ip_policy.unwrap_or(IpPolicy::Keep))
        .map_err(Failure::said)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What was read, for people; what is wrong with lines is no figure.
fn tell(folded: &Folded, seconds: f64) {
    for (line, reasons) in &folded.examples {
        output::note(&format!("line {line}: {reasons}"));
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
