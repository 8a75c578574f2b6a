//! Deliberate defects, so that tests of the whole can be tested too: each leaves out one rule of counting exactly once.
//!
//! Without the feature `defects`, which no shipped build has, [`Defect::is_on`] is a constant `false` and nothing of
//! this is left in the program. With it, a defect is switched on for one thread.

/// One rule left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Defect {
    /// Records at or before a partial's fence are folded again.
    NoFence,
    /// Sequence numbers are compared with the fence as text.
    TextFence,
    /// A partial is written whatever version is there.
    NoVersionCondition,
    /// An event is put over what is there.
    UnconditionalPut,
    /// Records after the first unsettled one are folded too.
    UnsettledFolded,
    /// A partial is written before its events are.
    FoldBeforeStore,
    /// An event that an earlier try at this record stored is taken for a duplicate.
    RedeliveryAsDuplicate,
    /// The checkpoint lies one record too far.
    CheckpointOffByOne,
    /// The answer is success though a fold failed.
    FailedFoldAnswered,
    /// The warm cache is filled before the write is confirmed.
    UnconfirmedCache,
    /// A key that a look-up did not get to is taken for absent, and its event for ours.
    UnprocessedAsAbsent,
    /// A claim whose outcome is unknown is taken for made.
    UnknownAsSuccess,
    /// What is stored behind the fence does not mark the partial.
    NoDirty,
    /// A day's write shards change in the middle of the day.
    WriteShardsChanged,
    /// Figures made of older partials are written over newer ones.
    OldFiguresOverNew,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::NoFence,
        Self::TextFence,
        Self::NoVersionCondition,
        Self::UnconditionalPut,
        Self::UnsettledFolded,
        Self::FoldBeforeStore,
        Self::RedeliveryAsDuplicate,
        Self::CheckpointOffByOne,
        Self::FailedFoldAnswered,
        Self::UnconfirmedCache,
        Self::UnprocessedAsAbsent,
        Self::UnknownAsSuccess,
        Self::NoDirty,
        Self::WriteShardsChanged,
        Self::OldFiguresOverNew,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoFence => "no-fence",
            Self::TextFence => "text-fence",
            Self::NoVersionCondition => "no-version-condition",
            Self::UnconditionalPut => "unconditional-put",
            Self::UnsettledFolded => "unsettled-folded",
            Self::FoldBeforeStore => "fold-before-store",
            Self::RedeliveryAsDuplicate => "redelivery-as-duplicate",
            Self::CheckpointOffByOne => "checkpoint-off-by-one",
            Self::FailedFoldAnswered => "failed-fold-answered",
            Self::UnconfirmedCache => "unconfirmed-cache",
            Self::UnprocessedAsAbsent => "unprocessed-as-absent",
            Self::UnknownAsSuccess => "unknown-as-success",
            Self::NoDirty => "no-dirty",
            Self::WriteShardsChanged => "write-shards-changed",
            Self::OldFiguresOverNew => "old-figures-over-new",
        }
    }

    /// Whether the rule is left out on this thread.
    #[cfg(not(feature = "defects"))]
    #[inline]
    pub const fn is_on(self) -> bool {
        false
    }

    /// Whether the rule is left out on this thread.
    #[cfg(feature = "defects")]
    pub fn is_on(self) -> bool {
        ON.get() == Some(self)
    }

    /// Leaves one rule out on this thread from now on, or none.
    #[cfg(feature = "defects")]
    pub fn switch(on: Option<Self>) {
        ON.set(on);
    }
}

#[cfg(feature = "defects")]
thread_local! {
    static ON: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}
