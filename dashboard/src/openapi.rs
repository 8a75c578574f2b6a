//! The description of the API, made of the types that it answers with.

use headcount_core::limits::MAX_IDENTITY_BYTES;
use headcount_query::ai::AiReport;
use headcount_query::budgets::BudgetReport;
use headcount_query::engagement::UserEngagement;
use headcount_query::features::FeatureUsage;
use headcount_query::page::{DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS};
use headcount_query::platform::PlatformMetrics;
use headcount_query::rejections::RejectedEvents;
use headcount_query::timeline::UserEvents;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Value, json};

use crate::endpoints::{BUDGETS, EVENTS, METRICS, RANGE, REJECTED};
use crate::problem::{PROBLEM_TYPE, ProblemDetails};

/// Where schemas are, inside the document.
const SCHEMAS: &str = "/components/schemas";

/// The document as JSON text.
pub fn text() -> String {
    document().to_string()
}

/// The document: `OpenAPI` 3.1.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = SCHEMAS.into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.for_serialize().into_generator();
    let problem = schemas.subschema_for::<ProblemDetails>().to_value();
    let mut paths = serde_json::Map::new();
    let mut add = |path: &str, id: &str, summary: &str, known: &[&str], schema: Value| {
        let user = path.contains("{id}").then(|| parameter("id"));
        let parameters: Vec<Value> = user.into_iter().chain(known.iter().map(|name| parameter(name))).collect();
        let get = json!({
            "operationId": id,
            "summary": summary,
            "parameters": parameters,
            "responses": responses(&schema, &problem),
        });
        paths.insert(path.to_owned(), json!({"get": get}));
    };
    let mut of = Schemas(&mut schemas);
    add("/api/metrics", "getMetrics", "The figures of a range of days", &METRICS, of.schema::<PlatformMetrics>());
    add("/api/features", "getFeatures", "The use of features and what is made", &RANGE, of.schema::<FeatureUsage>());
    add("/api/engagement", "getEngagement", "Users and sessions, day by day", &RANGE, of.schema::<UserEngagement>());
    add("/api/ai", "getAi", "The use of language models and its cost", &RANGE, of.schema::<AiReport>());
    add("/api/budgets", "getBudgets", "This month's budgets of AI cost", &BUDGETS, of.schema::<BudgetReport>());
    add(
        "/api/users/{id}/events",
        "getUserEvents",
        "What a user did, the newest first",
        &EVENTS,
        of.schema::<UserEvents>(),
    );
    add(
        "/api/rejected",
        "getRejected",
        "What was rejected on a day, and why",
        &REJECTED,
        of.schema::<RejectedEvents>(),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Headcount",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Figures of product events. Times are milliseconds since the epoch, days those of the \
                            deployment's time zone.",
        },
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The read token. Not needed on loopback, unless one is configured."},
                "session": {"type": "apiKey", "in": "cookie", "name": crate::sign_in::COOKIE_NAME, "description": "Set by /sign-in."},
            },
        },
    })
}

/// Makes schemas one after the other.
struct Schemas<'a>(&'a mut SchemaGenerator);

impl Schemas<'_> {
    fn schema<T: schemars::JsonSchema>(&mut self) -> Value {
        self.0.subschema_for::<T>().to_value()
    }
}

fn parameter(name: &str) -> Value {
    let date = json!({"type": "string", "format": "date"});
    let (schema, description) = match name {
        "from" => (date, "The first day. With it, `to` is today unless given.".to_owned()),
        "to" => (date, "The last day; at most 400 days after the first.".to_owned()),
        "last" => (
            json!({"type": "string", "pattern": "^([1-9][0-9]?|[1-3][0-9][0-9]|400)d$"}),
            "So many days, today the last: `30d`. Instead of `from` and `to`; `7d` where none is given.".to_owned(),
        ),
        "compare" => (json!({"type": "boolean"}), "Whether as many days before are told, and what changed.".to_owned()),
        "format" => (
            json!({"type": "string", "enum": ["json", "csv"]}),
            "How to answer; otherwise as `Accept` prefers.".to_owned(),
        ),
        "date" => (date, "The day of arrival; today where none is given.".to_owned()),
        "page" => (
            json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": 1024}),
            "What the page before called `next`.".to_owned(),
        ),
        "limit" => (
            json!({"type": "integer", "minimum": 1, "maximum": MAX_PAGE_ITEMS}),
            format!("Items of a page; {DEFAULT_PAGE_ITEMS} where none is given."),
        ),
        _ => {
            let schema = json!({"type": "string", "minLength": 1, "maxLength": MAX_IDENTITY_BYTES});
            return json!({"name": name, "in": "path", "required": true, "schema": schema, "description": "The user."});
        }
    };
    json!({"name": name, "in": "query", "required": false, "schema": schema, "description": description})
}

fn responses(schema: &Value, problem: &Value) -> Value {
    let failed =
        |description: &str| json!({"description": description, "content": {PROBLEM_TYPE: {"schema": problem}}});
    let tag = json!({"ETag": {"description": "Names this answer.", "schema": {"type": "string"}}});
    json!({
        "200": {
            "description": "The answer.",
            "headers": tag,
            "content": {"application/json": {"schema": schema}, "text/csv": {"schema": {"type": "string"}}},
        },
        "304": {"description": "It is the answer that `If-None-Match` names.", "headers": tag},
        "400": failed("A parameter breaks a rule: both are named."),
        "401": failed("The read token is missing or wrong."),
        "403": failed("The request names another host than this machine."),
        "404": failed("There is nothing under this path."),
        "405": failed("Only GET is answered."),
        "500": failed("What is stored cannot be read."),
        "503": failed("The table does not answer, or was never used."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere_and_every_field_is_explained() {
        let document = document();
        let text = document.to_string();
        let mut count = 0;
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            count += 1;
        }
        assert!(count > 20, "{count} references");
        for path in ["metrics", "features", "engagement", "ai", "budgets", "users~1{id}~1events", "rejected"] {
            assert!(document.pointer(&format!("/paths/~1api~1{path}/get")).is_some(), "{path}");
        }
        let figures = &document["components"]["schemas"]["Figures"]["properties"];
        assert!(figures["newSignups24h"]["description"].is_string(), "{figures}");
        assert_eq!(document["openapi"], "3.1.0");
    }
}
