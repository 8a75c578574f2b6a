//! Numbers as people read them.

use serde_json::Value;

/// `12345` as `12,345`.
pub(crate) fn whole(number: u64) -> String {
    grouped(&number.to_string())
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with at most `places` decimal places, without the zeros that say nothing.
pub(crate) fn decimal(number: f64, places: usize) -> String {
    let text = format!("{:.places$}", number.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, fraction) = (if number < 0.0 { "-" } else { "" }, fraction.trim_end_matches('0'));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", grouped(whole))
}

/// A JSON scalar for a table's cell; `-` where there is nothing.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(count), _) => whole(count),
            (None, Some(fraction)) => decimal(fraction, 6),
            (None, None) => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (10_000, "10,000"),
            (123_456, "123,456"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(whole(number), text);
        }
    }

    #[test]
    fn decimals_say_what_they_know_and_no_more() {
        for (number, places, text) in [
            (0.5, 3, "0.5"),
            (12.0, 3, "12"),
            (0.000_12, 3, "0"),
            (1.25, 1, "1.2"),
            (-1.5, 2, "-1.5"),
            (100.4, 0, "100"),
            (61_234.96, 1, "61,235"),
            (1_234.56, 1, "1,234.6"),
        ] {
            assert_eq!(decimal(number, places), text, "{number}");
        }
    }

    #[test]
    fn every_scalar_has_a_cell() {
        for (value, text) in [
            (json!(null), "-"),
            (json!(true), "yes"),
            (json!(20_000), "20,000"),
            (json!(0.000_001_5), "0.000002"),
            (json!("x"), "x"),
            (json!(-3), "-3"),
        ] {
            assert_eq!(cell(&value), text);
        }
    }
}
