//! The keys of every item in the table: formatted here, parsed here, nowhere else.

use chrono::NaiveDate;

use crate::budget::{BudgetScope, Month};
use crate::origin::{Origin, Source};

/// A partition key and a sort key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey {
    /// `PK`.
    pub pk: String,
    /// `SK`.
    pub sk: String,
}

/// The event's own key.
///
/// ```
/// use headcount_core::keys;
/// let key = keys::event("2026-03-01".parse().unwrap(), 1_772_323_200_000, "e-1");
/// assert_eq!((&*key.pk, &*key.sk), ("ANALYTICS#2026-03-01", "EVENT#1772323200000#e-1"));
/// ```
pub fn event(date: NaiveDate, timestamp_ms: i64, event_id: &str) -> ItemKey {
    ItemKey { pk: events(date), sk: format!("{}#{event_id}", event_at(timestamp_ms)) }
}

/// The partition of a date's events.
pub fn events(date: NaiveDate) -> String {
    format!("ANALYTICS#{date}")
}

/// What sort keys of events begin with.
pub const EVENT: &str = "EVENT#";

/// The sort key below which every event of this millisecond and later lies.
pub fn event_at(timestamp_ms: i64) -> String {
    format!("{EVENT}{timestamp_ms:013}")
}

/// The timestamp and the id in an event's sort key.
///
/// ```
/// assert_eq!(headcount_core::keys::parse_event("EVENT#1772323200000#a#b"), Some((1_772_323_200_000, "a#b")));
/// ```
pub fn parse_event(sk: &str) -> Option<(i64, &str)> {
    let (ms, id) = sk.strip_prefix(EVENT)?.split_once('#')?;
    Some((ms.parse().ok()?, id))
}

/// The key of one source's partial.
pub fn partial(date: NaiveDate, source: &Source) -> ItemKey {
    ItemKey { pk: partials(date), sk: format!("SOURCE#{source}") }
}

/// The partition of a date's partials.
pub fn partials(date: NaiveDate) -> String {
    format!("SKETCH#{date}")
}

/// The source in a partial's sort key.
pub fn parse_partial(sk: &str) -> Option<Source> {
    Source::parse(sk.strip_prefix("SOURCE#")?).ok()
}

/// The partition of all checkpoints.
pub const CHECKPOINT: &str = "CHECKPOINT";

/// Who follows the log, each with a checkpoint of its own for every source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Follower {
    /// Profiles and partials.
    Figures,
    /// Event items and rejected items.
    Items,
}

impl Follower {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Figures, Self::Items];

    /// What the sort keys of its checkpoints begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Figures => "FIGURES#",
            Self::Items => "ITEMS#",
        }
    }
}

/// The key of a follower's checkpoint of one source.
pub fn checkpoint(follower: Follower, source: &Source) -> ItemKey {
    ItemKey { pk: CHECKPOINT.to_owned(), sk: format!("{}{source}", follower.prefix()) }
}

/// The follower and the source in a checkpoint's sort key.
pub fn parse_checkpoint(sk: &str) -> Option<(Follower, Source)> {
    let follower = Follower::ALL.into_iter().find(|follower| sk.starts_with(follower.prefix()))?;
    Some((follower, Source::parse(&sk[follower.prefix().len()..]).ok()?))
}

/// The key of a user's profile; its partition is also the user's partition in the index.
pub fn profile(user_id: &str) -> ItemKey {
    ItemKey { pk: user(user_id), sk: "PROFILE".to_owned() }
}

/// What partition keys of users begin with.
pub const USER: &str = "USER#";

/// A user's partition in the index.
pub fn user(user_id: &str) -> String {
    format!("{USER}{user_id}")
}

/// The partition of the index that lists a date's new users.
pub fn new_users(date: NaiveDate) -> String {
    format!("NEWUSERS#{date}")
}

/// The key of a date's metrics.
pub fn daily(date: NaiveDate) -> ItemKey {
    ItemKey { pk: format!("METRICS#{date}"), sk: "DAILY".to_owned() }
}

/// The key of a date's merged sketches.
pub fn sketches(date: NaiveDate) -> ItemKey {
    ItemKey { pk: format!("METRICS#{date}"), sk: "SKETCHES".to_owned() }
}

/// The partition of all running totals.
pub const TOTALS: &str = "TOTALS";

/// The key of a date's number of new users.
pub fn total(date: NaiveDate) -> ItemKey {
    ItemKey { pk: TOTALS.to_owned(), sk: format!("DAY#{date}") }
}

/// The date in the sort key of a running total.
pub fn parse_total(sk: &str) -> Option<NaiveDate> {
    sk.strip_prefix("DAY#")?.parse().ok()
}

/// The key of a date's proof.
pub fn proof(date: NaiveDate) -> ItemKey {
    ItemKey { pk: format!("PROOF#{date}"), sk: "FIGURES".to_owned() }
}

/// What the sort keys of the sources of a date's proof of this number begin with.
pub fn proven_sources(number: u64) -> String {
    format!("SOURCE#{number}#")
}

/// The key of one source of a date's proof.
pub fn proven_source(date: NaiveDate, number: u64, source: &Source) -> ItemKey {
    ItemKey { pk: proof(date).pk, sk: format!("{}{source}", proven_sources(number)) }
}

/// The source in such a sort key.
pub fn parse_proven_source(sk: &str, number: u64) -> Option<Source> {
    Source::parse(sk.strip_prefix(&*proven_sources(number))?).ok()
}

/// The partition of all budgets and of their alarms. The alarms come first, by month, so that one listing from a month on has all that a
/// run needs.
pub const BUDGETS: &str = "BUDGETS";

/// The key of a budget.
pub fn budget(scope: &BudgetScope) -> ItemKey {
    ItemKey { pk: BUDGETS.to_owned(), sk: format!("BUDGET#{scope}") }
}

/// The scope in the sort key of a budget.
pub fn parse_budget(sk: &str) -> Option<BudgetScope> {
    sk.strip_prefix("BUDGET#")?.parse().ok()
}

/// The sort key below which no alarm of this month lies.
pub fn budget_alarms(month: Month) -> String {
    format!("ALARM#{month}#")
}

/// The key of the alarm of a budget in a month.
pub fn budget_alarm(month: Month, scope: &BudgetScope) -> ItemKey {
    ItemKey { pk: BUDGETS.to_owned(), sk: format!("{}{scope}", budget_alarms(month)) }
}

/// The month and the scope in the sort key of an alarm.
///
/// ```
/// use headcount_core::keys;
/// let (month, scope) = keys::parse_budget_alarm("ALARM#2026-03#ACCOUNT#a#b").unwrap();
/// assert_eq!((month.to_string().as_str(), scope.name()), ("2026-03", Some("a#b")));
/// ```
pub fn parse_budget_alarm(sk: &str) -> Option<(Month, BudgetScope)> {
    let (month, scope) = sk.strip_prefix("ALARM#")?.split_once('#')?;
    Some((month.parse().ok()?, scope.parse().ok()?))
}

/// The key of the deployment's own record.
pub fn deployment() -> ItemKey {
    ItemKey { pk: "META".to_owned(), sk: "DEPLOYMENT".to_owned() }
}

/// The key of a rejected occurrence. A redelivery derives the same one.
pub fn rejected(arrival_date: NaiveDate, arrived_ms: i64, origin: &Origin) -> ItemKey {
    ItemKey { pk: rejections(arrival_date), sk: format!("REJECT#{arrived_ms:013}#{origin}") }
}

/// The partition of an arrival day's rejected items.
pub fn rejections(arrival_date: NaiveDate) -> String {
    format!("REJECTED#{arrival_date}")
}

/// The arrival time and the origin in a rejected item's sort key.
pub fn parse_rejected(sk: &str) -> Option<(i64, Origin)> {
    let (ms, origin) = sk.strip_prefix("REJECT#")?.split_once('#')?;
    Some((ms.parse().ok()?, origin.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sort_keys_round_trip(ms in 0i64..4_000_000_000_000, id in ".{1,40}", stream in "x[a-zA-Z0-9_.-]{1,40}", index in any::<u32>()) {
            let date = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
            let key = event(date, ms, &id);
            prop_assert_eq!(parse_event(&key.sk), Some((ms, id.as_str())));

            let source = Source::shard(&stream, None, "shardId-000000000000").unwrap();
            prop_assert_eq!(parse_partial(&partial(date, &source).sk), Some(source.clone()));
            for follower in Follower::ALL {
                let key = checkpoint(follower, &source);
                prop_assert_eq!(parse_checkpoint(&key.sk), Some((follower, source.clone())));
            }

            let origin = Origin { source, sequence: 123_456u64.into(), index };
            let key = rejected(date, ms, &origin);
            prop_assert_eq!(parse_rejected(&key.sk), Some((ms, origin)));
            prop_assert_eq!(parse_total(&total(date).sk), Some(date));

            if let Ok(scope) = BudgetScope::account(&id) {
                let month = Month::of(date);
                prop_assert_eq!(parse_budget(&budget(&scope).sk), Some(scope.clone()));
                let key = budget_alarm(month, &scope);
                prop_assert!(*budget_alarms(month) < *key.sk && key.sk < budget(&scope).sk);
                prop_assert_eq!(parse_budget_alarm(&key.sk), Some((month, scope)));
            }
        }

        #[test]
        fn sort_keys_order_by_time(a in 0i64..4_000_000_000_000, b in 0i64..4_000_000_000_000) {
            prop_assert_eq!(event_at(a).cmp(&event_at(b)), a.cmp(&b));
        }
    }
}
