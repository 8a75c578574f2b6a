//! The dashboard in a real browser: what it shows is what the API says, it moves by itself, and the keyboard reaches all.

use std::path::PathBuf;

use fantoccini::Locator;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::key::Key;
use headcount_tests::browser::Browser;
use serde_json::{Value, json};

use crate::command::{Serve, binary, expect};

/// Whether the page shows the range of its address, and nothing is being asked for.
const SETTLED: &str = "document.getElementById('main').ariaBusy === 'false' \
     && document.getElementById('main').dataset.range === String(new URLSearchParams(location.search))";

/// A name that would do something, were it read as markup.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// Figures of the page by name.
const SHOWN: &str = "Object.fromEntries([...document.querySelectorAll('#figures [data-figure]')]\
     .map(one => [one.dataset.figure, Number(one.dataset.value)]))";

/// Ranked lists of the page: by section, each name and its count.
const LISTED: &str = "Object.fromEntries(['features', 'content', 'errors', 'platforms', 'types'].map(id => [id, \
     Object.fromEntries([...document.querySelectorAll(`#${id} li`)].map(one => [one.dataset.name, Number(one.dataset.value)]))]))";

fn event(id: &str, user: &str, kind: &str, data: &Value) -> String {
    let metadata = json!({"userAgent": "test", "ipAddress": "203.0.113.9", "platform": "web"});
    let now = chrono::Utc::now().timestamp_millis();
    let session = format!("of-{user}");
    json!({
        "eventId": id, "userId": user, "sessionId": session, "eventType": kind, "timestamp": now, "eventData": data,
        "metadata": metadata,
    })
    .to_string()
}

/// What `/api` answers.
fn api(serve: &Serve, path: &str) -> Value {
    let answer = serve.get(path);
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    let body =
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { whole(body) } else { body.to_owned() };
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}\n{body}"))
}

/// The text of a chunked body.
fn whole(mut chunks: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk begins with its size");
        text.push_str(&rest[..size]);
        chunks = &rest[size + 2..];
        if size == 0 {
            break;
        }
    }
    text
}

fn counts(of: &Value) -> Value {
    let items = of
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["name"].as_str().unwrap().to_owned(), one["count"].clone()));
    Value::Object(items.collect())
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().expect("counts by name").values().filter_map(Value::as_u64).sum()
}

/// Without what was never counted.
fn counted(counts: &Value) -> Value {
    Value::Object(
        counts
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, count)| **count != 0)
            .map(|(name, count)| (name.clone(), count.clone()))
            .collect(),
    )
}

/// Everything on the page is what the API says of the range.
async fn check(browser: &Browser, serve: &Serve, query: &str) -> Value {
    browser.wait_until(SETTLED).await.unwrap();
    let metrics = api(serve, &format!("/api/metrics?{query}&compare=true"));
    let features = api(serve, &format!("/api/features?{query}"));
    let (total, ai) = (&metrics["total"], api(serve, &format!("/api/ai?{query}")));
    let shown = browser.value(SHOWN).await.unwrap();
    let close = |name: &str, value: &Value| {
        let (shown, value) = (shown[name].as_f64().expect(name), value.as_f64().expect(name));
        assert!((shown - value).abs() < 1e-6, "{query}: {name} is {shown}, the API says {value}");
    };
    close("activeUsers", &total["activeUsers"]);
    close("totalUsers", &total["totalUsers"]);
    close("newSignups", &total["newSignups24h"]);
    close("sessions", &total["sessions"]["count"]);
    close("averageSessionDuration", &total["averageSessionDuration"]);
    close("events", &sum(&total["eventsByType"]).into());
    close("aiCost", &total["aiUsage"]["totalCost"]);
    close("errors", &total["errors"]["total"]);
    close("rejected", &total["rejected"]);
    let listed = browser.value(LISTED).await.unwrap();
    assert_eq!(listed["features"], counted(&counts(&features["features"])), "{query}");
    assert_eq!(listed["content"], counted(&counts(&features["content"])), "{query}");
    assert_eq!(listed["errors"], counted(&total["errors"]["byType"]), "{query}");
    assert_eq!(listed["platforms"], counted(&total["platforms"]), "{query}");
    assert_eq!(listed["types"], counted(&total["eventsByType"]), "{query}");
    let requests =
        browser.value("document.querySelector('[data-figure=\"ai Requests\"]').dataset.value").await.unwrap();
    assert_eq!(requests, ai["requests"].to_string(), "{query}");
    let days = browser.value("document.querySelectorAll('#active tbody tr').length").await.unwrap();
    assert_eq!(days, metrics["days"].as_array().unwrap().len(), "{query}: a row of the table for each day");
    shown
}

async fn click(browser: &Browser, css: &str) {
    browser
        .window()
        .find(Locator::Css(css))
        .await
        .unwrap_or_else(|error| panic!("{css}: {error}"))
        .click()
        .await
        .unwrap();
}

/// Presses a key, wherever the focus is.
async fn press(browser: &Browser, key: Key) {
    let value = char::from(key);
    let strokes = KeyActions::new("keyboard".to_owned()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
    browser.window().perform_actions(strokes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_the_api_says_and_moves_by_itself() {
    let serve = Serve::start(None);
    let site = serve.http.trim_end_matches("/healthz").to_owned();
    let browser = Browser::start().await.unwrap();

    // Nothing yet: the page says how to begin.
    browser.open(&format!("{site}/")).await.unwrap();
    browser.wait_until("document.getElementById('empty').checkVisibility()").await.unwrap();

    // The first events: the page that is open shows them, and has not been loaded again.
    browser.value("window.opened = true").await.unwrap();
    let generated =
        expect(0, &["generate", "--events", "3000", "--days", "9", "--users", "200", "--invalid", "0.02"], b"");
    let markup = event("markup", "user-of-markup", "feature_use", &json!({"feature": MARKUP}));
    serve.send(1, format!("{generated}{markup}\n").as_bytes());
    browser.wait_until("!document.getElementById('empty').checkVisibility()").await.unwrap();
    assert_eq!(browser.value("window.opened").await.unwrap(), true);

    // Every range, by its link and by its form.
    let today = api(&serve, "/api/metrics?last=1d")["today"].as_str().unwrap().to_owned();
    let mut seen = Vec::new();
    for last in ["1d", "7d", "30d", "90d"] {
        click(&browser, &format!("#ranges a[data-last='{last}']")).await;
        seen.push(check(&browser, &serve, &format!("last={last}")).await);
        assert_eq!(browser.value("location.search").await.unwrap(), format!("?last={last}"));
    }
    assert!(seen[0]["events"] != seen[1]["events"] && seen[1]["events"] != seen[2]["events"], "{seen:?}");
    let day: chrono::NaiveDate = today.parse().unwrap();
    let (from, to) = (day - chrono::Days::new(5), day - chrono::Days::new(2));
    let fill = format!("document.forms.custom.from.value = '{from}', document.forms.custom.to.value = '{to}'");
    browser.value(&fill).await.unwrap();
    click(&browser, "#custom button").await;
    check(&browser, &serve, &format!("from={from}&to={to}")).await;
    browser.window().back().await.unwrap();
    check(&browser, &serve, "last=90d").await;

    // A new event moves today's figures.
    click(&browser, "#ranges a[data-last='1d']").await;
    let before = check(&browser, &serve, "last=1d").await;
    serve.send(0, event("late-comer", "user-late", "page_view", &json!({})).as_bytes());
    let expected = before["events"].as_u64().unwrap() + 1;
    browser.wait_until(&format!("({SHOWN}).events === {expected}")).await.unwrap();
    assert_eq!(browser.value("window.opened").await.unwrap(), true);

    // What was rejected, with its reasons, and what one user did.
    browser.wait_until("document.querySelectorAll('#rejected tbody tr li').length > 0").await.unwrap();
    let user = browser.window().find(Locator::Css("#user input")).await.unwrap();
    user.send_keys("user-of-markup").await.unwrap();
    press(&browser, Key::Enter).await;
    browser.wait_until("document.querySelectorAll('#timeline tbody tr').length === 1").await.unwrap();
    assert_eq!(browser.value("document.querySelectorAll('main img').length").await.unwrap(), 0, "names are no markup");

    keyboard(&browser).await;
    pictures(&browser).await;

    let foreign = format!(
        "performance.getEntriesByType('resource').map(one => one.name).filter(name => !name.startsWith('{site}/'))"
    );
    assert_eq!(browser.value(&foreign).await.unwrap(), json!([]), "nobody else is asked");
    assert_eq!(browser.console().await.unwrap(), json!([]), "the console is empty");
    browser.stop().await.unwrap();
    assert!(tokio::task::spawn_blocking(|| serve.stop().success()).await.unwrap());
}

/// The keyboard alone reaches and works everything.
async fn keyboard(browser: &Browser) {
    let reachable = "[...document.querySelectorAll('a, button, input, summary, [tabindex=\"0\"]')]\
         .filter(one => one.checkVisibility() && !one.closest('details:not([open]) > :not(summary)'))";
    browser
        .value(&format!("{reachable}.forEach((one, n) => one.dataset.stop = n), document.activeElement.blur()"))
        .await
        .unwrap();
    let stops = browser.value(&format!("{reachable}.length")).await.unwrap().as_u64().unwrap();
    // A date's field has four stops of its own.
    for _ in 0..stops * 2 {
        press(browser, Key::Tab).await;
        browser.value("(window.reached ??= new Set()).add(document.activeElement.dataset.stop)").await.unwrap();
    }
    let missed = format!("{reachable}.filter(one => !window.reached.has(one.dataset.stop)).map(one => one.outerHTML)");
    assert_eq!(browser.value(&missed).await.unwrap(), json!([]), "the Tab key reaches all");

    browser.value("document.querySelector('#hours .plot').focus()").await.unwrap();
    for (key, begins) in [(Key::Home, "00:00"), (Key::Right, "01:00"), (Key::End, "23:00"), (Key::Left, "22:00")] {
        press(browser, key).await;
        browser
            .wait_until(&format!(
                "document.querySelector('#hours .reading').textContent.startsWith('{begins}: Events ')"
            ))
            .await
            .unwrap();
    }
    browser.value("document.querySelector(\"#ranges a[data-last='7d']\").focus()").await.unwrap();
    press(browser, Key::Enter).await;
    browser.wait_until("location.search === '?last=7d'").await.unwrap();
    browser.wait_until(SETTLED).await.unwrap();
}

/// Pictures for people to look at: light, dark, and as on a phone.
async fn pictures(browser: &Browser) {
    let folder: PathBuf =
        binary().parent().and_then(|profile| profile.parent()).expect("a target folder").join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, width, scheme) in [("light", 1_200, "light"), ("dark", 1_200, "dark"), ("phone", 400, "light")] {
        browser.prefer(scheme).await.unwrap();
        browser.window().set_window_size(width, 1_000).await.unwrap();
        browser.wait_until("document.documentElement.scrollWidth <= innerWidth").await.unwrap();
        let height = browser.value("document.documentElement.scrollHeight").await.unwrap().as_u64().unwrap();
        browser.window().set_window_size(width, u32::try_from(height).unwrap() + 200).await.unwrap();
        let picture = browser.window().screenshot().await.unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
        std::fs::write(folder.join(format!("dashboard-{name}.png")), picture).unwrap();
    }
}
