//! A server in this process: bound before it is said to run, stopped within a bound.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::LocalError;

/// How long a stopping server waits for requests under way.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Listens on `addr`; the error names the port and the option that chooses another.
pub(crate) async fn bind(
    what: &'static str,
    addr: SocketAddr,
    option: &'static str,
) -> Result<TcpListener, LocalError> {
    TcpListener::bind(addr).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => LocalError::PortInUse { what, addr, option },
        _ => LocalError::Bind { what, addr, option, source },
    })
}

/// A running server. Dropped, it stops by itself, unwatched.
#[derive(Debug)]
pub(crate) struct Serving {
    what: &'static str,
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), String>>,
    apart: Option<Apart>,
}

/// A runtime that ends with its server, whatever still works in it.
#[derive(Debug)]
struct Apart(Option<Runtime>);

impl Drop for Apart {
    fn drop(&mut self) {
        // Waiting for its threads is not allowed where other tasks are driven.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Serving {
    /// Runs what `serve` makes of the listener and of the future that ends when the server must stop.
    pub(crate) fn spawn<F>(
        what: &'static str,
        listener: TcpListener,
        serve: impl FnOnce(TcpListener, oneshot::Receiver<()>) -> F,
    ) -> Result<Self, LocalError>
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let addr = listener.local_addr().map_err(|source| unusable(what, source))?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, stopped));
        Ok(Self { what, addr, stop, task, apart: None })
    }

    /// As [`Self::spawn`], on so many threads of its own: for a server that works, and waits for itself, without letting
    /// go of its thread. On the threads of all others it would hold up everything in this process.
    pub(crate) fn spawn_apart<F>(
        what: &'static str,
        listener: TcpListener,
        threads: usize,
        serve: impl FnOnce(TcpListener, oneshot::Receiver<()>) -> F + Send + 'static,
    ) -> Result<Self, LocalError>
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let failed = |source| unusable(what, source);
        let addr = listener.local_addr().map_err(failed)?;
        let listener = listener.into_std().map_err(failed)?;
        let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name(what).enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let task = runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).map_err(|error| format!("cannot listen: {error}"))?;
            serve(listener, stopped).await
        });
        Ok(Self { what, addr, stop, task, apart: Some(Apart(Some(runtime))) })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more connections, finishes the requests under way, ends.
    pub(crate) async fn stop(self) {
        let Self { what, stop, mut task, apart, .. } = self;
        // A server that has already ended does not listen; how it ended is seen below.
        let _ = stop.send(());
        match tokio::time::timeout(STOP_GRACE, &mut task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(detail))) => tracing::warn!(what, detail, "a server failed"),
            Ok(Err(error)) => tracing::warn!(what, %error, "a server's task failed"),
            Err(_) => {
                tracing::warn!(what, "a server had requests under way for too long and was cut off");
                task.abort();
            }
        }
        drop(apart);
    }
}

fn unusable(what: &'static str, source: io::Error) -> LocalError {
    LocalError::Bind { what, addr: SocketAddr::from(([0, 0, 0, 0], 0)), option: "address", source }
}
