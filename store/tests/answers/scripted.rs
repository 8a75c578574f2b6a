//! A server that answers every request as a script says, in DynamoDB's own words.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::{ConnectOptions, connect};
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

/// The heads of the requests that came, in lower case.
type Heads = Arc<Mutex<Vec<String>>>;

/// A server that gives one answer after the other, the last again and again, and what it was asked.
pub(crate) struct Scripted {
    pub(crate) endpoint: String,
    heads: Heads,
}

impl Scripted {
    /// It ends with the test's runtime.
    pub(crate) async fn new(answer: Answer) -> Self {
        Self::of([answer]).await
    }

    /// The same with several answers.
    pub(crate) async fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Arc<[Answer]> = answers.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let heads = Heads::default();
        let asked = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&answers), Arc::clone(&asked)));
            }
        });
        Self { endpoint, heads }
    }

    pub(crate) fn asked(&self) -> usize {
        self.heads().len()
    }

    /// The connections that are open: each holds the heads, as we and the listener do.
    pub(crate) fn connections(&self) -> usize {
        Arc::strong_count(&self.heads) - 2
    }

    /// The heads of the requests that came, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("nobody panicked").clone()
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

async fn serve(mut connection: TcpStream, answers: Arc<[Answer]>, heads: Heads) -> std::io::Result<()> {
    while let Some(head) = read_request(&mut connection).await? {
        let asked = {
            let mut heads = heads.lock().expect("nobody panicked");
            heads.push(head);
            heads.len()
        };
        match &answers[asked.min(answers.len()) - 1] {
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

/// Takes one whole request; its head, or nothing where the client is gone.
async fn read_request(connection: &mut TcpStream) -> std::io::Result<Option<String>> {
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
    Ok(Some(head))
}
