//! `headcount budget`: what AI may cost a month.

use clap::{Args, Subcommand};
use headcount_core::budget::{Budget, BudgetScope, Month, parse_amount, shown_amount};
use headcount_core::limits::MAX_BUDGETS;
use headcount_query::budgets::{BudgetReport, BudgetStatus};
use headcount_query::{Deps, get_budgets};
use headcount_runtime::retry::retry;
use headcount_store::budgets::read;
use headcount_store::rows::{BudgetRow, Put};
use headcount_store::traits::BudgetStore as _;
use serde_json::{Value, json};

use super::asking::{moment, percent, print, shown};
use crate::aggregation::deadline;
use crate::args::{FormatArgs, TableArgs};
use crate::connect;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, table::Table};

const EXAMPLES: &str = "\
Examples:
  headcount budget set --local --monthly 400                    all requests to language models
  headcount budget set --local --account acme --monthly 50
  headcount budget set --local --feature summary --monthly 12.50
  headcount budget list --local
  headcount budget remove --local --account acme

When the cost of a calendar month reaches the amount, the hourly roll-up raises one alarm: in the aggregator's log and, on AWS, on the
stack's alarm topic. Nothing is switched off.";

/// `headcount budget`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BudgetCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: BudgetAction,
}

/// What to do about budgets.
#[derive(Debug, Subcommand)]
pub(crate) enum BudgetAction {
    /// Set the monthly budget of the project, an account or a feature
    Set(SetBudget),
    /// Print what is spent of each budget this month, and the forecast
    List(ListBudgets),
    /// Remove a budget
    Remove(OneBudget),
}

/// `headcount budget set`.
#[derive(Debug, Args)]
pub(crate) struct SetBudget {
    /// US dollars a calendar month, such as 50 or 12.50
    #[arg(long, value_name = "DOLLARS", value_parser = |text: &str| parse_amount(text))]
    pub(crate) monthly: u64,
    /// Which budget.
    #[command(flatten)]
    pub(crate) budget: OneBudget,
}

/// `headcount budget list`.
#[derive(Debug, Args)]
pub(crate) struct ListBudgets {
    /// How.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}

/// One budget, and how the outcome is told.
#[derive(Debug, Args)]
pub(crate) struct OneBudget {
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Only requests that name this account [default: all requests]
    #[arg(long, value_name = "NAME", value_parser = |text: &str| BudgetScope::account(text))]
    account: Option<BudgetScope>,
    /// Only requests that name this feature [default: all requests]
    #[arg(long, value_name = "NAME", conflicts_with = "account", value_parser = |text: &str| BudgetScope::feature(text))]
    feature: Option<BudgetScope>,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}

impl OneBudget {
    /// What it is for.
    fn scope(&self) -> BudgetScope {
        self.account.as_ref().or(self.feature.as_ref()).cloned().unwrap_or(BudgetScope::Project)
    }
}

/// Characters of a name.
const NAME_WIDTH: usize = 40;

/// Runs it.
pub(crate) async fn run(args: BudgetCommand, interrupt: &Interrupt) -> Result<Ending, Failure> {
    match args.action {
        BudgetAction::Set(args) => interrupt.or(Box::pin(set(args))).await.unwrap_or(Ok(Ending::Interrupted)),
        BudgetAction::Remove(args) => interrupt.or(Box::pin(remove(args))).await.unwrap_or(Ok(Ending::Interrupted)),
        BudgetAction::List(args) => {
            let work = async {
                let deps = Deps::new(connect::table(&args.table).await?);
                get_budgets(&deps).await.map_err(Failure::said)
            };
            let answer = interrupt.or(Box::pin(work)).await.transpose()?;
            print(answer, args.format, |report| Ok(vec![table(report)]))
        }
    }
}

async fn set(args: SetBudget) -> Result<Ending, Failure> {
    // A table of no deployment has nobody who would look at its budgets.
    let deps = Deps::new(connect::table(&args.budget.table).await?);
    let (_, today) = deps.today().await.map_err(Failure::said)?;
    let budget = Budget { scope: args.budget.scope(), monthly_nanos: args.monthly };
    let known = read(&deps.store, Month::of(today), &deps.jitter, deadline()).await.map_err(Failure::said)?.budgets;
    if known.len() >= MAX_BUDGETS && !known.iter().any(|known| known.scope == budget.scope) {
        let remedy = "remove one that is not needed: headcount budget remove";
        return Err(Failure::new(
            format!("there are {} budgets, and at most {MAX_BUDGETS} are kept", known.len()),
            remedy,
        ));
    }
    let row = BudgetRow { budget, updated_ms: deps.clock.now_ms() };
    retry(&deps.jitter, deadline(), || deps.store.put_budget(&row)).await.map_err(Failure::said)?;
    let Budget { scope, monthly_nanos } = row.budget;
    if args.budget.json {
        output::json(&outcome(&scope, Some(monthly_nanos)))?;
    } else {
        output::line(&format!("{}: {} a month", scope.title(), shown_amount(monthly_nanos)))?;
    }
    Ok(Ending::Fine)
}

async fn remove(args: OneBudget) -> Result<Ending, Failure> {
    let store = connect::table(&args.table).await?;
    let scope = args.scope();
    // Not tried again: a second try would find what the first one left.
    if store.delete_budget(&scope).await.map_err(Failure::said)? == Put::Refused {
        let remedy = "see which there are: headcount budget list";
        return Err(Failure::new(format!("there is no budget of {}", scope.title()), remedy));
    }
    if args.json {
        output::json(&outcome(&scope, None))?;
    } else {
        output::line(&format!("{}: no budget any more", scope.title()))?;
    }
    Ok(Ending::Fine)
}

/// What is told of a budget that was set or removed.
fn outcome(scope: &BudgetScope, amount_nanos: Option<u64>) -> Value {
    json!({"scope": scope.kind(), "name": scope.name(), "amountNanos": amount_nanos})
}

fn table(report: &BudgetReport) -> String {
    if report.budgets.is_empty() {
        return "no budgets; set one with `headcount budget set --monthly DOLLARS`".to_owned();
    }
    let mut table = Table::new(["budget", "amount", "spent", "share", "forecast", "alarm"]).left(5);
    for one in &report.budgets {
        let at_least = if one.is_lower_bound { "at least " } else { "" };
        table.row([
            shown(&title(one), NAME_WIDTH),
            shown_amount(one.amount_nanos),
            format!("{at_least}{}", shown_amount(one.spent_nanos)),
            percent(one.spent_share),
            shown_amount(one.forecast_nanos),
            one.alarmed_at.map(moment).unwrap_or_default(),
        ]);
    }
    format!("{}, up to {}\n\n{table}", report.month, report.today)
}

fn title(one: &BudgetStatus) -> String {
    one.name.as_ref().map_or_else(|| one.scope.clone(), |name| format!("{} {name}", one.scope))
}
