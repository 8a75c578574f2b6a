//! `headcount collector`: what can be asked for.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use headcount_consumer::config::MAX_LATENESS_DAYS;

use super::connection::{COLLECTOR_PORT, StreamArgs};
use super::rules::RuleArgs;

const EXAMPLES: &str = "\
Examples:
  headcount collector --local                              to a running `headcount serve`
  headcount collector --allow-origin https://app.example.com --write-keys keys.txt
  headcount collector --bind 0.0.0.0 --write-keys keys.txt --trusted-proxy 10.0.0.0/8

Events are accepted at /v1/events and the script for web pages lies at /headcount.js. It speaks plain HTTP: put what speaks
TLS in front of it, and name that with --trusted-proxy.";

/// `headcount collector`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Collector {
    /// The address to listen on; any but this machine's own needs write keys
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) bind: IpAddr,
    /// The port to listen on; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = COLLECTOR_PORT)]
    pub(crate) port: u16,
    /// Days before its arrival that an event may lie, as the consumer has it [default: the variable `LATENESS_DAYS`, or 7]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(0..=MAX_LATENESS_DAYS))]
    pub(crate) lateness_days: Option<i64>,
    /// Who may post.
    #[command(flatten)]
    pub(crate) posting: PostingArgs,
    /// What makes an event acceptable.
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// Where to.
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
}

/// Who may post to a collector.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Collector")]
pub(crate) struct PostingArgs {
    /// A file of the keys that may post, one a line [default: the variable `WRITE_KEYS`; without any, everybody may]
    #[arg(long, value_name = "FILE")]
    pub(crate) write_keys: Option<PathBuf>,
    /// An origin whose web pages may post, or `*` [default: the variable `ALLOWED_ORIGINS`; without any, no page]
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) allowed_origins: Vec<String>,
    /// A network of proxies that are believed about who is behind them [default: the variable `TRUSTED_PROXIES`]
    #[arg(long = "trusted-proxy", value_name = "NETWORK")]
    pub(crate) trusted_proxies: Vec<String>,
    /// Attributes of spans that say whose request it was, before the usual ones: `user=NAME,session=NAME,account=NAME`
    /// [default: the variable `SPAN_ATTRIBUTES`]
    #[arg(long, value_name = "LIST")]
    pub(crate) span_attributes: Option<String>,
    /// Events a second that each write key may post, with bursts of 10 s; 0 bounds nothing
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub(crate) key_rate: u32,
}
