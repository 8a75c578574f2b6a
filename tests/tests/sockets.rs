//! The same over sockets: the consumer's handler over the real SDK, through a proxy that does all that networks and
//! services do, to the embedded table. Three sources share events; batches are delivered again, invocations die or go on
//! running after they were given up. In the end, what is stored and counted equals a model of sets and maps.

#[path = "world/model.rs"]
mod model;
#[path = "sockets/sources.rs"]
mod sources;
#[path = "world/state.rs"]
mod state;

use std::sync::Arc;
use std::time::Duration;

use headcount_consumer::deps::{Deps, Settings};
use headcount_core::limits::DEFAULT_LOG_RETENTION_DAYS;
use headcount_core::validate::Rules;
use headcount_follow::ItemOptions;
use headcount_local::table::{Table, TableOptions};
use headcount_log::Log;
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_tests::fault_proxy::FaultProxy;
use headcount_tests::fault_proxy::plan::{Burst, Fault, Rates, seed_of_run};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::time::Instant;

use model::{Model, Shape};
use sources::{Done, drive, source};
use state::State;

/// A few hundred batches, and some of them again.
const SHAPE: Shape = Shape { sources: 3, records: 330, most_events: 4, pool: 1_980 };

const PATIENCE: Duration = Duration::from_mins(2);

/// The way to the table: the proxy's, with the SDK's own timeout cut short.
async fn store(endpoint: &str, tables: &Tables) -> DynamoStore {
    let operation_timeout = Duration::from_secs(2);
    let options = ConnectOptions { operation_timeout, ..ConnectOptions::local(endpoint) };
    DynamoStore::new(connect(&options).await, tables.clone())
}

fn cold(objects: Arc<dyn ObjectStore>, store: DynamoStore, seed: u64) -> Deps<DynamoStore> {
    let settings = Settings {
        rules: Rules::default(),
        zone: None,
        project: "test".to_owned(),
        log_retention_days: DEFAULT_LOG_RETENTION_DAYS,
        stream_generation: None,
        items: ItemOptions::default(),
    };
    Deps::new(Log::new(objects, Jitter::from_seed(seed)), store, Clock::system(), Jitter::from_seed(seed), settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_counts_once_whatever_the_network_does() {
    let seed = seed_of_run("sockets");
    let began = Instant::now();
    let table = Table::start(TableOptions::default()).await.unwrap();
    let tables = Tables::one("headcount");
    let connection = connect(&ConnectOptions::local(table.endpoint())).await;
    create_tables(&connection, &tables, Instant::now() + PATIENCE).await.unwrap();
    let rates = Rates { longest_delay: Duration::from_millis(60), ..Rates::stormy() };
    let proxy = FaultProxy::start(seed, rates, Some(Burst { every: 400, length: 25 })).await.unwrap();
    proxy.forward_to(&table.endpoint());

    let model = Model::new(seed, SHAPE);
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut driving = tokio::task::JoinSet::new();
    for shard in 0..SHAPE.sources {
        let (proxied, objects) = (store(&proxy.endpoint(), &tables).await, objects.clone());
        let (records, arrived_ms) = (model.records(shard), model.arrived_ms);
        driving.spawn(async move {
            drive(shard, records, arrived_ms, seed, move |seed| cold(objects.clone(), proxied.clone(), seed)).await
        });
    }
    let done = driving.join_all().await.into_iter().fold(Done::default(), Done::and);
    let counts = proxy.counts();
    eprintln!("{done:?} in {:?}; requests: {counts:?}", began.elapsed());

    let log = Log::new(objects, Jitter::from_seed(seed));
    let state = State::read(log, DynamoStore::new(connection, tables), &model).await;
    state.equals(&model);
    for (shard, rejected) in (0..).zip(&model.rejected) {
        assert_eq!(state.rejected[&source(shard)], *rejected, "rejected in shard {shard}");
    }
    assert!(done.invocations >= 200 && done.crashes > 0 && done.zombies > 0, "{done:?}");
    for kind in Fault::ALL.map(Fault::name).into_iter().chain(["delayed"]) {
        assert!(counts.get(kind).is_some_and(|count| *count > 0), "{kind} never struck: {counts:?}");
    }
    table.stop().await;
}
