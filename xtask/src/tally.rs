//! How many tests passed and failed, read from what the test runners print.

/// Tests that ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Passed.
    pub(crate) passed: u64,
    /// Failed, timed out or not run because the runner gave up.
    pub(crate) failed: u64,
}

impl Tally {
    /// Adds the other's tests.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// What a summary line of cargo-nextest or of the built-in harness says; none for any other line.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result:") {
            let counts = rest.split(". ").nth(1)?;
            return Some(Self { passed: count(counts, ';', "passed")?, failed: count(counts, ';', "failed")? });
        }
        let (_, counts) = line.strip_prefix("Summary [")?.split_once("run: ")?;
        let of = |what| count(counts, ',', what).unwrap_or_default();
        Some(Self { passed: of("passed"), failed: of("failed") + of("timed out") + of("exec failed") })
    }
}

/// The number in front of `what`, in a list like `3 passed (1 slow), 1 failed`.
fn count(list: &str, separator: char, what: &str) -> Option<u64> {
    list.split(separator).find_map(|part| {
        let (number, name) = part.trim().split_once(' ')?;
        let named = name == what || name.strip_prefix(what).is_some_and(|rest| rest.starts_with(" ("));
        named.then(|| number.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_lines_of_both_runners_are_counted_and_no_others() {
        for (line, expected) in [
            ("     Summary [   1.605s] 18 tests run: 18 passed, 0 skipped", Some((18, 0))),
            ("     Summary [ 1.605s] 11/18 tests run: 10 passed (2 slow), 1 failed, 0 skipped", Some((10, 1))),
            ("Summary [ 61.2s] 5 tests run: 2 passed, 1 failed, 2 timed out, 3 skipped", Some((2, 3))),
            ("Summary [ 0.0s] 1 test run: 0 passed, 1 exec failed, 0 skipped", Some((0, 1))),
            ("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", Some((12, 0))),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", Some((3, 2))),
            ("        PASS [   0.012s] rhythm::tests::summary", None),
            ("Summary of the day: 3 passed", None),
            ("", None),
        ] {
            let expected = expected.map(|(passed, failed)| Tally { passed, failed });
            assert_eq!(Tally::of_line(line), expected, "{line}");
        }
    }
}
