//! Users (provisional).
use crate::hash::hash64;
use std::collections::BTreeSet;

/// Users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSketch(BTreeSet<u64>);

impl UserSketch {
    /// Empty.
    pub fn new(_precision: u8) -> Result<Self, SketchError> {
        Ok(Self(BTreeSet::new()))
    }
    /// One user.
    pub fn insert(&mut self, user_id: &str) {
        self.0.insert(hash64(user_id.as_bytes()));
    }
    /// Union.
    pub fn merge(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }
    /// Users.
    pub fn estimate(&mut self) -> f64 {
        self.0.len() as f64
    }
    /// Bytes.
    pub fn encode(&mut self) -> Vec<u8> {
        self.0.iter().flat_map(|n| n.to_le_bytes()).collect()
    }
    /// Back.
    pub fn decode(bytes: &[u8]) -> Result<Self, SketchError> {
        Ok(Self(bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default())).collect()))
    }
}

/// Bad bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SketchError {
    /// Bad.
    #[error("malformed")]
    Malformed,
}
