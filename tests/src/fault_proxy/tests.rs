use std::time::Duration;

use headcount_core::deployment::{Deployment, TableId, TableMeta};
use headcount_local::table::{Table, TableOptions};
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::retry::Retryable as _;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_store::error::StoreError;
use headcount_store::rows::Put;
use headcount_store::traits::MetaStore as _;
use tokio::time::Instant;

use super::*;

/// A table, and the same table through a proxy at which every request meets this.
struct World {
    table: Table,
    direct: DynamoStore,
    proxy: FaultProxy,
    proxied: DynamoStore,
}

impl World {
    async fn new(rates: Rates) -> Self {
        let table = Table::start(TableOptions::default()).await.unwrap();
        let tables = Tables::one("test");
        let connection = connect(&ConnectOptions::local(table.endpoint())).await;
        create_tables(&connection, &tables, Instant::now() + Duration::from_mins(1)).await.unwrap();
        let proxy = FaultProxy::start(1, rates, None).await.unwrap();
        proxy.forward_to(&table.endpoint());
        let proxied = DynamoStore::new(connect(&ConnectOptions::local(proxy.endpoint())).await, tables.clone());
        Self { table, direct: DynamoStore::new(connection, tables), proxy, proxied }
    }

    async fn create(&self) -> Result<Put, StoreError> {
        let deployment = Deployment::new("d".to_owned(), chrono_tz::UTC, "test");
        self.proxied.create_meta(&TableMeta { deployment, table: TableId(1) }).await
    }

    /// Whether the record is there.
    async fn is_there(&self) -> bool {
        self.direct.read_meta().await.unwrap().is_some()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_what_the_store_takes_it_for() {
    let never = Rates::default();
    let throttled: fn(&StoreError) -> bool = |error| matches!(error, StoreError::Throttled { .. });
    let unknown: fn(&StoreError) -> bool = StoreError::is_unknown;
    for (name, rates, is_right, takes_effect) in [
        ("throttled", Rates { throttle: 1.0, ..never }, throttled, Some(false)),
        // What is no batch cannot succeed in part.
        ("partial", Rates { partial: 1.0, ..never }, throttled, Some(false)),
        ("server error", Rates { server_error: 1.0, ..never }, unknown, None),
        ("reset before", Rates { reset_before: 1.0, ..never }, unknown, Some(false)),
        ("reset after", Rates { reset_after: 1.0, ..never }, unknown, Some(true)),
    ] {
        let world = World::new(rates).await;
        let error = world.create().await.unwrap_err();
        assert!(is_right(&error), "{name}: {error:?}");
        if let Some(takes_effect) = takes_effect {
            assert_eq!(world.is_there().await, takes_effect, "{name}");
        }
        let counts = world.proxy.counts();
        assert!(counts.keys().all(|kind| kind.starts_with(name)), "{counts:?}");
        world.table.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_passes_and_what_is_late_comes() {
    let delay = Rates { delay: 1.0, longest_delay: Duration::from_millis(30), ..Rates::default() };
    for (rates, delayed) in [(Rates::default(), None), (delay, Some(2))] {
        let world = World::new(rates).await;
        assert_eq!(world.create().await, Ok(Put::Written));
        assert_eq!(world.create().await, Ok(Put::Refused));
        assert!(world.is_there().await);
        let counts = world.proxy.counts();
        assert_eq!((counts.get("passed"), counts.get("delayed").copied()), (Some(&2), delayed), "{counts:?}");
        assert_eq!(*world.proxy.requests().borrow(), 2);
        world.table.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_on_though_its_sender_has_gone() {
    let late = Rates { delay: 1.0, longest_delay: Duration::from_millis(300), ..Rates::default() };
    let world = World::new(late).await;
    let mut requests = world.proxy.requests();
    let sent = async { requests.wait_for(|requests| *requests == 1).await.map(drop) };
    tokio::select! {
        created = world.create() => assert_eq!(created, Ok(Put::Written), "quicker than it can be given up"),
        sent = sent => sent.unwrap(),
    }
    let started = Instant::now();
    while !world.is_there().await {
        assert!(started.elapsed() < Duration::from_mins(1), "the request never took effect");
    }
    world.table.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_it_knows_the_table_the_service_is_away() {
    let proxy = FaultProxy::start(1, Rates::default(), None).await.unwrap();
    let store = DynamoStore::new(connect(&ConnectOptions::local(proxy.endpoint())).await, Tables::one("test"));
    assert!(store.read_meta().await.unwrap_err().is_retryable());
}
