//! Plain HTTP over a socket of our own: what is sent is exactly what is written here.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::command::PATIENCE;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status; 0 where there was no answer.
    pub(crate) status: u16,
    /// Its body as JSON; null where it is none.
    pub(crate) body: Value,
}

/// `address:port` of an address that begins so.
pub(crate) fn host(endpoint: &str) -> &str {
    endpoint.trim_start_matches("http://").split('/').next().unwrap_or_default()
}

/// A connection to where `http://address:port/path` is.
pub(crate) fn connect(endpoint: &str) -> TcpStream {
    let socket = TcpStream::connect(host(endpoint)).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
    socket.set_write_timeout(Some(PATIENCE)).expect("a socket has timeouts");
    socket
}

/// The head of a `POST` of events that ends its connection.
pub(crate) fn head(headers: &str, length: usize) -> String {
    format!(
        "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test/1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
}

/// Posts a body with these headers, each ended by `\r\n`.
pub(crate) fn post(endpoint: &str, headers: &str, body: &[u8]) -> Answer {
    let mut request = head(headers, body.len()).into_bytes();
    request.extend_from_slice(body);
    let mut socket = connect(endpoint);
    // Whoever is refused early may find the connection closed.
    let _ = socket.write_all(&request);
    answer(&mut socket)
}

/// Reads to the end of the connection.
pub(crate) fn answer(socket: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, body: serde_json::from_str(body).unwrap_or_default() }
}
