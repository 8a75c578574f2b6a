//! Values on the command line: each error names the rule.

use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate};

/// The largest share of invalid lines or duplicates.
const MAX_SHARE: f64 = 0.5;

/// An instant, milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) i64);

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "-" { Self::Stdin } else { Self::File(text.into()) })
    }
}

/// Where the functions' programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Programs {
    /// In the folder of this command.
    BesideCommand,
    /// In this folder.
    In(PathBuf),
}

impl FromStr for Programs {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text.is_empty() { Self::BesideCommand } else { Self::In(text.into()) })
    }
}

pub(crate) fn date(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|date| date.to_string() == text)
        .ok_or_else(|| "a date is written YYYY-MM-DD".into())
}

pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    let ms = match text.parse::<i64>() {
        Ok(ms) => DateTime::from_timestamp_millis(ms).map(|_| ms),
        Err(_) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis()),
    };
    ms.filter(|ms| *ms >= 0)
        .map(Moment)
        .ok_or_else(|| "a time is written as RFC 3339 (2026-03-01T00:00:00Z) or as milliseconds since the epoch".into())
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().unwrap_or(f64::NAN);
    if (0.0..=MAX_SHARE).contains(&share) { Ok(share) } else { Err(format!("a share is 0 to {MAX_SHARE}")) }
}

pub(crate) fn endpoint(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => Ok(text.into()),
        _ => Err("an endpoint begins with http:// or https://, then the host and perhaps :port".into()),
    }
}
