//! Over the strings in a JSON text, eight bytes at a time.

/// The index behind the string that begins at `start`; the length where it does not end.
///
/// ```
/// use headcount_core::json::end_of_string;
/// assert_eq!(end_of_string(br#""a\"b", 1"#, 0), 6);
/// ```
pub fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        at = plain_until(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The index of the first quote, backslash or control character from `at` on; the length where there is none. Eight bytes
/// at a time.
///
/// ```
/// use headcount_core::json::plain_until;
/// assert_eq!(plain_until(b"plain, then \"", 0), 12);
/// ```
pub fn plain_until(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map(u64::from_le_bytes) {
        let equals = |byte: u8| {
            let zero_where_equal = word ^ (ONES * u64::from(byte));
            zero_where_equal.wrapping_sub(ONES) & !zero_where_equal
        };
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        // The lowest mark is right; above it, a borrow may have made others.
        let marks = (equals(b'"') | equals(b'\\') | controls) & HIGHS;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| *byte >= b' ' && !matches!(byte, b'"' | b'\\')) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_is_not_plain_is_found_wherever_it_is() {
        for byte in 0..=255u8 {
            let is_plain = byte >= b' ' && byte != b'"' && byte != b'\\';
            for behind in [b'a', b'"', 0x80, 0x1f] {
                for place in 0..20 {
                    let mut bytes = [b'x'; 24];
                    (bytes[place], bytes[place + 1]) = (byte, behind);
                    let first = if is_plain { place + 1 } else { place };
                    let expected = if is_plain && matches!(behind, b'a' | 0x80) { 24 } else { first };
                    assert_eq!(plain_until(&bytes, 0), expected, "{byte:#x} at {place}, then {behind:#x}");
                }
            }
        }
    }
}
