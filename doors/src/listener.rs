//! A listener: HTTP/1.1 with a bound on every wait and on the connections at once.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Sleep, sleep, timeout};
use tower_service::Service;

use crate::room::{Room, Seat};

/// Bytes of a head, at most.
const MAX_HEAD_BYTES: usize = 32 << 10;

/// Headers of a request, at most.
const MAX_HEADERS: usize = 100;

/// The pause after the system could give no connection: no file descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection that is to end may take where it has not sent a whole request.
const WAITING_GRACE: Duration = Duration::from_secs(1);

/// File descriptors that are left to files, and to connections that this process makes.
const OTHER_DESCRIPTORS: usize = 256;

/// Listeners that one process has at most.
const LISTENERS: usize = 4;

/// Connections at once of one listener, at most.
const MAX_CONNECTIONS: usize = 1_024;

/// And at least.
const MIN_CONNECTIONS: usize = 16;

/// What clients may hold of one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once of one address.
    pub per_peer: usize,
    /// The longest that a head may take to come. An idle connection is closed after it, too.
    pub head: Duration,
    /// The longest that a body may take to come.
    pub body: Duration,
    /// The longest that one connection lives: a client that does not read its answers must end some time.
    pub life: Duration,
    /// How long a connection that is to end may take for the request that it is at.
    pub last_request: Duration,
}

impl Limits {
    /// For a process that may open so many files.
    pub fn for_descriptors(descriptors: usize) -> Self {
        let connections =
            (descriptors.saturating_sub(OTHER_DESCRIPTORS) / LISTENERS).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS);
        Self { connections, per_peer: connections / 2, ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            per_peer: MAX_CONNECTIONS / 2,
            head: Duration::from_secs(30),
            body: Duration::from_mins(1),
            life: Duration::from_mins(5),
            last_request: Duration::from_secs(10),
        }
    }
}

/// A listener that serves.
#[derive(Debug)]
pub struct Listener {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Listener {
    /// Answers what comes to `listener` by `answer`, which is given each request and who sent it.
    ///
    /// # Errors
    ///
    /// The listener does not tell its address.
    pub fn serve<A, F, B>(listener: TcpListener, limits: Limits, answer: A) -> io::Result<Self>
    where
        A: Fn(Request<Body>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let addr = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, limits, answer, stopped));
        Ok(Self { addr, stop, serving })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more connections, lets each end the request that it is at, and ends.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.serving.await;
    }
}

/// What answers by a router of axum, or any such service.
pub fn routed<S, B>(
    service: S,
) -> impl Fn(Request<Body>, SocketAddr) -> Pin<Box<dyn Future<Output = Response<B>> + Send>> + Clone + Send + Sync + 'static
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    move |request, _| {
        let mut service = service.clone();
        Box::pin(async move {
            let Ok(answer) = service.call(request).await;
            answer
        })
    }
}

async fn serve<A, F, B>(listener: TcpListener, limits: Limits, answer: A, stopped: watch::Receiver<bool>)
where
    A: Fn(Request<Body>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let room = Room::new(limits.connections, limits.per_peer);
    let mut connections = JoinSet::new();
    let mut stopping = pin!(told(stopped.clone()));
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = &mut stopping => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                // Without a seat it is closed at once.
                if let Some(seat) = room.seat(peer.ip().to_canonical()) {
                    connections.spawn(connection(socket, peer, limits, answer.clone(), seat, stopped.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection to its end.
async fn connection<A, F, B>(
    socket: TcpStream,
    peer: SocketAddr,
    limits: Limits,
    answer: A,
    seat: Seat,
    stopped: watch::Receiver<bool>,
) where
    A: Fn(Request<Body>, SocketAddr) -> F,
    F: Future<Output = Response<B>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // An answer is mostly one small packet. Where the system cannot, it only waits a little longer.
    let _ = socket.set_nodelay(true);
    let seat = Arc::new(seat);
    let service = service_fn(|request: Request<Incoming>| {
        let seat = Arc::clone(&seat);
        let answered = answer(request.map(|incoming| Body::new(incoming, limits.body, Arc::clone(&seat))), peer);
        async move {
            let answer = answered.await;
            seat.set_working(false);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        // A client that has said all may close its side before it reads the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // A client may break off at any time.
        _ = connection.as_mut() => return,
        () = seat.dismissed() => return,
        () = told(stopped) => {}
        () = sleep(limits.life) => {}
    }
    connection.as_mut().graceful_shutdown();
    let is_over = timeout(limits.last_request.min(WAITING_GRACE), connection.as_mut()).await.is_ok();
    if !is_over && seat.is_working() {
        let _ = timeout(limits.last_request, connection).await;
    }
}

/// Until it is time to stop, or nobody is left to say so.
async fn told(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// A request's body, which must come in time. Once it is there, its connection is not sent away any more.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    late: Pin<Box<Sleep>>,
    seat: Arc<Seat>,
}

/// Why a body did not come whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It took too long.
    #[error("the body did not come in time")]
    Late,
    /// The client broke off.
    #[error("the body broke off: {0}")]
    BrokenOff(#[from] hyper::Error),
}

impl Body {
    fn new(incoming: Incoming, longest: Duration, seat: Arc<Seat>) -> Self {
        let body = Self { incoming, late: Box::pin(sleep(longest)), seat };
        body.look();
        body
    }

    fn look(&self) {
        if http_body::Body::is_end_stream(&self.incoming) {
            self.seat.set_working(true);
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending => self.late.as_mut().poll(cx).map(|()| Some(Err(BodyError::Late))),
            Poll::Ready(None) => {
                self.seat.set_working(true);
                Poll::Ready(None)
            }
            Poll::Ready(Some(frame)) => {
                self.look();
                Poll::Ready(Some(frame.map_err(BodyError::BrokenOff)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests;
