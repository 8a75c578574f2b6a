//! The second reading: the lines of the file as the records of a source of its own, batch after batch.

use std::path::{Path, PathBuf};

use headcount_consumer::batch::{Batch, Record};
use headcount_consumer::chunk::{CHUNK_BYTES, CHUNK_RECORDS};
use headcount_consumer::deps::Deps;
use headcount_core::origin::Source;
use headcount_store::traits::FollowStore;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

use super::file::Lines;
use super::survey::{Survey, is_blank};
use crate::consumption::{Consumed, append, follow};
use crate::content::Unit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// How long one batch may take in all, while the log is away.
const BATCH_PATIENCE: Duration = Duration::from_mins(15);

/// How long the table may take to catch up with the log, once all of it is there.
const FOLLOW_PATIENCE: Duration = Duration::from_hours(1);

/// How far an import came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    /// What became of the events.
    pub(crate) consumed: Consumed,
    /// The last line that was brought in.
    pub(crate) last_line: u64,
    /// Whether Ctrl-C ended it before the last line.
    pub(crate) interrupted: bool,
}

/// Appends every line to the log, then brings the table up to date. Whatever ends it early, importing the file again goes on
/// behind the last line that the log covers.
pub(crate) async fn import<S: FollowStore>(
    deps: &Deps<S>,
    path: &Path,
    survey: &Survey,
    arrived_ms: i64,
    interrupt: &Interrupt,
) -> Result<Imported, Failure> {
    let mut imported = Imported::default();
    let mut progress = Progress::start(importing(survey.unit), Some(survey.lines));
    let mut batches = read_ahead(path.to_owned(), survey.source(), survey.content, arrived_ms);
    let outcome = loop {
        let batch = match interrupt.or(batches.recv()).await {
            None => break Err(None),
            Some(None) => break Ok(()),
            Some(Some(Err(failure))) => break Err(Some(failure)),
            Some(Some(Ok(batch))) => batch,
        };
        let last_line = batch.last_line;
        let appending = append(deps, batch.records, Instant::now() + BATCH_PATIENCE);
        let Some(consumed) = interrupt.or(Box::pin(appending)).await else { break Err(None) };
        match consumed {
            Ok(consumed) => {
                imported.consumed.add(&consumed);
                if let Some(failed) = &consumed.failed_from {
                    break Err(Some(stuck(survey.unit, failed.as_str())));
                }
            }
            Err(error) => break Err(Some(Failure::said(error))),
        }
        imported.last_line = last_line;
        progress.set(last_line);
    };
    progress.finish();
    match outcome {
        Ok(()) => {
            let source = survey.source();
            let following = follow(deps, &source, Instant::now() + FOLLOW_PATIENCE);
            match interrupt.or(Box::pin(following)).await {
                Some(Ok(())) => Ok(imported),
                Some(Err(problem)) => Err(behind(survey.unit, &problem)),
                None => Ok(Imported { interrupted: true, ..imported }),
            }
        }
        Err(None) => Ok(Imported { interrupted: true, ..imported }),
        Err(Some(failure)) => Err(failure),
    }
}

fn importing(unit: Unit) -> &'static str {
    match unit {
        Unit::Line => "importing lines",
        Unit::Element => "importing elements",
    }
}

fn stuck(unit: Unit, number: &str) -> Failure {
    Failure::new(
        format!("{unit} {number} and those after it cannot be appended to the event log"),
        "check that the log's storage answers, then import the file again: it resumes where it stopped",
    )
}

fn behind(unit: Unit, problem: &str) -> Failure {
    Failure::new(
        format!("all {unit}s are in the event log, but the table is behind it ({problem})"),
        "import the file again: nothing is counted twice",
    )
}

/// Some of the file's lines.
struct Lot {
    records: Batch,
    last_line: u64,
}

/// Reads on a thread of its own, two lots ahead at most: as much as one chunk of the consumer each, so that a date's
/// partial is written once a lot.
fn read_ahead(path: PathBuf, source: Source, content: u128, arrived_ms: i64) -> mpsc::Receiver<Result<Lot, Failure>> {
    let (lots, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        if let Err(failure) = send_lots(&path, &source, content, arrived_ms, &lots) {
            // Where nobody takes it, nobody waits for it.
            drop(lots.blocking_send(Err(failure)));
        }
    });
    receiver
}

fn send_lots(
    path: &Path,
    source: &Source,
    content: u128,
    arrived_ms: i64,
    lots: &mpsc::Sender<Result<Lot, Failure>>,
) -> Result<(), Failure> {
    let mut lines = Lines::open(path)?;
    let mut last_line = 0;
    loop {
        let (mut records, mut bytes) = (Vec::new(), 0);
        let mut is_over = false;
        while records.len() < CHUNK_RECORDS && bytes < CHUNK_BYTES {
            let Some(line) = lines.next()? else {
                is_over = true;
                break;
            };
            last_line = line.number;
            if !is_blank(&line) {
                bytes += line.text.len();
                records.push(Record { sequence: line.number.into(), arrived_ms, data: line.text });
            }
        }
        // Its source is what it was when it was looked at: other lines must not come under that name.
        if is_over && lines.hash() != content {
            let what = format!("{} changed while it was imported", path.display());
            return Err(Failure::new(what, "leave it as it is, and import it again"));
        }
        let lot = Lot { records: Batch::of_shard(source.clone(), records), last_line };
        if lots.blocking_send(Ok(lot)).is_err() || is_over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
