//! What a request says of all its events, and its events.

use std::net::IpAddr;

use headcount_core::event::Event;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::rejection::Problems;
use headcount_core::validate::{Rules, validate_new};
use headcount_producer::identity::new_event_id;

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

/// What the events of a request are judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge<'a> {
    /// Who sent them.
    pub(super) sender: Sender<'a>,
    /// The rules, which keep addresses.
    pub(super) rules: &'a Rules,
    /// What the stream gets of addresses.
    pub(super) ip_policy: IpPolicy,
}

impl Judge<'_> {
    /// Judges an event in the native format.
    pub(super) fn event(&self, native: &str) -> Judged {
        let now_ms = self.sender.now_ms;
        validate_new(native, now_ms, self.rules, || new_event_id(now_ms)).map(|accepted| accepted.event.into_owned())
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

impl Taken {
    /// What `judge` makes of each part of a request; none where the part is no event.
    pub(super) fn of<P>(parts: Vec<P>, mut judge: impl FnMut(P) -> Result<Option<Event<'static>>, Problems>) -> Self {
        let mut taken = Self { events: Vec::with_capacity(parts.len()), left_out: 0 };
        for part in parts {
            match judge(part).transpose() {
                Some(event) => taken.events.push(event),
                None => taken.left_out += 1,
            }
        }
        taken
    }
}
