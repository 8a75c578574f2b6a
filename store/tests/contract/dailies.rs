//! A day's results.

use headcount_store::error::StoreError;
use headcount_store::rows::{DailyRow, Lookup, MadeOf, Put, SketchesRow, TotalRow};
use headcount_store::traits::MAX_BATCH_GETS;
use serde_json::json;

use crate::rows::{START_MS, Store, all_pages, date, object};

fn daily(day: u32, made_of: (u64, u64)) -> DailyRow {
    DailyRow {
        date: date(day),
        data: object(json!({"date": date(day).to_string(), "activeUsers": made_of.0, "hours": [0, 1.5], "none": {}})),
        made_of: MadeOf { day: made_of.0, proof: 0, month: made_of.1 },
        created_ms: START_MS,
        updated_ms: START_MS + 1,
    }
}

fn sketches(day: u32, made_of_day: u64) -> SketchesRow {
    let users = made_of_day.to_le_bytes().to_vec();
    SketchesRow {
        date: date(day),
        users,
        sessions: vec![3; 9],
        accounts: vec![4],
        latencies: vec![5, 6],
        made_of_day,
        updated_ms: START_MS,
    }
}

fn total(day: u32, made_of: (u64, u64)) -> TotalRow {
    TotalRow {
        date: date(day),
        new_users: 7 * u64::from(day),
        made_of: MadeOf { day: made_of.0, proof: 0, month: made_of.1 },
    }
}

/// What was made of, and whether it may replace what the steps before it left.
const STEPS: [((u64, u64), Put); 8] = [
    ((5, 50), Put::Written),
    ((5, 50), Put::Written),
    ((4, 60), Put::Refused),
    ((5, 51), Put::Written),
    // The day's own partials go first.
    ((6, 49), Put::Written),
    ((5, 60), Put::Refused),
    ((6, 51), Put::Written),
    ((5, 50), Put::Refused),
];

pub(crate) async fn newer_figures_stay(store: impl Store) {
    for (made_of, put) in STEPS {
        assert_eq!(store.put_daily(&daily(1, made_of)).await, Ok(put), "{made_of:?}");
    }
    assert_eq!(store.dailies(&[date(1)]).await, Ok(vec![Lookup::Found(daily(1, (6, 51)))]));
}

pub(crate) async fn newer_sketches_and_totals_stay(store: impl Store) {
    for (made_of, put) in STEPS {
        assert_eq!(store.put_total(&total(1, made_of)).await, Ok(put), "{made_of:?}");
    }
    let page = store.totals_page(date(1), None).await.expect("a page");
    assert_eq!(page.items, [total(1, (6, 51))]);
    for (made_of, put) in [(3, Put::Written), (2, Put::Refused), (3, Put::Written), (4, Put::Written)] {
        assert_eq!(store.put_sketches(&sketches(1, made_of)).await, Ok(put), "{made_of}");
    }
    assert_eq!(store.sketches(&[date(1)]).await, Ok(vec![Lookup::Found(sketches(1, 4))]));
}

pub(crate) async fn the_first_creation_stays(store: impl Store) {
    assert_eq!(store.put_daily(&daily(1, (1, 1))).await, Ok(Put::Written));
    let later = DailyRow { created_ms: START_MS + 99, updated_ms: START_MS + 99, ..daily(1, (2, 2)) };
    assert_eq!(store.put_daily(&later).await, Ok(Put::Written));
    assert_eq!(store.dailies(&[date(1)]).await, Ok(vec![Lookup::Found(DailyRow { created_ms: START_MS, ..later })]));
}

pub(crate) async fn look_ups_answer_in_order(store: impl Store) {
    for day in [3, 1] {
        assert_eq!(store.put_daily(&daily(day, (1, 1))).await, Ok(Put::Written));
        assert_eq!(store.put_sketches(&sketches(day, 1)).await, Ok(Put::Written));
    }
    let dates = [date(3), date(2), date(1)];
    let found = |row| Lookup::Found(daily(row, (1, 1)));
    assert_eq!(store.dailies(&dates).await, Ok(vec![found(3), Lookup::Absent, found(1)]));
    let found = |row| Lookup::Found(sketches(row, 1));
    assert_eq!(store.sketches(&dates).await, Ok(vec![found(3), Lookup::Absent, found(1)]));

    assert_eq!(store.dailies(&[]).await, Ok(Vec::new()));
    assert_eq!(store.sketches(&[]).await, Ok(Vec::new()));
    let many: Vec<_> = date(1).iter_days().take(MAX_BATCH_GETS + 1).collect();
    for too_many in [&many[..], &[date(1), date(1)]] {
        assert!(matches!(store.dailies(too_many).await, Err(StoreError::Invalid { .. })));
        assert!(matches!(store.sketches(too_many).await, Err(StoreError::Invalid { .. })));
    }
    assert_eq!(store.dailies(&many[..MAX_BATCH_GETS]).await.expect("a full batch").len(), MAX_BATCH_GETS);
}

pub(crate) async fn totals_come_by_date_up_to_a_day(store: impl Store) {
    let days = || date(1).iter_days().take(150);
    for day in days() {
        let row = TotalRow { date: day, new_users: 3, made_of: MadeOf { day: 1, proof: 0, month: 1 } };
        assert_eq!(store.put_total(&row).await, Ok(Put::Written));
    }
    let last = days().nth(139).expect("a day");
    let rows = all_pages!(|after| store.totals_page(last, after)).concat();
    assert_eq!(rows.iter().map(|row| row.date).collect::<Vec<_>>(), days().take(140).collect::<Vec<_>>());
    let before = date(1).pred_opt().expect("a day");
    assert_eq!(all_pages!(|after| store.totals_page(before, after)).concat(), []);
}
