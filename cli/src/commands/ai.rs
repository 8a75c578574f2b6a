//! `headcount ai`: the use of language models, and what it costs.

use headcount_query::ai::AiReport;
use headcount_query::get_ai_usage;

use super::asking::{approximate, of_range, percent, print, shown};
use crate::args::Ai;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{
    numbers::{decimal, whole},
    sparkline::sparkline,
    table::Table,
};

/// Characters of a model's name.
const NAME_WIDTH: usize = 40;

/// Runs it.
pub(crate) async fn run(args: Ai, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let question = |deps, range| async move { get_ai_usage(&deps, range).await };
    let answer = of_range(&args.range, &args.table, interrupt, question).await?;
    print(answer, args.format, |report| {
        let tables = [Some(head(report)), Some(models(report)), approximate(report.names_approximate)];
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

fn models(report: &AiReport) -> String {
    let mut table = Table::new(["model", "requests", "tokens", "cost (USD)", "share of cost", "a request (USD)"]);
    for model in &report.models {
        table.row([
            shown(&model.name, NAME_WIDTH),
            whole(model.used.requests),
            whole(model.used.tokens),
            decimal(model.used.cost, 4),
            percent(model.cost_share),
            decimal(model.cost_per_request, 6),
        ]);
    }
    table.to_string()
}
