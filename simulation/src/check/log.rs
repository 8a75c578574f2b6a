//! Each accepted occurrence is in its source's log exactly once, or was dropped as a duplicate of one that is in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use chrono::NaiveDate;
use headcount_core::event::Event;
use headcount_core::origin::{Origin, SequenceNumber, Source};

use super::entries::{Entries, Fate, Logged};
use crate::truth::{Delivered, Key, Truth};

pub(crate) fn differences(truth: &Truth, entries: &Entries) -> Vec<String> {
    let mut found = Vec::new();
    let (known, needed) = (entries.keys(), truth.needed());
    let missing: Vec<&Key> = needed.difference(&known).collect();
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
            let number_of = |sequence: &SequenceNumber| sequence.as_str().parse::<u64>().unwrap_or(u64::MAX);
            let after = last.as_ref().map_or(Bound::Unbounded, |last| Bound::Excluded(number_of(last)));
            let covered: Vec<_> = self.delivered.range((after, Bound::Included(number_of(up_to)))).collect();
            if let Err(what) = self.compare(logged, &covered) {
                found.push(format!("entry {number} of {}: {what}", self.source));
                return;
            }
            last = Some(up_to.clone());
        }
        self.ends_at(last, found);
    }

    /// Whether an entry is what these records come to. Records that were given up may be missing.
    fn compare(&self, logged: &Logged, covered: &[(&u64, &Delivered)]) -> Result<(), String> {
        let events = logged.events();
        let mut expected = Counts { rejected: BTreeMap::new(), duplicates: BTreeMap::new() };
        for (date, day) in &logged.content.days {
            expected.duplicates.insert(*date, day.duplicates);
            expected.rejected.insert(*date, day.rejected);
        }
        expected.duplicates.retain(|_, count| *count > 0);
        expected.rejected.retain(|_, count| *count > 0);
        let is: BTreeSet<&Origin> = logged.content.rejections.iter().map(|rejection| &rejection.origin).collect();
        if is.len() != logged.content.rejections.len() {
            return Err("a rejection is there twice".to_owned());
        }
        let search = Search { one: self, covered, rejections: &is, expected: &expected };
        search.fits(0, &events, &Counts::default())
    }
}

/// How many of each date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    rejected: BTreeMap<NaiveDate, u64>,
    duplicates: BTreeMap<NaiveDate, u64>,
}

struct Search<'a> {
    one: &'a OneSource<'a>,
    covered: &'a [(&'a u64, &'a Delivered)],
    rejections: &'a BTreeSet<&'a Origin>,
    expected: &'a Counts,
}

impl Search<'_> {
    /// Whether the records from the `place`-th on come to what is left of the entry's events and counts.
    fn fits(&self, place: usize, events: &[&Event<'_>], counts: &Counts) -> Result<(), String> {
        let Some((sequence, delivered)) = self.covered.get(place) else {
            if let Some(event) = events.first() {
                return Err(format!("{event:?} is too many"));
            }
            let differs = counts != self.expected;
            return if differs { Err(format!("it says {:?}, not {counts:?}", self.expected)) } else { Ok(()) };
        };
        let there = self.taken(delivered, events, counts);
        let there = there.and_then(|(events, counts)| self.fits(place + 1, events, &counts));
        let is_rejected = delivered.rejected.iter().any(|origin| self.rejections.contains(origin));
        if there.is_err() && self.one.is_optional(**sequence) && !is_rejected {
            return self.fits(place + 1, events, counts);
        }
        there.map_err(
            |what| if what.is_empty() { format!("record {sequence} is not there as it was sent") } else { what },
        )
    }

    /// What is left behind a record that is in the entry.
    fn taken<'e>(
        &self,
        delivered: &Delivered,
        mut events: &'e [&'e Event<'e>],
        counts: &Counts,
    ) -> Result<(&'e [&'e Event<'e>], Counts), String> {
        let mut counts = counts.clone();
        for occurrence in &delivered.occurrences {
            if events.first().is_some_and(|event| **event == occurrence.event) {
                events = &events[1..];
            } else if self.one.known.contains(&Key::of(&occurrence.event)) {
                *counts.duplicates.entry(occurrence.day).or_default() += 1;
            } else {
                return Err(String::new());
            }
        }
        if !delivered.rejected.iter().all(|origin| self.rejections.contains(origin)) {
            return Err(String::new());
        }
        if !delivered.rejected.is_empty() {
            *counts.rejected.entry(delivered.arrival_day).or_default() += delivered.rejected.len() as u64;
        }
        Ok((events, counts))
    }
}
