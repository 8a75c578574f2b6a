//! `headcount collector`: events over HTTP onto a stream.

use std::net::SocketAddr;

use headcount_producer::KinesisStream;
use headcount_runtime::aws::sdk_config;

use crate::args::Collector;
use crate::collecting::{Collecting, settings};
use crate::connect;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output;

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
