//! What is to fail at the object store, and how.

use std::time::Duration;

use object_store::path::Path;

/// What is asked of the object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A put that must create the object.
    Create,
    /// A put of whatever is there.
    Put,
    /// An object or a range of it.
    Get,
    /// An object's size and time.
    Head,
    /// A listing, whole.
    List,
    /// One object's deletion.
    Delete,
}

/// A request that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which.
    pub operation: Operation,
    /// How many were made before it, over all processes.
    pub number: u64,
    /// The object; of a listing, its folder.
    pub path: &'a Path,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// It does nothing, and its sender learns only that there was no answer.
    UnknownBefore,
    /// It takes effect, and its sender learns only that there was no answer.
    UnknownAfter,
    /// Its sender learns at once that there was no answer, and it takes effect after [`Decision::before`].
    UnknownLate,
    /// It does nothing, because of another request for the same object in flight: S3's 409, which `object_store` reports
    /// as `AlreadyExists`. Only for puts; elsewhere as [`Self::UnknownBefore`].
    Conflict,
    /// It does nothing, for want of permission.
    Refused,
    /// It does nothing, and its process dies: no answer, ever.
    CrashBefore,
    /// It takes effect, and its process dies.
    CrashAfter,
}

/// What becomes of a request. The default is that it works at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// How long it takes until it has its effect, on tokio's clock.
    pub before: Duration,
    /// How it fails.
    pub fault: Option<Fault>,
    /// How long its answer takes.
    pub after: Duration,
    /// Whether it is on its way for good: it has its effect after `before` even if nobody waits for it any more, as a
    /// request does whose sender was killed or gave up.
    pub in_flight: bool,
}

impl Decision {
    /// It fails at once.
    pub fn fault(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// It takes effect after `before`, whether or not its sender still waits.
    pub fn late(before: Duration) -> Self {
        Self { before, in_flight: true, ..Self::default() }
    }
}

/// A kind of fault, to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// As the plan said.
    Fault(Fault),
    /// It took time.
    Delay,
    /// Nobody waited for it any more, and it had its effect all the same.
    LateEffect,
    /// The object was there already.
    Exists,
    /// All requests failed at the time.
    Outage,
}

/// Decides on every request. A function of the request is a plan.
pub trait ObjectFaults: Send + Sync {
    /// What becomes of the request.
    fn decide(&self, request: &Request<'_>) -> Decision;
}

impl<F: Fn(&Request<'_>) -> Decision + Send + Sync> ObjectFaults for F {
    fn decide(&self, request: &Request<'_>) -> Decision {
        self(request)
    }
}
