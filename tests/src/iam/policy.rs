//! Policy documents: which statement speaks about a request, and what they come to.
//!
//! The rules: nothing is allowed unless a statement allows it, and a statement that denies it wins
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>). What is not understood
//! here, such as another operator of conditions, is an error when the document is read, and never passed over.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// Values of condition keys, by lower-case name.
pub type Keys = BTreeMap<String, Vec<String>>;

/// What a request does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// Such as `dynamodb:PutItem`.
    pub action: String,
    /// An ARN, or `*` for actions that know no resources.
    pub resource: String,
    /// Condition keys that the request has.
    pub keys: Keys,
}

impl Access {
    /// Without any condition key but that the connection is secure, as all connections to AWS are here.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        let keys = Keys::from([("aws:securetransport".to_owned(), vec!["true".to_owned()])]);
        Self { action: action.into(), resource: resource.into(), keys }
    }
}

/// The statements of one or more documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// In the order of the documents.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its `Sid`, or its number.
    pub sid: String,
    /// Whether it denies.
    pub denies: bool,
    /// Patterns of actions.
    pub actions: Vec<String>,
    /// Patterns of resources.
    pub resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Bool,
    Null,
    StringEquals,
    StringLike,
    StringNotEquals,
    StringNotLike,
}

impl Policy {
    /// Reads a document in which nothing is left to be resolved.
    ///
    /// # Errors
    /// Where the document has something that is not understood here.
    pub fn read(document: &Value) -> Result<Self> {
        ensure!(document["Version"] == "2012-10-17", "a policy of the version {}", document["Version"]);
        let statements = several(&document["Statement"])
            .into_iter()
            .enumerate()
            .map(|(at, one)| Statement::read(at, one).with_context(|| format!("the statement {one}")));
        Ok(Self { statements: statements.collect::<Result<_>>()? })
    }

    /// Both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.statements.extend(other.statements);
        self
    }

    /// The statement that allows the access; `None` where none does or one denies it.
    pub fn allows(&self, access: &Access) -> Option<&Statement> {
        let mut speaking = self.statements.iter().filter(|statement| statement.speaks_of(access));
        if speaking.clone().any(|statement| statement.denies) {
            return None;
        }
        speaking.next()
    }

    /// The policy without one action of one of its statements.
    #[must_use]
    pub fn without(&self, sid: &str, action: &str) -> Self {
        let mut policy = self.clone();
        for statement in policy.statements.iter_mut().filter(|statement| statement.sid == sid) {
            statement.actions.retain(|one| one != action);
        }
        policy
    }
}

impl Statement {
    fn read(at: usize, of: &Value) -> Result<Self> {
        const KNOWN: [&str; 6] = ["Sid", "Effect", "Action", "Resource", "Condition", "Principal"];
        let parts = of.as_object().context("is no object")?;
        if let Some(unknown) = parts.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            bail!("has {unknown}, which is not understood here");
        }
        let denies = match of["Effect"].as_str() {
            Some("Allow") => false,
            Some("Deny") => true,
            other => bail!("has the effect {other:?}"),
        };
        let sid = of["Sid"].as_str().map_or_else(|| at.to_string(), str::to_owned);
        let (actions, resources) = (texts(&of["Action"])?, texts(&of["Resource"])?);
        ensure!(!actions.is_empty() && !resources.is_empty(), "has no action or no resource");
        let mut conditions = Vec::new();
        for (operator, keys) in of["Condition"].as_object().into_iter().flatten() {
            let operator = Operator::read(operator)?;
            for (key, values) in keys.as_object().context("has a condition without keys")? {
                conditions.push(Condition { operator, key: key.to_ascii_lowercase(), values: texts(values)? });
            }
        }
        Ok(Self { sid, denies, actions, resources, conditions })
    }

    /// Its patterns of resources that none of these matches.
    pub fn unused_resources<'a>(&'a self, used: &[&str]) -> Vec<&'a str> {
        let is_used = |pattern: &&String| used.iter().any(|resource| matches(pattern, resource));
        self.resources.iter().filter(|pattern| !is_used(pattern)).map(String::as_str).collect()
    }

    /// Whether it is about this access, its conditions being met.
    pub fn speaks_of(&self, access: &Access) -> bool {
        // Names of actions are compared without regard to case, resources with.
        let action = access.action.to_ascii_lowercase();
        self.actions.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &action))
            && self.resources.iter().any(|pattern| matches(pattern, &access.resource))
            && self.conditions.iter().all(|condition| condition.is_met(&access.keys))
    }
}

impl Operator {
    fn read(name: &str) -> Result<Self> {
        Ok(match name {
            "Bool" => Self::Bool,
            "Null" => Self::Null,
            "StringEquals" => Self::StringEquals,
            "StringLike" => Self::StringLike,
            "StringNotEquals" => Self::StringNotEquals,
            "StringNotLike" => Self::StringNotLike,
            other => bail!("has a condition {other}, which is not understood here"),
        })
    }
}

impl Condition {
    /// A key that the request lacks meets only what is negated, and `Null`.
    fn is_met(&self, keys: &Keys) -> bool {
        let found = keys.get(&self.key).map_or(&[][..], Vec::as_slice);
        let any =
            |is: fn(&str, &str) -> bool| found.iter().any(|found| self.values.iter().any(|wanted| is(wanted, found)));
        match self.operator {
            Operator::Bool => any(str::eq_ignore_ascii_case),
            Operator::Null => self.values.iter().any(|wanted| wanted == &found.is_empty().to_string()),
            Operator::StringEquals => any(|wanted, found| wanted == found),
            Operator::StringLike => any(matches),
            Operator::StringNotEquals => !any(|wanted, found| wanted == found),
            Operator::StringNotLike => !any(matches),
        }
    }
}

/// Whether a text is of a pattern, in which `*` is any text and `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut in_text) = (0, 0);
    // Where the last star is, and how much it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        if at < pattern.len() && pattern[at] == '*' {
            star = Some((at, in_text));
            at += 1;
        } else if at < pattern.len() && (pattern[at] == '?' || pattern[at] == text[in_text]) {
            (at, in_text) = (at + 1, in_text + 1);
        } else if let Some((of_star, swallowed)) = star {
            (at, in_text) = (of_star + 1, swallowed + 1);
            star = Some((of_star, swallowed + 1));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

/// One or several, as policies write both.
fn several(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |all| all.iter().collect())
}

fn texts(value: &Value) -> Result<Vec<String>> {
    let text = |one: &Value| match one {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(is) => Ok(is.to_string()),
        other => bail!("has {other} in the place of a text"),
    };
    several(value).into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(statements: Value) -> Result<Policy> {
        Policy::read(&json!({"Version": "2012-10-17", "Statement": statements}))
    }

    fn allows(policy: &Policy, action: &str, resource: &str) -> bool {
        policy.allows(&Access::new(action, resource)).is_some()
    }

    #[test]
    fn patterns_match_as_iam_has_them() {
        for (pattern, text, is) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b", false),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b", true),
            ("**x", "aax", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }

    #[test]
    fn nothing_is_allowed_unless_a_statement_says_so_and_denials_win() {
        let policy = policy(json!([
            {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:List*"], "Resource": "arn:aws:s3:::b/*"},
            {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/secret"},
        ]))
        .unwrap();
        assert!(allows(&policy, "s3:GetObject", "arn:aws:s3:::b/open"));
        assert!(allows(&policy, "s3:getobject", "arn:aws:s3:::b/open"), "case of actions does not matter");
        assert!(!allows(&policy, "s3:GetObject", "arn:aws:s3:::B/open"), "case of resources does");
        assert!(!allows(&policy, "s3:GetObject", "arn:aws:s3:::b/secret"));
        assert!(!allows(&policy, "s3:PutObject", "arn:aws:s3:::b/open"));
        assert!(!allows(&policy.without("Read", "s3:GetObject"), "s3:GetObject", "arn:aws:s3:::b/open"));
    }

    #[test]
    fn conditions_are_held_against_the_keys_of_the_request() {
        let holds = |condition: Value, keys: &[(&str, &str)]| {
            let statement = json!({"Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": condition});
            let mut access = Access::new("a:B", "x");
            access.keys.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])));
            policy(statement).unwrap().allows(&access).is_some()
        };
        assert!(holds(json!({"Bool": {"aws:SecureTransport": "true"}}), &[]));
        assert!(!holds(json!({"Bool": {"aws:SecureTransport": "false"}}), &[]));
        assert!(holds(json!({"Null": {"s3:if-none-match": "true"}}), &[]));
        assert!(!holds(json!({"Null": {"s3:if-none-match": "true"}}), &[("s3:if-none-match", "*")]));
        assert!(holds(json!({"StringEquals": {"k": ["a", "b"]}}), &[("k", "b")]));
        assert!(!holds(json!({"StringEquals": {"k": "a"}}), &[]));
        assert!(holds(json!({"StringNotEquals": {"k": "a"}}), &[]));
        assert!(holds(json!({"StringLike": {"k": "log/*"}}), &[("k", "log/1")]));
        assert!(!holds(json!({"StringNotLike": {"k": "log/*"}}), &[("k", "log/1")]));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let allow = json!({"Effect": "Allow", "Action": "a:B", "Resource": "*"});
        for (name, value) in [
            ("NotAction", json!("a:C")),
            ("NotResource", json!("x")),
            ("Effect", json!("Perhaps")),
            ("Action", json!([])),
            ("Condition", json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})),
            ("Resource", json!({"Ref": "Table"})),
        ] {
            let mut statement = allow.clone();
            statement[name] = value;
            assert!(policy(statement).is_err(), "{name}");
        }
        assert!(Policy::read(&json!({"Version": "2008-10-17", "Statement": allow})).is_err());
    }
}
