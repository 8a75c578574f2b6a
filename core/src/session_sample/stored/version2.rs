//! Version 2.
//!
//! Whether there were more sessions than are kept (1 byte), their number (2 bytes, little endian), the earliest time (8
//! bytes), the low bits of a hash's distance, the bits of a first time, the low bits of a duration (1 byte each). Then bit
//! by bit, for each session by ascending hash: the distance of its hash from the one before and its duration in Rice codes,
//! and between them its first time's distance from the earliest.

use super::super::{HASH_BITS, SESSION_SAMPLE_SIZE, SampleError, SessionSample};
use crate::bits::{Reader, Writer};

const HEADER_BYTES: usize = 14;

/// The largest high bits of a number: with the best low bits those of all numbers together are at most two for each,
/// or one more low bit, which halves them, would save more than it takes.
const MOST_HIGH: u32 = 2 * SESSION_SAMPLE_SIZE as u32;

const CUT: SampleError = SampleError::Malformed("its sessions are cut");

pub(in super::super) fn write(sample: &SessionSample) -> Vec<u8> {
    let spans = &sample.spans;
    let earliest = spans.values().map(|(first, _)| *first).min().unwrap_or(0);
    let after_earliest = |first: i64| first.abs_diff(earliest);
    let first_bits =
        spans.values().map(|(first, _)| u64::BITS - after_earliest(*first).leading_zeros()).max().unwrap_or(0);
    let hash_low = best_low_bits(|| distances(spans.keys()));
    let duration_low = best_low_bits(|| sample.durations());

    let mut bytes = Vec::with_capacity(HEADER_BYTES + spans.len() * 12);
    bytes.push(u8::from(sample.is_full));
    bytes.extend((spans.len() as u16).to_le_bytes());
    bytes.extend(earliest.to_le_bytes());
    bytes.extend([hash_low as u8, first_bits as u8, duration_low as u8]);
    let mut writer = Writer::new(&mut bytes);
    for ((first, last), distance) in spans.values().zip(distances(spans.keys())) {
        writer.write_rice(distance, hash_low);
        writer.write_long(after_earliest(*first), first_bits);
        writer.write_rice(last.abs_diff(*first), duration_low);
    }
    writer.finish();
    bytes
}

pub(in super::super) fn read(payload: &[u8]) -> Result<SessionSample, SampleError> {
    let malformed = SampleError::Malformed;
    let Some((header, rest)) = payload.split_first_chunk::<HEADER_BYTES>() else { return Err(CUT) };
    let [is_full, count_low, count_high, earliest @ .., hash_low, first_bits, duration_low] = *header;
    let count = usize::from(u16::from_le_bytes([count_low, count_high]));
    if count > SESSION_SAMPLE_SIZE || is_full > 1 {
        return Err(malformed("the number of its sessions is impossible"));
    }
    if u32::from(first_bits) > u64::BITS || [hash_low, duration_low].iter().any(|low| u32::from(*low) >= u64::BITS) {
        return Err(malformed("a session's time is out of range"));
    }
    let earliest = i64::from_le_bytes(earliest);
    let mut reader = Reader::new(rest);
    let mut sample = SessionSample { is_full: is_full == 1, ..SessionSample::default() };
    let mut next = 0u64;
    for _ in 0..count {
        let distance = reader.read_rice(u32::from(hash_low), MOST_HIGH).ok_or(CUT)?;
        let first = earliest.checked_add_unsigned(reader.read_long(u32::from(first_bits)));
        let duration = reader.read_rice(u32::from(duration_low), MOST_HIGH).ok_or(CUT)?;
        let span = first.and_then(|first| Some((first, first.checked_add_unsigned(duration)?)));
        let hash = distance.checked_add(next).filter(|hash| hash >> HASH_BITS == 0);
        let Some(hash) = hash else {
            return Err(malformed("a session's hash is too large"));
        };
        sample.spans.insert(hash, span.ok_or(malformed("a session's time is out of range"))?);
        next = hash + 1;
    }
    // A sample is written in one way only.
    if reader.is_at_end() && write(&sample) == payload {
        Ok(sample)
    } else {
        Err(malformed("its fields are not as they are written"))
    }
}

/// How far each hash is from the place behind the one before.
fn distances<'a>(hashes: impl Iterator<Item = &'a u64>) -> impl Iterator<Item = u64> {
    hashes.scan(0, |next, hash| Some(hash - std::mem::replace(next, hash + 1)))
}

/// The fewest low bits with which one more would not make the numbers shorter.
fn best_low_bits<N: Iterator<Item = u64>>(numbers: impl Fn() -> N) -> u32 {
    let cost = |low: u32| numbers().map(|number| u128::from(number >> low) + u128::from(low)).sum::<u128>();
    (0..u64::BITS - 1).find(|low| cost(low + 1) >= cost(*low)).unwrap_or(u64::BITS - 1)
}
