//! Serve, send, roll up, ask; stop, start, ask again.

use serde_json::{Value, json};

use crate::command::{Serve, expect, wait_for};
use crate::sample::{days, event, lines, noon};

/// 60 users; each opens a page on the first day, each uses a feature ten minutes later, every third makes a note on
/// the second day, every tenth asks a model; every fifth page view is sent twice.
fn sample() -> Vec<Value> {
    let [first, second] = days().map(noon);
    let mut events = Vec::new();
    for n in 0..60 {
        let user = format!("user-{n}");
        let page = event(&format!("page-{n}"), &user, first + n, "page_view", &json!({}));
        if n % 5 == 0 {
            events.push(page.clone());
        }
        events.push(page);
        let feature = json!({"feature": if n % 2 == 0 { "search" } else { "export" }});
        events.push(event(&format!("use-{n}"), &user, first + n + 600_000, "feature_use", &feature));
        if n % 3 == 0 {
            events.push(event(&format!("make-{n}"), &user, second, "content_create", &json!({"contentType": "note"})));
        }
        if n % 10 == 0 {
            let asked = json!({"model": "large", "inputTokens": 100, "outputTokens": 20, "cost": 0.25});
            events.push(event(&format!("ask-{n}"), &user, second + 1, "ai_request", &asked));
        }
    }
    events
}

/// What the sample's figures must be, `duplicates` apart.
fn check(metrics: &Value, duplicates: u64) {
    let [first, second] = days();
    let (one, two) = (&metrics["days"][0], &metrics["days"][1]);
    assert_eq!((&one["date"], &two["date"]), (&json!(first), &json!(second)));
    assert_eq!(one["activeUsers"], 60, "{one:#}");
    assert_eq!(one["newSignups24h"], 60, "{one:#}");
    assert_eq!(one["featureUsage"], json!({"search": 30, "export": 30}));
    assert_eq!(one["eventsByType"]["page_view"], 60);
    assert_eq!(one["eventsByHour"][12], 120);
    assert_eq!(one["sessions"]["count"], 60);
    assert_eq!(one["averageSessionDuration"].as_f64(), Some(600_000.0));
    assert_eq!(one["duplicates"], duplicates, "{one:#}");
    assert_eq!(two["activeUsers"], 24, "{two:#}");
    assert_eq!(two["newSignups24h"], 0);
    assert_eq!(two["weeklyActiveUsers"], 60);
    assert_eq!(two["totalUsers"], 60);
    assert_eq!(two["contentCreated"], json!({"total": 20, "byType": {"note": 20}}));
    assert_eq!(two["aiUsage"]["totalTokens"], 720);
    assert_eq!(two["aiUsage"]["totalCost"].as_f64(), Some(1.5));
    let total = &metrics["total"];
    assert_eq!(total["activeUsers"], 60);
    assert_eq!(total["eventsByType"]["page_view"], 60);
    assert_eq!(total["platforms"], json!({"web": 146}));
}

#[test]
fn figures_are_right_and_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = days().map(|date| date.to_string());
    let today = chrono::Utc::now().date_naive().to_string();
    let mut input = lines(&sample());
    input.extend_from_slice(b"{\"userId\":\"nobody\"}\n\nthis is no JSON\n{\"eventType\":\"party\"}\n");

    let serve = Serve::start(Some(folder.path()));
    assert!(serve.get("/healthz").starts_with("HTTP/1.1 200"), "{}", serve.get("/healthz"));
    let sent = serve.send(1, &input);
    assert_eq!(sent["sent"], 160, "{sent:#}");
    let pages = |metrics: &Value| metrics["days"][0]["duplicates"].as_u64();
    let metrics = wait_for(
        "all is counted",
        || serve.metrics(&first, &second),
        |metrics| pages(metrics) == Some(12) && metrics["days"][1]["aiUsage"]["totalRequests"] == 6,
    );
    check(&metrics, 12);
    let rejected = serve.metrics(&today, &today);
    assert_eq!(rejected["total"]["rejected"], 2, "{rejected:#}");
    for date in [&first, &second] {
        expect(0, &[&["verify", "--date", date][..], &serve.places()].concat(), b"");
    }
    assert!(serve.stop().success());

    let serve = Serve::start(Some(folder.path()));
    assert_eq!(serve.metrics(&first, &second), metrics, "the same figures after a restart");
    // The new stream goes on above the old one's sequence numbers: what is sent again is neither counted nor skipped.
    serve.send(0, &lines(&sample()));
    let again = wait_for(
        "all is known as duplicates",
        || serve.metrics(&first, &second),
        |metrics| pages(metrics) == Some(84 + 60) && metrics["days"][1]["duplicates"] == 26,
    );
    check(&again, 84 + 60);
    let more = event("late-1", "user-1", noon(days()[1]) + 5, "feature_use", &json!({"feature": "search"}));
    serve.send(0, &lines(&[more]));
    wait_for(
        "a new event after the restart counts",
        || serve.metrics(&second, &second),
        |metrics| metrics["total"]["featureUsage"]["search"] == 1,
    );
    for date in [&first, &second] {
        expect(0, &[&["verify", "--date", date][..], &serve.places()].concat(), b"");
    }
    assert!(serve.stop().success());
}
