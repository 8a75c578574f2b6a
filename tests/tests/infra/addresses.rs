//! The deployment's own addresses: what is posted to the one is seen at the other, by whoever may.

use std::time::{Duration, Instant};

use chrono::Utc;
use serde_json::{Value, json};

use crate::deployed::Stack;
use crate::scripts::ask;

/// Longest wait for an event to be counted.
const PATIENCE: Duration = Duration::from_mins(2);

impl Stack {
    fn secret(&self, name: &str) -> String {
        let secret = ask("deployment.py", &["secret", &self.stand_in.endpoint, name], b"");
        secret.as_str().expect("a text").to_owned()
    }

    /// Asks the function behind the address that the output of this name tells.
    fn request(&self, output: &str, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let url = format!("{}{path}", self.output(output));
        let arguments = [&["ask", &self.stand_in.endpoint, &url, method], headers].concat();
        let answer = ask("deployment.py", &arguments, body.as_bytes());
        Answer { status: answer["status"].clone(), body: answer["body"].as_str().unwrap_or_default().to_owned() }
    }
}

#[derive(Debug)]
struct Answer {
    status: Value,
    body: String,
}

#[test]
fn what_is_posted_to_the_collector_is_seen_by_who_has_the_read_token() {
    let stack = Stack::deploy_with(&["ReadAccess=token", "WithCollector=true", "BatchWindowSeconds=0"]);
    let event = json!({
        "eventId": "posted", "userId": "user-1", "sessionId": "session-1", "eventType": "feature_use",
        "timestamp": Utc::now().timestamp_millis(), "eventData": {"feature": "search"}, "metadata": {"platform": "web"},
    })
    .to_string();
    let key = format!("authorization=Bearer {}", stack.secret(stack.output("WriteKeysSecret")));
    let post = |headers: &[&str]| stack.request("CollectorUrl", "POST", "v1/events", headers, &event);
    let refused = post(&[]);
    assert_eq!(refused.status, 401, "{refused:?}\n{}", stack.stand_in.said());
    // The same event again, as after an answer that was lost.
    for _ in 0..2 {
        let answer = post(&[&key, "content-type=application/json", "user-agent=Browser/7"]);
        assert_eq!(answer.status, 202, "{answer:?}\n{}", stack.stand_in.said());
    }
    let script = stack.request("CollectorUrl", "GET", "headcount.js", &[], "");
    assert!(script.body.contains("sendBeacon"), "{script:?}");

    let token = format!("authorization=Bearer {}", stack.secret("headcount-read-token"));
    let read = |path: &str, headers: &[&str]| stack.request("ReadUrl", "GET", path, headers, "");
    assert_eq!(read("api/metrics", &[]).status, 401);
    assert_eq!(read("api/metrics", &[&key]).status, 401, "who may write may not read");
    let person = read("", &["accept=text/html"]);
    assert!(person.status == 401 && person.body.contains("<form"), "{person:?}");
    let page = read("", &[&token, "accept=text/html"]);
    assert!(page.status == 200 && page.body.contains("Active users"), "{page:?}");
    let started = Instant::now();
    loop {
        let answer = read("api/metrics", &[&token, "accept=application/json"]);
        assert_eq!(answer.status, 200, "{answer:?}\n{}", stack.stand_in.said());
        let metrics: Value = serde_json::from_str(&answer.body).expect("JSON");
        let total = &metrics["total"];
        if total["featureUsage"]["search"] == 1 && total["duplicates"] == 1 {
            assert_eq!((&total["activeUsers"], &total["rejected"]), (&json!(1), &json!(0)), "{total:#}");
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{total:#}\n{}", stack.stand_in.said());
    }
}
