//! Each accepted occurrence is in its source's log exactly once, or was dropped as a duplicate of one that is in the log.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use headcount_core::origin::{Origin, SequenceNumber, Source};

use super::entries::{Entries, Fate, Logged};
use crate::truth::{Delivered, Key, Truth};

pub(crate) fn differences(truth: &Truth, entries: &Entries) -> Vec<String> {
    let mut found = Vec::new();
    let known: BTreeSet<Key> =
        entries.all().flat_map(|(_, logged, _)| logged.events()).map(|event| Key::of(event)).collect();
    let missing: Vec<&Key> = truth.events.keys().filter(|key| !known.contains(key)).collect();
    if !missing.is_empty() {
        found.push(format!("events that are in no log: {missing:?}"));
    }
    let unheard: Vec<&Key> = known.iter().filter(|key| !truth.events.contains_key(key)).collect();
    if !unheard.is_empty() {
        found.push(format!("events in a log that nobody sent: {unheard:?}"));
    }
    let none = BTreeMap::new();
    for (source, _) in entries.sources() {
        let delivered = truth.sources.get(source).unwrap_or(&none);
        let one = OneSource { source, delivered, truth, known: &known };
        if entries.is_damaged(source) {
            one.is_covered(entries, &mut found);
        } else {
            one.is_exact(entries, &mut found);
        }
    }
    for (source, delivered) in &truth.sources {
        let optional = |sequence: &&u64| !truth.given_up.contains(&(source.clone(), **sequence));
        if entries.of(source).next().is_none() && delivered.keys().any(|sequence| optional(&sequence)) {
            found.push(format!("{source} has no log"));
        }
    }
    found
}

struct OneSource<'a> {
    source: &'a Source,
    delivered: &'a BTreeMap<u64, Delivered>,
    truth: &'a Truth,
    /// Every event that is in a log.
    known: &'a BTreeSet<Key>,
}

impl OneSource<'_> {
    fn is_optional(&self, sequence: u64) -> bool {
        self.truth.given_up.contains(&(self.source.clone(), sequence))
    }

    /// Of a source with damaged entries: whatever they covered is in some entry all the same.
    fn is_covered(&self, entries: &Entries, found: &mut Vec<String>) {
        let newest = entries.of(self.source).map(|(_, logged, _)| logged.facts.last.clone()).max();
        self.ends_at(newest, found);
    }

    fn ends_at(&self, last: Option<SequenceNumber>, found: &mut Vec<String>) {
        let needed = self.delivered.keys().rev().find(|sequence| !self.is_optional(**sequence));
        if needed.is_some_and(|needed| last.is_none_or(|last| last < SequenceNumber::from(*needed))) {
            found.push(format!("the log of {} does not cover its last record", self.source));
        }
    }

    fn is_exact(&self, entries: &Entries, found: &mut Vec<String>) {
        let mut last: Option<SequenceNumber> = None;
        for (expected, (number, logged, fate)) in (1..).zip(entries.of(self.source)) {
            if number != expected {
                found.push(format!("the log of {} has entry {number}, not {expected}", self.source));
                return;
            }
            debug_assert_ne!(fate, Fate::Damaged);
            let up_to = &logged.facts.last;
            if last.as_ref().is_some_and(|last| last >= up_to) {
                found.push(format!("entry {number} of {} does not go on behind the one before", self.source));
                return;
            }
            let is_covered = |sequence: &u64| {
                let sequence = SequenceNumber::from(*sequence);
                last.as_ref().is_none_or(|last| sequence > *last) && sequence <= *up_to
            };
            let covered: Vec<_> = self.delivered.iter().filter(|(sequence, _)| is_covered(sequence)).collect();
            if let Err(what) = self.compare(logged, &covered) {
                found.push(format!("entry {number} of {}: {what}", self.source));
                return;
            }
            last = Some(up_to.clone());
        }
        self.ends_at(last, found);
    }

    /// Whether an entry is what these records come to.
    fn compare(&self, logged: &Logged, covered: &[(&u64, &Delivered)]) -> Result<(), String> {
        let events = logged.events();
        let mut next = events.as_slice();
        let mut duplicates: BTreeMap<NaiveDate, Bounds> = BTreeMap::new();
        let mut rejected: BTreeMap<NaiveDate, Bounds> = BTreeMap::new();
        let mut needed: BTreeSet<&Origin> = BTreeSet::new();
        let mut allowed: BTreeSet<&Origin> = BTreeSet::new();
        for (sequence, delivered) in covered {
            let is_optional = self.is_optional(**sequence);
            let before = next;
            let mut dropped = Vec::new();
            let mut is_there = true;
            for occurrence in &delivered.occurrences {
                if next.first().is_some_and(|event| **event == occurrence.event) {
                    next = &next[1..];
                } else if self.known.contains(&Key::of(&occurrence.event)) {
                    dropped.push(occurrence.day);
                } else {
                    is_there = false;
                }
            }
            if !is_there && !is_optional {
                return Err(format!("events of record {sequence} are missing"));
            }
            if !is_there {
                next = before;
            }
            for day in dropped {
                duplicates.entry(day).or_default().add(1, is_optional);
            }
            if is_optional {
                // Which of its events are others' duplicates is open.
                for occurrence in &delivered.occurrences {
                    duplicates.entry(occurrence.day).or_default().most += 1;
                }
            } else {
                needed.extend(&delivered.rejected);
            }
            allowed.extend(&delivered.rejected);
            rejected.entry(delivered.arrival_day).or_default().add(delivered.rejected.len() as u64, is_optional);
        }
        if let Some(event) = next.first() {
            return Err(format!("{event:?} is too many"));
        }
        let is: BTreeSet<&Origin> = logged.content.rejections.iter().map(|rejection| &rejection.origin).collect();
        if is.len() != logged.content.rejections.len() || !needed.is_subset(&is) || !is.is_subset(&allowed) {
            return Err(format!("rejected are {is:?}, not {needed:?}"));
        }
        for (date, day) in &logged.content.days {
            duplicates.remove(date).unwrap_or_default().check("duplicates", *date, day.duplicates)?;
            rejected.remove(date).unwrap_or_default().check("rejections", *date, day.rejected)?;
        }
        for (date, bounds) in duplicates.into_iter().chain(rejected) {
            bounds.check("duplicates or rejections", date, 0)?;
        }
        Ok(())
    }
}

/// How many there may be.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    least: u64,
    most: u64,
}

impl Bounds {
    fn add(&mut self, count: u64, is_optional: bool) {
        self.most += count;
        self.least += if is_optional { 0 } else { count };
    }

    fn check(self, what: &str, date: NaiveDate, count: u64) -> Result<(), String> {
        if (self.least..=self.most).contains(&count) {
            return Ok(());
        }
        Err(format!("{what} on {date} are {count}, not from {} to {}", self.least, self.most))
    }
}
