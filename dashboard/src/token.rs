//! The read token: who knows it may read. It is never shown, logged or written into an address.

use std::fmt;

use ring::hmac;

/// Bytes of a read token, at least: shorter ones can be guessed.
pub const MIN_TOKEN_BYTES: usize = 16;

/// Bytes of a read token, at most.
pub const MAX_TOKEN_BYTES: usize = 512;

/// How long a browser stays signed in, seconds: 7 days.
pub(crate) const SESSION_SECONDS: i64 = 7 * 24 * 60 * 60;

/// What a session's mark is made of, beside its end.
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

    /// What a browser keeps instead of the token: when its session ends, seconds since the epoch, and a mark that only
    /// the token makes.
    pub(crate) fn session(&self, now_s: i64) -> String {
        let ends = now_s + SESSION_SECONDS;
        let mark = hmac::sign(&self.0, session_text(ends).as_bytes());
        format!("{ends}.{}", hex::encode(mark))
    }

    /// Whether the text is a session of this token that has not ended.
    pub(crate) fn is_session(&self, text: &str, now_s: i64) -> bool {
        let Some((ends, mark)) = text.split_once('.') else { return false };
        let Ok(ends) = ends.parse::<i64>() else { return false };
        let Ok(mark) = hex::decode(mark) else { return false };
        now_s < ends && hmac::verify(&self.0, session_text(ends).as_bytes(), &mark).is_ok()
    }
}

fn key(text: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())
}

fn session_text(ends: i64) -> String {
    format!("{SESSION_PURPOSE} until {ends}")
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

    #[test]
    fn a_session_is_of_its_token_and_ends() {
        let token = ReadToken::new(TOKEN).unwrap();
        let session = token.session(1_000);
        assert!(!session.contains(TOKEN));
        assert!(token.is_session(&session, 1_000) && token.is_session(&session, 999 + SESSION_SECONDS));
        assert!(!token.is_session(&session, 1_000 + SESSION_SECONDS));
        let longer = session.replacen('6', "7", 1);
        assert!(!token.is_session(&longer, 1_000));
        for text in ["", ".", "x.y", "9999999999.", "9999999999.0", "9999999999.zz", TOKEN] {
            assert!(!token.is_session(text, 1_000), "{text:?}");
        }
        assert!(!ReadToken::new("another-token-0123").unwrap().is_session(&session, 1_000));
    }
}
