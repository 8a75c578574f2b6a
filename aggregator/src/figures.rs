//! A day's figures out of what was merged, and out of what was known.

use headcount_core::exact::ProvenDay;
use headcount_core::merged::Merged;
use headcount_core::metrics::{DailyMetrics, DayInput};
use headcount_core::user_sketch::UserSketch;

use crate::ledger::Reach;

/// What of a day's figures other days decide.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// None where the sketches are those that the known figures were made of.
    pub(crate) reach: Option<Reach>,
    pub(crate) new_users: u64,
    pub(crate) total_users: u64,
}

/// The figures of a day whose partials were merged, exact where there is a proof.
pub(crate) fn of_merged(
    date: chrono::NaiveDate,
    merged: &Merged,
    proof: Option<&ProvenDay>,
    (users, accounts): (&mut UserSketch, &mut UserSketch),
    is_final: bool,
    around: &Surroundings,
) -> DailyMetrics {
    let reach = around.reach.as_ref();
    let [weekly_users, monthly_users] = reach.map_or([0; 2], |reach| reach.users);
    let [weekly_accounts, monthly_accounts] = reach.map_or([0; 2], |reach| reach.accounts);
    let live = DailyMetrics::of_day(&DayInput {
        date,
        counters: &merged.counters,
        users: users.estimate().round() as u64,
        users_relative_standard_error: users.relative_standard_error(),
        sessions: &merged.sessions,
        weekly_users,
        monthly_users,
        accounts: accounts.estimate().round() as u64,
        accounts_relative_standard_error: accounts.relative_standard_error(),
        weekly_accounts,
        monthly_accounts,
        new_users: around.new_users,
        total_users: around.total_users,
        sources_set_aside: merged.set_aside.len() as u32,
        is_final,
    });
    match proof {
        Some(proof) => live.with_proof(proof, &merged.since_proof),
        None => live,
    }
}

/// The figures of a day of which only the surroundings may have changed.
pub(crate) fn of_known(mut known: DailyMetrics, around: &Surroundings) -> DailyMetrics {
    if let Some(reach) = &around.reach {
        [known.figures.weekly_active_users, known.figures.monthly_active_users] = reach.users;
        [known.figures.weekly_active_accounts, known.figures.monthly_active_accounts] = reach.accounts;
    }
    known.figures.new_signups_24h = around.new_users;
    known.figures.total_users = around.total_users;
    known
}
