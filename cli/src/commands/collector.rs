//! `headcount collector`: events over HTTP onto a stream.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use headcount_consumer::config::MAX_LATENESS_DAYS;
use headcount_producer::KinesisStream;
use headcount_runtime::aws::sdk_config;

use crate::args::{COLLECTOR_PORT, RuleArgs, StreamArgs};
use crate::collecting::{Collecting, settings};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::{connect, output};

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

/// Runs it.
pub(crate) async fn run(args: Collector, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let settings = settings(&args.posting, &args.rules, args.lateness_days)?;
    let options = connect::kinesis(&args.stream.services, &args.stream.kinesis);
    let config = sdk_config(&options).await;
    let place = connect::place_of_stream(&config)?;
    let stream = KinesisStream::new(&aws_sdk_kinesis::Client::new(&config), &args.stream.kinesis.stream, &place);
    let Some(checked) = interrupt.or(stream.check()).await else { return Ok(Ending::Interrupted) };
    checked.map_err(|problem| Failure::new(problem.problem, problem.remedy))?;
    let needs_key = !settings.keys.is_empty();
    let collecting = Collecting::start(SocketAddr::new(args.bind, args.port), "--port", settings, stream, None).await?;
    output::line(&welcome(&collecting.endpoint(), &args.stream.kinesis.stream, &place, needs_key))?;
    interrupt.asked().await;
    output::note("stopping: answering what has come");
    collecting.stop().await;
    Ok(Ending::Fine)
}

fn welcome(endpoint: &str, stream: &str, place: &str, needs_key: bool) -> String {
    let key = if needs_key { " -H \"Authorization: Bearer $WRITE_KEY\"" } else { "" };
    format!(
        "\
The collector puts events onto the stream {stream} at {place}. Ctrl-C answers what has come, and stops.
  events    {endpoint}/v1/events
  script    {endpoint}/headcount.js
  readyz    {endpoint}/readyz

  curl{key} {endpoint}/v1/events -d \\
    '{{\"userId\":\"user-1\",\"sessionId\":\"s-1\",\"eventType\":\"page_view\",\"metadata\":{{\"platform\":\"web\"}}}}'
"
    )
}
