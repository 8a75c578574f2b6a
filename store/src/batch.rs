//! What every adapter refuses without a request: a batch that is too large or repeats a key, a version that does not grow.

use std::collections::HashSet;
use std::hash::Hash;

use crate::error::StoreError;

/// Refuses what DynamoDB would refuse as a whole: more than `most` keys, or a key twice.
///
/// # Errors
/// [`StoreError::Invalid`].
pub fn check<K: Eq + Hash>(keys: impl IntoIterator<Item = K>, most: usize) -> Result<(), StoreError> {
    let mut seen = HashSet::new();
    for key in keys {
        if !seen.insert(key) {
            return Err(StoreError::Invalid { detail: "a batch must not name a key twice".into() });
        }
        if seen.len() > most {
            return Err(StoreError::Invalid { detail: format!("a batch must hold at most {most} keys") });
        }
    }
    Ok(())
}

/// Refuses a write of a partial that would not raise its version.
///
/// # Errors
/// [`StoreError::Invalid`].
pub fn check_version(version: u64, expected: u64) -> Result<(), StoreError> {
    if version > expected {
        return Ok(());
    }
    Err(StoreError::Invalid {
        detail: format!("a partial's version must grow: version {version} was to replace version {expected}"),
    })
}
