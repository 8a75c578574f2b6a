//! A store around another one that fails on command: throttled, unknown, half done, slow, or gone with its process.
//!
//! ```
//! use headcount_store::error::StoreError;
//! use headcount_store::traits::MetaStore;
//! use headcount_testkit::faulty::Faulty;
//! use headcount_testkit::faulty::plan::{Decision, Fault, FaultKind, Operation, Request};
//! use headcount_testkit::memory::MemoryStore;
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! // The first reading of the table's record is throttled, all else works.
//! let store = Faulty::new(MemoryStore::new(), |request: &Request<'_>| match (request.operation, request.number) {
//!     (Operation::ReadMeta, 0) => Decision::fault(Fault::Throttle),
//!     _ => Decision::default(),
//! });
//! assert!(matches!(store.read_meta().await, Err(StoreError::Throttled { .. })));
//! assert_eq!(store.read_meta().await, Ok(None));
//! assert_eq!(store.faults()[&FaultKind::Throttle], 1);
//! # }
//! ```

pub mod plan;
pub mod seeded;

mod answers;
mod browse;
mod budgets;

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::faulty::plan::{Decision, Fault, FaultKind, FaultPlan, ItemFault, Operation, Request};
use crate::process::Process;
use headcount_core::keys::ItemKey;
use headcount_store::error::StoreError;
use headcount_store::rows::{Cursor, Lookup, Page, Put};
use parking_lot::Mutex;

pub use crate::process::Crashed;

/// A store that fails as its plan says. Clones are the same store in the same process; [`Self::process`] gives another
/// process.
#[derive(Clone)]
pub struct Faulty<S> {
    inner: S,
    shared: Arc<Shared>,
    process: Process,
}

struct Shared {
    plan: Box<dyn FaultPlan>,
    number: AtomicU64,
    requests: Mutex<BTreeMap<Operation, u64>>,
    faults: Mutex<BTreeMap<FaultKind, u64>>,
}

impl<S> Faulty<S> {
    /// `inner`, failing as `plan` says.
    pub fn new(inner: S, plan: impl FaultPlan + 'static) -> Self {
        let shared = Shared {
            plan: Box::new(plan),
            number: AtomicU64::new(0),
            requests: Mutex::default(),
            faults: Mutex::default(),
        };
        Self { inner, shared: Arc::new(shared), process: Process::default() }
    }

    /// The store itself, to look at without faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The faults so far, counted by kind, over all processes.
    pub fn faults(&self) -> BTreeMap<FaultKind, u64> {
        self.shared.faults.lock().clone()
    }

    /// The requests so far, counted by operation, over all processes.
    pub fn requests(&self) -> BTreeMap<Operation, u64> {
        self.shared.requests.lock().clone()
    }

    /// Runs something until it ends, or until this process dies at a request, wherever in it that is. Nothing that it
    /// had begun goes on, but for requests in flight.
    ///
    /// # Errors
    /// [`Crashed`] where the process died; it stays dead, so that the next try needs [`Self::process`].
    pub async fn until_crash<T>(&self, invocation: impl Future<Output = T>) -> Result<T, Crashed> {
        self.process.until_crash(invocation).await
    }
}

impl<S: Clone + Send + Sync + 'static> Faulty<S> {
    /// One request under the plan. `act` does it, but for the items that the plan says.
    async fn request<T, F>(
        &self,
        operation: Operation,
        keys: Vec<ItemKey>,
        act: impl FnOnce(S, Vec<ItemFault>) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
        T: Answer + Send + 'static,
    {
        if self.process.is_dead() {
            return pending().await;
        }
        let (number, Decision { before, fault, after, in_flight }) = self.shared.decide(operation, &keys);
        let unknown = || StoreError::Unknown { detail: detail(operation) };
        let (mut items, answered) = match fault {
            None => (Vec::new(), Answered::Truly),
            Some(Fault::Items(faults)) => (faults, Answered::Truly),
            Some(Fault::UnknownAfter) => (Vec::new(), Answered::Unknown),
            Some(Fault::CrashAfter) => (Vec::new(), Answered::Never),
            Some(fault) => {
                pause(before).await;
                let error = match fault {
                    Fault::Throttle => StoreError::Throttled { detail: detail(operation) },
                    Fault::Invalid => StoreError::Invalid { detail: detail(operation) },
                    Fault::CrashBefore => return self.process.die().await,
                    Fault::UnknownBefore | Fault::UnknownAfter | Fault::CrashAfter | Fault::Items(_) => unknown(),
                };
                pause(after).await;
                return Err(error);
            }
        };
        items.resize(keys.len(), ItemFault::Fine);
        let (inner, shared) = (self.inner.clone(), Arc::clone(&self.shared));
        let effect = async move {
            pause(before).await;
            let answer = act(inner, items).await;
            shared.took_effect(operation, number, answer.as_ref().map_or(0, Answer::conditions_failed));
            answer
        };
        let answer = if in_flight { InFlight::send(&self.shared, effect).await } else { effect.await };
        match answered {
            Answered::Truly => {}
            Answered::Unknown => return answer.and(Err(unknown())),
            // What it answered, nobody will know.
            Answered::Never => return self.process.die().await,
        }
        pause(after).await;
        answer
    }
}

/// What its sender learns of a request that took effect.
enum Answered {
    Truly,
    Unknown,
    Never,
}

fn detail(operation: Operation) -> String {
    format!("as the plan of faults says, at {operation:?}")
}

/// A request on its way, which arrives whether or not its sender still waits.
struct InFlight<'a> {
    shared: &'a Shared,
    is_awaited: bool,
}

impl InFlight<'_> {
    async fn send<T: Send + 'static>(
        shared: &Arc<Shared>,
        effect: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut sender = InFlight { shared, is_awaited: true };
        let answer = tokio::spawn(effect).await;
        sender.is_awaited = false;
        answer.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.is_awaited {
            self.shared.count(FaultKind::LateEffect, 1);
        }
    }
}

/// Answers that tell of failed conditions.
trait Answer {
    fn conditions_failed(&self) -> u64 {
        0
    }
}

impl Answer for Put {
    fn conditions_failed(&self) -> u64 {
        u64::from(*self == Self::Refused)
    }
}

impl<T> Answer for Vec<Lookup<T>> {}
impl<T> Answer for Option<T> {}
impl<T> Answer for Page<T> {}
impl Answer for Vec<bool> {}
impl Answer for (u64, Option<Cursor>) {}

impl Shared {
    fn decide(&self, operation: Operation, keys: &[ItemKey]) -> (u64, Decision) {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        let decision = self.plan.decide(&Request { operation, number, keys });
        *self.requests.lock().entry(operation).or_default() += 1;
        for kind in decision.kinds() {
            self.count(kind, 1);
        }
        (number, decision)
    }

    fn took_effect(&self, operation: Operation, number: u64, conditions_failed: u64) {
        if conditions_failed > 0 {
            self.count(FaultKind::ConditionFailed, conditions_failed);
        }
        self.plan.took_effect(operation, number, conditions_failed);
    }

    fn count(&self, kind: FaultKind, times: u64) {
        *self.faults.lock().entry(kind).or_default() += times;
    }
}

impl<S: Clone> Faulty<S> {
    /// Another process at the same store, under the same plan. It lives when this one dies.
    #[must_use]
    pub fn process(&self) -> Self {
        self.in_process(&Process::default())
    }

    /// The same store, for a process that uses other stores as well and dies at a request to any of them.
    #[must_use]
    pub fn in_process(&self, process: &Process) -> Self {
        Self { process: process.clone(), ..self.clone() }
    }
}

async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests;
