//! The script for web pages, as the collector serves it.

use bytes::Bytes;
use headcount_core::event::EventType;
use headcount_core::hash::hash128;
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
        Self { script: script.into(), etag }
    }
}

/// The source without comments that have a line of their own, and without blanks but inside quotes and between names. Every
/// statement of the source ends in `;` or `}`, so none of its line breaks means anything.
fn bare(source: &str) -> String {
    let is_name = |at: char| at.is_alphanumeric() || at == '_' || at == '$';
    let mut bare = String::with_capacity(source.len());
    let (mut quote, mut blank) = (None, false);
    for at in
        source.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| line.chars().chain(['\n']))
    {
        if quote.is_none() && at.is_whitespace() {
            blank = true;
            continue;
        }
        if blank && is_name(at) && bare.ends_with(is_name) {
            bare.push(' ');
        }
        blank = false;
        match quote {
            None if at == '"' => quote = Some(at),
            Some(open) if open == at => quote = None,
            None | Some(_) => {}
        }
        bare.push(at);
    }
    bare
}

#[cfg(test)]
mod tests {
    use headcount_core::ip_policy::IpPolicy;

    use super::*;

    /// About two kilobytes, with the built-in event types.
    const MAX_SNIPPET_BYTES: usize = 2_200;

    #[test]
    fn it_is_small() {
        let bytes = Snippet::new(&Rules::default()).script.len();
        assert!(bytes <= MAX_SNIPPET_BYTES, "{bytes} bytes");
    }

    #[test]
    fn it_knows_the_deployments_types_and_its_tag_tells_them_apart() {
        let rules = Rules::new(vec!["sign\"up".into()], None, 0, IpPolicy::Keep).unwrap();
        let (own, plain) = (Snippet::new(&rules), Snippet::new(&Rules::default()));
        let text = str::from_utf8(&own.script).unwrap();
        assert!(text.contains(r#""error","sign\"up"]"#), "{text}");
        assert!(!text.contains("TYPES") && !text.contains("//"), "{text}");
        assert_ne!(own.etag, plain.etag);
        assert_eq!(plain.etag, Snippet::new(&Rules::default()).etag);
    }
}
