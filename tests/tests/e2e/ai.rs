//! A day of requests to language models: the page, the command, the API and its CSV against a naive count, live and proven.

use std::collections::BTreeMap;

use headcount_core::latency::RELATIVE_ERROR;
use headcount_tests::browser::Browser;
use serde_json::{Value, json};

use crate::command::{Serve, expect, headcount, json as ask, run, wait_for};

/// Models with their prices in nano-dollars a token, in, cached and out, and two that no table has.
const MODELS: [(&str, Option<[u64; 3]>); 5] = [
    ("gpt-4o", Some([2_500, 1_250, 10_000])),
    ("claude-sonnet-4-5", Some([3_000, 300, 15_000])),
    ("gemini-2.5-flash", Some([300, 30, 2_500])),
    ("house-model-1", None),
    ("house-model-2", None),
];

const REQUESTS: usize = 600;

/// Rows of one of the page's tables: the name and the numbers behind what is shown.
const ROWS: &str = "Object.fromEntries([...document.querySelectorAll('#ID tbody tr')].map(row => [row.cells[0].textContent, \
     [...row.cells].filter(cell => cell.dataset.value !== undefined).map(cell => Number(cell.dataset.value))]))";

/// What is counted of a model, an account, a feature or a user.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counted {
    requests: u64,
    tokens: u64,
    nanos: u64,
    failed: u64,
    unpriced: u64,
    latencies: Vec<u64>,
}

impl Counted {
    /// Nearest rank.
    fn percentile(&self, percent: usize) -> u64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or(0)
    }
}

/// By kind and name.
type Naive = BTreeMap<(&'static str, String), Counted>;

/// The day's events, one a line, and what they come to.
fn day(random: &mut fastrand::Rng) -> (String, Naive) {
    let (mut lines, mut naive) = (String::new(), Naive::new());
    let now = chrono::Utc::now().timestamp_millis();
    for n in 0..REQUESTS {
        let (model, price) = MODELS[random.usize(..MODELS.len())];
        let (fresh, cached, output) = (random.u64(1..5_000), random.u64(0..5_000), random.u64(0..800));
        let usage = match model {
            "claude-sonnet-4-5" => {
                json!({"input_tokens": fresh, "cache_read_input_tokens": cached, "output_tokens": output})
            }
            "gemini-2.5-flash" => json!({
                "promptTokenCount": fresh + cached, "cachedContentTokenCount": cached, "candidatesTokenCount": output,
            }),
            _ => json!({
                "prompt_tokens": fresh + cached, "completion_tokens": output,
                "prompt_tokens_details": {"cached_tokens": cached},
            }),
        };
        let stated = (random.u8(..10) == 0).then(|| random.u64(1..1_000));
        let latency = (random.u8(..8) > 0).then(|| random.u64(5..20_000));
        let has_failed = random.u8(..9) == 0;
        let account = (random.u8(..6) > 0).then(|| ["acme", "zenith", "initech"][random.usize(..3)]);
        let feature = (random.u8(..4) > 0).then(|| ["chat", "summary"][random.usize(..2)]);
        let user = format!("user-{}", random.u32(..30));
        lines += &json!({
            "eventId": format!("ai-{n}"), "userId": user, "sessionId": format!("of-{user}"), "accountId": account,
            "eventType": "ai_request", "timestamp": now,
            "eventData": {
                "model": model, "usage": usage, "feature": feature, "latencyMs": latency,
                "cost": stated.map(|micros| micros as f64 / 1e6), "errorType": has_failed.then_some("timeout"),
            },
            "metadata": {"userAgent": "test", "ipAddress": "203.0.113.9", "platform": "backend"},
        })
        .to_string();
        lines.push('\n');
        let priced = price.map(|[input, of_cache, out]| fresh * input + cached * of_cache + output * out);
        let nanos = stated.map(|micros| micros * 1_000).or(priced);
        let named = [("model", Some(model)), ("account", account), ("feature", feature), ("user", Some(&*user))];
        for (kind, name) in named.into_iter().filter_map(|(kind, name)| Some((kind, name?))) {
            let counted = naive.entry((kind, name.to_owned())).or_default();
            counted.requests += 1;
            counted.tokens += fresh + cached + output;
            counted.nanos += nanos.unwrap_or(0);
            counted.failed += u64::from(has_failed);
            counted.unpriced += u64::from(nanos.is_none());
            counted.latencies.extend(latency);
        }
    }
    (lines, naive)
}

/// The part of the naive count that is of one kind.
fn of_kind<'a>(naive: &'a Naive, kind: &str) -> BTreeMap<&'a str, &'a Counted> {
    naive.iter().filter(|((known, _), _)| *known == kind).map(|((_, name), counted)| (&**name, counted)).collect()
}

/// Whether a duration is the exact one, or within the stated error of it.
fn is_near(is: u64, exact: u64, error: f64) -> bool {
    is.abs_diff(exact) as f64 <= error * exact as f64
}

/// Compares a report of `headcount ai` with the naive count; `error` is how far latencies may be off.
fn check(report: &Value, naive: &Naive, error: f64) {
    assert_eq!(report["latencyRelativeError"], json!(error));
    assert_eq!(report["activeAccounts"], json!(3));
    for (kind, field) in [("model", "models"), ("account", "accounts"), ("feature", "features"), ("user", "users")] {
        let (wanted, found) = (of_kind(naive, kind), report[field].as_array().expect("a list"));
        assert_eq!(found.len(), wanted.len(), "{field}");
        let costs: Vec<u64> = found.iter().map(|one| one["costNanos"].as_u64().expect("a number")).collect();
        assert!(costs.is_sorted_by(|more, less| more >= less), "{field}: {costs:?}");
        for one in found {
            let counted = wanted[one["name"].as_str().expect("a name")];
            let is = [&one["requests"], &one["tokens"], &one["costNanos"]].map(Value::as_u64);
            assert_eq!(is, [counted.requests, counted.tokens, counted.nanos].map(Some), "{one}");
            if kind == "model" {
                let (failed, unpriced, latency) = (&one["errors"], &one["unpriced"], &one["latency"]);
                assert_eq!(
                    [failed, unpriced].map(Value::as_u64),
                    [counted.failed, counted.unpriced].map(Some),
                    "{one}"
                );
                assert_eq!(latency["count"], json!(counted.latencies.len()), "{one}");
                for (name, percent) in [("p50", 50), ("p95", 95)] {
                    let exact = counted.percentile(percent);
                    assert!(is_near(latency[name].as_u64().unwrap(), exact, error), "{one}: {name} is {exact}");
                }
            }
        }
    }
    let models = of_kind(naive, "model");
    for (field, sum) in [
        ("requests", models.values().map(|one| one.requests).sum::<u64>()),
        ("tokens", models.values().map(|one| one.tokens).sum()),
        ("costNanos", models.values().map(|one| one.nanos).sum()),
        ("failedRequests", models.values().map(|one| one.failed).sum()),
        ("unpricedRequests", models.values().map(|one| one.unpriced).sum()),
    ] {
        assert_eq!(report[field], json!(sum), "{field}");
    }
    assert!(report["unpricedRequests"].as_u64() > Some(0));
}

/// Lines of the API's CSV by kind and name, as the report has them.
fn check_csv(text: &str, report: &Value) {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let columns = lines.next().expect("a header");
    let lines: Vec<BTreeMap<&str, &str>> = lines.map(|cells| columns.iter().copied().zip(cells).collect()).collect();
    let mut count = 0;
    for (kind, field) in [("model", "models"), ("account", "accounts"), ("feature", "features"), ("user", "users")] {
        for one in report[field].as_array().expect("a list") {
            let is_it =
                |line: &&BTreeMap<&str, &str>| line["kind"] == kind && Some(line["name"]) == one["name"].as_str();
            let line = lines.iter().find(is_it).unwrap_or_else(|| panic!("{kind} {one} is in\n{text}"));
            for name in ["requests", "tokens", "costNanos"] {
                assert_eq!(line[name], one[name].to_string(), "{line:?}");
            }
            if kind == "model" {
                assert_eq!(line["latency.p95"], one["latency"]["p95"].to_string(), "{line:?}");
                assert_eq!(line["unpriced"], one["unpriced"].to_string(), "{line:?}");
            }
            count += 1;
        }
    }
    assert_eq!(lines.len(), count, "nothing else");
}

async fn check_page(browser: &Browser, site: &str, report: &Value) {
    browser.open(&format!("{site}/?last=1d")).await.unwrap();
    browser.wait_until("document.querySelectorAll('#models tbody tr').length === 5").await.unwrap();
    let rows = |list: &Value, of: fn(&Value) -> Value| {
        let shown = list.as_array().expect("a list").iter().take(20);
        Value::Object(shown.map(|one| (one["name"].as_str().expect("a name").to_owned(), of(one))).collect())
    };
    let spent = |one: &Value| json!([one["requests"], one["tokens"], one["costNanos"]]);
    let model = |one: &Value| {
        let (latency, unpriced) = (&one["latency"], &one["unpriced"]);
        json!([
            one["requests"],
            one["tokens"],
            one["costNanos"],
            one["errors"],
            latency["p50"],
            latency["p95"],
            unpriced
        ])
    };
    for (id, wanted) in [
        ("models", rows(&report["models"], model)),
        ("ai-accounts", rows(&report["accounts"], spent)),
        ("ai-features", rows(&report["features"], spent)),
        ("ai-users", rows(&report["users"], spent)),
    ] {
        assert_eq!(browser.value(&ROWS.replace("ID", id)).await.unwrap(), wanted, "#{id}");
    }
    let accounts = "document.querySelector('[data-figure=activeAccounts]').dataset.value";
    assert_eq!(browser.value(accounts).await.unwrap(), json!("3"));
    browser.wait_until("!document.getElementById('accounts-section').hidden").await.unwrap();
}

pub(crate) fn body(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        crate::dashboard::whole(body)
    } else {
        body.to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_language_models_cost_is_the_same_everywhere_and_exact_once_proven() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let (lines, naive) = day(&mut fastrand::Rng::with_seed(seed));
    let serve = Serve::start(None);
    let site = serve.http.trim_end_matches("/healthz").to_owned();
    serve.send(0, lines.as_bytes());
    let api = |path: &str| -> Value { serde_json::from_str(&body(&serve.get(path))).expect("JSON") };
    let asked = || api("/api/ai?last=1d");
    let live = wait_for("all is counted", asked, |report| report["requests"] == json!(REQUESTS));
    check(&live, &naive, RELATIVE_ERROR);

    let cli = ["ai", "--last", "1d", "--dynamodb-endpoint", &serve.dynamodb];
    assert_eq!(ask(0, &[&cli[..], &["--json"]].concat(), b"")["models"], live["models"]);
    check_csv(&body(&serve.get("/api/ai?last=1d&format=csv")), &live);
    let browser = Browser::start().await.unwrap();
    check_page(&browser, &site, &live).await;

    expect(0, &[&["prove"][..], &serve.places()].concat(), b"");
    let proven = wait_for("the proof is seen", asked, |report| report["latencyRelativeError"] == json!(0.0));
    check(&proven, &naive, 0.0);
    let told = ask(0, &[&cli[..], &["--json"]].concat(), b"");
    for field in ["models", "accounts", "features", "users", "costNanos", "unpricedRequests"] {
        assert_eq!(told[field], proven[field], "{field}");
    }
    check_csv(&expect(0, &[&cli[..], &["--csv"]].concat(), b""), &proven);
    check_page(&browser, &site, &proven).await;
    let shown = expect(0, &cli, b"");
    for text in ["house-model-2", "acme", "summary", "--prices"] {
        assert!(shown.contains(text), "{text} is in\n{shown}");
    }

    // The stored event says by which table it was priced, and the log alone gives the same figures.
    let report = ask(
        0,
        &[&["report", "--json", "--arrived"][..], &[&chrono::Utc::now().to_rfc3339()], &logged(&serve)].concat(),
        b"",
    );
    assert_eq!(report["total"]["aiUsage"]["totalCostNanos"], proven["costNanos"]);
    browser.stop().await.unwrap();
    assert!(tokio::task::spawn_blocking(|| serve.stop().success()).await.unwrap());
}

/// The entries of the log.
fn logged(serve: &Serve) -> Vec<&'static str> {
    let mut files = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(&serve.log).join("log")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                files.push(&*entry.into_os_string().into_string().expect("text").leak());
            }
        }
    }
    files
}

#[test]
fn a_table_of_your_own_prices_what_is_accepted_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let prices = folder.path().join("december.json");
    let entry = json!({"input_cost_per_token": 2e-6, "output_cost_per_token": 1e-5});
    std::fs::write(&prices, json!({"house-model-1": entry}).to_string()).expect("it can be written");
    let prices = prices.to_str().expect("text");
    let serve = Serve::start_with(None, &["--prices", prices]);
    let event = |model: &str| {
        json!({
            "eventId": model, "userId": "ann", "eventType": "ai_request", "timestamp": chrono::Utc::now().timestamp_millis(),
            "eventData": {"model": model, "inputTokens": 1_000, "outputTokens": 10},
            "metadata": {"userAgent": "test", "ipAddress": "203.0.113.9", "platform": "backend"},
        })
        .to_string()
    };
    // The table takes the place of the shipped one as a whole.
    let lines = [event("house-model-1"), event("gpt-4o")].join("\n");
    serve.send(0, lines.as_bytes());
    let api = |path: &str| -> Value { serde_json::from_str(&body(&serve.get(path))).expect("JSON") };
    let report = wait_for("both are counted", || api("/api/ai?last=1d"), |report| report["requests"] == json!(2));
    assert_eq!((&report["costNanos"], &report["unpricedRequests"]), (&json!(2_100_000), &json!(1)));
    let events = wait_for(
        "both are items",
        || api("/api/users/ann/events?last=1d")["events"].clone(),
        |events| events.as_array().is_some_and(|events| events.len() == 2),
    );
    for event in events.as_array().expect("a list") {
        let by = event["pricedBy"].as_str();
        assert_eq!(by.is_some_and(|by| by.starts_with("december-")), event["eventId"] == "house-model-1", "{event}");
    }

    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, &lines).expect("it can be written");
    let report = ask(0, &["report", file.to_str().expect("text"), "--json", "--prices", prices], b"");
    assert_eq!(report["total"]["aiUsage"]["totalCostNanos"], json!(2_100_000));
    let shipped = ask(0, &["report", file.to_str().expect("text"), "--json"], b"");
    assert_eq!(shipped["total"]["aiUsage"]["totalCostNanos"], json!(1_000 * 2_500 + 10 * 10_000));

    std::fs::write(folder.path().join("none.json"), "[]").expect("it can be written");
    let none = folder.path().join("none.json");
    let refused =
        run(headcount(&["report", file.to_str().expect("text"), "--prices", none.to_str().expect("text")]), b"");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("none.json") && said.contains("LiteLLM"), "{said}");
    assert!(serve.stop().success());
}
