use chrono::NaiveDate;
use headcount_core::deployment::{Deployment, TableId, TableMeta};
use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;
use headcount_core::rejection::{Payload, Rejection};
use headcount_store::rows::{Checkpoint, EventItem, FirstDay, Lookup, Put, RejectedItem};
use headcount_store::traits::{
    BrowseStore, CheckpointStore, ItemStore, MetaStore, PartialStore, Stamp, UserSpan, UserStore,
};

use super::{MemoryStore, PartialPart};

const TABLE: TableId = TableId(1);

fn date() -> NaiveDate {
    "2026-03-01".parse().unwrap()
}

fn source() -> Source {
    Source::shard("events", None, "shardId-000000000000").unwrap()
}

fn event(n: i64) -> EventItem<'static> {
    EventItem {
        event: Event {
            id: "e".into(),
            user_id: "u".into(),
            session_id: Some("s".into()),
            event_type: EventType::PageView,
            account_id: None,
            timestamp_ms: 1_772_323_200_000 + n,
            counted_ms: 1_772_323_200_000 + n,
            priced_by: None,
            event_data: Json::EMPTY,
            metadata: Json::EMPTY,
        },
        date: date(),
        created_ms: 0,
        expires_s: 100 + n,
        is_indexed: true,
    }
}

fn partial(version: u64) -> PartialRecord {
    PartialRecord {
        date: date(),
        source: source(),
        version,
        as_of: version,
        first: 1,
        counters: vec![1, 2],
        users: Vec::new(),
        sessions: vec![3],
        accounts: vec![6],
        checksum: 9,
    }
}

fn checkpoint(entry: u64) -> Checkpoint {
    Checkpoint { entry, last: entry.into() }
}

fn stamp(expires_s: i64) -> Stamp {
    Stamp { now_ms: 0, expires_s }
}

fn meta(table: TableId) -> TableMeta {
    TableMeta { deployment: Deployment::new("d-1".into(), chrono_tz::UTC, "p"), table }
}

/// Entry `n` followed: an event, its partial, its checkpoint.
async fn follow(store: &MemoryStore, n: u64) {
    assert_eq!(store.put_events(&[event(n as i64)]).await, Ok(vec![true]));
    assert_eq!(store.write_partial(TABLE, &partial(n), n - 1, stamp(0)).await, Ok(Put::Written));
    let moved = store.write_checkpoint(TABLE, Follower::Figures, &source(), &checkpoint(n)).await;
    assert_eq!(moved, Ok(Put::Written));
}

#[tokio::test]
async fn a_full_page_has_a_cursor_even_where_nothing_follows() {
    let store = MemoryStore::with_page_items(2);
    store.put_events(&[event(2), event(0), event(1), event(3)]).await.unwrap();
    let span = UserSpan { user_id: "u".into(), from_ms: 0, to_ms: i64::MAX };
    let mut sizes = Vec::new();
    let mut next = None;
    for _ in 0..3 {
        let page = store.user_events_page(&span, next.as_ref(), 100).await.unwrap();
        sizes.push((page.items.len(), page.next.is_some()));
        next = page.next;
    }
    assert_eq!(sizes, [(2, true), (2, true), (0, false)]);
}

#[tokio::test]
async fn a_lost_event_is_gone() {
    let store = MemoryStore::new();
    store.put_events(&[event(0), event(1)]).await.unwrap();
    assert!(store.lose_event(&event(0).key()));
    assert!(!store.lose_event(&event(0).key()));
    assert_eq!(store.all_events(), [event(1)]);
    assert_eq!(store.events(&[event(0).key()]).await, Ok(vec![Lookup::Absent]));
}

#[tokio::test]
async fn damage_changes_one_part_of_one_partial() {
    let store = MemoryStore::new();
    let record = partial(1);
    assert_eq!(store.write_partial(TABLE, &record, 0, stamp(0)).await, Ok(Put::Written));
    let damaged = |part| {
        assert!(store.damage_partial(date(), &source(), part));
        store.all_partials().remove(0)
    };
    let first = damaged(PartialPart::Counters);
    assert_eq!(first, PartialRecord { counters: vec![1, 3], ..record });
    let second = damaged(PartialPart::Users);
    assert_eq!(second, PartialRecord { users: vec![255], ..first });
    let third = damaged(PartialPart::Sessions);
    assert_eq!(third, PartialRecord { sessions: vec![4], ..second });
    assert_eq!(damaged(PartialPart::Checksum), PartialRecord { checksum: 10, ..third });
    assert!(!store.damage_partial(date().succ_opt().unwrap(), &source(), PartialPart::Users));
}

#[tokio::test]
async fn an_outage_fails_every_request_without_effect() {
    let store = MemoryStore::new();
    follow(&store, 1).await;
    store.set_outage(true);
    let first_day = FirstDay { user_id: "u".into(), date: date(), seen_ms: 0 };
    let errors = [
        store.put_events(&[event(5)]).await.err(),
        store.write_partial(TABLE, &partial(2), 1, stamp(0)).await.err(),
        store.write_checkpoint(TABLE, Follower::Figures, &source(), &checkpoint(2)).await.err(),
        store.read_checkpoint(TABLE, Follower::Figures, &source()).await.err(),
        store.put_first_day(&first_day).await.err(),
        store.create_meta(&meta(TABLE)).await.err(),
    ];
    assert!(errors.iter().flatten().all(headcount_store::error::StoreError::is_unknown), "{errors:?}");
    assert_eq!(errors.iter().flatten().count(), errors.len());
    assert_eq!((store.all_events(), store.all_partials()), (vec![event(1)], vec![partial(1)]), "to be looked at");
    assert_eq!((store.all_profiles().len(), store.meta()), (0, None));
    store.clone().set_outage(false);
    follow(&store, 2).await;
}

#[tokio::test]
async fn what_expires_is_removed_after_its_time() {
    let store = MemoryStore::new();
    store.put_events(&[event(0), event(1)]).await.unwrap();
    let rejection = Rejection { problems: Vec::new(), payload: Payload::Withheld, count: 1 };
    let origin = "events/shardId-000000000000#7#0".parse().unwrap();
    let rejected = RejectedItem { rejection, origin, arrival_date: date(), arrived_ms: 0, expires_s: 100 };
    store.put_rejected(&[rejected]).await.unwrap();
    store.write_partial(TABLE, &partial(1), 0, stamp(101)).await.unwrap();
    store.write_checkpoint(TABLE, Follower::Items, &source(), &checkpoint(1)).await.unwrap();
    let counts = |now_s| {
        store.expire(now_s);
        [
            store.all_events().len(),
            store.all_rejected().len(),
            store.all_partials().len(),
            store.all_checkpoints().len(),
        ]
    };
    assert_eq!(counts(100), [2, 1, 1, 1]);
    assert_eq!(counts(101), [1, 0, 1, 1]);
    assert_eq!(counts(i64::MAX), [0, 0, 0, 1], "checkpoints never expire");
    store.clear();
    assert_eq!(counts(0), [0; 4]);
}

#[tokio::test]
async fn a_restored_table_is_that_of_an_earlier_moment_under_its_old_number() {
    let store = MemoryStore::new();
    store.create_meta(&meta(TABLE)).await.unwrap();
    follow(&store, 1).await;
    let before = store.snapshot();
    follow(&store, 2).await;
    store.restore(&[before], 7);
    assert_eq!((store.all_events(), store.all_partials()), (vec![event(1)], vec![partial(1)]));
    assert_eq!(store.all_checkpoints()[0].checkpoint, checkpoint(1));
    assert_eq!(store.meta(), Some(meta(TABLE)));
    // It goes on as it did, until a new number is drawn.
    follow(&store, 2).await;
    store.set_meta(meta(TableId(2)));
    assert_eq!((store.all_partials(), store.all_checkpoints()), (Vec::new(), Vec::new()));
    assert_eq!(store.read_partial(TableId(2), date(), &source()).await, Ok(None));
}

#[tokio::test]
async fn a_skewed_restore_takes_each_item_from_one_of_the_moments() {
    let store = MemoryStore::new();
    follow(&store, 1).await;
    let mut moments = vec![store.snapshot()];
    for n in 2..=4 {
        follow(&store, n).await;
        moments.push(store.snapshot());
    }
    let mut is_skewed = false;
    for seed in 0..50 {
        store.restore(&moments, seed);
        let (partial, checkpoint) = (store.all_partials()[0].as_of, store.all_checkpoints()[0].checkpoint.entry);
        assert!((1..=4).contains(&partial) && (1..=4).contains(&checkpoint));
        is_skewed |= partial < checkpoint;
        let events = store.all_events();
        assert!(events.contains(&event(1)), "what all moments have is there");
        let again = (store.all_partials(), store.all_checkpoints(), events);
        store.restore(&moments, seed);
        assert_eq!((store.all_partials(), store.all_checkpoints(), store.all_events()), again, "seed {seed}");
    }
    assert!(is_skewed, "a checkpoint may be ahead of what it covers");
}
