//! What the script for web pages does in a real browser, one behaviour a test: the script that `serve` serves, its collector, and
//! pages of another origin.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use headcount_tests::browser::Browser;
use serde_json::{Value, json};

use crate::command::Serve;
use crate::http::host;

const KEY: &str = "wk_0123456789abcdef";

/// What every page begins with: it keeps what goes out and what the console is told.
const WATCH: &str = r#"<!doctype html><title>page</title><script>
var sent = [], told = [], realFetch = fetch, realBeacon = navigator.sendBeacon.bind(navigator);
window.fetch = (url, given) => realFetch(url, given).then(r => (sent.push({via: "fetch", status: r.status, body: given.body}), r));
navigator.sendBeacon = (url, body) => realBeacon(url, body) && !!sent.push({via: "beacon", status: 202, body});
["warn", "error"].forEach(kind => {
  var old = console[kind];
  console[kind] = (...said) => (told.push(said.join(" ")), old.apply(console, said));
});
var all = () => sent.filter(one => one.status == 202).flatMap(one => JSON.parse(one.body));
var named = name => all().find(event => event.eventData.feature == name);
</script>"#;

/// The script as a page usually embeds it.
const SCRIPT: &str = r#"<script src="SCRIPT_URL" data-key="KEY"></script>"#;

/// A collector, a browser, and a page that is open.
struct World {
    serve: Serve,
    browser: Browser,
}

impl World {
    /// Opens a page that ends with this; `SCRIPT` in it is the script's element.
    async fn open(page: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        std::fs::write(&keys, KEY).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let serve = Serve::start_with(None, &["--allow-origin", &origin, "--write-keys", &keys.to_string_lossy()]);
        let url = format!("http://{}/headcount.js", host(&serve.collector));
        let element = SCRIPT.replace("SCRIPT_URL", &url).replace("KEY", KEY);
        let page = WATCH.to_owned() + &page.replace("SCRIPT_URL", &url).replace("SCRIPT", &element).replace("KEY", KEY);
        serve_page(listener, page);
        let browser = Browser::start().await.unwrap();
        browser.open(&format!("{origin}/first")).await.unwrap();
        Self { serve, browser }
    }

    async fn run(&self, script: &str) {
        self.browser.value(&format!("(() => {{ {script} }})()")).await.unwrap();
    }

    async fn until(&self, expression: &str) {
        if let Err(error) = self.browser.wait_until(expression).await {
            let state = self.browser.value("[sent, told]").await.unwrap();
            panic!("{error:#}\n{state:#}");
        }
    }

    async fn value(&self, expression: &str) -> Value {
        self.browser.value(expression).await.unwrap()
    }

    async fn end(self) {
        self.browser.stop().await.unwrap();
        assert!(self.serve.stop().success());
    }
}

/// Serves the page on every path, until the test ends.
fn serve_page(listener: TcpListener, page: String) {
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            BufReader::new(&socket).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let length = page.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            );
            // A browser may hang up early.
            let _ = socket.write_all(format!("{head}{page}").as_bytes());
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_events_are_sent_in_requests_that_a_browser_allows() {
    let world = World::open("SCRIPT").await;
    world.run("headcount.identify('u'); for (var i = 0; i < 20; i++) headcount.track('error', {errorType: 'T', stack: 'x'.repeat(3400)}); for (i = 0; i < 5; i++) headcount.track('later_' + i)").await;
    world.until("all().length == 26").await;
    assert_eq!(world.value("sent.every(one => one.status == 202 && one.body.length < 65536)").await, true);
    // When the page is left, what is too much for one beacon goes in several.
    world.run("sent = []; for (var i = 0; i < 12; i++) headcount.track('error', {errorType: 'L', stack: 'x'.repeat(3400)}); window.dispatchEvent(new Event('pagehide'))").await;
    world.until("all().length == 12").await;
    assert_eq!(world.value("sent.length > 1 && sent.every(one => one.via == 'beacon')").await, true);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_dropped_with_a_warning_and_holds_nothing_up() {
    let world = World::open("SCRIPT").await;
    world.run("headcount.identify('u'); var ring = {}; ring.ring = ring; headcount.track('click', ring); headcount.track('big', {n: 10n}); headcount.track('huge', {x: 'x'.repeat(70000)}); headcount.track('after')").await;
    world.until("!!named('after')").await;
    let told = world.value("told").await;
    let told: Vec<_> = told.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for (name, why) in [("click", "no JSON"), ("big", "no JSON"), ("huge", "60000 bytes")] {
        assert!(told.iter().any(|line| line.contains(name) && line.contains(why)), "{name}: {told:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_belongs_to_whom_it_happened_to() {
    let world = World::open("SCRIPT").await;
    world.run("headcount.identify('alice'); headcount.track('by_alice'); headcount.track('logout'); headcount.identify(null); headcount.track('between'); headcount.identify('bob'); headcount.track('by_bob')").await;
    world.until("!!named('by_bob')").await;
    let users = world.value("['by_alice', 'logout', 'between', 'by_bob'].map(name => named(name).userId)").await;
    assert_eq!(users, json!(["alice", "alice", "bob", "bob"]));
    assert_eq!(world.value("named('logout').sessionId == named('by_alice').sessionId").await, true);
    assert_eq!(world.value("named('by_bob').sessionId != named('by_alice').sessionId").await, true);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_out_of_the_back_forward_cache_counts_again() {
    let world = World::open("SCRIPT").await;
    world.run("headcount.identify('u')").await;
    world.until("all().length == 1").await;
    world.run("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: false}))").await;
    world
        .run("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true})); headcount.track('end')")
        .await;
    world.until("!!named('end')").await;
    assert_eq!(world.value("all().filter(event => event.eventType == 'page_view').length").await, 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prerendered_page_counts_when_it_is_shown() {
    let page =
        "<script>Object.defineProperty(document, 'prerendering', {value: true, configurable: true})</script>SCRIPT";
    let world = World::open(page).await;
    world.run("headcount.identify('u'); headcount.track('meanwhile')").await;
    world.until("!!named('meanwhile')").await;
    assert_eq!(world.value("all().length").await, 1, "it was not looked at yet");
    world.run("Object.defineProperty(document, 'prerendering', {value: false}); document.dispatchEvent(new Event('prerenderingchange'))").await;
    world.until("all().some(event => event.eventType == 'page_view')").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_copy_does_nothing() {
    let world = World::open("<p id=headcount></p>SCRIPT SCRIPT").await;
    world.run("headcount.identify('u'); history.pushState({}, '', '/second'); headcount.track('end')").await;
    world.until("!!named('end')").await;
    assert_eq!(world.value("all().map(event => event.eventData.path || '')").await, json!(["/first", "/second", ""]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hash_routes_are_pages_where_they_are_asked_for() {
    let world = World::open(r#"<script src="SCRIPT_URL" data-key="KEY" data-hash></script>"#).await;
    world.run("headcount.identify('u'); location.hash = '#/cart'").await;
    world.until("all().some(event => event.eventData.path == '/first#/cart')").await;
    world.end().await;
    let world = World::open("SCRIPT").await;
    world.run("headcount.identify('u'); addEventListener('hashchange', () => headcount.track('end')); location.hash = '#top'").await;
    world.until("!!named('end')").await;
    assert_eq!(world.value("all().length").await, 2, "one page, and what was tracked");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_into_the_storage_does_no_harm() {
    let world = World::open("SCRIPT").await;
    world.run("headcount.identify('u')").await;
    for (number, foreign) in
        ["null", "7", "[]", "no json", r#"{"s":5,"t":"x"}"#, r#"{"s":"","t":1e999}"#, r#"{"s":{},"a":[],"t":0}"#]
            .iter()
            .enumerate()
    {
        let foreign = json!(foreign);
        world.run(&format!("localStorage.headcount = {foreign}; headcount.track('after_{number}')")).await;
        world.until(&format!("!!named('after_{number}')")).await;
        let session = world.value(&format!("named('after_{number}').sessionId")).await;
        assert_eq!(session.as_str().map(str::len), Some(36), "{foreign}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_storage_is_blocked_the_page_remembers_by_itself() {
    let blocked = "<script>Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})</script>";
    let world =
        World::open(&format!(r#"{blocked}<script src="SCRIPT_URL" data-key="KEY" data-anonymous></script>"#)).await;
    world.run("headcount.track('one'); headcount.track('two')").await;
    world.until("!!named('two')").await;
    for same in ["sessionId", "anonymousId"] {
        assert_eq!(
            world.value(&format!("named('one').{same} == named('two').{same} && named('one').{same}.length")).await,
            36
        );
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_manager_that_strips_attributes_sees_an_error_and_can_set_them() {
    // As a tag manager does: an element of its own making without attributes, and no element at all.
    for embed in [
        "<script>document.head.append(Object.assign(document.createElement('script'), {src: 'SCRIPT_URL'}))</script>",
        "<script>realFetch('SCRIPT_URL').then(r => r.text()).then(text => setTimeout(text))</script>",
    ] {
        let world = World::open(embed).await;
        world.until("!!window.headcount").await;
        world.run("headcount.identify('u'); headcount.track('lost')").await;
        world.until("told.some(line => line.includes('headcount: ') && /write key|init/.test(line))").await;
        world
            .run(
                "headcount.init({url: 'SCRIPT_URL', key: 'KEY', anonymous: false}); headcount.track('found')"
                    .replace("SCRIPT_URL", &format!("http://{}/headcount.js", host(&world.serve.collector)))
                    .replace("KEY", KEY)
                    .as_str(),
            )
            .await;
        world.until("!!named('found')").await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_days_off_costs_no_event() {
    let wrong = "<script>var now = Date.now; Date.now = () => now() - 30 * 864e5</script>";
    let world = World::open(&format!("{wrong}SCRIPT")).await;
    world.run("headcount.identify('u'); headcount.track('late')").await;
    world.until("!!named('late')").await;
    assert_eq!(world.value("sent.every(one => one.status == 202)").await, true);
    world.end().await;
}
