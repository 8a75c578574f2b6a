//! Signing in with a browser: the token once, in a form, and from then on a cookie that is of no use elsewhere.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{ACCEPT, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use crate::access::{Access, session_cookies};
use crate::problem::Problem;
use crate::sessions::{NotSignedIn, SESSION_SECONDS};

/// Where to sign in.
pub(crate) const SIGN_IN_PATH: &str = "/sign-in";

/// Where to sign out.
pub(crate) const SIGN_OUT_PATH: &str = "/sign-out";

/// The form's look.
pub(crate) const STYLE_PATH: &str = "/sign-in/page.css";

/// The cookie of a browser that has signed in.
pub(crate) const COOKIE_NAME: &str = "headcount_session";

/// Bytes of the form, at most.
pub(crate) const MAX_FORM_BYTES: usize = 4 << 10;

const FIRST: &str = "Enter the read token of this Headcount.";
const AGAIN: &str = "That is not the read token. Try again.";
const TOO_FAST: &str = "Too many wrong tokens were tried. Try again in some seconds.";
const CLOSED: &str = "No read token is configured. Start Headcount with one to read from other machines.";
const PLAIN: &str = "Browsers keep you signed in over HTTPS only: put a proxy that speaks TLS in front of this address, or connect to \
                     it from its own machine.";

/// Seconds after which to try again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

pub(crate) async fn form(State(access): State<Arc<Access>>, headers: HeaderMap) -> Html<String> {
    Html(page(first(&access, &headers)))
}

/// What the form says at first.
fn first(access: &Access, headers: &HeaderMap) -> &'static str {
    let is_tls = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    match (access.is_closed(), access.is_loopback() || is_tls) {
        (true, _) => CLOSED,
        (false, true) => FIRST,
        (false, false) => PLAIN,
    }
}

pub(crate) async fn submit(State(access): State<Arc<Access>>, body: Bytes) -> Response {
    let refused = |status, text| (status, Html(page(text))).into_response();
    let Some(sessions) = access.sessions() else { return refused(StatusCode::UNAUTHORIZED, CLOSED) };
    let given = form_urlencoded::parse(&body).find(|(name, _)| name == "token").map(|(_, value)| value);
    match sessions.sign_in(given.unwrap_or_default().trim(), chrono::Utc::now().timestamp()) {
        Ok(session) => redirect("/", &cookie(&session, SESSION_SECONDS, &access)),
        Err(NotSignedIn::Wrong) => {
            tracing::info!("a sign-in with a wrong read token was refused");
            refused(StatusCode::UNAUTHORIZED, AGAIN)
        }
        Err(NotSignedIn::TooFast) => {
            let mut answer = refused(StatusCode::TOO_MANY_REQUESTS, TOO_FAST);
            answer.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
            answer
        }
    }
}

pub(crate) async fn sign_out(State(access): State<Arc<Access>>, headers: HeaderMap) -> Response {
    if let Some(sessions) = access.sessions() {
        let now_s = chrono::Utc::now().timestamp();
        session_cookies(&headers).for_each(|session| sessions.sign_out(session, now_s));
    }
    redirect(SIGN_IN_PATH, &cookie("", 0, &access))
}

fn redirect(to: &'static str, cookie: &str) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response();
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Not for scripts, not for other sites, and only over TLS where it leaves this machine.
fn cookie(value: &str, seconds: i64, access: &Access) -> String {
    let secure = if access.is_loopback() { "" } else { "; Secure" };
    format!("{COOKIE_NAME}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// A refusal as who asks reads it.
pub(crate) fn refusal(problem: Problem, headers: &HeaderMap) -> Response {
    let is_person =
        headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"));
    if is_person && problem.status == StatusCode::UNAUTHORIZED {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], Html(page(FIRST))).into_response();
    }
    problem.into_response()
}

fn page(text: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Headcount: sign in</title>\n\
         <link rel=\"stylesheet\" href=\"{STYLE_PATH}\">\n\
         <main class=\"sign-in\">\n<h1>Headcount</h1>\n<p>{text}</p>\n\
         <form method=\"post\" action=\"{SIGN_IN_PATH}\">\n<label>Read token\n\
         <input type=\"password\" name=\"token\" autocomplete=\"current-password\" required autofocus></label>\n\
         <button>Sign in</button>\n</form>\n</main>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_for_this_site_alone() {
        let cookie_at = |addr: &str| cookie("1.ab", 60, &Access::at(addr.parse().unwrap(), None));
        let plain = cookie_at("127.0.0.1:8600");
        assert_eq!(plain, "headcount_session=1.ab; Max-Age=60; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(cookie_at("0.0.0.0:8600"), format!("{plain}; Secure"));
    }

    #[test]
    fn people_get_the_form_and_programs_the_problem() {
        let mut headers = HeaderMap::new();
        let of = |headers: &HeaderMap| {
            let response = refusal(Problem::unauthorized(true), headers);
            (response.status().as_u16(), response.headers()["content-type"].to_str().unwrap().to_owned())
        };
        assert_eq!(of(&headers), (401, "application/problem+json".into()));
        headers.insert(ACCEPT, HeaderValue::from_static("text/html,*/*"));
        assert_eq!(of(&headers), (401, "text/html; charset=utf-8".into()));
    }
}
