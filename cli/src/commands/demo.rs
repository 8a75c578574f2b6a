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
use clap::Args;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, MAX_EARLINESS_MS};
use headcount_core::prices::PriceTable;
use headcount_core::validate::Rules;
use headcount_local::error::LocalError;
use headcount_local::machine::{Machine, MachineError, MachineOptions};
use headcount_local::schedule::INTERVAL;
use headcount_producer::Packing;
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::clock::Clock;

use crate::args::{DEFAULT_STREAM, DEFAULT_TABLE, DYNAMODB_PORT, KINESIS_PORT, WEB_PORT};
use crate::commands::generate::default_users;
use crate::commands::serve;
use crate::connect::open_stream;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::lines::SystemIdentities;
use crate::output;
use crate::sender::Sender;
use crate::web::access;

/// Most events of a demonstration, which remembers every session to know the truth.
const MAX_DEMO_EVENTS: u64 = 10_000_000;

const EXAMPLES: &str = "\
Examples:
  headcount demo                            20,000 events over 3 days, then keeps serving
  headcount demo --events 100000 --days 7   more of them
  headcount demo --exit                     stops after the proof: exit code 1 if a figure differs";

/// `headcount demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// How many events to generate, duplicates and invalid ones included
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=MAX_DEMO_EVENTS))]
    pub(crate) events: u64,
    /// How many users they come from [default: one for 10 events]
    #[arg(long, value_name = "U", value_parser = clap::value_parser!(u32).range(1..=super::MAX_USERS))]
    pub(crate) users: Option<u32>,
    /// Over how many days, today included
    #[arg(long, value_name = "D", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=30))]
    pub(crate) days: u32,
    /// The same seed on the same day generates the same events
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Stop after the proof, with exit code 1 if a figure differs
    #[arg(long)]
    pub(crate) exit: bool,
}

/// How often the figures are brought up to date while events trickle in.
const ROLL_UP_INTERVAL: Duration = Duration::from_secs(15);

/// How long the end may take once the proof is done.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// Runs it.
pub(crate) async fn run(args: Demo, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let machine = Machine::start(options(&args)?).await.map_err(cannot_start)?;
    let web = if args.exit {
        None
    } else {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, WEB_PORT));
        Some(
            serve::answer(&machine, addr, access(addr, None)?, Duration::ZERO)
                .await
                .map_err(|_| port_in_use(WEB_PORT))?,
        )
    };
    let target = open_stream(&ConnectOptions::local(machine.kinesis_endpoint()), machine.stream_name()).await?;
    let mut sender = Sender::over(target, Packing::Off)?;
    let users = args.users.unwrap_or_else(|| default_users(args.events));
    let generator = feed::options(args.events, users, args.days, args.seed, Clock::system().now_ms());
    let proven = proof::prove(&machine, &generator, &mut sender, interrupt).await;
    let ending = match (proven, web) {
        (Ok(ending), Some(web)) if ending != Ending::Interrupted => {
            output::line(&serve::endpoints(&machine, &web, None))?;
            output::note("a few events of now come in every second");
            let mut identities = SystemIdentities::new();
            let trickled = interrupt.or(trickle::trickle(&mut sender, users, args.seed, &mut identities)).await;
            web.stop().await;
            trickled.unwrap_or(Ok(())).map(|()| ending)
        }
        (ended, _) => ended,
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

/// The demo has no options for ports: those it serves on are the ones that `--local` knows.
fn cannot_start(error: MachineError) -> Failure {
    match error {
        MachineError::Local(LocalError::PortInUse { addr, .. }) => port_in_use(addr.port()),
        error => Failure::said(error),
    }
}

fn port_in_use(port: u16) -> Failure {
    let remedy = "stop what uses it (a `headcount serve`?), or add --exit, which takes free ports";
    Failure::new(format!("port {port} is in use"), remedy)
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
        rules: rules.with_prices(PriceTable::shipped()),
        roll_up_interval: if args.exit { INTERVAL } else { ROLL_UP_INTERVAL },
        ..MachineOptions::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_answered_with_what_the_demo_can_do() {
        let error = LocalError::PortInUse {
            what: "stream",
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, KINESIS_PORT)),
            option: "--kinesis-port",
        };
        let failure = cannot_start(error.into()).to_string();
        assert!(failure.starts_with("port 4567 is in use") && failure.contains("--exit"), "{failure}");
        assert!(!failure.contains("--kinesis-port"), "{failure}");
    }
}
