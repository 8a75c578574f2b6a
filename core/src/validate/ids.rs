//! Ids: what is trimmed of them, and which ones name nobody.

/// What is no id of a user, whatever its case: how programs and templates write a value that is not there.
pub const PLACEHOLDER_IDS: [&str; 14] = [
    "undefined",
    "null",
    "(null)",
    "none",
    "nil",
    "nan",
    "[object object]",
    "{{user_id}}",
    "{{userid}}",
    "0",
    "anonymous",
    "guest",
    "unknown",
    "00000000-0000-0000-0000-000000000000",
];

/// The id without the blanks and invisible characters around it.
///
/// ```
/// use headcount_core::validate::trimmed_id;
/// assert_eq!(trimmed_id("\u{feff} u-1\u{200b}"), "u-1");
/// ```
pub fn trimmed_id(id: &str) -> &str {
    id.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Characters without a shape of their own: joiners, marks of direction, and the like.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}')
}
