//! The deployment's own record.

use std::time::Duration;

use headcount_core::deployment::{Deployment, WriteShardPlan};
use headcount_runtime::retry::Jitter;
use headcount_store::deployment::open;
use headcount_store::rows::Put;
use headcount_store::traits::AggregatorStore;
use tokio::time::Instant;

use crate::rows::date;

pub(crate) async fn the_first_record_stands(store: impl AggregatorStore) {
    assert_eq!(store.read_deployment().await, Ok(None));
    let mut first = Deployment::new(chrono_tz::America::Argentina::Ushuaia, "größer");
    first.write_shards = WriteShardPlan::from_changes([(date(3), 4), (date(9), 1)]).expect("a plan");
    assert_eq!(store.create_deployment(&first).await, Ok(Put::Written));
    assert_eq!(store.create_deployment(&Deployment::new(chrono_tz::UTC, "other")).await, Ok(Put::Refused));
    assert_eq!(store.read_deployment().await, Ok(Some(first)));
}

pub(crate) async fn opening_at_once_agrees<S: AggregatorStore + Clone + 'static>(store: S) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let openers: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            let first = Deployment::new(chrono_tz::UTC, &format!("project-{n}"));
            tokio::spawn(async move { open(&store, &first, &Jitter::from_seed(n), deadline).await.expect("opened") })
        })
        .collect();
    let mut opened = Vec::new();
    for opener in openers {
        opened.push(opener.await.expect("no panic"));
    }
    assert!(opened.iter().all(|deployment| *deployment == opened[0]), "{opened:?}");
}
