//! What certificates are counted with: as proofs are.

use headcount_log::Log;
use headcount_proof::certificate::Counting;
use tokio::time::Instant;

use crate::calendar_window::late_ms;
use crate::deps::Settings;

/// Counting from this log, under these settings.
pub fn counting<'a>(log: &'a Log, settings: &Settings, deadline: Instant) -> Counting<'a> {
    Counting {
        log,
        late_ms: late_ms(settings),
        memory: settings.proof_memory,
        at_once: settings.at_once(),
        compute: settings.compute,
        deadline,
    }
}
