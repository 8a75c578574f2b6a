//! How the store in memory fulfils the traits.

use std::ops::Bound;

use chrono::NaiveDate;
use headcount_core::deployment::Deployment;
use headcount_core::keys::{self, ItemKey, WriteShards};
use headcount_core::origin::{Origin, Source};
use headcount_core::partial::PartialRecord;

use super::{MemoryStore, refused};
use crate::batch;
use crate::defects::Defect;
use crate::error::StoreError;
use crate::numbers;
use crate::rows::{
    Claim, Cursor, DailyRow, EventRow, FirstDay, Lookup, MadeOf, Page, Put, RejectedCount, RejectedRow, SketchesRow,
    TotalRow,
};
use crate::traits::{
    DailyStore, DeploymentStore, EventSpan, EventStore, MAX_BATCH_GETS, MAX_BATCH_WRITES, PartialStore, RejectedStore,
    Stamp, UserStore, partition_of,
};

pub(super) fn lookup<T>(found: Option<T>) -> Lookup<T> {
    found.map_or(Lookup::Absent, Lookup::Found)
}

fn put_if(allowed: bool, write: impl FnOnce()) -> Put {
    if allowed {
        write();
        Put::Written
    } else {
        Put::Refused
    }
}

pub(super) fn cursor(key: &ItemKey) -> Cursor {
    Cursor(vec![("PK".into(), key.pk.clone()), ("SK".into(), key.sk.clone())])
}

/// The value of one of the cursor's attributes.
pub(super) fn position(after: Option<&Cursor>, name: &str) -> Option<String> {
    let Cursor(attributes) = after?;
    attributes.iter().find(|(attribute, _)| attribute == name).map(|(_, value)| value.clone())
}

/// Where a listing of a partition begins.
fn begin(partition: &str, from: &str, after: Option<&Cursor>) -> Bound<ItemKey> {
    let key = |sk: &str| ItemKey { pk: partition.to_owned(), sk: sk.to_owned() };
    position(after, "SK").map_or_else(|| Bound::Included(key(from)), |sk| Bound::Excluded(key(&sk)))
}

impl EventStore for MemoryStore {
    async fn claim(&self, events: &[EventRow<'_>]) -> Result<Vec<Claim>, StoreError> {
        batch::check(events.iter().map(EventRow::key), MAX_BATCH_WRITES)?;
        let mut items = self.items();
        let mut claim = |row: &EventRow<'_>| {
            if let Some(reason) = refused::reason(row) {
                return Claim::Invalid(reason);
            }
            if items.events.contains_key(&row.key()) && !Defect::UnconditionalPut.is_on() {
                // DynamoDB says no more than that, unless asked, and not always then.
                return Claim::Exists(None);
            }
            let mut stored = row.clone().into_owned();
            stored.event.event_data = numbers::object_as_stored(&row.event.event_data.to_object()).into();
            stored.event.metadata = numbers::object_as_stored(&row.event.metadata.to_object()).into();
            items.events.insert(row.key(), stored);
            Claim::Inserted
        };
        Ok(events.iter().map(&mut claim).collect())
    }

    async fn origins(&self, keys: &[ItemKey]) -> Result<Vec<Lookup<Origin>>, StoreError> {
        batch::check(keys, MAX_BATCH_GETS)?;
        let items = self.items();
        Ok(keys.iter().map(|key| lookup(items.events.get(key).map(|row| row.origin.clone()))).collect())
    }

    async fn events_page(
        &self,
        span: &EventSpan,
        after: Option<&Cursor>,
    ) -> Result<Page<EventRow<'static>>, StoreError> {
        let Some((partition, from, to)) = span.bounds()? else { return Ok(Page { items: Vec::new(), next: None }) };
        let items = self.items();
        let rest = items
            .events
            .range((begin(&partition, &from, after), Bound::Unbounded))
            .take_while(|(key, _)| key.pk == partition && key.sk <= to);
        Ok(self.page(rest.map(|(key, row)| (key, row.clone())), cursor))
    }
}

impl RejectedStore for MemoryStore {
    async fn put_rejected(&self, rows: &[RejectedRow]) -> Result<Vec<bool>, StoreError> {
        batch::check(rows.iter().map(RejectedRow::key), MAX_BATCH_WRITES)?;
        self.items().rejected.extend(rows.iter().map(|row| (row.key(), row.clone())));
        Ok(vec![true; rows.len()])
    }

    async fn rejected_page(
        &self,
        arrival_date: NaiveDate,
        shards: WriteShards,
        shard: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<RejectedCount>, StoreError> {
        let partition = partition_of(&keys::rejections(arrival_date), shards, shard)?;
        let items = self.items();
        let rest = items
            .rejected
            .range((begin(&partition, "", after), Bound::Unbounded))
            .take_while(|(key, _)| key.pk == partition)
            .map(|(key, row)| (key, RejectedCount { origin: row.origin.clone(), count: row.rejection.count }));
        Ok(self.page(rest, cursor))
    }
}

impl UserStore for MemoryStore {
    async fn first_days(&self, user_ids: &[&str]) -> Result<Vec<Lookup<NaiveDate>>, StoreError> {
        batch::check(user_ids, MAX_BATCH_GETS)?;
        let items = self.items();
        Ok(user_ids.iter().map(|user_id| lookup(items.profiles.get(*user_id).map(|known| known.date))).collect())
    }

    async fn put_first_day(&self, first_day: &FirstDay) -> Result<Put, StoreError> {
        let profiles = &mut self.items().profiles;
        let is_earlier = profiles.get(&first_day.user_id).is_none_or(|known| known.date > first_day.date);
        Ok(put_if(is_earlier, || {
            profiles.insert(first_day.user_id.clone(), first_day.clone());
        }))
    }

    async fn new_users_page(
        &self,
        date: NaiveDate,
        shards: WriteShards,
        shard: u32,
        after: Option<&Cursor>,
    ) -> Result<(u64, Option<Cursor>), StoreError> {
        let partition = partition_of(&keys::new_users(date), shards, shard)?;
        let is_listed = |known: &FirstDay| {
            known.date == date && known.shards.partition(&keys::new_users(date), &known.user_id) == partition
        };
        let begin = position(after, "PK").map_or(Bound::Unbounded, Bound::Excluded);
        let items = self.items();
        let rest = items
            .profiles
            .range((begin, Bound::Unbounded))
            .filter(|(_, known)| is_listed(known))
            .map(|(user_id, _)| (user_id, ()));
        let page = self.page(rest, |user_id| Cursor(vec![("PK".into(), user_id.clone())]));
        Ok((page.items.len() as u64, page.next))
    }
}

impl PartialStore for MemoryStore {
    async fn read_partial(
        &self,
        date: NaiveDate,
        shards: WriteShards,
        source: &Source,
    ) -> Result<Option<PartialRecord>, StoreError> {
        Ok(self.items().partials.get(&keys::partial(date, shards, source)).cloned())
    }

    async fn write_partial(
        &self,
        record: &PartialRecord,
        shards: WriteShards,
        expected: u64,
        _stamp: Stamp,
    ) -> Result<Put, StoreError> {
        batch::check_version(record.version, expected)?;
        let partials = &mut self.items().partials;
        let key = keys::partial(record.date, shards, &record.source);
        // Version 0 is none: an item that is there has a larger one.
        let is_expected =
            partials.get(&key).map_or(0, |there| there.version) == expected || Defect::NoVersionCondition.is_on();
        Ok(put_if(is_expected, || {
            partials.insert(key, record.clone());
        }))
    }

    async fn partials_page(
        &self,
        date: NaiveDate,
        shards: WriteShards,
        shard: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<PartialRecord>, StoreError> {
        let partition = partition_of(&keys::partials(date), shards, shard)?;
        let items = self.items();
        let rest = items
            .partials
            .range((begin(&partition, "", after), Bound::Unbounded))
            .take_while(|(key, _)| key.pk == partition);
        Ok(self.page(rest.map(|(key, record)| (key, record.clone())), cursor))
    }
}

impl DailyStore for MemoryStore {
    async fn dailies(&self, dates: &[NaiveDate]) -> Result<Vec<Lookup<DailyRow>>, StoreError> {
        batch::check(dates, MAX_BATCH_GETS)?;
        let items = self.items();
        Ok(dates.iter().map(|date| lookup(items.dailies.get(date).cloned())).collect())
    }

    async fn sketches(&self, dates: &[NaiveDate]) -> Result<Vec<Lookup<SketchesRow>>, StoreError> {
        batch::check(dates, MAX_BATCH_GETS)?;
        let items = self.items();
        Ok(dates.iter().map(|date| lookup(items.sketches.get(date).cloned())).collect())
    }

    async fn put_daily(&self, row: &DailyRow) -> Result<Put, StoreError> {
        let dailies = &mut self.items().dailies;
        let there = dailies.get(&row.date);
        let is_newer =
            there.is_none_or(|there| row.made_of.may_replace(there.made_of)) || Defect::OldFiguresOverNew.is_on();
        let created_ms = there.map_or(row.created_ms, |there| there.created_ms);
        Ok(put_if(is_newer, || {
            let data = numbers::object_as_stored(&row.data);
            dailies.insert(row.date, DailyRow { data, created_ms, ..row.clone() });
        }))
    }

    async fn put_sketches(&self, row: &SketchesRow) -> Result<Put, StoreError> {
        let sketches = &mut self.items().sketches;
        let is_newer = sketches.get(&row.date).is_none_or(|there| row.made_of_day >= there.made_of_day)
            || Defect::OldFiguresOverNew.is_on();
        Ok(put_if(is_newer, || {
            sketches.insert(row.date, row.clone());
        }))
    }

    async fn put_total(&self, row: &TotalRow) -> Result<Put, StoreError> {
        let totals = &mut self.items().totals;
        let there = totals.get(&row.date).map_or(MadeOf::default(), |there| there.made_of);
        Ok(put_if(row.made_of.may_replace(there) || Defect::OldFiguresOverNew.is_on(), || {
            totals.insert(row.date, *row);
        }))
    }

    async fn totals_page(&self, to: NaiveDate, after: Option<&Cursor>) -> Result<Page<TotalRow>, StoreError> {
        let begin = position(after, "SK").and_then(|sk| keys::parse_total(&sk));
        let begin = begin.map_or(Bound::Unbounded, Bound::Excluded);
        let items = self.items();
        let rest = items.totals.range((begin, Bound::Unbounded)).take_while(|(date, _)| **date <= to);
        Ok(self.page(rest.map(|(date, row)| (date, *row)), |date| cursor(&keys::total(*date))))
    }
}

impl DeploymentStore for MemoryStore {
    async fn read_deployment(&self) -> Result<Option<Deployment>, StoreError> {
        Ok(self.items().deployment.clone())
    }

    async fn create_deployment(&self, deployment: &Deployment) -> Result<Put, StoreError> {
        let there = &mut self.items().deployment;
        Ok(put_if(there.is_none(), || *there = Some(deployment.clone())))
    }
}
