//! `headcount rejected`: what can be asked for.

use chrono::NaiveDate;
use clap::Args;

use super::connection::TableArgs;
use super::range::{FormatArgs, PageArgs};
use super::values;

const EXAMPLES: &str = "\
Examples:
  headcount rejected --local
  headcount rejected --date 2026-03-01 --limit 100 --json";

/// `headcount rejected`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rejected {
    /// The day of arrival, YYYY-MM-DD [default: today]
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(crate) date: Option<NaiveDate>,
    /// Which page.
    #[command(flatten)]
    pub(crate) page: PageArgs,
    /// How.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}
