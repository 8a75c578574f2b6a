//! Browsers that have signed in. A browser keeps when its session ends and a mark that only this server makes; what is kept here
//! are the sessions that were signed out before their end.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::token::ReadToken;

/// How long a browser stays signed in, seconds: 7 days.
pub(crate) const SESSION_SECONDS: i64 = 7 * 24 * 60 * 60;

/// Sessions that were signed out and have not ended, at most. Beyond, everybody signs in again.
const MAX_SIGNED_OUT: usize = 10_000;

/// Bytes that are drawn for a session, and for a process.
const DRAWN_BYTES: usize = 16;

/// Wrong tokens in a row that may be tried as fast as they come.
const FREE_TRIES: u32 = 5;

/// Time between two tries from then on.
const TRY_INTERVAL: Duration = Duration::from_secs(2);

/// The sessions of one server.
pub(crate) struct Sessions {
    token: ReadToken,
    state: Mutex<State>,
}

struct State {
    key: hmac::Key,
    /// The ends of sessions that were signed out, by their marks.
    signed_out: HashMap<String, i64>,
    /// Wrong tokens in a row, and when the last one came.
    wrong: u32,
    last_wrong: Instant,
}

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSignedIn {
    /// That is not the token.
    Wrong,
    /// Too many wrong tokens were tried: this one was not looked at.
    TooFast,
}

impl Sessions {
    /// Of one process: they end with it.
    pub(crate) fn of_process(token: ReadToken) -> Self {
        let drawn = draw();
        Self::new(token, &drawn)
    }

    /// Of a function: any of its processes knows them all. Each knows only the sign-outs that it was asked for itself.
    pub(crate) fn of_function(token: ReadToken) -> Self {
        Self::new(token, &[])
    }

    fn new(token: ReadToken, drawn: &[u8]) -> Self {
        let key = token.session_key(drawn);
        let state = State { key, signed_out: HashMap::new(), wrong: 0, last_wrong: Instant::now() };
        Self { token, state: Mutex::new(state) }
    }

    pub(crate) fn token(&self) -> &ReadToken {
        &self.token
    }

    /// A session for who knows the token.
    pub(crate) fn sign_in(&self, given: &str, now_s: i64) -> Result<String, NotSignedIn> {
        let mut state = self.state();
        if state.wrong >= FREE_TRIES && state.last_wrong.elapsed() < TRY_INTERVAL {
            return Err(NotSignedIn::TooFast);
        }
        if !self.token.is(given) {
            state.wrong = state.wrong.saturating_add(1);
            state.last_wrong = Instant::now();
            return Err(NotSignedIn::Wrong);
        }
        state.wrong = 0;
        let text = format!("{}.{}", now_s + SESSION_SECONDS, hex::encode(draw()));
        let mark = hmac::sign(&state.key, text.as_bytes());
        Ok(format!("{text}.{}", hex::encode(mark)))
    }

    /// Whether the text is a session that has not ended.
    pub(crate) fn is_open(&self, text: &str, now_s: i64) -> bool {
        self.state().ends_of(text, now_s).is_some()
    }

    /// Ends a session.
    pub(crate) fn sign_out(&self, text: &str, now_s: i64) {
        let mut state = self.state();
        let Some(ends) = state.ends_of(text, now_s) else { return };
        state.signed_out.retain(|_, ends| now_s < *ends);
        if state.signed_out.len() >= MAX_SIGNED_OUT {
            state.key = self.token.session_key(&draw());
            state.signed_out.clear();
        } else {
            state.signed_out.insert(text.to_owned(), ends);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// When a session ends that is open now.
    fn ends_of(&self, text: &str, now_s: i64) -> Option<i64> {
        let (marked, mark) = text.rsplit_once('.')?;
        let ends = marked.split_once('.')?.0.parse().ok()?;
        let mark = hex::decode(mark).ok()?;
        let is_ours = hmac::verify(&self.key, marked.as_bytes(), &mark).is_ok();
        (is_ours && now_s < ends && !self.signed_out.contains_key(text)).then_some(ends)
    }
}

fn draw() -> [u8; DRAWN_BYTES] {
    let mut drawn = [0; DRAWN_BYTES];
    SystemRandom::new().fill(&mut drawn).expect("the system gives random bytes");
    drawn
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123";

    fn token() -> ReadToken {
        ReadToken::new(TOKEN).unwrap()
    }

    #[test]
    fn a_session_is_of_its_server_and_ends() {
        let sessions = Sessions::of_process(token());
        let session = sessions.sign_in(TOKEN, 1_000).unwrap();
        assert!(!session.contains(TOKEN));
        assert!(sessions.is_open(&session, 1_000) && sessions.is_open(&session, 999 + SESSION_SECONDS));
        assert!(!sessions.is_open(&session, 1_000 + SESSION_SECONDS));
        assert!(!sessions.is_open(&format!("9{session}"), 1_000));
        for text in ["", ".", "x.y", "9999999999.", "9999999999.0", "9999999999.zz.00", TOKEN] {
            assert!(!sessions.is_open(text, 1_000), "{text:?}");
        }
        assert!(!Sessions::of_process(token()).is_open(&session, 1_000), "another process");
        let session = Sessions::of_function(token()).sign_in(TOKEN, 1_000).unwrap();
        assert!(Sessions::of_function(token()).is_open(&session, 1_000), "another process of the function");
        let other = ReadToken::new("another-token-0123").unwrap();
        assert!(!Sessions::of_function(other).is_open(&session, 1_000));
    }

    #[test]
    fn who_signs_out_is_out_and_nobody_else() {
        let sessions = Sessions::of_process(token());
        let [one, other] = [(), ()].map(|()| sessions.sign_in(TOKEN, 1_000).unwrap());
        sessions.sign_out(&one, 1_001);
        assert!(!sessions.is_open(&one, 1_001) && sessions.is_open(&other, 1_001));
        sessions.sign_out("nonsense", 1_001);
        // What has ended need not be remembered.
        sessions.sign_out(&other, 1_000 + SESSION_SECONDS);
        assert_eq!(sessions.state().signed_out.len(), 1);
        for _ in 0..MAX_SIGNED_OUT {
            let session = sessions.sign_in(TOKEN, 1_000).unwrap();
            sessions.sign_out(&session, 1_001);
            assert!(!sessions.is_open(&session, 1_001));
        }
        assert!(sessions.state().signed_out.len() < MAX_SIGNED_OUT && !sessions.is_open(&one, 1_001));
    }

    #[test]
    fn guessing_becomes_slow_and_the_right_token_helps_no_guesser() {
        let sessions = Sessions::of_process(token());
        for _ in 0..FREE_TRIES {
            assert_eq!(sessions.sign_in("a-wrong-token-0123", 0), Err(NotSignedIn::Wrong));
        }
        assert_eq!(sessions.sign_in(TOKEN, 0), Err(NotSignedIn::TooFast));
        let earlier = Instant::now().checked_sub(TRY_INTERVAL).unwrap();
        sessions.state().last_wrong = earlier;
        assert_eq!(sessions.sign_in("a-wrong-token-0123", 0), Err(NotSignedIn::Wrong));
        assert_eq!(sessions.sign_in("a-wrong-token-0123", 0), Err(NotSignedIn::TooFast));
        sessions.state().last_wrong = earlier;
        assert!(sessions.sign_in(TOKEN, 0).is_ok());
        assert_eq!(sessions.sign_in("a-wrong-token-0123", 0), Err(NotSignedIn::Wrong), "it begins anew");
    }
}
