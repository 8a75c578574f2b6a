//! The form in which a number is stored in the table.
//!
//! DynamoDB keeps decimals of up to 38 digits and forgets how they were written: `1.0`, `1e0` and `1` come back as
//! `1`, and `-0.0` as `0`. So a number has a stored form: a whole number that fits 64 bits is an integer, anything
//! else a float. Adapters write numbers in their stored form, so every adapter reads back the same.

use headcount_core::event::Object;
use headcount_core::limits::{MAX_NUMBER_MAGNITUDE, MIN_NUMBER_MAGNITUDE};
use serde_json::{Number, Value};

/// Digits of the largest integer that JSON numbers hold here (`u64::MAX`).
const MAX_INTEGER_DIGITS: i64 = 20;

/// The number as the table gives it back.
///
/// ```
/// use headcount_store::numbers::as_stored;
/// use serde_json::Number;
/// let stored = |float| as_stored(&Number::from_f64(float).unwrap()).to_string();
/// assert_eq!([stored(1.0), stored(-0.0), stored(1e19)], ["1", "0", "10000000000000000000"]);
/// assert_eq!([stored(0.25), stored(1e125)], ["0.25", "1e+125"]);
/// ```
pub fn as_stored(number: &Number) -> Number {
    parse(&number.to_string()).unwrap_or_else(|| number.clone())
}

/// The object with every number in its stored form.
pub fn object_as_stored(object: &Object) -> Object {
    object.iter().map(|(name, value)| (name.clone(), value_as_stored(value))).collect()
}

fn value_as_stored(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(as_stored(number)),
        Value::Array(items) => Value::Array(items.iter().map(value_as_stored).collect()),
        Value::Object(object) => Value::Object(object_as_stored(object)),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// The number that a decimal text stands for, in its stored form; `None` where it is no finite decimal number.
///
/// ```
/// use headcount_store::numbers::parse;
/// assert_eq!(parse("1E+2").unwrap().to_string(), "100");
/// assert_eq!(parse("-12.50").unwrap().to_string(), "-12.5");
/// assert_eq!(parse("NaN"), None);
/// ```
pub fn parse(text: &str) -> Option<Number> {
    // Nearly all are counts.
    if (1..MAX_INTEGER_DIGITS as usize).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<u64>().ok().map(Number::from);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (negative, unsigned) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some(Number::from(0));
    }
    let trailing = (digits.len() - digits.trim_end_matches('0').len()) as i64;
    let zeros = exponent.checked_sub(fraction.len() as i64)?.checked_add(trailing)?;
    if zeros >= 0 && zeros + significant.len() as i64 <= MAX_INTEGER_DIGITS {
        let integer = format!("{}{significant}{}", if negative { "-" } else { "" }, "0".repeat(zeros as usize));
        let parsed = integer.parse::<u64>().map(Number::from).or_else(|_| integer.parse::<i64>().map(Number::from));
        if let Ok(number) = parsed {
            return Some(number);
        }
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

/// Whether DynamoDB takes the number: zero, or a magnitude that it stores.
pub fn is_storable(number: &Number) -> bool {
    number
        .as_f64()
        .is_some_and(|float| float == 0.0 || (MIN_NUMBER_MAGNITUDE..=MAX_NUMBER_MAGNITUDE).contains(&float.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_number_has_one_stored_form() {
        for (text, stored) in [
            ("1.0", "1"),
            ("1e0", "1"),
            ("100e-2", "1"),
            ("-0.0", "0"),
            ("0e400", "0"),
            ("1E+2", "100"),
            ("0.10", "0.1"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551616", "1.8446744073709552e+19"),
            ("-9223372036854775809", "-9.223372036854776e+18"),
            ("1e19", "10000000000000000000"),
            ("9.99e125", "9.99e+125"),
            ("1e-130", "1e-130"),
            ("5e-1", "0.5"),
            ("123456789012345678", "123456789012345678"),
            ("0.30000000000000004", "0.30000000000000004"),
        ] {
            let number = parse(text).unwrap_or_else(|| panic!("{text} is a number"));
            assert_eq!(number.to_string(), stored, "{text}");
            assert_eq!(as_stored(&number), number, "{text}: the stored form is its own");
        }
        for text in ["", "-", ".", "e5", "1e", "1e99999999999999999999", "NaN", "inf", "1_0", "0x1", "1e999", "+1"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn floats_come_back_bit_for_bit() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let float = f64::from_bits(random.u64(..));
            let Some(number) = Number::from_f64(float) else { continue };
            assert_eq!(as_stored(&number).as_f64().map(|back| back + 0.0), Some(float + 0.0), "seed 3: {float:e}");
        }
    }

    #[test]
    fn what_the_table_cannot_hold_is_known() {
        for (float, storable) in
            [(0.0, true), (9.99e125, true), (-9.99e125, true), (1e126, false), (1e-130, true), (1e-131, false)]
        {
            assert_eq!(is_storable(&Number::from_f64(float).unwrap()), storable, "{float:e}");
        }
    }
}
