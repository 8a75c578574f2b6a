//! How far the table is behind the log, as `/healthz` tells it.

use headcount_aggregator::follow::{Following, Position, SourceFollowing};
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_log::{Log, LogError};
use tokio::time::Instant;

/// Entries whose headers are read to tell how many events wait, of one source. With more of them it is not told.
const MAX_READ_HEADERS: usize = 64;

/// How far one follower is, all sources together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Entries that it has to follow.
    pub entries: u64,
    /// Events in them; `None` where there are too many entries to look.
    pub events: Option<u64>,
    /// How long ago the oldest of them was appended, milliseconds.
    pub millis: u64,
    /// The source of the oldest one.
    pub worst_source: Option<String>,
}

/// How far the table is behind the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableLag {
    /// Each source, as the last run of the followers left it.
    pub following: Following,
    /// The follower of figures.
    pub figures: Lag,
    /// The follower of items.
    pub items: Lag,
}

impl TableLag {
    /// What a run of the followers found, with the events that wait.
    pub(super) async fn of(following: Following, log: &Log, deadline: Instant) -> Result<Self, LogError> {
        let figures = behind(&following, Follower::Figures, log, deadline).await?;
        let items = behind(&following, Follower::Items, log, deadline).await?;
        Ok(Self { following, figures, items })
    }
}

fn position(source: &SourceFollowing, follower: Follower) -> Position {
    match follower {
        Follower::Figures => source.figures,
        Follower::Items => source.items,
    }
}

async fn behind(following: &Following, follower: Follower, log: &Log, deadline: Instant) -> Result<Lag, LogError> {
    let mut sum = Lag { events: Some(0), ..Lag::default() };
    for source in &following.sources {
        let position = position(source, follower);
        if position.entries_behind == 0 {
            continue;
        }
        sum.entries += position.entries_behind;
        let events = events(&source.source, position, log, deadline).await?;
        sum.events = sum.events.zip(events).map(|(sum, events)| sum + events);
        if sum.worst_source.is_none() || position.millis_behind > sum.millis {
            (sum.millis, sum.worst_source) = (position.millis_behind, Some(source.source.clone()));
        }
    }
    Ok(sum)
}

async fn events(source: &str, position: Position, log: &Log, deadline: Instant) -> Result<Option<u64>, LogError> {
    let Some(source) = Source::parse(source).ok().filter(|_| position.entries_behind <= MAX_READ_HEADERS as u64) else {
        return Ok(None);
    };
    let mut events = 0;
    for listed in log.list_after(&source, position.entry, MAX_READ_HEADERS, deadline).await? {
        match log.read_header(&source, listed.entry, deadline).await {
            Ok(header) => events += header.dates.values().map(|date| date.events).sum::<u64>(),
            // It is in no figure and will be in none.
            Err(LogError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(events))
}
