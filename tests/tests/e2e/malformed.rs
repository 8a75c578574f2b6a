//! Thousands of requests that nobody should send, against a collector that must go on serving.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use headcount_tests::fault_proxy::plan::seed_of_run;
use serde_json::Value;

use crate::collector::{event, total};
use crate::command::{Serve, wait_for};
use crate::http::{answer, connect, head, post};

/// Requests that are wrong in some way.
const REQUESTS: u64 = 10_000;

/// Clients at once.
const CLIENTS: u64 = 8;

/// Connections that say too little, too slowly.
const SLOW: usize = 40;

/// Bytes that the whole of `serve` may have held at most: stream, table and functions, and the collector's bound.
const MAX_HELD_BYTES: u64 = 700 << 20;

/// One kind of malice, which sends itself and says how many events were accepted all the same.
type Malice = fn(&str, &mut fastrand::Rng) -> u64;

const KINDS: [Malice; 12] = [
    fuzzed,
    nested,
    packed_wrongly,
    bomb,
    oversized,
    wrong_type,
    no_http,
    bad_chunks,
    half_closed,
    broken_off,
    not_text,
    asked_wrongly,
];

/// How many events the answer says were accepted; panics where a success is claimed for what was none.
fn accepted(status: u16, body: &Value) -> u64 {
    let accepted = body["accepted"].as_u64().unwrap_or(0);
    let of = body["events"].as_array().map_or(0, Vec::len) as u64;
    assert!(status != 202 || (accepted > 0 && accepted == of), "{status} {body}");
    accepted
}

fn send(endpoint: &str, headers: &str, body: &[u8]) -> u64 {
    let answer = post(endpoint, headers, body);
    assert!(answer.status == 0 || answer.status == 202 || answer.status >= 400, "{answer:?}");
    accepted(answer.status, &answer.body)
}

/// Sends bytes as they are, and takes whatever comes back. None of them is a whole request.
fn raw(endpoint: &str, bytes: &[u8], and_then: impl FnOnce(&TcpStream)) -> u64 {
    let mut socket = connect(endpoint);
    let _ = socket.write_all(bytes);
    and_then(&socket);
    let answer = answer(&mut socket);
    assert!(answer.status == 0 || answer.status >= 400, "{answer:?}");
    0
}

/// Valid events, some bytes of which are others, more or fewer.
fn fuzzed(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let mut events: Vec<Value> = (0..random.usize(1..4)).map(|_| event("e", "user-fuzzed")).collect();
    for one in &mut events {
        let fields = one.as_object_mut().expect("an event is an object");
        fields.remove("eventId");
        fields.remove("timestamp");
    }
    let mut text = Value::from(events).to_string().into_bytes();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..text.len());
        match random.u8(0..3) {
            0 => text[at] = random.u8(..),
            1 => text.insert(at, random.choice(*b"{}[]\",:0e-\\n").unwrap_or(b'x')),
            _ => drop(text.remove(at)),
        }
    }
    send(endpoint, "", &text)
}

fn nested(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let depth = random.usize(1..200_000);
    let text = match random.u8(0..3) {
        0 => "[".repeat(depth),
        1 => format!("{{\"eventData\":{}{}}}", "[".repeat(depth), "]".repeat(depth)),
        _ => "{\"a\":".repeat(depth / 5),
    };
    send(endpoint, "", text.as_bytes())
}

fn packed_wrongly(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let encoding = random.choice(["gzip", "zstd", "br", "gzip, zstd", "\u{7f}"]).unwrap_or("gzip");
    let mut body = if random.bool() {
        zstd::bulk::compress(event("e", "u").to_string().as_bytes(), 1).expect("memory takes all")
    } else {
        vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]
    };
    let at = random.usize(..body.len());
    body[at] ^= random.u8(1..);
    body.truncate(random.usize(1..=body.len()));
    send(endpoint, &format!("Content-Encoding: {encoding}\r\n"), &body)
}

fn bomb(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let plain = vec![random.u8(..); random.usize(4..16) << 20];
    let body = zstd::bulk::compress(&plain, 1).expect("memory takes all");
    send(endpoint, "Content-Encoding: zstd\r\n", &body)
}

fn oversized(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let body = vec![b' '; (1 << 20) + random.usize(1..100_000)];
    if random.bool() {
        send(endpoint, "", &body)
    } else {
        raw(endpoint, head("", 5 << 30).as_bytes(), |socket| drop(socket.shutdown(Shutdown::Write)))
    }
}

fn wrong_type(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let media = random.choice(["image/png", "multipart/form-data; boundary=x", "text/html", "x", ";"]).unwrap_or("x");
    send(endpoint, &format!("Content-Type: {media}\r\n"), event("e", "u").to_string().as_bytes())
}

fn no_http(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let bytes: Vec<u8> = match random.u8(0..4) {
        0 => (0..random.usize(1..2_000)).map(|_| random.u8(..)).collect(),
        1 => format!("POST /v1/events HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000)).into(),
        2 => format!("POST /v1/events HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(500)).into(),
        _ => b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}".to_vec(),
    };
    raw(endpoint, &bytes, |socket| drop(socket.shutdown(Shutdown::Write)))
}

fn bad_chunks(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let chunks =
        random.choice(["zz\r\nabc\r\n", "5\r\nab", "ffffffffffffffff1\r\nx", "2\r\n{}X\r\n0\r\n\r\n"]).unwrap_or("");
    let head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    raw(endpoint, format!("{head}{chunks}").as_bytes(), |socket| drop(socket.shutdown(Shutdown::Write)))
}

/// All but the end of a body, and nothing more.
fn half_closed(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let body = event("e", "u").to_string();
    let sent = &body[..random.usize(..body.len())];
    let request = format!("{}{sent}", head("", body.len()));
    raw(endpoint, request.as_bytes(), |socket| drop(socket.shutdown(Shutdown::Write)))
}

/// Gone in the middle, without waiting for anything.
fn broken_off(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let body = event("e", "u").to_string();
    let request = format!("{}{body}", head("", body.len() + 1));
    let _ = connect(endpoint).write_all(&request.as_bytes()[..random.usize(1..request.len())]);
    0
}

fn not_text(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let body: Vec<u8> = (0..random.usize(1..500)).map(|_| random.u8(128..)).collect();
    send(endpoint, "", &body)
}

fn asked_wrongly(endpoint: &str, random: &mut fastrand::Rng) -> u64 {
    let line =
        random.choice(["DELETE /v1/events", "GET /v1/events", "PUT /../../etc", "POST /headcount.js"]).unwrap_or("");
    raw(endpoint, format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(), |_| {})
}

/// The most that the process has held in memory, in bytes.
fn most_held(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[test]
fn ten_thousand_malformed_requests_leave_it_serving_and_lose_nothing() {
    let seed = seed_of_run("malformed");
    let serve = Serve::start(None);
    // They hold their connections while all others come and go, and are cut off meanwhile.
    let mut slow: Vec<TcpStream> = (0..SLOW).map(|_| connect(&serve.collector)).collect();
    for (number, socket) in slow.iter_mut().enumerate() {
        let request = format!("{}{{\"userId\":", head("", 1_000));
        let said = if number % 2 == 0 { request.len() } else { 40 };
        socket.write_all(&request.as_bytes()[..said]).expect("it reads");
    }
    let counted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (endpoint, counted) = (serve.collector.as_str(), &counted);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed ^ client);
                for number in (client..REQUESTS).step_by(CLIENTS as usize) {
                    let kind = KINDS[random.usize(..KINDS.len())];
                    let mut accepted = kind(endpoint, &mut random);
                    // In between, somebody who behaves.
                    if number % 25 == 0 {
                        let good: Vec<Value> = (0..4).map(|n| event(&format!("good-{number}-{n}"), "user")).collect();
                        let answer = post(endpoint, "", Value::from(good).to_string().as_bytes());
                        assert_eq!(answer.status, 202, "{answer:?}");
                        accepted += 4;
                    }
                    counted.fetch_add(accepted, Ordering::Relaxed);
                }
            });
        }
    });
    for (number, socket) in slow.iter_mut().enumerate() {
        let answer = answer(socket);
        // A body that does not come is answered; a head that does not come may only be cut off.
        assert!(answer.status == 408 || number % 2 == 1 && answer.status == 0, "{number}: {answer:?}");
    }
    let accepted = counted.into_inner();
    assert!(accepted >= REQUESTS / 25 * 4);
    wait_for(
        "every accepted event is counted, and no other",
        || total(&serve),
        |total| {
            // Some send the very same event again.
            total["eventsByType"].as_object().is_some_and(|types| {
                let events = types.values().filter_map(Value::as_u64).sum::<u64>();
                events + total["duplicates"].as_u64().unwrap_or_default() == accepted
            })
        },
    );
    assert_eq!(total(&serve)["rejected"], 0, "what the collector accepts the consumer accepts");
    if let Some(bytes) = most_held(serve.id()) {
        eprintln!("malformed: {accepted} events accepted, at most {} MiB held", bytes >> 20);
        assert!(bytes < MAX_HELD_BYTES, "{bytes} bytes");
    }
    assert!(serve.stop().success());
}
