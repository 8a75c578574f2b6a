//! Who may read, decided before anything else is looked at.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use headcount_doors::{Door, Policy};

use crate::problem::Problem;
use crate::sessions::Sessions;
use crate::sign_in::{self, COOKIE_NAME, SIGN_IN_PATH, STYLE_PATH};
use crate::token::ReadToken;

/// Where health is asked for; everybody may.
pub(crate) const HEALTH_PATH: &str = "/healthz";

/// Who may read.
#[derive(Debug)]
pub struct Access {
    sessions: Option<Sessions>,
    place: Place,
    policy: Policy,
}

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// This machine alone can connect: whoever is on it may read, unless a token is asked for.
    Loopback,
    /// Any machine can.
    Network,
    /// Somebody in front of us has asked who it is: IAM at a function's address.
    Signed,
}

impl Access {
    /// For a listener at this address. Where other machines can connect and there is no token, nobody may read.
    pub fn at(addr: SocketAddr, token: Option<ReadToken>) -> Self {
        let place = if addr.ip().is_loopback() { Place::Loopback } else { Place::Network };
        Self { sessions: token.map(Sessions::of_process), place, policy: Policy::at(Door::Figures, addr) }
    }

    /// For a function whose address everybody can reach: only with the token.
    pub fn by_token(token: ReadToken) -> Self {
        Self {
            sessions: Some(Sessions::of_function(token)),
            place: Place::Network,
            policy: Policy::behind(Door::Figures),
        }
    }

    /// For a function that is called only by whom IAM lets.
    pub fn by_iam() -> Self {
        Self { sessions: None, place: Place::Signed, policy: Policy::behind(Door::Figures) }
    }

    /// Whether nobody may read, for want of a token.
    pub fn is_closed(&self) -> bool {
        self.place == Place::Network && self.sessions.is_none()
    }

    pub(crate) fn sessions(&self) -> Option<&Sessions> {
        self.sessions.as_ref()
    }

    /// Whether only this machine can connect.
    pub(crate) fn is_loopback(&self) -> bool {
        self.place == Place::Loopback
    }

    /// Whether a request may be answered.
    fn check(&self, method: &Method, path: &str, headers: &HeaderMap, now_s: i64) -> Result<(), Problem> {
        self.policy.check(method, headers).map_err(Problem::forbidden)?;
        let is_public = [HEALTH_PATH, STYLE_PATH].contains(&path)
            || (path == SIGN_IN_PATH && [Method::GET, Method::HEAD, Method::POST].contains(method));
        if is_public {
            return Ok(());
        }
        match (&self.sessions, self.place) {
            (None, Place::Loopback | Place::Signed) => Ok(()),
            (None, Place::Network) => Err(Problem::unauthorized(false)),
            (Some(sessions), _) if is_known(sessions, headers, now_s) => Ok(()),
            (Some(_), _) => Err(Problem::unauthorized(true)),
        }
    }
}

fn is_known(sessions: &Sessions, headers: &HeaderMap, now_s: i64) -> bool {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, given) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(given.trim())
    });
    match bearer {
        Some(given) => sessions.token().is(given),
        None => session_cookies(headers).any(|session| sessions.is_open(session, now_s)),
    }
}

/// The sessions that a browser brings.
pub(crate) fn session_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// Lets a request through, or answers for it: people get the form to sign in, programs the problem.
pub(crate) async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let now_s = chrono::Utc::now().timestamp();
    match access.check(request.method(), request.uri().path(), request.headers(), now_s) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            // Neither headers nor the query: they may hold what nobody must see.
            tracing::debug!(status = problem.status.as_u16(), "refused to answer a request");
            sign_in::refusal(problem, request.headers())
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::HOST;
    use axum::http::{HeaderName, HeaderValue, StatusCode};

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123";

    fn status(access: &Access, method: Method, path: &str, headers: &[(HeaderName, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        access.check(&method, path, &map, 1_000).map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    fn at(addr: &str, token: bool) -> Access {
        Access::at(addr.parse().unwrap(), token.then(|| ReadToken::new(TOKEN).unwrap()))
    }

    #[test]
    fn pages_of_others_and_foreign_names_are_refused_everywhere() {
        let foreign = [(HOST, "evil.example:8600")];
        let page = [(HeaderName::from_static("sec-fetch-site"), "cross-site")];
        for path in ["/api/metrics", "/healthz", "/sign-in"] {
            let local = at("127.0.0.1:8600", false);
            assert_eq!(status(&local, Method::GET, path, &[(HOST, "localhost:8600")]), 200, "{path}");
            assert_eq!(status(&local, Method::GET, path, &foreign), 403, "{path}");
            assert_eq!(status(&at("0.0.0.0:8600", true), Method::POST, path, &page), 403, "{path}");
            assert_eq!(status(&Access::by_iam(), Method::GET, path, &page), 403, "{path}");
        }
    }

    #[test]
    fn on_a_network_only_health_and_sign_in_are_open() {
        for token in [true, false] {
            let access = at("0.0.0.0:8600", token);
            assert_eq!(access.is_closed(), !token);
            for path in ["/", "/api/metrics", "/api/openapi.json", "/nothing", "/healthz/", "/sign-in/x", "/sign-out"] {
                let refused = StatusCode::UNAUTHORIZED.as_u16();
                assert_eq!(status(&access, Method::GET, path, &[]), refused, "{path}");
                assert_eq!(status(&access, Method::POST, path, &[]), refused, "{path}");
            }
            assert_eq!(status(&access, Method::GET, "/healthz", &[]), 200);
            assert_eq!(status(&access, Method::GET, "/sign-in", &[]), 200);
            assert_eq!(status(&access, Method::POST, "/sign-in", &[]), 200);
            assert_eq!(status(&access, Method::DELETE, "/sign-in", &[]), 401);
        }
    }

    #[test]
    fn the_token_opens_as_bearer_and_its_session_as_cookie() {
        let access = at("0.0.0.0:8600", true);
        let session = access.sessions().unwrap().sign_in(TOKEN, 1_000).unwrap();
        let cookie = format!("{COOKIE_NAME}={session}");
        for (name, value, wanted) in [
            (AUTHORIZATION, format!("Bearer {TOKEN}"), 200),
            (AUTHORIZATION, format!("bearer  {TOKEN}"), 200),
            (AUTHORIZATION, format!("Bearer {TOKEN}x"), 401),
            (AUTHORIZATION, format!("Basic {TOKEN}"), 401),
            (AUTHORIZATION, TOKEN.to_owned(), 401),
            (COOKIE, cookie.clone(), 200),
            (COOKIE, format!("a=b; {cookie}; c=d"), 200),
            (COOKIE, format!("{COOKIE_NAME}={TOKEN}"), 401),
            (COOKIE, format!("other={session}"), 401),
        ] {
            assert_eq!(status(&access, Method::GET, "/api/metrics", &[(name, &value)]), wanted, "{value}");
        }
        assert_eq!(status(&Access::by_iam(), Method::GET, "/api/metrics", &[]), 200);
        assert_eq!(status(&Access::by_token(ReadToken::new(TOKEN).unwrap()), Method::GET, "/", &[]), 401);
        // With a token, loopback asks for it as well.
        let local = at("127.0.0.1:1", true);
        assert_eq!(status(&local, Method::GET, "/", &[(HOST, "localhost")]), 401);
    }
}
