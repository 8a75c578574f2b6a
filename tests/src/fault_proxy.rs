//! A proxy between the real SDK and an endpoint of DynamoDB, Kinesis or S3, over real sockets, that does to requests what a service and a
//! network do to them: throttles, answers with errors, closes connections before or after a request took effect, comes
//! late. What strikes which request is drawn from a seed.
//!
//! A request whose sender has gone away still goes on to the table: the writer presumed dead that is not.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use headcount_local::aws_names;
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use http::Message;
use plan::{Burst, Fault, Plan, Rates};

pub mod plan;

mod http;
mod partial;

/// How often each kind of fate befell a request: [`Fault::name`] and `delayed`.
pub type Counts = BTreeMap<&'static str, u64>;

/// A running proxy. Dropped, it ends with all its connections.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    seed: u64,
    /// Where requests go on to; none before it is known.
    upstream: Mutex<Option<SocketAddr>>,
    /// How often what strikes, and the bursts.
    rates: Mutex<(Rates, Option<Burst>)>,
    /// Requests that came in.
    requests: watch::Sender<u64>,
    counts: Mutex<Counts>,
}

impl FaultProxy {
    /// Listens on a free port of the loopback interface. Before [`Self::forward_to`] it answers that the service is away.
    ///
    /// # Errors
    /// Where no port can be listened on.
    pub async fn start(seed: u64, rates: Rates, burst: Option<Burst>) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            seed,
            upstream: Mutex::default(),
            rates: Mutex::new((rates, burst)),
            requests: watch::Sender::new(0),
            counts: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { addr, shared, accepting })
    }

    /// From now on requests go on to this endpoint, for example `http://127.0.0.1:8000`.
    ///
    /// # Panics
    /// Where it is no such endpoint.
    pub fn forward_to(&self, endpoint: &str) {
        let addr = endpoint.trim_start_matches("http://").parse().expect("an address and a port");
        *self.shared.upstream.lock() = Some(addr);
    }

    /// Where the SDK finds it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What strikes from now on.
    pub fn set(&self, rates: Rates, burst: Option<Burst>) {
        *self.shared.rates.lock() = (rates, burst);
    }

    /// The number of requests that have come in; changes can be waited for.
    pub fn requests(&self) -> watch::Receiver<u64> {
        self.shared.requests.subscribe()
    }

    /// How often each kind of fate befell a request so far.
    pub fn counts(&self) -> Counts {
        self.shared.counts.lock().clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                connections.spawn(Connection { client: BufStream::new(client), upstream: None, shared: shared.clone() }.run());
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection of a client, with the one to the table that it uses.
struct Connection {
    client: BufStream<TcpStream>,
    upstream: Option<BufStream<TcpStream>>,
    shared: Arc<Shared>,
}

impl Connection {
    /// Serves requests until the client ends, or is cut off.
    async fn run(mut self) {
        while let Ok(Some(request)) = http::read(&mut self.client).await {
            let Some(answer) = self.answer(&request).await else {
                // A reset, as of a peer that has died, instead of an end that could be taken for an answer's.
                let _ = self.client.get_ref().set_zero_linger();
                return;
            };
            if self.client.write_all(&answer.bytes()).await.is_err() || self.client.flush().await.is_err() {
                return;
            }
        }
    }

    /// What the client is answered; `None` cuts it off.
    async fn answer(&mut self, request: &Message) -> Option<Message> {
        let plan = self.shared.plan();
        if !plan.before.is_zero() {
            sleep(plan.before).await;
        }
        let answer = match plan.fault {
            Fault::None => self.forward(request).await,
            Fault::Throttle => Some(throttled(request, plan.coin)),
            Fault::Partial => match partial::split(request, plan.random) {
                Some((rest, split)) => self.forward(&rest).await.map(|answer| split.complete(answer)),
                // What cannot succeed in part is refused.
                None => Some(throttled(request, plan.coin)),
            },
            Fault::ServerErrorBefore => Some(server_error(request, plan.coin)),
            Fault::ServerErrorAfter => self.forward(request).await.map(|_| server_error(request, plan.coin)),
            Fault::ResetBefore => None,
            Fault::ResetAfter => {
                let _ = self.forward(request).await;
                None
            }
        };
        if !plan.after.is_zero() {
            sleep(plan.after).await;
        }
        answer
    }

    /// The table's own answer; `None` where it gave none.
    async fn forward(&mut self, request: &Message) -> Option<Message> {
        let upstream = *self.shared.upstream.lock();
        let Some(upstream) = upstream else { return Some(server_error(request, true)) };
        // A connection that has been idle may have been closed by the table; a new one has not.
        for _ in 0..2 {
            let (mut socket, is_new) = match self.upstream.take() {
                Some(socket) => (socket, false),
                None => (BufStream::new(TcpStream::connect(upstream).await.ok()?), true),
            };
            match exchange(&mut socket, request).await {
                Ok(Some(answer)) => {
                    self.upstream = Some(socket);
                    return Some(answer);
                }
                Ok(None) | Err(_) if is_new => return None,
                Ok(None) | Err(_) => {}
            }
        }
        None
    }
}

async fn exchange(socket: &mut BufStream<TcpStream>, request: &Message) -> io::Result<Option<Message>> {
    socket.write_all(&request.bytes()).await?;
    socket.flush().await?;
    http::read_answer(socket, request).await
}

impl Shared {
    /// What happens to the next request.
    fn plan(&self) -> Plan {
        let mut number = 0;
        self.requests.send_modify(|requests| {
            number = *requests;
            *requests += 1;
        });
        let (rates, burst) = *self.rates.lock();
        let plan = Plan::draw(self.seed, number, &rates, burst);
        let mut counts = self.counts.lock();
        *counts.entry(plan.fault.name()).or_default() += 1;
        if !(plan.before.is_zero() && plan.after.is_zero()) {
            *counts.entry("delayed").or_default() += 1;
        }
        plan
    }
}

/// Throttled, in one of the ways in which the service says it. S3 has a conflict of conditional puts besides: try again.
fn throttled(request: &Message, coin: bool) -> Message {
    if is_of_s3(request) {
        let is_put = request.start.starts_with("PUT ");
        return if coin && is_put { s3_error(request, 409, "ConditionalRequestConflict") } else { slow_down(request) };
    }
    if coin {
        let message = "The level of configured provisioned throughput for the table was exceeded. Consider increasing \
                       your provisioning level with the UpdateTable API.";
        error(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", message)
    } else {
        error(
            400,
            "com.amazon.coral.availability#ThrottlingException",
            "Rate of requests exceeds the allowed throughput.",
        )
    }
}

/// An error of the service itself.
fn server_error(request: &Message, coin: bool) -> Message {
    if is_of_s3(request) {
        return if coin { slow_down(request) } else { s3_error(request, 500, "InternalError") };
    }
    if coin {
        let message = "The service is temporarily unavailable, please try again";
        error(503, "com.amazon.coral.availability#ServiceUnavailableException", message)
    } else {
        error(500, "com.amazonaws.dynamodb.v20120810#InternalServerError", "The request processing has failed")
    }
}

/// Whether a request is of S3: those of the other services name their operation in a header.
fn is_of_s3(request: &Message) -> bool {
    request.header("x-amz-target").is_none()
}

fn error(status: u16, kind: &str, message: &str) -> Message {
    let code = kind.rsplit_once('#').map_or(kind, |(_, code)| code);
    assert!(aws_names::has(&aws_names::ERROR_CODES, code), "AWS has no error {code}");
    Message::answer(status, json!({"__type": kind, "message": message}).to_string().into_bytes())
}

fn slow_down(request: &Message) -> Message {
    s3_error(request, 503, "SlowDown")
}

/// An error as S3 writes it (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
fn s3_error(request: &Message, status: u16, code: &str) -> Message {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>Please try again.</Message></Error>");
    let answer = Message::of_type(status, "application/xml", body.into_bytes());
    if request.asks_for_head() { answer.without_body() } else { answer }
}

#[cfg(test)]
mod tests;
