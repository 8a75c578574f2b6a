use super::codes::Codes;
use super::growing::Inside;
use super::registers::Registers;
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
            // A sparse sketch's own error is far below one in a thousand users.
            let bound = (3.0 * sketch.relative_standard_error() * exact).max(0.5);
            let is_sparse = users as usize <= codes::most_codes(precision);
            let bound = if is_sparse { (exact / 1_000.0).max(0.5) } else { bound };
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
fn the_stored_form_is_small() {
    for (precision, users, most) in [
        (14, 0, 24),
        (14, 2_000, 4_300),
        (14, 10_000, 5_700),
        (14, 200_000, 6_200),
        (16, 100, 300),
        (16, 9_800, 17_600),
        (16, 1_000_000, 23_700),
        (16, 10_000_000, 23_700),
    ] {
        let bytes = of(precision, 0..users).encode().len();
        assert!(bytes <= most, "{users} users at precision {precision} take {bytes} bytes");
    }
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

fn refused(version: u8, payload: &[u8]) {
    let error = UserSketch::decode(&frame::encode(Kind::Users, version, payload)).unwrap_err();
    assert!(matches!(error, SketchError::Malformed(_) | SketchError::Precision(_)), "{version}: {payload:?}: {error}");
}

#[test]
fn a_whole_frame_around_nonsense_is_refused() {
    for version in [1, 2] {
        refused(version, &[]);
        refused(version, &[14]);
        refused(version, &[3, 0]);
        refused(version, &[14, 2]);
        refused(version, &[14, 0, 0x80]);
        refused(version, &[4, 1, 0]);
    }
    // Codes that do not ascend, too long, or not shortest.
    refused(1, &[14, 0, 10, 0]);
    refused(1, &[14, 0, 0x80, 0]);
    refused(1, &[14, 0, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    refused(1, &[&[4, 0][..], &[2; 100]].concat());
    // Registers: cut, with a wrong smallest one, too high, with bytes left.
    refused(1, &[&[4, 1, 5][..], &[0x11; 8]].concat());
    refused(1, &[&[4, 1, 60][..], &[0x20; 8]].concat());
    refused(1, &[&[4, 1, 0][..], &[0x10; 8], &[0]].concat());
    refused(1, &[&[4, 1, 0][..], &[0xf0; 8], &[3; 8]].concat());
    // Codes: their number not shortest, more of them than a sparse sketch has, cut, with bytes left.
    refused(2, &[14, 0, 0x80, 0, 0]);
    refused(2, &[&[4, 0, 3, 0][..], &[0xff; 40]].concat());
    refused(2, &[14, 0, 1, 0]);
    refused(2, &[14, 0, 0, 0, 0]);
    // Registers: none, too high, with bytes left, a code that is incomplete or of another length, cut.
    refused(2, &[4, 1, 0, 0]);
    refused(2, &[4, 1, 62, 1, 0]);
    refused(2, &[4, 1, 0, 1, 0, 0]);
    refused(2, &[4, 1, 0, 2, 0x21, 0, 0]);
    refused(2, &[4, 1, 0, 2, 0x11, 0xaa]);
    refused(2, &[4, 1, 0, 2, 0x11, 0, 0]);
}

#[test]
fn every_cut_and_every_longer_payload_is_refused() {
    for users in [0u64, 1, 90, 5_000] {
        let payload = of(10, 0..users).encode()[frame::HEADER_BYTES..].to_vec();
        for length in 0..payload.len() {
            refused(2, &payload[..length]);
        }
        refused(2, &[&payload[..], &[0]].concat());
    }
}

/// The crate's own sketch, over the same hashes.
fn of_the_crate(precision: u8, users: u64) -> f64 {
    use hyperloglogplus::{HyperLogLog as _, HyperLogLogPlus};
    let mut sketch: HyperLogLogPlus<u64, growing::PassThrough> =
        HyperLogLogPlus::new(precision, growing::PassThrough).unwrap();
    (0..users).for_each(|user| sketch.insert(&hash64(user.to_string().as_bytes())));
    sketch.count()
}

#[test]
fn the_crate_says_nearly_the_same() {
    for (precision, users) in [(12, 300), (12, 50_000), (14, 2_000), (14, 30_000), (14, 300_000), (16, 9_000)] {
        let (ours, theirs) = (of(precision, 0..users).estimate(), of_the_crate(precision, users));
        let apart = (ours - theirs).abs() / users as f64;
        // Ours has its own estimator: the same registers, another correction.
        assert!(
            apart < 0.5 * UserSketch::new(precision).unwrap().relative_standard_error(),
            "{precision}, {users}: {ours} {theirs}"
        );
    }
}

#[test]
fn the_crate_and_plain_registers_agree_on_every_register() {
    for users in [700u64, 5_000, 60_000] {
        let mut grown = Growing::of(&Codes::from_ascending(Vec::new()), 10);
        let mut plain = Registers::empty(10);
        for user in 0..users {
            let hash = hash64(user.to_string().as_bytes());
            grown.insert_hash(hash);
            plain.insert_hash(hash);
        }
        let registers = match grown.inside() {
            Inside::Codes(codes) => codes.to_registers(10),
            Inside::Registers(registers) => registers,
        };
        assert_eq!(registers, plain, "{users}");
    }
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
        }
        if let Ok(mut sketch) = UserSketch::decode(&frame::encode(Kind::Users, 2, &payload)) {
            prop_assert!(sketch.estimate().is_finite());
            prop_assert_eq!(sketch.encode(), frame::encode(Kind::Users, 2, &payload));
        }
    }

    #[test]
    fn what_is_read_is_written_again(users in 0u64..3_000, precision in 4u8..=12, flip in any::<prop::sample::Index>()) {
        let bytes = of(precision, 0..users).encode();
        prop_assert_eq!(&UserSketch::decode(&bytes).unwrap().encode(), &bytes);
        let mut payload = bytes[frame::HEADER_BYTES..].to_vec();
        let bit = flip.index(payload.len() * 8);
        payload[bit / 8] ^= 1 << (bit % 8);
        let damaged = frame::encode(Kind::Users, 2, &payload);
        if let Ok(mut sketch) = UserSketch::decode(&damaged) {
            prop_assert_eq!(sketch.encode(), damaged);
        }
    }
}
