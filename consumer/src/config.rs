//! The configuration of the Lambda function, from its environment.

use chrono_tz::Tz;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS, MAX_EARLINESS_MS};
use headcount_core::validate::Rules;
use headcount_store::dynamo::schema::Tables;

use headcount_core::limits::DEFAULT_LOG_RETENTION_DAYS;
use headcount_follow::ItemOptions;

use crate::deps::Settings;

/// The table of the events, partials and users.
pub const EVENTS_TABLE: &str = "EVENTS_TABLE";
/// The table of the metrics; the events' one where it is not set.
pub const METRICS_TABLE: &str = "METRICS_TABLE";
/// Where the log lies: `s3://bucket[/prefix]`, or a folder.
pub const LOG: &str = "LOG";
/// Days that the log keeps an entry: those of the bucket's lifecycle rule.
pub const EVENT_RETENTION_DAYS: &str = "EVENT_RETENTION_DAYS";
/// Whether each event also becomes an item of the table: `true` or `false`.
pub const EVENT_ITEMS: &str = "EVENT_ITEMS";
/// Whether the items of events are listed by user: `true` or `false`.
pub const USER_INDEX: &str = "USER_INDEX";
/// Tells a stream that was deleted and created again under its old name from the first one.
pub const STREAM_GENERATION: &str = "STREAM_GENERATION";
/// What is kept of addresses: `keep`, `truncate` or `drop`.
pub const IP_POLICY: &str = "IP_POLICY";
/// Further event types, by commas.
pub const EVENT_TYPES: &str = "EVENT_TYPES";
/// Days before its arrival that an event may lie, 0 to 80.
pub const LATENESS_DAYS: &str = "LATENESS_DAYS";
/// The reporting time zone: of a new deployment, checked against an existing one.
pub const REPORTING_ZONE: &str = "REPORTING_ZONE";
/// The project's name, for a new deployment.
pub const PROJECT: &str = "PROJECT";

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

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// The configuration of the consumer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the log lies.
    pub log: String,
    /// The tables.
    pub tables: Tables,
    /// What the handler needs to know.
    pub settings: Settings,
}

impl Config {
    /// Reads the configuration; `variable` is the environment. An empty variable counts as not set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the variable and the rule.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let error = |name, problem: String| ConfigError { name, problem };

        let events = set(EVENTS_TABLE)
            .ok_or_else(|| error(EVENTS_TABLE, "is not set: set it to the name of the DynamoDB table".to_owned()))?;
        let log = set(LOG).ok_or_else(|| {
            error(LOG, "is not set: set it to s3://<bucket>, the bucket that keeps the event log".to_owned())
        })?;
        let metrics = set(METRICS_TABLE).unwrap_or_else(|| events.clone());
        let ip_policy = match set(IP_POLICY) {
            Some(text) => {
                text.parse::<IpPolicy>().map_err(|problem| error(IP_POLICY, format!("is wrong: {problem}")))?
            }
            None => IpPolicy::default(),
        };
        let lateness_ms = match set(LATENESS_DAYS) {
            Some(text) => match text.parse::<i64>() {
                Ok(days) if (0..=MAX_LATENESS_DAYS).contains(&days) => days * DAY_MS,
                _ => {
                    let problem = format!("is {text:?}: it must be a whole number of days, 0 to {MAX_LATENESS_DAYS}");
                    return Err(error(LATENESS_DAYS, problem));
                }
            },
            None => DEFAULT_LATENESS_MS,
        };
        let types = set(EVENT_TYPES).unwrap_or_default();
        let types = types.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let rules = Rules::new(types, Some(lateness_ms), MAX_EARLINESS_MS, ip_policy)
            .map_err(|problem| error(EVENT_TYPES, format!("is wrong: {problem}")))?;
        let zone = match set(REPORTING_ZONE) {
            Some(name) => Some(name.parse::<Tz>().map_err(|_| {
                error(REPORTING_ZONE, format!("is {name:?}: it must be an IANA time zone such as Europe/Berlin"))
            })?),
            None => None,
        };
        let log_retention_days = match set(EVENT_RETENTION_DAYS) {
            Some(text) => {
                text.parse().ok().filter(|days| (MIN_RETENTION_DAYS..=MAX_RETENTION_DAYS).contains(days)).ok_or_else(
                    || {
                        let rule =
                            format!("it must be a whole number of days, {MIN_RETENTION_DAYS} to {MAX_RETENTION_DAYS}");
                        error(EVENT_RETENTION_DAYS, format!("is {text:?}: {rule}"))
                    },
                )?
            }
            None => DEFAULT_LOG_RETENTION_DAYS,
        };
        let flag = |name| match set(name).as_deref() {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(text) => Err(error(name, format!("is {text:?}: it must be true or false"))),
        };
        let items = ItemOptions { event_items: flag(EVENT_ITEMS)?, user_index: flag(USER_INDEX)? };
        let project = set(PROJECT).unwrap_or_else(|| "headcount".to_owned());
        Ok(Self {
            log,
            tables: Tables::new(&events, &metrics),
            settings: Settings {
                rules,
                zone,
                project,
                log_retention_days,
                stream_generation: set(STREAM_GENERATION),
                items,
            },
        })
    }
}

#[cfg(test)]
mod tests {
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
        ];
        let config = read(&set).unwrap();
        assert_eq!(config.settings.rules.lateness_ms(), Some(3 * DAY_MS));
        assert_eq!(config.settings.rules.ip_policy(), IpPolicy::Truncate);
        assert_eq!(config.settings.zone, Some(Tz::Europe__Berlin));
        assert_eq!((&*config.log, config.settings.stream_generation.as_deref()), ("s3://log/prefix", Some("2")));
        assert_eq!(config.settings.items, ItemOptions { event_items: false, user_index: true });
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
        check(EVENT_ITEMS, "no", "true or false");
        check(EVENT_RETENTION_DAYS, "7", "14 to 3650");
        assert_eq!(read(&[]).unwrap_err().name, EVENTS_TABLE);
        assert_eq!(read(&[(EVENTS_TABLE, "events")]).unwrap_err().name, LOG);
    }
}
