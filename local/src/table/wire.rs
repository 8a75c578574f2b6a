//! DynamoDB's wire protocol over the embedded database: JSON requests, one operation each.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use dynoxide::auth_material::{AuthMaterial, validate};
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use crate::sdk_door::{SdkDoor, TARGET, refusal};

/// The longest request body, in bytes (the service's own bound).
const MAX_BODY_BYTES: usize = 16 << 20;

/// What operations are called on the wire.
const PREFIX: &str = "DynamoDB_20120810.";

const JSON: &str = "application/x-amz-json-1.0";

/// Operations at once. The database works on one at a time, and the others read what was asked and write what is answered.
const AT_ONCE: u32 = 4;

/// The service.
pub(super) struct Wire {
    door: SdkDoor,
    database: Database,
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("door", &self.door).finish_non_exhaustive()
    }
}

impl Wire {
    pub(super) fn new(database: Database, door: SdkDoor) -> Self {
        Self { door, database, turns: Arc::new(Semaphore::new(AT_ONCE as usize)) }
    }

    /// Until nothing works on the database any more. Nothing begins from then on.
    pub(super) async fn end(&self) {
        // An error means that it has ended already.
        if let Ok(turns) = self.turns.acquire_many(AT_ONCE).await {
            turns.forget();
        }
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request) -> Response {
        self.try_to_answer(request).await.unwrap_or_else(|refused| *refused)
    }

    async fn try_to_answer(&self, request: Request) -> Result<Response, Box<Response>> {
        let (head, body) = request.into_parts();
        self.door.check(&head)?;
        if head.method != Method::POST {
            return refused(StatusCode::NOT_FOUND, "UnknownOperationException", "operations are posted");
        }
        let body = match to_bytes(body, MAX_BODY_BYTES).await {
            Ok(body) => body,
            Err(error) => return refused(StatusCode::BAD_REQUEST, "SerializationException", &error.to_string()),
        };
        self.door.check_signature(&head, &body)?;
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let Some(operation) = text(TARGET).and_then(|target| target.strip_prefix(PREFIX)).map(str::to_owned) else {
            return refused(StatusCode::BAD_REQUEST, "UnknownOperationException", "no operation is named");
        };
        let material = AuthMaterial {
            authorization: text(AUTHORIZATION.as_str()),
            query: head.uri.query().unwrap_or_default(),
            has_date_header: text("x-amz-date").or(text(DATE.as_str())).is_some(),
        };
        if let Some(problem) = validate(material) {
            return Ok(json(StatusCode::BAD_REQUEST, problem));
        }
        // It is never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let database = self.database.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            operate(&database, &operation, &body)
        });
        let failed = |error: JoinError| Some(Err(DynoxideError::InternalServerError(error.to_string())));
        let Some(answered) = done.await.unwrap_or_else(failed) else {
            return refused(StatusCode::BAD_REQUEST, "UnknownOperationException", "no such operation is known here");
        };
        Ok(match answered {
            Ok(answer) => json(StatusCode::OK, answer),
            Err(error) => {
                let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
                json(status, error.to_json())
            }
        })
    }
}

fn refused<T>(status: StatusCode, kind: &str, message: &str) -> Result<T, Box<Response>> {
    Err(Box::new(refusal(status, kind, message)))
}

fn json(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

/// Runs an operation with its request as JSON, and takes its answer as JSON; `None` where there is no such operation.
fn operate(on: &Database, operation: &str, body: &[u8]) -> Option<Result<String, DynoxideError>> {
    Some(match operation {
        "BatchExecuteStatement" => call(body, |asked| on.batch_execute_statement(asked)),
        "BatchGetItem" => call(body, |asked| on.batch_get_item(asked)),
        "BatchWriteItem" => call(body, |asked| on.batch_write_item(asked)),
        "CreateTable" => call(body, |asked| on.create_table(asked)),
        "DeleteItem" => call(body, |asked| on.delete_item(asked)),
        "DeleteTable" => call(body, |asked| on.delete_table(asked)),
        "DescribeTable" => call(body, |asked| on.describe_table(asked)),
        "DescribeTimeToLive" => call(body, |asked| on.describe_time_to_live(asked)),
        "ExecuteStatement" => call(body, |asked| on.execute_statement(asked)),
        "ExecuteTransaction" => call(body, |asked| on.execute_transaction(asked)),
        "GetItem" => call(body, |asked| on.get_item(asked)),
        "ListTables" => call(body, |asked| on.list_tables(asked)),
        "ListTagsOfResource" => call(body, |asked| on.list_tags_of_resource(asked)),
        "PutItem" => call(body, |asked| on.put_item(asked)),
        "Query" => call(body, |asked| on.query(asked)),
        "Scan" => call(body, |asked| on.scan(asked)),
        "TagResource" => call(body, |asked| on.tag_resource(asked)),
        "TransactGetItems" => call(body, |asked| on.transact_get_items(asked)),
        "TransactWriteItems" => call(body, |asked| on.transact_write_items(asked)),
        "UntagResource" => call(body, |asked| on.untag_resource(asked)),
        "UpdateItem" => call(body, |asked| on.update_item(asked)),
        "UpdateTable" => call(body, |asked| on.update_table(asked)),
        "UpdateTimeToLive" => call(body, |asked| on.update_time_to_live(asked)),
        _ => return None,
    })
}

fn call<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let asked = serde_json::from_slice(body).map_err(|error| {
        // The reader of values marks what the service calls invalid in front of its message.
        let text = error.to_string();
        match text.split_once(':') {
            Some((mark, rest)) if mark.starts_with("VALIDATION") => DynoxideError::ValidationException(rest.to_owned()),
            Some((mark, rest)) if mark.starts_with("SERIALIZATION") => {
                DynoxideError::SerializationException(rest.to_owned())
            }
            _ => DynoxideError::SerializationException(text),
        }
    })?;
    let answer = operation(asked)?;
    serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
