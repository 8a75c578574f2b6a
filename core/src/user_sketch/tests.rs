use super::*;
use proptest::prelude::*;

fn of(precision: u8, users: impl IntoIterator<Item = u64>) -> UserSketch {
    let mut sketch = UserSketch::new(precision).unwrap();
    users.into_iter().for_each(|user| sketch.insert(&user.to_string()));
    sketch
}

#[test]
fn small_days_are_nearly_exact_and_large_ones_within_three_errors() {
    for precision in [12, 14, 16] {
        for users in [0u64, 1, 10, 100, 1_000, 10_000, 100_000, 400_000] {
            let mut sketch = of(precision, 0..users);
            let exact = users as f64;
            // Sparse sketches count 2^24 cells: their own error is far below one in a thousand users.
            let bound = (3.0 * sketch.relative_standard_error() * exact).max(0.5);
            let bound = if users <= 1_000 { 1.0 } else { bound };
            let estimate = sketch.estimate();
            assert!((estimate - exact).abs() <= bound, "precision {precision}: {estimate} for {users}");
        }
    }
}

#[test]
fn equal_users_are_equal_bytes_however_they_came() {
    for users in [0u64, 3, 500, 3_000, 20_000] {
        let mut one = of(14, 0..users);
        let mut backwards = of(14, (0..users).rev().chain(0..users / 2));
        let mut joined = of(14, (0..users).filter(|user| user % 3 == 0));
        joined.estimate();
        joined.merge(&of(14, (0..users).filter(|user| user % 3 != 0)));
        let bytes = one.encode();
        assert_eq!(bytes, backwards.encode(), "{users}");
        assert_eq!(bytes, joined.encode(), "{users}");
        let mut read = UserSketch::decode(&bytes).unwrap();
        assert_eq!(read.encode(), bytes, "{users}");
        assert!((read.estimate() - one.estimate()).abs() < 1e-9, "{users}");
        read.insert("another");
        one.insert("another");
        assert_eq!(read.encode(), one.encode(), "{users}: a sketch that was read goes on like the one written");
    }
}

#[test]
fn a_dense_sketch_is_small() {
    assert!(of(14, 0..200_000).encode().len() < 9_000);
    assert!(of(16, 0..1_000_000).encode().len() < 34_000);
    assert!(of(16, 0..100).encode().len() < 500);
}

#[test]
fn a_union_has_the_lower_precision_and_the_same_users() {
    for users in [100u64, 50_000] {
        for (low, high) in [(12, 16), (14, 16), (4, 18)] {
            let mut direct = of(low, 0..users);
            let mut folded = of(low, 0..0);
            folded.merge(&of(high, 0..users));
            assert_eq!(folded.precision(), low);
            assert_eq!(folded.encode(), direct.encode(), "{users} users from {high} to {low}");
            let mut down = of(high, 0..users);
            down.merge(&of(low, 0..users));
            assert_eq!(down.encode(), direct.encode(), "{users} users, {high} becomes {low}");
        }
    }
}

#[test]
fn unions_of_several_precisions_are_associative() {
    for users in [60u64, 3_000, 40_000] {
        let part = |precision, n| of(precision, (0..users).filter(move |user| user % 3 == n));
        for precisions in [[12, 14, 16], [16, 12, 14], [18, 16, 12]] {
            let [a, b, c] = [0, 1, 2].map(|n| part(precisions[n as usize], n));
            let mut left = a.clone();
            left.merge(&b);
            left.merge(&c);
            let mut right = b.clone();
            right.merge(&c);
            right.merge(&a);
            assert_eq!(left.precision(), 12);
            assert_eq!(left.encode(), right.encode(), "{users} users, {precisions:?}");
            assert_eq!(left.encode(), of(12, 0..users).encode(), "{users} users, {precisions:?}");
        }
    }
}

#[test]
fn it_prints_no_hashes() {
    assert_eq!(format!("{:?}", of(14, 0..3)), "UserSketch { precision: 14, users: 3.0, .. }");
}

#[test]
fn precisions_are_bounded() {
    assert_eq!(UserSketch::new(3).unwrap_err(), SketchError::Precision(3));
    assert_eq!(UserSketch::new(19).unwrap_err(), SketchError::Precision(19));
}

#[test]
fn a_whole_frame_around_nonsense_is_refused() {
    let check = |payload: &[u8]| {
        let error = UserSketch::decode(&frame::encode(Kind::Users, 1, payload)).unwrap_err();
        assert!(matches!(error, SketchError::Malformed(_) | SketchError::Precision(_)), "{payload:?}: {error}");
    };
    check(&[]);
    check(&[14]);
    check(&[3, 0]);
    check(&[14, 2]);
    // Codes that do not ascend, that are cut, too long, or not shortest.
    check(&[14, 0, 10, 0]);
    check(&[14, 0, 0x80]);
    check(&[14, 0, 0x80, 0]);
    check(&[14, 0, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    check(&[&[4, 0][..], &[2; 100]].concat());
    // Registers: cut, with a wrong smallest one, too high, with bytes left.
    check(&[4, 1, 0]);
    check(&[&[4, 1, 5][..], &[0x11; 8]].concat());
    check(&[&[4, 1, 60][..], &[0x20; 8]].concat());
    check(&[&[4, 1, 0][..], &[0x10; 8], &[0]].concat());
    check(&[&[4, 1, 0][..], &[0xf0; 8], &[3; 8]].concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_is_associative_commutative_idempotent(
        a in proptest::collection::vec(any::<u64>(), 0..1_500),
        b in proptest::collection::vec(any::<u64>(), 0..1_500),
        c in proptest::collection::vec(any::<u64>(), 0..1_500),
        precision in 4u8..=16,
    ) {
        let [a, b, c] = [a, b, c].map(|users| of(precision, users));
        let union = |one: &UserSketch, other: &UserSketch| { let mut union = one.clone(); union.merge(other); union };
        prop_assert_eq!(union(&a, &b).encode(), union(&b, &a).encode());
        prop_assert_eq!(union(&union(&a, &b), &c).encode(), union(&a, &union(&b, &c)).encode());
        prop_assert_eq!(union(&a, &a).encode(), a.clone().encode());
    }

    #[test]
    fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200), precision in 0u8..20, form in 0u8..3) {
        let _ = UserSketch::decode(&bytes);
        let payload = [&[precision, form][..], &bytes].concat();
        if let Ok(mut sketch) = UserSketch::decode(&frame::encode(Kind::Users, 1, &payload)) {
            prop_assert!(sketch.estimate().is_finite());
            prop_assert_eq!(sketch.encode(), frame::encode(Kind::Users, 1, &payload));
        }
    }
}
