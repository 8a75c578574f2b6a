//! What `import`, `redrive` and `consume` hand to the consumer: they do its work with other records.

use std::time::Duration;

use headcount_consumer::batch::Batch;
use headcount_consumer::config::{
    Config, EVENT_ITEMS, EVENT_TYPES, EVENTS_TABLE, IP_POLICY, LATENESS_DAYS, LOG, METRICS_TABLE, PLACEHOLDER_IDS,
    STREAM_GENERATION, USER_INDEX,
};
use headcount_consumer::deps::Deps;
use headcount_consumer::handler::HandleError;
use headcount_core::origin::{SequenceNumber, Source};
use headcount_follow::figures::Write;
use headcount_follow::{Backlog, ItemOptions, Setup};
use headcount_log::Log;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::{Jitter, retry};
use headcount_store::dynamo::DynamoStore;
use headcount_store::traits::FollowStore;
use serde::Serialize;
use tokio::time::Instant;

use crate::args::ConsumerArgs;
use crate::connect;
use crate::failure::Failure;

/// How long one try at a batch may take: as long as an invocation of the Lambda function.
const TRY_TIMEOUT: Duration = Duration::from_mins(5);

/// Tries at a batch that bring it no further. Each of them tries every request again until its own end.
const MAX_IDLE_TRIES: u32 = 3;

/// What one batch came to, over all tries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Consumed {
    /// Events that were appended to the log.
    pub(crate) appended: u64,
    /// Records that the log held already.
    pub(crate) redelivered: u64,
    /// Occurrences of events that were appended before.
    pub(crate) duplicates: u64,
    /// Occurrences that broke a rule.
    pub(crate) rejected: u64,
    /// Top-level fields that were dropped.
    pub(crate) unknown_fields: u64,
    /// The first record that is not in the log, when time was up.
    #[serde(skip)]
    pub(crate) failed_from: Option<SequenceNumber>,
}

impl Consumed {
    pub(crate) fn add(&mut self, other: &Self) {
        self.appended += other.appended;
        self.redelivered += other.redelivered;
        self.duplicates += other.duplicates;
        self.rejected += other.rejected;
        self.unknown_fields += other.unknown_fields;
    }
}

/// What a command line says of the consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) consumer: &'a ConsumerArgs,
    pub(crate) lateness_days: Option<i64>,
    pub(crate) stream_generation: Option<&'a str>,
    pub(crate) items: ItemOptions,
}

/// Log and table, and the settings of the consumer's own environment variables where the command line says nothing else:
/// they must be the deployment's.
pub(crate) async fn deps(asked: Asked<'_>) -> Result<Deps<DynamoStore>, Failure> {
    let ConsumerArgs { rules, prices, table, log } = asked.consumer;
    let place = connect::place_of_log(&table.services, log).await?;
    let off = |is_on: bool| (!is_on).then(|| "false".to_owned());
    let given = |name: &str| match name {
        EVENTS_TABLE => Some(table.tables.dynamodb.table.clone()),
        METRICS_TABLE => table.tables.metrics_table.clone(),
        LOG => Some(place.clone()),
        EVENT_TYPES => rules.event_types.clone(),
        IP_POLICY => rules.ip_policy.map(|policy| policy.to_string()),
        PLACEHOLDER_IDS => rules.placeholder_ids.clone(),
        LATENESS_DAYS => asked.lateness_days.map(|days| days.to_string()),
        STREAM_GENERATION => asked.stream_generation.map(str::to_owned),
        EVENT_ITEMS => off(asked.items.event_items),
        USER_INDEX => off(asked.items.user_index),
        _ => None,
    };
    let mut config = Config::read(|name| given(name).or_else(|| std::env::var(name).ok())).map_err(Failure::said)?;
    let log = Log::open(&place, Jitter::from_entropy()).await.map_err(Failure::said)?;
    match prices.table()? {
        Some(table) => config.settings.rules = config.settings.rules.with_prices(table),
        None => {
            config = config.with_price_table(&log, Instant::now() + TRY_TIMEOUT).await.map_err(Failure::said)?;
        }
    }
    let store = connect::table(table).await?;
    Ok(Deps::new(log, store, Clock::system(), Jitter::from_entropy(), config.settings))
}

/// Appends the batch, again and again from the first record that failed, as an event source mapping would, until all of it
/// is in the log, tries bring it no further, or `deadline` comes.
pub(crate) async fn append<S: FollowStore>(
    deps: &Deps<S>,
    mut batch: Batch,
    deadline: Instant,
) -> Result<Consumed, HandleError> {
    let mut sum = Consumed::default();
    let mut idle = 0;
    loop {
        let until = deadline.min(Instant::now() + TRY_TIMEOUT);
        let outcome = Box::pin(headcount_consumer::handler::consume(deps, &batch, until)).await?;
        let before = batch.records.len();
        if let Some(failed) = &outcome.failed_from {
            batch.records.retain(|record| record.sequence >= *failed);
        }
        sum.add(&Consumed {
            appended: outcome.events,
            redelivered: outcome.redelivered,
            duplicates: outcome.duplicates,
            rejected: outcome.rejections(),
            unknown_fields: outcome.unknown_fields,
            failed_from: None,
        });
        sum.failed_from = outcome.failed_from;
        idle = if batch.records.len() < before { 0 } else { idle + 1 };
        if sum.failed_from.is_none() || idle >= MAX_IDLE_TRIES || Instant::now() >= deadline {
            return Ok(sum);
        }
    }
}

/// Brings the table up to the end of the source's log: figures and items.
///
/// # Errors
/// Why it is not there at `deadline`. The aggregator goes on from there.
pub(crate) async fn follow<S: FollowStore>(deps: &Deps<S>, source: &Source, deadline: Instant) -> Result<(), String> {
    let deployment = deps.deployment(deadline).await.map_err(|error| error.to_string())?;
    let table = deps.table(&deployment, deadline).await.map_err(|error| error.to_string())?;
    let Deps { log, store, clock, jitter, .. } = deps;
    let setup = Setup { log, store, table: &table, clock, jitter };
    loop {
        // A run ends a while before its deadline where much is left.
        let until = deadline.min(Instant::now() + TRY_TIMEOUT);
        let figures = || deps.figures.follow(setup, source, &[], None, Write::Always, until);
        let figures = retry(jitter, deadline, figures).await.map_err(|error| error.to_string())?;
        let items = || deps.items.follow(setup, source, &[], None, Backlog::Follow, until);
        let items = retry(jitter, deadline, items).await.map_err(|error| error.to_string())?;
        if !figures.is_behind && !items.is_behind {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err("the time was used up before the table had caught up with the log".to_owned());
        }
    }
}
