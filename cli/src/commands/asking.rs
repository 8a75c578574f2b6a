//! What the commands that ask for figures share.

use std::future::Future;

use headcount_core::counters::OTHER;
use headcount_core::limits::MAX_COUNTER_NAMES;
use headcount_query::csv::{Lines, csv};
use headcount_query::page::PageRequest;
use headcount_query::{Deps, QueryError, Range};
use headcount_store::dynamo::DynamoStore;

use crate::args::{FormatArgs, PageArgs, QuestionArgs};
use crate::connect;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output;

/// Asks the table a question about a range.
pub(super) async fn of_range<A, F>(
    asked: &QuestionArgs,
    interrupt: &Interrupt,
    question: impl FnOnce(Deps<DynamoStore>, Range) -> F,
) -> Result<Option<A>, Failure>
where
    F: Future<Output = Result<A, QueryError>>,
{
    asked.range.check()?;
    let work = async {
        let deps = Deps::new(connect::table(&asked.table).await?);
        let (_, today) = deps.today().await.map_err(Failure::said)?;
        let range = asked.range.on(today)?;
        question(deps, range).await.map_err(Failure::said)
    };
    interrupt.or(Box::pin(work)).await.transpose()
}

/// Prints an answer as it was asked for; `tables` for people.
pub(super) fn print<A: Lines>(
    answer: Option<A>,
    format: FormatArgs,
    tables: impl FnOnce(&A) -> Result<Vec<String>, Failure>,
) -> Result<Ending, Failure> {
    let Some(answer) = answer else { return Ok(Ending::Interrupted) };
    if format.json {
        output::json(&answer)?;
    } else if format.csv {
        // A carriage return would be shown as an escape.
        output::text(&csv(&answer).replace("\r\n", "\n"))?;
    } else {
        for table in tables(&answer)? {
            output::line(&format!("{table}\n"))?;
        }
    }
    Ok(Ending::Fine)
}

/// The page that a command line asks for.
pub(super) fn page(args: &PageArgs) -> PageRequest {
    PageRequest { after: args.page.clone(), limit: args.limit.map(usize::from) }
}

/// Text of others in one line, without what would change the terminal, cut to `most` characters.
pub(super) fn shown(text: &str, most: usize) -> String {
    let mut shown: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(most).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// Milliseconds since the epoch as people read them, in UTC.
pub(super) fn moment(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |at| at.format("%Y-%m-%d %H:%M:%S%.3fZ").to_string())
}

/// What is said below names that were too many to be counted exactly.
pub(super) fn approximate(is_approximate: bool) -> Option<String> {
    is_approximate.then(|| {
        format!(
            "approximate: a day has more than {MAX_COUNTER_NAMES} names of a kind. Where {OTHER} is listed, the most used names are \
             there and their counts are lower bounds"
        )
    })
}

/// A share as people read it.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A duration as people read it.
pub(super) fn duration(ms: f64) -> String {
    let seconds = (ms / 1_000.0).round() as u64;
    match seconds {
        0..60 => format!("{:.1} s", ms / 1_000.0),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_change_the_terminal() {
        assert_eq!(shown("a\u{1b}[31mb\nc", 10), "a [31mb c");
        assert_eq!(shown("abcdef", 3), "abc…");
        assert_eq!(shown("abc", 3), "abc");
    }

    #[test]
    fn times_are_read_by_people() {
        for (ms, text) in [(0.0, "0.0 s"), (1_500.0, "1.5 s"), (61_000.0, "1 min 01 s"), (7_320_000.0, "2 h 02 min")] {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(moment(1_772_323_200_001), "2026-03-01 00:00:00.001Z");
        assert_eq!(percent(0.1234), "12.3 %");
    }
}
