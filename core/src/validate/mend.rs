//! Well-formed JSON that the parser refuses all the same, made readable: half surrogate pairs, numbers beyond a double,
//! nesting beyond its bound. None of these may cost an event more than the property that has them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::end_of_string;
use crate::limits::MAX_NESTING;

/// Levels of nesting that are kept: those of a stored object, and the event around it.
const MAX_LEVELS: usize = MAX_NESTING + 1;

/// Stands for a number that no double holds: too large for everything that has a rule, and for the table.
const TOO_LARGE: &str = "1e308";

/// What a half of a surrogate pair becomes: U+FFFD.
const REPLACEMENT: &str = "\\ufffd";

/// The text so that it can be parsed, and how much of it was mended. A text that can be parsed, or is not well-formed, stays
/// as it is.
///
/// ```
/// use headcount_core::validate::mend;
/// let (text, mended) = mend(r#"{"title": "\ud83d", "n": 1e999}"#);
/// assert_eq!((&*text, mended), (r#"{"title": "\ufffd", "n": 1e308}"#, 2));
/// ```
pub fn mend(text: &str) -> (Cow<'_, str>, u64) {
    if serde_json::from_str::<&RawValue>(text).is_err() {
        return (Cow::Borrowed(text), 0);
    }
    let mut mending = Mending { text, kept: 0, mended: String::new(), count: 0 };
    mending.run();
    if mending.count == 0 {
        return (Cow::Borrowed(text), 0);
    }
    mending.mended.push_str(&text[mending.kept..]);
    (Cow::Owned(mending.mended), mending.count)
}

struct Mending<'a> {
    text: &'a str,
    /// How far the text has been copied.
    kept: usize,
    mended: String,
    count: u64,
}

impl Mending<'_> {
    fn run(&mut self) {
        let bytes = self.text.as_bytes();
        let (mut at, mut level) = (0, 0_usize);
        while let Some(byte) = bytes.get(at) {
            let start = at;
            match byte {
                b'"' => {
                    at = end_of_string(bytes, at);
                    self.halves_of_pairs(start, at);
                    continue;
                }
                b'-' | b'0'..=b'9' => {
                    let is_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                    at += bytes[at..].iter().take_while(is_number).count();
                    if self.text[start..at].parse::<f64>().is_ok_and(f64::is_infinite) {
                        let sign = if *byte == b'-' { "-" } else { "" };
                        self.replace(start, at, &format!("{sign}{TOO_LARGE}"));
                    }
                    continue;
                }
                b'{' | b'[' if level == MAX_LEVELS => {
                    at = end_of_nested(bytes, at);
                    self.replace(start, at, "null");
                    continue;
                }
                b'{' | b'[' => level += 1,
                b'}' | b']' => level = level.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
    }

    /// Replaces the escapes of half a pair in the string between `start` and `end`.
    fn halves_of_pairs(&mut self, start: usize, end: usize) {
        let mut at = start;
        while let Some(found) = memchr::memchr(b'\\', &self.text.as_bytes()[at..end]) {
            at += found;
            let Some(first) = self.unit(at) else {
                at += 2;
                continue;
            };
            let is_pair = matches!(first, 0xd800..=0xdbff) && matches!(self.unit(at + 6), Some(0xdc00..=0xdfff));
            if is_pair {
                at += 12;
                continue;
            }
            if matches!(first, 0xd800..=0xdfff) {
                self.replace(at, at + 6, REPLACEMENT);
            }
            at += 6;
        }
    }

    /// The UTF-16 unit that is escaped at `at`.
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    }

    fn replace(&mut self, start: usize, end: usize, with: &str) {
        self.mended.push_str(&self.text[self.kept..start]);
        self.mended.push_str(with);
        self.kept = end;
        self.count += 1;
    }
}

/// The index behind the object or array that begins at `start`.
fn end_of_nested(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut level) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        at = if *byte == b'"' { end_of_string(bytes, at) } else { at + 1 };
        match byte {
            b'{' | b'[' => level += 1,
            b'}' | b']' => level -= 1,
            _ => {}
        }
        if level == 0 {
            break;
        }
    }
    at
}
