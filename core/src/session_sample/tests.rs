#![expect(clippy::float_cmp, reason = "up to the sample's size its figures are exact")]

use super::*;
use proptest::prelude::*;

fn of(events: impl IntoIterator<Item = (u64, i64)>) -> SessionSample {
    let mut sample = SessionSample::default();
    events.into_iter().for_each(|(session, at)| sample.insert(&session.to_string(), at));
    sample
}

#[test]
fn up_to_its_size_all_is_exact() {
    let size = SESSION_SAMPLE_SIZE as u64;
    let sample = of((0..size).flat_map(|n| [(n, 0), (n, n as i64)]));
    assert!(sample.is_exact());
    assert_eq!(sample.sessions(), size as f64);
    assert_eq!(sample.average_duration_ms(), (size - 1) as f64 / 2.0);
    assert_eq!((sample.percentile_ms(0.5), sample.percentile_ms(0.95), sample.percentile_ms(1.0)), (511, 972, 1_023));
    assert_eq!(sample.percentile_ms(0.0), 0);
    assert!((sample.relative_error_of_sessions()).abs() < f64::EPSILON);
    let one_more = of((0..=size).map(|n| (n, 0)));
    assert!(!one_more.is_exact() && one_more.sessions() >= (size + 1) as f64);
}

#[test]
fn beyond_its_size_it_is_an_estimate_within_three_standard_errors() {
    let sessions = 50_000u64;
    let sample = of((0..sessions).flat_map(|n| [(n, 1_000), (n, 1_000 + (n % 1_000) as i64)]));
    let k = SESSION_SAMPLE_SIZE as f64;
    let share = sample.sessions() / sessions as f64;
    assert!((sample.relative_error_of_sessions() - 1.0 / (k - 2.0).sqrt()).abs() < 1e-9);
    assert!((share - 1.0).abs() < 3.0 * sample.relative_error_of_sessions(), "{share}");
    // Durations are even from 0 to 999: their deviation is 288.7.
    let average = sample.average_duration_ms();
    assert!((average - 499.5).abs() < 3.0 * 288.7 / k.sqrt(), "{average}");
    assert!(!sample.is_exact());
}

#[test]
fn nothing_is_zero() {
    let none = SessionSample::default();
    assert_eq!((none.sessions(), none.average_duration_ms(), none.percentile_ms(0.5)), (0.0, 0.0, 0));
    assert_eq!(SessionSample::decode(&none.encode()), Ok(none));
}

#[test]
fn a_full_sample_fits() {
    let day = crate::limits::DAY_MS;
    // Times that are even over the day, and durations up to a day: the longest that there can be.
    for (sessions, longest) in [(1_030u64, 600_000), (1_030, day / 2), (100_000, 600_000), (100_000, day / 2)] {
        let begins = |n: u64| (n as i64).wrapping_mul(7_919_317).rem_euclid(day / 2);
        let lasts = |n: u64| (n as i64).wrapping_mul(104_729_977).rem_euclid(longest);
        let sample = of((0..sessions).flat_map(|n| [(n, begins(n)), (n, begins(n) + lasts(n))]));
        let bytes = sample.encode().len();
        assert!(bytes <= 13 << 10, "{sessions} sessions of up to {longest} ms take {bytes} bytes");
    }
}

#[test]
fn a_whole_frame_around_nonsense_is_refused() {
    let check = |fields: stored::version1::Fields, rest: &[u8]| {
        let payload = [&postcard::to_allocvec(&fields).unwrap()[..], rest].concat();
        let error = SessionSample::decode(&frame::encode(Kind::Sessions, 1, &payload)).unwrap_err();
        assert!(matches!(error, SampleError::Malformed(_)), "{error}");
    };
    check((true, 0, vec![]), &[]);
    check((false, 0, vec![]), &[1]);
    check((true, 0, (0..1_023).map(|_| (1, 0, 0)).collect()), &[]);
    check((false, 5, vec![]), &[]);
    check((false, 0, vec![(1, 0, 0), (0, 0, 0)]), &[]);
    check((false, 0, vec![(u64::MAX, 0, 0), (1, 0, 0)]), &[]);
    check((false, 0, vec![(1, 1, 0)]), &[]);
    check((false, i64::MAX, vec![(1, 0, 1)]), &[]);
    check((false, 0, (0..1_025).map(|_| (1, 0, 0)).collect()), &[]);
    let padded = frame::encode(Kind::Sessions, 1, &[0, 0, 1, 0x81, 0, 0, 0]);
    assert!(SessionSample::decode(&padded).is_err(), "a number longer than it needs to be");
    assert!(SessionSample::decode(&frame::encode(Kind::Sessions, 1, &[0, 0, 1, 1, 0, 0])).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_is_associative_commutative_idempotent(
        events in proptest::collection::vec((0u64..3_000, 0i64..1_000_000, 0usize..3), 0..6_000),
    ) {
        let part = |n| of(events.iter().filter(|event| event.2 == n).map(|event| (event.0, event.1)));
        let (a, b, c) = (part(0), part(1), part(2));
        let union = |one: &SessionSample, other: &SessionSample| { let mut union = one.clone(); union.merge(other); union };
        let all = of(events.iter().map(|event| (event.0, event.1)));
        prop_assert_eq!(&union(&a, &b), &union(&b, &a));
        prop_assert_eq!(&union(&union(&a, &b), &c), &all);
        prop_assert_eq!(&union(&a, &union(&b, &c)), &all);
        prop_assert_eq!(&union(&all, &all), &all);
        prop_assert_eq!(&SessionSample::decode(&all.encode()).unwrap(), &all);
    }

    #[test]
    fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = SessionSample::decode(&bytes);
        for version in [1, 2] {
            let framed = frame::encode(Kind::Sessions, version, &bytes);
            if let Ok(sample) = SessionSample::decode(&framed) {
                prop_assert_eq!(SessionSample::decode(&sample.encode()).unwrap(), sample);
            }
        }
    }

    #[test]
    fn a_damaged_payload_is_refused_or_is_another_sample(
        events in proptest::collection::vec((0u64..2_000, any::<i64>()), 0..3_000),
        flip in any::<prop::sample::Index>(),
        length in any::<prop::sample::Index>(),
    ) {
        let sample = of(events);
        let mut payload = sample.encode()[frame::HEADER_BYTES..].to_vec();
        prop_assert_eq!(&SessionSample::decode(&sample.encode()).unwrap(), &sample);
        let cut = &payload[..length.index(payload.len())];
        prop_assert!(SessionSample::decode(&frame::encode(Kind::Sessions, 2, cut)).is_err());
        prop_assert!(SessionSample::decode(&frame::encode(Kind::Sessions, 2, &[&payload[..], &[0]].concat())).is_err());
        let bit = flip.index(payload.len() * 8);
        payload[bit / 8] ^= 1 << (bit % 8);
        let damaged = frame::encode(Kind::Sessions, 2, &payload);
        if let Ok(other) = SessionSample::decode(&damaged) {
            prop_assert_eq!(other.encode(), damaged);
        }
    }
}
