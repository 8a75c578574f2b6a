//! A day's partials become one: decoded and merged side by side.

use headcount_core::counters::Counters;
use headcount_core::partial::{Damaged, Partial, PartialRecord};
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use rayon::prelude::*;
use serde::Serialize;

/// A partial that could not be read, and was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// Its lane.
    pub lane: String,
    /// Which part is damaged, and how.
    pub reason: String,
}

/// What all readable partials of a day say together.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) counters: Counters,
    /// None where no partial was readable.
    pub(crate) users: Option<UserSketch>,
    pub(crate) sessions: SessionSample,
    pub(crate) set_aside: Vec<SetAside>,
}

/// Merges the partials; a damaged one is named, and the others go on. Merging is associative and commutative, so
/// however the pool splits the work, the same comes out.
pub(crate) fn merge(records: &[PartialRecord]) -> Merged {
    records.par_iter().map(one).reduce_with(both).unwrap_or_else(|| Merged {
        counters: Counters::default(),
        users: None,
        sessions: SessionSample::default(),
        set_aside: Vec::new(),
    })
}

/// The damaged ones among the partials.
pub(crate) fn damaged(records: &[PartialRecord]) -> Vec<SetAside> {
    records.par_iter().filter_map(|record| Partial::decode(record).err().map(|why| set_aside(record, &why))).collect()
}

fn set_aside(record: &PartialRecord, why: &Damaged) -> SetAside {
    SetAside { lane: record.lane.to_string(), reason: why.to_string() }
}

fn one(record: &PartialRecord) -> Merged {
    match Partial::decode(record) {
        Ok(Partial { counters, users, sessions, .. }) => {
            Merged { counters, users: Some(users), sessions, set_aside: Vec::new() }
        }
        Err(why) => Merged {
            counters: Counters::default(),
            users: None,
            sessions: SessionSample::default(),
            set_aside: vec![set_aside(record, &why)],
        },
    }
}

fn both(mut left: Merged, right: Merged) -> Merged {
    left.counters.merge(&right.counters);
    left.sessions.merge(&right.sessions);
    left.users = match (left.users.take(), right.users) {
        (Some(mut users), Some(others)) => {
            users.merge(&others);
            Some(users)
        }
        (users, others) => users.or(others),
    };
    left.set_aside.extend(right.set_aside);
    left
}
