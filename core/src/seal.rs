//! JSON objects whose last field is a checksum of the rest, so that a single flipped bit is noticed.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::hash::hash64;

/// The field, as it begins.
const FIELD: &str = ",\"checksum\":\"";

/// How an object with it ends.
const END: &str = "\"}";

/// Hexadecimal digits of the checksum.
const DIGITS: usize = 16;

/// Why a sealed object cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The checksum is wrong or missing.
    #[error("its checksum is missing or wrong")]
    Checksum,
    /// It is not what was expected.
    #[error("{0}")]
    Content(String),
}

/// The object as JSON, with its checksum.
///
/// # Panics
///
/// Where `object` is not a JSON object with at least one field.
///
/// ```
/// use headcount_core::seal::{open, seal};
/// let sealed = seal(&serde_json::json!({"entry": 7}));
/// assert!(sealed.starts_with(r#"{"entry":7,"checksum":""#));
/// assert_eq!(open::<serde_json::Value>(sealed.as_bytes()).unwrap()["entry"], 7);
/// assert!(open::<serde_json::Value>(sealed.replace('7', "8").as_bytes()).is_err());
/// ```
pub fn seal(object: &impl Serialize) -> String {
    let mut json = serde_json::to_string(object).expect("texts and numbers are JSON, and memory takes all");
    let checksum = hash64(json.as_bytes());
    assert!(json.len() > 2 && json.pop() == Some('}'), "an object with a field");
    json.push_str(&format!("{FIELD}{checksum:0DIGITS$x}{END}"));
    json
}

/// The object in JSON that [`seal`] made.
///
/// # Errors
///
/// [`SealError`].
pub fn open<T: DeserializeOwned>(json: &[u8]) -> Result<T, SealError> {
    let json = json.trim_ascii_end();
    let (object, field) =
        json.len().checked_sub(FIELD.len() + DIGITS + END.len()).map_or((json, &[][..]), |at| json.split_at(at));
    let digits = field.strip_prefix(FIELD.as_bytes()).and_then(|rest| rest.strip_suffix(END.as_bytes()));
    let checksum = digits.and_then(|digits| u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
    if checksum != Some(hash64(&[object, b"}"].concat())) {
        return Err(SealError::Checksum);
    }
    serde_json::from_slice(json).map_err(|error| SealError::Content(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn any_change_is_noticed() {
        let sealed = seal(&json!({"a": {"b": [1, 2]}, "text": "\"}"})).into_bytes();
        assert_eq!(open::<Value>(&sealed).unwrap()["a"], json!({"b": [1, 2]}));
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut spoilt = sealed.clone();
                spoilt[at] ^= 1 << bit;
                // A digit of the checksum may be written in capitals.
                let is_case = bit == 5 && sealed[at].is_ascii_lowercase() && at > sealed.len() - DIGITS - END.len() - 1;
                assert!(open::<Value>(&spoilt).is_err() || is_case, "byte {at}, bit {bit}");
            }
            assert_eq!(open::<Value>(&sealed[..at]), Err(SealError::Checksum), "{at} bytes");
        }
        assert!(open::<Value>(b"{}").is_err() && open::<Vec<u8>>(&sealed).is_err());
    }
}
