//! The web page: the files of `web/`, as they are, in this program.
//!
//! They are few and small, so nothing builds them: what is in the folder is what a browser gets, compressed where it takes
//! that. The browser asks each time whether its copy is the one there is, and a new build is seen at once.

use std::io::Write as _;

use axum::Router;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use headcount_core::hash::hash64;

use crate::answer::is_known;

/// Where the page itself is.
const PAGE_PATH: &str = "/";

/// What is left out of the page where nobody signs in.
const SIGN_OUT_BEGIN: &str = "<!-- sign out -->";

/// Where that ends.
const SIGN_OUT_END: &str = "<!-- /sign out -->";

const PAGE: &str = include_str!("../web/index.html");

/// The look of the sign-in form, for those who are not signed in yet.
pub(crate) const STYLE: &str = include_str!("../web/page.css");

const HTML: &str = "text/html; charset=utf-8";
pub(crate) const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Paths, media types and contents of the files.
const FILES: [(&str, &str, &str); 15] = [
    ("/web/icon.svg", "image/svg+xml", include_str!("../web/icon.svg")),
    ("/web/page.css", CSS, STYLE),
    ("/web/vendor/uplot.css", CSS, include_str!("../web/vendor/uplot.css")),
    ("/web/vendor/uplot.js", SCRIPT, include_str!("../web/vendor/uplot.js")),
    ("/web/page.js", SCRIPT, include_str!("../web/page.js")),
    ("/web/api.js", SCRIPT, include_str!("../web/api.js")),
    ("/web/charts.js", SCRIPT, include_str!("../web/charts.js")),
    ("/web/dom.js", SCRIPT, include_str!("../web/dom.js")),
    ("/web/figures.js", SCRIPT, include_str!("../web/figures.js")),
    ("/web/format.js", SCRIPT, include_str!("../web/format.js")),
    ("/web/lists.js", SCRIPT, include_str!("../web/lists.js")),
    ("/web/range.js", SCRIPT, include_str!("../web/range.js")),
    ("/web/rejected.js", SCRIPT, include_str!("../web/rejected.js")),
    ("/web/sections.js", SCRIPT, include_str!("../web/sections.js")),
    ("/web/timeline.js", SCRIPT, include_str!("../web/timeline.js")),
];

/// A file, ready to be sent. Its bytes are made once and leak: as many as there are files.
#[derive(Clone, Copy)]
pub(crate) struct File {
    content_type: &'static str,
    plain: &'static [u8],
    zipped: &'static [u8],
}

impl File {
    pub(crate) fn new(content_type: &'static str, text: &str) -> Self {
        let mut zip = GzEncoder::new(Vec::new(), Compression::best());
        // Writing into memory does not fail; where it did, the file would go out plain.
        let zipped = zip.write_all(text.as_bytes()).and_then(|()| zip.finish()).unwrap_or_default();
        Self { content_type, plain: text.as_bytes().to_vec().leak(), zipped: zipped.leak() }
    }

    pub(crate) fn respond(self, headers: &HeaderMap) -> Response {
        let zip = !self.zipped.is_empty() && takes_gzip(headers);
        let body = if zip { self.zipped } else { self.plain };
        let tag = format!("\"{:016x}\"", hash64(body));
        let common = [
            (ETAG, tag.clone()),
            (CACHE_CONTROL, "private, no-cache".to_owned()),
            (VARY, "Accept-Encoding, Cookie".to_owned()),
        ];
        if is_known(&tag, headers) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let mut response = (common, [(CONTENT_TYPE, self.content_type)], body).into_response();
        if zip {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip")) && parts.all(|part| part != "q=0")
    })
}

/// The routes of the web page. Access and headers are added around them.
pub(crate) fn site<T: Clone + Send + Sync + 'static>(people_sign_in: bool) -> Router<T> {
    let page = File::new(HTML, &page(people_sign_in));
    let files = FILES.map(|(path, content_type, text)| (path, File::new(content_type, text)));
    let route = |router: Router<T>, (path, file): (&str, File)| {
        router.route(path, get(move |headers: HeaderMap| std::future::ready(file.respond(&headers))))
    };
    files.into_iter().fold(route(Router::new(), (PAGE_PATH, page)), route)
}

fn page(people_sign_in: bool) -> String {
    let parts =
        PAGE.split_once(SIGN_OUT_BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(SIGN_OUT_END)?)));
    match parts {
        Some((before, (_, after))) if !people_sign_in => format!("{before}{after}"),
        _ => PAGE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of all that a first view asks for, compressed.
    const MOST_BYTES: usize = 100_000;

    #[test]
    fn the_first_view_is_small_and_asks_nobody_else() {
        let mut bytes = File::new(HTML, PAGE).zipped.len();
        for (path, content_type, text) in FILES {
            bytes += File::new(content_type, text).zipped.len();
            // The library's own address, in its first comment, is asked by nobody.
            let text = text.trim_start_matches("/*! https://github.com/leeoniya/uPlot");
            let foreign = text.replace("http://www.w3.org/2000/svg", "").contains("://");
            assert!(!foreign, "{path} names another site");
        }
        assert!(bytes < MOST_BYTES, "{bytes} bytes");
    }

    #[test]
    fn every_file_that_is_named_is_there() {
        let named = |text: &str, before: &str, after: char| -> Vec<String> {
            text.split(before).skip(1).filter_map(|rest| Some(rest.split_once(after)?.0.to_owned())).collect()
        };
        let mut wanted = [named(PAGE, "href=\"/web", '"'), named(PAGE, "src=\"/web", '"')].concat();
        for (_, _, text) in FILES {
            wanted.extend(named(text, "from \".", '"'));
        }
        for path in wanted {
            let path = format!("/web{path}");
            assert!(FILES.iter().any(|(known, ..)| *known == path), "{path}");
        }
    }

    #[test]
    fn nothing_is_inline() {
        for forbidden in ["<style", " style=", "onclick", "onload", "javascript:"] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
        assert_eq!(PAGE.matches("<script").count(), PAGE.matches("<script src=\"/web/").count());
    }

    #[test]
    fn people_who_do_not_sign_in_cannot_sign_out() {
        assert!(page(true).contains("/sign-out") && !page(false).contains("/sign-out"));
        assert!(page(false).ends_with("</html>\n"));
    }

    #[test]
    fn a_file_is_compressed_for_those_who_take_it_and_not_sent_twice() {
        let file = File::new(CSS, STYLE);
        for (accept, zipped) in [("", false), ("br, gzip", true), ("gzip;q=0", false), ("GZIP; q=0.5", true)] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap());
            let response = file.respond(&headers);
            assert_eq!(response.headers().contains_key(CONTENT_ENCODING), zipped, "{accept}");
            headers.insert(axum::http::header::IF_NONE_MATCH, response.headers()[ETAG].clone());
            assert_eq!(file.respond(&headers).status(), StatusCode::NOT_MODIFIED);
        }
    }
}
