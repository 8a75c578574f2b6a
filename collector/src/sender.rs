//! Who sent a request: its address, through the proxies that are trusted.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// The header in which proxies write the addresses that they saw, each its own at the end.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Addresses of a forwarding header that are looked at.
const MAX_HOPS: usize = 20;

/// Proxies that are believed when they say who is behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// The networks of a list: `10.0.0.0/8`, or single addresses.
    ///
    /// # Errors
    ///
    /// One of them is neither.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, TrustedProxyError> {
        let names = names.into_iter().map(str::trim).filter(|name| !name.is_empty());
        let network = |name: &str| {
            let network = name.parse::<IpNet>().or_else(|_| name.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| TrustedProxyError(name.chars().take(100).collect()))
        };
        names.map(network).collect::<Result<_, _>>().map(Self)
    }

    /// The address behind a request of `peer`. From the right, the first address of the forwarding headers that is no trusted
    /// proxy's: what stands left of it anybody can have written.
    ///
    /// ```
    /// use headcount_collector::TrustedProxies;
    /// let proxies = TrustedProxies::parse(["10.0.0.0/8"]).unwrap();
    /// let mut headers = http::HeaderMap::new();
    /// headers.insert("x-forwarded-for", "1.2.3.4, 203.0.113.7, 10.0.0.2".parse().unwrap());
    /// let address = proxies.address_behind("10.0.0.1".parse().unwrap(), &headers);
    /// assert_eq!(address.to_string(), "203.0.113.7");
    /// ```
    pub fn address_behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = peer.to_canonical();
        let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(',')).take(MAX_HOPS);
        for hop in hops {
            if !self.trusts(address) {
                break;
            }
            let Some(next) = address_of(hop.trim()) else { break };
            address = next;
        }
        address
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address as proxies write it: plain, in brackets, or with a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.split(']').next()).unwrap_or(text);
    let plain = bare.parse::<IpAddr>().ok();
    plain
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|with_port| with_port.ip()))
        .map(|ip| ip.to_canonical())
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network of proxies: write it as 10.0.0.0/8, or a single address")]
pub struct TrustedProxyError(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(trusted: &[&str], peer: &str, lines: &[&str], expected: &str) {
        let proxies = TrustedProxies::parse(trusted.iter().copied()).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let address = proxies.address_behind(peer.parse().unwrap(), &headers);
        assert_eq!(address.to_string(), expected, "{trusted:?} {peer} {lines:?}");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check(&[], "10.0.0.1", &["203.0.113.7"], "10.0.0.1");
        check(&["10.0.0.0/8"], "203.0.113.9", &["1.1.1.1"], "203.0.113.9");
        check(&["10.0.0.0/8"], "10.0.0.1", &[], "10.0.0.1");
        check(&["10.0.0.0/8"], "10.0.0.1", &["9.9.9.9, 203.0.113.7"], "203.0.113.7");
        check(&["10.0.0.0/8"], "10.0.0.1", &["9.9.9.9", "203.0.113.7, 10.1.1.1"], "203.0.113.7");
        check(&["10.0.0.0/8"], "10.0.0.1", &["nonsense, 10.1.1.1"], "10.1.1.1");
        check(&["::1"], "::1", &["[2001:db8::7]:443"], "2001:db8::7");
        check(&["127.0.0.1"], "::ffff:127.0.0.1", &["203.0.113.7:5000"], "203.0.113.7");
    }

    #[test]
    fn a_long_header_is_read_no_further_than_its_bound() {
        let long = vec!["10.0.0.2"; 10_000].join(",");
        check(&["10.0.0.0/8"], "10.0.0.1", &[&format!("203.0.113.7,{long}")], "10.0.0.2");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for name in ["10.0.0.0/33", "proxy.example.com", "10.0.0"] {
            assert!(TrustedProxies::parse([name]).is_err(), "{name}");
        }
    }
}
