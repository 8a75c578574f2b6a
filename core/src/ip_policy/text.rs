//! Addresses in text that is no JSON: a cut or damaged event still names its user's address.

use super::{IpPolicy, WITHHELD, address_of};

/// The text with everything that looks like an address replaced. What only resembles one (a version of four numbers)
/// is replaced too.
pub(super) fn redact(policy: IpPolicy, text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(in_address) {
        let (before, from) = rest.split_at(start);
        let (run, after) = from.split_at(from.find(|c| !in_address(c)).unwrap_or(from.len()));
        redacted.push_str(before);
        redact_run(policy, run, &mut redacted);
        rest = after;
    }
    redacted.push_str(rest);
    redacted
}

fn in_address(c: char) -> bool {
    c.is_ascii_hexdigit() || matches!(c, '.' | ':')
}

/// One longest run of characters that addresses are made of.
fn redact_run(policy: IpPolicy, run: &str, redacted: &mut String) {
    let colons = run.bytes().filter(|byte| *byte == b':').count();
    if colons < 2 {
        redact_dotted(policy, run, redacted);
        return;
    }
    // Punctuation of the text around it may stick to the address: `from:2001:db8::1.`
    let end = run.trim_end_matches('.');
    let candidates = [end, end.strip_prefix(':').unwrap_or(end), end.strip_suffix(':').unwrap_or(end)];
    if let Some(address) = candidates.into_iter().find(|candidate| address_of(candidate).is_some()) {
        let at = run.find(address).unwrap_or(0);
        redacted.push_str(&run[..at]);
        redacted.push_str(&policy.replacement(address));
        redacted.push_str(&run[at + address.len()..]);
    } else if run.contains("::") && run.bytes().any(|byte| byte.is_ascii_hexdigit()) || colons >= 7 {
        redacted.push_str(WITHHELD);
    } else {
        redact_dotted(policy, run, redacted);
    }
}

/// A run in which only dotted addresses are looked for.
fn redact_dotted(policy: IpPolicy, run: &str, redacted: &mut String) {
    for (part, separator) in parts(run) {
        let numbers = part.trim_matches('.');
        if numbers.bytes().filter(|byte| *byte == b'.').count() >= 3 {
            redacted.push_str(&policy.replacement(numbers));
        } else {
            redacted.push_str(part);
        }
        redacted.push_str(separator);
    }
}

/// Stretches of digits and dots, each with the other characters that follow it.
fn parts(run: &str) -> impl Iterator<Item = (&str, &str)> {
    let dotted = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = run;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, after) = rest.split_at(rest.find(|c| !dotted(c)).unwrap_or(rest.len()));
        let (separator, after) = after.split_at(after.find(dotted).unwrap_or(after.len()));
        rest = after;
        Some((part, separator))
    })
}
