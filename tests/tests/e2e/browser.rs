//! The script of the collector in a real browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use headcount_tests::browser::Browser;
use serde_json::json;

use crate::collector::total;
use crate::command::{Serve, wait_for};
use crate::http::host;

const KEY: &str = "wk_0123456789abcdef";

/// A page of another origin, which embeds the script. What goes out passes through here first, so that the test sees it.
const PAGE: &str = r#"<!doctype html><title>shop</title><script>
var sent = [], realFetch = fetch, realBeacon = navigator.sendBeacon.bind(navigator);
window.fetch = (...a) => realFetch(...a).then(r => (sent.push(r.status), r));
navigator.sendBeacon = (...a) => (sent.push("beacon"), realBeacon(...a));
</script><script src="COLLECTOR/headcount.js" data-key="KEY" MORE></script>
<script>setTimeout(() => window.lingered = true, 1200)</script>"#;

/// Serves [`PAGE`] on every path, anonymous counting switched on below `/anonymous`, until the test ends. Its origin.
fn pages() -> (String, std::sync::mpsc::Sender<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (send, receive) = std::sync::mpsc::channel::<String>();
    std::thread::spawn(move || {
        let Ok(collector) = receive.recv() else { return };
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&socket).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let more = if first.starts_with("GET /anonymous") { "data-anonymous" } else { "" };
            let page = PAGE.replace("COLLECTOR", &collector).replace("KEY", KEY).replace("MORE", more);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                page.len()
            );
            // A browser may hang up early.
            let _ = socket.write_all(format!("{head}{page}").as_bytes());
        }
    });
    (origin, send)
}

#[tokio::test(flavor = "multi_thread")]
async fn page_views_and_features_of_a_page_show_up_in_the_figures() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, KEY).unwrap();
    let (origin, collector) = pages();
    let serve = Serve::start_with(None, &["--allow-origin", &origin, "--write-keys", &keys.to_string_lossy()]);
    collector.send(format!("http://{}", host(&serve.collector))).unwrap();
    let browser = Browser::start().await.unwrap();

    // Nothing before it is known who it is: not after the linger time, not on leaving.
    browser.open(&format!("{origin}/first")).await.unwrap();
    browser.value("headcount.track('early', {from: 'menu'})").await.unwrap();
    browser.wait_until("window.lingered === true").await.unwrap();
    browser.value("window.dispatchEvent(new Event('pagehide'))").await.unwrap();
    assert_eq!(browser.value("sent").await.unwrap(), json!([]));
    assert_eq!(browser.value("localStorage.length").await.unwrap(), 0);

    // Then all of it, in one request that the page may read.
    browser.value("headcount.identify('user-1')").await.unwrap();
    browser.wait_until("sent.length > 0").await.unwrap();
    assert_eq!(browser.value("sent").await.unwrap(), json!([202]));

    // A page of the same document, a feature, and gone: the browser sends what is left.
    browser.value("history.pushState({}, '', '/second')").await.unwrap();
    browser.value("headcount.track('search')").await.unwrap();
    browser.value("headcount.track('error', {errorType: 'lost'})").await.unwrap();
    browser.open(&format!("{origin}/third")).await.unwrap();

    // The third page never learns who it is; the last one counts people that it does not know.
    browser.open(&format!("{origin}/anonymous")).await.unwrap();
    browser.wait_until("sent.length > 0").await.unwrap();
    browser.stop().await.unwrap();

    tokio::task::spawn_blocking(move || {
        let figures = wait_for(
            "all that was sent is counted",
            || total(&serve),
            |total| total["eventsByType"]["page_view"] == 3 && total["errors"]["total"] == 1,
        );
        assert_eq!(figures["featureUsage"], json!({"early": 1, "search": 1}), "{figures:#}");
        assert_eq!(figures["errors"]["byType"], json!({"lost": 1}));
        assert_eq!(figures["activeUsers"], 1, "an anonymous visitor is no user");
        assert_eq!(figures["platforms"], json!({"web": 6}));
        assert_eq!((&figures["rejected"], &figures["duplicates"]), (&json!(0), &json!(0)));
        assert!(serve.stop().success());
    })
    .await
    .unwrap();
}
