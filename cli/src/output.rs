//! What a command prints: results to standard output, everything else to standard error.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::failure::Failure;

pub(crate) mod figures;
pub(crate) mod numbers;
pub(crate) mod sparkline;
pub(crate) mod table;

/// Prints the text and a newline to standard output.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Failure::writing(&error))
}

/// Prints the text as it is to standard output.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::writing(&error))
}

/// Prints `value` as indented JSON to standard output.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(format!("the answer cannot be written as JSON ({error})"), "report this"))?;
    line(&text)
}

/// Tells the person at the terminal something that is no result. Where nobody listens, nothing is lost.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
