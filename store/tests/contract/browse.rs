//! What people look at item by item, and the partials of many dates at once.

use std::collections::BTreeSet;

use headcount_core::keys::WriteShards;
use headcount_core::rejection::{Payload, Problem};
use headcount_store::error::StoreError;
use headcount_store::rows::{EventRow, Lookup, Put};
use headcount_store::traits::{
    AggregatorStore, BrowseStore, DatePartition, MAX_BATCH_WRITES, MAX_LISTED_PARTITIONS, UserSpan,
};

use crate::rows::{STAMP, START_MS, all_pages, date, event, partial, rejected, shards};

/// Sources of each date: with [`LARGE_BYTES`] each, more than one page.
const SOURCES: u32 = 12;

const LARGE_BYTES: usize = 60_000;

fn of(day: u32, count: u32, shard: u32) -> DatePartition {
    DatePartition { date: date(day), shards: shards(count), shard }
}

pub(crate) async fn partials_of_many_dates_come_once(store: impl AggregatorStore + BrowseStore) {
    let mut written = BTreeSet::new();
    for (day, count) in [(1, 1), (2, 2), (3, 1)] {
        for source in 0..SOURCES {
            let mut record = partial(source, 1);
            record.date = date(day);
            record.users = vec![7; LARGE_BYTES];
            assert_eq!(store.write_partial(&record, shards(count), 0, STAMP).await, Ok(Put::Written));
            written.insert((record.date, record.source.to_string()));
        }
    }
    let asked = [of(1, 1, 0), of(2, 2, 0), of(2, 2, 1), of(3, 1, 0), of(4, 1, 0)];
    let pages = all_pages!(|after| store.partials_of(&asked, after));
    let found: Vec<_> = pages.concat().into_iter().map(|record| (record.date, record.source.to_string())).collect();
    assert_eq!(found.len(), written.len(), "each once");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), written);

    let some = all_pages!(|after| store.partials_of(&asked[1..2], after)).concat();
    assert!(some.iter().all(|record| record.date == date(2)) && some.len() < SOURCES as usize);
    assert_eq!(store.partials_of(&[], None).await.expect("nothing").items, []);
    assert!(matches!(store.partials_of(&[asked[0], asked[0]], None).await, Err(StoreError::Invalid { .. })));
    let many: Vec<_> = (0..=MAX_LISTED_PARTITIONS as u32).map(|shard| of(1, 100, shard)).collect();
    assert!(matches!(store.partials_of(&many, None).await, Err(StoreError::Invalid { .. })));
    assert_eq!(store.partials_of(&many[1..], None).await.expect("as many as may be").items, []);
    assert!(matches!(store.partials_of(&[of(1, 1, 1)], None).await, Err(StoreError::Invalid { .. })));
}

fn span(user_id: &str, count: u32, shard: u32, from: i64, to: i64) -> UserSpan {
    UserSpan { user_id: user_id.into(), shards: shards(count), shard, from_ms: START_MS + from, to_ms: START_MS + to }
}

pub(crate) async fn a_users_events_come_newest_first(store: impl AggregatorStore + BrowseStore) {
    let spread = |n: i64| EventRow { shards: shards(2), date: date(2), ..event(&format!("s-{n}"), 100 + n) };
    let rows: Vec<_> = (0..10).map(|n| event(&format!("e-{n}"), n)).chain((0..10).map(spread)).collect();
    for chunk in rows.chunks(MAX_BATCH_WRITES) {
        store.claim(chunk).await.expect("a claim");
    }
    let mut other = event("of-another", 3);
    other.event.user_id = "ann#00".into();
    store.claim(&[other]).await.expect("a claim");

    let pages = all_pages!(|after| store.user_events_page(&span("ann", 1, 0, 2, 8), after, 3));
    assert!(pages.iter().all(|page| page.len() <= 3) && pages.len() >= 3, "{pages:?}");
    let found: Vec<_> = pages.concat().into_iter().map(|key| key.sk).collect();
    let wanted: Vec<_> = (2..=8).rev().map(|n| event(&format!("e-{n}"), n).key().sk).collect();
    assert_eq!(found, wanted);

    let mut in_shards = Vec::new();
    for shard in 0..2 {
        let all = all_pages!(|after| store.user_events_page(&span("ann", 2, shard, 0, 1_000), after, 100));
        in_shards.extend(all.concat());
    }
    let spread_keys: BTreeSet<_> = (0..10).map(|n| spread(n).key()).collect();
    assert!(spread_keys.iter().all(|key| in_shards.contains(key)), "{in_shards:?}");
    let none = store.user_events_page(&span("ann", 1, 0, 9, 8), None, 5).await.expect("a page");
    assert_eq!((none.items.len(), none.next), (0, None));

    let mut asked: Vec<_> = rows[..3].iter().map(EventRow::key).collect();
    asked.insert(1, event("absent", 0).key());
    let found = store.events(&asked).await.expect("a look-up");
    assert_eq!(found[1], Lookup::Absent);
    for (at, row) in [(0, &rows[0]), (2, &rows[1]), (3, &rows[2])] {
        assert_eq!(found[at], Lookup::Found(row.event.clone()));
    }
}

pub(crate) async fn rejected_items_are_shown_newest_first(store: impl AggregatorStore + BrowseStore) {
    let payloads = [
        Payload::Text { text: "{\"userId\":".into(), truncated: true },
        Payload::Binary { bytes: vec![0, 159], truncated: false },
        Payload::Withheld,
        Payload::Text { text: String::new(), truncated: false },
    ];
    let rows: Vec<_> = (0..4)
        .zip(payloads)
        .map(|(n, payload)| {
            let mut row = rejected(n);
            row.arrived_ms = START_MS + i64::from(n) * 10;
            row.rejection.payload = payload;
            row.rejection.count = u64::from(n) + 1;
            row.rejection.problems.push(Problem::new("eventData.cost", "must not be negative"));
            row
        })
        .collect();
    assert_eq!(store.put_rejected(&rows).await, Ok(vec![true; 4]));
    let partition = DatePartition { date: date(1), shards: WriteShards::ONE, shard: 0 };
    let first = store.rejections_page(&partition, None, 3).await.expect("a page");
    assert_eq!(first.items, [rows[3].clone(), rows[2].clone(), rows[1].clone()]);
    assert!(first.next.is_some());
    let rest = store.rejections_page(&partition, Some(&rows[1].key().sk), 3).await.expect("a page");
    assert_eq!((rest.items, rest.next), (vec![rows[0].clone()], None));
    let other_day = store.rejections_page(&of(2, 1, 0), None, 3).await.expect("a page");
    assert_eq!((other_day.items, other_day.next), (Vec::new(), None));
}
