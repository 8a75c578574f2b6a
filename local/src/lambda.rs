//! Functions as Lambda runs them: the real programs, each process behind a Runtime API of its own.
//!
//! - A [`fleet::Fleet`] starts a process when an invocation finds none that is free, keeps it warm for the next one, and
//!   never runs more than its bound. A process handles one invocation at a time; further ones wait.
//! - A process has ten seconds to ask for its first invocation. One that ends or reports an error before that fails the
//!   invocation with what it said; the next invocation starts another.
//! - An invocation whose deadline passes fails, and its process is killed (SIGKILL), as by the service. One whose process
//!   ends in the middle fails too.
//! - Processes are in a group of their own, so that a Ctrl-C at the terminal does not reach them: whoever runs the fleet
//!   decides when they end. Where that one is killed itself, their Runtime API is gone, and each ends as soon as it
//!   asks for its next invocation; nothing more can be had without unsafe code.

pub mod fleet;
pub mod functions;

mod api;
mod output;
mod process;
