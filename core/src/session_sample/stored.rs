//! The stored form.
//!
//! A header of 15 bytes: whether there were more sessions than are kept (1 byte), how many are kept (2 bytes, little endian),
//! the earliest first time (8 bytes, little endian), and one byte each for the low bits of a hash gap, the bits of a first
//! time, the low bits of a duration and the low bits of an event count. Then bit by bit, for each session by ascending
//! hash: the gap between its hash and the one before (Rice code), its first time after the earliest (fixed width), its
//! duration (Rice code), and its events beyond the first (Rice code).

use super::{HASH_BITS, SESSION_SAMPLE_SIZE, SampleError, SessionSample, Span};
use crate::bits::{Reader, Writer};

const HEADER_BYTES: usize = 15;

/// The largest high bits of a number: with the best low bits those of all numbers together are at most two for each,
/// or one more low bit, which halves them, would save more than it takes.
const MOST_HIGH: u32 = 2 * SESSION_SAMPLE_SIZE as u32;

const CUT: SampleError = SampleError::Malformed("its sessions are cut");

/// What is written before the sessions: each follows from the sample.
#[derive(PartialEq, Eq)]
struct Header {
    earliest: i64,
    hash_low: u32,
    first_bits: u32,
    duration_low: u32,
    events_low: u32,
}

impl Header {
    fn of(sample: &SessionSample) -> Self {
        let firsts = || sample.spans.iter().map(|span| span.first);
        let earliest = firsts().min().unwrap_or(0);
        let latest = firsts().max().unwrap_or(0);
        Self {
            earliest,
            hash_low: best_low_bits(&distances(&sample.spans)),
            first_bits: u64::BITS - latest.abs_diff(earliest).leading_zeros(),
            duration_low: best_low_bits(&sample.spans.iter().map(Span::duration).collect::<Vec<_>>()),
            events_low: best_low_bits(&sample.spans.iter().map(repeats).collect::<Vec<_>>()),
        }
    }
}

pub(super) fn write(sample: &SessionSample) -> Vec<u8> {
    let spans = &sample.spans;
    let Header { earliest, hash_low, first_bits, duration_low, events_low } = Header::of(sample);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + spans.len() * 10);
    bytes.push(u8::from(sample.is_full));
    bytes.extend((spans.len() as u16).to_le_bytes());
    bytes.extend(earliest.to_le_bytes());
    bytes.extend([hash_low as u8, first_bits as u8, duration_low as u8, events_low as u8]);
    let mut writer = Writer::new(&mut bytes);
    for (span, distance) in spans.iter().zip(distances(spans)) {
        writer.write_rice(distance, hash_low);
        writer.write_long(span.first.abs_diff(earliest), first_bits);
        writer.write_rice(span.duration(), duration_low);
        writer.write_rice(repeats(span), events_low);
    }
    writer.finish();
    bytes
}

pub(super) fn read(payload: &[u8]) -> Result<SessionSample, SampleError> {
    let malformed = SampleError::Malformed;
    let Some((header, rest)) = payload.split_first_chunk::<HEADER_BYTES>() else { return Err(CUT) };
    let [is_full, count_low, count_high, earliest @ .., hash_low, first_bits, duration_low, events_low] = *header;
    let count = usize::from(u16::from_le_bytes([count_low, count_high]));
    if count > SESSION_SAMPLE_SIZE || is_full > 1 || (is_full == 1 && count < SESSION_SAMPLE_SIZE) {
        return Err(malformed("the number of its sessions is impossible"));
    }
    let lows = [hash_low, duration_low, events_low];
    if u32::from(first_bits) > u64::BITS || lows.iter().any(|low| u32::from(*low) >= u64::BITS) {
        return Err(malformed("a number of bits is out of range"));
    }
    let header = Header {
        earliest: i64::from_le_bytes(earliest),
        hash_low: hash_low.into(),
        first_bits: first_bits.into(),
        duration_low: duration_low.into(),
        events_low: events_low.into(),
    };
    let mut reader = Reader::new(rest);
    let mut spans = Vec::with_capacity(count);
    let mut next = 0u64;
    for _ in 0..count {
        let distance = reader.read_rice(header.hash_low, MOST_HIGH).ok_or(CUT)?;
        let first = header.earliest.checked_add_unsigned(reader.read_long(header.first_bits));
        let duration = reader.read_rice(header.duration_low, MOST_HIGH).ok_or(CUT)?;
        let repeats = reader.read_rice(header.events_low, MOST_HIGH).ok_or(CUT)?;
        let times = first.and_then(|first| Some((first, first.checked_add_unsigned(duration)?)));
        let hash = distance.checked_add(next).filter(|hash| hash >> HASH_BITS == 0);
        let Some(hash) = hash else {
            return Err(malformed("a session's hash is too large"));
        };
        let (first, last) = times.ok_or(malformed("a session's time is out of range"))?;
        let events = repeats.checked_add(1).and_then(|events| u32::try_from(events).ok());
        let events = events.ok_or(malformed("a session has too many events"))?;
        spans.push(Span { hash, first, last, events });
        next = hash + 1;
    }
    let sample = SessionSample { spans, is_full: is_full == 1 };
    // A sample is written in one way only: the header follows from the sessions, and their bits from the header.
    if reader.is_at_end() && Header::of(&sample) == header {
        Ok(sample)
    } else {
        Err(malformed("its fields are not as they are written"))
    }
}

/// A session's events beyond the first.
fn repeats(span: &Span) -> u64 {
    u64::from(span.events.saturating_sub(1))
}

/// How far each hash is from the place behind the one before.
fn distances(spans: &[Span]) -> Vec<u64> {
    spans.iter().scan(0, |next, span| Some(span.hash - std::mem::replace(next, span.hash + 1))).collect()
}

/// The fewest low bits with which one more would not make the numbers shorter.
fn best_low_bits(numbers: &[u64]) -> u32 {
    // One more takes a bit of each number, and saves what halving their high bits takes away: ever less.
    let saves = |low: u32| {
        let halves = numbers.iter().map(|number| (number >> low) - (number >> low >> 1));
        halves.fold(0, u64::saturating_add) > numbers.len() as u64
    };
    let (mut from, mut to) = (0, u64::BITS - 1);
    while from < to {
        let middle = from.midpoint(to);
        if saves(middle) { from = middle + 1 } else { to = middle }
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As [`best_low_bits`], from the beginning.
    fn first_low_bits(numbers: &[u64]) -> u32 {
        let cost = |low: u32| numbers.iter().map(|number| u128::from(number >> low) + u128::from(low)).sum::<u128>();
        (0..u64::BITS - 1).find(|low| cost(low + 1) >= cost(*low)).unwrap_or(u64::BITS - 1)
    }

    proptest! {
        #[test]
        fn the_low_bits_are_the_first_that_are_best(
            numbers in (0u32..64).prop_flat_map(|bits| proptest::collection::vec(0..=u64::MAX >> bits, 0..40)),
        ) {
            prop_assert_eq!(best_low_bits(&numbers), first_low_bits(&numbers));
        }

        #[test]
        fn what_is_read_would_be_written_so(
            sessions in proptest::collection::vec((0u64..1 << HASH_BITS, 0i64..90_000, 0i64..9_000, 1u32..100), 0..40),
            place in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let span = |(hash, first, lasts, events)| Span { hash, first, last: first + lasts, events };
            let mut spans: Vec<_> = sessions.into_iter().map(span).collect();
            spans.sort_by_key(|span| span.hash);
            spans.dedup_by_key(|span| span.hash);
            let sample = SessionSample { spans, is_full: false };
            let mut payload = write(&sample);
            prop_assert_eq!(read(&payload), Ok(sample));
            let at = place.index(payload.len());
            payload[at] ^= 1 << bit;
            if let Ok(other) = read(&payload) {
                prop_assert_eq!(write(&other), payload);
            }
        }
    }
}
