//! The configuration of the Lambda function, from its environment.

use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS, MAX_EARLINESS_MS};
use headcount_core::validate::Rules;

use super::{Origins, Settings, SpanAttributes, TrustedProxies, WriteKeys};

/// The stream's name.
pub const STREAM: &str = "STREAM";
/// The keys that may post, by commas or one a line.
pub const WRITE_KEYS: &str = "WRITE_KEYS";
/// The secret of AWS Secrets Manager, by name or ARN, that holds the keys that may post.
pub const WRITE_KEYS_SECRET: &str = "WRITE_KEYS_SECRET";
/// Origins whose pages may post, by commas; `*` is any.
pub const ALLOWED_ORIGINS: &str = "ALLOWED_ORIGINS";
/// Networks of proxies that are believed about who is behind them, by commas.
pub const TRUSTED_PROXIES: &str = "TRUSTED_PROXIES";
/// What reaches the stream of addresses: `keep`, `truncate` or `drop`.
pub const IP_POLICY: &str = "IP_POLICY";
/// Event types beside the built-in ones, by commas, as the consumer has them.
pub const EVENT_TYPES: &str = "EVENT_TYPES";
/// User ids that name nobody, comma-separated, as the consumer has them.
pub const PLACEHOLDER_IDS: &str = "PLACEHOLDER_IDS";
/// Attributes of spans that say whose request it was: `user=NAME`, `session=NAME`, `account=NAME`, comma-separated.
pub const SPAN_ATTRIBUTES: &str = "SPAN_ATTRIBUTES";
/// Days that an event may lie before its arrival, as the consumer has them.
pub const LATENESS_DAYS: &str = "LATENESS_DAYS";

/// Most days of lateness, the consumer's own bound.
const MAX_LATENESS_DAYS: i64 = 80;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// The configuration of the collector's function.
#[derive(Clone, Debug)]
pub struct Config {
    /// The stream's name.
    pub stream: String,
    /// The secret that holds the keys; without one they are among the settings.
    pub keys_secret: Option<String>,
    /// Who may post, and what becomes of it.
    pub settings: Settings,
}

impl Config {
    /// Reads the configuration; `variable` is the environment. An empty variable counts as not set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the variable and the rule. Without a write key it is one: a function's address is known to all.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let stream = set(&variable, STREAM)
            .ok_or_else(|| error(STREAM, "is not set: set it to the stream's name".to_owned()))?;
        let keys_secret = set(&variable, WRITE_KEYS_SECRET);
        let settings = Settings::read(variable)?;
        if keys_secret.is_some() != settings.keys.is_empty() {
            let rule = "or WRITE_KEYS must be set, and not both: to the secret with the keys that may post events, or to these keys";
            return Err(error(WRITE_KEYS_SECRET, rule.to_owned()));
        }
        Ok(Self { stream, keys_secret, settings })
    }
}

impl Settings {
    /// The settings in the variables of this module. Without [`WRITE_KEYS`] everybody may post.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the variable and the rule; it shows no key.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let list = |name| set(&variable, name).unwrap_or_default();
        let keys = WriteKeys::parse(&list(WRITE_KEYS))
            .map_err(|problem| error(WRITE_KEYS, format!("holds no usable keys: {problem}")))?;
        let origins = Origins::parse(list(ALLOWED_ORIGINS).split(','))
            .map_err(|problem| error(ALLOWED_ORIGINS, format!("names what is none: {problem}")))?;
        let proxies = TrustedProxies::parse(list(TRUSTED_PROXIES).split(','))
            .map_err(|problem| error(TRUSTED_PROXIES, format!("names what is none: {problem}")))?;
        let ip_policy = match set(&variable, IP_POLICY) {
            Some(name) => name.parse().map_err(|problem| error(IP_POLICY, format!("cannot be used: {problem}")))?,
            None => IpPolicy::Keep,
        };
        let lateness_ms = match set(&variable, LATENESS_DAYS) {
            None => DEFAULT_LATENESS_MS,
            Some(days) => {
                let days = days.parse::<i64>().ok().filter(|days| (0..=MAX_LATENESS_DAYS).contains(days));
                let rule = || error(LATENESS_DAYS, format!("must be a number from 0 to {MAX_LATENESS_DAYS}"));
                DAY_MS * days.ok_or_else(rule)?
            }
        };
        let types = list(EVENT_TYPES);
        let types = types.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let rules = Rules::new(types, Some(lateness_ms), MAX_EARLINESS_MS, ip_policy)
            .map_err(|problem| error(EVENT_TYPES, format!("cannot be used: {problem}")))?;
        let rules = match set(&variable, PLACEHOLDER_IDS) {
            Some(ids) => rules
                .with_placeholder_ids(ids.split(','))
                .map_err(|problem| error(PLACEHOLDER_IDS, format!("cannot be used: {problem}")))?,
            None => rules,
        };
        let spans = SpanAttributes::parse(&list(SPAN_ATTRIBUTES))
            .map_err(|problem| error(SPAN_ATTRIBUTES, format!("cannot be used: {problem}")))?;
        // A process of a function takes one request after the other: no rate of its own would be that of a key.
        Ok(Self { keys, origins, proxies, key_rate: None, rules, spans })
    }
}

fn set(variable: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn error(name: &'static str, problem: String) -> ConfigError {
    ConfigError { name, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "wk_0123456789abcdef";

    fn read(set: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn all_of_it_is_taken_over() {
        let config = read(&[
            (STREAM, "events"),
            (WRITE_KEYS, KEY),
            (ALLOWED_ORIGINS, "https://a.test, https://b.test"),
            (IP_POLICY, "truncate"),
            (EVENT_TYPES, "signup, ,trial"),
            (PLACEHOLDER_IDS, "test"),
            (SPAN_ATTRIBUTES, "account=tenant.id"),
            (LATENESS_DAYS, "1"),
        ])
        .unwrap();
        let rules = &config.settings.rules;
        assert_eq!(
            (config.stream.as_str(), rules.ip_policy(), rules.lateness_ms()),
            ("events", IpPolicy::Truncate, Some(DAY_MS))
        );
        assert_eq!(rules.custom_types().collect::<Vec<_>>(), ["signup", "trial"]);
        assert!(rules.is_placeholder("Test") && !rules.is_placeholder("undefined"));
        assert_eq!(config.settings.spans.account, ["tenant.id", "account.id"]);
        assert!(config.settings.keys.allow(Some(KEY)) && !config.settings.keys.allow(None));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let long = "x".repeat(300);
        for (set, name) in [
            (vec![], STREAM),
            (vec![(STREAM, "events"), (WRITE_KEYS, KEY), (PLACEHOLDER_IDS, &*long)], PLACEHOLDER_IDS),
            (vec![(STREAM, "events")], WRITE_KEYS_SECRET),
            (
                vec![(STREAM, "events"), (WRITE_KEYS, KEY), (WRITE_KEYS_SECRET, "headcount-write-keys")],
                WRITE_KEYS_SECRET,
            ),
            (vec![(STREAM, "events"), (WRITE_KEYS, "short")], WRITE_KEYS),
            (vec![(STREAM, "events"), (WRITE_KEYS, KEY), (ALLOWED_ORIGINS, "a.test")], ALLOWED_ORIGINS),
            (vec![(STREAM, "events"), (WRITE_KEYS, KEY), (TRUSTED_PROXIES, "proxy")], TRUSTED_PROXIES),
            (vec![(STREAM, "events"), (WRITE_KEYS, KEY), (IP_POLICY, "hide")], IP_POLICY),
            (vec![(STREAM, "events"), (WRITE_KEYS, KEY), (SPAN_ATTRIBUTES, "tenant.id")], SPAN_ATTRIBUTES),
            (vec![(STREAM, "events"), (WRITE_KEYS, KEY), (LATENESS_DAYS, "81")], LATENESS_DAYS),
        ] {
            let error = read(&set).unwrap_err();
            assert_eq!(error.name, name);
            assert!(!error.to_string().contains("short"), "no key is shown: {error}");
        }
    }
}
