//! The settings of every function that follows the log, from its environment.

use chrono_tz::Tz;
use headcount_runtime::environment::{ConfigError, Environment};
use headcount_store::dynamo::schema::Tables;

use crate::items::ItemOptions;

/// The table of the events, partials and users.
pub const EVENTS_TABLE: &str = "EVENTS_TABLE";
/// The table of the metrics; the events' one where it is not set.
pub const METRICS_TABLE: &str = "METRICS_TABLE";
/// Where the log lies: `s3://bucket[/prefix]`, or a folder.
pub const LOG: &str = "LOG";
/// Whether each event also becomes an item of the table: `true` or `false`.
pub const EVENT_ITEMS: &str = "EVENT_ITEMS";
/// Whether the items of events are listed by user: `true` or `false`.
pub const USER_INDEX: &str = "USER_INDEX";
/// The reporting time zone: of a new deployment, checked against an existing one.
pub const REPORTING_ZONE: &str = "REPORTING_ZONE";
/// The project's name, which its metrics go under.
pub const PROJECT: &str = "PROJECT";

/// What a function that follows the log is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the log lies.
    pub log: String,
    /// The tables.
    pub tables: Tables,
    /// Which items are written.
    pub items: ItemOptions,
    /// The reporting zone, where it is configured.
    pub zone: Option<Tz>,
    /// The project's name.
    pub project: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the variable and the rule.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &Environment<F>) -> Result<Self, ConfigError> {
        let events = environment.required(EVENTS_TABLE, "set it to the name of the DynamoDB table")?;
        let log = environment.required(LOG, "set it to s3://<bucket>, the bucket that keeps the event log")?;
        let metrics = environment.text(METRICS_TABLE).unwrap_or_else(|| events.clone());
        let all = ItemOptions::default();
        let items = ItemOptions {
            event_items: environment.flag(EVENT_ITEMS)?.unwrap_or(all.event_items),
            user_index: environment.flag(USER_INDEX)?.unwrap_or(all.user_index),
        };
        Ok(Self {
            log,
            tables: Tables::new(&events, &metrics),
            items,
            zone: environment.parsed(REPORTING_ZONE, "an IANA time zone such as Europe/Berlin")?,
            project: environment.text(PROJECT).unwrap_or_else(|| "headcount".to_owned()),
        })
    }
}
