//! `headcount user`: what one user did, the newest first.

use headcount_core::event::Object;
use headcount_query::get_user_events;
use headcount_query::timeline::UserEvents;

use super::asking::{moment, of_range, page, print, shown};
use crate::args::User;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::table::Table;

/// Characters of an event's data.
const DATA_WIDTH: usize = 80;

/// Characters of a session's id.
const ID_WIDTH: usize = 40;

/// Runs it.
pub(crate) async fn run(args: User, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let (id, asked) = (args.id.clone(), page(&args.page));
    let question = |deps, range| async move { get_user_events(&deps, &id, range, &asked).await };
    let answer = of_range(&args.range, &args.table, interrupt, question).await?;
    print(answer, args.format, |events| Ok(vec![table(events)]))
}

fn table(events: &UserEvents) -> String {
    let mut table = Table::new(["time", "event", "session", "data"]).left(1).left(2).left(3);
    for event in &events.events {
        let data = if event.event_data.is_empty() { String::new() } else { json(&event.event_data) };
        table.row([
            moment(event.timestamp),
            shown(&event.event_type, ID_WIDTH),
            shown(&event.session_id, ID_WIDTH),
            shown(&data, DATA_WIDTH),
        ]);
    }
    let next = events.next.as_ref().map(|next| format!("\nmore: --page {next}"));
    format!("{table}{}", next.unwrap_or_default())
}

fn json(object: &Object) -> String {
    serde_json::to_string(object).unwrap_or_default()
}
