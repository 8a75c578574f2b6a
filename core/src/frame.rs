//! The frame around every blob that is stored: what it is, which version, how long, and a checksum.
//!
//! `"HC"`, kind, version, length of the payload (4 bytes, little endian), XXH3 of all the rest (8 bytes), payload.

use xxhash_rust::xxh3::Xxh3;

/// Bytes in front of the payload.
pub const HEADER_BYTES: usize = 16;

const MAGIC: [u8; 2] = *b"HC";

/// What a blob is. The number is stored and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A [`crate::user_sketch::UserSketch`].
    Users = 1,
    /// A [`crate::session_sample::SessionSample`].
    Sessions = 2,
    /// [`crate::counters::Counters`].
    Counters = 3,
    /// [`crate::latency::ModelLatencies`].
    Latencies = 4,
}

/// Why bytes are not the blob that they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too short for a header, or not of the length that the header says.
    #[error("{found} bytes are stored where {expected} should be")]
    Length {
        /// Bytes that there should be, at least.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// Not a blob of ours, or one of another kind.
    #[error("it is no blob of this kind")]
    Kind,
    /// Written by a newer build.
    #[error("it has version {found}, this build knows up to {newest}: upgrade headcount")]
    Version {
        /// The blob's version.
        found: u8,
        /// The newest version that this build reads.
        newest: u8,
    },
    /// The bytes are not those that were written.
    #[error("its checksum is wrong")]
    Checksum,
}

/// Frames a payload.
pub fn encode(kind: Kind, version: u8, payload: &[u8]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(HEADER_BYTES + payload.len());
    blob.extend_from_slice(&MAGIC);
    blob.extend_from_slice(&[kind as u8, version]);
    blob.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    let sum = checksum(&blob, payload);
    blob.extend_from_slice(&sum.to_le_bytes());
    blob.extend_from_slice(payload);
    blob
}

/// The version and the payload of a framed blob, which is whole and of this kind.
///
/// # Errors
///
/// [`FrameError`], where the bytes are not exactly one such blob of version 1 to `newest`.
///
/// ```
/// use headcount_core::frame::{Kind, decode, encode};
/// let mut blob = encode(Kind::Users, 1, b"payload");
/// assert_eq!(decode(Kind::Users, 1, &blob), Ok((1, &b"payload"[..])));
/// blob[20] ^= 1;
/// assert!(decode(Kind::Users, 1, &blob).is_err());
/// ```
pub fn decode(kind: Kind, newest: u8, blob: &[u8]) -> Result<(u8, &[u8]), FrameError> {
    let too_short = FrameError::Length { expected: HEADER_BYTES, found: blob.len() };
    let (header, payload) = blob.split_at_checked(HEADER_BYTES).ok_or(too_short)?;
    if header[..2] != MAGIC || header[2] != kind as u8 {
        return Err(FrameError::Kind);
    }
    let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    if payload.len() != length {
        return Err(FrameError::Length { expected: HEADER_BYTES.saturating_add(length), found: blob.len() });
    }
    if checksum(&header[..8], payload).to_le_bytes() != header[8..] {
        return Err(FrameError::Checksum);
    }
    let version = header[3];
    if version == 0 || version > newest {
        return Err(FrameError::Version { found: version, newest });
    }
    Ok((version, payload))
}

fn checksum(header: &[u8], payload: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let blob = encode(Kind::Sessions, 1, b"some payload");
        for bit in 0..blob.len() * 8 {
            let mut damaged = blob.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(Kind::Sessions, 1, &damaged).is_err(), "bit {bit}");
        }
        for length in 0..blob.len() {
            assert!(decode(Kind::Sessions, 1, &blob[..length]).is_err(), "{length} bytes");
        }
        assert!(decode(Kind::Sessions, 1, &[&blob[..], &[0]].concat()).is_err());
    }

    #[test]
    fn another_kind_and_a_newer_version_are_refused() {
        let blob = encode(Kind::Counters, 2, b"");
        assert_eq!(decode(Kind::Users, 2, &blob), Err(FrameError::Kind));
        assert_eq!(decode(Kind::Counters, 1, &blob), Err(FrameError::Version { found: 2, newest: 1 }));
        assert_eq!(decode(Kind::Counters, 2, &blob), Ok((2, &b""[..])));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(Kind::Users, 1, &bytes);
        }
    }
}
