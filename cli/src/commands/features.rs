//! `headcount features`: what people use, the most used first.

use clap::Args;
use headcount_query::features::{FeatureUsage, NamedCount};
use headcount_query::get_feature_usage;

use super::asking::{approximate, of_range, percent, print, shown};
use crate::args::QuestionArgs;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{numbers::whole, sparkline::sparkline, table::Table};

const EXAMPLES: &str = "\
Examples:
  headcount features --local --last 30d
  headcount features --from 2026-03-01 --to 2026-03-31 --csv > features.csv";

/// `headcount features`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Features {
    /// When, where and how.
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
}

/// Characters of a name.
const NAME_WIDTH: usize = 40;

/// Runs it.
pub(crate) async fn run(args: Features, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let question = |deps, range| async move { get_feature_usage(&deps, range).await };
    let answer = of_range(&args.question, interrupt, question).await?;
    print(answer, args.question.format, |usage| Ok(tables(usage)))
}

fn tables(usage: &FeatureUsage) -> Vec<String> {
    let features = table("feature", &usage.features, |name| {
        usage.days.iter().map(|day| day.features.get(name).copied().unwrap_or(0)).collect()
    });
    let content = table("content", &usage.content, |name| {
        usage.days.iter().map(|day| day.content.get(name).copied().unwrap_or(0)).collect()
    });
    let head = format!("{} to {}: {} uses of features", usage.from, usage.to, whole(usage.total));
    let tables =
        [Some(head), Some(features.to_string()), Some(content.to_string()), approximate(usage.names_approximate)];
    tables.into_iter().flatten().collect()
}

fn table(what: &str, ranked: &[NamedCount], series: impl Fn(&str) -> Vec<u64>) -> Table {
    let mut table = Table::new([what, "count", "share", "by day"]).left(3);
    for one in ranked {
        let line = sparkline(series(&one.name).into_iter().map(|count| count as f64));
        table.row([shown(&one.name, NAME_WIDTH), whole(one.count), percent(one.share), line]);
    }
    table
}
