//! The dashboard in a real browser: what it shows is what the API says, it moves by itself, and the keyboard reaches all.

use std::path::PathBuf;
use std::time::Instant;

use fantoccini::Locator;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::key::Key;
use headcount_tests::browser::{Browser, PATIENCE};
use serde_json::{Map, Value, json};

use crate::command::{Serve, binary, expect, json as ask, wait_for};

/// Whether the page shows the range of its address, and nothing is being asked for.
const SETTLED: &str = "document.getElementById('main').ariaBusy === 'false' \
     && document.getElementById('main').dataset.range === String(new URLSearchParams(location.search))";

/// Lets the page ask again, as when somebody goes back to its address.
const LOOK: &str = "dispatchEvent(new PopStateEvent('popstate'))";

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
pub(crate) fn whole(mut chunks: &str) -> String {
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

/// Waits until everything on the page is what the API says of the range: both move, and ask at different moments.
/// The figures of the page by name.
async fn check(browser: &Browser, serve: &Serve, query: &str) -> Value {
    let started = Instant::now();
    loop {
        browser.wait_until(SETTLED).await.unwrap();
        let [shown, said] = [shown(browser).await, said(serve, query)];
        if shown == said {
            return shown["figures"].clone();
        }
        assert!(started.elapsed() < PATIENCE, "{query}: the page shows {shown:#}\nthe API says {said:#}");
        // Of a long range the page looks for what is new every two minutes: it is told to look now.
        browser.value(LOOK).await.unwrap();
    }
}

/// What the page shows.
async fn shown(browser: &Browser) -> Value {
    let figures = browser.value(SHOWN).await.unwrap();
    json!({
        "figures": figures.as_object().unwrap().iter().map(rounded).collect::<Map<_, _>>(),
        "lists": browser.value(LISTED).await.unwrap(),
        "requests": browser.value("document.querySelector('[data-figure=\"ai Requests\"]').dataset.value").await.unwrap(),
        "days": browser.value("document.querySelectorAll('#active tbody tr').length").await.unwrap(),
    })
}

/// What the API says, in the form of [`shown`].
fn said(serve: &Serve, query: &str) -> Value {
    let metrics = api(serve, &format!("/api/metrics?{query}&compare=true"));
    let features = api(serve, &format!("/api/features?{query}"));
    let (total, ai) = (&metrics["total"], api(serve, &format!("/api/ai?{query}")));
    let figures = json!({
        "activeUsers": total["activeUsers"],
        "totalUsers": total["totalUsers"],
        "newSignups": total["newSignups24h"],
        "sessions": total["sessions"]["count"],
        "averageSessionDuration": total["averageSessionDuration"],
        "events": sum(&total["eventsByType"]),
        "aiCost": total["aiUsage"]["totalCost"],
        "errors": total["errors"]["total"],
        "rejected": total["rejected"],
    });
    json!({
        "figures": figures.as_object().unwrap().iter().map(rounded).collect::<Map<_, _>>(),
        "lists": {
            "features": counted(&counts(&features["features"])),
            "content": counted(&counts(&features["content"])),
            "errors": counted(&total["errors"]["byType"]),
            "platforms": counted(&total["platforms"]),
            "types": counted(&total["eventsByType"]),
        },
        "requests": ai["requests"].to_string(),
        // A row of the table for each.
        "days": metrics["days"].as_array().unwrap().len(),
    })
}

/// A figure to six places: JavaScript writes numbers in its own way.
fn rounded((name, figure): (&String, &Value)) -> (String, Value) {
    (name.clone(), ((figure.as_f64().expect(name) * 1e6).round() / 1e6).into())
}

fn generate(options: &[&str]) -> String {
    expect(0, &[&["generate", "--users", "200"], options].concat(), b"")
}

/// Imports 45 days that end before those that the page asked for at first, which the server keeps for a minute; how
/// many events it were.
fn import(serve: &Serve) -> u64 {
    let end = (chrono::Utc::now() - chrono::Days::new(15)).to_rfc3339();
    let plan = ["--events", "600", "--days", "45", "--seed", "2", "--invalid", "0", "--duplicates", "0", "--end", &end];
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), generate(&plan)).expect("it can be written");
    let path = file.path().to_str().expect("the name is text");
    let done = ask(0, &[&["import", path, "--json"][..], &serve.places()].concat(), b"");
    done["appended"].as_u64().expect("a count")
}

/// Events that the figures know of, whatever became of them.
fn seen(total: &Value) -> u64 {
    let apart = ["rejected", "duplicates"].map(|name| total[name].as_u64().expect("a count"));
    sum(&total["eventsByType"]) + apart.iter().sum::<u64>()
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
    let recent = generate(&["--events", "2000", "--days", "5", "--seed", "1", "--invalid", "0.02"]);
    let markup = event("markup", "user-of-markup", "feature_use", &json!({"feature": MARKUP}));
    let sent = serve.send(1, format!("{recent}{markup}\n").as_bytes());
    browser.wait_until("!document.getElementById('empty').checkVisibility()").await.unwrap();
    assert_eq!(browser.value("window.opened").await.unwrap(), true);

    // With a history, so that each range has more than the one before it.
    let imported = import(&serve);
    let all = imported + sent["sent"].as_u64().unwrap();
    wait_for("all is counted", || api(&serve, "/api/metrics?last=90d")["total"].clone(), |total| seen(total) == all);

    // Every range, by its link and by its form.
    let mut events = Vec::new();
    for last in ["1d", "7d", "30d", "90d"] {
        click(&browser, &format!("#ranges a[data-last='{last}']")).await;
        events.push(check(&browser, &serve, &format!("last={last}")).await["events"].as_f64().unwrap());
        assert_eq!(browser.value("location.search").await.unwrap(), format!("?last={last}"));
    }
    assert!(events.is_sorted_by(|shorter, longer| shorter < longer), "{events:?}");
    let today = api(&serve, "/api/metrics?last=1d")["today"].as_str().unwrap().to_owned();
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
    let expected = before["events"].as_f64().unwrap() + 1.0;
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
