//! Where an event came from: source, sequence number, index in the record.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hash::hash128;

/// What delivers records in order, and so has a log of its own. Clones share its text.
///
/// A source is `<stream>/<shard>` or `<stream>@<generation>/<shard>` for a shard of a stream, `import/<hash>` for an
/// imported file and `redrive/<name>` for a batch that an event source mapping gave up on. Its text is a part of object
/// names and item keys.
///
/// ```
/// use headcount_core::origin::Source;
/// let source = Source::shard("events", None, "shardId-000000000000").unwrap();
/// assert_eq!(source.as_str(), "events/shardId-000000000000");
/// assert_eq!(Source::parse("events/shardId-000000000000"), Ok(source));
/// assert_eq!(Source::shard("events", Some("2"), "0").unwrap().as_str(), "events@2/0");
/// assert!(Source::shard("import", None, "0").is_err(), "the name is taken by imported files");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(Arc<str>);

/// The folder of imported files, which no stream may be named.
pub const IMPORT: &str = "import";

/// The folder of redriven batches, which no stream may be named.
pub const REDRIVE: &str = "redrive";

impl Source {
    /// A shard of a stream. A stream that was deleted and created again under its old name is another `generation`:
    /// its sequence numbers begin anew.
    ///
    /// # Errors
    /// A name is empty, longer than 128 bytes, holds other characters than letters, digits, `_`, `.` and `-`, or the
    /// stream is named [`IMPORT`] or [`REDRIVE`].
    pub fn shard(stream: &str, generation: Option<&str>, shard: &str) -> Result<Self, OriginError> {
        let text = match generation {
            Some(generation) => format!("{stream}@{generation}/{shard}"),
            None => format!("{stream}/{shard}"),
        };
        let is_sound = is_name(stream) && generation.is_none_or(is_name) && is_name(shard);
        if !is_sound || stream == IMPORT || stream == REDRIVE {
            return Err(OriginError::Source(text));
        }
        Ok(Self(text.into()))
    }

    /// An imported file, by the hash of its content.
    pub fn import(hash: u128) -> Self {
        Self(format!("{IMPORT}/{hash:032x}").into())
    }

    /// A redriven batch, by the name of the object that keeps it.
    pub fn redrive(object: &str) -> Self {
        Self(format!("{REDRIVE}/{:032x}", hash128(object.as_bytes())).into())
    }

    /// The source written as its text.
    ///
    /// # Errors
    /// The text is none that the other constructors make.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let bad = || OriginError::Source(text.chars().take(400).collect());
        let (folder, name) = text.split_once('/').ok_or_else(bad)?;
        let (stream, generation) = folder.split_once('@').map_or((folder, None), |(stream, it)| (stream, Some(it)));
        if is_name(stream) && generation.is_none_or(is_name) && is_name(name) {
            Ok(Self(text.into()))
        } else {
            Err(bad())
        }
    }

    /// The source's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a shard of a stream, and not an imported file or a redriven batch: it can deliver more.
    pub fn is_shard(&self) -> bool {
        !self.0.split_once('/').is_some_and(|(folder, _)| folder == IMPORT || folder == REDRIVE)
    }
}

/// Names of streams and shards: letters, digits, `_`, `.` and `-`, at most 128
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html>). Not `.` and `..`, which would leave the
/// folder that the log lies in.
fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !matches!(text, "." | "..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A record's sequence number: a decimal number of any length (Kinesis hands out 56 digits and more).
///
/// Clones share its digits. Sequence numbers are compared as numbers: text would put `"9"` after `"10"`, and a `u128` holds only 38 digits.
///
/// ```
/// use headcount_core::origin::SequenceNumber;
/// let nine: SequenceNumber = "9".parse().unwrap();
/// let ten: SequenceNumber = "10".parse().unwrap();
/// assert!(nine < ten);
/// assert_eq!("0010".parse::<SequenceNumber>().unwrap(), ten);
/// assert!("1e3".parse::<SequenceNumber>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SequenceNumber(Arc<str>);

impl SequenceNumber {
    /// The number's digits, without leading zeros.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for SequenceNumber {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

impl FromStr for SequenceNumber {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        // Without a way out on the way: many bytes are compared at once.
        let all_digits = text.bytes().fold(true, |so_far, byte| so_far & byte.is_ascii_digit());
        if text.is_empty() || text.len() > 256 || !all_digits {
            return Err(OriginError::Sequence(text.chars().take(64).collect()));
        }
        let digits = text.trim_start_matches('0');
        Ok(Self(if digits.is_empty() { "0" } else { digits }.into()))
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), &*self.0).cmp(&(other.0.len(), &*other.0))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The one place that an occurrence of an event has in all streams. Ordered as its source delivered it.
///
/// ```
/// use headcount_core::origin::Origin;
/// let origin: Origin = "events/shardId-000000000000#49590338271490256608559692538361571095#3".parse().unwrap();
/// assert_eq!(origin.index, 3);
/// assert_eq!(origin.to_string().parse::<Origin>().unwrap(), origin);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The source that delivered the record.
    pub source: Source,
    /// The record's sequence number in that source.
    pub sequence: SequenceNumber,
    /// The event's index in the record, from 0.
    pub index: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.source, self.sequence, self.index)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let bad = || OriginError::Origin(text.chars().take(400).collect());
        let mut parts = text.rsplitn(3, '#');
        let index = parts.next().and_then(|part| part.parse().ok()).ok_or_else(bad)?;
        let sequence = parts.next().ok_or_else(bad)?.parse()?;
        let source = Source::parse(parts.next().ok_or_else(bad)?)?;
        Ok(Self { source, sequence, index })
    }
}

/// A source, sequence number or origin that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Not a source.
    #[error(
        "{0:?} is not a source: it must be <stream>/<shard>, <stream>@<generation>/<shard>, import/<hash> or \
         redrive/<name>, of letters, digits, '_', '.' and '-', and no stream may be named import, redrive, '.' or '..'"
    )]
    Source(String),
    /// Not a sequence number.
    #[error("a sequence number is 1 to 256 decimal digits: {0:?}")]
    Sequence(String),
    /// Not an origin.
    #[error("an origin is <source>#<sequence number>#<index>: {0:?}")]
    Origin(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_source_stays_in_its_folder() {
        for text in ["..", "../x", "x/..", "./x", "a/b/c", "x/", "/x", "a@/x", "a b/x", "é/x"] {
            assert!(matches!(Source::parse(text), Err(OriginError::Source(_))), "{text}");
        }
        assert!(Source::shard("..", None, "0").is_err() && Source::parse("..a@2/.b").is_ok());
    }

    proptest! {
        #[test]
        fn sequence_numbers_order_as_numbers(a in any::<u64>(), b in any::<u64>()) {
            prop_assert_eq!(SequenceNumber::from(a).cmp(&SequenceNumber::from(b)), a.cmp(&b));
        }

        #[test]
        fn origins_round_trip(stream in "x[a-zA-Z0-9_.-]{1,127}", sequence in "[1-9][0-9]{0,60}", index in any::<u32>()) {
            let origin = Origin { source: Source::shard(&stream, None, "shardId-000000000007").unwrap(), sequence: sequence.parse().unwrap(), index };
            prop_assert_eq!(origin.to_string().parse::<Origin>().unwrap(), origin);
        }
    }
}
