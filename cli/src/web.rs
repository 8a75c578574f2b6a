//! The command's own small web server: `GET /healthz`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// The `status` of a health that is answered with 200; any other is with 503.
pub(crate) const HEALTHY: &str = "ok";

/// A running server.
#[derive(Debug)]
pub(crate) struct Web {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<io::Result<()>>,
}

impl Web {
    /// Serves on `addr`; port 0 takes a free one. `health` is asked anew for each answer.
    pub(crate) async fn start(
        addr: SocketAddr,
        health: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let listener = TcpListener::bind(addr).await.map_err(|error| cannot_listen(addr, &error))?;
        let addr = listener.local_addr().map_err(|error| cannot_listen(addr, &error))?;
        let health = Arc::new(health);
        let router = Router::new()
            .route("/healthz", get(move || std::future::ready(answer(health()))))
            .fallback(|| std::future::ready((StatusCode::NOT_FOUND, "there is only /healthz\n")));
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let stopped = async {
                // Where nobody can say stop any more, it is time to.
                let _ = stopped.await;
            };
            axum::serve(listener, router).with_graceful_shutdown(stopped).await
        });
        Ok(Self { addr, stop, serving })
    }

    /// Where it answers.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Takes no more requests and ends. Connections that are merely open do not keep it.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.serving.abort();
        let _ = self.serving.await;
    }
}

fn answer(health: Value) -> (StatusCode, Json<Value>) {
    let status = if health["status"] == HEALTHY { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

fn cannot_listen(addr: SocketAddr, error: &io::Error) -> Failure {
    let what = if error.kind() == io::ErrorKind::AddrInUse {
        format!("port {} is in use", addr.port())
    } else {
        format!("{addr} cannot be listened on ({error})")
    };
    Failure::new(what, "stop what uses it, or choose another with --port")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(web: &Web, path: &str) -> String {
        let mut socket = tokio::net::TcpStream::connect(web.addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn health_is_asked_for_each_answer_until_it_stops() {
        let asked = std::sync::atomic::AtomicU64::new(0);
        let health = move || {
            let n = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            serde_json::json!({"n": n, "status": if n < 2 { "ok" } else { "failing" }})
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let web = Web::start(any, health).await.unwrap();
        assert_eq!(web.endpoint(), format!("http://{}", web.addr));
        for n in 0..2 {
            let answer = ask(&web, "/healthz").await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&format!("{{\"n\":{n},")), "{answer}");
        }
        assert!(ask(&web, "/healthz").await.starts_with("HTTP/1.1 503"));
        assert!(ask(&web, "/").await.starts_with("HTTP/1.1 404"));
        let addr = web.addr;
        let taken = Web::start(addr, || Value::Null).await.unwrap_err().to_string();
        assert!(taken.contains("is in use") && taken.contains("--port"), "{taken}");
        web.stop().await;
        assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    }
}
