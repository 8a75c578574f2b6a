//! One measured figure.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A figure, what it is compared with, and its goal.
///
/// As JSON, one line each, this is what a program of `tests/benches/` prints:
/// `{"name":"…","measures":"…","unit":"ms","ours":12.5,"peer":{"name":"…","figure":80.0},"goal":{"atMost":50.0}}`;
/// `peer` and `goal` may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// The bench, and which of its figures.
    pub(crate) name: String,
    /// What is measured, in a few words.
    pub(crate) measures: String,
    /// The figures' unit.
    pub(crate) unit: String,
    /// Our figure.
    pub(crate) ours: f64,
    /// Somebody else's for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<Peer>,
    /// What ours should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<Goal>,
}

/// Whom we are compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    /// Who, with the version.
    pub(crate) name: String,
    /// Their figure, in the line's unit.
    pub(crate) figure: f64,
}

/// What a figure should be. A ratio is ours by the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Goal {
    /// Our figure, at most.
    AtMost(f64),
    /// Our figure, at least.
    AtLeast(f64),
    /// The ratio, at most.
    RatioAtMost(f64),
    /// The ratio, at least.
    RatioAtLeast(f64),
}

impl Line {
    /// Reads a line that a bench program printed.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).with_context(|| format!("a bench printed what is no line: {text}"))
    }

    /// Ours by the peer's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.peer.as_ref().filter(|peer| peer.figure != 0.0).map(|peer| self.ours / peer.figure)
    }

    /// Whether the goal is met; a line without one meets it. A ratio to nobody meets none.
    pub(crate) fn meets_goal(&self) -> bool {
        let ratio = self.ratio();
        self.goal.is_none_or(|goal| match goal {
            Goal::AtMost(most) => self.ours <= most,
            Goal::AtLeast(least) => self.ours >= least,
            Goal::RatioAtMost(most) => ratio.is_some_and(|ratio| ratio <= most),
            Goal::RatioAtLeast(least) => ratio.is_some_and(|ratio| ratio >= least),
        })
    }

    /// The line with what follows from it: `ratio` and `meetsGoal`.
    pub(crate) fn to_json(&self) -> Value {
        let mut json = serde_json::to_value(self).unwrap_or_default();
        json["ratio"] = self.ratio().into();
        json["meetsGoal"] = self.meets_goal().into();
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_met_or_missed() {
        let line = |peer: Option<f64>, goal| Line {
            name: "a".into(),
            measures: "b".into(),
            unit: "ms".into(),
            ours: 10.0,
            peer: peer.map(|figure| Peer { name: "other".into(), figure }),
            goal,
        };
        for (peer, goal, met) in [
            (None, None, true),
            (None, Some(Goal::AtMost(10.0)), true),
            (None, Some(Goal::AtMost(9.9)), false),
            (None, Some(Goal::AtLeast(10.1)), false),
            (Some(20.0), Some(Goal::RatioAtMost(0.5)), true),
            (Some(20.0), Some(Goal::RatioAtLeast(0.6)), false),
            (Some(0.0), Some(Goal::RatioAtLeast(0.1)), false),
            (None, Some(Goal::RatioAtMost(2.0)), false),
        ] {
            let line = line(peer, goal);
            assert_eq!(line.meets_goal(), met, "{line:?}");
            assert_eq!(Line::parse(&serde_json::to_string(&line).unwrap()).unwrap(), line);
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in ["", "Compiling", r#"{"name":"a"}"#, r#"{"name":"a","measures":"b","unit":"c","ours":1,"gaol":2}"#]
        {
            assert!(Line::parse(text).is_err(), "{text}");
        }
    }
}
