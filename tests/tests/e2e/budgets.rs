//! Budgets of AI cost: set by the command, and the same burn and forecast in the command, the API, its CSV and the page.

use chrono::{Datelike as _, NaiveDate};
use headcount_tests::browser::Browser;
use serde_json::{Value, json};

use crate::ai::body;
use crate::command::{Serve, expect, headcount, json as ask, run, wait_for};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The numbers behind what the page shows of each budget.
const ROWS: &str = "Object.fromEntries([...document.querySelectorAll('#budgets tbody tr')].map(row => [row.cells[0].textContent, \
     [...row.cells].filter(cell => cell.dataset.value !== undefined).map(cell => Number(cell.dataset.value))]))";

fn request(id: &str, dollars: f64, at_ms: i64) -> String {
    json!({
        "eventId": id, "userId": "ann", "accountId": "acme", "eventType": "ai_request", "timestamp": at_ms,
        "eventData": {"model": "m", "feature": "summary", "cost": dollars},
        "metadata": {"userAgent": "test", "ipAddress": "203.0.113.9", "platform": "backend"},
    })
    .to_string()
}

/// Spent and forecast in dollars, of $7 yesterday and $3 today.
fn expected(today: NaiveDate) -> (u64, u64) {
    let yesterday = if today.day() > 1 { 7 } else { 0 };
    let days = (28..=31).rev().find(|day| today.with_day(*day).is_some()).expect("a month has days");
    (yesterday + 3, yesterday + 7 + 7 * u64::from(days - today.day()))
}

#[tokio::test(flavor = "multi_thread")]
async fn command_api_and_page_show_the_same_burn_and_forecast() {
    let serve = Serve::start(None);
    let site = serve.http.trim_end_matches("/healthz").to_owned();
    let now = chrono::Utc::now().timestamp_millis();
    serve.send(0, [request("a", 7.0, now - DAY_MS), request("b", 3.0, now)].join("\n").as_bytes());
    let api = |path: &str| -> Value { serde_json::from_str(&body(&serve.get(path))).expect("JSON") };
    wait_for("both are counted", || api("/api/ai?last=2d"), |report| report["requests"] == json!(2));

    let browser = Browser::start().await.unwrap();
    browser.open(&format!("{site}/?last=7d")).await.unwrap();
    browser.wait_until("document.getElementById('main').getAttribute('aria-busy') === 'false'").await.unwrap();
    browser.wait_until("document.getElementById('budgets-section').hidden").await.unwrap();
    assert_eq!(api("/api/budgets")["budgets"], json!([]));

    let place = ["--dynamodb-endpoint", &serve.dynamodb];
    let budget = |arguments: &[&str]| expect(0, &[&["budget"][..], arguments, &place].concat(), b"");
    assert_eq!(budget(&["set", "--account", "acme", "--monthly", "5"]), "account acme: $5.00 a month\n");
    budget(&["set", "--account", "acme", "--monthly", "50"]);
    budget(&["set", "--feature", "summary", "--monthly", "12.50"]);
    budget(&["set", "--monthly", "400"]);
    budget(&["set", "--account", "nobody", "--monthly", "1"]);

    let report = api("/api/budgets");
    let (spent, forecast) = expected(report["today"].as_str().unwrap().parse().unwrap());
    let nano = |dollars: f64| (dollars * 1e9) as u64;
    let all = [
        ("project", None, 400.0, spent, forecast),
        ("account", Some("acme"), 50.0, spent, forecast),
        ("account", Some("nobody"), 1.0, 0, 0),
        ("feature", Some("summary"), 12.5, spent, forecast),
    ];
    let status = |(scope, name, amount, spent, forecast): (&str, Option<&str>, f64, u64, u64)| {
        json!({
            "scope": scope, "name": name, "amount": amount, "amountNanos": nano(amount), "spent": spent as f64,
            "spentNanos": nano(spent as f64), "isLowerBound": false, "spentShare": spent as f64 / amount,
            "forecast": forecast as f64, "forecastNanos": nano(forecast as f64), "alarmedAt": null,
        })
    };
    assert_eq!(report["budgets"], json!(all.map(status)));
    assert_eq!(report["month"].as_str(), report["today"].as_str().map(|today| &today[..7]));
    assert_eq!(ask(0, &[&["budget", "list", "--json"][..], &place].concat(), b""), report);
    let csv = body(&serve.get("/api/budgets?format=csv"));
    assert!(csv.lines().count() == 5 && csv.contains("12500000000"), "{csv}");
    let shown = budget(&["list"]);
    for text in ["account acme", "$50.00", &format!("${spent}.00"), &format!("${forecast}.00"), "feature summary"] {
        assert!(shown.contains(text), "{text} is in\n{shown}");
    }

    browser.open(&format!("{site}/?last=1d")).await.unwrap();
    browser.wait_until("document.querySelectorAll('#budgets tbody tr').length === 4").await.unwrap();
    let rows = all.map(|(scope, name, amount, spent, forecast)| {
        let title = name.map_or_else(|| scope.to_owned(), |name| format!("{scope} {name}"));
        (title, json!([nano(spent as f64), nano(amount), nano(forecast as f64)]))
    });
    assert_eq!(browser.value(ROWS).await.unwrap(), Value::Object(rows.into_iter().collect()));
    browser.wait_until("!document.getElementById('budgets-section').hidden").await.unwrap();

    budget(&["remove", "--account", "nobody"]);
    assert_eq!(api("/api/budgets")["budgets"].as_array().map(Vec::len), Some(3));
    for (arguments, said) in [
        (&["remove", "--account", "nobody"][..], "headcount budget list"),
        (&["set", "--monthly", "0"], "US dollars a month"),
        (&["set", "--monthly", "5", "--account", "(other)"], "1 to 100 bytes"),
        (&["set", "--monthly", "5", "--account", "a", "--feature", "b"], "cannot be used with"),
    ] {
        let refused = run(headcount(&[&["budget"][..], arguments, &place].concat()), b"");
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && stderr.contains(said), "{arguments:?}: {stderr}");
    }
    browser.stop().await.unwrap();
    assert!(tokio::task::spawn_blocking(|| serve.stop().success()).await.unwrap());
}
