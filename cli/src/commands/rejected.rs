//! `headcount rejected`: what was rejected on a day, and why.

use chrono::NaiveDate;
use clap::Args;
use headcount_query::rejections::{Problem, RejectedEvents};
use headcount_query::{Deps, get_rejected};

use super::asking::{moment, page, print, shown};
use crate::args::{FormatArgs, PageArgs, TableArgs, values};
use crate::connect;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::table::Table;

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

/// Characters of the reasons, and of the payload.
const TEXT_WIDTH: usize = 80;

/// Runs it.
pub(crate) async fn run(args: Rejected, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let asked = page(&args.page);
    let work = async {
        let deps = Deps::new(connect::table(&args.table).await?);
        let date = match args.date {
            Some(date) => date,
            None => deps.today().await.map_err(Failure::said)?.1,
        };
        get_rejected(&deps, date, &asked).await.map_err(Failure::said)
    };
    let answer = interrupt.or(Box::pin(work)).await.transpose()?;
    print(answer, args.format, |rejected| Ok(vec![table(rejected)]))
}

fn table(rejected: &RejectedEvents) -> String {
    let mut table = Table::new(["arrived", "occurrences", "reasons", "payload"]).left(2).left(3);
    for one in &rejected.rejected {
        let reasons: Vec<String> = one.problems.iter().map(reason).collect();
        table.row([
            moment(one.arrived_at),
            one.count.to_string(),
            shown(&reasons.join("; "), TEXT_WIDTH),
            shown(one.payload.as_deref().unwrap_or("(not kept)"), TEXT_WIDTH),
        ]);
    }
    let next = rejected.next.as_ref().map(|next| format!("\nmore: --page {next}"));
    format!("{table}{}", next.unwrap_or_default())
}

fn reason(problem: &Problem) -> String {
    format!("{} {}", problem.field, problem.problem).trim_start().to_owned()
}
