//! Which records of a request must be sent again.

use super::Answer;

/// What an answer that says less than it should is taken for.
pub(crate) const NO_ANSWER: &str = "NoAnswer";

/// A request's records, sorted by their answers, each list in the request's order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Split<R> {
    /// Those the stream took, each with its shard.
    pub(crate) accepted: Vec<(R, String)>,
    /// Those it refused, each with the error code and the shard where it is known.
    pub(crate) refused: Vec<(R, String, Option<String>)>,
}

/// Sorts the records by their answers, one a record, in order. A record without an answer counts as refused: to send it
/// twice does no harm, not to send it loses it.
pub(crate) fn split<R>(records: Vec<R>, answers: Vec<Answer>) -> Split<R> {
    let mut split = Split { accepted: Vec::new(), refused: Vec::new() };
    let mut answers = answers.into_iter();
    for record in records {
        match answers.next() {
            Some(Answer::Accepted(shard)) => split.accepted.push((record, shard)),
            Some(Answer::Refused { code, shard }) => split.refused.push((record, code, shard)),
            None => split.refused.push((record, NO_ANSWER.to_owned(), None)),
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yes() -> Answer {
        Answer::Accepted("s".into())
    }

    fn no(code: &str) -> Answer {
        Answer::Refused { code: code.into(), shard: None }
    }

    fn check(answers: &[Answer], refused: &[&str], codes: &[&str]) {
        let split = split(vec!["a", "b", "c"], answers.to_vec());
        assert_eq!(split.refused.iter().map(|one| one.0).collect::<Vec<_>>(), refused, "{answers:?}");
        assert_eq!(split.refused.iter().map(|one| &*one.1).collect::<Vec<_>>(), codes, "{answers:?}");
        let accepted: Vec<_> = split.accepted.iter().map(|one| one.0).collect();
        let rest: Vec<_> = ["a", "b", "c"].into_iter().filter(|record| !refused.contains(record)).collect();
        assert_eq!(accepted, rest, "{answers:?}");
    }

    #[test]
    fn only_the_refused_are_picked() {
        check(&[yes(), yes(), yes()], &[], &[]);
        check(&[yes(), no("slow"), yes()], &["b"], &["slow"]);
        check(&[no("slow"), yes(), no("broken")], &["a", "c"], &["slow", "broken"]);
        check(&[no("x"), no("y"), no("z")], &["a", "b", "c"], &["x", "y", "z"]);
    }

    #[test]
    fn an_answer_too_few_is_a_refusal_and_one_too_many_is_none() {
        check(&[yes()], &["b", "c"], &[NO_ANSWER, NO_ANSWER]);
        check(&[], &["a", "b", "c"], &[NO_ANSWER; 3]);
        check(&[yes(), yes(), yes(), yes(), no("x")], &[], &[]);
    }
}
