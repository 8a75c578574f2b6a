//! Event items: put, and looked up by key.

use headcount_core::keys::ItemKey;
use headcount_store::error::StoreError;
use headcount_store::rows::{EventItem, Lookup};
use headcount_store::traits::{MAX_BATCH_GETS, MAX_BATCH_WRITES};

use crate::rows::{Store, date, event, put_all};

fn keys(rows: &[EventItem<'_>]) -> Vec<ItemKey> {
    rows.iter().map(EventItem::key).collect()
}

pub(crate) async fn putting_again_replaces(store: impl Store) {
    let first = [event("a", 1), event("b", 2)];
    for _ in 0..2 {
        assert_eq!(store.put_events(&first).await, Ok(vec![true, true]));
    }
    let mut other = event("a", 1);
    other.event.user_id = "bob".into();
    assert_eq!(store.put_events(&[event("c", 3), other.clone()]).await, Ok(vec![true, true]));
    let found = store.events(&keys(&[event("a", 1), event("b", 2), event("c", 3)])).await;
    let expected = [other, event("b", 2), event("c", 3)].map(|row| Lookup::Found(row.event));
    assert_eq!(found, Ok(expected.to_vec()));
}

pub(crate) async fn batches_are_bounded(store: impl Store) {
    let rows: Vec<_> = (0..=MAX_BATCH_WRITES).map(|n| event(&format!("e-{n}"), 0)).collect();
    assert!(matches!(store.put_events(&rows).await, Err(StoreError::Invalid { .. })), "one too many");
    assert!(
        matches!(store.put_events(&[event("x", 0), event("x", 0)]).await, Err(StoreError::Invalid { .. })),
        "twice"
    );
    let first = keys(&rows[..1]);
    assert_eq!(store.events(&first).await, Ok(vec![Lookup::Absent]), "a refused batch does nothing");
    assert_eq!(store.put_events(&[]).await, Ok(Vec::new()));
    assert_eq!(store.put_events(&rows[..MAX_BATCH_WRITES]).await, Ok(vec![true; MAX_BATCH_WRITES]));

    let many: Vec<_> = (0..=MAX_BATCH_GETS).map(|n| event(&format!("e-{n}"), 0).key()).collect();
    assert!(matches!(store.events(&many).await, Err(StoreError::Invalid { .. })), "one too many");
    let twice = [first[0].clone(), first[0].clone()];
    assert!(matches!(store.events(&twice).await, Err(StoreError::Invalid { .. })), "twice");
    assert_eq!(store.events(&[]).await, Ok(Vec::new()));
    let found = store.events(&many[..MAX_BATCH_GETS]).await.expect("a full batch");
    let count = found.iter().filter(|found| matches!(found, Lookup::Found(_))).count();
    assert_eq!((found.len(), count), (MAX_BATCH_GETS, MAX_BATCH_WRITES));
}

pub(crate) async fn one_id_at_two_times_is_two_events(store: impl Store) {
    let mut other_day = event("a", 0);
    other_day.date = date(2);
    let rows = [event("a", 0), event("a", 1), other_day];
    put_all(&store, &rows).await;
    let found = store.events(&keys(&rows)).await;
    assert_eq!(found, Ok(rows.map(|row| Lookup::Found(row.event)).to_vec()));
}

pub(crate) async fn a_look_up_answers_in_order(store: impl Store) {
    // In the order asked for, which is not that of the keys; ids may hold what separates a key's parts.
    let rows = ["z#1", "m", "a b", "ü"].map(|id| event(id, 0));
    put_all(&store, &rows).await;
    let mut wanted = keys(&rows);
    wanted.insert(2, event("absent", 0).key());
    let mut expected = rows.map(|row| Lookup::Found(row.event)).to_vec();
    expected.insert(2, Lookup::Absent);
    assert_eq!(store.events(&wanted).await, Ok(expected));
}
