//! The proxy: whoever signed a request is asked for its policies, and what they do not allow is refused as the service would.
//!
//! It answers for one stack at a time. What was allowed and what was refused is kept, so that a test can tell which
//! rights nobody uses.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::policy::{Access, Policy};
use super::request::{Asked, accesses};

/// The longest body that is passed on, in bytes.
const MAX_BODY_BYTES: usize = 64 << 20;

/// Iterators and tokens of streams that answers may hold.
const ITERATORS: [&str; 3] = ["ShardIterator", "NextShardIterator", "NextToken"];

/// What was asked for of the right that was used: role, `Sid` of the statement, action, resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    /// Whose policy allowed it.
    pub principal: String,
    /// By which statement.
    pub sid: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub resource: String,
}

/// A running proxy. Dropped, it ends.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// Where requests to a service go on to.
    upstreams: BTreeMap<&'static str, String>,
    /// Policies by the id of the access key.
    principals: BTreeMap<String, Policy>,
    /// What resources themselves say.
    of_resources: Policy,
    /// The access key that requests go on with.
    key: &'static str,
    client: Client<HttpConnector, Body>,
    /// Streams by iterators that were given out.
    streams: Mutex<BTreeMap<String, String>>,
    used: Mutex<BTreeSet<Used>>,
    refused: watch::Sender<Vec<String>>,
}

impl Proxy {
    /// Listens on a free port of the loopback interface. `upstreams` are the endpoints of services, by the names that requests
    /// are signed for; `principals` are policies by the id of the access key that signs; `key` is put
    /// in its place for them, because some keep things apart by the account that a key tells.
    ///
    /// # Errors
    /// Where no port can be listened on.
    pub async fn start(
        upstreams: BTreeMap<&'static str, String>,
        principals: BTreeMap<String, Policy>,
        of_resources: Policy,
        key: &'static str,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstreams,
            principals,
            of_resources,
            key,
            client: Client::builder(TokioExecutor::new()).build_http(),
            streams: Mutex::default(),
            used: Mutex::default(),
            refused: watch::Sender::default(),
        });
        let router = axum::Router::new().fallback(answer).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the proxy failed: {error}");
            }
        });
        Ok(Self { addr, shared, serving })
    }

    /// Where clients of all services find it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The rights that were used.
    pub fn used(&self) -> BTreeSet<Used> {
        self.shared.used.lock().clone()
    }

    /// What was refused, and what was not understood; changes can be waited for.
    pub fn refused(&self) -> watch::Receiver<Vec<String>> {
        self.shared.refused.subscribe()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    match shared.answer(request).await {
        Ok(answer) => answer,
        Err(error) => {
            shared.refuse(format!("not understood: {error:#}"));
            said(StatusCode::NOT_IMPLEMENTED, "text/plain", format!("{error:#}"))
        }
    }
}

impl Shared {
    async fn answer(&self, request: Request) -> Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY_BYTES).await.context("its body cannot be read")?;
        let headers: BTreeMap<String, String> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let signed = headers.get("authorization").and_then(|value| scope(value));
        let Some((principal, service)) = signed else {
            self.refuse(format!("{} {}: it is not signed", parts.method, parts.uri));
            return Ok(denied("s3", "it is not signed"));
        };
        let asked = Asked {
            service: &service,
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &headers,
            body: &body,
        };
        let stream_of = |iterator: &str| self.streams.lock().get(iterator).cloned();
        let accesses = accesses(&asked, &stream_of)
            .with_context(|| format!("{principal}: {} {} {}", service, parts.method, parts.uri))?;
        for access in &accesses {
            if let Err(why) = self.decide(&principal, access) {
                self.refuse(why.clone());
                return Ok(denied(&service, &why));
            }
        }
        let upstream = self.upstreams.get(&*service).with_context(|| format!("nothing stands in for {service}"))?;
        let at = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut forwarded = Request::from_parts(parts.clone(), Body::from(body.clone()));
        *forwarded.uri_mut() = format!("{upstream}{at}").parse::<Uri>().context("no address")?;
        let of_account = headers["authorization"].replacen(&format!("={principal}/"), &format!("={}/", self.key), 1);
        forwarded.headers_mut().insert(header::AUTHORIZATION, of_account.parse().context("no header")?);
        let (answer, content) = self.client.request(forwarded).await.context("nobody answers")?.into_parts();
        let content = to_bytes(Body::new(content), MAX_BODY_BYTES).await.context("its answer cannot be read")?;
        if service == "kinesis" {
            self.remember(&accesses, &content);
        }
        // Whoever may not list a bucket is not told that an object is missing:
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html#API_GetObject_RequestSyntax
        if service == "s3" && answer.status == StatusCode::NOT_FOUND && accesses[0].action == "s3:GetObject" {
            let bucket = accesses[0].resource.split_once('/').map_or("", |(bucket, _)| bucket);
            if let Err(why) = self.decide(&principal, &Access::new("s3:ListBucket", bucket)) {
                self.refuse(why.clone());
                return Ok(denied(&service, &why));
            }
        }
        let mut answer = Response::from_parts(answer, Body::from(content));
        // The length of what was read, unless it answers a HEAD.
        if parts.method != "HEAD" {
            answer.headers_mut().remove(header::CONTENT_LENGTH);
        }
        answer.headers_mut().remove(header::TRANSFER_ENCODING);
        Ok(answer)
    }

    /// Whether a principal may do something; the reason where it may not.
    fn decide(&self, principal: &str, access: &Access) -> Result<(), String> {
        let Access { action, resource, .. } = access;
        let no = |reason: &str| {
            Err(format!("User: {principal} is not authorized to perform: {action} on resource: {resource} {reason}"))
        };
        let Some(policy) = self.principals.get(principal) else { return no("because nobody knows it") };
        let Some(statement) = policy.allows(access) else {
            return no("because no identity-based policy allows it");
        };
        if self.of_resources.statements.iter().any(|one| one.denies && one.speaks_of(access)) {
            return no("with an explicit deny in a resource-based policy");
        }
        self.used.lock().insert(Used {
            principal: principal.to_owned(),
            sid: statement.sid.clone(),
            action: action.clone(),
            resource: resource.clone(),
        });
        Ok(())
    }

    fn refuse(&self, what: String) {
        self.refused.send_modify(|refused| refused.push(what));
    }

    /// Notes the stream of iterators and tokens in an answer.
    fn remember(&self, accesses: &[Access], content: &Bytes) {
        let Ok(answer) = serde_json::from_slice::<Value>(content) else { return };
        let stream = accesses[0].resource.rsplit_once('/').map_or("", |(_, stream)| stream);
        let mut streams = self.streams.lock();
        for iterator in ITERATORS.iter().filter_map(|name| answer[*name].as_str()) {
            streams.insert(iterator.to_owned(), stream.to_owned());
        }
    }
}

/// The access key and the service of a signature, `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, ...`.
fn scope(authorization: &str) -> Option<(String, String)> {
    let (_, credential) = authorization.split_once("Credential=")?;
    let mut parts = credential.split([',', ' ']).next()?.split('/');
    let key = parts.next()?.to_owned();
    Some((key, parts.nth(2)?.to_owned()))
}

/// A refusal in the service's own form.
fn denied(service: &str, why: &str) -> Response<Body> {
    match service {
        "s3" => {
            let body =
                format!("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>{why}</Message></Error>");
            said(StatusCode::FORBIDDEN, "application/xml", body)
        }
        "cloudformation" => {
            let error = format!("<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{why}</Message></Error>");
            said(StatusCode::FORBIDDEN, "text/xml", format!("<ErrorResponse>{error}</ErrorResponse>"))
        }
        "lambda" => {
            let body = json!({"Message": why}).to_string();
            let mut answer = said(StatusCode::FORBIDDEN, "application/json", body);
            answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static("AccessDeniedException"));
            answer
        }
        _ => {
            let kind = match service {
                "dynamodb" => "com.amazon.coral.service#AccessDeniedException",
                _ => "AccessDeniedException",
            };
            let body = json!({"__type": kind, "Message": why}).to_string();
            said(StatusCode::BAD_REQUEST, "application/x-amz-json-1.0", body)
        }
    }
}

fn said(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

#[cfg(test)]
mod tests {
    use headcount_local::aws_names;

    use super::*;

    #[test]
    fn a_signature_tells_who_and_which_service() {
        let signed =
            "AWS4-HMAC-SHA256 Credential=ConsumerRole/20261130/us-east-1/dynamodb/aws4_request, SignedHeaders=host";
        assert_eq!(scope(signed), Some(("ConsumerRole".into(), "dynamodb".into())));
        assert_eq!(scope("Bearer x"), None);
    }

    #[tokio::test]
    async fn refusals_have_codes_that_aws_has() {
        for service in ["cloudformation", "dynamodb", "kinesis", "lambda", "s3", "sqs"] {
            let answer = denied(service, "why");
            assert!(answer.status().is_client_error(), "{service}");
            let header = answer.headers().get("x-amzn-errortype").map(|value| value.to_str().unwrap().to_owned());
            let body = to_bytes(answer.into_body(), MAX_BODY_BYTES).await.unwrap();
            let said = header.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
            let code = said.split(['#', '"', '<', '>']).find(|word| word.starts_with("AccessDenied")).unwrap();
            assert!(aws_names::has(&aws_names::ERROR_CODES, code), "{service}: {code}");
        }
    }
}
