//! The web page: what a browser is given at `/`. Static files join here, each by its path.

use axum::Router;
use axum::response::Html;
use axum::routing::get;

const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Headcount</title>\n\
    <main>\n<h1>Headcount</h1>\n<p>The figures are at <a href=\"/api/metrics\">/api/metrics</a>; \
    <a href=\"/api/openapi.json\">/api/openapi.json</a> says what else there is.</p>\n</main>\n</html>\n";

/// The routes of the web page. Access and headers are added around them.
pub(crate) fn site<T: Clone + Send + Sync + 'static>() -> Router<T> {
    Router::new().route("/", get(|| std::future::ready(Html(PAGE))))
}
