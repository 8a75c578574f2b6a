//! One seed is one world: a stream with its producers, event source mappings, the real consumer, the real followers over a
//! log and a table that fail, and a naive model that says what must be in both.
//!
//! Time and randomness come from the seed: tokio's clock is paused, one thread runs everything, and each actor draws
//! from a source of its own. The same scenario is the same run to the last line of its history.
//!
//! ```
//! use headcount_simulation::{Scenario, run};
//! let report = run(&Scenario::of_seed(7), false);
//! assert!(report.mismatches.is_empty(), "{:?}", report.mismatches);
//! assert_eq!(report.digest, run(&Scenario::of_seed(7), false).digest);
//! ```

pub mod incident;
pub mod scenario;
pub mod shrink;
pub mod tally;

mod params;
mod world;

mod mapping;
mod producers;
mod stream;

mod aggregators;
mod faults;
mod functions;
mod imports;
mod redrive;
mod restore;
mod trouble;

mod ages;
mod history;
mod time;

mod check;
mod truth;

use std::panic::{AssertUnwindSafe, catch_unwind};

use headcount_core::hash::hash64;
use rayon::ThreadPoolBuilder;
use tokio::time::{Duration, timeout};

pub use scenario::{Cause, Scenario};
pub use tally::{Kind, Tally};

use crate::world::World;

/// How long a world may go on in its own time; one that takes longer does not come to an end.
const LONGEST: Duration = Duration::from_hours(24 * 90);

/// How one world went.
#[derive(Clone, Debug)]
pub struct Report {
    /// What is not as it must be; empty where all is well.
    pub mismatches: Vec<String>,
    /// What happened, counted.
    pub tally: Tally,
    /// A hash of all that happened, in order.
    pub digest: u64,
    /// All that happened, where it was asked for.
    pub history: Vec<String>,
}

/// Lives through one world.
pub fn run(scenario: &Scenario, keep_history: bool) -> Report {
    let lived = on_virtual_time(async || {
        let world = World::new(scenario, keep_history);
        let ended = timeout(LONGEST, world::live(&world)).await.is_ok();
        if !ended {
            world.mismatch("the world does not come to an end".to_owned());
        }
        world.report()
    });
    lived.unwrap_or_else(|panic| Report {
        mismatches: vec![panic],
        tally: Tally::default(),
        digest: 0,
        history: Vec::new(),
    })
}

/// Runs it on one thread, whose clock jumps to the next moment at which something happens. An error is what it panicked
/// with.
fn on_virtual_time<T: Send>(live: impl AsyncFnOnce() -> T + Send) -> Result<T, String> {
    // The consumer decodes on rayon's threads: here on the one that everything else runs on.
    let pool = ThreadPoolBuilder::new().num_threads(1).build().expect("one thread can be had");
    let lived = pool.install(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without input and output can always be made");
        catch_unwind(AssertUnwindSafe(|| runtime.block_on(live())))
    });
    lived.map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
        format!("it panicked: {}", said.unwrap_or_default())
    })
}

/// A source of randomness of one actor's own, so that leaving out another one does not shift what it draws.
fn chance(seed: u64, actor: &str, number: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(hash64(format!("{seed}/{actor}/{number}").as_bytes()))
}
