//! Event types of somebody's own, and events from weeks ago: `serve` takes them where its options say so.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::command::{Serve, json as ask};
use crate::http::post;
use crate::sample::{event, lines, noon};

/// The figures of some days.
fn total(serve: &Serve, from: chrono::NaiveDate, to: chrono::NaiveDate) -> Value {
    let (from, to) = (from.to_string(), to.to_string());
    let range = ["metrics", "--from", &from, "--to", &to, "--json", "--dynamodb-endpoint", &serve.dynamodb];
    ask(0, &range, b"")["total"].clone()
}

/// Stream and collector both, whoever runs the functions.
fn own_types_and_late_events_count(functions: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let options = [&["--event-types", "signup,purchase", "--lateness-days", "30"], functions].concat();
    let serve = Serve::start_with(Some(folder.path()), &options);
    let sent = Utc::now().date_naive();
    let [late, too_late] = [20, 40].map(|days| sent - TimeDelta::days(days));
    serve.send(
        0,
        &lines(&[
            event("late-1", "user-1", noon(late), "signup", &json!({})),
            event("late-2", "user-1", noon(late), "purchase", &json!({})),
            event("unknown", "user-1", noon(late), "party", &json!({})),
            event("too-late", "user-2", noon(too_late), "signup", &json!({})),
        ]),
    );
    let posted = |event_type, date| {
        let body = event("posted", "user-3", noon(date), event_type, &json!({})).to_string();
        post(&serve.collector, "", body.as_bytes())
    };
    for (answer, field) in [(posted("party", late), "eventType"), (posted("signup", too_late), "timestamp")] {
        assert_eq!(
            (answer.status, &answer.body["events"][0]["problems"][0]["field"]),
            (400, &json!(field)),
            "{answer:?}"
        );
    }
    let answer = posted("purchase", late);
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(serve.stop().success());

    // What was accepted has been counted and rolled up.
    let serve = Serve::start(Some(folder.path()));
    let figures = total(&serve, late, late);
    assert_eq!(figures["eventsByType"]["signup"], 1, "{figures:#}");
    assert_eq!((&figures["eventsByType"]["purchase"], &figures["activeUsers"]), (&json!(2), &json!(2)), "{figures:#}");
    let figures = total(&serve, sent, Utc::now().date_naive());
    assert_eq!(figures["rejected"], 2, "{figures:#}");
    assert!(serve.stop().success());
}

#[test]
fn own_types_and_late_events_count_in_the_process() {
    own_types_and_late_events_count(&[]);
}

#[test]
fn own_types_and_late_events_count_by_the_programs_of_lambda() {
    own_types_and_late_events_count(&["--lambda"]);
}
