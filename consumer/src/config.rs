//! The configuration of the Lambda function, from its environment.

use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS, DEFAULT_LOG_RETENTION_DAYS, MAX_EARLINESS_MS};
use headcount_core::prices::PriceTable;
use headcount_core::validate::Rules;
use headcount_log::Log;
use headcount_runtime::environment::Environment;
use headcount_store::dynamo::schema::Tables;
use tokio::time::Instant;

use crate::deps::Settings;

pub use headcount_follow::config::{
    EVENT_ITEMS, EVENTS_TABLE, LOG, METRICS_TABLE, PROJECT, REPORTING_ZONE, USER_INDEX,
};
pub use headcount_runtime::environment::ConfigError;

/// Days that the log keeps an entry: those of the bucket's lifecycle rule.
pub const EVENT_RETENTION_DAYS: &str = "EVENT_RETENTION_DAYS";
/// Tells a stream that was deleted and created again under its old name from the first one.
pub const STREAM_GENERATION: &str = "STREAM_GENERATION";
/// What is kept of addresses: `keep`, `truncate` or `drop`.
pub const IP_POLICY: &str = "IP_POLICY";
/// Further event types, by commas.
pub const EVENT_TYPES: &str = "EVENT_TYPES";
/// User ids that name nobody, comma-separated, in place of [`headcount_core::validate::PLACEHOLDER_IDS`]. A lone comma is none.
pub const PLACEHOLDER_IDS: &str = "PLACEHOLDER_IDS";
/// The name of a price table in the folder `prices` beside the log, in place of the one that comes with Headcount.
pub const PRICE_TABLE: &str = "PRICE_TABLE";
/// Days before its arrival that an event may lie, 0 to 80.
pub const LATENESS_DAYS: &str = "LATENESS_DAYS";

/// Most days of lateness: events live 90 days, and their day must be counted well before they expire.
pub const MAX_LATENESS_DAYS: i64 = 80;

/// Fewest days that the log may keep an entry: lateness and the stream's retention of a day, and the time to prove a day.
pub const MIN_RETENTION_DAYS: u32 = 14;

/// Most days that the log may keep an entry.
pub const MAX_RETENTION_DAYS: u32 = 3_650;

/// The memory that Lambda gave the function, in MB.
pub const MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// Memory with which a function has one whole processor, in MB; it has more or less in proportion (AWS Lambda's
/// developer guide, "Configure Lambda function memory").
pub const MB_PER_PROCESSOR: usize = 1_769;

/// How many threads gain anything: a function sees two processors even where it has a part of one. `there` is how many
/// it sees.
///
/// ```
/// use headcount_consumer::config::processors;
/// assert_eq!([processors(Some("512"), 2), processors(Some("1769"), 2), processors(Some("3538"), 6)], [1, 1, 2]);
/// assert_eq!([processors(None, 2), processors(Some("?"), 2)], [2, 2], "not in Lambda");
/// ```
pub fn processors(memory_mb: Option<&str>, there: usize) -> usize {
    let given = memory_mb.and_then(|mb| mb.trim().parse::<usize>().ok()).map_or(there, |mb| mb / MB_PER_PROCESSOR);
    given.clamp(1, there.max(1))
}

/// The configuration of the consumer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the log lies.
    pub log: String,
    /// The tables.
    pub tables: Tables,
    /// What the handler needs to know. Its rules have the prices that come with Headcount.
    pub settings: Settings,
    /// The name of another price table beside the log: see [`Self::with_price_table`].
    pub price_table: Option<String>,
}

impl Config {
    /// Reads the configuration; `variable` is the environment. An empty variable counts as not set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the variable and the rule.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let environment = Environment::new(variable);
        let follow = headcount_follow::config::Config::read(&environment)?;
        let ip_policy = match environment.text(IP_POLICY) {
            Some(text) => text
                .parse::<IpPolicy>()
                .map_err(|problem| ConfigError { name: IP_POLICY, problem: format!("is wrong: {problem}") })?,
            None => IpPolicy::default(),
        };
        let lateness_ms =
            environment.number(LATENESS_DAYS, 0..=MAX_LATENESS_DAYS)?.map_or(DEFAULT_LATENESS_MS, |days| days * DAY_MS);
        let types = environment.text(EVENT_TYPES).unwrap_or_default();
        let types = types.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let rules = Rules::new(types, Some(lateness_ms), MAX_EARLINESS_MS, ip_policy)
            .map_err(|problem| ConfigError { name: EVENT_TYPES, problem: format!("is wrong: {problem}") })?;
        let rules = match environment.text(PLACEHOLDER_IDS) {
            Some(ids) => rules
                .with_placeholder_ids(ids.split(','))
                .map_err(|problem| ConfigError { name: PLACEHOLDER_IDS, problem: format!("is wrong: {problem}") })?,
            None => rules,
        };
        let rules = rules.with_prices(PriceTable::shipped());
        let log_retention_days = environment
            .number(EVENT_RETENTION_DAYS, MIN_RETENTION_DAYS.into()..=MAX_RETENTION_DAYS.into())?
            .map_or(DEFAULT_LOG_RETENTION_DAYS, |days| days as u32);
        Ok(Self {
            log: follow.log,
            tables: follow.tables,
            settings: Settings {
                rules,
                zone: follow.zone,
                project: follow.project,
                log_retention_days,
                stream_generation: environment.text(STREAM_GENERATION),
                items: follow.items,
            },
            price_table: environment.text(PRICE_TABLE),
        })
    }

    /// The same with the price table that lies beside the log, where one is named. A consumer whose prices cannot be read does not start:
    /// what it would accept without them stays as it is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], where the table is not there or no price table.
    pub async fn with_price_table(mut self, log: &Log, deadline: Instant) -> Result<Self, ConfigError> {
        let Some(name) = &self.price_table else { return Ok(self) };
        let unusable =
            |problem: String| ConfigError { name: PRICE_TABLE, problem: format!("cannot be used: {problem}") };
        let json = log.price_table(name, deadline).await.map_err(|error| unusable(error.to_string()))?;
        let missing = || unusable(format!("prices/{name} is not beside the event log: put the file there"));
        let table = PriceTable::parse(name, &json.ok_or_else(missing)?).map_err(|error| unusable(error.to_string()))?;
        if table.left_out().next().is_some() {
            tracing::warn!(
                table = &**table.id(),
                models = table.left_out().count(),
                "models without a usable price are not priced"
            );
        }
        self.settings.rules = self.settings.rules.with_prices(table);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use chrono_tz::Tz;
    use headcount_follow::ItemOptions;
    use headcount_runtime::retry::Jitter;
    use object_store::memory::InMemory;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn what_is_not_set_has_a_default() {
        let config = read(&[(EVENTS_TABLE, "headcount"), (LOG, "s3://log"), (IP_POLICY, " ")]).unwrap();
        assert_eq!(config.settings.rules.lateness_ms(), Some(DEFAULT_LATENESS_MS));
        assert_eq!(config.settings.rules.ip_policy(), IpPolicy::Keep);
        assert_eq!(config.settings.zone, None);
        assert!(config.settings.rules.is_placeholder("undefined"));
        assert_eq!(config.settings.rules.prices(), Some(&PriceTable::shipped()));
        let none = read(&[(EVENTS_TABLE, "headcount"), (LOG, "s3://log"), (PLACEHOLDER_IDS, ",")]).unwrap();
        assert_eq!(none.settings.rules.placeholder_ids().count(), 0, "a lone comma");
    }

    #[test]
    fn what_is_set_is_taken() {
        let set = [
            (EVENTS_TABLE, "events"),
            (LOG, "s3://log/prefix"),
            (EVENT_ITEMS, "false"),
            (STREAM_GENERATION, "2"),
            (IP_POLICY, "truncate"),
            (LATENESS_DAYS, "3"),
            (REPORTING_ZONE, "Europe/Berlin"),
            (EVENT_TYPES, "signup, purchase"),
            (PLACEHOLDER_IDS, "test, -"),
        ];
        let config = read(&set).unwrap();
        assert_eq!(config.settings.rules.lateness_ms(), Some(3 * DAY_MS));
        assert_eq!(config.settings.rules.ip_policy(), IpPolicy::Truncate);
        assert_eq!(config.settings.rules.placeholder_ids().collect::<Vec<_>>(), ["test", "-"]);
        assert_eq!(config.settings.zone, Some(Tz::Europe__Berlin));
        assert_eq!((&*config.log, config.settings.stream_generation.as_deref()), ("s3://log/prefix", Some("2")));
        assert_eq!(config.settings.items, ItemOptions { event_items: false, user_index: true });
    }

    #[tokio::test]
    async fn a_price_table_beside_the_log_takes_the_place_of_the_shipped_one() {
        let log = Log::new(Arc::new(InMemory::new()), Jitter::from_seed(1));
        let deadline = Instant::now() + Duration::from_secs(5);
        let named = || {
            let set = [(EVENTS_TABLE, "events"), (LOG, "s3://log"), (PRICE_TABLE, "december.json")];
            read(&set).unwrap().with_price_table(&log, deadline)
        };
        let missing = named().await.unwrap_err().to_string();
        assert!(missing.contains("PRICE_TABLE") && missing.contains("prices/december.json"), "{missing}");
        log.put_price_table("december.json", "{}".into(), deadline).await.unwrap();
        assert!(named().await.unwrap_err().to_string().contains("LiteLLM"));
        log.put_price_table("december.json", r#"{"m": {"input_cost_per_token": 1}}"#.into(), deadline).await.unwrap();
        let id = named().await.unwrap().settings.rules.prices().unwrap().id().to_string();
        assert!(id.starts_with("december-"), "{id}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |name: &'static str, value: &str, says: &str| {
            let error = read(&[(name, value), (EVENTS_TABLE, "events"), (LOG, "s3://log")]).unwrap_err();
            assert_eq!(error.name, name);
            assert!(error.to_string().contains(says), "{error}");
        };
        check(IP_POLICY, "hide", "IP_POLICY");
        check(LATENESS_DAYS, "-1", "0 to 80");
        check(LATENESS_DAYS, "week", "whole number");
        check(REPORTING_ZONE, "Berlin", "IANA");
        check(EVENT_TYPES, &"x".repeat(65), "EVENT_TYPES");
        check(PLACEHOLDER_IDS, &"x".repeat(300), "PLACEHOLDER_IDS");
        check(EVENT_ITEMS, "no", "true or false");
        check(EVENT_RETENTION_DAYS, "7", "14 to 3650");
        assert_eq!(read(&[]).unwrap_err().name, EVENTS_TABLE);
        assert_eq!(read(&[(EVENTS_TABLE, "events")]).unwrap_err().name, LOG);
    }
}
