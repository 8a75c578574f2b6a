//! What one thread counts.

use chrono::NaiveDate;
use headcount_core::calendar::Hours;
use headcount_core::event::Event;
use headcount_core::limits::{ACCOUNT_SKETCH_PRECISION, DEFAULT_SKETCH_PRECISION};
use headcount_core::record::OpenedRecord;
use headcount_core::rejection::Problem;
use headcount_core::user_sketch::UserSketch;
use headcount_core::validate::{Accepted, Arrival, unknown_fields, validate_new};
use headcount_proof::hashes::Order;
use headcount_proof::seen::{id_key, user_key};
use headcount_proof::tally::Tally;

use super::chunks::Chunk;
use super::fold::{CountedDay, Example, Folded, MAX_EXAMPLES, MAX_UNKNOWN_NAMES, Shared};
use crate::content::Unit;
use crate::history::file::is_of_the_log;

/// Longer lines are looked at as records are, which have their bounds.
const MAX_PLAIN_BYTES: usize = 1 << 20;

/// One thread's counts.
pub(super) struct Counting<'s> {
    shared: &'s Shared,
    thread: usize,
    hours: Hours,
    counted: Folded,
    /// In the order of their dates.
    days: Vec<(NaiveDate, CountedDay)>,
    /// The day that was counted in last.
    last: usize,
    recent: RecentUsers,
    batch: Batch,
    /// What the lines of the chunk are.
    unit: Unit,
}

/// What is looked up together for all events of a chunk.
#[derive(Default)]
struct Batch {
    order: Order,
    ids: Vec<u128>,
    timestamps_ms: Vec<i64>,
    are_first: Vec<bool>,
    users: Vec<u128>,
    days: Vec<NaiveDate>,
}

/// A valid event with its place in the calendar.
struct Dated<'a> {
    event: Event<'a>,
    date: NaiveDate,
    hour: usize,
}

impl<'s> Counting<'s> {
    /// The `thread`-th from 0.
    pub(super) fn new(shared: &'s Shared, thread: usize) -> Self {
        let (counted, days, batch) = (Folded::default(), Vec::new(), Batch::default());
        let (hours, recent) = (Hours::of(shared.zone), RecentUsers::new());
        Self { shared, thread, hours, counted, days, last: 0, recent, batch, unit: Unit::Line }
    }

    /// Counts a chunk's lines, each as the consumer counts a record. Entries of the event log are read for their events.
    pub(super) fn count(&mut self, chunk: &Chunk) {
        self.unit = chunk.unit;
        let text = str::from_utf8(&chunk.text).ok();
        let mut events = Vec::with_capacity(chunk.ends.len());
        let mut begin = 0;
        for (number, end) in (chunk.first_line..).zip(&chunk.ends) {
            let line = begin..*end;
            begin = *end + 1;
            let bytes = chunk.text[line.clone()].trim_ascii();
            if bytes.is_empty() || is_of_the_log(bytes) {
                continue;
            }
            self.counted.lines += 1;
            let plain = if bytes[0] == b'{' && bytes.len() <= MAX_PLAIN_BYTES {
                text.and_then(|text| text.get(line))
            } else {
                None
            };
            let is_plain = plain.is_some_and(|text| self.read_plain(text.trim_ascii(), &mut events));
            if !is_plain {
                self.read_record(bytes, number, &mut events);
            }
        }
        self.fold(&events);
    }

    /// Reads a line that is one event; whether it was one that brings its id. Everything else is looked at as a record is.
    fn read_plain<'a>(&mut self, text: &'a str, events: &mut Vec<Dated<'a>>) -> bool {
        let mut has_id = true;
        let absent = || {
            has_id = false;
            String::new()
        };
        match validate_new(text, self.shared.arrived_ms, &self.shared.rules, absent) {
            Ok(Accepted { event, mended, is_placeholder, .. }) if has_id => {
                self.counted.mended += mended;
                self.counted.placeholders += u64::from(is_placeholder);
                self.take(event, events);
                true
            }
            // It may be several events.
            Ok(_) | Err(_) => false,
        }
    }

    /// Reads a line as a record of the stream.
    fn read_record(&mut self, line: &[u8], number: u64, events: &mut Vec<Dated<'_>>) {
        let (source, arrived_ms) = (self.shared.source.clone(), self.shared.arrived_ms);
        let opened = OpenedRecord::open(line);
        let decoded = opened.decode(&Arrival { source, sequence: number.into(), arrived_ms }, &self.shared.rules);
        self.counted.mended += decoded.mended;
        self.counted.placeholders += decoded.placeholders;
        self.counted.without_time += decoded.without_time;
        if decoded.without_time > 0 && self.counted.unknown_names.len() < MAX_UNKNOWN_NAMES {
            let names = str::from_utf8(line).map(unknown_fields).unwrap_or_default();
            self.counted.unknown_names.extend(names.into_iter().take(MAX_UNKNOWN_NAMES));
        }
        for (_, event) in decoded.events {
            self.take(event.into_owned(), events);
        }
        for (_, rejection) in decoded.rejections {
            self.reject(number, rejection.count, &rejection.problems);
        }
    }

    fn take<'a>(&mut self, event: Event<'a>, events: &mut Vec<Dated<'a>>) {
        if let Some((date, hour)) = self.hours.at(event.counted_ms) {
            events.push(Dated { event, date, hour });
        }
    }

    fn reject(&mut self, line: u64, count: u64, problems: &[Problem]) {
        self.counted.rejected += count;
        self.day(self.shared.arrival_date).tally.add_rejected(count);
        if self.counted.examples.len() < MAX_EXAMPLES {
            let reasons: Vec<_> = problems.iter().map(ToString::to_string).collect();
            let unit = self.unit.name();
            self.counted.examples.push(Example { line, unit, reasons: reasons.join("; ") });
        }
    }

    fn fold(&mut self, events: &[Dated<'_>]) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.ids.clear();
        batch.ids.extend(events.iter().map(|dated| id_key(dated.date, &dated.event.id)));
        batch.timestamps_ms.clear();
        batch.timestamps_ms.extend(events.iter().map(|dated| dated.event.timestamp_ms));
        batch.are_first.clear();
        batch.are_first.resize(events.len(), false);
        let Batch { ids, timestamps_ms, order, are_first, .. } = &mut batch;
        let tell = |index: usize, is_first| are_first[index] = is_first;
        self.shared.seen.see(ids, timestamps_ms, order, self.thread, tell);
        batch.users.clear();
        batch.days.clear();
        for (Dated { event, date, hour }, is_first) in events.iter().zip(&batch.are_first) {
            if !is_first {
                self.counted.duplicates += 1;
                self.day(*date).tally.add_duplicates(1);
                continue;
            }
            self.counted.events += 1;
            self.day(*date).tally.add(event, *hour);
            if let Some(account) = event.active_account() {
                self.day(*date).accounts.insert(account);
            }
            let Some(user) = event.user() else { continue };
            let key = user_key(user);
            if event.event_type.is_activity() {
                if self.recent.is_there(key, *date) {
                    continue;
                }
                self.day(*date).users.insert(user);
            }
            batch.users.push(key);
            batch.days.push(*date);
        }
        self.shared.first_days.see(&batch.users, &batch.days, &mut batch.order, self.thread);
        self.batch = batch;
    }

    fn day(&mut self, date: NaiveDate) -> &mut CountedDay {
        if self.days.get(self.last).is_none_or(|(known, _)| *known != date) {
            self.last = self.days.binary_search_by_key(&date, |(known, _)| *known).unwrap_or_else(|place| {
                let [users, accounts] = [DEFAULT_SKETCH_PRECISION, ACCOUNT_SKETCH_PRECISION]
                    .map(|precision| UserSketch::new(precision).expect("these precisions are usual"));
                self.days.insert(place, (date, CountedDay { tally: Tally::default(), users, accounts }));
                place
            });
        }
        &mut self.days[self.last].1
    }

    /// What was counted.
    pub(super) fn finish(self) -> Folded {
        Folded { days: self.days.into_iter().collect(), ..self.counted }
    }
}

/// Users who were counted on a day a moment ago: most events are of one of these, and change nothing more.
struct RecentUsers(Vec<(u128, NaiveDate)>);

/// Users that are remembered.
const RECENT_USERS: usize = 1 << 12;

impl RecentUsers {
    fn new() -> Self {
        // No user is known by 0 on the first of all days.
        Self(vec![(0, NaiveDate::MIN); RECENT_USERS])
    }

    /// Whether the user was counted on that day; from now on it was.
    fn is_there(&mut self, key: u128, date: NaiveDate) -> bool {
        let place = &mut self.0[key as usize % RECENT_USERS];
        std::mem::replace(place, (key, date)) == (key, date)
    }
}
