//! One run over one table, and the day it works on.

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::{end_of, start_of};
use headcount_core::deployment::Deployment;
use headcount_core::keys::WriteShards;
use headcount_core::limits::{DAY_MS, PARTIAL_TTL_DAYS};
use headcount_core::user_sketch::UserSketch;
use headcount_store::deployment;
use headcount_store::rows::Cursor;
use headcount_store::traits::{AggregatorStore, EventSpan, Stamp};
use tokio::time::Instant;

use crate::deps::Deps;
use crate::error::AggregateError;

/// Milliseconds of a day's events that one listing reads.
const SPAN_MS: i64 = 60 * 60 * 1_000;

/// One run: what it works with, when it began, when it must end.
pub(crate) struct Run<'a, S> {
    pub(crate) deps: &'a Deps<S>,
    pub(crate) deployment: Deployment,
    pub(crate) now_ms: i64,
    pub(crate) deadline: Instant,
}

impl<'a, S: AggregatorStore> Run<'a, S> {
    /// Reads the deployment's record: without it nobody knows what a day is.
    pub(crate) async fn begin(deps: &'a Deps<S>, deadline: Instant) -> Result<Self, AggregateError> {
        let found = deployment::read(&deps.store, &deps.jitter, deadline).await?;
        let deployment = found.ok_or(AggregateError::NoDeployment)?;
        if let Some(zone) = deps.settings.zone {
            deployment.check_zone(zone)?;
        }
        Ok(Self { deps, deployment, now_ms: deps.clock.now_ms(), deadline })
    }

    pub(crate) fn zone(&self) -> Tz {
        self.deployment.zone
    }

    pub(crate) fn shards(&self, date: NaiveDate) -> WriteShards {
        self.deployment.write_shards.on(date)
    }

    /// The stamp of a partial of `date`. What was imported lives from its import on, and nobody here knows when that
    /// was: from now on is never too short.
    pub(crate) fn partial_stamp(&self, date: NaiveDate) -> Stamp {
        let now_ms = self.deps.clock.now_ms();
        let expires_ms = end_of(self.zone(), date).max(now_ms).saturating_add(PARTIAL_TTL_DAYS * DAY_MS);
        Stamp { now_ms, expires_s: expires_ms.div_euclid(1_000) }
    }

    /// A user sketch as this deployment begins it.
    pub(crate) fn new_user_sketch(&self) -> Result<UserSketch, AggregateError> {
        UserSketch::new(self.deployment.precision)
            .map_err(|error| AggregateError::Merge { detail: format!("no user sketch can begin: {error}") })
    }

    /// The day's events in pieces that can be read side by side: hour by hour, of each partition.
    pub(crate) fn event_spans(&self, date: NaiveDate) -> Vec<EventSpan> {
        let shards = self.shards(date);
        let (start, end) = (start_of(self.zone(), date), end_of(self.zone(), date));
        let mut spans = Vec::new();
        for shard in 0..shards.count() {
            let mut from_ms = start;
            while from_ms < end {
                let to_ms = end.min(from_ms + SPAN_MS);
                spans.push(EventSpan { date, shards, shard, from_ms, to_ms });
                from_ms = to_ms;
            }
        }
        spans
    }

    /// Fails where the time is used up.
    pub(crate) fn check_time(&self, what: impl FnOnce() -> String) -> Result<(), AggregateError> {
        if Instant::now() >= self.deadline { Err(AggregateError::Deadline { what: what() }) } else { Ok(()) }
    }

    /// The cursor of the next page; an error where it is the one that the last page was read with, or where there is
    /// no time to read it.
    pub(crate) fn next_page(
        &self,
        after: Option<&Cursor>,
        next: Option<Cursor>,
        what: &'static str,
        date: NaiveDate,
    ) -> Result<Option<Cursor>, AggregateError> {
        if next.is_some() {
            self.check_time(|| format!("the {what} of {date} were read"))?;
            if next.as_ref() == after {
                return Err(AggregateError::Stuck { what: format!("the {what} of {date}") });
            }
        }
        Ok(next)
    }
}
