//! What is said of a deployment.

use headcount_store::dynamo::set_up::Difference;
use serde::Serialize;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Severity {
    /// Events can be lost, or counted twice or never, while it stays so.
    BreaksPromise,
    /// It costs more than it need.
    WastesMoney,
    /// Worth knowing.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// What it is, with the setting's own name.
    pub(crate) what: String,
    /// Why it matters.
    pub(crate) why: String,
    /// How to put it right.
    pub(crate) remedy: String,
}

impl Finding {
    pub(crate) fn new(
        severity: Severity,
        what: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { severity, what: what.into(), why: why.into(), remedy: remedy.into() }
    }

    /// Something of a table that is not as Headcount would have made it.
    pub(crate) fn of_table(table: &str, difference: Difference) -> Self {
        let Difference { what, found, wanted, breaks, remedy } = difference;
        let severity = if breaks { Severity::BreaksPromise } else { Severity::Note };
        let why = if breaks { "the functions rely on it" } else { "it is not as Headcount would have made it" };
        let what = format!("{what} of the table {table}: {found}, not {wanted}");
        let remedy = if remedy.is_empty() { "nothing need be done".to_owned() } else { remedy };
        Self::new(severity, what, why, remedy)
    }
}
