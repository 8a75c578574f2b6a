//! What a command prints: results to standard output, everything else to standard error.

use std::borrow::Cow;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::failure::Failure;

pub(crate) mod figures;
pub(crate) mod numbers;
pub(crate) mod sparkline;
pub(crate) mod table;

/// The text without what would change the terminal that shows it, or the order in which it shows it: control characters
/// other than line feeds, and the marks of bidirectional text. Each is written as an escape, as Rust writes it.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c.escape_default().to_string())
}

/// JSON in which strings have those characters as escapes, so that it stays the same JSON.
fn visible_json(text: &str) -> Cow<'_, str> {
    escaped(text, |c| format!("\\u{:04x}", u32::from(c)))
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let pieces = text.split_inclusive(is_hidden).map(|piece| match piece.chars().next_back() {
        Some(last) if is_hidden(last) => format!("{}{}", piece.trim_end_matches(last), escape(last)),
        _ => piece.to_owned(),
    });
    Cow::Owned(pieces.collect())
}

fn is_hidden(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prints the text and a newline to standard output.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let (mut out, text) = (io::stdout().lock(), visible(text));
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Failure::writing(&error))
}

/// Prints the text as it is to standard output.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let (mut out, text) = (io::stdout().lock(), visible(text));
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::writing(&error))
}

/// Prints `value` as indented JSON to standard output.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(format!("the answer cannot be written as JSON ({error})"), "report this"))?;
    line(&visible_json(&text))
}

/// Tells the person at the terminal something that is no result. Where nobody listens, nothing is lost.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", visible(text));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_would_change_the_terminal_is_shown_as_an_escape() {
        for (text, shown) in [
            ("plain ü😀\n", "plain ü😀\n"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("ok\u{9b}31m\u{7f}", "ok\\u{9b}31m\\u{7f}"),
            ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
            ("\u{2066}\u{2066}a\u{2069}\tb\r", "\\u{2066}\\u{2066}a\\u{2069}\\tb\\r"),
        ] {
            assert_eq!(visible(text), shown);
        }
        let value = json!({"\u{9b}": "\u{202e}x\u{7f}\u{2029}", "plain": "ü"});
        let text = value.to_string();
        let shown = visible_json(&text);
        assert!(!shown.contains(is_hidden), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }
}
