//! `demo --exit` compares every figure with what the generator knows, and verifies each day.

use crate::command::expect;

#[test]
fn the_demo_finds_its_own_truth() {
    let said = expect(0, &["demo", "--events", "3000", "--users", "200", "--seed", "7", "--exit"], b"");
    assert!(said.contains("verified"), "{said}");
}
