//! The configuration of the Lambda function, from its environment.

use std::ops::RangeInclusive;
use std::str::FromStr;

use headcount_core::limits::DAY_MS;
use headcount_runtime::environment::Environment;
use headcount_store::dynamo::schema::Tables;

use crate::deps::{MAX_PARALLEL_REQUESTS, Settings};

pub use headcount_follow::config::{
    EVENT_ITEMS, EVENTS_TABLE, LOG, METRICS_TABLE, PROJECT, REPORTING_ZONE, USER_INDEX,
};
pub use headcount_runtime::environment::ConfigError;

/// Days before its arrival that an event may lie, as the consumer has it: 0 to 80.
pub const LATENESS_DAYS: &str = "LATENESS_DAYS";
/// Hours that the stream keeps records: 24 to 8,760, as Kinesis allows.
pub const RETENTION_HOURS: &str = "RETENTION_HOURS";
/// Requests that are made at the same time.
pub const PARALLEL_REQUESTS: &str = "PARALLEL_REQUESTS";
/// Events of today and yesterday together up to which they are proven during the day.
pub const PROOF_BUDGET: &str = "PROOF_BUDGET";
/// The ARN of the SNS topic that is told of alarms of budgets; none where it is not set.
pub const ALARM_TOPIC: &str = "ALARM_TOPIC_ARN";
/// Memory of the function in MB. Lambda sets it:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
pub const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// The part of the function's memory that a proof may use, in percent: entries that are read and the program itself take the rest.
pub const PROOF_MEMORY_PERCENT: u64 = 60;

/// Most events that the hourly proofs may be allowed.
const MAX_PROOF_BUDGET: i64 = 1_000_000_000;

/// Memory that a function of Lambda can have, in MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
const MEMORY_MB: RangeInclusive<i64> = 128..=10_240;

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// The configuration of the aggregator.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the log lies.
    pub log: String,
    /// The tables.
    pub tables: Tables,
    /// The project's name.
    pub project: String,
    /// The ARN of the topic for alarms of budgets.
    pub alarm_topic: Option<String>,
    /// What the aggregator needs to know.
    pub settings: Settings,
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
        let mut settings = Settings { zone: follow.zone, items: follow.items, ..Settings::default() };
        if let Some(days) = environment.number(LATENESS_DAYS, 0..=80)? {
            settings.lateness_ms = days * DAY_MS;
        }
        if let Some(hours) = environment.number(RETENTION_HOURS, 24..=8_760)? {
            settings.retention_ms = hours * HOUR_MS;
        }
        if let Some(requests) = environment.number(PARALLEL_REQUESTS, 1..=MAX_PARALLEL_REQUESTS as i64)? {
            settings.parallel_requests = requests as usize;
        }
        if let Some(events) = environment.number(PROOF_BUDGET, 0..=MAX_PROOF_BUDGET)? {
            settings.proof_budget = events.unsigned_abs();
        }
        if let Some(megabytes) = environment.number(MEMORY_SIZE, MEMORY_MB)? {
            settings.proof_memory = (megabytes.unsigned_abs() << 20) / 100 * PROOF_MEMORY_PERCENT;
        }
        let alarm_topic = environment.parsed::<TopicArn>(ALARM_TOPIC, "the ARN of an SNS topic, arn:aws:sns:...")?;
        let alarm_topic = alarm_topic.map(|TopicArn(arn)| arn);
        Ok(Self { log: follow.log, tables: follow.tables, project: follow.project, alarm_topic, settings })
    }
}

/// `arn:<partition>:sns:<region>:<account>:<topic>`.
struct TopicArn(String);

impl FromStr for TopicArn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split(':').collect::<Vec<_>>()[..] {
            ["arn", _, "sns", _, _, topic] if !topic.is_empty() => Ok(Self(text.to_owned())),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use headcount_follow::ItemOptions;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn what_is_not_set_has_a_default() {
        let config = read(&[(EVENTS_TABLE, "headcount"), (LOG, "s3://log"), (LATENESS_DAYS, " ")]).unwrap();
        assert_eq!((&*config.tables.events, &*config.tables.metrics), ("headcount", "headcount"));
        assert_eq!(config.settings, Settings::default());
    }

    #[test]
    fn what_is_set_is_taken() {
        let set = [
            (EVENTS_TABLE, "e"),
            (METRICS_TABLE, "m"),
            (LOG, "s3://log/prefix"),
            (LATENESS_DAYS, "3"),
            (RETENTION_HOURS, "168"),
            (EVENT_ITEMS, "false"),
            (PARALLEL_REQUESTS, "16"),
            (REPORTING_ZONE, "Europe/Berlin"),
            (PROOF_BUDGET, "0"),
            (MEMORY_SIZE, "1000"),
            (ALARM_TOPIC, "arn:aws-cn:sns:cn-north-1:123456789012:alarms"),
        ];
        let config = read(&set).unwrap();
        assert_eq!((&*config.tables.metrics, &*config.log), ("m", "s3://log/prefix"));
        assert_eq!(config.alarm_topic.as_deref(), Some("arn:aws-cn:sns:cn-north-1:123456789012:alarms"));
        let settings = config.settings;
        assert_eq!((settings.lateness_ms, settings.retention_ms), (3 * DAY_MS, 7 * DAY_MS));
        assert_eq!(settings.items, ItemOptions { event_items: false, user_index: true });
        assert_eq!((settings.parallel_requests, settings.zone), (16, Some(Tz::Europe__Berlin)));
        assert_eq!((settings.proof_budget, settings.proof_memory >> 20), (0, 600));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_rule() {
        for (name, value, rule) in [
            (EVENTS_TABLE, "", "is not set"),
            (LOG, "", "is not set"),
            (LATENESS_DAYS, "81", "0 to 80"),
            (RETENTION_HOURS, "23", "24 to 8760"),
            (RETENTION_HOURS, "a day", "24 to 8760"),
            (PARALLEL_REQUESTS, "65", "1 to 64"),
            (PROOF_BUDGET, "-1", "0 to 1000000000"),
            (MEMORY_SIZE, "64", "128 to 10240"),
            (EVENT_ITEMS, "yes", "true or false"),
            (ALARM_TOPIC, "alarms", "ARN of an SNS topic"),
            (ALARM_TOPIC, "arn:aws:sqs:us-east-1:1:alarms", "ARN of an SNS topic"),
            (REPORTING_ZONE, "Mars/Olympus", "IANA time zone"),
        ] {
            // Of two values the first one counts.
            let error = read(&[(name, value), (EVENTS_TABLE, "e"), (LOG, "s3://log")]).unwrap_err();
            assert_eq!(error.name, name);
            assert!(error.to_string().contains(rule), "{error}");
        }
    }
}
