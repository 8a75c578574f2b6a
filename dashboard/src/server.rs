//! The one router: the API, the web page, health and signing in, behind who may read.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use headcount_query::{Deps, QueryStore};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::access::{Access, HEALTH_PATH, guard};
use crate::answer::tagged;
use crate::problem::Problem;
use crate::sign_in::{self, MAX_FORM_BYTES, SIGN_IN_PATH, SIGN_OUT_PATH, STYLE_PATH};
use crate::{endpoints, headers, openapi, site};

/// Where Prometheus finds the numbers of `/healthz`.
const METRICS_PATH: &str = "/metrics";

/// The media type of its text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Questions that are answered at once. Further ones wait.
const QUESTIONS_AT_ONCE: usize = 4;

/// The longest that a question may take, its wait included.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(20);

/// How this program is: a JSON object whose `status` is `ok` where all is well, or `degraded`. Asked anew for each answer.
#[derive(Clone)]
pub struct Health(Arc<dyn Fn() -> Value + Send + Sync>);

impl Health {
    /// The `status` where all is well.
    pub const OK: &str = "ok";

    /// The `status` of what works and needs somebody to look at it. Any but these two is answered with 503.
    pub const DEGRADED: &str = "degraded";

    /// The `status` of what does not work.
    pub const FAILING: &str = "failing";

    /// Told by this function.
    pub fn from_fn(health: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self(Arc::new(health))
    }

    fn metrics(&self) -> Response {
        ([(CONTENT_TYPE, METRICS_TYPE)], gauges(&(self.0)())).into_response()
    }

    fn response(&self) -> Response {
        let health = (self.0)();
        let is_well = [Self::OK, Self::DEGRADED].iter().any(|status| health["status"] == *status);
        (if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(health)).into_response()
    }
}

/// Every number of a health as a gauge of Prometheus, and its status.
fn gauges(health: &Value) -> String {
    let mut text = String::new();
    let status = health["status"].as_str().unwrap_or_default();
    for known in [Health::OK, Health::DEGRADED, Health::FAILING] {
        text += &format!("headcount_status{{status=\"{known}\"}} {}\n", u8::from(status == known));
    }
    add_gauges(&mut text, "headcount", health);
    text
}

fn add_gauges(text: &mut String, name: &str, value: &Value) {
    match value {
        Value::Number(number) => *text += &format!("{name} {number}\n"),
        Value::Object(fields) => {
            for (field, value) in fields {
                let mut name = format!("{name}_");
                for letter in field.chars() {
                    if letter.is_ascii_uppercase() {
                        name.push('_');
                    }
                    name.push(letter.to_ascii_lowercase());
                }
                add_gauges(text, &name, value);
            }
        }
        _ => {}
    }
}

impl Default for Health {
    /// Well, as long as it answers.
    fn default() -> Self {
        Self::from_fn(|| json!({"status": Self::OK}))
    }
}

/// Answers a question when its turn has come, or says that it takes too long: what waits for a table must end, and many questions
/// must not keep it from counting.
async fn in_turn(State(turns): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let by = Instant::now() + QUESTION_TIMEOUT;
    match timeout_at(by, turns.acquire()).await {
        Ok(Ok(_turn)) => {
            timeout_at(by, next.run(request)).await.unwrap_or_else(|_| Problem::too_slow().into_response())
        }
        Ok(Err(_)) | Err(_) => Problem::busy().into_response(),
    }
}

/// Everything that is answered, by whom `access` lets read.
pub fn router<S: QueryStore + Clone + 'static>(deps: Deps<S>, access: Access, health: Health) -> Router {
    let access = Arc::new(access);
    let measured = health.clone();
    let style = site::File::new(site::CSS, site::STYLE);
    let signing = Router::new()
        .route(SIGN_IN_PATH, get(sign_in::form).post(sign_in::submit))
        .route(SIGN_OUT_PATH, post(sign_in::sign_out))
        .route(STYLE_PATH, get(move |headers: HeaderMap| std::future::ready(style.respond(&headers))))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .with_state(access.clone());
    let questions = Router::new()
        .route("/api/metrics", get(endpoints::metrics::<S>))
        .route("/api/features", get(endpoints::features::<S>))
        .route("/api/engagement", get(endpoints::engagement::<S>))
        .route("/api/ai", get(endpoints::ai::<S>))
        .route("/api/budgets", get(endpoints::budgets::<S>))
        .route("/api/users/{id}/events", get(endpoints::user_events::<S>))
        .route("/api/rejected", get(endpoints::rejected::<S>))
        .layer(from_fn_with_state(Arc::new(Semaphore::new(QUESTIONS_AT_ONCE)), in_turn));
    Router::new()
        .merge(questions)
        .route("/api/openapi.json", get(document))
        .route(METRICS_PATH, get(move || std::future::ready(measured.metrics())))
        .route(HEALTH_PATH, get(move || std::future::ready(health.response())))
        .merge(site::site(access.sessions().is_some()))
        .with_state(deps)
        .merge(signing)
        .method_not_allowed_fallback(|| std::future::ready(Problem::method_not_allowed()))
        .fallback(|| std::future::ready(Problem::not_found()))
        .layer(from_fn_with_state(access, guard))
        .layer(from_fn(headers::add))
}

async fn document(headers: HeaderMap) -> Response {
    tagged(openapi::text().into_bytes(), "application/json", &headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_health_is_a_gauge() {
        let health = json!({
            "status": "degraded", "problem": "slow", "millisBehind": 22_000, "diskFreeBytes": null,
            "followers": {"figures": {"entriesBehind": 3, "worstSource": "s/0"}}, "sources": [{"entry": 1}],
        });
        let text = gauges(&health);
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        let wanted = [
            "headcount_followers_figures_entries_behind 3",
            "headcount_millis_behind 22000",
            "headcount_status{status=\"degraded\"} 1",
            "headcount_status{status=\"failing\"} 0",
            "headcount_status{status=\"ok\"} 0",
        ];
        assert_eq!(lines, wanted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_hangs_ends_and_so_do_those_behind_it() {
        let hangs = || std::future::pending::<()>();
        let turns = Arc::new(Semaphore::new(1));
        let router = Router::new().route("/", get(hangs)).layer(from_fn_with_state(turns, in_turn));
        let ask = || {
            let mut router = router.clone();
            let request = Request::new(axum::body::Body::empty());
            async move { tower_service::Service::call(&mut router, request).await.unwrap() }
        };
        let began = Instant::now();
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!(began.elapsed(), QUESTION_TIMEOUT);
        for answer in [first, second] {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(answer.headers().contains_key("retry-after"));
        }
    }

    #[test]
    fn what_needs_a_look_still_works() {
        for (status, answered) in [("ok", 200), ("degraded", 200), ("failing", 503)] {
            let health = Health::from_fn(move || json!({"status": status}));
            assert_eq!(health.response().status().as_u16(), answered, "{status}");
        }
    }
}
