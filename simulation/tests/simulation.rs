//! The simulation itself: the same seed is the same run, and a failure would be seen.

use headcount_simulation::{Kind, Scenario, Tally, run};

#[test]
fn the_same_seed_is_the_same_run_to_the_last_line() {
    for seed in 0..12 {
        let scenario = Scenario::of_seed(seed);
        let other = scenario.clone();
        let other = std::thread::spawn(move || run(&other, true));
        let one = run(&scenario, true);
        let other = other.join().expect("a world tells of its panics");
        assert!(!one.history.is_empty(), "seed {seed}");
        for (line, (left, right)) in one.history.iter().zip(&other.history).enumerate() {
            assert_eq!(left, right, "seed {seed}, line {line}");
        }
        assert_eq!((one.history.len(), one.digest), (other.history.len(), other.digest), "seed {seed}");
        assert_eq!((one.tally, one.mismatches), (other.tally, other.mismatches), "seed {seed}");
    }
}

#[test]
fn worlds_come_out_right_and_every_kind_of_trouble_strikes() {
    let first = fastrand::u64(..1_000_000_000);
    let mut tally = Tally::default();
    for seed in first..first + 60 {
        let report = run(&Scenario::of_seed(seed), false);
        assert!(report.mismatches.is_empty(), "cargo xtask simulate --seed {seed}: {:#?}", report.mismatches);
        tally.add(&report.tally);
    }
    for kind in Kind::ALL.iter().copied() {
        assert!(tally.of(kind) > 0, "seeds {first} to {}: no {}", first + 59, kind.words());
    }
}
