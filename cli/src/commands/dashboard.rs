//! `headcount dashboard`: the figures of a table for a browser, and for programs.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use headcount_dashboard::{Health, router};
use headcount_query::Deps;

use crate::args::{TableArgs, WEB_PORT};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::web::{Web, access};
use crate::{connect, output};

const EXAMPLES: &str = "\
Examples:
  headcount dashboard                               the table of your AWS environment, for this machine
  headcount dashboard --local --port 8601           that of a `headcount serve`
  headcount dashboard --bind 0.0.0.0 --read-token-file token.txt";

/// `headcount dashboard`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Dashboard {
    /// The address to listen on; where other machines can connect, a read token is needed
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) bind: IpAddr,
    /// The port; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = WEB_PORT)]
    pub(crate) port: u16,
    /// Who reads must give the token in this file [default: the variable `HEADCOUNT_READ_TOKEN`, if set]
    #[arg(long, value_name = "FILE")]
    pub(crate) read_token_file: Option<PathBuf>,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}

/// Runs it.
pub(crate) async fn run(args: Dashboard, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let addr = SocketAddr::new(args.bind, args.port);
    let access = access(addr, args.read_token_file.as_deref())?;
    let Some(store) = interrupt.or(connect::table(&args.table)).await else { return Ok(Ending::Interrupted) };
    let web = Web::start(addr, router(Deps::new(store?), access, Health::default())).await?;
    output::line(&format!("Figures are shown at {}/ until Ctrl-C.", web.endpoint()))?;
    interrupt.asked().await;
    web.stop().await;
    Ok(Ending::Fine)
}
