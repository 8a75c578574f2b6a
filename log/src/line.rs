//! An event as a line of the log: the event as it is stored, with its index in the entry.

use headcount_core::event::Event;

/// Why a line is no event of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a line is not an event as the log stores it: {0}")]
pub struct LineError(pub String);

/// Appends the event as one line, with its line break.
pub fn write(line: &mut Vec<u8>, index: u32, event: &Event<'_>) {
    let _ = (line, index, event);
    unimplemented!()
}

/// Reads a line that [`write`] wrote; without its line break.
///
/// # Errors
///
/// [`LineError`].
pub fn read(line: &str) -> Result<(u32, Event<'_>), LineError> {
    let _ = line;
    unimplemented!()
}
