//! The proof of some days: each entry is read once for all of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::Hours;
use headcount_core::event::Event;
use headcount_core::exact::{ExactFigures, Unreadable};
use headcount_core::limits::ACCOUNT_SKETCH_PRECISION;
use headcount_core::origin::Source;
use headcount_core::partial::{Damaged, Partial, PartialRecord};
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::{SketchError, UserSketch};
use headcount_follow::figures::fold_day;
use headcount_log::error::EntryError;
use headcount_log::{DayBytes, Log, LogError};
use headcount_runtime::compute::{Compute, ComputeError};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The accounts, for weeks and months.
    pub accounts: UserSketch,
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
    let (mut expected, mut passes) = (proving.expected, passes_for(proving.expected, proving.memory));
    loop {
        let mut under_way = Passes::new(&proving, passes)?;
        let found = loop {
            if under_way.is_done() {
                return under_way.proven();
            }
            match under_way.pass(&proving).await? {
                Pass::Counted(next) => under_way = next,
                Pass::TooMany { events } => break events,
            }
        };
        expected = expected.max(found);
        passes *= 2;
        if passes > MAX_PASSES {
            return Err(proving.too_large(expected));
        }
    }
}

/// Passes over the log that a proof of so many events takes with so many bytes of memory.
pub fn passes_for(events: u64, memory: u64) -> u64 {
    events.div_ceil(ids_at_once(memory).max(1)).max(1)
}

impl Proving<'_> {
    /// The error for so many events.
    fn too_large(&self, events: u64) -> ProveError {
        let day = |date: Option<&NaiveDate>| date.copied().unwrap_or_default();
        let (first, last) = (day(self.dates.first()), day(self.dates.last()));
        ProveError::TooLarge { events, first, last, memory: self.memory / 1_000_000 }
    }
}

/// A proof between two passes over the log. What is counted so far can be saved, and another process can go on from there.
#[derive(Debug)]
pub struct Passes {
    days: Days,
    done: u64,
}

/// What became of a pass.
#[derive(Debug)]
pub enum Pass {
    /// It is counted.
    Counted(Passes),
    /// The pass met more ids than fit into the memory: begin anew with more passes.
    TooMany {
        /// The events, about.
        events: u64,
    },
}

/// The version of what [`Passes::save`] writes.
const SAVED_VERSION: u32 = 3;

/// What is saved between two passes.
#[derive(Serialize, Deserialize)]
struct Saved<D> {
    version: u32,
    passes: u64,
    done: u64,
    days: D,
}

/// What was saved cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what an earlier run has counted cannot be read: {0}")]
pub struct SavedError(String);

impl SavedError {
    /// Says why.
    pub fn new(why: &dyn std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl Passes {
    /// Before the first pass.
    ///
    /// # Errors
    ///
    /// [`ProveError::Precision`], [`ProveError::TooLarge`].
    pub fn new(proving: &Proving<'_>, passes: u64) -> Result<Self, ProveError> {
        if passes > MAX_PASSES {
            return Err(proving.too_large(proving.expected));
        }
        Ok(Self { days: Days::new(proving, passes)?, done: 0 })
    }

    /// Passes that the proof takes.
    pub fn passes(&self) -> u64 {
        self.days.passes
    }

    /// Passes that are counted.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Whether all passes are counted.
    pub fn is_done(&self) -> bool {
        self.done >= self.days.passes
    }

    /// Counts the next pass.
    ///
    /// # Errors
    ///
    /// [`ProveError`].
    pub async fn pass(self, proving: &Proving<'_>) -> Result<Pass, ProveError> {
        let Self { mut days, done } = self;
        let most_ids = ids_at_once(proving.memory).max(1);
        let Some(span) = Span::of(proving.zone, proving.dates, proving.late_ms) else {
            return Ok(Pass::Counted(Self { done: days.passes, days }));
        };
        // In order, so that of equal events the one of the smallest source counts.
        let mut positions: Vec<_> = proving.sources.iter().collect();
        positions.sort_by(|a, b| a.source.cmp(&b.source));
        let room = (proving.expected / days.passes).min(most_ids);
        days.begin(done, room as usize);
        for position in &positions {
            days.begin_source(&position.source)?;
            let Proving { log, dates, at_once, deadline, .. } = *proving;
            let Position { source, entry, newest } = *position;
            // Which entries have something of the days the first pass has seen.
            let only = (done > 0).then(|| days.entries_of(source));
            let only = only.as_ref();
            let replay = Replay { log, source, newest: *newest, dates, span, only, at_once, deadline };
            let mut walk = replay.walk(*entry).await?;
            loop {
                let window = walk.next().await?;
                if window.is_empty() {
                    break;
                }
                let position = *entry;
                days = proving.compute.run(move || days.with(window, position)).await?;
                if days.ids > most_ids {
                    return Ok(Pass::TooMany { events: days.events().max(days.ids * days.passes) });
                }
            }
            days.end_source();
        }
        days.end();
        Ok(Pass::Counted(Self { days, done: done + 1 }))
    }

    /// Writes what is counted so far.
    ///
    /// # Errors
    ///
    /// What `writer` fails with.
    pub fn save(&mut self, writer: impl std::io::Write) -> std::io::Result<()> {
        let saved = Saved {
            version: SAVED_VERSION,
            passes: self.days.passes,
            done: self.done,
            days: self.days.by_date.iter_mut().map(|(date, day)| (*date, day.saved())).collect::<Vec<_>>(),
        };
        postcard::to_io(&saved, writer).map(drop).map_err(std::io::Error::other)
    }

    /// Goes on from what [`Self::save`] wrote of the same days and positions.
    ///
    /// # Errors
    ///
    /// [`SavedError`]: it is damaged, of another version, or of other days.
    pub fn load(proving: &Proving<'_>, saved: &[u8]) -> Result<Self, SavedError> {
        let unreadable = SavedError::new;
        let Saved { version, passes, done, days } =
            postcard::from_bytes::<Saved<Vec<(NaiveDate, SavedDay<Tally, Noted>)>>>(saved)
                .map_err(|error| unreadable(&error))?;
        if version != SAVED_VERSION {
            return Err(unreadable(&format_args!("it has version {version}, this build reads {SAVED_VERSION}")));
        }
        if !days.iter().map(|(date, _)| date).eq(proving.dates) || passes > MAX_PASSES {
            return Err(unreadable(&"it is of other days"));
        }
        let mut loaded = Days::new(proving, passes).map_err(|error| unreadable(&error))?;
        for (date, day) in days {
            loaded.by_date.insert(date, day.day().map_err(|error| unreadable(&error))?);
        }
        Ok(Self { days: loaded, done })
    }

    /// What all passes found.
    ///
    /// # Errors
    ///
    /// [`ProveError::Precision`].
    pub fn proven(self) -> Result<BTreeMap<NaiveDate, Proven>, ProveError> {
        self.days.proven()
    }
}

/// A day as it is saved, or with references to what is.
#[derive(Serialize, Deserialize)]
struct SavedDay<T, N> {
    tally: T,
    partials: Vec<PartialRecord>,
    noted: N,
}

impl SavedDay<Tally, Noted> {
    fn day(self) -> Result<Day, Damaged> {
        let Self { tally, partials, noted } = self;
        let partials = partials
            .iter()
            .map(|record| Partial::decode(record).map(|partial| (record.source.clone(), partial)))
            .collect::<Result<_, _>>()?;
        Ok(Day { tally, partial: None, partials, noted })
    }
}

impl Day {
    fn saved(&mut self) -> SavedDay<&Tally, &Noted> {
        let partials = self.partials.values_mut().map(Partial::encode).collect();
        SavedDay { tally: &self.tally, partials, noted: &self.noted }
    }
}

/// The days under way.
#[derive(Debug)]
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

#[derive(Debug, Default)]
struct Day {
    tally: Tally,
    /// The source's own, while it is read.
    partial: Option<Partial>,
    partials: BTreeMap<Source, Partial>,
    noted: Noted,
}

/// What is told of a day besides its counts.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Noted {
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
        Ok(Self {
            zone: proving.zone,
            hours: Hours::of(proving.zone),
            precision: proving.precision,
            passes,
            pass: 0,
            by_date: proving.dates.iter().map(|date| (*date, Day::default())).collect(),
            seen: SeenEvents::with_room(0),
            ids: 0,
            source: None,
        })
    }

    fn begin(&mut self, pass: u64, room: usize) {
        (self.pass, self.ids) = (pass, 0);
        self.seen = SeenEvents::with_room(room);
    }

    /// The entries of a source that have something of the days.
    fn entries_of(&self, source: &Source) -> BTreeSet<u64> {
        self.by_date.values().filter_map(|day| day.noted.entries.get(source)).flatten().copied().collect()
    }

    /// Frees the memory of the ids.
    fn end(&mut self) {
        self.seen = SeenEvents::with_room(0);
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
                day.noted.first_ms = [day.noted.first_ms, one.appended_ms].into_iter().flatten().min();
                day.tally.add_duplicates(*duplicates);
                day.tally.add_rejected(*rejected);
                if let Some(source) = &self.source {
                    day.noted.entries.entry(source.clone()).or_default().push(one.entry);
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
            day.noted.ids_with_several_times += self.seen.ids_with_several_times() - before;
            for (event, is_first) in mine.into_iter().zip(are_first) {
                if is_first {
                    self.ids += 1;
                    let (_, hour) = self.hours.at(event.counted_ms).unwrap_or_default();
                    day.tally.add(event, hour);
                } else {
                    day.noted.repeated += 1;
                }
            }
        }
    }

    fn note_behind(&mut self, bytes: &DayBytes) {
        let (Some(day), Some(source)) = (self.by_date.get_mut(&bytes.date), &self.source) else { return };
        if self.pass == 0 && bytes.counts.events > 0 {
            *day.noted.behind.entry(source.clone()).or_default() += bytes.counts.events;
        }
    }

    /// An entry whose header cannot be read may have events of any date. One that could be read in an earlier pass is missing in this
    /// one.
    fn note_damage(&mut self, entry: u64, damage: &EntryError, date: Option<NaiveDate>) {
        let Some(source) = self.source.clone() else { return };
        for (_, day) in self.by_date.iter_mut().filter(|(known, _)| date.is_none_or(|date| date == **known)) {
            let is_this = |known: &Unreadable| (&known.source, known.entry) == (&source, entry);
            if self.pass == 0 || !day.noted.damaged.iter().any(is_this) {
                day.noted.damaged.push(Unreadable { source: source.clone(), entry, detail: damage.to_string() });
            }
        }
    }

    fn proven(self) -> Result<BTreeMap<NaiveDate, Proven>, ProveError> {
        let precision = self.precision;
        let day = |(date, day): (NaiveDate, Day)| {
            let (mut users, mut sessions) = (UserSketch::new(precision)?, SessionSample::default());
            let mut accounts = UserSketch::new(ACCOUNT_SKETCH_PRECISION)?;
            for partial in day.partials.values() {
                users.merge(&partial.users);
                sessions.merge(&partial.sessions);
                accounts.merge(&partial.accounts);
            }
            let Day { mut tally, partials, noted, .. } = day;
            let Noted { entries, behind, damaged, first_ms, repeated, ids_with_several_times } = noted;
            tally.add_duplicates(repeated);
            let figures = ExactFigures { ids_with_several_times, ..tally.figures() };
            let proven =
                Proven { figures, users, sessions, accounts, repeated, partials, entries, behind, damaged, first_ms };
            Ok((date, proven))
        };
        self.by_date.into_iter().map(day).collect()
    }
}
