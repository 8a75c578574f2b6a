//! What stands before both stand-ins for AWS services: they are for SDKs alone. On loopback any key is taken; where other
//! machines can connect, requests must be signed with the given one.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use chrono::NaiveDateTime;
use headcount_doors::{Door, Policy};
use headcount_runtime::aws::StaticCredentials;
use subtle::ConstantTimeEq as _;

/// How far a signature's time may be from the clock, as for AWS.
const MAX_SKEW: Duration = Duration::from_mins(5);

/// How `x-amz-date` is written.
const DATE_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// The date that a signature is for.
const DATE: &str = "x-amz-date";

/// What is asked for.
pub(crate) const TARGET: &str = "x-amz-target";

/// The only kind of signature.
const ALGORITHM: &str = "AWS4-HMAC-SHA256 ";

/// Who may ask one of the services.
#[derive(Clone, Debug)]
pub(crate) struct SdkDoor {
    policy: Policy,
    keys: Option<StaticCredentials>,
}

impl SdkDoor {
    /// For a service at this address: with keys, every request must be signed with them.
    pub(crate) fn at(addr: SocketAddr, keys: Option<StaticCredentials>) -> Self {
        Self { policy: Policy::at(Door::Sdk, addr), keys }
    }

    /// Whether a request is let in by its headers; the answer where it is not.
    pub(crate) fn check(&self, head: &Parts) -> Result<(), Box<Response>> {
        let policy = self.policy.check(&head.method, &head.headers);
        policy
            .map_err(|refused| Box::new(refusal(StatusCode::FORBIDDEN, "AccessDeniedException", &refused.to_string())))
    }

    /// Whether the request is signed as it must be; the answer where it is not.
    pub(crate) fn check_signature(&self, head: &Parts, body: &[u8]) -> Result<(), Box<Response>> {
        let Some(keys) = &self.keys else { return Ok(()) };
        if is_signed(head, body, keys, SystemTime::now()).unwrap_or(false) {
            return Ok(());
        }
        let message = "The request is not signed with the key pair of this endpoint: set AWS_ACCESS_KEY_ID and \
                       AWS_SECRET_ACCESS_KEY to that of --aws-keys, and check the clock";
        Err(Box::new(refusal(StatusCode::FORBIDDEN, "InvalidSignatureException", message)))
    }
}

/// An error as both services write it.
pub(crate) fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = serde_json::json!({ "__type": kind, "message": message }).to_string();
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    response
}

/// Whether the same signature comes out when the request is signed once more; `None` where it cannot be read.
fn is_signed(head: &Parts, body: &[u8], keys: &StaticCredentials, now: SystemTime) -> Option<bool> {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let given = text("authorization")?.strip_prefix(ALGORITHM)?;
    let part = |name: &str| given.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let (scope, signed, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let mut scope = scope.split('/');
    let (key, _date, region, service) = (scope.next()?, scope.next()?, scope.next()?, scope.next()?);
    let time: SystemTime = NaiveDateTime::parse_from_str(text(DATE)?, DATE_FORMAT).ok()?.and_utc().into();
    let skew = now.duration_since(time).or_else(|_| time.duration_since(now)).ok()?;
    let names: Vec<&str> = signed.split(';').collect();
    // Without these, a signature could be used for another request.
    let is_bound = ["host", DATE, TARGET].iter().all(|must| names.contains(must));
    if key != keys.access_key_id || skew > MAX_SKEW || !is_bound {
        return Some(false);
    }
    let headers: Option<Vec<_>> = names.into_iter().map(|name| Some((name, text(name)?))).collect();
    let credentials =
        Credentials::new(&keys.access_key_id, &keys.secret_access_key, keys.session_token.clone(), None, "headcount");
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    // All that was signed, and nothing else.
    settings.excluded_headers = None;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(time)
        .settings(settings)
        .build()
        .ok()?
        .into();
    let uri = format!("http://{}{}", text("host")?, head.uri.path_and_query()?);
    let request =
        SignableRequest::new(head.method.as_str(), uri, headers?.into_iter(), SignableBody::Bytes(body)).ok()?;
    let wanted = sign(request, &params).ok()?.into_parts().1;
    Some(wanted.as_bytes().ct_eq(signature.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use aws_sigv4::http_request::SigningParams;
    use axum::http::Request;

    use super::*;

    const BODY: &[u8] = br#"{"TableName":"headcount"}"#;

    fn keys(secret: &str) -> StaticCredentials {
        let (access_key_id, secret_access_key) = ("AKID".to_owned(), secret.to_owned());
        StaticCredentials { access_key_id, secret_access_key, session_token: None }
    }

    /// A request as SDKs sign it.
    fn signed(secret: &str, time: SystemTime) -> Parts {
        let keys = keys(secret);
        let identity = Credentials::new(&keys.access_key_id, &keys.secret_access_key, None, None, "test").into();
        let params = v4::SigningParams::builder().identity(&identity).region("us-east-1").name("dynamodb").time(time);
        let params: SigningParams<'_> = params.settings(SigningSettings::default()).build().unwrap().into();
        let headers = [("host", "192.0.2.1:8000"), (TARGET, "DynamoDB_20120810.Scan")];
        let signable =
            SignableRequest::new("POST", "http://192.0.2.1:8000/", headers.into_iter(), SignableBody::Bytes(BODY));
        let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
        let mut request = Request::post("/").header(headers[0].0, headers[0].1).header(headers[1].0, headers[1].1);
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_what_was_signed_with_the_key_is_let_in() {
        let now = SystemTime::now();
        let is_let_in = |head: &Parts, body: &[u8]| is_signed(head, body, &keys("right"), now).unwrap_or(false);
        assert!(is_let_in(&signed("right", now), BODY));
        assert!(!is_let_in(&signed("wrong", now), BODY));
        assert!(!is_let_in(&signed("right", now), b"{}"), "another body");
        for skew in [MAX_SKEW * 2, Duration::from_hours(24)] {
            assert!(!is_let_in(&signed("right", now - skew), BODY) && !is_let_in(&signed("right", now + skew), BODY));
        }
        for (name, value) in [(TARGET, "DynamoDB_20120810.DeleteTable"), ("host", "elsewhere"), (DATE, "nonsense")] {
            let mut head = signed("right", now);
            head.headers.insert(name, HeaderValue::from_static(value));
            assert!(!is_let_in(&head, BODY), "{name}");
        }
        let mut head = signed("right", now);
        head.headers.remove("authorization");
        assert!(!is_let_in(&head, BODY));
    }

    #[test]
    fn without_keys_the_headers_alone_decide() {
        let door = SdkDoor::at(([127, 0, 0, 1], 0).into(), None);
        let mut head = signed("any", SystemTime::now());
        assert_eq!(door.check(&head).unwrap_err().status(), StatusCode::FORBIDDEN, "its host is another machine");
        head.headers.insert("host", HeaderValue::from_static("localhost:8000"));
        assert!(door.check(&head).is_ok() && door.check_signature(&head, BODY).is_ok());
        head.headers.insert("origin", HeaderValue::from_static("null"));
        assert!(door.check(&head).is_err());
        let door = SdkDoor::at(([0, 0, 0, 0], 0).into(), Some(keys("right")));
        let head = signed("wrong", SystemTime::now());
        assert_eq!(door.check_signature(&head, BODY).unwrap_err().status(), StatusCode::FORBIDDEN);
    }
}
