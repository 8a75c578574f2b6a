//! The configuration of the Lambda function, from its environment.

use chrono_tz::Tz;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS, MAX_EARLINESS_MS};
use headcount_core::validate::Rules;
use headcount_store::dynamo::schema::Tables;

use crate::deps::{Feed, Settings};

/// The table of the events, partials and users.
pub const EVENTS_TABLE: &str = "EVENTS_TABLE";
/// The table of the metrics; the events' one where it is not set.
pub const METRICS_TABLE: &str = "METRICS_TABLE";
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
        let project = set(PROJECT).unwrap_or_else(|| "headcount".to_owned());
        Ok(Self {
            tables: Tables::new(&events, &metrics),
            settings: Settings { rules, zone, project, feed: Feed::Mapping },
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
        let config = read(&[(EVENTS_TABLE, "headcount"), (IP_POLICY, " ")]).unwrap();
        assert_eq!(config.settings.rules.lateness_ms(), Some(DEFAULT_LATENESS_MS));
        assert_eq!(config.settings.rules.ip_policy(), IpPolicy::Keep);
        assert_eq!(config.settings.zone, None);
    }

    #[test]
    fn what_is_set_is_taken() {
        let set = [
            (EVENTS_TABLE, "events"),
            (IP_POLICY, "truncate"),
            (LATENESS_DAYS, "3"),
            (REPORTING_ZONE, "Europe/Berlin"),
            (EVENT_TYPES, "signup, purchase"),
        ];
        let config = read(&set).unwrap();
        assert_eq!(config.settings.rules.lateness_ms(), Some(3 * DAY_MS));
        assert_eq!(config.settings.rules.ip_policy(), IpPolicy::Truncate);
        assert_eq!(config.settings.zone, Some(Tz::Europe__Berlin));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |name: &'static str, value: &str, says: &str| {
            let error = read(&[(EVENTS_TABLE, "events"), (name, value)]).unwrap_err();
            assert_eq!(error.name, name);
            assert!(error.to_string().contains(says), "{error}");
        };
        check(IP_POLICY, "hide", "IP_POLICY");
        check(LATENESS_DAYS, "-1", "0 to 80");
        check(LATENESS_DAYS, "week", "whole number");
        check(REPORTING_ZONE, "Berlin", "IANA");
        check(EVENT_TYPES, &"x".repeat(65), "EVENT_TYPES");
        assert_eq!(read(&[]).unwrap_err().name, EVENTS_TABLE);
    }
}
