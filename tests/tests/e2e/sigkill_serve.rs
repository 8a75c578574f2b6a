//! `headcount serve` is killed, again and again, in the middle of its work: what it has accepted counts once all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::command::{PATIENCE, Serve, expect, headcount, json as json_of, wait_for};
use crate::sample::{days, event, lines, noon};

/// Answered puts after which each run is killed: at once, in the middle of the backlog, later.
const KILLED_AFTER: [usize; 4] = [5, 1, 40, 15];

/// Lines of a file that is sent meanwhile.
const LINES: i64 = 3_000;

/// Asks one of the services as an SDK would, but for the signature, which they do not check.
fn ask(endpoint: &str, target: &str, version: &str, body: &Value) -> io::Result<Value> {
    let host = endpoint.trim_start_matches("http://");
    let mut socket = TcpStream::connect(host)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let body = body.to_string();
    write!(
        socket,
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-amz-json-{version}\r\n\
         X-Amz-Target: {target}\r\nX-Amz-Date: 20261124T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=test/20261124/us-east-1/any/aws4_request, SignedHeaders=host;x-amz-date, Signature=0\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(answer));
    }
    serde_json::from_str(body).map_err(io::Error::other)
}

/// Puts events without ids, each of a user of its own, until nobody answers; tells each user whose put was answered.
fn put_without_ids(kinesis: &str, run: usize, answered: &mpsc::Sender<String>) {
    for number in 0.. {
        let user = format!("run-{run}-{number}");
        let mut event = event("", &user, 0, "feature_use", &json!({"feature": "search"}));
        let fields = event.as_object_mut().expect("it is an object");
        fields.remove("eventId");
        fields.remove("timestamp");
        let data = STANDARD.encode(event.to_string());
        let put = json!({"StreamName": "headcount-events", "PartitionKey": user, "Data": data});
        match ask(kinesis, "Kinesis_20131202.PutRecord", "1.1", &put) {
            Ok(answer) => {
                assert!(answer["SequenceNumber"].is_string(), "{answer}");
                if answered.send(user).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// How often each user has an event in the table, of one day.
fn stored(dynamodb: &str, date: &str) -> BTreeMap<String, usize> {
    let mut users = BTreeMap::new();
    let mut from = Value::Null;
    loop {
        let mut query = json!({
            "TableName": "headcount", "KeyConditionExpression": "PK = :pk",
            "ExpressionAttributeValues": {":pk": {"S": format!("ANALYTICS#{date}")}},
        });
        if !from.is_null() {
            query["ExclusiveStartKey"] = from;
        }
        let page = ask(dynamodb, "DynamoDB_20120810.Query", "1.0", &query).expect("the table answers");
        for item in page["Items"].as_array().expect("items") {
            let user = item["GSI1PK"]["S"].as_str().expect("an event has a user").trim_start_matches("USER#");
            *users.entry(user.to_owned()).or_default() += 1;
        }
        from = page["LastEvaluatedKey"].clone();
        if from.is_null() {
            return users;
        }
    }
}

#[test]
fn what_was_accepted_counts_once_through_kills() {
    let folder = tempfile::tempdir().unwrap();
    let sent = days()[1];
    let page =
        |n: i64| event(&format!("page-{n}"), &format!("user-{}", n % 50), noon(sent) + n, "page_view", &json!({}));
    let file = lines(&(0..LINES).map(page).collect::<Vec<_>>());
    let started = chrono::Utc::now().date_naive();

    let mut accepted = BTreeSet::new();
    for (run, after) in KILLED_AFTER.into_iter().enumerate() {
        let serve = Serve::start(Some(folder.path()));
        let mut sending = headcount(&["send", "-", "--kinesis-endpoint", &serve.kinesis])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut stdin, input) = (sending.stdin.take().unwrap(), file.clone());
        let (tell, told) = mpsc::channel();
        let kinesis = serve.kinesis.clone();
        thread::scope(|scope| {
            // It is killed with the file half read.
            scope.spawn(move || drop(stdin.write_all(&input)));
            scope.spawn(move || put_without_ids(&kinesis, run, &tell));
            for _ in 0..after {
                let user = told.recv_timeout(PATIENCE).expect("puts are answered");
                assert!(accepted.insert(user));
            }
            serve.kill();
            sending.kill().unwrap();
            sending.wait().unwrap();
            accepted.extend(told);
        });
    }

    let serve = Serve::start(Some(folder.path()));
    // Whatever of the file was accepted before: each of its events has an id, and counts once.
    serve.send(0, &file);
    let (from, to) = (sent.to_string(), chrono::Utc::now().date_naive().to_string());
    let arrived = || {
        let mut users = stored(&serve.dynamodb, &started.to_string());
        users.extend(stored(&serve.dynamodb, &to).into_iter().filter(|_| to != started.to_string()));
        users
    };
    let missing = |users: &BTreeMap<String, usize>| accepted.iter().filter(|user| !users.contains_key(*user)).count();
    let users = wait_for("all that was accepted is stored", arrived, |users| missing(users) == 0);
    let twice: Vec<_> = users.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "more than once: {twice:?}");
    // Lines of the file that an earlier run had counted too long ago to remember are told apart by the log.
    let counted = || {
        let metrics = serve.metrics(&from, &to);
        let proven = json_of(0, &[&["verify", "--date", &from, "--json"][..], &serve.places()].concat(), b"");
        (metrics, proven["repeated"].as_i64().expect("a count"))
    };
    let (metrics, _) = wait_for("all is counted", counted, |(metrics, repeated)| {
        metrics["total"]["eventsByType"]["page_view"].as_i64() == Some(LINES + repeated)
    });
    // Those whose put was cut off may be among them, once.
    assert_eq!(metrics["total"]["eventsByType"]["feature_use"], arrived().len(), "{metrics:#}");
    for date in [&from, &started.to_string(), &to] {
        expect(0, &[&["verify", "--date", date][..], &serve.places()].concat(), b"");
    }
    assert!(serve.stop().success());
    let left = std::fs::read_dir(folder.path().join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let left: Vec<_> = left.filter(|path| path.extension().is_some_and(|extension| extension == "journal")).collect();
    assert!(left.is_empty(), "nothing is left in the journal: {left:?}");
}
