//! The collector's own listener: HTTP/1.1 with a bound on every wait.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::{Accept, Collector};

/// Connections at once. More wait in the system's queue of those that nobody took yet.
pub const MAX_CONNECTIONS: usize = 2_048;

/// The longest that a head may take to come; an idle connection is closed after it too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a head, at most.
const MAX_HEAD_BYTES: usize = 32 << 10;

/// Headers of a request, at most.
const MAX_HEADERS: usize = 100;

/// The longest that one connection lives: a client that does not read its answers must end some time.
const MAX_CONNECTION_LIFE: Duration = Duration::from_mins(5);

/// How long a connection that is to end may take for the request that it is at.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause after the system could give no connection: no file descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that serves.
#[derive(Debug)]
pub struct Listener {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{addr} cannot be listened on: {source}")]
pub struct ListenError {
    /// The address.
    pub addr: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

impl Listener {
    /// Serves `collector` on `addr`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`ListenError`], where the address cannot be had.
    pub async fn start<A: Accept>(addr: SocketAddr, collector: Arc<Collector<A>>) -> Result<Self, ListenError> {
        let cannot = |source| ListenError { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(cannot)?;
        let addr = listener.local_addr().map_err(cannot)?;
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, collector, stopped));
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

async fn serve<A: Accept>(listener: TcpListener, collector: Arc<Collector<A>>, stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stopping = pin!(told(stopped.clone()));
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            () = &mut stopping => break,
            next = next => next,
        };
        match accepted {
            Ok((socket, peer)) => {
                connections.spawn(connection(socket, peer, Arc::clone(&collector), stopped.clone(), permit));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    collector.close();
    while connections.join_next().await.is_some() {}
}

/// One connection to its end.
async fn connection<A: Accept>(
    socket: TcpStream,
    peer: SocketAddr,
    collector: Arc<Collector<A>>,
    stopped: watch::Receiver<bool>,
    _permit: Option<OwnedSemaphorePermit>,
) {
    // An answer is one small packet. Where the system cannot, it only waits a little longer.
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let collector = Arc::clone(&collector);
        async move {
            let (head, body) = request.into_parts();
            Ok::<_, Infallible>(collector.answer(&head, body, peer.ip()).await.map(Full::new))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        // A client that has said all may close its side before it reads the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // How a client breaks off is its own affair.
        _ = connection.as_mut() => return,
        () = told(stopped) => {}
        () = sleep(MAX_CONNECTION_LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_REQUEST_TIMEOUT, connection).await;
}

/// Until it is time to stop, or nobody is left to say so.
async fn told(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
