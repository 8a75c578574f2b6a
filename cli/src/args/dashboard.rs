//! `headcount dashboard`: what can be asked for.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::connection::{TableArgs, WEB_PORT};

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
