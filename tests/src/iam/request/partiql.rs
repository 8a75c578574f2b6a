//! The action of a `PartiQL` statement: its verb, and the table or index that it names
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html>).

use anyhow::{Context as _, Result, bail};

use super::table;
use crate::iam::policy::Access;

/// What a statement does.
pub(super) fn access(statement: &str) -> Result<Access> {
    let mut words = statement.split_whitespace();
    let verb = words.next().context("a statement without words")?.to_ascii_uppercase();
    // What stands before the table's name.
    let (action, before) = match verb.as_str() {
        "DELETE" => ("PartiQLDelete", "FROM"),
        "INSERT" => ("PartiQLInsert", "INTO"),
        "SELECT" => ("PartiQLSelect", "FROM"),
        "UPDATE" => ("PartiQLUpdate", "UPDATE"),
        other => bail!("a statement that begins with {other} is not understood here"),
    };
    let named = if verb == before {
        words.next()
    } else {
        words.by_ref().find(|word| word.eq_ignore_ascii_case(before)).and_then(|_| words.next())
    };
    let named = named.with_context(|| format!("the statement {statement:?} names no table"))?;
    let mut names = named.split('.').map(|name| name.trim_matches('"'));
    let (name, index) = (names.next().unwrap_or_default(), names.next());
    Ok(Access::new(format!("dynamodb:{action}"), table(name, index)))
}
