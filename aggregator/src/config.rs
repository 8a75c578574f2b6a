//! The configuration of the Lambda function, from its environment.

use chrono_tz::Tz;
use headcount_core::limits::DAY_MS;
use headcount_store::dynamo::schema::Tables;

use crate::deps::{MAX_PARALLEL_REQUESTS, Settings};

/// The table of the events, partials and users.
pub const EVENTS_TABLE: &str = "EVENTS_TABLE";
/// The table of the metrics; the events' one where it is not set.
pub const METRICS_TABLE: &str = "METRICS_TABLE";
/// Days before its arrival that an event may lie, as the consumer has it: 0 to 80.
pub const LATENESS_DAYS: &str = "LATENESS_DAYS";
/// Hours that the stream keeps records: 24 to 8,760, as Kinesis allows.
pub const RETENTION_HOURS: &str = "RETENTION_HOURS";
/// Whether a day is verified when it closes: `true` or `false`.
pub const VERIFY_AT_CLOSE: &str = "VERIFY_AT_CLOSE";
/// Listings of a day that are read at the same time.
pub const PARALLEL_REQUESTS: &str = "PARALLEL_REQUESTS";
/// The reporting time zone; it must be the deployment's own.
pub const REPORTING_ZONE: &str = "REPORTING_ZONE";

/// The project's name, which its metrics go under.
pub const PROJECT: &str = "PROJECT";

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// The configuration of the aggregator.
#[derive(Clone, Debug)]
pub struct Config {
    /// The tables.
    pub tables: Tables,
    /// The project's name.
    pub project: String,
    /// What the roll-up needs to know.
    pub settings: Settings,
}

impl Config {
    /// Reads the configuration; `variable` is the environment. An empty variable counts as not set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the variable and the rule.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let Some(events) = set(EVENTS_TABLE) else {
            let problem = "is not set: set it to the name of the DynamoDB table".to_owned();
            return Err(ConfigError { name: EVENTS_TABLE, problem });
        };
        let metrics = set(METRICS_TABLE).unwrap_or_else(|| events.clone());
        let number = |name, from: i64, to: i64| match set(name) {
            None => Ok(None),
            Some(text) => match text.parse::<i64>() {
                Ok(number) if (from..=to).contains(&number) => Ok(Some(number)),
                _ => {
                    let problem = format!("is {text:?}: it must be a whole number, {from} to {to}");
                    Err(ConfigError { name, problem })
                }
            },
        };
        let mut settings = Settings::default();
        if let Some(days) = number(LATENESS_DAYS, 0, 80)? {
            settings.lateness_ms = days * DAY_MS;
        }
        if let Some(hours) = number(RETENTION_HOURS, 24, 8_760)? {
            settings.retention_ms = hours * HOUR_MS;
        }
        if let Some(requests) = number(PARALLEL_REQUESTS, 1, MAX_PARALLEL_REQUESTS as i64)? {
            settings.parallel_requests = requests as usize;
        }
        settings.verify_at_close = match set(VERIFY_AT_CLOSE).as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(text) => {
                let problem = format!("is {text:?}: it must be true or false");
                return Err(ConfigError { name: VERIFY_AT_CLOSE, problem });
            }
        };
        if let Some(name) = set(REPORTING_ZONE) {
            let problem = |_| ConfigError {
                name: REPORTING_ZONE,
                problem: format!("is {name:?}: it must be an IANA time zone such as Europe/Berlin"),
            };
            settings.zone = Some(name.parse::<Tz>().map_err(problem)?);
        }
        let project = set(PROJECT).unwrap_or_else(|| "headcount".to_owned());
        Ok(Self { tables: Tables::new(&events, &metrics), project, settings })
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
        let config = read(&[(EVENTS_TABLE, "headcount"), (LATENESS_DAYS, " ")]).unwrap();
        assert_eq!((&*config.tables.events, &*config.tables.metrics), ("headcount", "headcount"));
        assert_eq!(config.settings, Settings::default());
    }

    #[test]
    fn what_is_set_is_taken() {
        let set = [
            (EVENTS_TABLE, "e"),
            (METRICS_TABLE, "m"),
            (LATENESS_DAYS, "3"),
            (RETENTION_HOURS, "168"),
            (VERIFY_AT_CLOSE, "false"),
            (PARALLEL_REQUESTS, "16"),
            (REPORTING_ZONE, "Europe/Berlin"),
        ];
        let config = read(&set).unwrap();
        assert_eq!(&*config.tables.metrics, "m");
        let settings = config.settings;
        assert_eq!((settings.lateness_ms, settings.retention_ms), (3 * DAY_MS, 7 * DAY_MS));
        assert_eq!((settings.verify_at_close, settings.parallel_requests), (false, 16));
        assert_eq!(settings.zone, Some(Tz::Europe__Berlin));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_rule() {
        for (name, value, rule) in [
            (EVENTS_TABLE, "", "is not set"),
            (LATENESS_DAYS, "81", "0 to 80"),
            (RETENTION_HOURS, "23", "24 to 8760"),
            (RETENTION_HOURS, "a day", "24 to 8760"),
            (PARALLEL_REQUESTS, "65", "1 to 64"),
            (VERIFY_AT_CLOSE, "yes", "true or false"),
            (REPORTING_ZONE, "Mars/Olympus", "IANA time zone"),
        ] {
            // Of two values the first one counts.
            let error = read(&[(name, value), (EVENTS_TABLE, "e")]).unwrap_err();
            assert_eq!(error.name, name);
            assert!(error.to_string().contains(rule), "{error}");
        }
    }
}
