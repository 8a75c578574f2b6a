//! A file of history on its way into the table: read once to learn what it is, and once more to bring it in.

pub(crate) mod file;
pub(crate) mod importing;
pub(crate) mod survey;
