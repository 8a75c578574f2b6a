//! How a command ends: its exit code, or what went wrong and what to do about it, in one line.

use std::fmt;
use std::io;

/// How a command ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything was as it should be.
    Fine,
    /// The work was done, and the answer is a bad one: figures differ, events were refused.
    Differences,
    /// Ctrl-C ended it early.
    Interrupted,
}

impl Ending {
    /// What the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Differences => Failure::CODE,
            Self::Interrupted => Self::INTERRUPTED_CODE,
        }
    }

    /// 128 and the number of SIGINT, as shells have it.
    pub(crate) const INTERRUPTED_CODE: u8 = 130;
}

/// Why a command could not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Something is wrong that a person can change.
    Problem {
        /// What is wrong.
        what: String,
        /// What to do about it; empty where `what` says it.
        remedy: String,
    },
    /// The command line asks for something that cannot be; the rule.
    Usage(String),
    /// Whoever read our output has gone, as `head` does: nothing to complain about.
    ReaderGone,
}

impl Failure {
    /// What the shell sees of a problem.
    pub(crate) const CODE: u8 = 1;

    /// What the shell sees; clap ends with the same where it refuses a command line.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Problem { .. } => Self::CODE,
            Self::Usage(_) => 2,
            Self::ReaderGone => 0,
        }
    }

    /// A problem and its remedy.
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Problem { what: what.into(), remedy: remedy.into() }
    }

    /// A problem whose sentence says what to do already.
    pub(crate) fn said(what: impl fmt::Display) -> Self {
        Self::new(what.to_string(), "")
    }

    /// What a failed write to standard output means.
    pub(crate) fn writing(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::new(format!("the output cannot be written ({error})"), "see whether the disk is full")
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem { what, remedy } if remedy.is_empty() => f.write_str(&one_line(what)),
            Self::Problem { what, remedy } => write!(f, "{}: {}", one_line(what), one_line(remedy)),
            Self::Usage(rule) => write!(f, "{}: see --help", one_line(rule)),
            Self::ReaderGone => f.write_str("nobody reads the output any more"),
        }
    }
}

/// The text with every run of white space made one blank.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_whatever_the_service_said() {
        let failure = Failure::new("the stream\n  said no\r\n", "ask\nagain");
        assert_eq!(failure.to_string(), "the stream said no: ask again");
        assert_eq!(Failure::said("use --local").to_string(), "use --local");
    }

    #[test]
    fn a_closed_pipe_is_no_problem() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::writing(&closed), Failure::ReaderGone);
        assert_eq!(Failure::ReaderGone.code(), 0);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Failure::writing(&full), Failure::Problem { .. }));
    }

    #[test]
    fn endings_have_the_codes_that_scripts_expect() {
        assert_eq!([Ending::Fine, Ending::Differences, Ending::Interrupted].map(Ending::code), [0, 1, 130]);
    }
}
