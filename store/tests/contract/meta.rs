//! The table's own record.

use std::time::Duration;

use headcount_core::deployment::{Deployment, TableId, TableMeta};
use headcount_runtime::retry::Jitter;
use headcount_store::meta::{OpenError, bind, renew};
use headcount_store::rows::Put;
use tokio::time::Instant;

use crate::rows::Store;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

pub(crate) async fn the_first_record_stands(store: impl Store) {
    assert_eq!(store.read_meta().await, Ok(None));
    let zone = chrono_tz::America::Argentina::Ushuaia;
    let mut first = TableMeta { deployment: Deployment::new("d-1".into(), zone, "größer"), table: TableId(u64::MAX) };
    first.deployment.log_retention_days = 400;
    first.deployment.precision = 12;
    let other = TableMeta { deployment: Deployment::new("d-2".into(), chrono_tz::UTC, "other"), table: TableId(1) };
    assert_eq!(store.create_meta(&first).await, Ok(Put::Written));
    assert_eq!(store.create_meta(&other).await, Ok(Put::Refused));
    assert_eq!(store.read_meta().await, Ok(Some(first)));
}

pub(crate) async fn binding_at_once_agrees_on_one_number(store: impl Store) {
    let deployment = Deployment::new("d-1".into(), chrono_tz::UTC, "p");
    let binders: Vec<_> = (0..8)
        .map(|n| {
            let (store, deployment) = (store.clone(), deployment.clone());
            tokio::spawn(async move { bind(&store, &deployment, TableId(n), &Jitter::from_seed(n), soon()).await })
        })
        .collect();
    let mut bound = Vec::new();
    for binder in binders {
        bound.push(binder.await.expect("no panic").expect("bound"));
    }
    assert!(bound.iter().all(|table| *table == bound[0]), "{bound:?}");
    let meta = store.read_meta().await.expect("a reading").expect("a record");
    assert_eq!(meta, TableMeta { deployment, table: bound[0] });
}

pub(crate) async fn a_table_of_another_deployment_is_refused(store: impl Store) {
    let ours = Deployment::new("d-1".into(), chrono_tz::UTC, "p");
    let bound = bind(&store, &ours, TableId(5), &Jitter::from_seed(1), soon()).await;
    assert_eq!(bound, Ok(TableId(5)));
    let other = Deployment { id: "d-2".into(), ..ours };
    match bind(&store, &other, TableId(6), &Jitter::from_seed(1), soon()).await {
        Err(error @ OpenError::Deployment(_)) => {
            let said = error.to_string();
            assert!(said.contains("d-1") && said.contains("d-2"), "{said}");
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn only_the_record_that_was_read_is_replaced(store: impl Store) {
    let meta =
        |table| TableMeta { deployment: Deployment::new("d-1".into(), chrono_tz::UTC, "p"), table: TableId(table) };
    assert_eq!(store.replace_meta(&meta(2), TableId(1)).await, Ok(Put::Refused), "there is none");
    assert_eq!(store.read_meta().await, Ok(None));
    assert_eq!(store.create_meta(&meta(u64::MAX)).await, Ok(Put::Written));
    assert_eq!(store.replace_meta(&meta(2), TableId(1)).await, Ok(Put::Refused), "it has another number");
    assert_eq!(store.replace_meta(&meta(2), TableId(u64::MAX)).await, Ok(Put::Written));
    assert_eq!(store.read_meta().await, Ok(Some(meta(2))));
}

pub(crate) async fn a_renewed_table_has_another_number(store: impl Store) {
    let ours = Deployment::new("d-1".into(), chrono_tz::UTC, "p");
    for number in [5, 6] {
        assert_eq!(renew(&store, &ours, TableId(number), &Jitter::from_seed(1), soon()).await, Ok(()));
        assert_eq!(store.read_meta().await.unwrap().unwrap().table, TableId(number));
    }
    let other = Deployment { id: "d-2".into(), ..ours };
    let refused = renew(&store, &other, TableId(7), &Jitter::from_seed(1), soon()).await;
    assert!(matches!(refused, Err(OpenError::Deployment(_))), "{refused:?}");
    assert_eq!(store.read_meta().await.unwrap().unwrap().table, TableId(6));
}
