//! The read token: who knows it may read. It is never shown, logged or written into an address.

use std::fmt;

use ring::hmac;

/// Bytes of a read token, at least: shorter ones can be guessed.
pub const MIN_TOKEN_BYTES: usize = 16;

/// Bytes of a read token, at most.
pub const MAX_TOKEN_BYTES: usize = 512;

/// What keys of sessions are made of.
const SESSION_PURPOSE: &str = "headcount read session";

/// The token that readers must give.
#[derive(Clone)]
pub struct ReadToken(hmac::Key);

/// Why a text is no read token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a read token has {MIN_TOKEN_BYTES} to {MAX_TOKEN_BYTES} visible ASCII characters and no blanks: make one with \
     `openssl rand -hex 24`"
)]
pub struct TokenError;

impl ReadToken {
    /// The token in a text; white space around it, as at the end of a file, is left out.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let is_fine = (MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES).contains(&text.len());
        if !is_fine || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError);
        }
        Ok(Self(key(text)))
    }

    /// Whether the text is the token. It takes the same time wherever they differ, and however long the text is.
    pub fn is(&self, text: &str) -> bool {
        let mark = hmac::sign(&key(text), SESSION_PURPOSE.as_bytes());
        hmac::verify(&self.0, SESSION_PURPOSE.as_bytes(), mark.as_ref()).is_ok()
    }

    /// The key of sessions: only the token, and what is drawn for this process, make it.
    pub(crate) fn session_key(&self, drawn: &[u8]) -> hmac::Key {
        let secret = hmac::sign(&self.0, &[SESSION_PURPOSE.as_bytes(), drawn].concat());
        hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref())
    }
}

fn key(text: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())
}

impl fmt::Debug for ReadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123";

    #[test]
    fn a_token_is_long_and_visible() {
        for refused in ["", "short", "0123456789 abcdef", "0123456789abcdé0", &"x".repeat(513)] {
            assert_eq!(ReadToken::new(refused).err(), Some(TokenError), "{refused:?}");
        }
        let token = ReadToken::new(&format!("{TOKEN}\n")).unwrap();
        assert!(token.is(TOKEN));
        for other in ["", "0123456789abcdef012", "0123456789abcdef01234", "1123456789abcdef0123"] {
            assert!(!token.is(other), "{other:?}");
        }
        assert_eq!(format!("{token:?}"), "ReadToken");
    }
}
