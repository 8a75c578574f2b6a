//! As much of DynamoDB as a consumer asks for, answering at once: every batched write succeeds, every user has a profile,
//! and what is put is there.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// The first day of every user.
const FIRST_DAY: &str = "2020-01-01";

/// Items by their keys.
type Items = Mutex<HashMap<(String, String), Value>>;

/// The stub in a process of its own, which ends with this one.
pub(crate) struct Stub {
    child: Child,
    pub(crate) endpoint: String,
}

impl Stub {
    /// Starts this very program again, as the stub.
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["consumer", "--bench", "--stub"])
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("the stub has no output")?;
        let mut stub = Self { child, endpoint: String::new() };
        BufReader::new(out).read_line(&mut stub.endpoint)?;
        stub.endpoint.truncate(stub.endpoint.trim_end().len());
        Ok(stub)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves for ever.
pub(crate) fn serve() -> Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    println!("http://{}", listener.local_addr()?);
    let items = Arc::new(Items::default());
    for socket in listener.incoming() {
        let (socket, items) = (socket?, Arc::clone(&items));
        // A client that goes away ends its connection.
        std::thread::spawn(move || connection(socket, &items));
    }
    Ok(())
}

fn connection(socket: TcpStream, items: &Items) -> Result<()> {
    socket.set_nodelay(true)?;
    let mut writer = socket.try_clone()?;
    let mut reader = BufReader::with_capacity(256 << 10, socket);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let (mut length, mut operation) = (0, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let head = line.trim_end();
            match head.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse()?,
                Some((name, value)) if name.eq_ignore_ascii_case("x-amz-target") => {
                    value.rsplit('.').next().unwrap_or_default().clone_into(&mut operation);
                }
                _ if head.is_empty() => break,
                _ => {}
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        let said = answer(&operation, &body, items)?;
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Fri, 27 Nov 2026 12:00:00 GMT\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\nConnection: keep-alive\r\nx-amzn-RequestId: VJ3KS5CAVD9V4QPDN5QKEF8ADNVV4KQNSO5AEMVJF66Q9ASUAAJG\r\nx-amz-crc32: 2745614147\r\n\r\n",
            said.len()
        );
        writer.write_all(&[head.as_bytes(), said.as_bytes()].concat())?;
    }
}

fn answer(operation: &str, body: &[u8], items: &Items) -> Result<String> {
    Ok(match operation {
        "BatchWriteItem" => r#"{"UnprocessedItems":{}}"#.to_owned(),
        "BatchGetItem" => profiles(&serde_json::from_slice(body)?),
        "PutItem" => {
            let mut request: Value = serde_json::from_slice(body)?;
            let item = request["Item"].take();
            items.lock().insert(key(&item), item);
            "{}".to_owned()
        }
        "GetItem" => {
            let request: Value = serde_json::from_slice(body)?;
            let items = items.lock();
            items.get(&key(&request["Key"])).map_or_else(|| "{}".to_owned(), |item| json!({ "Item": item }).to_string())
        }
        other => anyhow::bail!("the stub knows no {other}"),
    })
}

fn key(item: &Value) -> (String, String) {
    let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    (text("PK"), text("SK"))
}

/// Every profile that was asked for.
fn profiles(request: &Value) -> String {
    let tables = request["RequestItems"].as_object().cloned().unwrap_or_default();
    let responses = tables.into_iter().map(|(table, mut wanted)| {
        let mut found = wanted["Keys"].take();
        for item in found.as_array_mut().into_iter().flatten() {
            item["FirstDay"] = json!({ "S": FIRST_DAY });
        }
        (table, found)
    });
    json!({ "Responses": Value::Object(responses.collect()), "UnprocessedKeys": {} }).to_string()
}
