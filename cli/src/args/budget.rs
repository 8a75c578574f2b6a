//! `headcount budget`: what can be asked for.

use clap::{Args, Subcommand};
use headcount_core::budget::{BudgetScope, parse_amount};

use super::connection::TableArgs;
use super::range::FormatArgs;

const EXAMPLES: &str = "\
Examples:
  headcount budget set --local --monthly 400                    all requests to language models
  headcount budget set --local --account acme --monthly 50
  headcount budget set --local --feature summary --monthly 12.50
  headcount budget list --local
  headcount budget remove --local --account acme

The hourly roll-up raises an alarm when a calendar month has cost the amount: once, in the log of the aggregator and, on AWS, to the
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
    Remove(RemoveBudget),
}

/// `headcount budget set`.
#[derive(Debug, Args)]
pub(crate) struct SetBudget {
    /// US dollars a calendar month, such as 50 or 12.50
    #[arg(long, value_name = "DOLLARS", value_parser = |text: &str| parse_amount(text))]
    pub(crate) monthly: u64,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// What for.
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
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

/// `headcount budget remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveBudget {
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// What for.
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}

/// What a budget is for.
#[derive(Clone, Debug, Args)]
pub(crate) struct ScopeArgs {
    /// Only requests that name this account [default: all requests]
    #[arg(long, value_name = "NAME", value_parser = |text: &str| BudgetScope::account(text))]
    account: Option<BudgetScope>,
    /// Only requests that name this feature [default: all requests]
    #[arg(long, value_name = "NAME", conflicts_with = "account", value_parser = |text: &str| BudgetScope::feature(text))]
    feature: Option<BudgetScope>,
}

impl ScopeArgs {
    /// The scope.
    pub(crate) fn scope(self) -> BudgetScope {
        self.account.or(self.feature).unwrap_or(BudgetScope::Project)
    }
}
