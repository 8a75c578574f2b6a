//! Users' first days.

use headcount_store::error::StoreError;
use headcount_store::rows::{Lookup, Put};
use headcount_store::traits::MAX_BATCH_GETS;

use crate::rows::{Store, date, first_day};

/// New users of the counted day.
const USERS: u64 = 230;

async fn new_users(store: &impl Store, day: u32) -> u64 {
    let (mut users, mut after) = (0, None);
    for _ in 0..100 {
        let (more, next) = store.new_users_page(date(day), after.as_ref()).await.expect("a page");
        users += more;
        after = next;
        if after.is_none() {
            return users;
        }
    }
    panic!("a listing without an end")
}

pub(crate) async fn the_earliest_day_stands(store: impl Store) {
    assert_eq!(store.first_days(&["ann", "bob"]).await, Ok(vec![Lookup::Absent, Lookup::Absent]));
    let steps = [(5, Put::Written), (5, Put::Refused), (6, Put::Refused), (4, Put::Written), (5, Put::Refused)];
    for (day, put) in steps {
        assert_eq!(store.put_first_day(&first_day("ann", day)).await, Ok(put), "day {day}");
    }
    assert_eq!(store.first_days(&["bob", "ann"]).await, Ok(vec![Lookup::Absent, Lookup::Found(date(4))]));
    // She is listed under the earlier day only.
    assert_eq!(new_users(&store, 4).await, 1);
    assert_eq!(new_users(&store, 5).await, 0);

    assert!(matches!(store.first_days(&["ann", "ann"]).await, Err(StoreError::Invalid { .. })));
    assert!(matches!(store.first_days(&["ann"; MAX_BATCH_GETS + 1]).await, Err(StoreError::Invalid { .. })));
    assert_eq!(store.first_days(&[]).await, Ok(Vec::new()));
}

pub(crate) async fn of_parallel_days_the_earliest_stands(store: impl Store) {
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

pub(crate) async fn new_users_are_counted_by_day(store: impl Store) {
    for n in 0..USERS {
        assert_eq!(store.put_first_day(&first_day(&format!("user #{n}"), 1)).await, Ok(Put::Written));
    }
    assert_eq!(store.put_first_day(&first_day("of another day", 2)).await, Ok(Put::Written));
    let counts = [new_users(&store, 1).await, new_users(&store, 2).await, new_users(&store, 3).await];
    assert_eq!(counts, [USERS, 1, 0]);
}
