//! `headcount demo`: the whole pipeline with generated events, and the proof of its figures.

mod compare;
mod expected;
mod feed;
mod proof;
mod report;
mod spans;
mod trickle;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono_tz::Tz;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, MAX_EARLINESS_MS};
use headcount_core::validate::Rules;
use headcount_local::machine::{Machine, MachineOptions};
use headcount_store::clock::Clock;
use headcount_store::dynamo::connect::ConnectOptions;
use headcount_store::retry::Jitter;

use crate::args::{DEFAULT_STREAM, DEFAULT_TABLE, DYNAMODB_PORT, Demo, KINESIS_PORT, WEB_PORT};
use crate::commands::serve;
use crate::connect::open_stream;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::lines::SystemIdentities;
use crate::output;
use crate::put_records::Sender;
use crate::put_records::kinesis::KinesisStream;

/// One user for so many events, unless told otherwise.
const EVENTS_A_USER: u64 = 10;

/// How long the end may take once the proof is done.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// Runs it.
pub(crate) async fn run(args: Demo, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let machine = Machine::start(options(&args)?).await.map_err(Failure::said)?;
    let target = open_stream(&ConnectOptions::local(machine.kinesis_endpoint()), machine.stream_name()).await?;
    let mut sender = Sender::new(target, Jitter::from_entropy());
    let users = users(&args);
    let generator = feed::options(args.events, users, args.days, args.seed, Clock::system().now_ms());
    let proven = proof::prove(&machine, &generator, &mut sender, interrupt).await;
    let ending = match proven {
        Ok(ending) if !args.exit && ending != Ending::Interrupted => {
            let served = go_on(&machine, &mut sender, users, args.seed, interrupt).await;
            served.map(|()| ending)
        }
        ended => ended,
    };
    // An interrupted demo has nothing to lose.
    let patience = if matches!(ending, Ok(Ending::Interrupted) | Err(_)) { Duration::ZERO } else { STOP_PATIENCE };
    let stopped = machine.drain_and_stop(patience).await;
    let ending = ending?;
    if ending != Ending::Interrupted {
        stopped.map_err(Failure::said)?;
    }
    Ok(ending)
}

fn users(args: &Demo) -> u32 {
    args.users.unwrap_or_else(|| u32::try_from(args.events / EVENTS_A_USER).unwrap_or(u32::MAX).max(1))
}

fn options(args: &Demo) -> Result<MachineOptions, Failure> {
    let lateness_ms = (i64::from(args.days) + 1) * DAY_MS;
    let rules = Rules::new(Vec::new(), Some(lateness_ms), MAX_EARLINESS_MS, IpPolicy::Keep).map_err(Failure::said)?;
    // Who does not look at it afterwards need not have the usual ports free.
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, if args.exit { 0 } else { port }));
    Ok(MachineOptions {
        kinesis_addr: at(KINESIS_PORT),
        dynamodb_addr: at(DYNAMODB_PORT),
        stream: DEFAULT_STREAM.to_owned(),
        table: DEFAULT_TABLE.to_owned(),
        zone: Some(Tz::UTC),
        project: "demo".to_owned(),
        rules,
        ..MachineOptions::default()
    })
}

/// Serves, with a few events a second, until someone asks to stop.
async fn go_on(
    machine: &Machine,
    sender: &mut Sender<KinesisStream>,
    users: u32,
    seed: u64,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let web = serve::open(machine, SocketAddr::from((Ipv4Addr::LOCALHOST, WEB_PORT))).await?;
    output::note("a few events of now come in every second");
    let mut identities = SystemIdentities::new();
    let trickled = interrupt.or(trickle::trickle(sender, users, seed, &mut identities)).await;
    web.stop().await;
    trickled.unwrap_or(Ok(()))
}
