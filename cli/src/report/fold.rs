//! Chunks into what a table's lanes would have counted, on all cores.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::day_of;
use headcount_core::limits::DEFAULT_SKETCH_PRECISION;
use headcount_core::merged::Merged;
use headcount_core::origin::Lane;
use headcount_core::partial::Partial;
use headcount_core::record::OpenedRecord;
use headcount_core::validate::{Arrival, Rules};

use super::chunks::{Chunk, Chunks};
use super::seen::{FirstDays, SeenEvents};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Chunks that wait for each thread, at most.
const CHUNKS_A_THREAD: usize = 2;

/// What is asked of the files.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) rules: Rules,
    pub(crate) zone: Tz,
    /// When all lines arrived.
    pub(crate) arrived_ms: i64,
    pub(crate) threads: usize,
}

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    pub(crate) days: BTreeMap<NaiveDate, Merged>,
    pub(crate) new_users: BTreeMap<NaiveDate, u64>,
    /// Lines with something on them.
    pub(crate) lines: u64,
    pub(crate) events: u64,
    pub(crate) rejected: u64,
    pub(crate) duplicates: u64,
    /// The first rejected lines with their reasons.
    pub(crate) examples: Vec<(u64, String)>,
}

/// Rejected lines that are shown.
const MAX_EXAMPLES: usize = 10;

/// What all threads share.
struct Shared {
    seen: SeenEvents,
    first_days: FirstDays,
    rules: Rules,
    zone: Tz,
    arrived_ms: i64,
    arrival_date: NaiveDate,
    lane: Lane,
}

/// Reads the files; `None` where it was interrupted.
pub(crate) fn fold(reading: &Reading, interrupt: &Interrupt) -> Result<Option<Folded>, Failure> {
    let shared = Shared {
        seen: SeenEvents::new(),
        first_days: FirstDays::new(),
        rules: reading.rules.clone(),
        zone: reading.zone,
        arrived_ms: reading.arrived_ms,
        arrival_date: day_of(reading.zone, reading.arrived_ms).unwrap_or_default(),
        lane: Lane::new("report", "files"),
    };
    let threads = reading.threads.max(1);
    let (chunks, waiting) = sync_channel(threads * CHUNKS_A_THREAD);
    let waiting = Mutex::new(waiting);
    let (read, parts) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&shared, &waiting))).collect();
        let read = feed(reading, chunks, interrupt);
        let parts = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Result<Vec<_>, _>>();
        (read, parts)
    });
    let parts = parts.map_err(|_| Failure::new("a thread that counts has failed", "report this"))?;
    if !read? {
        return Ok(None);
    }
    let mut folded = parts.into_iter().fold(Folded::default(), join);
    folded.examples.sort();
    folded.examples.truncate(MAX_EXAMPLES);
    folded.new_users = shared.first_days.counts().into_iter().collect();
    Ok(Some(folded))
}

/// Hands the files' chunks to the threads; whether all were.
fn feed(reading: &Reading, chunks: SyncSender<Chunk>, interrupt: &Interrupt) -> Result<bool, Failure> {
    let mut sizes = 0;
    for file in &reading.files {
        sizes += Chunks::open(file, 1)?.size();
    }
    let mut progress = Progress::start("reading bytes", Some(sizes));
    let (mut before, mut line) = (0, 1);
    for file in &reading.files {
        let mut of_file = Chunks::open(file, line)?;
        while let Some(chunk) = of_file.next()? {
            if interrupt.is_asked() {
                progress.finish();
                return Ok(false);
            }
            progress.set(before + of_file.read());
            if chunks.send(chunk).is_err() {
                return Err(Failure::new("the threads that count have failed", "report this"));
            }
        }
        (before, line) = (before + of_file.size(), of_file.next_line());
    }
    progress.finish();
    Ok(true)
}

/// Counts chunks until there are no more.
fn work(shared: &Shared, waiting: &Mutex<Receiver<Chunk>>) -> Folded {
    let mut counted = Folded::default();
    let mut partials = BTreeMap::new();
    loop {
        let chunk = waiting.lock().ok().and_then(|waiting| waiting.recv().ok());
        let Some(chunk) = chunk else { break };
        for (line, number) in chunk.text.split(|byte| *byte == b'\n').zip(chunk.first_line..) {
            if !line.trim_ascii().is_empty() {
                count(shared, line, number, &mut counted, &mut partials);
            }
        }
    }
    counted.days = partials.into_iter().map(|(date, partial)| (date, Merged::from(partial))).collect();
    counted
}

/// Counts a line as the consumer counts a record.
fn count(shared: &Shared, line: &[u8], number: u64, counted: &mut Folded, partials: &mut BTreeMap<NaiveDate, Partial>) {
    counted.lines += 1;
    let arrival = Arrival { lane: shared.lane.clone(), sequence: number.into(), arrived_ms: shared.arrived_ms };
    let opened = OpenedRecord::open(line);
    let decoded = opened.decode(&arrival, &shared.rules);
    for (_, event) in decoded.events {
        let Some(date) = day_of(shared.zone, event.timestamp_ms) else { continue };
        let partial = partial_of(shared, date, partials);
        if shared.seen.is_first(event.timestamp_ms, &event.id) {
            counted.events += 1;
            partial.fold(&event, shared.zone);
            if let Some(user) = event.user() {
                shared.first_days.see(user, date);
            }
        } else {
            counted.duplicates += 1;
            partial.counters.add_duplicates(1);
        }
    }
    for (_, rejection) in decoded.rejections {
        counted.rejected += rejection.count;
        partial_of(shared, shared.arrival_date, partials).counters.add_rejected(rejection.count);
        if counted.examples.len() < MAX_EXAMPLES {
            let reasons: Vec<_> = rejection.problems.iter().map(ToString::to_string).collect();
            counted.examples.push((number, reasons.join("; ")));
        }
    }
}

fn partial_of<'p>(shared: &Shared, date: NaiveDate, partials: &'p mut BTreeMap<NaiveDate, Partial>) -> &'p mut Partial {
    partials.entry(date).or_insert_with(|| {
        Partial::new(date, shared.lane.clone(), DEFAULT_SKETCH_PRECISION).expect("the default precision is one")
    })
}

fn join(mut all: Folded, part: Folded) -> Folded {
    for (date, merged) in part.days {
        let joined = match all.days.remove(&date) {
            Some(there) => there.join(merged),
            None => merged,
        };
        all.days.insert(date, joined);
    }
    all.lines += part.lines;
    all.events += part.events;
    all.rejected += part.rejected;
    all.duplicates += part.duplicates;
    all.examples.extend(part.examples);
    all
}

#[cfg(test)]
mod tests;
