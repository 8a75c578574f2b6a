//! `headcount user`: what one user did, the newest first.

use std::collections::BTreeSet;

use clap::Args;
use headcount_aggregator::scan::{MAX_FOUND, ScanProgress};
use headcount_aggregator::scan_user;
use headcount_core::event::Object;
use headcount_query::timeline::{UserEvent, UserEvents};
use headcount_query::{Deps, Range, get_user_events};
use headcount_store::dynamo::DynamoStore;

use super::asking::{moment, page, print, shown};
use crate::args::{DeploymentArgs, FormatArgs, PageArgs, RangeArgs};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::numbers::whole;
use crate::output::table::Table;
use crate::progress::Progress;
use crate::{aggregation, connect, output};

const EXAMPLES: &str = "\
Examples:
  headcount user user-42 --local
  headcount user user-42 --last 90d --limit 100 --json
  headcount user user-42 --last 30d --from-log --log s3://my-bucket

Events come from the table's items. With --from-log every entry of the event log of these days is read, which takes a \
while: for deployments without event items, and for events whose items are not written yet.";

/// `headcount user`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct User {
    /// The user's id
    pub(crate) id: String,
    /// Read the event log instead of the table's items
    #[arg(long, conflicts_with = "page")]
    pub(crate) from_log: bool,
    /// Which page.
    #[command(flatten)]
    pub(crate) page: PageArgs,
    /// How.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// When.
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}

/// Characters of an event's data.
const DATA_WIDTH: usize = 80;

/// Characters of a session's id.
const ID_WIDTH: usize = 40;

/// Runs it.
pub(crate) async fn run(args: User, interrupt: &Interrupt) -> Result<Ending, Failure> {
    args.range.check()?;
    let answer = interrupt.or(Box::pin(ask(&args))).await.transpose()?;
    print(answer, args.format, |events| Ok(vec![table(events)]))
}

async fn ask(args: &User) -> Result<UserEvents, Failure> {
    let deps = Deps::new(connect::table(&args.deployment.table).await?);
    let (_, today) = deps.today().await.map_err(Failure::said)?;
    let range = args.range.on(today)?;
    if args.from_log {
        return from_log(args, &deps, range).await;
    }
    let events = get_user_events(&deps, &args.id, range, &page(&args.page)).await.map_err(Failure::said)?;
    if events.events.is_empty() && args.page.page.is_none() {
        output::note(
            "no items of this user's events in these days; where event items or the user index are switched off, or items \
             are behind, read the event log: --from-log",
        );
    }
    Ok(events)
}

/// The user's events by the event log: every entry that may have some is read.
async fn from_log(args: &User, deps: &Deps<DynamoStore>, range: Range) -> Result<UserEvents, Failure> {
    let aggregator = aggregation::deps(&args.deployment).await?;
    let meta = deps.meta().await.map_err(Failure::said)?;
    let deadline = aggregation::deadline();
    let found = aggregator.log.deployment(deadline).await.map_err(Failure::said)?;
    let deployment = found.ok_or_else(|| {
        Failure::new("nothing was ever appended to this event log", "name the log that belongs to the table: --log")
    })?;
    deployment.check_table(&meta.deployment.id).map_err(Failure::said)?;
    let dates: BTreeSet<_> = range.dates().collect();
    let mut progress = Progress::start("reading entries", None);
    let show = |now: ScanProgress| progress.set(now.entries);
    let scanned = scan_user(&aggregator.log, &deployment, &aggregator.settings, &args.id, &dates, show, deadline).await;
    progress.finish();
    let scanned = scanned.map_err(Failure::said)?;
    for (source, entry) in &scanned.damaged {
        output::note(&format!("entry {entry} of {source} cannot be read, and may have events of this user"));
    }
    if scanned.is_cut {
        let most = whole(MAX_FOUND as u64);
        output::note(&format!("there are more than {most} events: the oldest are left out; ask for fewer days"));
    }
    let limit = args.page.limit.map_or(usize::MAX, usize::from);
    if scanned.events.len() > limit {
        let more = whole((scanned.events.len() - limit) as u64);
        output::note(&format!("{more} older events are left out (--limit)"));
    }
    let events = scanned.events.into_iter().take(limit).map(UserEvent::from).collect();
    Ok(UserEvents { user_id: args.id.clone(), events, next: None })
}

fn table(events: &UserEvents) -> String {
    let mut table = Table::new(["time", "event", "session", "data"]).left(1).left(2).left(3);
    for event in &events.events {
        let data = if event.event_data.is_empty() { String::new() } else { json(&event.event_data) };
        table.row([
            moment(event.timestamp),
            shown(&event.event_type, ID_WIDTH),
            shown(event.session_id.as_deref().unwrap_or_default(), ID_WIDTH),
            shown(&data, DATA_WIDTH),
        ]);
    }
    let next = events.next.as_ref().map(|next| format!("\nmore: --page {next}"));
    format!("{table}{}", next.unwrap_or_default())
}

fn json(object: &Object) -> String {
    serde_json::to_string(object).unwrap_or_default()
}
