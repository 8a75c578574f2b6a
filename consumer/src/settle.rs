//! The checkpoint: **only records that are wholly stored, and have nothing unstored before them, go on.**

use chrono::NaiveDate;
use headcount_core::origin::SequenceNumber;
use headcount_store::defects::Defect;
use headcount_store::rows::EventRow;

use crate::claim::Standing;

/// One record of a chunk, on its way through the table.
#[derive(Clone, Debug)]
pub struct RecordWork {
    /// Its sequence number.
    pub sequence: SequenceNumber,
    /// The day of its arrival, which its rejected occurrences count on.
    pub arrival_date: NaiveDate,
    /// Occurrences in it that broke a rule.
    pub rejected: u64,
    /// Whether every rejected item of it is written.
    pub rejects_stored: bool,
}

/// One valid occurrence of an event.
#[derive(Clone, Debug)]
pub struct Occurrence {
    /// The index of its record in the chunk.
    pub record: usize,
    /// What became of it.
    pub standing: Standing,
}

/// The index of the first record that is not wholly stored; the number of records where all are.
pub fn checkpoint(records: &[RecordWork], occurrences: &[Occurrence]) -> usize {
    let unstored_rejects = records.iter().position(|record| !record.rejects_stored);
    let unknown = occurrences
        .iter()
        .filter(|occurrence| match occurrence.standing {
            Standing::Ours { .. } | Standing::Duplicate | Standing::Refused(_) => false,
            Standing::Unknown => true,
        })
        .map(|occurrence| occurrence.record)
        .min();
    let checkpoint = [unstored_rejects, unknown].into_iter().flatten().min().unwrap_or(records.len());
    if Defect::CheckpointOffByOne.is_on() { (checkpoint + 1).min(records.len()) } else { checkpoint }
}

/// A settled occurrence that is ours.
#[derive(Clone, Copy, Debug)]
pub struct Owned<'a> {
    /// The index of its record in the chunk.
    pub record: usize,
    /// The event.
    pub row: &'a EventRow<'a>,
    /// Whether this invocation inserted it, or may have.
    pub fresh: bool,
}

/// The occurrences of the records before `checkpoint` that are ours, in order.
pub fn owned<'a>(rows: &'a [EventRow<'a>], occurrences: &'a [Occurrence], checkpoint: usize) -> Vec<Owned<'a>> {
    rows.iter()
        .zip(occurrences)
        .filter(|(_, occurrence)| occurrence.record < checkpoint)
        .filter_map(|(row, occurrence)| match occurrence.standing {
            Standing::Ours { fresh } => Some(Owned { record: occurrence.record, row, fresh }),
            Standing::Duplicate | Standing::Refused(_) | Standing::Unknown => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(stored: bool) -> RecordWork {
        RecordWork {
            sequence: 1.into(),
            arrival_date: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap(),
            rejected: 0,
            rejects_stored: stored,
        }
    }

    #[test]
    fn the_first_record_not_wholly_stored_is_the_checkpoint() {
        let ours = Standing::Ours { fresh: true };
        let check = |rejects: [bool; 3], standings: [(usize, &Standing); 3], expected| {
            let occurrences = standings.map(|(record, standing)| Occurrence { record, standing: standing.clone() });
            assert_eq!(checkpoint(&rejects.map(record), &occurrences), expected, "{rejects:?} {standings:?}");
        };
        let refused = &Standing::Refused("no".into());
        check([true; 3], [(0, &ours), (1, &Standing::Duplicate), (2, refused)], 3);
        check([true; 3], [(0, &ours), (1, &Standing::Unknown), (1, &ours)], 1);
        check([true, false, true], [(0, &ours), (1, &ours), (2, &Standing::Unknown)], 1);
        check([false, true, true], [(0, &ours), (1, &ours), (2, &ours)], 0);
        check([true, true, false], [(0, &Standing::Unknown), (1, &ours), (2, &ours)], 0);
        assert_eq!(checkpoint(&[], &[]), 0);
    }
}
