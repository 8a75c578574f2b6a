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
