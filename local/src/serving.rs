//! A stand-in's listener: bound before it is said to run.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::error::LocalError;

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

/// The address of a listener of this process, for messages where the system does not tell it.
pub(crate) fn unusable(what: &'static str, source: io::Error) -> LocalError {
    LocalError::Bind { what, addr: SocketAddr::from(([0, 0, 0, 0], 0)), option: "address", source }
}
