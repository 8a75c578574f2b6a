//! The first reading: what the file is, and what there is to say about it before anything is written.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::day_of;
use headcount_core::limits::MAX_EARLINESS_MS;
use headcount_core::origin::Source;
use headcount_core::rejection::Problem;
use headcount_core::validate::{Arrival, Rules, glance, validate};
use headcount_core::wire::{Raw, RecordError, decompress, split};
use rayon::prelude::*;
use serde::Serialize;

use super::file::{Line, Lines, is_of_the_log};
use crate::content::Unit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Lines that are looked at together, on all cores.
const LINES_AT_ONCE: usize = 4_096;

/// Bytes of lines that are looked at together.
const BYTES_AT_ONCE: usize = 16 << 20;

/// Rejected lines that are listed; the others are counted.
pub(crate) const MAX_LISTED_LINES: usize = 20;

/// What is the same of several lines: how many, and the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Marked {
    pub(crate) events: u64,
    pub(crate) first_line: Option<u64>,
}

impl Marked {
    fn mark(&mut self, line: u64) {
        self.events += 1;
        self.first_line.get_or_insert(line);
    }
}

/// A line that breaks rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RejectedLine {
    pub(crate) line: u64,
    pub(crate) problems: Vec<String>,
}

/// What a file of history is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// What its lines are.
    pub(crate) unit: Unit,
    /// Lines, blank ones included.
    pub(crate) lines: u64,
    pub(crate) blank: u64,
    /// The hash of the content.
    pub(crate) content: u128,
    /// The newest time that an event tells and that is not ahead.
    pub(crate) newest_ms: Option<i64>,
    /// Valid events without an `eventId`.
    pub(crate) without_id: Marked,
    /// Valid events that tell no time: they take that of the newest.
    pub(crate) without_time: Marked,
    /// Events whose time has not come yet: they are rejected.
    pub(crate) ahead: Marked,
    /// The first lines that break rules.
    pub(crate) listed: Vec<RejectedLine>,
    /// Events that break rules.
    pub(crate) rejected: u64,
    /// The days of the valid events that tell their time.
    pub(crate) days: BTreeSet<NaiveDate>,
}

impl Survey {
    /// The source that is this file and no other.
    pub(crate) fn source(&self) -> Source {
        Source::import(self.content)
    }

    /// Every day on which something of the file counts, where it arrived at this time.
    pub(crate) fn days_touched(&self, zone: Tz, arrived_ms: i64) -> BTreeSet<NaiveDate> {
        let mut days = self.days.clone();
        if self.rejected > 0 || self.without_time.events > 0 {
            days.extend(day_of(zone, arrived_ms));
        }
        days
    }

    fn take(&mut self, seen: Seen) {
        self.blank += u64::from(seen.is_blank);
        self.newest_ms = self.newest_ms.max(seen.newest_ms);
        for _ in 0..seen.without_id {
            self.without_id.mark(seen.line);
        }
        for _ in 0..seen.without_time {
            self.without_time.mark(seen.line);
        }
        for _ in 0..seen.ahead {
            self.ahead.mark(seen.line);
        }
        self.rejected += seen.rejected;
        if !seen.problems.is_empty() && self.listed.len() < MAX_LISTED_LINES {
            self.listed.push(RejectedLine { line: seen.line, problems: seen.problems });
        }
        self.days.extend(seen.days);
    }
}

/// What was seen in one line.
#[derive(Default)]
struct Seen {
    line: u64,
    is_blank: bool,
    newest_ms: Option<i64>,
    without_id: u64,
    without_time: u64,
    ahead: u64,
    rejected: u64,
    problems: Vec<String>,
    days: Vec<NaiveDate>,
}

/// Looks at every line of the file. None where Ctrl-C ended it. It reads and computes, so it is not for a thread that
/// others wait on.
pub(crate) fn survey(
    path: &Path,
    rules: &Rules,
    zone: Tz,
    now_ms: i64,
    interrupt: &Interrupt,
) -> Result<Option<Survey>, Failure> {
    let mut lines = Lines::open(path)?;
    let mut progress = Progress::start("looking at bytes", Some(lines.position().1));
    let looking = Looking { rules, zone, now_ms };
    let mut survey = Survey { unit: lines.unit(), ..Survey::default() };
    loop {
        let mut group = Vec::new();
        let mut bytes = 0;
        while group.len() < LINES_AT_ONCE && bytes < BYTES_AT_ONCE {
            let Some(line) = lines.next()? else { break };
            bytes += line.text.len();
            group.push(line);
        }
        if group.is_empty() {
            break;
        }
        if interrupt.is_asked() {
            progress.finish();
            return Ok(None);
        }
        survey.lines += group.len() as u64;
        let seen: Vec<Seen> = group.par_iter().map(|line| looking.at(line)).collect();
        for seen in seen {
            survey.take(seen);
        }
        progress.set(lines.position().0);
    }
    progress.finish();
    survey.content = lines.hash();
    Ok(Some(survey))
}

struct Looking<'a> {
    rules: &'a Rules,
    zone: Tz,
    now_ms: i64,
}

impl Looking<'_> {
    fn at(&self, line: &Line) -> Seen {
        let mut seen = Seen { line: line.number, ..Seen::default() };
        if is_blank(line) {
            seen.is_blank = true;
            return seen;
        }
        // Its time is that of the newest event, which nobody knows yet; now is no earlier, and nothing else depends on it.
        let arrival = Arrival { source: Source::import(0), sequence: line.number.into(), arrived_ms: self.now_ms };
        let looked = decompress(&line.text).and_then(|plain| {
            let raws = split(&plain)?;
            (0..).zip(&raws).for_each(|(index, raw)| self.at_event(raw, index, &arrival, &mut seen));
            Ok(())
        });
        if let Err(error) = looked {
            seen.rejected = if let RecordError::TooManyEvents { count } = error { count } else { 1 };
            seen.problems.push(error.to_string());
        }
        seen
    }

    fn at_event(&self, raw: &Raw<'_>, index: u32, arrival: &Arrival, seen: &mut Seen) {
        let Raw::Text(text) = raw else {
            seen.rejected += 1;
            seen.problems.push("it is not valid JSON: its bytes are not UTF-8".to_owned());
            return;
        };
        let glance = glance(text);
        let time_ms = glance.and_then(|glance| glance.time_ms);
        if time_ms.is_some_and(|ms| ms > self.now_ms + MAX_EARLINESS_MS) {
            seen.ahead += 1;
        } else {
            seen.newest_ms = seen.newest_ms.max(time_ms);
        }
        match validate(text, arrival, index, self.rules) {
            Ok(accepted) => {
                seen.without_id += u64::from(glance.is_some_and(|glance| !glance.has_id));
                match time_ms {
                    Some(_) => seen.days.extend(day_of(self.zone, accepted.event.timestamp_ms)),
                    None => seen.without_time += 1,
                }
            }
            Err(rejection) => {
                seen.rejected += 1;
                seen.problems.extend(rejection.problems.iter().map(Problem::to_string));
            }
        }
    }
}

/// Whether the line holds no event, so that its number is left out: it is blank, or the header of an entry of another event
/// log, or a rejection in it.
pub(crate) fn is_blank(line: &Line) -> bool {
    let text = line.text.trim_ascii();
    text.is_empty() || is_of_the_log(text)
}

#[cfg(test)]
mod tests;
