//! What `import` and `redrive` hand to the consumer: they do its work with other records.

use std::time::Duration;

use headcount_consumer::config::{Config, EVENT_TYPES, EVENTS_TABLE, IP_POLICY, LATENESS_DAYS, METRICS_TABLE};
use headcount_consumer::deps::{Deps, Feed, Settings};
use headcount_consumer::handler::HandleError;
use headcount_core::origin::SequenceNumber;
use headcount_store::clock::Clock;
use headcount_store::dynamo::DynamoStore;
use headcount_store::retry::Jitter;
use headcount_store::traits::ConsumerStore;
use serde::Serialize;
use tokio::time::Instant;

use crate::args::{RuleArgs, TableArgs};
use crate::connect;
use crate::failure::Failure;

/// How long one try at a batch may take: as long as an invocation of the Lambda function.
const TRY_TIMEOUT: Duration = Duration::from_mins(5);

/// Tries at a batch that bring it no further. Each of them tries every request again until its own end.
const MAX_IDLE_TRIES: u32 = 3;

/// What one batch came to, over all tries. A record whose date could not be folded at first is told again by the next
/// try.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Consumed {
    /// Events that were inserted.
    pub(crate) inserted: u64,
    /// Events that were there already, from these very records.
    pub(crate) redelivered: u64,
    /// Occurrences of events that another record had stored.
    pub(crate) duplicates: u64,
    /// Occurrences that broke a rule.
    pub(crate) rejected: u64,
    /// Top-level fields that were dropped.
    pub(crate) unknown_fields: u64,
    /// The first record that was not wholly counted, when time was up.
    #[serde(skip)]
    pub(crate) failed_from: Option<SequenceNumber>,
}

impl Consumed {
    pub(crate) fn add(&mut self, other: &Self) {
        self.inserted += other.inserted;
        self.redelivered += other.redelivered;
        self.duplicates += other.duplicates;
        self.rejected += other.rejected;
        self.unknown_fields += other.unknown_fields;
    }
}

/// The table, and the settings of the consumer's own environment variables where the command line says nothing else:
/// they must be the deployment's.
pub(crate) fn settings(
    table: &TableArgs,
    rules: &RuleArgs,
    lateness_days: Option<i64>,
    feed: Feed,
) -> Result<Settings, Failure> {
    let given = |name: &str| match name {
        EVENTS_TABLE => Some(table.tables.dynamodb.table.clone()),
        METRICS_TABLE => table.tables.metrics_table.clone(),
        EVENT_TYPES => rules.event_types.clone(),
        IP_POLICY => rules.ip_policy.map(|policy| policy.to_string()),
        LATENESS_DAYS => lateness_days.map(|days| days.to_string()),
        _ => None,
    };
    let config = Config::read(|name| given(name).or_else(|| std::env::var(name).ok())).map_err(Failure::said)?;
    let accepted = rules.with_placeholder_ids(config.settings.rules.clone())?;
    Ok(Settings { feed, rules: accepted, ..config.settings })
}

/// A consumer over the table, with these settings.
pub(crate) async fn deps(table: &TableArgs, settings: Settings) -> Result<Deps<DynamoStore>, Failure> {
    Ok(Deps::new(connect::table(table).await?, Clock::system(), Jitter::from_entropy(), settings))
}

/// Consumes the batch, again and again from the first record that failed, as an event source mapping would, until all
/// of it is counted, tries bring it no further, or `deadline` comes.
pub(crate) async fn consume<S: ConsumerStore>(
    deps: &Deps<S>,
    mut batch: headcount_consumer::batch::Batch,
    deadline: Instant,
) -> Result<Consumed, HandleError> {
    let mut sum = Consumed::default();
    let mut idle = 0;
    loop {
        let until = deadline.min(Instant::now() + TRY_TIMEOUT);
        let outcome = Box::pin(headcount_consumer::handler::consume_batch(deps, &batch, until)).await?;
        let before = batch.records.len();
        if let Some(failed) = &outcome.failed_from {
            batch.records.retain(|record| record.sequence >= *failed);
        }
        sum.add(&Consumed {
            inserted: outcome.inserted,
            redelivered: outcome.redelivered,
            duplicates: outcome.duplicates,
            rejected: outcome.rejected,
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
