//! What a `headcount serve` on this machine says of itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of the longest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The field of `/healthz` that names the folder of the event log.
pub(crate) const LOG_FIELD: &str = "log";

/// Where the event log is of the `headcount serve` whose web server has this port.
pub(super) async fn place_of_log(port: u16) -> Result<String, String> {
    let health = timeout(PATIENCE, health(port)).await.map_err(|_| "it does not answer".to_owned())??;
    health[LOG_FIELD].as_str().map(str::to_owned).ok_or_else(|| format!("its /healthz has no field {LOG_FIELD:?}"))
}

async fn health(port: u16) -> Result<Value, String> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let failed = |error: &dyn std::fmt::Display| format!("GET http://{addr}/healthz: {error}");
    let socket = TcpStream::connect(addr).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(|error| failed(&error))?;
    let connection = tokio::spawn(connection);
    let request = Request::get("/healthz").header(HOST, addr.to_string()).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| failed(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| failed(&error))?.to_bytes();
    connection.abort();
    serde_json::from_slice(&body).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;

    use super::*;
    use crate::web::Web;

    #[tokio::test]
    async fn the_place_is_in_its_health() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        for (answer, expected) in [
            (r#"{"status":"failing","log":"/data/log"}"#, Ok("/data/log")),
            (r#"{"status":"ok"}"#, Err("no field \"log\"")),
            ("hello", Err("/healthz: expected")),
        ] {
            let router = Router::new().route("/healthz", get(move || std::future::ready(answer)));
            let web = Web::start(any, router).await.unwrap();
            let port = web.endpoint().rsplit(':').next().unwrap().parse().unwrap();
            match (place_of_log(port).await, expected) {
                (Ok(place), Ok(wanted)) => assert_eq!(place, wanted),
                (Err(problem), Err(wanted)) => assert!(problem.contains(wanted), "{problem}"),
                (found, _) => panic!("{answer}: {found:?}"),
            }
            web.stop().await;
            let nobody = place_of_log(port).await.unwrap_err();
            assert!(nobody.contains("/healthz"), "{nobody}");
        }
    }
}
