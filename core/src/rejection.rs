//! What becomes of an event that breaks a rule: all its problems, and the payload, bounded.

use std::fmt;

use crate::ip_policy::IpPolicy;
use crate::limits::{MAX_EVENT_BYTES, MAX_PROBLEMS_PER_EVENT, MAX_REJECTED_PAYLOAD_BYTES};
use crate::wire::Form;

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
const REASONS: [&str; 8] =
    ["eventId", "userId", "sessionId", "accountId", "eventType", "timestamp", "eventData", "metadata"];

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
    /// boundary. Of a longer text than an event may have only the beginning is looked at.
    pub fn of_text(text: &str, policy: IpPolicy) -> Self {
        let redacted;
        let (shown, is_whole) = match policy {
            IpPolicy::Keep => (text, true),
            IpPolicy::Truncate | IpPolicy::Drop => {
                // An address that this cuts in two lies far behind what is kept: what stands for an address is at most
                // five times shorter.
                let begin = &text[..text.floor_char_boundary(MAX_EVENT_BYTES)];
                redacted = policy.redact_text(begin);
                (&*redacted, begin.len() == text.len())
            }
        };
        let kept = shown.floor_char_boundary(MAX_REJECTED_PAYLOAD_BYTES);
        Self::Text { text: shown[..kept].to_owned(), truncated: kept < shown.len() || !is_whole }
    }

    /// A payload of bytes, as text where they are text. Where addresses must not be kept, other bytes are kept as the text
    /// that they resemble, so that addresses in them can be seen; of compressed bytes, in which none can, nothing is kept.
    pub fn of_bytes(bytes: &[u8], policy: IpPolicy) -> Self {
        if let Ok(text) = str::from_utf8(bytes) {
            return Self::of_text(text, policy);
        }
        match policy {
            IpPolicy::Keep => {
                let kept = bytes.len().min(MAX_REJECTED_PAYLOAD_BYTES);
                Self::Binary { bytes: bytes[..kept].to_vec(), truncated: kept < bytes.len() }
            }
            IpPolicy::Truncate | IpPolicy::Drop if Form::of(bytes) != Form::Plain => Self::Withheld,
            IpPolicy::Truncate | IpPolicy::Drop => {
                let kept = bytes.len().min(MAX_EVENT_BYTES);
                let mut text = String::from_utf8_lossy(&bytes[..kept]).into_owned();
                // An address may be hidden by what lies between its characters, as in UTF-16.
                text.retain(|c| !c.is_control() || matches!(c, '\n' | '\t'));
                let mut text = policy.redact_any_text(&text);
                let truncated = kept < bytes.len() || text.len() > MAX_REJECTED_PAYLOAD_BYTES;
                text.truncate(text.floor_char_boundary(MAX_REJECTED_PAYLOAD_BYTES));
                Self::Text { text, truncated }
            }
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
    fn addresses_are_masked_and_what_cannot_be_seen_through_is_withheld() {
        let shown = |bytes: &[u8], policy| match Payload::of_bytes(bytes, policy) {
            Payload::Text { text, .. } => text,
            other => panic!("{other:?}"),
        };
        for policy in [IpPolicy::Truncate, IpPolicy::Drop] {
            assert_eq!(Payload::of_bytes(&[0x1f, 0x8b, 0xff, 1], policy), Payload::Withheld);
            for text in [
                b"\xff203.0.113.77 x".to_vec(),
                "203.0.113.77".encode_utf16().flat_map(u16::to_be_bytes).chain([0xff]).collect(),
            ] {
                let text = shown(&text, policy);
                assert!(
                    !text.contains(".77") && (text.contains("203.0.113.0") || text.contains("(withheld)")),
                    "{text}"
                );
            }
            let long = format!("203.0.113.77 {}", "x".repeat(MAX_EVENT_BYTES));
            let Payload::Text { text, truncated: true } = Payload::of_text(&long, policy) else { panic!("cut") };
            assert!(!text.contains(".77") && text.len() == MAX_REJECTED_PAYLOAD_BYTES);
        }
        // An address on the edge of the cut is seen whole before the text is cut.
        let text = format!("{} 203.0.113.77", "x".repeat(MAX_REJECTED_PAYLOAD_BYTES - 12));
        let Payload::Text { text: kept, .. } = Payload::of_text(&text, IpPolicy::Truncate) else { panic!("text") };
        assert!(kept.ends_with(" 203.0.113.0"), "{}", &kept[kept.len() - 20..]);
        // However many addresses, what is cut in two lies behind what is kept.
        let many = "2001:0db8:85a3:1234:5678:8a2e:0370:7334 ".repeat(4_000);
        let Payload::Text { text, .. } = Payload::of_text(&many, IpPolicy::Drop) else { panic!("text") };
        assert!(text.len() > 7_000 && !text.contains("8a2e"), "{}", text.len());
    }
}
