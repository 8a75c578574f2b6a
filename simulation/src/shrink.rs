//! The shortest history of a failure that can be found: fewer sends, fewer causes of trouble, as long as it still fails.

use std::collections::BTreeSet;

use crate::scenario::{Cause, Scenario};
use crate::{Report, run};

/// Worlds that are tried at most.
const MAX_TRIES: u32 = 300;

/// The smallest scenario found that fails, and how it went.
pub fn shrink(failing: &Scenario) -> (Scenario, Report) {
    let mut search = Search { best: failing.clone(), tries: 0 };
    search.without_causes();
    search.fewer_sends();
    // What fewer sends do not need any more.
    search.without_causes();
    let report = run(&search.best, true);
    (search.best, report)
}

struct Search {
    best: Scenario,
    tries: u32,
}

impl Search {
    /// Takes the scenario if it fails as well.
    fn fails(&mut self, scenario: Scenario) -> bool {
        if self.tries >= MAX_TRIES {
            return false;
        }
        self.tries += 1;
        let fails = !run(&scenario, false).mismatches.is_empty();
        if fails {
            self.best = scenario;
        }
        fails
    }

    fn without_causes(&mut self) {
        for cause in Cause::all() {
            if self.best.has(cause) {
                let mut scenario = self.best.clone();
                scenario.without.insert(cause);
                self.fails(scenario);
            }
        }
    }

    /// Leaves out ever smaller parts of the sends.
    fn fewer_sends(&mut self) {
        let mut sends: Vec<u32> = match &self.best.sends {
            Some(sends) => sends.iter().copied().collect(),
            None => (0..crate::params::MAX_SENDS).collect(),
        };
        let mut width = sends.len().div_ceil(2);
        while width > 0 {
            let mut from = 0;
            while from < sends.len() {
                let to = (from + width).min(sends.len());
                let rest: BTreeSet<u32> = sends[..from].iter().chain(&sends[to..]).copied().collect();
                let scenario = Scenario { sends: Some(rest.clone()), ..self.best.clone() };
                if self.fails(scenario) {
                    sends = rest.into_iter().collect();
                } else {
                    from = to;
                }
            }
            width /= 2;
        }
    }
}
