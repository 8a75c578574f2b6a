//! The processor's time, which benches count in: what other processes do makes it no longer.

use rustix::time::{ClockId, clock_gettime};

/// Seconds of the processor that this process has used so far.
pub fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
