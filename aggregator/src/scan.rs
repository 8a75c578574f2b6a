//! One user's events out of the log, where the table has no event items: a bounded reading of the entries of some dates.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use headcount_core::deployment::Deployment;
use headcount_core::event::Event;
use headcount_log::{Log, LogError};
use headcount_proof::replay::{Replay, Replayed, Span};
use tokio::time::Instant;

use crate::calendar_window::late_ms;
use crate::deps::Settings;

/// Events that one scan finds at most: the newest ones.
pub const MAX_FOUND: usize = 10_000;

/// How far a scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanProgress {
    /// Sources that are read to their end.
    pub sources: usize,
    /// Of how many.
    pub of_sources: usize,
    /// Entries that were read.
    pub entries: u64,
    /// Events of the user.
    pub found: u64,
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scanned {
    /// The user's events, the newest first; what is in the log more than once comes once.
    pub events: Vec<Event<'static>>,
    /// Whether there are older ones: [`MAX_FOUND`] were found.
    pub is_cut: bool,
    /// Entries that are missing or cannot be read, by source and number.
    pub damaged: Vec<(String, u64)>,
}

/// Reads the entries of `dates` for the events of `user_id`. Of a shard those are read that were appended from the first
/// date on until events of the last one can no longer come; other sources are read whole.
///
/// # Errors
///
/// [`LogError`], where the log cannot be read in time.
pub async fn scan_user(
    log: &Log,
    deployment: &Deployment,
    settings: &Settings,
    user_id: &str,
    dates: &BTreeSet<NaiveDate>,
    mut on_progress: impl FnMut(ScanProgress),
    deadline: Instant,
) -> Result<Scanned, LogError> {
    let (mut scanned, mut found) = (Scanned::default(), BTreeMap::new());
    let Some(span) = Span::of(deployment.zone, dates, late_ms(settings)) else { return Ok(scanned) };
    let sources = log.sources(deadline).await?;
    let mut progress = ScanProgress { of_sources: sources.len(), ..ScanProgress::default() };
    for source in &sources {
        // The head is an hour old at most, so that little is listed behind it.
        let head = log.head(source, deadline).await?.map_or(0, |head| head.entry);
        let newest = log.newest(source, head, deadline).await?;
        let replay = Replay { log, source, newest, dates, span, only: None, at_once: settings.at_once(), deadline };
        // Whatever was appended later has no event of these dates.
        let mut walk = replay.walk(0).await?;
        loop {
            let window = walk.next().await?;
            if window.is_empty() {
                break;
            }
            for read in &window {
                progress.entries += 1;
                match events_of(read, user_id) {
                    Some(events) => found.extend(events.into_iter().map(|event| (key(&event), event))),
                    None => scanned.damaged.push((source.to_string(), read.entry)),
                }
                while found.len() > MAX_FOUND {
                    found.pop_first();
                    scanned.is_cut = true;
                }
                progress.found = found.len() as u64;
                on_progress(progress);
            }
        }
        progress.sources += 1;
        on_progress(progress);
    }
    scanned.events = found.into_values().rev().collect();
    Ok(scanned)
}

/// In order of time.
fn key(event: &Event<'_>) -> (i64, String) {
    (event.timestamp_ms, event.id.clone().into_owned())
}

/// The user's events of an entry; `None` where it cannot be read.
fn events_of(read: &Replayed, user_id: &str) -> Option<Vec<Event<'static>>> {
    let mut events = Vec::new();
    for bytes in read.days.as_ref().ok()? {
        let lines = bytes.lines().ok()?;
        let day = bytes.day(&lines).ok()?;
        let of_user = day.events.into_iter().map(|(_, event)| event).filter(|event| event.user_id == user_id);
        events.extend(of_user.map(Event::into_owned));
    }
    Some(events)
}
