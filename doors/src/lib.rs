//! What every HTTP listener of Headcount has in common.
//!
//! [`Policy`] decides by a request's headers who may come in: it keeps web pages of other origins out, also those whose name was
//! made to point to this machine (DNS rebinding). [`Listener`] bounds what clients can hold: connections, waits for heads and
//! bodies, and the life of a connection. [`Slots`] and [`Waiting`] give each client its fair share.

mod descriptors;
mod listener;
mod policy;
mod room;
mod shares;

pub use descriptors::raise_descriptor_limit;
pub use listener::{Body, BodyError, Limits, Listener, routed};
pub use policy::{Door, Policy, Refusal};
pub use shares::{Load, Slot, Slots, Waiting};
