//! The stores under test.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use headcount_runtime::aws::{ConnectOptions, sdk_config};
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::{Connection, connect, connect_metered};
use headcount_store::dynamo::meter::Meter;
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::Quiet;
use headcount_testkit::memory::MemoryStore;
use tokio::net::TcpListener;
use tokio::time::Instant;

pub(crate) fn memory() -> MemoryStore {
    MemoryStore::new()
}

pub(crate) fn quiet() -> Faulty<MemoryStore> {
    Faulty::new(MemoryStore::new(), Quiet)
}

/// A store over an embedded server of its own, and a bare client to look at its items. The server ends with the test's
/// runtime.
pub(crate) struct Embedded {
    pub(crate) store: DynamoStore,
    pub(crate) client: Client,
}

/// Raw events and metrics in two tables, so that a request to the wrong one is noticed.
pub(crate) async fn dynamo() -> Embedded {
    let options = serve().await;
    let store = in_two_tables(connect(&options).await).await;
    Embedded { store, client: Client::new(&sdk_config(&options).await) }
}

/// The same, with the sum of what its requests consume.
pub(crate) async fn metered() -> (DynamoStore, Meter) {
    let (connection, meter) = connect_metered(&serve().await).await;
    (in_two_tables(connection).await, meter)
}

async fn serve() -> ConnectOptions {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let options = ConnectOptions::local(format!("http://{}", listener.local_addr().expect("bound")));
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().expect("a database in memory")));
    options
}

async fn in_two_tables(connection: Connection) -> DynamoStore {
    let tables = Tables::new("events", "metrics");
    let deadline = Instant::now() + Duration::from_secs(30);
    create_tables(&connection, &tables, deadline).await.expect("the tables are made");
    DynamoStore::new(connection, tables)
}
