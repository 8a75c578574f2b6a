//! What becomes of a batch: which piece of it is tried next, and when a piece is given up. Pure: calls, pauses and the
//! destination are others' work.

use std::ops::Range;

use super::batch::Verdict;
use crate::aws_names::{RECORD_AGE_EXCEEDED, RETRY_ATTEMPTS_EXHAUSTED};

/// When a piece of a batch is split, and when it is given up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// Whether a piece that failed whole is split.
    pub(super) bisect: bool,
    /// How often a first record is retried; `None` has no end.
    pub(super) max_retries: Option<u32>,
}

/// A batch on its way: the records before `at` are passed, the others lie in pieces that end at `ends`, the last of
/// which ends the current piece.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    at: usize,
    ends: Vec<usize>,
    /// Failures in a row of the first record, those that split its piece left out.
    tries: u32,
    /// Failures in a row without any record getting through.
    in_row: u32,
}

/// What to do with the current piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Hand it to the function.
    Try,
    /// Keep its first records at the failure destination, then say so ([`Pieces::gave_up`]).
    GiveUp {
        /// How many.
        records: usize,
        /// Why: one of [`crate::aws_names::CONDITIONS`].
        condition: &'static str,
    },
    /// The whole batch is passed.
    Done,
}

impl Pieces {
    /// A batch of so many records, none of them tried.
    pub(super) fn new(records: usize) -> Self {
        let ends = if records == 0 { Vec::new() } else { vec![records] };
        Self { at: 0, ends, tries: 0, in_row: 0 }
    }

    /// The records to try now; none where all is passed.
    pub(super) fn piece(&self) -> Range<usize> {
        self.at..self.ends.last().copied().unwrap_or(self.at)
    }

    /// How often in a row it failed without any record getting through.
    pub(super) fn failures_in_row(&self) -> u32 {
        self.in_row
    }

    /// Takes what the function said of the current piece. `too_old` tells how many of the first records of a piece are
    /// older than a record may be.
    pub(super) fn answered(
        &mut self,
        verdict: &Verdict,
        limits: Limits,
        too_old: impl FnOnce(Range<usize>) -> usize,
    ) -> Next {
        let piece = self.piece();
        let passed = match verdict {
            Verdict::All => piece.len(),
            Verdict::From(passed) => *passed,
            Verdict::Whole(_) => 0,
        };
        if passed > 0 {
            self.pass(passed);
        } else {
            self.in_row = self.in_row.saturating_add(1);
        }
        if passed == piece.len() {
            return self.next();
        }
        let piece = self.piece();
        let splits = limits.bisect && piece.len() > 1 && matches!(verdict, Verdict::Whole(_));
        if !splits && passed == 0 {
            self.tries = self.tries.saturating_add(1);
            // The first try is no retry.
            if limits.max_retries.is_some_and(|most| self.tries > most) {
                return Next::GiveUp { records: piece.len(), condition: RETRY_ATTEMPTS_EXHAUSTED };
            }
        }
        let records = too_old(piece.clone()).min(piece.len());
        if records > 0 {
            return Next::GiveUp { records, condition: RECORD_AGE_EXCEEDED };
        }
        if splits {
            self.ends.push(piece.start + piece.len() / 2);
        }
        Next::Try
    }

    /// The first `records` of the current piece are kept elsewhere.
    pub(super) fn gave_up(&mut self, records: usize) -> Next {
        self.pass(records);
        self.next()
    }

    fn pass(&mut self, records: usize) {
        self.at += records;
        (self.tries, self.in_row) = (0, 0);
        while self.ends.last().is_some_and(|end| *end <= self.at) {
            self.ends.pop();
        }
    }

    fn next(&self) -> Next {
        if self.ends.is_empty() { Next::Done } else { Next::Try }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NEVER: fn(Range<usize>) -> usize = |_| 0;

    fn limits(max_retries: u32) -> Limits {
        Limits { bisect: true, max_retries: Some(max_retries) }
    }

    fn one(piece: Range<usize>) -> Vec<Range<usize>> {
        std::iter::once(piece).collect()
    }

    fn whole() -> Verdict {
        Verdict::Whole("scripted".into())
    }

    /// What a run came to.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Run {
        tried: Vec<Range<usize>>,
        processed: Vec<usize>,
        kept: Vec<Range<usize>>,
    }

    /// Works on a batch until its end; `judge` answers each piece, with the number of the call.
    fn run(records: usize, limits: Limits, mut judge: impl FnMut(Range<usize>, usize) -> Verdict) -> Run {
        let (mut pieces, mut run) = (Pieces::new(records), Run::default());
        let mut next = if records == 0 { Next::Done } else { Next::Try };
        while next != Next::Done {
            assert!(run.tried.len() < 10_000, "it comes to no end");
            let piece = pieces.piece();
            next = match next {
                Next::Done => break,
                Next::Try => {
                    run.tried.push(piece.clone());
                    let verdict = judge(piece.clone(), run.tried.len() - 1);
                    let passed = match verdict {
                        Verdict::All => piece.len(),
                        Verdict::From(passed) => passed,
                        Verdict::Whole(_) => 0,
                    };
                    run.processed.extend(piece.start..piece.start + passed);
                    pieces.answered(&verdict, limits, NEVER)
                }
                Next::GiveUp { records, condition } => {
                    assert_eq!(condition, RETRY_ATTEMPTS_EXHAUSTED);
                    run.kept.push(piece.start..piece.start + records);
                    pieces.gave_up(records)
                }
            };
        }
        assert_eq!(pieces.piece().len(), 0);
        run
    }

    /// Every record that `poisons` names makes its piece fail whole.
    fn poisoned(records: usize, limits: Limits, poisons: &[usize]) -> Run {
        run(
            records,
            limits,
            |piece, _| if poisons.iter().any(|at| piece.contains(at)) { whole() } else { Verdict::All },
        )
    }

    #[test]
    fn poisons_are_bisected_out_and_all_else_is_processed_in_order() {
        for records in [1, 2, 3, 7, 8, 100, 10_000] {
            let last = records - 1;
            for poisons in [vec![0], vec![records / 2], vec![last], vec![0, last], vec![records / 3, records / 3 + 1]] {
                let poisons: BTreeSet<usize> = poisons.into_iter().filter(|at| *at < records).collect();
                let all: Vec<usize> = poisons.iter().copied().collect();
                let done = poisoned(records, limits(3), &all);
                let kept: Vec<_> = poisons.iter().map(|at| *at..at + 1).collect();
                assert_eq!(done.kept, kept, "{records} records, poisons {poisons:?}");
                let healthy: Vec<_> = (0..records).filter(|at| !poisons.contains(at)).collect();
                assert_eq!(done.processed, healthy, "{records} records, poisons {poisons:?}");
                for poison in &poisons {
                    let alone = done.tried.iter().filter(|piece| **piece == (*poison..poison + 1)).count();
                    assert_eq!(alone, 4, "the first try and three retries: {records} records, poison {poison}");
                }
            }
        }
    }

    #[test]
    fn splitting_is_by_halves_and_counts_no_retry() {
        let done = poisoned(8, limits(0), &[5]);
        assert_eq!(done.tried, [0..8, 0..4, 4..8, 4..6, 4..5, 5..6, 6..8]);
        assert_eq!(done.kept, one(5..6));
    }

    #[test]
    fn without_bisecting_the_whole_rest_is_given_up() {
        let whole_batch = Limits { bisect: false, max_retries: Some(2) };
        let done = poisoned(10, whole_batch, &[4]);
        assert_eq!((done.tried.len(), done.kept), (3, one(0..10)));
        // A partial answer is progress, and only the records from the named one on are left.
        let done = run(10, whole_batch, |piece, call| match call {
            0 | 1 => whole(),
            2 => Verdict::From(6),
            _ => Verdict::From(6usize.saturating_sub(piece.start)),
        });
        assert_eq!((done.kept, done.tried.len()), (one(6..10), 6), "three tries after the progress");
        assert_eq!(done.processed, (0..6).collect::<Vec<_>>());
    }

    #[test]
    fn a_partial_answer_between_splits_goes_on_from_the_named_record() {
        let done = run(8, limits(5), |piece, call| match call {
            0 => whole(),
            1 => Verdict::From(3),
            2 => Verdict::From(0),
            _ if piece.contains(&6) => whole(),
            _ => Verdict::All,
        });
        let alone = std::iter::repeat_n(6..7, 6);
        let tried: Vec<_> =
            [0..8, 0..4, 3..4, 3..4, 4..8, 4..6, 6..8].into_iter().chain(alone).chain(one(7..8)).collect();
        assert_eq!(done.tried, tried);
        assert_eq!((done.processed, done.kept), (vec![0, 1, 2, 3, 4, 5, 7], one(6..7)));
    }

    #[test]
    fn progress_starts_the_retries_anew_and_no_limit_has_no_end() {
        let mut left = 40;
        let done = run(5, limits(3), |_, call| match call % 4 {
            3 => Verdict::From(1),
            _ => Verdict::From(0),
        });
        assert_eq!((done.kept.len(), done.processed.len()), (0, 5));
        let endless = Limits { bisect: true, max_retries: None };
        let done = run(1, endless, |_, _| {
            left -= 1;
            if left > 0 { whole() } else { Verdict::All }
        });
        assert_eq!((done.kept.len(), done.processed, done.tried.len()), (0, vec![0], 40));
    }

    #[test]
    fn records_that_are_too_old_are_given_up_before_the_rest_is_tried_on() {
        let mut pieces = Pieces::new(10);
        let old = |piece: Range<usize>| 3usize.saturating_sub(piece.start);
        let age = |records| Next::GiveUp { records, condition: RECORD_AGE_EXCEEDED };
        assert_eq!(pieces.answered(&Verdict::From(1), limits(9), old), age(2));
        assert_eq!(pieces.piece(), 1..10);
        // The destination was away: the same piece again.
        assert_eq!(pieces.answered(&whole(), limits(9), old), age(2));
        assert_eq!(pieces.gave_up(2), Next::Try);
        assert_eq!(pieces.piece(), 3..10);
        assert_eq!(pieces.answered(&whole(), limits(9), old), Next::Try);
        assert_eq!(pieces.piece(), 3..6, "the rest is split");
        assert_eq!(pieces.answered(&whole(), limits(9), |_| 99), age(3), "no more than the piece");
        assert_eq!((pieces.gave_up(3), pieces.piece()), (Next::Try, 6..10));
        assert_eq!(pieces.answered(&Verdict::All, limits(9), |_| 99), Next::Done, "what is processed is never old");
    }

    #[test]
    fn a_batch_without_records_is_done() {
        assert_eq!(Pieces::new(0).piece().len(), 0);
        assert_eq!(run(0, limits(1), |_, _| whole()), Run::default());
    }
}
