//! Which web pages may post: the origins that a deployment names.

use http::HeaderMap;
use http::HeaderValue;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ORIGIN, VARY,
};

/// Seconds that a browser may keep the answer to a preflight: two hours, the most that Chromium takes.
const PREFLIGHT_SECONDS: &str = "7200";

/// Origins whose pages may post.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    named: Vec<Box<str>>,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From<'a> {
    /// No web page: it names no origin.
    NoPage,
    /// A page that may post.
    Allowed(&'a HeaderValue),
    /// A page that may not.
    Forbidden,
}

impl Origins {
    /// The origins of a list: `https://app.example.com`, with a port where it is not the usual one; `*` alone is any.
    ///
    /// # Errors
    ///
    /// One of them is no origin.
    ///
    /// ```
    /// use headcount_collector::Origins;
    /// assert!(Origins::parse(["https://app.example.com", "http://localhost:3000"]).is_ok());
    /// let error = Origins::parse(["https://app.example.com/"]).unwrap_err();
    /// assert!(error.to_string().contains("without a path"));
    /// ```
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        let mut origins = Self::default();
        for name in names.into_iter().map(str::trim).filter(|name| !name.is_empty()) {
            if name == "*" {
                origins.any = true;
            } else if is_origin(name) {
                // A browser writes scheme and host in lower case.
                origins.named.push(name.to_ascii_lowercase().into());
            } else {
                return Err(OriginError(name.chars().take(100).collect()));
            }
        }
        Ok(origins)
    }

    /// Where the request comes from.
    pub(super) fn judge<'a>(&self, headers: &'a HeaderMap) -> From<'a> {
        match headers.get(ORIGIN) {
            None => From::NoPage,
            Some(origin) if self.any || self.named.iter().any(|name| name.as_bytes() == origin.as_bytes()) => {
                From::Allowed(origin)
            }
            Some(_) => From::Forbidden,
        }
    }
}

impl From<'_> {
    /// Says to the browser that its page may read the answer.
    pub(super) fn grant(self, answer: &mut HeaderMap) {
        answer.insert(VARY, HeaderValue::from_static("origin"));
        if let Self::Allowed(origin) = self {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }

    /// Says to the browser what its page may send.
    pub(super) fn grant_preflight(self, answer: &mut HeaderMap) {
        self.grant(answer);
        if let Self::Allowed(_) = self {
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            let allowed = HeaderValue::from_static("authorization, content-type, content-encoding, x-retry-count");
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
        }
    }
}

fn is_origin(name: &str) -> bool {
    let Some((scheme, host)) = name.split_once("://") else { return false };
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    is_web && !host.is_empty() && host.bytes().all(|at| at.is_ascii_graphic() && !b"/?#@*,".contains(&at))
}

/// A text that is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no origin: write it as https://app.example.com, without a path, or * for any")]
pub struct OriginError(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(origins: &[&str], origin: Option<&str>) -> String {
        let origins = Origins::parse(origins.iter().copied()).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        let mut answer = HeaderMap::new();
        let from = origins.judge(&headers);
        from.grant(&mut answer);
        let granted = answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned());
        match from {
            From::NoPage => "no page".to_owned(),
            From::Allowed(_) => granted.unwrap(),
            From::Forbidden => {
                assert_eq!(granted, None);
                "forbidden".to_owned()
            }
        }
    }

    #[test]
    fn only_named_origins_may_post() {
        let app = "https://App.example.com";
        for (origins, origin, says) in [
            (vec![app], None, "no page"),
            (vec![app], Some("https://app.example.com"), "https://app.example.com"),
            (vec![app], Some("http://app.example.com"), "forbidden"),
            (vec![app], Some("https://app.example.com:8443"), "forbidden"),
            (vec![app], Some("https://app.example.com.evil.test"), "forbidden"),
            (vec![], Some("https://app.example.com"), "forbidden"),
            (vec![app], Some("null"), "forbidden"),
            (vec!["*"], Some("https://other.test"), "https://other.test"),
        ] {
            assert_eq!(judged(&origins, origin), says, "{origins:?} {origin:?}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for name in ["app.example.com", "https://", "https://a/b", "ftp://a", "https://*.example.com", "https://a b"] {
            assert!(Origins::parse([name]).is_err(), "{name}");
        }
    }
}
