//! Reads settings from the environment, with one way to say what is wrong with them.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// The variables of a process. A variable that is empty or blank counts as not set.
///
/// ```
/// use headcount_runtime::environment::Environment;
/// let environment = Environment::new(|name| (name == "DAYS").then(|| "30".to_owned()));
/// assert_eq!(environment.number("DAYS", 1..=90), Ok(Some(30)));
/// assert_eq!(environment.flag("VERBOSE"), Ok(None));
/// let error = environment.number("DAYS", 1..=7).unwrap_err();
/// assert_eq!(error.to_string(), "the environment variable DAYS is \"30\": it must be a whole number, 1 to 7");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Environment<F>(F);

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// `variable` returns the value of a variable.
    pub fn new(variable: F) -> Self {
        Self(variable)
    }

    /// The value of a variable.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The value of a variable that must be set. `remedy` completes "is not set: ".
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: it is not set.
    pub fn required(&self, name: &'static str, remedy: &str) -> Result<String, ConfigError> {
        self.text(name).ok_or_else(|| ConfigError { name, problem: format!("is not set: {remedy}") })
    }

    /// The parsed value of a variable. `rule` completes "it must be ".
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: the value does not parse.
    pub fn parsed<T: FromStr>(&self, name: &'static str, rule: impl Display) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = |_| ConfigError { name, problem: format!("is {text:?}: it must be {rule}") };
        text.parse().map(Some).map_err(wrong)
    }

    /// A whole number within a range.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: the value is something else.
    pub fn number(&self, name: &'static str, range: RangeInclusive<i64>) -> Result<Option<i64>, ConfigError> {
        let rule = format!("a whole number, {} to {}", range.start(), range.end());
        match self.parsed(name, &rule)? {
            Some(number) if !range.contains(&number) => {
                Err(ConfigError { name, problem: format!("is \"{number}\": it must be {rule}") })
            }
            number => Ok(number),
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: the value is something else.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, ConfigError> {
        self.parsed(name, "true or false")
    }
}
