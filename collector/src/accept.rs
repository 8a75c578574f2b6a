//! The seam to the stream.

use headcount_core::event::Event;

/// What puts valid events onto the stream, and waits until it has them.
pub trait Accept: Send + Sync + 'static {
    /// One outcome for each event, in their order. It ends when every event is on the stream or is given up.
    fn accept(&self, events: Vec<Event<'static>>) -> impl Future<Output = Vec<Result<(), NotAccepted>>> + Send;
}

/// Why the stream does not have an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAccepted {
    /// More comes than it takes.
    Throttled,
    /// It is away, or cannot be used.
    Unavailable,
}
