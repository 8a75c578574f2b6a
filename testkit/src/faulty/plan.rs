//! What is to fail, and how.

use std::time::Duration;

use headcount_core::keys::ItemKey;

/// The methods of the store's traits.
#[expect(missing_docs, reason = "each is named as its method")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    PutEvents,
    PutRejected,
    FirstDays,
    PutFirstDay,
    NewUsersPage,
    ReadPartial,
    WritePartial,
    PartialsPage,
    ReadCheckpoint,
    WriteCheckpoint,
    CheckpointsPage,
    MarkFinished,
    Dailies,
    Sketches,
    PutDaily,
    PutSketches,
    PutTotal,
    TotalsPage,
    ReadProof,
    ProvenSourcesPage,
    PutProvenSources,
    PutProof,
    PutBudget,
    DeleteBudget,
    BudgetsPage,
    ClaimAlarm,
    FinishAlarm,
    ReadMeta,
    CreateMeta,
    /// [`headcount_store::traits::MetaStore::replace_meta`].
    ReplaceMeta,
    UserEventsPage,
    Events,
    RejectionsPage,
}

/// A request that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which.
    pub operation: Operation,
    /// How many were made before it, over all processes.
    pub number: u64,
    /// The items it names, in its order. A listing names its partition, with an empty `SK`.
    pub keys: &'a [ItemKey],
}

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing: [`headcount_store::error::StoreError::Throttled`].
    Throttle,
    /// It does nothing: [`headcount_store::error::StoreError::Unknown`].
    UnknownBefore,
    /// It takes effect: [`headcount_store::error::StoreError::Unknown`].
    UnknownAfter,
    /// It does nothing: [`headcount_store::error::StoreError::Invalid`].
    Invalid,
    /// It does nothing, and its process dies: no answer, ever.
    CrashBefore,
    /// It takes effect, and its process dies.
    CrashAfter,
    /// A batch succeeds, some of its items do not. Missing ones are fine; on what is no batch it has no effect.
    Items(Vec<ItemFault>),
}

/// How one item of a batch fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ItemFault {
    /// It does not.
    #[default]
    Fine,
    /// Nothing happens to it, and the answer says that it is unprocessed.
    Unprocessed,
    /// It takes effect, and the answer says that it is unprocessed.
    Unreported,
}

/// What becomes of a request. The default is that it works at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// The faults to count.
    pub(crate) fn kinds(&self) -> Vec<FaultKind> {
        let mut kinds = Vec::new();
        if !self.before.is_zero() || !self.after.is_zero() {
            kinds.push(FaultKind::Delay);
        }
        match &self.fault {
            None => {}
            Some(Fault::Throttle) => kinds.push(FaultKind::Throttle),
            Some(Fault::UnknownBefore) => kinds.push(FaultKind::UnknownBefore),
            Some(Fault::UnknownAfter) => kinds.push(FaultKind::UnknownAfter),
            Some(Fault::Invalid) => kinds.push(FaultKind::Invalid),
            Some(Fault::CrashBefore) => kinds.push(FaultKind::CrashBefore),
            Some(Fault::CrashAfter) => kinds.push(FaultKind::CrashAfter),
            Some(Fault::Items(items)) => kinds.extend(items.iter().filter_map(|item| match item {
                ItemFault::Fine => None,
                ItemFault::Unprocessed => Some(FaultKind::ItemUnprocessed),
                ItemFault::Unreported => Some(FaultKind::ItemUnreported),
            })),
        }
        kinds
    }
}

/// A kind of fault, to be counted.
#[expect(missing_docs, reason = "each is named as its fault")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    Delay,
    Throttle,
    UnknownBefore,
    UnknownAfter,
    Invalid,
    CrashBefore,
    CrashAfter,
    ItemUnprocessed,
    ItemUnreported,
    /// Nobody waited for it any more, and it had its effect all the same.
    LateEffect,
    /// What is there forbade it: one for each item.
    ConditionFailed,
}

/// Decides on every request. A function of the request is a plan.
pub trait FaultPlan: Send + Sync {
    /// What becomes of the request.
    fn decide(&self, request: &Request<'_>) -> Decision;

    /// Called when the request had its effect, with the items whose condition failed.
    fn took_effect(&self, _operation: Operation, _number: u64, _conditions_failed: u64) {}
}

impl<F: Fn(&Request<'_>) -> Decision + Send + Sync> FaultPlan for F {
    fn decide(&self, request: &Request<'_>) -> Decision {
        self(request)
    }
}

/// The plan by which nothing fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl FaultPlan for Quiet {
    fn decide(&self, _request: &Request<'_>) -> Decision {
        Decision::default()
    }
}
