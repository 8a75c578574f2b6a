//! A session: one user, some events within minutes, and what goes wrong on their way.

use std::cmp::Ordering;
use std::sync::Arc;

use fastrand::Rng;
use headcount_core::hash::hash64;

use super::Flaw;
use super::people::{self, User};

/// Events of one session at most.
const MAX_EVENTS: u32 = 80;

/// Out of 256: how likely another event follows. About 8 events a session.
const GOES_ON: u8 = 224;

/// Pauses between two events in milliseconds, and their weights. None reaches the half hour that ends a session.
const PAUSES_MS: [(u32, std::ops::Range<i64>); 3] =
    [(80, 2_000..40_000), (18, 40_000..300_000), (2, 300_000..1_500_000)];

/// Out of 1,000: how many events arrive late, as from a phone without network.
const LATE: u32 = 5;
const LATE_MS: std::ops::Range<i64> = 60_000..2 * 60 * 60 * 1_000;

/// How much later a producer sends again what it thinks was lost.
const RESEND_MS: std::ops::Range<i64> = 200..30_000;

/// One session of one user.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: Arc<str>,
    pub(super) user: User,
    start_ms: i64,
    /// Where the randomness of its lines comes from: each line is drawn by itself, so that its duplicate is the same.
    seed: u64,
}

impl Session {
    pub(super) fn new(seed: u64, number: u64, users: u32, start_ms: i64) -> Self {
        let words = [seed, number, start_ms as u64];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let own = hash64(&bytes);
        let rank = people::draw_rank(&mut Rng::with_seed(own), users);
        Self { id: format!("s-{own:016x}").into(), user: User::of_rank(rank), start_ms, seed: own }
    }

    /// The randomness of one of its events.
    pub(super) fn rng(&self, index: u32) -> Rng {
        Rng::with_seed(hash64(&[self.seed.to_le_bytes(), u64::from(index).to_le_bytes()].concat()))
    }
}

/// A line that will be handed out.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// When it would be sent: the order of the lines.
    pub(super) send_ms: i64,
    /// Its place among all planned lines: settles ties.
    pub(super) number: u64,
    pub(super) session: Arc<Session>,
    /// Its event's place in the session.
    pub(super) index: u32,
    /// When its event happened.
    pub(super) at_ms: i64,
    pub(super) fate: Fate,
}

/// What becomes of an event on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Fresh,
    Again,
    Flawed(Flaw),
}

impl Planned {
    fn order(&self) -> (i64, u64) {
        (self.send_ms, self.number)
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

/// How likely an event is flawed, and how likely a sound one is sent twice, out of 2^32.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    flawed: u64,
    again: u64,
}

impl Shares {
    /// The chances of an event that give these shares of all lines.
    ///
    /// Duplicates add lines of their own: of all lines only 1 - `duplicates` are events, and of those
    /// 1 - `invalid` - `duplicates` are sound ones that can be sent twice.
    pub(super) fn new(invalid: f64, duplicates: f64) -> Self {
        let sound = 1.0 - invalid - duplicates;
        let chance = |part: f64, of: f64| if of > 0.0 { (part / of * 2f64.powi(32)) as u64 } else { 0 };
        Self { flawed: chance(invalid, 1.0 - duplicates), again: chance(duplicates, sound) }
    }
}

/// How many events a session would like to have.
pub(super) fn draw_length(rng: &mut Rng) -> u32 {
    (1..MAX_EVENTS).find(|_| rng.u8(..) >= GOES_ON).unwrap_or(MAX_EVENTS)
}

/// The lines of a session in the order of sending, at least one and at most `room`; nothing happens after `end_ms`.
pub(super) fn plan(session: &Arc<Session>, events: u32, end_ms: i64, shares: Shares, room: usize) -> Vec<Planned> {
    let mut rng = session.rng(u32::MAX);
    let mut lines: Vec<Planned> = Vec::new();
    let mut at_ms = session.start_ms;
    for index in 0..events {
        let late = if rng.u32(0..1_000) < LATE { rng.i64(LATE_MS) } else { 0 };
        let fate = draw_fate(&mut rng, shares);
        let line = Planned { send_ms: at_ms + late, number: 0, session: Arc::clone(session), index, at_ms, fate };
        let again = fate == Fate::Fresh && u64::from(rng.u32(..)) < shares.again;
        let resent =
            again.then(|| Planned { send_ms: line.send_ms + rng.i64(RESEND_MS), fate: Fate::Again, ..line.clone() });
        lines.push(line);
        lines.extend(resent);
        at_ms += draw_pause(&mut rng);
        if at_ms > end_ms {
            break;
        }
    }
    lines.sort_by_key(|line| (line.send_ms, line.index));
    lines.truncate(room);
    lines
}

fn draw_fate(rng: &mut Rng, shares: Shares) -> Fate {
    if u64::from(rng.u32(..)) < shares.flawed {
        Fate::Flawed(Flaw::ALL[rng.u32(0..Flaw::ALL.len() as u32) as usize])
    } else {
        Fate::Fresh
    }
}

fn draw_pause(rng: &mut Rng) -> i64 {
    let weights = PAUSES_MS.each_ref().map(|(weight, _)| *weight);
    let (_, pause) = &PAUSES_MS[people::pick(rng, &weights)];
    rng.i64(pause.clone())
}
