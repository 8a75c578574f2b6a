//! Version 1, which is only read. It kept all 64 bits of a hash.

use super::super::{HASH_BITS, SESSION_SAMPLE_SIZE, SampleError, SessionSample, Span};

/// Whether there were more sessions than are kept; the earliest time of all; and of each session, by ascending hash, the
/// difference of its hash to the one before, of its first time to the earliest, and of its last time to its first.
pub(in super::super) type Fields = (bool, i64, Vec<(u64, u64, u64)>);

pub(in super::super) fn read(payload: &[u8]) -> Result<SessionSample, SampleError> {
    let (fields, rest): (Fields, _) =
        postcard::take_from_bytes(payload).map_err(|_| SampleError::Malformed("its fields are cut"))?;
    if !rest.is_empty() {
        return Err(SampleError::Malformed("bytes follow its sessions"));
    }
    // A sample was written in one way only: padded numbers show here.
    if postcard::to_allocvec(&fields).is_ok_and(|written| written != payload) {
        return Err(SampleError::Malformed("its fields are not as they are written"));
    }
    let (is_full, earliest, stored) = fields;
    if stored.len() > SESSION_SAMPLE_SIZE || (is_full && stored.len() < SESSION_SAMPLE_SIZE) {
        return Err(SampleError::Malformed("the number of its sessions is impossible"));
    }
    let mut sample = SessionSample::default();
    let mut hash = 0u64;
    for (n, (step, after_earliest, duration)) in stored.into_iter().enumerate() {
        let ascends = n == 0 || step > 0;
        hash = hash.checked_add(step).filter(|_| ascends).ok_or(SampleError::Malformed("its hashes do not ascend"))?;
        let first = earliest.checked_add_unsigned(after_earliest);
        let times = first.and_then(|first| Some((first, first.checked_add_unsigned(duration)?)));
        let (first, last) = times.ok_or(SampleError::Malformed("a session's time is out of range"))?;
        sample.add(Span { hash: hash >> (u64::BITS - HASH_BITS), first, last });
    }
    if sample.spans.iter().map(|span| span.first).min().unwrap_or(0) != earliest {
        return Err(SampleError::Malformed("its earliest time is not a session's"));
    }
    sample.is_full = is_full;
    Ok(sample)
}
