//! The policies for people, read from the document that people copy them from.

use std::collections::BTreeMap;

use headcount_tests::iam::policy::Policy;
use headcount_tests::iam::{ACCOUNT, REGION};
use serde_json::Value;

use crate::scripts::root;

/// Where they begin.
const SECTION: &str = "### Policies for people";

/// The policies by the command that they are for: the first one that is named before each.
pub(crate) fn policies() -> BTreeMap<String, Policy> {
    let mut policies = BTreeMap::new();
    for (command, document) in documents() {
        let policy = Policy::read(&document).unwrap_or_else(|error| panic!("{command}: {error:#}"));
        policies.insert(command, policy);
    }
    policies
}

/// The same, with the metrics table added as the document says.
pub(crate) fn policies_with_metrics_table() -> BTreeMap<String, Policy> {
    let table = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/headcount");
    let mut policies = policies();
    for statement in policies.values_mut().flat_map(|policy| &mut policy.statements) {
        if statement.resources.contains(&table) {
            statement.resources.push(format!("{table}-metrics"));
        }
    }
    policies
}

fn documents() -> Vec<(String, Value)> {
    let document = std::fs::read_to_string(root().join("docs/aws.md")).expect("the document is there");
    let (_, section) = document.split_once(SECTION).expect("the document has policies for people");
    let section = section.split("\n## ").next().expect("a section");
    let mut parts = section.split("```");
    let mut found = Vec::new();
    // Text and code take turns.
    while let (Some(before), Some(code)) = (parts.next(), parts.next()) {
        let (_, command) = before.split_once("`headcount ").expect("a command is named");
        let command = command.split([' ', '`']).next().expect("a word").to_owned();
        let json = code.strip_prefix("json\n").expect("the code is JSON");
        found.push((command, serde_json::from_str(json).expect("it is JSON")));
    }
    found
}

#[test]
fn every_command_that_needs_rights_has_a_policy() {
    let commands: Vec<_> = policies().into_keys().collect();
    assert_eq!(commands, ["budget", "check", "init", "metrics", "redrive", "restore", "send"]);
}
