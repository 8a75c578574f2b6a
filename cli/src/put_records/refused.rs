//! Which records of a request must be sent again.

use super::{Answer, Record};

/// What an answer that says less than it should is taken for.
const NO_ANSWER: &str = "NoAnswer";

/// A request's records, sorted by their answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// How many the stream took.
    pub(super) accepted: u64,
    /// Those it refused, in their order.
    pub(super) refused: Vec<Record>,
    /// Why, one reason a refused record.
    pub(super) reasons: Vec<String>,
}

/// Sorts the records by their answers, one a record, in order. A record without an answer counts as refused: to send it
/// twice does no harm, not to send it loses it.
pub(super) fn split(records: Vec<Record>, answers: &[Answer]) -> Split {
    let mut split = Split { accepted: 0, refused: Vec::new(), reasons: Vec::new() };
    let mut answers = answers.iter();
    for record in records {
        let reason = match answers.next() {
            Some(Answer::Accepted) => {
                split.accepted += 1;
                continue;
            }
            Some(Answer::Refused(reason)) => reason,
            None => NO_ANSWER,
        };
        split.refused.push(record);
        split.reasons.push(reason.to_owned());
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answers: &[Answer], refused: &[&str], reasons: &[&str]) {
        let records = ["a", "b", "c"].map(|key| Record { partition_key: key.into(), data: key.into() });
        let split = split(records.to_vec(), answers);
        let keys: Vec<_> = split.refused.iter().map(|record| record.partition_key.as_str()).collect();
        assert_eq!((keys.as_slice(), split.accepted), (refused, 3 - refused.len() as u64), "{answers:?}");
        assert_eq!(split.reasons, reasons);
    }

    #[test]
    fn only_the_refused_are_picked() {
        let (yes, no) = (Answer::Accepted, |reason: &str| Answer::Refused(reason.into()));
        check(&[yes.clone(), yes.clone(), yes.clone()], &[], &[]);
        check(&[yes.clone(), no("slow"), yes.clone()], &["b"], &["slow"]);
        check(&[no("slow"), yes.clone(), no("broken")], &["a", "c"], &["slow", "broken"]);
        check(&[no("x"), no("y"), no("z")], &["a", "b", "c"], &["x", "y", "z"]);
    }

    #[test]
    fn an_answer_too_few_is_a_refusal_and_one_too_many_is_none() {
        check(&[Answer::Accepted], &["b", "c"], &[NO_ANSWER, NO_ANSWER]);
        check(&[], &["a", "b", "c"], &[NO_ANSWER; 3]);
        check(&vec![Answer::Accepted; 5], &[], &[]);
    }
}
