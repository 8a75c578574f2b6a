//! Users' first days.

use headcount_core::keys::WriteShards;
use headcount_store::error::StoreError;
use headcount_store::rows::{Lookup, Put};
use headcount_store::traits::{AggregatorStore, MAX_BATCH_GETS, UserStore};

use crate::rows::{date, first_day, shards};

/// New users of the counted day.
const USERS: u64 = 230;

async fn new_users(store: &impl UserStore, day: u32, of: WriteShards, shard: u32) -> u64 {
    let (mut users, mut after) = (0, None);
    for _ in 0..100 {
        let (more, next) = store.new_users_page(date(day), of, shard, after.as_ref()).await.expect("a page");
        users += more;
        after = next;
        if after.is_none() {
            return users;
        }
    }
    panic!("a listing without an end")
}

pub(crate) async fn the_earliest_day_stands(store: impl AggregatorStore) {
    assert_eq!(store.first_days(&["ann", "bob"]).await, Ok(vec![Lookup::Absent, Lookup::Absent]));
    let steps = [(5, Put::Written), (5, Put::Refused), (6, Put::Refused), (4, Put::Written), (5, Put::Refused)];
    for (day, put) in steps {
        assert_eq!(store.put_first_day(&first_day("ann", day)).await, Ok(put), "day {day}");
    }
    assert_eq!(store.first_days(&["bob", "ann"]).await, Ok(vec![Lookup::Absent, Lookup::Found(date(4))]));
    // She is listed under the earlier day only.
    assert_eq!(new_users(&store, 4, WriteShards::ONE, 0).await, 1);
    assert_eq!(new_users(&store, 5, WriteShards::ONE, 0).await, 0);

    assert!(matches!(store.first_days(&["ann", "ann"]).await, Err(StoreError::Invalid { .. })));
    assert!(matches!(store.first_days(&["ann"; MAX_BATCH_GETS + 1]).await, Err(StoreError::Invalid { .. })));
    assert_eq!(store.first_days(&[]).await, Ok(Vec::new()));
}

pub(crate) async fn of_parallel_days_the_earliest_stands<S: AggregatorStore + Clone + 'static>(store: S) {
    let puts: Vec<_> = (1..=20)
        .map(|n| {
            let (store, first_day) = (store.clone(), first_day("ann", 1 + n * 7 % 20));
            tokio::spawn(async move { store.put_first_day(&first_day).await.expect("a put") })
        })
        .collect();
    let mut written = 0;
    for put in puts {
        written += u32::from(put.await.expect("no panic") == Put::Written);
    }
    assert!(written >= 1);
    assert_eq!(store.first_days(&["ann"]).await, Ok(vec![Lookup::Found(date(1))]));
}

pub(crate) async fn new_users_are_counted_by_day_and_shard(store: impl AggregatorStore) {
    for n in 0..USERS {
        let mut profile = first_day(&format!("user #{n}"), 1);
        profile.shards = shards(2);
        assert_eq!(store.put_first_day(&profile).await, Ok(Put::Written));
    }
    assert_eq!(store.put_first_day(&first_day("unspread", 2)).await, Ok(Put::Written));
    let counts = [new_users(&store, 1, shards(2), 0).await, new_users(&store, 1, shards(2), 1).await];
    assert_eq!(counts.iter().sum::<u64>(), USERS);
    assert!(counts.iter().all(|count| *count > USERS / 4), "{counts:?}");
    assert_eq!(new_users(&store, 1, WriteShards::ONE, 0).await, 0, "another partition");
    assert_eq!(new_users(&store, 2, WriteShards::ONE, 0).await, 1);
    assert_eq!(new_users(&store, 3, WriteShards::ONE, 0).await, 0);
    assert!(matches!(store.new_users_page(date(1), shards(2), 2, None).await, Err(StoreError::Invalid { .. })));
}
