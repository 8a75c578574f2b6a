//! The one hash that every process agrees on: XXH3 of the bytes of an id.

use std::hash::Hasher;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64, xxh3_64_with_seed, xxh3_128};

/// The version of the hash behind every stored sketch. Another hash needs another number, and a new table.
pub const HASH_VERSION: u32 = 1;

/// 64 bits of `bytes`.
pub fn hash64(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// 64 bits of two texts together; which of them is the first matters.
pub fn hash64_of_both(first: &[u8], second: &[u8]) -> u64 {
    xxh3_64_with_seed(first, xxh3_64(second))
}

/// 128 bits of `bytes`.
pub fn hash128(bytes: &[u8]) -> u128 {
    xxh3_128(bytes)
}

/// [`hash128`] of bytes that come in pieces: a file that is larger than memory.
///
/// ```
/// use headcount_core::hash::{Hasher128, hash128};
/// let mut hasher = Hasher128::default();
/// hasher.update(b"head");
/// hasher.update(b"count");
/// assert_eq!(hasher.finish(), hash128(b"headcount"));
/// ```
#[derive(Clone, Default)]
pub struct Hasher128(Xxh3Default);

impl Hasher128 {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces so far.
    pub fn finish(&self) -> u128 {
        self.0.digest128()
    }
}

impl std::fmt::Debug for Hasher128 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hasher128({:032x})", self.finish())
    }
}

/// The hasher of what is a hash already: it takes it as it is, of 128 bits the lower 64.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassedThrough(u64);

impl Hasher for PassedThrough {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hash_as_the_whole_does_wherever_it_is_cut() {
        let bytes: Vec<u8> = (0..3_000u32).map(|n| (n * 7 % 253) as u8).collect();
        for piece in [1, 7, 64, 240, 1_024, 2_999] {
            let mut hasher = Hasher128::default();
            bytes.chunks(piece).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), hash128(&bytes), "pieces of {piece}");
        }
    }

    #[test]
    fn the_hash_is_the_same_for_ever() {
        for (bytes, expected) in [(&b""[..], 0x2d06_8005_38d3_94c2), (b"a", 0xe6c6_32b6_1e96_4e1f)] {
            assert_eq!(hash64(bytes), expected, "{bytes:?}");
        }
        // Made by another implementation, python-xxhash: XXH3 goes another way for each of these lengths.
        let bytes: Vec<u8> = (0..1_000u32).map(|n| (n % 251) as u8).collect();
        for (length, of_64, of_128) in [
            (0, 0x2d06_8005_38d3_94c2, 0x99aa_06d3_0147_98d8_6001_c324_468d_497f),
            (3, 0x5f42_99fc_161c_9cbb, 0xe3b5_5f57_945a_17cf_5f42_99fc_161c_9cbb),
            (8, 0x3a1c_2d7c_85af_88f8, 0xe1e4_432a_6221_7fe4_cfd5_0c61_c8bb_98c1),
            (16, 0x8355_e3a6_f617_70db, 0x7295_0631_8276_07e2_8428_12cc_870d_cae2),
            (36, 0x55a8_76ac_bbb0_eb1e, 0x2047_9b7c_1480_c287_a05e_ff1f_1865_45bf),
            (128, 0x85c6_174c_7ff4_c46b, 0x1479_2fc3_af88_dc6c_0532_1a0b_64d6_7b41),
            (240, 0x375a_384d_957f_e865, 0x65b5_be86_da55_40e7_c92b_68e1_6f83_bbb6),
            (256, 0x44f5_d90d_acde_463a, 0x96c3_6c85_d00e_5bc5_44f5_d90d_acde_463a),
            (1_000, 0x33ef_703f_b2b2_0ed1, 0x18bf_41bc_8229_e277_33ef_703f_b2b2_0ed1),
        ] {
            assert_eq!(hash64(&bytes[..length]), of_64, "{length} bytes");
            assert_eq!(hash128(&bytes[..length]), of_128, "{length} bytes");
        }
    }
}
