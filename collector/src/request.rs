//! What a request says of all its events, and its events.

use std::net::IpAddr;

use headcount_core::event::Event;
use headcount_core::rejection::Problems;

/// What a request says of all its events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    /// Where it came from.
    pub(super) address: IpAddr,
    /// Its `User-Agent`, if it names one.
    pub(super) user_agent: Option<&'a str>,
    /// When it came, milliseconds since the epoch.
    pub(super) now_ms: i64,
}

impl Sender<'_> {
    /// Its `User-Agent`, if that says something.
    pub(super) fn user_agent(&self) -> Option<&str> {
        self.user_agent.filter(|agent| agent.chars().any(|c| !c.is_whitespace() && !c.is_control()))
    }
}

/// One event, or what is wrong with it.
pub(super) type Judged = Result<Event<'static>, Problems>;

/// What a request says, as native events.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Each event, or what is wrong with it.
    pub(super) events: Vec<Judged>,
    /// What the request says besides, which is no event.
    pub(super) left_out: u64,
}
