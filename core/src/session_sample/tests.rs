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
    let figures = sample.figures(2 * size);
    assert_eq!((figures.count, figures.average_ms), (size as f64, (size - 1) as f64 / 2.0));
    assert_eq!((figures.p50_ms, figures.p95_ms), (2_047, 3_891));
    assert_eq!((figures.count_standard_error, figures.average_standard_error_ms), (0.0, 0.0));
    let SessionIntervals { count, average_duration, p50, p95 } = figures.intervals;
    for (interval, figure) in [(count, 4_096.0), (average_duration, 2_047.5), (p50, 2_047.0), (p95, 3_891.0)] {
        assert_eq!(interval, Interval { low: figure, high: figure });
    }
    let one_more = of((0..=size).map(|n| (n, 0)));
    assert!(!one_more.is_exact() && one_more.figures(size + 1).count >= (size + 1) as f64);
}

#[test]
fn beyond_its_size_it_is_an_estimate_within_three_standard_errors() {
    let sessions = 50_000u64;
    let sample = of((0..sessions).flat_map(|n| [(n, 1_000), (n, 1_000 + (n % 1_000) as i64)]));
    let k = SESSION_SAMPLE_SIZE as f64;
    let figures = sample.figures(2 * sessions);
    let off = (sample.sessions() - sessions as f64).abs();
    assert!(off < 3.0 * sessions as f64 / (k - 2.0).sqrt(), "{off}");
    // Every session has two events: they say nothing, and the number of sessions is by hashes.
    assert_eq!(figures.count, sample.sessions());
    assert!((figures.count_standard_error / figures.count - (0.918 / k).sqrt()).abs() < 1e-4, "{figures:?}");
    // Durations are even from 0 to 999: their deviation is 288.7.
    assert!((figures.average_standard_error_ms - 288.7 * (0.918 / k).sqrt()).abs() < 0.1, "{figures:?}");
    assert!((figures.average_ms - 499.5).abs() < 3.0 * figures.average_standard_error_ms, "{figures:?}");
    assert!(!sample.is_exact());
}

#[test]
fn nothing_is_zero() {
    let none = SessionSample::default();
    assert_eq!(none.figures(0), SessionEstimates::default());
    assert!(none.figures(0).average_ms.is_sign_positive(), "shown as -0");
    assert_eq!(SessionSample::decode(&none.encode()), Ok(none));
}

#[test]
fn a_session_of_two_samples_has_the_events_of_both() {
    let mut sample = of([(1, 5), (1, 9), (2, 7)]);
    sample.merge(&of([(1, 3), (3, 1)]));
    let mut spans: Vec<_> = sample.spans.iter().map(|span| (span.first, span.last, span.events)).collect();
    spans.sort_unstable();
    assert_eq!(spans, [(1, 1, 1), (3, 9, 3), (7, 7, 1)]);
    let mut most = Span { hash: 0, first: 0, last: 0, events: u32::MAX };
    most.extend(most);
    assert_eq!(most.events, u32::MAX);
}

/// A sample of sessions that begin at any time of a day.
fn sampled(sessions: u64, events: impl Fn(u64) -> u32, duration: impl Fn(u64) -> i64) -> SessionSample {
    let mut sample = SessionSample::default();
    for n in 0..sessions {
        let first = (n as i64).wrapping_mul(7_919_317).rem_euclid(crate::limits::DAY_MS);
        let hash = hash64(&n.to_le_bytes()) >> (u64::BITS - HASH_BITS);
        sample.add(Span { hash, first, last: first + duration(n), events: events(n) });
    }
    sample
}

#[test]
fn a_session_takes_at_most_ten_bytes_on_a_large_day() {
    // Exponential durations of 7 minutes in the mean, 8 events in the mean.
    let even = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / 2f64.powi(53);
    let sample =
        sampled(50_000, |n| 1 + (-7.0 * (1.0 - even(n)).ln()) as u32, |n| (-420_000.0 * (1.0 - even(n)).ln()) as i64);
    let bytes = sample.encode().len();
    assert!(bytes <= 10 * SESSION_SAMPLE_SIZE, "{bytes} bytes");
}

#[test]
fn a_full_sample_fits_whatever_the_sessions() {
    for (sessions, longest) in [(4_100, 600_000), (4_100, 43_200_000), (100_000, 600_000), (100_000, 43_200_000)] {
        let lasts = |n: u64| (n as i64).wrapping_mul(104_729_977).rem_euclid(longest);
        let bytes = sampled(sessions, |n| 1 + (n % 1_000) as u32, lasts).encode().len();
        assert!(bytes <= 13 * SESSION_SAMPLE_SIZE, "{sessions} sessions of up to {longest} ms take {bytes} bytes");
    }
}

#[test]
fn a_whole_frame_around_nonsense_is_refused() {
    // Header: full, number, earliest, bits of a gap, of a first time, of a duration, of events; then a session of zeros.
    let payload = |full: u8, count: u16, bits: [u8; 4], rest: &[u8]| {
        [&[full][..], &count.to_le_bytes(), &5i64.to_le_bytes(), &bits, rest].concat()
    };
    let check = |payload: &[u8]| SessionSample::decode(&frame::encode(Kind::Sessions, VERSION, payload));
    assert!(check(&payload(0, 1, [0; 4], &[0b111])).is_ok());
    let malformed = [
        payload(1, 1, [0; 4], &[0b111]),
        payload(2, 1, [0; 4], &[0b111]),
        payload(0, 4_097, [0; 4], &[0b111]),
        payload(0, 0, [0; 4], &[]),
        payload(0, 2, [0; 4], &[0b111]),
        payload(0, 1, [0; 4], &[0b1111]),
        payload(0, 1, [0; 4], &[0b111, 0]),
        payload(0, 1, [64, 0, 0, 0], &[0b111]),
        payload(0, 1, [0, 65, 0, 0], &[0b111]),
        payload(0, 1, [0, 0, 64, 0], &[0b111]),
        payload(0, 1, [0, 0, 0, 64], &[0b111]),
        payload(0, 1, [0, 1, 0, 0], &[0b1101]),
        payload(0, 1, [63, 0, 0, 0], &[0b1111; 20]),
        payload(0, 1, [0, 0, 0, 40], &[0xff; 20]),
    ];
    for payload in malformed {
        let error = check(&payload).unwrap_err();
        assert!(matches!(error, SampleError::Malformed(_)), "{payload:?}: {error}");
    }
    let newer = frame::encode(Kind::Sessions, VERSION + 1, &payload(0, 1, [0; 4], &[0b111]));
    assert!(matches!(SessionSample::decode(&newer), Err(SampleError::Frame(FrameError::Version { .. }))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_is_associative_and_commutative(
        events in proptest::collection::vec((0u64..12_000, 0i64..1_000_000, 0usize..3), 0..16_000),
    ) {
        let part = |n| of(events.iter().filter(|event| event.2 == n).map(|event| (event.0, event.1)));
        let (a, b, c) = (part(0), part(1), part(2));
        let union = |one: &SessionSample, other: &SessionSample| { let mut union = one.clone(); union.merge(other); union };
        let all = of(events.iter().map(|event| (event.0, event.1)));
        prop_assert_eq!(&union(&a, &b), &union(&b, &a));
        prop_assert_eq!(&union(&union(&a, &b), &c), &all);
        prop_assert_eq!(&union(&a, &union(&b, &c)), &all);
        prop_assert_eq!(&SessionSample::decode(&all.encode()).unwrap(), &all);
    }

    #[test]
    fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = SessionSample::decode(&bytes);
        let framed = frame::encode(Kind::Sessions, VERSION, &bytes);
        if let Ok(sample) = SessionSample::decode(&framed) {
            prop_assert_eq!(sample.encode(), framed);
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
        prop_assert!(SessionSample::decode(&frame::encode(Kind::Sessions, VERSION, cut)).is_err());
        prop_assert!(SessionSample::decode(&frame::encode(Kind::Sessions, VERSION, &[&payload[..], &[0]].concat())).is_err());
        let bit = flip.index(payload.len() * 8);
        payload[bit / 8] ^= 1 << (bit % 8);
        let damaged = frame::encode(Kind::Sessions, VERSION, &payload);
        if let Ok(other) = SessionSample::decode(&damaged) {
            prop_assert_eq!(other.encode(), damaged);
        }
    }
}
