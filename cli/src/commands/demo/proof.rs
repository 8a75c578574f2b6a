//! The proof: send, count, roll up, compare, verify.

use chrono::NaiveDate;
use headcount_core::calendar::{day_of, days};
use headcount_local::machine::Machine;
use headcount_query::{Deps, PlatformMetrics, Range, get_platform_metrics};
use headcount_runtime::clock::Clock;

use super::compare::Bounds;
use super::feed::{Known, feed};
use super::report::{ComparedDay, tables};
use super::{Sender, expected};
use crate::commands::{rollup, verify};
use crate::failure::{Ending, Failure};
use crate::generate::GeneratorOptions;
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole};
use crate::progress::Progress;

/// Sends what these options generate, and proves every figure that comes of it.
pub(super) async fn prove(
    machine: &Machine,
    options: &GeneratorOptions,
    sender: &mut Sender,
    interrupt: &Interrupt,
) -> Result<Ending, Failure> {
    let mut progress = Progress::start("sending", Some(options.events));
    let fed = feed(options, sender, &mut progress, interrupt).await;
    progress.finish();
    let Some(known) = fed? else { return Ok(Ending::Interrupted) };
    let Some(counted) = interrupt.or(count(machine, options.events)).await else { return Ok(Ending::Interrupted) };
    counted?;
    let Some(proven) = interrupt.or(compare(machine, options, &known)).await else { return Ok(Ending::Interrupted) };
    proven
}

/// Waits until the consumer has handled every record.
async fn count(machine: &Machine, records: u64) -> Result<(), Failure> {
    let mut seen = machine.progress();
    let mut progress = Progress::start("counting", Some(records));
    let mut caught_up = std::pin::pin!(machine.caught_up());
    loop {
        tokio::select! {
            biased;
            done = &mut caught_up => {
                progress.finish();
                return done.map_err(Failure::said);
            }
            Ok(()) = seen.changed() => progress.set(seen.borrow_and_update().records),
        }
    }
}

async fn compare(machine: &Machine, options: &GeneratorOptions, known: &Known) -> Result<Ending, Failure> {
    let rolled_up = machine.roll_up().await.map_err(Failure::said)?;
    let mut fine = rollup::ending(&rolled_up) == Ending::Fine;

    let (from, to) = range(options, known)?;
    let asked = Range::new(from, to).map_err(Failure::said)?;
    let metrics =
        get_platform_metrics(&Deps::new(machine.store().clone()), asked, false).await.map_err(Failure::said)?;
    let (tables, differing) = tables(&compared(&metrics, known));
    for table in tables {
        output::line(&format!("{table}\n"))?;
    }
    let (rejected, sent) = (metrics.total.rejected, known.truth.rejected());
    fine &= differing == 0 && rejected == sent;
    output::line(&format!(
        "{} events, {} duplicates and {} invalid ones were sent; {} were rejected, on the day of their arrival",
        whole(known.truth.events()),
        whole(known.truth.duplicates()),
        whole(sent),
        whole(rejected),
    ))?;

    for date in days(from, to) {
        let verification = machine.verify(date).await.map_err(Failure::said)?;
        fine &= verification.passed();
        verify::report(&verification)?;
    }
    output::line(&if fine {
        "Every figure is what it must be (= exactly, ~ within its error).".to_owned()
    } else {
        format!("NOT PROVEN: {differing} figures differ, {rejected} of {sent} invalid events were rejected")
    })?;
    Ok(if fine { Ending::Fine } else { Ending::Differences })
}

/// From the first day with events to the day of their arrival.
fn range(options: &GeneratorOptions, known: &Known) -> Result<(NaiveDate, NaiveDate), Failure> {
    let today = day_of(options.zone, Clock::system().now_ms())
        .ok_or_else(|| Failure::new("this machine's clock is out of range", "set it right"))?;
    let first = known.truth.days().min().unwrap_or(today);
    Ok((first, known.truth.days().max().unwrap_or(today).max(today)))
}

fn compared(metrics: &PlatformMetrics, known: &Known) -> Vec<ComparedDay> {
    let days = metrics.days.iter().map(|day| &day.metrics).map(|day| {
        let truth = known.truth.day(day.date);
        ComparedDay {
            date: day.date.to_string(),
            counted: day.to_object(),
            truth: expected::figures(&truth).to_object(),
            bounds: Bounds {
                users_relative_standard_error: day.figures.estimate.users_relative_standard_error,
                session_deviation_ms: truth.sessions.deviation_ms,
                durations_ms: known.spans.durations(day.date),
            },
        }
    });
    days.collect()
}
