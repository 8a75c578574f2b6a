//! The figures as a reader would count them by hand: no sketch, no sample, no fence.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::{Value, json};

/// What was sent.
#[derive(Default)]
pub(crate) struct Truth {
    /// Occurrences that break a rule.
    pub(crate) rejected: u64,
    days: BTreeMap<NaiveDate, Day>,
}

#[derive(Default)]
struct Day {
    duplicates: u64,
    /// Events by type, then names by what they name.
    counts: BTreeMap<&'static str, BTreeMap<String, u64>>,
    tokens: u64,
    cost_nanos: u64,
    hours: [u64; 24],
    users: BTreeSet<String>,
    /// First and last time.
    sessions: BTreeMap<String, (i64, i64)>,
}

impl Truth {
    /// An event that is sent for the first time.
    pub(crate) fn count(&mut self, date: NaiveDate, event: &Value) {
        let day = self.days.entry(date).or_default();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let mut add = |what, name: &Value| *day.counts.entry(what).or_default().entry(text(name)).or_default() += 1;
        let data = &event["eventData"];
        add("types", &event["eventType"]);
        add("platforms", &event["metadata"]["platform"]);
        for field in ["feature", "contentType", "errorType", "model"] {
            if data[field].is_string() {
                add(field, &data[field]);
            }
        }
        day.tokens += data["tokens"].as_u64().unwrap_or_default();
        day.cost_nanos += (data["cost"].as_f64().unwrap_or_default() * 1e6).round() as u64 * 1_000;
        let at = event["timestamp"].as_i64().expect("a time");
        day.hours[(at.rem_euclid(86_400_000) / 3_600_000) as usize] += 1;
        day.users.insert(text(&event["userId"]));
        let session = day.sessions.entry(text(&event["sessionId"])).or_insert((at, at));
        *session = (session.0.min(at), session.1.max(at));
    }

    /// An event that was sent before.
    pub(crate) fn repeated(&mut self, date: NaiveDate) {
        self.days.entry(date).or_default().duplicates += 1;
    }

    /// The days that have events.
    pub(crate) fn dates(&self) -> Vec<NaiveDate> {
        self.days.keys().copied().collect()
    }

    /// Events of all days.
    pub(crate) fn events(&self) -> u64 {
        self.days.values().map(|day| day.hours.iter().sum::<u64>()).sum()
    }

    /// Duplicates of all days.
    pub(crate) fn duplicates(&self) -> u64 {
        self.days.values().map(|day| day.duplicates).sum()
    }

    /// A day's figures, by the names that `headcount metrics --json` gives them.
    pub(crate) fn figures(&self, date: NaiveDate) -> BTreeMap<&'static str, Value> {
        let day = &self.days[&date];
        let known: BTreeSet<_> = self.days.range(..date).flat_map(|(_, day)| &day.users).collect();
        // All days lie within a week.
        let all: BTreeSet<_> = known.iter().copied().chain(&day.users).collect();
        let new = day.users.iter().filter(|user| !known.contains(user)).count();
        let names = |what: &str| day.counts.get(what).cloned().unwrap_or_default();
        let total = |what: &str| names(what).values().sum::<u64>();
        let longest = day.sessions.values().map(|(first, last)| last - first).sum::<i64>() as f64;
        BTreeMap::from([
            ("/activeUsers", json!(day.users.len())),
            ("/dailyActiveUsers", json!(day.users.len())),
            ("/weeklyActiveUsers", json!(all.len())),
            ("/monthlyActiveUsers", json!(all.len())),
            ("/totalUsers", json!(all.len())),
            ("/newSignups24h", json!(new)),
            ("/sessions/count", json!(day.sessions.len())),
            ("/averageSessionDuration", json!(longest / day.sessions.len() as f64)),
            ("/eventsByType", json!(names("types"))),
            ("/eventsByHour", json!(day.hours)),
            ("/platforms", json!(names("platforms"))),
            ("/featureUsage", json!(names("feature"))),
            ("/contentCreated", json!({"total": total("contentType"), "byType": names("contentType")})),
            ("/errors", json!({"total": total("errorType"), "byType": names("errorType")})),
            ("/aiUsage/totalRequests", json!(total("model"))),
            ("/aiUsage/totalTokens", json!(day.tokens)),
            ("/aiUsage/totalCostNanos", json!(day.cost_nanos)),
            ("/duplicates", json!(day.duplicates)),
        ])
    }
}
