//! `head/<source>`: how far a source's log goes, kept outside the log's expiry.

use headcount_core::origin::SequenceNumber;
use serde::{Deserialize, Serialize};

/// The newest entry of a source, as of some time: the log goes on behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The entry's number.
    pub entry: u64,
    /// The newest sequence number it covers.
    #[serde(with = "digits")]
    pub last: SequenceNumber,
    /// When it was appended, milliseconds since the epoch; 0 where it is damaged, so that nobody can tell.
    #[serde(rename = "appendedMs")]
    pub appended_ms: i64,
}

pub(crate) mod digits {
    use headcount_core::origin::SequenceNumber;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(number: &SequenceNumber, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(number.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SequenceNumber, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
