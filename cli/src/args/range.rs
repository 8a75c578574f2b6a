//! Which days a question is about, and how its answer is written.

use chrono::NaiveDate;
use clap::Args;
use headcount_query::range::{MAX_RANGE_DAYS, Range};

use super::values;
use crate::failure::Failure;

/// The days of a range that nobody chose.
const DEFAULT_DAYS: u64 = 7;

/// The days.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Days")]
pub(crate) struct RangeArgs {
    /// The first day, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(crate) from: Option<NaiveDate>,
    /// The last day, YYYY-MM-DD [default: today, where --from is given]
    #[arg(long, value_name = "DATE", value_parser = values::date, requires = "from")]
    pub(crate) to: Option<NaiveDate>,
    /// So many days, today the last: 1d to 400d [default: 7d, where --from is not given]
    #[arg(long, value_name = "DAYS", value_parser = last, conflicts_with_all = ["from", "to"])]
    pub(crate) last: Option<u64>,
}

fn last(text: &str) -> Result<u64, String> {
    let days = text.strip_suffix('d').and_then(|number| number.parse().ok());
    let days = days.filter(|days| (1..=MAX_RANGE_DAYS).contains(days));
    days.ok_or_else(|| format!("a number of days is written 7d, from 1d to {MAX_RANGE_DAYS}d"))
}

impl RangeArgs {
    /// Refuses what cannot be a range, before anything is asked.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from > to => Err(Failure::Usage(format!("--from {from} lies after --to {to}"))),
            (Some(from), Some(to)) => Range::new(from, to).map(drop).map_err(Failure::said),
            _ => Ok(()),
        }
    }

    /// The range, where today is this day.
    pub(crate) fn on(&self, today: NaiveDate) -> Result<Range, Failure> {
        let range = match self.from {
            Some(from) => Range::new(from, self.to.unwrap_or(today)),
            None => Range::ending(today, self.last.unwrap_or(DEFAULT_DAYS)),
        };
        range.map_err(Failure::said)
    }
}

/// How an answer is written: as a table, unless asked otherwise.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct FormatArgs {
    /// Print the answer as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the answer as comma-separated values, a line for each day, model or event
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// Which page of a listing.
#[derive(Clone, Debug, Args)]
pub(crate) struct PageArgs {
    /// The page after the one that named it
    #[arg(long, value_name = "PAGE")]
    pub(crate) page: Option<String>,
    /// Items of the page, at most 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) limit: Option<u8>,
}
