//! DynamoDB's JSON, written from plain JSON text without anything between: `"a"` becomes `{"S":"a"}`.

use headcount_core::json::{end_of_string, plain_until};
use serde_json::Number;

use crate::numbers;

/// Digits of an integer that stands for itself in any case: all of them fit 64 bits.
const PLAIN_DIGITS: usize = 18;

/// Digits of a decimal fraction that stands for itself: that many are exact in a double, which is written as shortly.
const EXACT_DIGITS: usize = 15;

/// Writes the attribute that a JSON value is. `json` is well-formed; strings go over as they are written, escapes and
/// all, and numbers in their stored form ([`numbers`]).
pub(super) fn push_attribute(out: &mut String, json: &str) {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'"' => push_name_or_text(out, json, at),
            b'{' => push(out, "{\"M\":{", at),
            b'}' => push(out, "}}", at),
            b'[' => push(out, "{\"L\":[", at),
            b']' => push(out, "]}", at),
            b',' => push(out, ",", at),
            b':' => push(out, ":", at),
            b't' => push(out, "{\"BOOL\":true}", at + "rue".len()),
            b'f' => push(out, "{\"BOOL\":false}", at + "alse".len()),
            b'n' => push(out, "{\"NULL\":true}", at + "ull".len()),
            b' ' | b'\t' | b'\n' | b'\r' => at + 1,
            _ => {
                let end = at + bytes[at..].iter().take_while(|byte| is_of_number(**byte)).count().max(1);
                push_number(out, &json[at..end]);
                end
            }
        };
    }
}

/// Writes the string that begins at `start`, and goes behind it: behind its colon where it is a name.
fn push_name_or_text(out: &mut String, json: &str, start: usize) -> usize {
    let bytes = json.as_bytes();
    let end = end_of_string(bytes, start);
    if bytes.get(end) == Some(&b':') {
        out.push_str(&json[start..=end]);
        return end + 1;
    }
    // Only a name is followed by a colon.
    if bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':') {
        out.push_str(&json[start..end]);
    } else {
        push_parts(out, ["{\"S\":", &json[start..end], "}"]);
    }
    end
}

/// Writes what a JSON string holds between its quotes.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    if plain_until(text.as_bytes(), 0) == text.len() {
        out.push_str(text);
    } else {
        let quoted = serde_json::Value::from(text).to_string();
        out.push_str(&quoted[1..quoted.len() - 1]);
    }
}

fn push(out: &mut String, text: &str, last: usize) -> usize {
    out.push_str(text);
    last + 1
}

/// Writes texts as they are.
pub(super) fn push_parts<const N: usize>(out: &mut String, parts: [&str; N]) {
    for part in parts {
        out.push_str(part);
    }
}

/// Writes a number.
pub(super) fn push_integer(out: &mut String, number: i64) {
    let mut digits = [0; 20];
    let (mut first, mut left) = (digits.len(), number.unsigned_abs());
    while left > 0 || first == digits.len() {
        first -= 1;
        digits[first] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    if number < 0 {
        out.push('-');
    }
    // Digits are text.
    out.push_str(str::from_utf8(&digits[first..]).unwrap_or_default());
}

fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

fn push_number(out: &mut String, text: &str) {
    out.push_str("{\"N\":\"");
    if is_stored_form(text) {
        out.push_str(text);
    } else {
        // A text that is no number is left to the table to refuse.
        match text.parse::<Number>() {
            Ok(number) => out.push_str(&numbers::as_stored(&number).to_string()),
            Err(_) => push_escaped(out, text),
        }
    }
    out.push_str("\"}");
}

/// Whether the number is surely written as it is stored.
fn is_stored_form(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match digits.split_once('.') {
        None => digits.len() <= PLAIN_DIGITS && all_digits(digits) && text != "-0",
        Some((whole, fraction)) => {
            digits.len() <= EXACT_DIGITS
                && all_digits(whole)
                && all_digits(fraction)
                && !fraction.ends_with('0')
                // Smaller ones are written with an exponent.
                && !(whole == "0" && fraction.starts_with("0000"))
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;
    use fastrand::Rng;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::dynamo::item::from_json;

    /// DynamoDB's JSON for an attribute, by the SDK's own types.
    fn expected(value: &AttributeValue) -> Value {
        match value {
            AttributeValue::S(text) => json!({ "S": text }),
            AttributeValue::N(number) => json!({ "N": number }),
            AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
            AttributeValue::Null(_) => json!({ "NULL": true }),
            AttributeValue::L(items) => json!({ "L": items.iter().map(expected).collect::<Vec<_>>() }),
            AttributeValue::M(map) => {
                let fields: Map<_, _> = map.iter().map(|(name, value)| (name.clone(), expected(value))).collect();
                json!({ "M": fields })
            }
            other => panic!("JSON makes no {other:?}"),
        }
    }

    fn check(text: &str) {
        let mut out = String::new();
        push_attribute(&mut out, text);
        let written: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{text}: {out}: {error}"));
        assert_eq!(written, expected(&from_json(&serde_json::from_str(text).unwrap())), "{text}");
    }

    #[test]
    fn every_kind_of_value_becomes_its_attribute() {
        check(r#"{"text":"a","yes":true,"no":false,"none":null,"list":[1,"two",[],{},[3.5,"x"]],"map":{},"":"empty"}"#);
        check(" { \"a\" : [ 1 , 2 ] ,\n\t\"b\":\"c\" } ");
        check(r#"{"q\"uote":"\"","back\\":"\\","u\u00e9":"\ud83d\ude00 \/ \b\f\n\r\t","colon":":","s\"":"},{"}"#);
        check(r#"{"ü":"grüße 😀","deep":{"a":{"b":{"c":[[[{"d":"e"}]]]}}}}"#);
    }

    #[test]
    fn numbers_take_their_stored_form() {
        for text in [
            "0",
            "-0",
            "1",
            "-1",
            "1.0",
            "1e0",
            "0.10",
            "1E+2",
            "-0.0",
            "0.25",
            "12.5",
            "-12.50",
            "0.0001",
            "0.00001",
            "0.000012",
            "100.5",
            "9007199254740993",
            "9007199254740993.0",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "123456789012345678",
            "1234567890123456789",
            "123456789012345678901234567890",
            "12345678901234567890.0",
            "0.1000000000000000055",
            "123456789012.25",
            "1234567890123.25",
            "0.30000000000000004",
            "1e19",
            "1e20",
            "9.99e125",
            "1e-130",
            "5e-1",
        ] {
            check(text);
            check(&format!(r#"{{"n":[{text},{text}]}}"#));
        }
        let mut random = Rng::with_seed(11);
        for _ in 0..20_000 {
            let mut draw = || {
                let digits = random.u32(..17);
                random.u64(..10_u64.pow(digits))
            };
            let (whole, fraction) = (draw(), draw());
            let zeros = "0".repeat(random.usize(..6));
            let sign = if random.bool() { "-" } else { "" };
            check(&format!("{sign}{whole}.{zeros}{fraction}"));
            check(&format!("{sign}{whole}"));
        }
    }

    #[test]
    fn integers_are_written_as_they_are() {
        for number in [0, 7, -1, 10, 1_772_323_200_000, i64::MAX, i64::MIN] {
            let mut out = String::new();
            push_integer(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }

    #[test]
    fn texts_are_escaped_only_where_they_must_be() {
        for text in ["", "plain ü 😀", "a\"b", "a\\b", "line\nbreak", "\u{1}", "\u{7f}"] {
            let mut out = String::from("\"");
            push_escaped(&mut out, text);
            out.push('"');
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text, "{out}");
        }
    }
}
