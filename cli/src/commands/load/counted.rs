//! When the counters hold what was sent: their sum grows as the consumer folds.

use std::collections::VecDeque;

use chrono::{DateTime, NaiveDate};
use headcount_core::calendar::day_of;
use headcount_core::counters::Counters;
use headcount_core::deployment::TableMeta;
use headcount_runtime::clock::Clock;
use headcount_store::dynamo::DynamoStore;
use headcount_store::traits::{MetaStore as _, PartialStore as _};
use tokio::time::Instant;

use super::latency::Latencies;
use crate::failure::Failure;

/// The events that were sent, and how many of them are counted. Which are is not asked: the earliest, it is taken.
pub(super) struct Counted {
    store: DynamoStore,
    /// None where the table was never used.
    meta: Option<TableMeta>,
    /// The days that are looked at: that of the beginning, and the next.
    days: [NaiveDate; 2],
    before: u64,
    found: u64,
    waiting: VecDeque<(Instant, u64)>,
    latencies: Latencies,
}

impl Counted {
    /// What is counted from now on.
    pub(super) async fn begin(store: DynamoStore) -> Result<Self, Failure> {
        let meta = store.read_meta().await.map_err(Failure::said)?;
        let now_ms = Clock::system().now_ms();
        let today = match &meta {
            Some(meta) => day_of(meta.deployment.zone, now_ms),
            None => DateTime::from_timestamp_millis(now_ms).map(|now| now.date_naive()),
        };
        let today = today.ok_or_else(|| Failure::new("the clock tells no day", "set this machine's clock"))?;
        let days = [today, today.succ_opt().unwrap_or(today)];
        let (waiting, latencies) = (VecDeque::new(), Latencies::default());
        let mut this = Self { store, meta, days, before: 0, found: 0, waiting, latencies };
        this.before = this.sum().await?;
        Ok(this)
    }

    /// So many events were sent then.
    pub(super) fn sent(&mut self, at: Instant, events: u64) {
        self.waiting.push_back((at, events));
    }

    /// Events that are not counted yet.
    pub(super) fn left(&self) -> u64 {
        self.waiting.iter().map(|(_, events)| events).sum()
    }

    /// How long the others took.
    pub(super) fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// Looks at the counters.
    pub(super) async fn look(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let sum = self.sum().await?;
        // Some may be counted before their acceptance is known here.
        let mut new = sum.saturating_sub(self.before + self.found);
        while let Some((at, events)) = self.waiting.front_mut().filter(|_| new > 0) {
            let some = new.min(*events);
            self.latencies.add(now.saturating_duration_since(*at), some);
            *events -= some;
            new -= some;
            self.found += some;
            if *events == 0 {
                self.waiting.pop_front();
            }
        }
        Ok(())
    }

    async fn sum(&mut self) -> Result<u64, Failure> {
        if self.meta.is_none() {
            self.meta = self.store.read_meta().await.map_err(Failure::said)?;
        }
        let Some(meta) = &self.meta else { return Ok(0) };
        let mut sum = 0;
        for date in self.days {
            let mut after = None;
            loop {
                let page = self.store.partials_page(meta.table, date, after.as_ref()).await.map_err(Failure::said)?;
                let counters = page.items.iter().filter_map(|partial| Counters::decode(&partial.counters).ok());
                sum += counters.map(|counters| counters.events).sum::<u64>();
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(sum)
    }
}
