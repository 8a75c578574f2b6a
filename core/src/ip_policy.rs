//! What becomes of `metadata.ipAddress`: kept, truncated to its network, or dropped; in rejected payloads too.

mod text;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// What a rejected payload says in place of an address that the policy forbids. It is no empty string, so that a
/// corrected payload can be sent again.
pub const WITHHELD: &str = "(withheld)";

/// How a deployment treats the addresses of its users.
///
/// ```
/// use headcount_core::ip_policy::IpPolicy;
/// let policy: IpPolicy = "truncate".parse().unwrap();
/// assert_eq!(policy.apply("203.0.113.77").as_deref(), Some("203.0.113.0"));
/// assert_eq!(policy.apply("2001:db8:1234:5678::1").as_deref(), Some("2001:db8:1234::"));
/// assert_eq!(policy.apply("::ffff:203.0.113.77").as_deref(), Some("203.0.113.0"));
/// assert_eq!(policy.apply("my laptop"), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpPolicy {
    /// Store the address as it came.
    #[default]
    Keep,
    /// Store the network: the first 24 bits of an IPv4 address, the first 48 of an IPv6 address. What is no address
    /// is not stored, since nobody can say what it reveals.
    Truncate,
    /// Store no address. The wire still requires the field; the stored event has none.
    Drop,
}

impl IpPolicy {
    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Truncate => "truncate",
            Self::Drop => "drop",
        }
    }

    /// What to store in place of `address`; `None` where nothing may be stored.
    pub fn apply(self, address: &str) -> Option<String> {
        match self {
            Self::Keep => Some(address.to_owned()),
            Self::Truncate => network_of(address),
            Self::Drop => None,
        }
    }

    /// A rejected payload as it may be kept. In JSON, every `ipAddress` field at any depth, under whatever spelling of
    /// case, `_` and `-`, and every string that is wholly an address follow the policy; in other text, whatever looks
    /// like an address.
    pub fn redact_text(self, text: &str) -> String {
        if self == Self::Keep {
            return text.to_owned();
        }
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => {
                self.redact_json(&mut value);
                value.to_string()
            }
            Err(_) => self.redact_any_text(text),
        }
    }

    /// Any text as it may be kept: whatever looks like an address follows the policy.
    pub fn redact_any_text(self, text: &str) -> String {
        if self == Self::Keep { text.to_owned() } else { text::redact(self, text) }
    }

    /// Makes every address in the value follow the policy, as [`Self::redact_text`] describes.
    pub fn redact_json(self, value: &mut Value) {
        if self == Self::Keep {
            return;
        }
        match value {
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    if names_an_address(name) { self.redact_address(field) } else { self.redact_json(field) }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json(item)),
            Value::String(text) => {
                if address_of(text).is_some() {
                    *text = self.replacement(text);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The value of an address field. An address may hide in a number, a list or an object as well.
    fn redact_address(self, value: &mut Value) {
        match value {
            Value::Null => {}
            Value::String(text) if text.trim().is_empty() => {}
            Value::String(text) => *text = self.replacement(text),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => *value = WITHHELD.into(),
        }
    }

    fn replacement(self, address: &str) -> String {
        self.apply(address).unwrap_or_else(|| WITHHELD.to_owned())
    }
}

impl fmt::Display for IpPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IpPolicy {
    type Err = IpPolicyError;

    fn from_str(text: &str) -> Result<Self, IpPolicyError> {
        [Self::Keep, Self::Truncate, Self::Drop]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or_else(|| IpPolicyError(text.chars().take(40).collect()))
    }
}

/// The text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no policy for addresses: use keep, truncate or drop")]
pub struct IpPolicyError(String);

/// Whether a field of this name holds an address, in any of the usual spellings.
fn names_an_address(name: &str) -> bool {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
    letters.map(|byte| byte.to_ascii_lowercase()).eq(b"ipaddress".iter().copied())
}

/// The address that the text is: plain, with a port, in brackets, or with a zone (`fe80::1%eth0`).
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(with_port) = text.parse::<SocketAddr>() {
        return Some(with_port.ip());
    }
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
    bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

fn network_of(text: &str) -> Option<String> {
    let network = match address_of(text)?.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    };
    Some(network.to_string())
}

#[cfg(test)]
mod tests;
