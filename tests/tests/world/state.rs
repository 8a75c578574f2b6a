//! What the table holds in the end, next to the model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::NaiveDate;
use headcount_aggregator::roll_up::roll_up;
use headcount_aggregator::verify::verify;
use headcount_aggregator::{Deps, Settings};
use headcount_core::keys::WriteShards;
use headcount_core::partial::Partial;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use headcount_store::rows::{EventRow, Lookup};
use headcount_store::traits::{
    DailyStore as _, EventSpan, EventStore as _, PartialStore as _, RejectedStore as _, UserStore as _,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::model::{Known, Model, date};

const PATIENCE: Duration = Duration::from_mins(2);

/// Everything, read without the proxy.
pub(crate) struct State {
    rows: Vec<EventRow<'static>>,
    partials: Vec<Partial>,
    first_days: BTreeMap<String, NaiveDate>,
    rejected_items: u64,
    /// Rejected occurrences by source.
    pub(crate) rejected: BTreeMap<String, u64>,
    /// Each day's figures.
    days: BTreeMap<NaiveDate, Value>,
}

impl State {
    /// Rolls up, verifies each day, and reads.
    pub(crate) async fn read(store: DynamoStore, model: &Model) -> Self {
        let settings = Settings::default();
        let deps = Deps { store, clock: Clock::system(), jitter: Jitter::from_seed(1), settings };
        let soon = || Instant::now() + PATIENCE;
        let rolled_up = Box::pin(roll_up(&deps, None, soon())).await.unwrap();
        assert_eq!(rolled_up.failed().next(), None);
        let dates = model
            .dates()
            .into_iter()
            .chain([date(model.arrived_ms), date(deps.clock.now_ms())])
            .collect::<BTreeSet<_>>();
        for date in &dates {
            let found = Box::pin(verify(&deps, *date, soon())).await.unwrap();
            assert!(found.passed() && found.in_flight() == 0 && !found.is_recount_due(), "{date}: {found:#?}");
        }
        let store = &deps.store;
        let mut state = Self {
            rows: Vec::new(),
            partials: Vec::new(),
            first_days: BTreeMap::new(),
            rejected_items: 0,
            rejected: BTreeMap::new(),
            days: BTreeMap::new(),
        };
        for date in &dates {
            let span = EventSpan { date: *date, shards: WriteShards::ONE, shard: 0, from_ms: 0, to_ms: i64::MAX };
            let mut after = None;
            loop {
                let page = store.events_page(&span, after.as_ref()).await.unwrap();
                state.rows.extend(page.items);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            loop {
                let page = store.partials_page(*date, WriteShards::ONE, 0, after.as_ref()).await.unwrap();
                state.partials.extend(page.items.iter().map(|record| Partial::decode(record).unwrap()));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            loop {
                let page = store.rejected_page(*date, WriteShards::ONE, 0, after.as_ref()).await.unwrap();
                state.rejected_items += page.items.iter().map(|rejected| rejected.count).sum::<u64>();
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            if let [Lookup::Found(daily)] = store.dailies(&[*date]).await.unwrap().as_slice() {
                state.days.insert(*date, Value::Object(daily.data.clone()));
            }
        }
        for partial in &state.partials {
            *state.rejected.entry(partial.source.as_str().to_owned()).or_default() += partial.counters.rejected;
        }
        let users: Vec<_> = model.first_days().into_keys().collect();
        for some in users.chunks(100) {
            let some: Vec<_> = some.iter().map(String::as_str).collect();
            for (user, found) in some.iter().zip(store.first_days(&some).await.unwrap()) {
                if let Lookup::Found(date) = found {
                    state.first_days.insert((*user).to_owned(), date);
                }
            }
        }
        state
    }

    /// Fails where anything is not as the model has it.
    pub(crate) fn equals(&self, model: &Model) {
        let known = |row: &EventRow<'_>| Known {
            at_ms: row.event.timestamp_ms,
            id: row.event.id.clone().into_owned(),
            user: row.event.user_id.clone().into_owned(),
            event_type: ["page_view", "feature_use", "error"]
                .into_iter()
                .find(|name| *name == row.event.event_type.as_str())
                .unwrap_or("another"),
            feature: ["search", "export"].into_iter().find(|name| row.event.feature().as_deref() == Some(*name)),
        };
        let stored: BTreeSet<_> = self.rows.iter().map(known).collect();
        assert_eq!(stored.len(), self.rows.len(), "each is stored once");
        assert_eq!(stored, model.events, "what is stored");
        assert_eq!(self.first_days, model.first_days(), "users' first days");
        let rejected = model.rejected.iter().sum::<u64>();
        assert_eq!(
            (self.rejected_items, self.rejected.values().sum()),
            (rejected, rejected),
            "rejected, as items and counted"
        );

        // Which source an event belongs to is decided by whoever comes first; that it counts there is not.
        let mut expected: BTreeMap<(NaiveDate, String), BTreeMap<String, u64>> = BTreeMap::new();
        for row in &self.rows {
            let known = known(row);
            let of_source = expected.entry((known.date(), row.origin.source.as_str().to_owned())).or_default();
            for name in [Some("events"), Some(known.event_type), known.feature].into_iter().flatten() {
                *of_source.entry(name.to_owned()).or_default() += 1;
            }
        }
        let mut counted: BTreeMap<(NaiveDate, String), BTreeMap<String, u64>> = BTreeMap::new();
        let mut duplicates = 0;
        for partial in &self.partials {
            let counters = &partial.counters;
            duplicates += counters.duplicates;
            let of_source = counted.entry((partial.date, partial.source.as_str().to_owned())).or_default();
            let named = counters.by_type.iter().chain(&counters.features).map(|(name, count)| (name, *count));
            let all = [("events", counters.events)].into_iter().chain(named).filter(|(_, count)| *count > 0);
            of_source.extend(all.map(|(name, count)| (name.to_owned(), count)));
        }
        counted.retain(|_, counters| !counters.is_empty());
        assert_eq!(counted, expected, "the counters of each day and source");
        assert_eq!(duplicates, model.occurrences - model.events.len() as u64, "duplicates");

        for date in model.dates() {
            let of_day: Vec<_> = model.events.iter().filter(|event| event.date() == date).collect();
            let users: BTreeSet<_> = of_day.iter().map(|event| &event.user).collect();
            let new = model.first_days().values().filter(|first| **first == date).count();
            let day = &self.days[&date];
            assert_eq!((&day["activeUsers"], &day["newSignups24h"]), (&json!(users.len()), &json!(new)), "{day:#}");
            for event_type in ["page_view", "feature_use", "error"] {
                let count = of_day.iter().filter(|event| event.event_type == event_type).count();
                assert_eq!(day["eventsByType"][event_type], json!(count), "{day:#}");
            }
        }
    }
}
