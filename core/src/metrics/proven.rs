//! A day's figures once they are proven: exact, with what came after the proof on top.

use serde::{Deserialize, Serialize};

use super::build::count;
use super::{DailyMetrics, SessionFigures};
use crate::counters::Counters;
use crate::exact::{ProvenDay, UsersBy};
use crate::origin::Source;
use crate::session_sample::SessionIntervals;

/// What a proof says of a day, beside its figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProofNote {
    /// When the day was counted exactly, milliseconds since the epoch.
    pub proven_at: i64,
    /// Events counted since, whose users and sessions are estimated; 0 where every figure of the day alone is exact.
    pub events_since: u64,
    /// Different users by what they used, as of the proof.
    pub users_by: UsersBy,
    /// Ids that came with more than one timestamp, as of the proof: a producer may stamp an event anew when it sends it again.
    pub ids_with_several_times: u64,
}

impl DailyMetrics {
    /// These live figures, made exact by a proof of the day. `since` are the counters of the sources that have counted more than the
    /// proof has of them: only the difference is added. Different users and sessions of both are a union, so they are at least the
    /// proven ones. Weekly, monthly, new and total users rest on other days and stay. A proof that misses entries changes nothing.
    #[must_use]
    pub fn with_proof(mut self, proof: &ProvenDay, since: &[(Source, Counters)]) -> Self {
        if !proof.proven.is_whole() {
            return self;
        }
        let exact = &proof.proven.figures;
        let (mut counters, none) = (exact.counters.clone(), Counters::default());
        for (source, now) in since {
            let then = proof.sources.get(source).and_then(|proven| proven.raw.as_ref()).unwrap_or(&none);
            counters.add_since(now, then);
        }
        let figures = &mut self.figures;
        count(figures, &counters);
        if since.is_empty() {
            figures.active_users = exact.users;
            figures.average_session_duration = exact.sessions.average_ms();
            let (count, p50, p95) = (exact.sessions.count, exact.sessions.p50_ms, exact.sessions.p95_ms);
            figures.sessions = SessionFigures { count, p50, p95 };
            figures.estimate.users_relative_standard_error = 0.0;
            figures.estimate.sessions_exact = true;
            figures.estimate.session_intervals = SessionIntervals::exact(&exact.sessions);
            figures.estimate.sources_set_aside = 0;
            figures.estimate.names_approximate = false;
        } else {
            figures.active_users = figures.active_users.max(exact.users);
            figures.sessions.count = figures.sessions.count.max(exact.sessions.count);
        }
        figures.daily_active_users = figures.active_users;
        figures.verified = since.is_empty();
        figures.proof = Some(ProofNote {
            proven_at: proof.proven.proven_ms,
            events_since: counters.events.saturating_sub(exact.counters.events),
            users_by: exact.users_by.clone(),
            ids_with_several_times: exact.ids_with_several_times,
        });
        self
    }
}
