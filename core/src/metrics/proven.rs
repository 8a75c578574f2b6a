//! A day's figures once they are proven: exact, with what came after the proof on top.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::build::count;
use super::{DailyMetrics, Estimate, Figures, SessionFigures};
use crate::counters::Counters;
use crate::exact::{ExactFigures, ExactSessions, ProvenDay, UsersBy};
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

impl Figures {
    /// Sets users, accounts and sessions, of a day or of a range, that are known exactly, and says that nothing is estimated.
    pub fn set_exact(&mut self, users: u64, accounts: u64, sessions: &ExactSessions) {
        self.active_users = users;
        self.active_accounts = accounts;
        self.average_session_duration = sessions.average_ms();
        self.sessions = SessionFigures { count: sessions.count, p50: sessions.p50_ms, p95: sessions.p95_ms };
        self.estimate = Estimate { session_intervals: SessionIntervals::exact(sessions), ..Estimate::default() };
    }
}

impl DailyMetrics {
    /// A day of which all is known but what other days decide: weekly, monthly, new and total users and accounts are 0.
    pub fn of_exact(date: NaiveDate, exact: &ExactFigures) -> Self {
        let mut metrics = Self::empty(date);
        count(&mut metrics.figures, &exact.counters);
        metrics.figures.set_exact(exact.users, exact.accounts, &exact.sessions);
        metrics.figures.set_exact_latencies(&exact.latencies);
        metrics.figures.daily_active_users = exact.users;
        metrics
    }

    /// These live figures, made exact by a proof of the day. `since` are the counters of the sources that have counted more than the
    /// proof has of them: only the difference is added. Different users and sessions of both are a union, so they are at least the
    /// proven ones. Weekly, monthly, new and total users rest on other days and stay. A proof that misses entries changes nothing.
    #[must_use]
    pub fn with_proof(mut self, proof: &ProvenDay, since: &[(Source, Counters)]) -> Self {
        if !proof.proven.is_whole() {
            return self;
        }
        let (exact, counters) = (&proof.proven.figures, proof.counters_with(since));
        let figures = &mut self.figures;
        count(figures, &counters);
        if since.is_empty() {
            figures.set_exact(exact.users, exact.accounts, &exact.sessions);
            figures.set_exact_latencies(&exact.latencies);
        } else {
            figures.active_users = figures.active_users.max(exact.users);
            figures.active_accounts = figures.active_accounts.max(exact.accounts);
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

impl ProvenDay {
    /// The proven counters with what came after the proof. `since` are the counters of the sources that have counted more than the
    /// proof has of them.
    pub fn counters_with(&self, since: &[(Source, Counters)]) -> Counters {
        let (mut counters, none) = (self.proven.figures.counters.clone(), Counters::default());
        for (source, now) in since {
            let then = self.sources.get(source).and_then(|proven| proven.raw.as_ref()).unwrap_or(&none);
            counters.add_since(now, then);
        }
        counters
    }
}
