//! Who may come in, by the headers that browsers set and pages cannot change.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Method};

/// Says which page sent a request, relative to the address that it asks for.
const FETCH_SITE: &str = "sec-fetch-site";

/// Says what becomes of the answer.
const FETCH_MODE: &str = "sec-fetch-mode";

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// An AWS API, for SDKs. No browser has any business here.
    Sdk,
    /// Figures and their web page. Pages of other origins may only link to it.
    Figures,
    /// The collector, which decides itself which pages may post.
    Collector,
}

/// Who may come in by one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    door: Door,
    only_this_machine: bool,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request names another host than this machine.
    #[error("this address answers requests to localhost or a loopback address only: connect to it by such a name")]
    Host,
    /// The request comes from a web page that may not ask.
    #[error("web pages of other origins may not ask here")]
    Page,
}

impl Policy {
    /// For a listener at this address.
    pub fn at(door: Door, addr: SocketAddr) -> Self {
        Self { door, only_this_machine: addr.ip().is_loopback() }
    }

    /// For what is reached through something else: a function behind its own address.
    pub fn behind(door: Door) -> Self {
        Self { door, only_this_machine: false }
    }

    /// Answers to every host name, also on loopback: something else tells who asks.
    #[must_use]
    pub fn of_any_host(self) -> Self {
        Self { only_this_machine: false, ..self }
    }

    /// Whether only this machine can connect.
    pub fn is_loopback(&self) -> bool {
        self.only_this_machine
    }

    /// Whether a request may be answered.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        // A page of another site whose name was made to point here names its own host.
        if self.only_this_machine && !host(headers).is_some_and(is_loopback_name) {
            return Err(Refusal::Host);
        }
        let site = headers.get(FETCH_SITE).map(http::HeaderValue::as_bytes);
        let is_let_in = match self.door {
            Door::Collector => true,
            Door::Sdk => !headers.contains_key(ORIGIN) && matches!(site, None | Some(b"none")),
            Door::Figures => {
                let is_safe = method == Method::GET || method == Method::HEAD;
                match site {
                    Some(b"none" | b"same-origin") => true,
                    Some(_) => is_safe && headers.get(FETCH_MODE).is_some_and(|mode| mode == "navigate"),
                    // Old browsers say an origin with every post, and programs nothing.
                    None => is_safe || is_own_origin(headers),
                }
            }
        };
        if is_let_in { Ok(()) } else { Err(Refusal::Page) }
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST).and_then(|host| host.to_str().ok())
}

/// Whether this is a name of this machine that no other site can have.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the origin, if there is one, is that of the address that is asked. A proxy may have ended TLS, so only hosts are
/// compared.
fn is_own_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let of_origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    of_origin.is_some() && of_origin == host(headers)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const HERE: &str = "127.0.0.1:8000";

    fn check(door: Door, method: Method, host: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in [("host", host)].iter().chain(headers) {
            map.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        Policy::at(door, HERE.parse().unwrap()).check(&method, &map)
    }

    #[test]
    fn on_loopback_only_names_of_this_machine_are_answered() {
        for (host, is_known) in [
            ("127.0.0.1:8600", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("[::1]:8600", true),
            ("127.9.9.9", true),
            ("evil.example:8600", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:8600", false),
            ("[2001:db8::1]", false),
            ("", false),
        ] {
            let expected = if is_known { Ok(()) } else { Err(Refusal::Host) };
            for door in [Door::Sdk, Door::Figures, Door::Collector] {
                assert_eq!(check(door, Method::GET, host, &[]), expected, "{door:?} {host}");
            }
        }
        let policy = Policy::at(Door::Sdk, HERE.parse().unwrap());
        assert_eq!(policy.check(&Method::GET, &HeaderMap::new()), Err(Refusal::Host));
        assert_eq!(policy.of_any_host().check(&Method::GET, &HeaderMap::new()), Ok(()));
        let elsewhere = Policy::at(Door::Sdk, "0.0.0.0:8000".parse().unwrap());
        assert!(!elsewhere.is_loopback() && elsewhere.check(&Method::POST, &HeaderMap::new()).is_ok());
    }

    #[test]
    fn sdks_come_in_and_pages_do_not() {
        for (headers, is_let_in) in [
            (&[][..], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://127.0.0.1:8000")], false),
        ] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                assert_eq!(check(Door::Sdk, method, HERE, headers).is_ok(), is_let_in, "{headers:?}");
            }
        }
    }

    #[test]
    fn pages_of_other_origins_may_link_to_figures_and_no_more() {
        let own = ("origin", "http://127.0.0.1:8000");
        let other = ("origin", "http://127.0.0.1:8001");
        for (method, headers, is_let_in) in [
            (Method::GET, &[][..], true),
            (Method::GET, &[("sec-fetch-site", "same-origin")], true),
            (Method::GET, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], true),
            (Method::GET, &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")], false),
            (Method::GET, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")], false),
            (Method::POST, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false),
            (Method::POST, &[("sec-fetch-site", "same-origin"), own], true),
            // Through a proxy that asks under another name.
            (Method::POST, &[("sec-fetch-site", "same-origin"), other], true),
            (Method::POST, &[own], true),
            (Method::POST, &[other], false),
            (Method::POST, &[("origin", "null")], false),
            // No browser at all.
            (Method::POST, &[], true),
        ] {
            assert_eq!(check(Door::Figures, method.clone(), HERE, headers).is_ok(), is_let_in, "{method} {headers:?}");
        }
    }
}
