//! The one hash that every process agrees on: XXH3 of the bytes of an id.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// The version of the hash behind every stored sketch. Another hash needs another number, and a new table.
pub const HASH_VERSION: u32 = 1;

/// 64 bits of `bytes`.
pub fn hash64(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// 128 bits of `bytes`.
pub fn hash128(bytes: &[u8]) -> u128 {
    xxh3_128(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_same_for_ever() {
        for (bytes, expected) in [(&b""[..], 0x2d06_8005_38d3_94c2), (b"a", 0xe6c6_32b6_1e96_4e1f)] {
            assert_eq!(hash64(bytes), expected, "{bytes:?}");
        }
        assert_eq!(hash128(b""), 0x99aa_06d3_0147_98d8_6001_c324_468d_497f);
    }
}
