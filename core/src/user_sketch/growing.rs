//! A sparse sketch that users are added to: the crate's.
//!
//! The crate keeps its inside to itself, but for serde. Postcard writes the fields in their order and nothing else, so a
//! struct of the same fields reads them.

use hyperloglogplus::{HyperLogLog as _, HyperLogLogPlus};
use serde::{Deserialize, Serialize};
use std::hash::BuildHasher;

use super::codes::{Codes, SPARSE_PRECISION};
use super::registers::Registers;
use super::varint;
use crate::hash::PassedThrough;

/// A set of users that grows.
#[derive(Clone)]
pub(super) struct Growing {
    sketch: HyperLogLogPlus<u64, PassThrough>,
    /// How many users were added since it was looked at, equal ones too.
    inserted: usize,
}

/// What is in a sketch.
pub(super) enum Inside {
    /// It is sparse.
    Codes(Codes),
    /// It had grown dense.
    Registers(Registers),
}

impl Growing {
    /// The users of these codes.
    pub(super) fn of(codes: &Codes, precision: u8) -> Self {
        let count = 1u64 << precision;
        let mirror = Mirror {
            builder: PassThrough,
            precision,
            counts: (count, 1 << (SPARSE_PRECISION - 1), packed_bytes(count)),
            tmpset: codes.as_slice().to_vec(),
            sparse: Differences { count: 0, last: 0, bytes: Vec::new() },
            registers: None,
        };
        let sketch = postcard::to_allocvec(&mirror)
            .and_then(|bytes| postcard::from_bytes(&bytes))
            .expect("the mirror has the fields of the sketch");
        Self { sketch, inserted: 0 }
    }

    pub(super) fn insert_hash(&mut self, hash: u64) {
        self.sketch.insert(&hash);
        self.inserted += 1;
    }

    /// How many users were added since [`Self::inside`] was looked at, equal ones too.
    pub(super) fn inserted(&self) -> usize {
        self.inserted
    }

    /// What was inserted so far.
    pub(super) fn inside(&mut self) -> Inside {
        // Counting sorts what was inserted last.
        self.sketch.count();
        self.inserted = 0;
        let mirror: Mirror = postcard::to_allocvec(&self.sketch)
            .and_then(|bytes| postcard::from_bytes(&bytes))
            .expect("the mirror has the fields of the sketch");
        match mirror.registers {
            Some(packed) => Inside::Registers(Registers::from_values(packed.unpack())),
            None => Inside::Codes(Codes::from_ascending(mirror.sparse.codes())),
        }
    }
}

/// Bytes of the crate's packed registers; a sparse sketch that needs more becomes dense.
fn packed_bytes(count: u64) -> u64 {
    4 * count / Packed::PER_WORD as u64
}

/// The fields of the crate's sketch, in their order.
#[derive(Serialize, Deserialize)]
struct Mirror {
    builder: PassThrough,
    precision: u8,
    counts: (u64, u64, u64),
    tmpset: Vec<u32>,
    sparse: Differences,
    registers: Option<Packed>,
}

/// The crate's sparse codes.
#[derive(Serialize, Deserialize)]
struct Differences {
    count: u64,
    last: u32,
    bytes: Vec<u8>,
}

impl Differences {
    fn codes(&self) -> Vec<u32> {
        let mut bytes = &self.bytes[..];
        let mut codes: Vec<u32> = Vec::with_capacity(self.count as usize);
        while let Some(difference) = varint::read(&mut bytes) {
            codes.push(codes.last().map_or(difference, |last| last.wrapping_add(difference)));
        }
        codes
    }
}

/// The crate's registers, 6 bits each, 5 in a word.
#[derive(Serialize, Deserialize)]
struct Packed {
    words: Vec<u32>,
    count: u64,
    zeros: u64,
}

impl Packed {
    const BITS: usize = 6;
    const PER_WORD: usize = 5;

    fn unpack(&self) -> Vec<u8> {
        let registers = self
            .words
            .iter()
            .flat_map(|word| (0..Self::PER_WORD).map(move |n| (word >> (n * Self::BITS)) as u8 & 0x3f));
        registers.take(self.count as usize).collect()
    }
}

/// Hands a 64-bit hash through. Serialized it is nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct PassThrough;

impl BuildHasher for PassThrough {
    type Hasher = PassedThrough;

    fn build_hasher(&self) -> PassedThrough {
        PassedThrough::default()
    }
}
