//! Who is let in by the ports of `headcount serve`: no web page of another origin, no page whose name was made to point here, and
//! from other machines only SDKs with the key pair.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use headcount_tests::browser::Browser;
use serde_json::{Value, json};

use crate::command::{Serve, expect, headcount, run, wait_for};
use crate::http::host;
use crate::sample::{days, event, lines, noon};

/// A name of a site that resolves to this machine, in the browser of these tests.
const REBOUND: &str = "attacker.example";

/// What a page tries at one address: to read, to write and to delete, in every way that browsers let it. What it could read comes
/// back.
const ATTACK: &str = r#"async (base) => {
  const sdk = (service, operation, body) => ({
    method: "POST",
    headers: {
      "X-Amz-Target": service + "." + operation, "X-Amz-Date": "20261124T000000Z",
      "Content-Type": "application/x-amz-json-1.0",
      "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/any/aws4_request, SignedHeaders=host, Signature=0",
    },
    body: JSON.stringify(body),
  });
  const dynamo = (operation, body) => sdk("DynamoDB_20120810", operation, body);
  const kinesis = (operation, body) => sdk("Kinesis_20131202", operation, body);
  const stream = {StreamName: "headcount-events"}, table = {TableName: "headcount"};
  const event = JSON.stringify({eventId: "forged", userId: "forged", sessionId: "s", eventType: "page_view",
    metadata: {platform: "web"}});
  const simple = body => ({method: "POST", body, mode: "no-cors"});
  const tries = [
    ["/", {}], ["/", {mode: "no-cors"}], ["/", {method: "OPTIONS"}], ["/", {method: "DELETE"}],
    ["/", dynamo("Scan", table)], ["/", dynamo("ListTables", {})], ["/", dynamo("DeleteTable", table)],
    ["/", dynamo("PutItem", {...table, Item: {PK: {S: "USER#forged"}, SK: {S: "PROFILE"}}})],
    ["/", kinesis("ListStreams", {})], ["/", kinesis("DeleteStream", stream)],
    ["/", kinesis("PutRecord", {...stream, PartitionKey: "p", Data: btoa(event)})],
    ["/", simple(JSON.stringify({...table, TableName: "headcount"}))],
    ["/v1/events", {method: "POST", body: event}], ["/v1/events", simple(event)], ["/v1/events", {method: "PUT", body: event}],
    ["/api/metrics", {}], ["/api/metrics", {mode: "no-cors"}], ["/healthz", {}], ["/metrics", {}],
    ["/sign-in", simple("token=guess")], ["/sign-out", simple("")],
  ];
  const read = [];
  for (const [path, given] of tries) {
    try {
      const answer = await fetch(base + path, given);
      const text = await answer.text();
      if (answer.ok) read.push([base + path, answer.status, text.slice(0, 200)]);
    } catch (refused) {}
  }
  return read;
}"#;

/// Serves an empty page until the test ends; tells its port.
fn foreign_page() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            BufReader::new(&socket).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let page = "<!doctype html><title>another site</title>";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length:";
            let _ = write!(socket, "{head} {}\r\n\r\n{page}", page.len());
        }
    });
    port
}

fn places(serve: &Serve) -> [String; 4] {
    [&serve.kinesis, &serve.dynamodb, &serve.http, &serve.collector].map(|at| host(at).to_owned())
}

fn figures(serve: &Serve) -> Value {
    let [first, second] = days().map(|date| date.to_string());
    serve.metrics(&first, &second)["total"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_can_do_nothing() {
    let serve = Serve::start(None);
    serve.send(0, &lines(&[event("e-1", "user-1", noon(days()[1]), "page_view", &json!({}))]));
    let before = wait_for("it is counted", || figures(&serve), |total| total["eventsByType"]["page_view"] == 1);
    let browser = Browser::start_with(&[&format!("--host-resolver-rules=MAP {REBOUND} 127.0.0.1")]).await.unwrap();
    let port = foreign_page();
    let attack = async |base: &str| browser.outcome(&format!("({ATTACK})({base:?})")).await.unwrap();

    // From another origin: of this machine, and of another site.
    for site in ["localhost", "127.0.0.1", REBOUND] {
        browser.open(&format!("http://{site}:{port}/")).await.unwrap();
        for place in places(&serve) {
            assert_eq!(attack(&format!("http://{place}")).await, json!([]), "a page of {site}");
        }
    }
    // From the very same origin, after the site's name was made to point to this machine.
    for place in places(&serve) {
        let port = place.rsplit(':').next().unwrap();
        let base = format!("http://{REBOUND}:{port}");
        browser.open(&format!("{base}/")).await.unwrap();
        assert_eq!(attack(&base).await, json!([]), "{base}");
    }
    browser.stop().await.unwrap();

    assert_eq!(figures(&serve), before);
    let today = chrono::Utc::now().date_naive().to_string();
    let forged = serve.metrics(&today, &today);
    assert_eq!(forged["total"]["eventsByType"]["page_view"], 0, "{forged}");
    assert!(serve.stop().success());
}

/// Puts one event onto the stream and tells the exit code.
fn send(serve: &Serve, id: &str, secret: &str) -> Option<i32> {
    let mut command = headcount(&["send", "-", "--kinesis-endpoint", &serve.kinesis]);
    command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
    run(command, &lines(&[event("e-1", "user-1", noon(days()[1]), "page_view", &json!({}))])).status.code()
}

#[test]
fn other_machines_need_the_key_pair() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, "AKIAHEADCOUNT\n0123456789abcdef0123\n").unwrap();
    let keys = keys.to_string_lossy();
    let mut alone = headcount(&["serve", "--aws-bind", "0.0.0.0", "--kinesis-port", "0", "--dynamodb-port", "0"]);
    alone.args(["--port", "0", "--collector-port", "0"]);
    let refused = run(alone, b"");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("--aws-keys"), "{said}");

    let serve = Serve::start_with(None, &["--aws-bind", "0.0.0.0", "--aws-keys", &keys]);
    assert_ne!(send(&serve, "test", "test"), Some(0));
    assert_ne!(send(&serve, "AKIAHEADCOUNT", "0123456789abcdef9999"), Some(0));
    assert_eq!(send(&serve, "AKIAHEADCOUNT", "0123456789abcdef0123"), Some(0));
    // Its own clients know the pair.
    let figures = || {
        let mut ask = headcount(&["metrics", "--last", "3d", "--json", "--dynamodb-endpoint", &serve.dynamodb]);
        ask.env("AWS_ACCESS_KEY_ID", "AKIAHEADCOUNT").env("AWS_SECRET_ACCESS_KEY", "0123456789abcdef0123");
        serde_json::from_slice::<Value>(&run(ask, b"").stdout).unwrap_or_default()
    };
    wait_for("it is counted", figures, |figures| figures["total"]["eventsByType"]["page_view"] == 1);
    expect(1, &["metrics", "--last", "3d", "--dynamodb-endpoint", &serve.dynamodb], b"");
    assert!(serve.stop().success());
}

/// Every file and folder in this one, itself included.
fn open_to_others(path: &Path, found: &mut Vec<String>) {
    let metadata = path.symlink_metadata().unwrap();
    if metadata.permissions().mode() & 0o077 != 0 {
        found.push(format!("{} {:o}", path.display(), metadata.permissions().mode()));
    }
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            open_to_others(&entry.unwrap().path(), found);
        }
    }
}

#[test]
fn the_data_directory_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let serve = Serve::start(Some(&data));
    serve.send(0, &lines(&[event("e-1", "user-1", noon(days()[1]), "page_view", &json!({}))]));
    wait_for("it is counted", || figures(&serve), |total| total["eventsByType"]["page_view"] == 1);
    let mut found = Vec::new();
    open_to_others(&data, &mut found);
    assert!(found.is_empty(), "{found:#?}");
    assert!(serve.stop().success());
}
