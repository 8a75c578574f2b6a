//! An answer: as JSON or as comma-separated values, with a tag by which it is not sent twice.

use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use headcount_core::hash::hash64;
use headcount_query::csv::{Lines, csv};

use crate::parameters::Parameters;
use crate::problem::Problem;

/// The media type of comma-separated values.
pub(crate) const CSV_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
}

impl Format {
    /// As `format` says, or else as the request prefers.
    pub(crate) fn of(parameters: &Parameters, headers: &HeaderMap) -> Result<Self, Problem> {
        match parameters.text("format") {
            Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some(_) => Err(Problem::parameter("format", "must be json or csv")),
            None => Ok(preferred(headers)),
        }
    }
}

/// Comma-separated values where they are named and JSON is not liked better.
fn preferred(headers: &HeaderMap) -> Format {
    let accept: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let weight = |wanted: &str| {
        let of = |one: &&str| {
            let mut parts = one.split(';').map(str::trim);
            let is_it = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted));
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            is_it.then_some(weight)
        };
        accept.iter().find_map(of).unwrap_or(0.0f64)
    };
    if weight("text/csv") > weight("application/json") { Format::Csv } else { Format::Json }
}

/// The answer, or that it is the one that the client has.
pub(crate) fn respond(answer: &impl Lines, format: Format, headers: &HeaderMap) -> Response {
    match format {
        Format::Csv => {
            let mut response = tagged(csv(answer).into_bytes(), CSV_TYPE, headers);
            let attachment = axum::http::HeaderValue::from_static("attachment; filename=\"headcount.csv\"");
            response.headers_mut().insert(CONTENT_DISPOSITION, attachment);
            response
        }
        Format::Json => match serde_json::to_vec(answer) {
            Ok(body) => tagged(body, "application/json", headers),
            Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
    }
}

/// A body under its tag.
pub(crate) fn tagged(body: Vec<u8>, content_type: &'static str, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:016x}\"", hash64(&body));
    // Whoever may not read any more must not be shown what a cache kept.
    let common = [
        (ETAG, tag.clone()),
        (CACHE_CONTROL, "private, no-cache".to_owned()),
        (VARY, "Accept, Authorization, Cookie".to_owned()),
    ];
    if is_known(&tag, headers) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, content_type)], body).into_response()
}

/// Whether the client has what is under this tag.
pub(crate) fn is_known(tag: &str, headers: &HeaderMap) -> bool {
    let listed = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = listed.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn values_separated_by_commas_are_sent_to_who_prefers_them() {
        for (accept, wanted) in [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("text/csv", Format::Csv),
            ("TEXT/CSV", Format::Csv),
            ("text/csv;q=0.5, application/json", Format::Json),
            ("application/json;q=0.4, text/csv ; q=0.5", Format::Csv),
            ("text/csv;q=x", Format::Json),
            ("image/png", Format::Json),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(preferred(&headers), wanted, "{accept:?}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let first = tagged(b"{}".to_vec(), "application/json", &HeaderMap::new());
        let tag = first.headers()[ETAG].clone();
        assert_eq!(first.status(), StatusCode::OK);
        let tag = tag.to_str().unwrap();
        for (given, wanted) in [
            (tag.to_owned(), StatusCode::NOT_MODIFIED),
            (format!("W/{tag}"), StatusCode::NOT_MODIFIED),
            (format!("\"x\", {tag}"), StatusCode::NOT_MODIFIED),
            ("*".to_owned(), StatusCode::NOT_MODIFIED),
            ("\"x\"".to_owned(), StatusCode::OK),
            (String::new(), StatusCode::OK),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(&given).unwrap());
            let answer = tagged(b"{}".to_vec(), "application/json", &headers);
            assert_eq!(answer.status(), wanted, "{given}");
            assert!(answer.headers().contains_key(ETAG));
        }
    }
}
