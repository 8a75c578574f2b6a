//! The script for web pages, as the collector serves it. `cargo xtask test` checks its types (`tsc`) and its
//! style (`eslint`); a browser runs it in the end-to-end tests.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use headcount_core::event::EventType;
use headcount_core::hash::hash128;
use headcount_core::json::end_of_string;
use headcount_core::validate::Rules;

/// The script, to be read by people.
const SOURCE: &str = include_str!("snippet.js");

/// Where the script names the event types that are no features.
const TYPES: &str = "TYPES";

/// The script of one deployment.
#[derive(Clone, Debug)]
pub(super) struct Snippet {
    /// The script.
    pub(super) script: Bytes,
    /// The same, compressed with gzip.
    pub(super) gzip: Bytes,
    /// Its `ETag`, quotes included.
    pub(super) etag: String,
}

impl Snippet {
    /// The script that knows these rules' event types.
    pub(super) fn new(rules: &Rules) -> Self {
        let built_in = EventType::BUILT_IN;
        let types: Vec<&str> = built_in.iter().map(EventType::as_str).chain(rules.custom_types()).collect();
        let types = serde_json::Value::from(types).to_string();
        let script = bare(SOURCE).replacen(TYPES, &types, 1);
        let etag = format!("\"{:016x}\"", hash128(script.as_bytes()) as u64);
        Self { gzip: compressed(&script).into(), script: script.into(), etag }
    }
}

/// The source without comments, and without blanks but inside quotes and between names. Every statement of the source ends in
/// `;` or `}`, so none of its line breaks means anything; its strings stand in double quotes.
fn bare(source: &str) -> String {
    let is_name = |at: char| at.is_alphanumeric() || at == '_' || at == '$';
    let mut bare = String::with_capacity(source.len());
    let (mut rest, mut blank) = (source, false);
    while let Some(at) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if at.is_whitespace() {
            at.len_utf8()
        } else {
            if blank && is_name(at) && bare.ends_with(is_name) {
                bare.push(' ');
            }
            blank = false;
            let length = if at == '"' { end_of_string(rest.as_bytes(), 0) } else { at.len_utf8() };
            bare.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        };
        blank = true;
        rest = &rest[length..];
    }
    bare
}

fn compressed(script: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Memory takes all that is written into it.
    encoder.write_all(script.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use headcount_core::ip_policy::IpPolicy;

    use super::*;

    /// Three kilobytes on the wire, with the built-in event types.
    const MAX_SNIPPET_BYTES: usize = 3_000;

    #[test]
    fn it_is_small() {
        let bytes = Snippet::new(&Rules::default()).gzip.len();
        assert!(bytes <= MAX_SNIPPET_BYTES, "{bytes} bytes");
    }

    #[test]
    fn it_knows_the_deployments_types_and_its_tag_tells_them_apart() {
        let rules = Rules::new(vec!["sign\"up".into()], None, 0, IpPolicy::Keep).unwrap();
        let (own, plain) = (Snippet::new(&rules), Snippet::new(&Rules::default()));
        let text = str::from_utf8(&own.script).unwrap();
        assert!(text.contains(r#""error","sign\"up"]"#), "{text}");
        assert!(!text.contains("TYPES") && !text.contains("//") && !text.contains("/*"), "{text}");
        assert_ne!(own.etag, plain.etag);
        assert_eq!(plain.etag, Snippet::new(&Rules::default()).etag);
    }
}
