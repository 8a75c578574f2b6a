//! A store around another one that fails on command: throttled, unknown, half done, slow, or gone with its process.
//!
//! ```
//! use headcount_store::faulty::Faulty;
//! use headcount_store::faulty::plan::{Decision, Fault, FaultKind, Operation, Request};
//! use headcount_store::memory::MemoryStore;
//! use headcount_store::traits::DeploymentStore;
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! // The first reading of the deployment is throttled, all else works.
//! let store = Faulty::new(MemoryStore::new(), |request: &Request<'_>| match (request.operation, request.number) {
//!     (Operation::ReadDeployment, 0) => Decision::fault(Fault::Throttle),
//!     _ => Decision::default(),
//! });
//! assert!(store.read_deployment().await.unwrap_err().is_retryable());
//! assert_eq!(store.read_deployment().await, Ok(None));
//! assert_eq!(store.faults()[&FaultKind::Throttle], 1);
//! # }
//! ```

pub mod plan;
pub mod seeded;

mod answers;

use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use headcount_core::keys::ItemKey;
use tokio::sync::Notify;

use crate::error::StoreError;
use crate::faulty::plan::{Decision, Fault, FaultKind, FaultPlan, ItemFault, Operation, Request};

/// A store that fails as its plan says. Clones are the same store in the same process; [`Self::process`] gives another
/// process.
#[derive(Clone)]
pub struct Faulty<S> {
    inner: S,
    shared: Arc<Shared>,
    process: Arc<Process>,
}

struct Shared {
    plan: Box<dyn FaultPlan>,
    number: AtomicU64,
    requests: Mutex<BTreeMap<Operation, u64>>,
    faults: Mutex<BTreeMap<FaultKind, u64>>,
}

#[derive(Default)]
struct Process {
    is_dead: AtomicBool,
    death: Notify,
}

/// The process died at a request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the process died at a request to the store")]
pub struct Crashed;

impl<S> Faulty<S> {
    /// `inner`, failing as `plan` says.
    pub fn new(inner: S, plan: impl FaultPlan + 'static) -> Self {
        let shared = Shared {
            plan: Box::new(plan),
            number: AtomicU64::new(0),
            requests: Mutex::default(),
            faults: Mutex::default(),
        };
        Self { inner, shared: Arc::new(shared), process: Arc::default() }
    }

    /// The store itself, to look at without faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The faults so far, counted by kind, over all processes.
    pub fn faults(&self) -> BTreeMap<FaultKind, u64> {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests so far, counted by operation, over all processes.
    pub fn requests(&self) -> BTreeMap<Operation, u64> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs something until it ends, or until this process dies at a request, wherever in it that is. Nothing that it
    /// had begun goes on.
    ///
    /// # Errors
    /// [`Crashed`] where the process died; it stays dead, so that the next try needs [`Self::process`].
    pub async fn until_crash<T>(&self, invocation: impl Future<Output = T>) -> Result<T, Crashed> {
        let mut death = pin!(self.process.death.notified());
        death.as_mut().enable();
        let mut invocation = pin!(invocation);
        poll_fn(|context| {
            if self.process.is_dead.load(Ordering::SeqCst) {
                return Poll::Ready(Err(Crashed));
            }
            if let Poll::Ready(outcome) = invocation.as_mut().poll(context) {
                return Poll::Ready(Ok(outcome));
            }
            death.as_mut().poll(context).map(|()| Err(Crashed))
        })
        .await
    }

    /// One request under the plan. `act` does it, but for the items that the plan says.
    async fn request<T, F>(
        &self,
        operation: Operation,
        keys: Vec<ItemKey>,
        act: impl FnOnce(Vec<ItemFault>) -> F + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send,
        T: Send,
    {
        if self.process.is_dead.load(Ordering::SeqCst) {
            return pending().await;
        }
        let Decision { before, fault, after } = self.decide(operation, &keys);
        let act = |faults: Vec<ItemFault>| {
            let mut faults = faults;
            faults.resize(keys.len(), ItemFault::Fine);
            act(faults)
        };
        let detail = || format!("as the plan of faults says, at {operation:?}");
        pause(before).await;
        let outcome = match fault {
            None => act(Vec::new()).await,
            Some(Fault::Items(faults)) => act(faults).await,
            Some(Fault::Throttle) => Err(StoreError::Throttled { detail: detail() }),
            Some(Fault::Invalid) => Err(StoreError::Invalid { detail: detail() }),
            Some(Fault::UnknownBefore) => Err(StoreError::Unknown { detail: detail() }),
            Some(Fault::UnknownAfter) => act(Vec::new()).await.and(Err(StoreError::Unknown { detail: detail() })),
            Some(Fault::CrashBefore) => return self.die().await,
            Some(Fault::CrashAfter) => {
                // What it answered, nobody will know.
                let _answer = act(Vec::new()).await;
                return self.die().await;
            }
        };
        pause(after).await;
        outcome
    }

    fn decide(&self, operation: Operation, keys: &[ItemKey]) -> Decision {
        let number = self.shared.number.fetch_add(1, Ordering::SeqCst);
        let decision = self.shared.plan.decide(&Request { operation, number, keys });
        *self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(operation).or_default() += 1;
        let mut faults = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in decision.kinds() {
            *faults.entry(kind).or_default() += 1;
        }
        decision
    }

    async fn die<T>(&self) -> T {
        self.process.is_dead.store(true, Ordering::SeqCst);
        self.process.death.notify_waiters();
        pending().await
    }
}

impl<S: Clone> Faulty<S> {
    /// Another process at the same store, under the same plan. It lives when this one dies.
    #[must_use]
    pub fn process(&self) -> Self {
        Self { process: Arc::default(), ..self.clone() }
    }
}

async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests;
