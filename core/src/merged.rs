//! A day's partials become one.

use std::borrow::Cow;

use serde::Serialize;

use crate::counters::Counters;
use crate::exact::ProvenDay;
use crate::origin::Source;
use crate::partial::{Damaged, Partial, PartialRecord};
use crate::session_sample::SessionSample;
use crate::user_sketch::UserSketch;

/// A partial that could not be read, and was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// Its source.
    pub source: String,
    /// Which part is damaged, and how.
    pub reason: String,
}

impl SetAside {
    /// The partial that is damaged.
    pub fn new(record: &PartialRecord, why: &Damaged) -> Self {
        Self { source: record.source.to_string(), reason: why.to_string() }
    }
}

/// What all readable partials of a day say together.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// The sum of the sources' counters.
    pub counters: Counters,
    /// The users of all sources; none where no partial was readable.
    pub users: Option<UserSketch>,
    /// The sessions of all sources.
    pub sessions: SessionSample,
    /// The accounts of all sources; none where no partial was readable.
    pub accounts: Option<UserSketch>,
    /// The counters of the sources that have counted more than a proof of the day has of them.
    pub since_proof: Vec<(Source, Counters)>,
    /// The partials that could not be read.
    pub set_aside: Vec<SetAside>,
}

impl Merged {
    /// What one partial says, where there may be a proof of its day; a damaged one is named.
    pub fn of(record: &PartialRecord, proof: Option<&ProvenDay>) -> Self {
        match Partial::decode(record) {
            Ok(partial) => {
                let is_beyond = proof.is_some_and(|proof| partial.as_of > proof.position(&partial.source));
                let since_proof = is_beyond.then(|| (partial.source.clone(), partial.counters.clone()));
                Self { since_proof: since_proof.into_iter().collect(), ..partial.into() }
            }
            Err(why) => Self { set_aside: vec![SetAside::new(record, &why)], ..Self::default() },
        }
    }

    /// The day's counters: those of a proof that misses nothing, with what came after it, or else the sum of the sources'.
    pub fn settled_counters(&self, proof: Option<&ProvenDay>) -> Cow<'_, Counters> {
        match proof.filter(|proof| proof.proven.is_whole()) {
            Some(proof) => Cow::Owned(proof.counters_with(&self.since_proof)),
            None => Cow::Borrowed(&self.counters),
        }
    }

    /// What both say together. Joining is associative and commutative, so however the partials are split, the same
    /// comes out, but for the order of lists.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.counters.merge(&other.counters);
        self.sessions.merge(&other.sessions);
        self.users = union(self.users.take(), other.users);
        self.accounts = union(self.accounts.take(), other.accounts);
        self.since_proof.extend(other.since_proof);
        self.set_aside.extend(other.set_aside);
        self
    }
}

fn union(one: Option<UserSketch>, other: Option<UserSketch>) -> Option<UserSketch> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.merge(&other);
            Some(one)
        }
        (one, other) => one.or(other),
    }
}

impl From<Partial> for Merged {
    fn from(partial: Partial) -> Self {
        let Partial { counters, users, sessions, accounts, .. } = partial;
        Self { counters, users: Some(users), sessions, accounts: Some(accounts), ..Self::default() }
    }
}
