//! `headcount load`: a steady load, and how long its events take.

mod counted;
mod latency;

use std::time::Duration;

use clap::Args;
use counted::Counted;
use headcount_producer::{NewEvent, Producer};
use latency::{Latencies, Percentiles};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::args::{DynamoArgs, KinesisArgs, ServiceArgs, StreamArgs, TableArgs, TablesArgs};
use crate::connect;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  headcount load --local --rate 500 --seconds 30         to a running `headcount serve`
  headcount load --rate 2000 --seconds 300 --stream clicks --table clicks --json

The events are real ones to the deployment: they are stored and counted. Use one that is made for it. Whatever else sends
events meanwhile makes these look counted too early.";

/// `headcount load`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Load {
    /// Events a second
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: u32,
    /// For so many seconds
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
    /// Users to draw from
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=super::MAX_USERS))]
    pub(crate) users: u32,
    /// How long to wait for the last event to be counted, in seconds
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(crate) patience: u32,
    /// Print what was measured as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Which stream.
    #[command(flatten)]
    pub(crate) kinesis: KinesisArgs,
    /// Which table.
    #[command(flatten)]
    pub(crate) dynamodb: DynamoArgs,
}

/// Time between two batches.
const TICK: Duration = Duration::from_millis(20);

/// Time between two looks at the counters: what they say is that old at most.
const LOOK: Duration = Duration::from_millis(100);

/// Batches that wait for their acceptance; beyond, the load waits too, and falls short of its rate.
const MAX_BATCHES: usize = 200;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    /// Events a second that were asked for.
    rate: u32,
    /// Events a second that the stream accepted.
    achieved_rate: f64,
    sent: u64,
    refused: u64,
    /// Events that were not counted when patience ended.
    uncounted: u64,
    /// Milliseconds from sending to the stream's acceptance.
    accepted_ms: Option<Percentiles>,
    /// Milliseconds from sending until the counters hold it.
    counted_ms: Option<Percentiles>,
    interrupted: bool,
}

/// Runs it.
pub(crate) async fn run(args: Load, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let (stream, table) = places(&args);
    let connecting = async { Ok::<_, Failure>((connect::stream(&stream).await?, connect::table(&table).await?)) };
    let Some(connected) = interrupt.or(connecting).await else { return Ok(Ending::Interrupted) };
    let (stream, store) = connected?;
    let counted = Counted::begin(store).await?;
    let producer = Producer::builder().build_on(stream).map_err(Failure::said)?;
    let measured = load(&args, &producer, counted, interrupt).await?;
    if args.json {
        output::json(&measured)?;
    } else {
        output::line(&table_of(&measured).to_string())?;
    }
    Ok(match (measured.interrupted, measured.refused + measured.uncounted) {
        (true, _) => Ending::Interrupted,
        (false, 0) => Ending::Fine,
        (false, _) => Ending::Differences,
    })
}

fn places(args: &Load) -> (StreamArgs, TableArgs) {
    let tables = TablesArgs { dynamodb: args.dynamodb.clone(), metrics_table: None };
    (
        StreamArgs { services: args.services.clone(), kinesis: args.kinesis.clone() },
        TableArgs { services: args.services.clone(), tables },
    )
}

async fn load(
    args: &Load,
    producer: &Producer,
    mut counted: Counted,
    interrupt: &Interrupt,
) -> Result<Measured, Failure> {
    let began = Instant::now();
    let total = u64::from(args.rate) * u64::from(args.seconds);
    let mut progress = Progress::start("sending", Some(total));
    let (mut accepted, mut made, mut refused) = (Latencies::default(), 0_u64, 0_u64);
    let mut on_their_way: JoinSet<(Instant, u64, u64)> = JoinSet::new();
    let (mut tick, mut look) = (interval(TICK), interval(LOOK));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = false;
    let mut accepted_by = began;
    while !interrupted && (made < total || !on_their_way.is_empty()) {
        tokio::select! {
            () = interrupt.asked() => interrupted = true,
            _ = tick.tick(), if made < total && on_their_way.len() < MAX_BATCHES => {
                let due = (began.elapsed().as_secs_f64() * f64::from(args.rate)) as u64;
                let count = due.min(total).saturating_sub(made);
                if count > 0 {
                    let events = (made..made + count).map(|number| event(number, args.users));
                    let events = events.map(|event| producer.check(event)).collect::<Result<Vec<_>, _>>();
                    let events = events.map_err(Failure::said)?;
                    made += count;
                    let (producer, sent_at) = (producer.clone(), Instant::now());
                    on_their_way.spawn(async move {
                        let taken = producer.submit(events).await.iter().filter(|fate| fate.is_ok()).count() as u64;
                        (sent_at, taken, count - taken)
                    });
                }
            }
            Some(ended) = on_their_way.join_next() => {
                let (sent_at, taken, lost) = ended.map_err(Failure::said)?;
                accepted.add(sent_at.elapsed(), taken);
                counted.sent(sent_at, taken);
                accepted_by = Instant::now();
                refused += lost;
                progress.set(accepted.count());
            }
            _ = look.tick() => counted.look().await?,
        }
    }
    progress.finish();
    let patience = Instant::now() + Duration::from_secs(u64::from(args.patience));
    while !interrupted && counted.left() > 0 && Instant::now() < patience {
        interrupted = interrupt.or(look.tick()).await.is_none();
        counted.look().await?;
    }
    let seconds = accepted_by.saturating_duration_since(began).as_secs_f64().max(TICK.as_secs_f64());
    Ok(Measured {
        rate: args.rate,
        achieved_rate: accepted.count() as f64 / seconds,
        sent: accepted.count(),
        refused,
        uncounted: counted.left(),
        accepted_ms: accepted.percentiles(),
        counted_ms: counted.latencies().percentiles(),
        interrupted,
    })
}

fn event(number: u64, users: u32) -> NewEvent {
    let user = number % u64::from(users);
    let feature = ["search", "export", "share", "comment"][(number % 4) as usize];
    NewEvent::new("feature_use", &format!("load-{user}"), &format!("load-{user}-{}", number / 100_000))
        .metadata("headcount-load/1 (synthetic; steady)", "192.0.2.1", "load")
        .meta("locale", "en-GB")
        .data("feature", feature)
        .data("number", number)
}

fn table_of(measured: &Measured) -> Table {
    let mut table = Table::new(["what", "figure"]);
    let mut row = |name: &str, figure: String| table.row([name.to_owned(), figure]);
    row("events/s asked for", whole(u64::from(measured.rate)));
    row("events/s accepted", format!("{:.1}", measured.achieved_rate));
    row("sent", whole(measured.sent));
    row("refused", whole(measured.refused));
    row("not counted in time", whole(measured.uncounted));
    for (name, percentiles) in [("accepted", &measured.accepted_ms), ("counted", &measured.counted_ms)] {
        if let Some(of) = percentiles {
            row(&format!("ms until {name}, p50"), format!("{:.1}", of.p50));
            row("  p95", format!("{:.1}", of.p95));
            row("  p99", format!("{:.1}", of.p99));
        }
    }
    table
}
