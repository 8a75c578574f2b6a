//! What becomes of an event that breaks a rule: all its problems, and the payload, bounded.

use std::fmt;

/// One rule that an event broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, as a path (`eventData.cost`); empty where the whole event or record is meant.
    pub field: String,
    /// The rule that was broken, as a sentence without its subject (`must not be empty`).
    pub problem: String,
}

impl Problem {
    /// A problem of one field.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { f.write_str(&self.problem) } else { write!(f, "{} {}", self.field, self.problem) }
    }
}

/// A rejected event, or a whole record that could not be taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Every problem that was found, at least one.
    pub problems: Vec<Problem>,
    /// What was rejected, at most [`crate::limits::MAX_REJECTED_PAYLOAD_BYTES`], addresses as the policy wants them.
    pub payload: Payload,
    /// Occurrences that this stands for: 1, or more for a record rejected whole and for those that are only counted.
    pub count: u64,
}

/// A rejected payload as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Text, usually JSON.
    Text {
        /// The text, or its beginning.
        text: String,
        /// Whether the text was cut.
        truncated: bool,
    },
    /// Bytes that are no text.
    Binary {
        /// The bytes, or their beginning.
        bytes: Vec<u8>,
        /// Whether the bytes were cut.
        truncated: bool,
    },
    /// Not kept: the policy for addresses forbids it, or the item stands for several.
    Withheld,
}
