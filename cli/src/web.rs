//! The command's own web server: figures, and `GET /healthz`.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use headcount_dashboard::{Access, ReadToken};
use headcount_doors::{Limits, Listener, raise_descriptor_limit, routed};
use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::output;

/// The variable that holds the read token.
pub(crate) const TOKEN_VARIABLE: &str = "HEADCOUNT_READ_TOKEN";

/// A running server.
#[derive(Debug)]
pub(crate) struct Web(Listener);

impl Web {
    /// Serves on `addr`; port 0 takes a free one.
    pub(crate) async fn start(addr: SocketAddr, router: Router) -> Result<Self, Failure> {
        let listener = TcpListener::bind(addr).await.map_err(|error| cannot_listen(addr, &error))?;
        let answer = routed(router.into_service());
        let listener = Listener::serve(listener, limits(), answer).map_err(|error| cannot_listen(addr, &error))?;
        Ok(Self(listener))
    }

    /// Where it answers.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.0.addr())
    }

    /// Takes no more requests and ends.
    pub(crate) async fn stop(self) {
        self.0.stop().await;
    }
}

/// What clients may hold of each listener of this process.
pub(crate) fn limits() -> Limits {
    Limits::for_descriptors(raise_descriptor_limit())
}

/// Who may read from a server on this address: the token is in the file, or in [`TOKEN_VARIABLE`], and never on a command
/// line, where everybody on the machine would see it.
pub(crate) fn access(addr: SocketAddr, token_file: Option<&Path>) -> Result<Access, Failure> {
    let text = match token_file {
        Some(file) => Some(std::fs::read_to_string(file).map_err(|error| {
            Failure::new(
                format!("the read token in {} cannot be read ({error})", file.display()),
                "name a file that holds the token alone",
            )
        })?),
        None => std::env::var(TOKEN_VARIABLE).ok().filter(|text| !text.is_empty()),
    };
    let token = text.map(|text| ReadToken::new(&text).map_err(Failure::said)).transpose()?;
    let access = Access::at(addr, token);
    if access.is_closed() {
        output::note(&format!(
            "other machines can connect to {addr}, so nobody may read figures there: give a read token by \
             --read-token-file or {TOKEN_VARIABLE}"
        ));
    }
    Ok(access)
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
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(web: &Web, path: &str) -> String {
        let mut socket = tokio::net::TcpStream::connect(web.0.addr()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_serves_until_it_stops() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let router = Router::new().route("/x", get(|| std::future::ready("hello")));
        let web = Web::start(any, router).await.unwrap();
        assert_eq!(web.endpoint(), format!("http://{}", web.0.addr()));
        assert!(ask(&web, "/x").await.ends_with("hello"));
        let addr = web.0.addr();
        let taken = Web::start(addr, Router::new()).await.unwrap_err().to_string();
        assert!(taken.contains("is in use") && taken.contains("--port"), "{taken}");
        web.stop().await;
        assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    }

    #[test]
    fn the_token_is_read_from_a_file_and_never_shown() {
        let addr = SocketAddr::from(([0, 0, 0, 0], 1));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let missing = access(addr, Some(&file)).unwrap_err().to_string();
        assert!(missing.contains("token") && missing.contains("name a file"), "{missing}");
        std::fs::write(&file, "tooshort\n").unwrap();
        let short = access(addr, Some(&file)).unwrap_err().to_string();
        assert!(short.contains("16 to 512") && !short.contains("tooshort"), "{short}");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        assert!(!access(addr, Some(&file)).unwrap().is_closed());
    }
}
