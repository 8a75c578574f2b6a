//! The template: its source, and what `CloudFormation` makes of it.

use serde_json::{Map, Value};

use crate::scripts::{ask, root};

/// The source, as a user deploys it.
pub(crate) fn source() -> String {
    std::fs::read_to_string(root().join("infra/template.yaml")).expect("the template is there")
}

/// The source with one text in it replaced, which must be there.
pub(crate) fn changed(from: &str, to: &str) -> String {
    let source = source();
    assert!(source.contains(from), "the template has no `{from}`");
    source.replace(from, to)
}

/// Plain `CloudFormation`.
pub(crate) struct Expanded(Value);

impl Expanded {
    pub(crate) fn new() -> Self {
        Self(ask("template.py", &["expand"], source().as_bytes()))
    }

    /// The properties of a resource.
    pub(crate) fn properties(&self, name: &str) -> &Value {
        let properties = &self.resources()[name]["Properties"];
        assert!(properties.is_object(), "there is no {name}");
        properties
    }

    /// The resources by name.
    pub(crate) fn resources(&self) -> &Map<String, Value> {
        self.0["Resources"].as_object().expect("a template has resources")
    }

    /// The names and properties of all resources of a type; there must be one.
    pub(crate) fn all(&self, kind: &str) -> Vec<(&str, &Value)> {
        let resources = self.resources().iter().filter(|(_, resource)| resource["Type"] == kind);
        let found: Vec<_> = resources.map(|(name, resource)| (name.as_str(), &resource["Properties"])).collect();
        assert!(!found.is_empty(), "there is no {kind}");
        found
    }

    /// A parameter's default.
    pub(crate) fn default_of(&self, parameter: &str) -> &Value {
        &self.0["Parameters"][parameter]["Default"]
    }

    /// Another part of the template.
    pub(crate) fn part(&self, name: &str) -> &Map<String, Value> {
        self.0[name].as_object().unwrap_or_else(|| panic!("the template has no {name}"))
    }
}
