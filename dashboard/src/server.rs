//! The one router: the API, the web page, health and signing in, behind who may read.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use headcount_query::{Deps, QueryStore};
use serde_json::{Value, json};

use crate::access::{Access, HEALTH_PATH, guard};
use crate::answer::tagged;
use crate::problem::Problem;
use crate::sign_in::{self, MAX_FORM_BYTES, SIGN_IN_PATH, SIGN_OUT_PATH, STYLE_PATH};
use crate::{endpoints, headers, openapi, site};

/// How this program is: a JSON object whose `status` is `ok` where all is well. Asked anew for each answer.
#[derive(Clone)]
pub struct Health(Arc<dyn Fn() -> Value + Send + Sync>);

impl Health {
    /// The `status` of a health that is answered with 200; any other is with 503.
    pub const OK: &str = "ok";

    /// Told by this function.
    pub fn from_fn(health: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self(Arc::new(health))
    }

    fn response(&self) -> Response {
        let health = (self.0)();
        let is_well = health["status"] == Self::OK;
        (if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(health)).into_response()
    }
}

impl Default for Health {
    /// Well, as long as it answers.
    fn default() -> Self {
        Self::from_fn(|| json!({"status": Self::OK}))
    }
}

/// Everything that is answered, by whom `access` lets read.
pub fn router<S: QueryStore + Clone + 'static>(deps: Deps<S>, access: Access, health: Health) -> Router {
    let access = Arc::new(access);
    let style = site::File::new(site::CSS, site::STYLE);
    let signing = Router::new()
        .route(SIGN_IN_PATH, get(sign_in::form).post(sign_in::submit))
        .route(SIGN_OUT_PATH, post(sign_in::sign_out))
        .route(STYLE_PATH, get(move |headers: HeaderMap| std::future::ready(style.respond(&headers))))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .with_state(access.clone());
    Router::new()
        .route("/api/metrics", get(endpoints::metrics::<S>))
        .route("/api/features", get(endpoints::features::<S>))
        .route("/api/engagement", get(endpoints::engagement::<S>))
        .route("/api/ai", get(endpoints::ai::<S>))
        .route("/api/users/{id}/events", get(endpoints::user_events::<S>))
        .route("/api/rejected", get(endpoints::rejected::<S>))
        .route("/api/openapi.json", get(document))
        .route(HEALTH_PATH, get(move || std::future::ready(health.response())))
        .merge(site::site(access.token().is_some()))
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
