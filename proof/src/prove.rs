//! The proof of some days: each entry is read once for all of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::Hours;
use headcount_core::event::Event;
use headcount_core::exact::{ExactFigures, Unreadable};
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::{SketchError, UserSketch};
use headcount_follow::figures::fold_day;
use headcount_log::error::EntryError;
use headcount_log::{DayBytes, Log, LogError};
use headcount_runtime::compute::{Compute, ComputeError};
use rayon::prelude::*;
use tokio::time::Instant;

use crate::hashes::Order;
use crate::replay::{Replay, Replayed, Span};
use crate::seen::{SeenEvents, id_key};
use crate::tally::Tally;

/// Bytes that an event's id takes while the day's events are told apart: 16 and a third, and as much again while room is made.
const ID_BYTES: u64 = 24;

/// The share of the memory that ids may take: users and sessions take the rest.
const IDS_SHARE: u64 = 2;

/// Ids that fit into so many bytes of memory: events that one pass over the log can tell apart.
pub const fn ids_at_once(memory: u64) -> u64 {
    memory / IDS_SHARE / ID_BYTES
}

/// Passes over the log, at most.
const MAX_PASSES: u64 = 64;

/// What is proven, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Proving<'a> {
    /// The log.
    pub log: &'a Log,
    /// The reporting zone.
    pub zone: Tz,
    /// The precision of user sketches.
    pub precision: u8,
    /// Every source that the log has, with how far it is counted.
    pub sources: &'a [Position],
    /// The days.
    pub dates: &'a BTreeSet<NaiveDate>,
    /// Milliseconds after the end of a day that a shard's consumer may still append events of it.
    pub late_ms: i64,
    /// Events of the days, about: more cost another pass.
    pub expected: u64,
    /// Bytes of memory that the proof may use.
    pub memory: u64,
    /// Entries that are read at the same time.
    pub at_once: usize,
    /// Where counting runs.
    pub compute: Compute,
    /// Until when.
    pub deadline: Instant,
}

/// How far a source is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The source.
    pub source: Source,
    /// The last entry that is counted.
    pub entry: u64,
    /// The newest entry that the log has.
    pub newest: u64,
}

/// What a proof found of one day.
#[derive(Debug)]
pub struct Proven {
    /// The exact figures.
    pub figures: ExactFigures,
    /// The users, for weeks and months.
    pub users: UserSketch,
    /// The sessions, for ranges of days.
    pub sessions: SessionSample,
    /// Occurrences that the log has once more: their producer sent them again, and the consumer's memory missed it. They are among the
    /// figures' duplicates.
    pub repeated: u64,
    /// What each source's partial holds at its position: folded as followers fold. Of sources that have something of the day.
    pub partials: BTreeMap<Source, Partial>,
    /// The entries up to the positions that have something of the day: events, duplicates or rejections.
    pub entries: BTreeMap<Source, Vec<u64>>,
    /// Events of the day in entries behind the positions.
    pub behind: BTreeMap<Source, u64>,
    /// Entries that could not be read, and may have events of the day.
    pub damaged: Vec<Unreadable>,
    /// When the first of the day's entries was appended, milliseconds since the epoch.
    pub first_ms: Option<i64>,
}

/// Why nothing was proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// The log could not be read in time.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The deployment's precision is none.
    #[error("the deployment's sketch precision cannot be used: {0}")]
    Precision(#[from] SketchError),
    /// Counting failed.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// There are too many events for the memory.
    #[error(
        "the {events} events of {first} to {last} do not fit into {memory} MB even in {MAX_PASSES} passes: give the proof more \
         memory, or fewer days at once"
    )]
    TooLarge {
        /// Events.
        events: u64,
        /// The first day.
        first: NaiveDate,
        /// The last day.
        last: NaiveDate,
        /// The memory that it may use, in millions of bytes.
        memory: u64,
    },
}

/// Counts every event of the days exactly once, in the entries up to the positions.
///
/// Ids are held in memory, so many events take several passes, each of which counts those whose ids hash to its part.
///
/// # Errors
///
/// [`ProveError`].
pub async fn prove(proving: Proving<'_>) -> Result<BTreeMap<NaiveDate, Proven>, ProveError> {
    let Some(span) = Span::of(proving.zone, proving.dates, proving.late_ms) else { return Ok(BTreeMap::new()) };
    let (first, last) = (proving.dates.iter().next(), proving.dates.iter().next_back());
    let most_ids = ids_at_once(proving.memory).max(1);
    let mut passes = proving.expected.div_ceil(most_ids).max(1);
    let mut events = proving.expected;
    while passes <= MAX_PASSES {
        match all_passes(&proving, span, passes, most_ids).await? {
            Ended::Proven(days) => return Ok(days),
            Ended::TooMany(found) => events = events.max(found),
        }
        passes *= 2;
    }
    let day = |date: Option<&NaiveDate>| date.copied().unwrap_or_default();
    Err(ProveError::TooLarge { events, first: day(first), last: day(last), memory: proving.memory / 1_000_000 })
}

enum Ended {
    Proven(BTreeMap<NaiveDate, Proven>),
    TooMany(u64),
}

async fn all_passes(proving: &Proving<'_>, span: Span, passes: u64, most_ids: u64) -> Result<Ended, ProveError> {
    let mut days = Days::new(proving, passes)?;
    // In order, so that of equal events the one of the smallest source counts.
    let mut positions: Vec<_> = proving.sources.iter().collect();
    positions.sort_by(|a, b| a.source.cmp(&b.source));
    for pass in 0..passes {
        let room = (proving.expected / passes).min(most_ids);
        days.begin(pass, room as usize);
        for position in &positions {
            days.begin_source(&position.source)?;
            let Proving { log, dates, at_once, deadline, .. } = *proving;
            let Position { source, entry, newest } = *position;
            let replay = Replay { log, source, newest: *newest, dates, span, at_once, deadline };
            let mut walk = replay.walk(*entry).await?;
            loop {
                let window = walk.next().await?;
                if window.is_empty() {
                    break;
                }
                let position = *entry;
                days = proving.compute.run(move || days.with(window, position)).await?;
                if days.ids > most_ids {
                    return Ok(Ended::TooMany(days.events().max(days.ids * passes)));
                }
            }
            days.end_source();
        }
    }
    Ok(Ended::Proven(days.proven()?))
}

/// The days under way.
struct Days {
    zone: Tz,
    hours: Hours,
    precision: u8,
    passes: u64,
    pass: u64,
    by_date: BTreeMap<NaiveDate, Day>,
    seen: SeenEvents,
    /// Ids that are held.
    ids: u64,
    source: Option<Source>,
}

struct Day {
    tally: Tally,
    /// The source's own, while it is read.
    partial: Option<Partial>,
    partials: BTreeMap<Source, Partial>,
    entries: BTreeMap<Source, Vec<u64>>,
    behind: BTreeMap<Source, u64>,
    damaged: Vec<Unreadable>,
    first_ms: Option<i64>,
    repeated: u64,
    ids_with_several_times: u64,
}

/// What is counted of one date of an entry.
struct Opened<'w> {
    day: &'w DayBytes,
    entry: u64,
    appended_ms: Option<i64>,
    events: headcount_log::Day<'w>,
}

impl Days {
    fn new(proving: &Proving<'_>, passes: u64) -> Result<Self, ProveError> {
        // Checked once here, so that no fold can fail.
        UserSketch::new(proving.precision)?;
        let day = || Day {
            tally: Tally::default(),
            partial: None,
            partials: BTreeMap::new(),
            entries: BTreeMap::new(),
            behind: BTreeMap::new(),
            damaged: Vec::new(),
            first_ms: None,
            repeated: 0,
            ids_with_several_times: 0,
        };
        Ok(Self {
            zone: proving.zone,
            hours: Hours::of(proving.zone),
            precision: proving.precision,
            passes,
            pass: 0,
            by_date: proving.dates.iter().map(|date| (*date, day())).collect(),
            seen: SeenEvents::with_room(0),
            ids: 0,
            source: None,
        })
    }

    fn begin(&mut self, pass: u64, room: usize) {
        (self.pass, self.ids) = (pass, 0);
        self.seen = SeenEvents::with_room(room);
    }

    fn begin_source(&mut self, source: &Source) -> Result<(), ProveError> {
        self.source = Some(source.clone());
        if self.pass > 0 {
            return Ok(());
        }
        for (date, day) in &mut self.by_date {
            day.partial = Some(Partial::new(*date, source.clone(), self.precision)?);
        }
        Ok(())
    }

    fn end_source(&mut self) {
        for day in self.by_date.values_mut() {
            if let Some(partial) = day.partial.take().filter(|partial| partial.as_of > 0) {
                day.partials.insert(partial.source.clone(), partial);
            }
        }
    }

    fn events(&self) -> u64 {
        self.by_date.values().flat_map(|day| day.partials.values()).map(|partial| partial.counters.events).sum()
    }

    /// With some more entries of the source, of which those up to `position` count.
    fn with(mut self, window: Vec<Replayed>, position: u64) -> Self {
        let mut frames = Vec::new();
        for read in &window {
            match &read.days {
                Ok(days) => frames.extend(days.iter().map(|day| (read.entry, read.appended_ms, day))),
                Err(damage) => self.note_damage(read.entry, damage, None),
            }
        }
        let is_counted = |entry| entry <= position;
        for (_, _, day) in frames.iter().filter(|(entry, ..)| !is_counted(*entry)) {
            self.note_behind(day);
        }
        frames.retain(|(entry, ..)| is_counted(*entry));
        let lines: Vec<_> = frames.par_iter().map(|(.., day)| day.lines()).collect();
        let opened: Vec<Result<Opened<'_>, EntryError>> = frames
            .par_iter()
            .zip(&lines)
            .map(|((entry, appended_ms, day), lines)| {
                let lines = lines.as_ref().map_err(EntryError::clone)?;
                Ok(Opened { day, entry: *entry, appended_ms: *appended_ms, events: day.day(lines)? })
            })
            .collect();
        let mut sound = Vec::with_capacity(opened.len());
        for ((entry, _, day), opened) in frames.iter().zip(opened) {
            match opened {
                Ok(opened) => sound.push(opened),
                Err(damage) => self.note_damage(*entry, &damage, Some(day.date)),
            }
        }
        self.count(&sound);
        self
    }

    fn count(&mut self, opened: &[Opened<'_>]) {
        let mut order = Order::default();
        for one in opened {
            let Some(day) = self.by_date.get_mut(&one.day.date) else { continue };
            let headcount_log::Day { events, duplicates, rejected } = &one.events;
            if self.pass == 0 {
                day.first_ms = [day.first_ms, one.appended_ms].into_iter().flatten().min();
                day.tally.add_duplicates(*duplicates);
                day.tally.add_rejected(*rejected);
                if let Some(source) = &self.source {
                    day.entries.entry(source.clone()).or_default().push(one.entry);
                }
                if let Some(partial) = &mut day.partial {
                    fold_day(partial, one.entry, &one.events, self.zone);
                }
            }
            let mut ids = Vec::with_capacity(events.len());
            let mut mine: Vec<&Event<'_>> = Vec::with_capacity(events.len());
            for (_, event) in events {
                let id = id_key(one.day.date, &event.id);
                if self.passes == 1 || (id >> 96) as u64 % self.passes == self.pass {
                    ids.push(id);
                    mine.push(event);
                }
            }
            let times: Vec<_> = mine.iter().map(|event| event.timestamp_ms).collect();
            let mut are_first = vec![false; ids.len()];
            let before = self.seen.ids_with_several_times();
            self.seen.see(&ids, &times, &mut order, 0, |index, is_first| are_first[index] = is_first);
            day.ids_with_several_times += self.seen.ids_with_several_times() - before;
            for (event, is_first) in mine.into_iter().zip(are_first) {
                if is_first {
                    self.ids += 1;
                    let (_, hour) = self.hours.at(event.counted_ms).unwrap_or_default();
                    day.tally.add(event, hour);
                } else {
                    day.repeated += 1;
                }
            }
        }
    }

    fn note_behind(&mut self, bytes: &DayBytes) {
        let (Some(day), Some(source)) = (self.by_date.get_mut(&bytes.date), &self.source) else { return };
        if self.pass == 0 && bytes.counts.events > 0 {
            *day.behind.entry(source.clone()).or_default() += bytes.counts.events;
        }
    }

    /// An entry whose header cannot be read may have events of any date.
    fn note_damage(&mut self, entry: u64, damage: &EntryError, date: Option<NaiveDate>) {
        let Some(source) = self.source.clone().filter(|_| self.pass == 0) else { return };
        for (_, day) in self.by_date.iter_mut().filter(|(known, _)| date.is_none_or(|date| date == **known)) {
            day.damaged.push(Unreadable { source: source.clone(), entry, detail: damage.to_string() });
        }
    }

    fn proven(self) -> Result<BTreeMap<NaiveDate, Proven>, ProveError> {
        let precision = self.precision;
        let day = |(date, day): (NaiveDate, Day)| {
            let (mut users, mut sessions) = (UserSketch::new(precision)?, SessionSample::default());
            for partial in day.partials.values() {
                users.merge(&partial.users);
                sessions.merge(&partial.sessions);
            }
            let Day {
                mut tally, partials, entries, behind, damaged, first_ms, repeated, ids_with_several_times, ..
            } = day;
            tally.add_duplicates(repeated);
            let figures = ExactFigures { ids_with_several_times, ..tally.figures() };
            Ok((date, Proven { figures, users, sessions, repeated, partials, entries, behind, damaged, first_ms }))
        };
        self.by_date.into_iter().map(day).collect()
    }
}
