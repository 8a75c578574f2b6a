//! When what belongs to a day expires.

use chrono::NaiveDate;
use headcount_core::calendar::end_of;
use headcount_core::deployment::Deployment;
use headcount_core::limits::DAY_MS;

/// `TTL` of an item that lives `days` after its day ended, seconds since the epoch. What is appended after its day ended, such
/// as imported history, lives that long from its append, or it would be born expired.
pub fn expiry_s(deployment: &Deployment, date: NaiveDate, appended_ms: i64, days: i64) -> i64 {
    let from_ms = end_of(deployment.zone, date).max(appended_ms);
    from_ms.saturating_add(days * DAY_MS).div_euclid(1_000)
}
