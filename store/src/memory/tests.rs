use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::keys::WriteShards;
use headcount_core::partial::PartialRecord;

use super::{MemoryStore, PartialPart};
use crate::rows::{EventRow, Lookup, Put};
use crate::traits::{EventSpan, EventStore, PartialStore, Stamp};

fn event(n: i64) -> EventRow<'static> {
    EventRow {
        event: Event {
            id: "e".into(),
            user_id: "u".into(),
            session_id: "s".into(),
            event_type: EventType::PageView,
            timestamp_ms: 1_772_323_200_000 + n,
            counted_ms: 1_772_323_200_000 + n,
            event_data: Json::EMPTY,
            metadata: Json::EMPTY,
        },
        origin: "events/shardId-000000000000#7#0".parse().unwrap(),
        date: "2026-03-01".parse().unwrap(),
        shards: WriteShards::ONE,
        created_ms: 0,
        expires_s: 0,
    }
}

#[tokio::test]
async fn a_full_page_has_a_cursor_even_where_nothing_follows() {
    let store = MemoryStore::with_page_items(2);
    store.claim(&[event(2), event(0), event(1), event(3)]).await.unwrap();
    let shard = EventSpan { date: event(0).date, shards: WriteShards::ONE, shard: 0, from_ms: 0, to_ms: i64::MAX };
    let mut sizes = Vec::new();
    let mut next = None;
    for _ in 0..3 {
        let page = store.events_page(&shard, next.as_ref()).await.unwrap();
        sizes.push((page.items.len(), page.next.is_some()));
        next = page.next;
    }
    assert_eq!(sizes, [(2, true), (2, true), (0, false)]);
}

#[tokio::test]
async fn a_lost_event_is_gone() {
    let store = MemoryStore::new();
    store.claim(&[event(0), event(1)]).await.unwrap();
    assert!(store.lose_event(&event(0).key()));
    assert!(!store.lose_event(&event(0).key()));
    assert_eq!(store.all_events(), [event(1)]);
    assert_eq!(store.origins(&[event(0).key()]).await, Ok(vec![Lookup::Absent]));
}

#[tokio::test]
async fn damage_changes_one_part_of_one_partial() {
    let store = MemoryStore::new();
    let date = event(0).date;
    let record = PartialRecord {
        date,
        source: event(0).origin.source,
        version: 1,
        last_sequence: None,
        dirty: false,
        counters: vec![1, 2],
        users: Vec::new(),
        sessions: vec![3],
    };
    let stamp = Stamp { now_ms: 0, expires_s: 0 };
    assert_eq!(store.write_partial(&record, WriteShards::new(4).unwrap(), 0, stamp).await, Ok(Put::Written));
    let damaged = |part| {
        assert!(store.damage_partial(date, &record.source, part));
        store.all_partials().remove(0)
    };
    let first = damaged(PartialPart::Counters);
    assert_eq!(first, PartialRecord { counters: vec![1, 3], ..record.clone() });
    let second = damaged(PartialPart::Users);
    assert_eq!(second, PartialRecord { users: vec![255], ..first });
    assert_eq!(damaged(PartialPart::Sessions), PartialRecord { sessions: vec![4], ..second });
    assert!(!store.damage_partial(date.succ_opt().unwrap(), &record.source, PartialPart::Users));
}
