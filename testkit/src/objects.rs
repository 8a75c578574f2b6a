//! An object store around another one that fails on command: silent, conflicting, late, down, or gone with its process.
//!
//! On a current-thread runtime with a paused clock, the same plan gives the same run.
//!
//! ```
//! use headcount_testkit::objects::FaultyObjects;
//! use headcount_testkit::objects::plan::{Decision, Fault, FaultKind, Operation, Request};
//! use object_store::memory::InMemory;
//! use object_store::path::Path;
//! use object_store::{ObjectStoreExt as _, PutMode};
//! # use object_store::ObjectStore as _;
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! // The first request has its effect, and its answer is lost.
//! let store = FaultyObjects::new(InMemory::new(), |request: &Request<'_>| match (request.operation, request.number) {
//!     (Operation::Create, 0) => Decision::fault(Fault::UnknownAfter),
//!     _ => Decision::default(),
//! });
//! let create = async || store.put_opts(&Path::from("a"), "text".into(), PutMode::Create.into()).await;
//! assert!(matches!(create().await, Err(object_store::Error::Generic { .. })));
//! assert!(matches!(create().await, Err(object_store::Error::AlreadyExists { .. })));
//! assert_eq!(store.faults()[&FaultKind::Exists], 1);
//! # }
//! ```

pub mod plan;

mod requests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{Error, ObjectStore};
use parking_lot::Mutex;

use crate::objects::plan::{Decision, Fault, FaultKind, ObjectFaults, Operation, Request};
use crate::process::{Crashed, Process};

/// An object store that fails as its plan says. Clones are the same store in the same process; [`Self::process`] gives
/// another process.
#[derive(Clone)]
pub struct FaultyObjects {
    inner: Arc<dyn ObjectStore>,
    shared: Arc<Shared>,
    process: Process,
}

type Clock = Box<dyn Fn() -> DateTime<Utc> + Send + Sync>;

struct Shared {
    plan: Box<dyn ObjectFaults>,
    /// Where the time of objects is not the inner store's.
    clock: Option<Clock>,
    modified: Arc<Mutex<BTreeMap<Path, DateTime<Utc>>>>,
    is_down: AtomicBool,
    number: AtomicU64,
    requests: Mutex<BTreeMap<Operation, u64>>,
    faults: Mutex<BTreeMap<FaultKind, u64>>,
}

impl FaultyObjects {
    /// `inner`, failing as `plan` says.
    pub fn new(inner: impl ObjectStore, plan: impl ObjectFaults + 'static) -> Self {
        Self::build(Arc::new(inner), plan, None)
    }

    /// As [`Self::new`], where objects are as old as this clock says: the test's own time, and not the machine's.
    pub fn with_clock(
        inner: impl ObjectStore,
        plan: impl ObjectFaults + 'static,
        clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
    ) -> Self {
        Self::build(Arc::new(inner), plan, Some(Box::new(clock)))
    }

    fn build(inner: Arc<dyn ObjectStore>, plan: impl ObjectFaults + 'static, clock: Option<Clock>) -> Self {
        let shared = Shared {
            plan: Box::new(plan),
            clock,
            modified: Arc::default(),
            is_down: AtomicBool::new(false),
            number: AtomicU64::new(0),
            requests: Mutex::default(),
            faults: Mutex::default(),
        };
        Self { inner, shared: Arc::new(shared), process: Process::default() }
    }

    /// The store itself, to look at and to damage without faults.
    pub fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }

    /// The same store, its objects as old as this one's clock says, without faults.
    #[must_use]
    pub fn without_faults(&self) -> Self {
        let now = Arc::clone(&self.shared);
        let quiet = |_: &Request<'_>| Decision::default();
        let clock = move || now.clock.as_ref().map_or_else(Utc::now, |clock| clock());
        let mut quiet = Self::build(Arc::clone(&self.inner), quiet, Some(Box::new(clock)));
        if let Some(shared) = Arc::get_mut(&mut quiet.shared) {
            shared.modified = Arc::clone(&self.shared.modified);
        }
        quiet
    }

    /// From now on no request has an effect or an answer, or all are as planned again. Requests in flight arrive.
    pub fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::SeqCst);
    }

    /// The faults so far, counted by kind, over all processes.
    pub fn faults(&self) -> BTreeMap<FaultKind, u64> {
        self.shared.faults.lock().clone()
    }

    /// The requests so far, counted by operation, over all processes.
    pub fn requests(&self) -> BTreeMap<Operation, u64> {
        self.shared.requests.lock().clone()
    }

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

    /// Runs something until it ends, or until this process dies at a request.
    ///
    /// # Errors
    /// [`Crashed`] where the process died; it stays dead, so that the next try needs [`Self::process`].
    pub async fn until_crash<T>(&self, invocation: impl Future<Output = T>) -> Result<T, Crashed> {
        self.process.until_crash(invocation).await
    }

    /// One request under the plan. `effect` does it.
    async fn request<T: Send + 'static>(
        &self,
        operation: Operation,
        path: Path,
        effect: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> object_store::Result<T> {
        if self.process.is_dead() {
            return pending().await;
        }
        let Decision { before, fault, after, in_flight } = self.shared.decide(operation, &path);
        match fault {
            None | Some(Fault::UnknownAfter | Fault::UnknownLate | Fault::CrashAfter) => {}
            Some(Fault::CrashBefore) => {
                pause(before).await;
                return self.process.die().await;
            }
            Some(fault @ (Fault::UnknownBefore | Fault::Conflict | Fault::Refused)) => {
                pause(before + after).await;
                return Err(failure(fault, operation, &path));
            }
        }
        let shared = Arc::clone(&self.shared);
        let at = path.clone();
        let effect = async move {
            pause(before).await;
            let answer = effect.await;
            shared.took_effect(operation, &at, answer.as_ref().err());
            answer
        };
        if fault == Some(Fault::UnknownLate) {
            tokio::spawn(effect);
            pause(after).await;
            return Err(failure(Fault::UnknownLate, operation, &path));
        }
        let answer = if in_flight { InFlight::send(&self.shared, effect).await } else { effect.await };
        if fault == Some(Fault::CrashAfter) {
            return self.process.die().await;
        }
        pause(after).await;
        if fault == Some(Fault::UnknownAfter) { Err(failure(Fault::UnknownAfter, operation, &path)) } else { answer }
    }
}

impl fmt::Debug for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyObjects({:?})", self.inner)
    }
}

impl fmt::Display for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with faults", self.inner)
    }
}

/// What the sender of a request learns of its fault.
fn failure(fault: Fault, operation: Operation, path: &Path) -> Error {
    let source = format!("as the plan of faults says: {fault:?} at {operation:?} of {path}").into();
    let path = path.to_string();
    match (fault, operation) {
        (Fault::Conflict, Operation::Create | Operation::Put) => Error::AlreadyExists { path, source },
        (Fault::Refused, _) => Error::PermissionDenied { path, source },
        _ => Error::Generic { store: "FaultyObjects", source },
    }
}

/// A request on its way, which arrives whether or not its sender still waits.
struct InFlight<'a> {
    shared: &'a Shared,
    is_awaited: bool,
}

impl InFlight<'_> {
    async fn send<T: Send + 'static>(
        shared: &Arc<Shared>,
        effect: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> object_store::Result<T> {
        let mut sender = InFlight { shared, is_awaited: true };
        let answer = tokio::spawn(effect).await;
        sender.is_awaited = false;
        answer.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.is_awaited {
            self.shared.count(FaultKind::LateEffect);
        }
    }
}

impl Shared {
    fn decide(&self, operation: Operation, path: &Path) -> Decision {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        *self.requests.lock().entry(operation).or_default() += 1;
        if self.is_down.load(Ordering::SeqCst) {
            self.count(FaultKind::Outage);
            return Decision::fault(Fault::UnknownBefore);
        }
        let decision = self.plan.decide(&Request { operation, number, path });
        if !decision.before.is_zero() || !decision.after.is_zero() {
            self.count(FaultKind::Delay);
        }
        if let Some(fault) = decision.fault {
            self.count(FaultKind::Fault(fault));
        }
        decision
    }

    fn took_effect(&self, operation: Operation, path: &Path, error: Option<&Error>) {
        if matches!(error, Some(Error::AlreadyExists { .. })) {
            self.count(FaultKind::Exists);
        }
        if let (Operation::Create | Operation::Put, None, Some(clock)) = (operation, error, &self.clock) {
            self.modified.lock().insert(path.clone(), clock());
        }
    }

    fn count(&self, kind: FaultKind) {
        *self.faults.lock().entry(kind).or_default() += 1;
    }
}

async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
