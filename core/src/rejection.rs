//! What becomes of an event that breaks a rule: all its problems, and the payload, bounded.

use std::fmt;

use crate::ip_policy::IpPolicy;
use crate::limits::{MAX_EVENT_BYTES, MAX_PROBLEMS_PER_EVENT, MAX_REJECTED_PAYLOAD_BYTES};

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

/// Fields that rejections are told apart by; each may cost something by the month.
const REASONS: [&str; 7] = ["eventId", "userId", "sessionId", "eventType", "timestamp", "eventData", "metadata"];

impl Rejection {
    /// The top-level field of the first problem, for counting: one of few, whatever producers send. `record` where the
    /// whole event or record is meant.
    ///
    /// ```
    /// use headcount_core::rejection::{Payload, Problem, Rejection};
    /// let reason = |field: &str| {
    ///     let problems = vec![Problem::new(field, "must not be empty")];
    ///     Rejection { problems, payload: Payload::Withheld, count: 1 }.reason()
    /// };
    /// assert_eq!(reason("metadata.platform"), "metadata");
    /// assert_eq!((reason(""), reason("shoe size")), ("record", "other"));
    /// ```
    pub fn reason(&self) -> &'static str {
        let field = self.problems.first().map_or("", |problem| &*problem.field);
        let top = field.split(['.', '[']).next().unwrap_or_default();
        match REASONS.into_iter().find(|reason| *reason == top) {
            Some(reason) => reason,
            None if top.is_empty() => "record",
            None => "other",
        }
    }
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

/// Bytes of one problem's field path, and of its text. Field names come from outside.
const MAX_PROBLEM_TEXT_BYTES: usize = 300;

/// Collects the problems of one event, at most [`MAX_PROBLEMS_PER_EVENT`]; the rest are only counted.
///
/// ```
/// use headcount_core::rejection::Problems;
/// let mut problems = Problems::default();
/// for _ in 0..60 {
///     problems.add("userId", "is required");
/// }
/// let listed = problems.into_vec();
/// assert_eq!(listed.len(), 51);
/// assert_eq!(listed[50].to_string(), "10 more problems are not listed");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<Problem>,
    unlisted: u64,
}

impl Problems {
    /// Adds one problem of a field. Field and problem are rendered only where there is room to list them.
    pub fn add(&mut self, field: impl fmt::Display, problem: impl fmt::Display) {
        if self.listed.len() < MAX_PROBLEMS_PER_EVENT {
            self.listed.push(Problem { field: bounded(&field), problem: bounded(&problem) });
        } else {
            self.unlisted += 1;
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// How many there are, listed or not.
    pub fn count(&self) -> u64 {
        self.listed.len() as u64 + self.unlisted
    }

    /// The problems listed, and where some are not, a last one that says how many.
    pub fn into_vec(self) -> Vec<Problem> {
        let mut listed = self.listed;
        match self.unlisted {
            0 => {}
            1 => listed.push(Problem::new("", "1 more problem is not listed")),
            more => listed.push(Problem::new("", format!("{more} more problems are not listed"))),
        }
        listed
    }
}

fn bounded(text: &impl fmt::Display) -> String {
    let mut text = text.to_string();
    if text.len() > MAX_PROBLEM_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_PROBLEM_TEXT_BYTES));
        text.push('…');
    }
    text
}

impl Payload {
    /// A payload of text, its addresses as the policy wants them, cut to [`MAX_REJECTED_PAYLOAD_BYTES`] on a character
    /// boundary. Where addresses must not be kept, a text of more than [`MAX_EVENT_BYTES`] is withheld: all of it
    /// would have to be taken apart for the beginning that is kept.
    pub fn of_text(text: &str, policy: IpPolicy) -> Self {
        let redacted;
        let text = match policy {
            IpPolicy::Keep => text,
            IpPolicy::Truncate | IpPolicy::Drop if text.len() > MAX_EVENT_BYTES => return Self::Withheld,
            IpPolicy::Truncate | IpPolicy::Drop => {
                redacted = policy.redact_text(text);
                &redacted
            }
        };
        let kept = text.floor_char_boundary(MAX_REJECTED_PAYLOAD_BYTES);
        Self::Text { text: text[..kept].to_owned(), truncated: kept < text.len() }
    }

    /// A payload of bytes, as text where they are text. Where addresses must not be kept, other bytes are withheld:
    /// nobody can say what is in them.
    pub fn of_bytes(bytes: &[u8], policy: IpPolicy) -> Self {
        if let Ok(text) = str::from_utf8(bytes) {
            return Self::of_text(text, policy);
        }
        match policy {
            IpPolicy::Keep => {
                let kept = bytes.len().min(MAX_REJECTED_PAYLOAD_BYTES);
                Self::Binary { bytes: bytes[..kept].to_vec(), truncated: kept < bytes.len() }
            }
            IpPolicy::Truncate | IpPolicy::Drop => Self::Withheld,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_and_texts_are_cut() {
        let mut problems = Problems::default();
        problems.add("é".repeat(1_000), "é".repeat(1_000));
        let listed = problems.into_vec();
        for text in [&listed[0].field, &listed[0].problem] {
            assert!(text.len() <= MAX_PROBLEM_TEXT_BYTES + '…'.len_utf8() && text.ends_with('…'));
        }
    }

    #[test]
    fn payloads_are_cut_on_a_character_boundary() {
        let text = format!("x{}", "é".repeat(MAX_REJECTED_PAYLOAD_BYTES / 2));
        let Payload::Text { text: kept, truncated: true } = Payload::of_bytes(text.as_bytes(), IpPolicy::Keep) else {
            panic!("text is kept as text")
        };
        assert_eq!(kept, text[..MAX_REJECTED_PAYLOAD_BYTES - 1]);
        let fitting = "x".repeat(MAX_REJECTED_PAYLOAD_BYTES);
        let whole = Payload::Text { text: fitting.clone(), truncated: false };
        assert_eq!(Payload::of_text(&fitting, IpPolicy::Keep), whole);
        let bytes = vec![0xff; MAX_REJECTED_PAYLOAD_BYTES + 1];
        assert_eq!(
            Payload::of_bytes(&bytes, IpPolicy::Keep),
            Payload::Binary { bytes: bytes[1..].to_vec(), truncated: true }
        );
    }

    #[test]
    fn what_cannot_be_redacted_is_withheld() {
        for policy in [IpPolicy::Truncate, IpPolicy::Drop] {
            assert_eq!(Payload::of_bytes(&[0xff, b'1'], policy), Payload::Withheld);
            assert_eq!(Payload::of_text(&"x".repeat(MAX_EVENT_BYTES + 1), policy), Payload::Withheld);
            let redacted = Payload::of_text("203.0.113.77 x", policy);
            assert!(!format!("{redacted:?}").contains(".77"), "{redacted:?}");
        }
        // An address on the edge of the cut is seen whole before the text is cut.
        let text = format!("{} 203.0.113.77", "x".repeat(MAX_REJECTED_PAYLOAD_BYTES - 12));
        let Payload::Text { text: kept, .. } = Payload::of_text(&text, IpPolicy::Truncate) else { panic!("text") };
        assert!(kept.ends_with(" 203.0.113.0"), "{}", &kept[kept.len() - 20..]);
    }
}
