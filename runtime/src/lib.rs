//! What programs and adapters share, and what `core` must not have: the clock, settings, pauses between attempts, telemetry,
//! and how AWS is reached.

pub mod aws;
pub mod clock;
pub mod compute;
pub mod environment;
pub mod retry;
pub mod secret;
pub mod telemetry;
