//! `headcount ai`: the use of language models, and what it costs.

use clap::Args;
use headcount_query::ai::{AiReport, Spender};
use headcount_query::get_ai_usage;

use super::asking::{approximate, of_range, percent, print, shown};
use crate::args::QuestionArgs;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{
    numbers::{decimal, whole},
    sparkline::sparkline,
    table::Table,
};

const EXAMPLES: &str = "\
Examples:
  headcount ai --local --last 30d
  headcount ai --from 2026-03-01 --to 2026-03-31 --json | jq .costPerUser";

/// `headcount ai`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ai {
    /// When, where and how.
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
}

/// Characters of a model's name.
const NAME_WIDTH: usize = 40;

/// Runs it.
pub(crate) async fn run(args: Ai, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let question = |deps, range| async move { get_ai_usage(&deps, range).await };
    let answer = of_range(&args.question, interrupt, question).await?;
    print(answer, args.question.format, |report| {
        let tables = [
            Some(head(report)),
            Some(models(report)),
            latency_error(report),
            unpriced(report),
            spenders("account", &report.accounts),
            spenders("feature", &report.features),
            spenders("user", &report.users),
            approximate(report.names_approximate),
        ];
        Ok(tables.into_iter().flatten().collect())
    })
}

fn head(report: &AiReport) -> String {
    let per_user = report.cost_per_user.map_or_else(|| "-".to_owned(), |cost| format!("${}", decimal(cost, 4)));
    format!(
        "{} to {}: ${} for {} requests and {} tokens, {per_user} for each of {} active users (± {})\ncost by day  {}",
        report.from,
        report.to,
        decimal(report.cost, 2),
        whole(report.requests),
        whole(report.tokens),
        whole(report.active_users),
        whole(report.users_error.plus_minus),
        sparkline(report.days.iter().map(|day| day.cost)),
    )
}

/// Accounts, features or users that are shown; `--json` and `--csv` have all that are listed.
const MOST_SHOWN: usize = 20;

fn models(report: &AiReport) -> String {
    let mut table = Table::new([
        "model",
        "requests",
        "tokens",
        "cost (USD)",
        "share of cost",
        "a request (USD)",
        "failed",
        "p50 (ms)",
        "p95 (ms)",
        "unpriced",
    ]);
    for model in &report.models {
        let latency = |ms: u64| if model.used.latency.count == 0 { "-".to_owned() } else { whole(ms) };
        table.row([
            shown(&model.name, NAME_WIDTH),
            whole(model.used.requests),
            whole(model.used.tokens),
            decimal(model.used.cost, 4),
            percent(model.cost_share),
            decimal(model.cost_per_request, 6),
            percent(model.error_share),
            latency(model.used.latency.p50),
            latency(model.used.latency.p95),
            whole(model.used.unpriced),
        ]);
    }
    table.to_string()
}

fn latency_error(report: &AiReport) -> Option<String> {
    let error = report.latency_relative_error;
    (error > 0.0).then(|| format!("p50 and p95 are within {} until the days are proven", percent(error)))
}

fn unpriced(report: &AiReport) -> Option<String> {
    let requests = report.unpriced_requests;
    (requests > 0).then(|| {
        format!(
            "unpriced requests: {}. The price table does not have their models, so the cost is a lower bound: pass a table to serve, consume \
             or import with --prices, or set the stack's parameter PriceTable",
            whole(requests)
        )
    })
}

fn spenders(kind: &str, spenders: &[Spender]) -> Option<String> {
    let mut table = Table::new([kind, "requests", "tokens", "cost (USD)", "share of cost"]);
    for one in spenders.iter().take(MOST_SHOWN) {
        table.row([
            shown(&one.name, NAME_WIDTH),
            whole(one.spent.requests),
            whole(one.spent.tokens),
            decimal(one.spent.cost, 4),
            percent(one.cost_share),
        ]);
    }
    (!spenders.is_empty()).then(|| table.to_string())
}
