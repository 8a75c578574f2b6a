//! Write keys: who may post events. They can do nothing else, and in a web page everybody can read them.

use std::fmt;

use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// Bytes of a write key, at least: short ones can be guessed.
pub const MIN_KEY_BYTES: usize = 16;

/// Bytes of a write key, at most.
pub const MAX_KEY_BYTES: usize = 128;

/// Keys that are valid at once, at most: two suffice to replace one by another, the rest is for one key a website.
pub const MAX_KEYS: usize = 100;

/// The keys that are valid. Several, so that a new one can be handed out before the old one ends.
#[derive(Clone, Default)]
pub struct WriteKeys(Vec<Box<str>>);

impl WriteKeys {
    /// The keys in a text: one a line or separated by commas; blanks around them, empty lines and lines that begin with `#`
    /// mean nothing.
    ///
    /// # Errors
    ///
    /// A key is too short, too long, or not of visible ASCII, or there are too many. The key itself is not repeated.
    ///
    /// ```
    /// use headcount_collector::WriteKeys;
    /// let keys = WriteKeys::parse("# the website\nwk_0123456789abcdef\n").unwrap();
    /// assert!(keys.allow(Some("wk_0123456789abcdef")));
    /// assert!(!keys.allow(Some("wk_0123456789abcdee")) && !keys.allow(None));
    /// ```
    pub fn parse(text: &str) -> Result<Self, WriteKeysError> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let keys: Vec<&str> =
            lines.flat_map(|line| line.split(',')).map(str::trim).filter(|key| !key.is_empty()).collect();
        if keys.len() > MAX_KEYS {
            return Err(WriteKeysError::TooMany(keys.len()));
        }
        for (index, key) in (1..).zip(&keys) {
            let is_sound =
                (MIN_KEY_BYTES..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|at| at.is_ascii_graphic());
            if !is_sound {
                return Err(WriteKeysError::Unusable(index));
            }
        }
        Ok(Self(keys.into_iter().map(Into::into).collect()))
    }

    /// Whether there is none: everybody may post.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request that brings this key may post.
    pub fn allow(&self, given: Option<&str>) -> bool {
        self.is_empty() || self.find(given).is_some()
    }

    /// Which key a request brings. All keys are compared, each in a time that depends on lengths alone.
    pub(super) fn find(&self, given: Option<&str>) -> Option<usize> {
        let given = given.unwrap_or_default().as_bytes();
        let (none, mut found) = (u64::MAX, u64::MAX);
        for (index, key) in (0..).zip(&self.0) {
            found.conditional_assign(&index, key.as_bytes().ct_eq(given));
        }
        (found != none).then_some(found as usize)
    }
}

impl fmt::Debug for WriteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteKeys({})", self.0.len())
    }
}

/// Why a text holds no usable write keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteKeysError {
    /// More than [`MAX_KEYS`].
    #[error("there are {0} write keys: at most {MAX_KEYS} are allowed")]
    TooMany(usize),
    /// A key that may not be one: the how manyeth, from 1.
    #[error(
        "write key {0} cannot be used: a key has {MIN_KEY_BYTES} to {MAX_KEY_BYTES} visible ASCII characters and no comma"
    )]
    Unusable(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old-key-0123456789";
    const NEW: &str = "new-key-0123456789";

    #[test]
    fn any_of_several_keys_is_valid_and_nothing_else() {
        let keys = WriteKeys::parse(&format!(" {OLD} ,\r\n\n# note, with a comma\n{NEW}")).unwrap();
        for (given, allowed) in [
            (Some(OLD), true),
            (Some(NEW), true),
            (Some("note"), false),
            (Some(""), false),
            (None, false),
            (Some(&OLD[1..]), false),
        ] {
            assert_eq!(keys.allow(given), allowed, "{given:?}");
        }
        assert_eq!(format!("{keys:?}"), "WriteKeys(2)", "a log shows no key");
    }

    #[test]
    fn without_keys_everybody_may() {
        let keys = WriteKeys::parse("\n# none\n").unwrap();
        assert!(keys.is_empty() && keys.allow(None) && keys.allow(Some("x")));
    }

    #[test]
    fn unusable_keys_are_numbered_and_not_shown() {
        for key in ["short", "with a blank inside", "é-0123456789-abcdef", &"x".repeat(MAX_KEY_BYTES + 1)] {
            let error = WriteKeys::parse(&format!("{OLD}\n{key}")).unwrap_err();
            assert_eq!(error, WriteKeysError::Unusable(2));
            assert!(!error.to_string().contains(key));
        }
        let many = vec![OLD; MAX_KEYS + 1].join("\n");
        assert_eq!(WriteKeys::parse(&many).unwrap_err(), WriteKeysError::TooMany(MAX_KEYS + 1));
    }
}
