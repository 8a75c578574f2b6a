//! The demo's events: into the stream, and into the truth.

use chrono_tz::Tz;
use headcount_producer::Unchecked;

use super::spans::Spans;
use crate::failure::Failure;
use crate::generate::truth::Truth;
use crate::generate::{Generator, GeneratorOptions, Line};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::sender::Sender;

/// All that is known of what was sent.
#[derive(Debug)]
pub(super) struct Known {
    /// What the figures must be.
    pub(super) truth: Truth,
    /// Every session's duration.
    pub(super) spans: Spans,
}

/// Sends every line that these options generate, and takes note of each. `None` where someone asked to stop.
pub(super) async fn feed(
    options: &GeneratorOptions,
    sender: &mut Sender,
    progress: &mut Progress,
    interrupt: &Interrupt,
) -> Result<Option<Known>, Failure> {
    let generator = Generator::new(options).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut known = Known { truth: Truth::new(options.zone), spans: Spans::new(options.zone) };
    for (number, line) in (1..).zip(generator) {
        known.truth.observe(&line);
        known.spans.observe(&line);
        let Some(pushed) = interrupt.or(sender.push(event(line), number)).await else { return Ok(None) };
        pushed?;
        progress.set(sender.tally().settled());
    }
    let Some(finished) = interrupt.or(sender.finish()).await else { return Ok(None) };
    finished?;
    match sender.tally().refused_in_all() {
        0 => Ok(Some(known)),
        refused => Err(Failure::new(
            format!("the embedded stream refused {refused} events for good"),
            "this machine may be too busy: try again with fewer --events",
        )),
    }
}

/// The event of a generated line: also of one that is no JSON, which is the consumer's to reject.
pub(super) fn event(line: Line) -> Unchecked {
    Unchecked { user_id: Some(line.partition_key.to_string()), json: line.json }
}

/// What the demo generates.
pub(super) fn options(events: u64, users: u32, days: u32, seed: u64, now_ms: i64) -> GeneratorOptions {
    GeneratorOptions { events, users, days, seed, zone: Tz::UTC, ..GeneratorOptions::new(now_ms) }
}

#[cfg(test)]
mod tests {
    use headcount_local::clients;
    use headcount_local::stream::{Stream, StreamOptions};
    use headcount_producer::{Packing, Producer};

    use super::*;

    fn sender(endpoint: &str, stream: &str) -> Sender {
        let producer = Producer::builder().build(&clients::kinesis(endpoint), stream).unwrap();
        Sender::new(producer, Packing::Zstd)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_sent_is_what_the_truth_knows() {
        let (_asked, interrupt) = Interrupt::manual();
        let stream = Stream::start(StreamOptions::new("clicks", 2)).await.unwrap();
        let mut sender = sender(&stream.endpoint(), "clicks");
        let options = options(1_000, 50, 2, 3, 1_772_323_200_000);
        let fed = feed(&options, &mut sender, &mut Progress::silent(), &interrupt).await;
        let known = fed.unwrap().unwrap();
        let all = known.truth.events() + known.truth.duplicates() + known.truth.rejected();
        assert_eq!((all, sender.tally().sent), (1_000, 1_000));
        for date in known.truth.days() {
            let sessions = known.truth.day(date).sessions;
            let durations = known.spans.durations(date);
            assert_eq!(durations.len() as u64, sessions.count, "{date}");
            assert!(durations.contains(&sessions.p95_ms.unsigned_abs()), "{date}");
        }
        stream.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refusal_ends_the_demo_and_an_interrupt_stops_it() {
        let options = options(10, 5, 1, 3, 1_772_323_200_000);
        let (asked, interrupt) = Interrupt::manual();
        let stream = Stream::start(StreamOptions::new("clicks", 1)).await.unwrap();
        let mut elsewhere = sender(&stream.endpoint(), "others");
        let fed = feed(&options, &mut elsewhere, &mut Progress::silent(), &interrupt).await;
        assert!(fed.unwrap_err().to_string().contains("does not exist"));
        asked.send_replace(true);
        let mut sender = sender(&stream.endpoint(), "clicks");
        assert!(feed(&options, &mut sender, &mut Progress::silent(), &interrupt).await.unwrap().is_none());
        stream.stop().await;
    }
}
