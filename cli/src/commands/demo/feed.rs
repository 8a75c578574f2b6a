//! The demo's events: into the stream, and into the truth.

use chrono_tz::Tz;

use super::spans::Spans;
use crate::failure::Failure;
use crate::generate::truth::Truth;
use crate::generate::{Generator, GeneratorOptions, Line};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::put_records::{Record, Sender, Target};

/// All that is known of what was sent.
#[derive(Debug)]
pub(super) struct Known {
    /// What the figures must be.
    pub(super) truth: Truth,
    /// Every session's duration.
    pub(super) spans: Spans,
}

/// Sends every line that these options generate, and takes note of each. `None` where someone asked to stop.
pub(super) async fn feed<T: Target>(
    options: &GeneratorOptions,
    sender: &mut Sender<T>,
    progress: &mut Progress,
    interrupt: &Interrupt,
) -> Result<Option<Known>, Failure> {
    let generator = Generator::new(options).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut known = Known { truth: Truth::new(options.zone), spans: Spans::new(options.zone) };
    for line in generator {
        known.truth.observe(&line);
        known.spans.observe(&line);
        let Some(pushed) = interrupt.or(sender.push(record(line))).await else { return Ok(None) };
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

/// The record of a generated line: also of one that is no JSON, which is the consumer's to reject.
pub(super) fn record(line: Line) -> Record {
    Record { partition_key: line.partition_key.to_string(), data: line.json.into_bytes() }
}

/// What the demo generates.
pub(super) fn options(events: u64, users: u32, days: u32, seed: u64, now_ms: i64) -> GeneratorOptions {
    GeneratorOptions { events, users, days, seed, zone: Tz::UTC, ..GeneratorOptions::new(now_ms) }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use headcount_store::retry::Jitter;

    use super::*;
    use crate::put_records::{Answer, RequestError};

    #[derive(Clone, Default)]
    struct Stream {
        taken: Arc<Mutex<Vec<Record>>>,
        refuses: bool,
    }

    impl Target for Stream {
        async fn put(&self, records: &[Record]) -> Result<Vec<Answer>, RequestError> {
            self.taken.lock().unwrap().extend_from_slice(records);
            let refused = Answer::Refused("InternalFailure".into());
            Ok(vec![if self.refuses { refused } else { Answer::Accepted }; records.len()])
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_is_what_the_truth_knows() {
        let (_asked, interrupt) = Interrupt::manual();
        let stream = Stream::default();
        let mut sender = Sender::new(stream.clone(), Jitter::from_seed(1));
        let options = options(1_000, 50, 2, 3, 1_772_323_200_000);
        let fed = feed(&options, &mut sender, &mut Progress::silent(), &interrupt).await;
        let known = fed.unwrap().unwrap();
        let all = known.truth.events() + known.truth.duplicates() + known.truth.rejected();
        assert_eq!((all, stream.taken.lock().unwrap().len()), (1_000, 1_000));
        for date in known.truth.days() {
            let sessions = known.truth.day(date).sessions;
            let durations = known.spans.durations(date);
            assert_eq!(durations.len() as u64, sessions.count, "{date}");
            assert!(durations.contains(&sessions.p95_ms.unsigned_abs()), "{date}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_ends_the_demo_and_an_interrupt_stops_it() {
        let options = options(10, 5, 1, 3, 1_772_323_200_000);
        let (asked, interrupt) = Interrupt::manual();
        let mut sender = Sender::new(Stream { refuses: true, ..Stream::default() }, Jitter::from_seed(1));
        let fed = feed(&options, &mut sender, &mut Progress::silent(), &interrupt).await;
        assert!(fed.unwrap_err().to_string().contains("refused 10 events"));
        asked.send_replace(true);
        let mut sender = Sender::new(Stream::default(), Jitter::from_seed(1));
        assert!(feed(&options, &mut sender, &mut Progress::silent(), &interrupt).await.unwrap().is_none());
    }
}
