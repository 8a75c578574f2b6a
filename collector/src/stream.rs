//! The collector's way to the stream: the producer.

use std::time::Duration;

use headcount_core::event::Event;
use headcount_producer::{Producer, ProducerError};

use super::accept::{Accept, NotAccepted};

/// How long the collector tries an event before it tells the client to: shorter than clients wait.
pub const RETRY_FOR: Duration = Duration::from_secs(10);

impl Accept for Producer {
    async fn accept(&self, events: Vec<Event<'static>>) -> Vec<Result<(), NotAccepted>> {
        let outcomes = self.submit(events).await.into_iter();
        outcomes.map(|outcome| outcome.map(|_| ()).map_err(|error| not_accepted(&error))).collect()
    }
}

fn not_accepted(error: &ProducerError) -> NotAccepted {
    if error.is_throttled() { NotAccepted::Throttled } else { NotAccepted::Unavailable }
}
