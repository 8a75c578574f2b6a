//! A server that answers every request as a script says, in DynamoDB's own words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use headcount_runtime::aws::ConnectOptions;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::Tables;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of a request's head, at most.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status and a body.
    Says(u16, String),
    /// The connection ends without an answer.
    HangsUp,
    /// The connection ends in the middle of an answer.
    Breaks,
    /// Nothing ever comes.
    Silence,
}

impl Answer {
    /// An error as DynamoDB words it.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
        Self::Says(status, serde_json::json!({"__type": kind, "message": message}).to_string())
    }

    /// A success.
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::Says(200, body.to_string())
    }
}

/// A server that gives one answer again and again, and how often it was asked.
pub(crate) struct Scripted {
    pub(crate) endpoint: String,
    asked: Arc<AtomicUsize>,
}

impl Scripted {
    /// It ends with the test's runtime.
    pub(crate) async fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let (answer, asked) = (Arc::new(answer), Arc::<AtomicUsize>::default());
        let server = Self { endpoint, asked: Arc::clone(&asked) };
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&answer), Arc::clone(&asked)));
            }
        });
        server
    }

    /// The requests that came.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The store that asks this server, of the one table `t`.
    pub(crate) async fn store(&self) -> DynamoStore {
        store(&self.endpoint).await
    }
}

/// The store of the one table `t` at an endpoint, which waits a second for its answer.
pub(crate) async fn store(endpoint: &str) -> DynamoStore {
    let options = ConnectOptions { operation_timeout: Duration::from_secs(1), ..ConnectOptions::local(endpoint) };
    DynamoStore::new(connect(&options).await, Tables::one("t"))
}

async fn serve(mut connection: TcpStream, answer: Arc<Answer>, asked: Arc<AtomicUsize>) -> std::io::Result<()> {
    while read_request(&mut connection).await?.is_some() {
        asked.fetch_add(1, Ordering::SeqCst);
        match &*answer {
            Answer::Says(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} As-Scripted\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                connection.write_all(format!("{head}{body}").as_bytes()).await?;
            }
            Answer::HangsUp => return Ok(()),
            Answer::Breaks => return connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{").await,
            Answer::Silence => std::future::pending().await,
        }
    }
    Ok(())
}

/// Takes one whole request; nothing where the client is gone.
async fn read_request(connection: &mut TcpStream) -> std::io::Result<Option<()>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() > MAX_HEAD_BYTES || connection.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    connection.read_exact(&mut body).await?;
    Ok(Some(()))
}
