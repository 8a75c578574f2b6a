//! Sessions (provisional).
use std::collections::BTreeMap;

/// Sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSample(BTreeMap<u64, (i64, i64)>);

impl SessionSample {
    /// One event.
    pub fn insert(&mut self, session_id: &str, at_ms: i64) {
        let span = self.0.entry(crate::hash::hash64(session_id.as_bytes())).or_insert((at_ms, at_ms));
        *span = (span.0.min(at_ms), span.1.max(at_ms));
    }
    /// Bytes.
    pub fn encode(&self) -> Vec<u8> {
        Vec::new()
    }
    /// Back.
    pub fn decode(_bytes: &[u8]) -> Result<Self, SampleError> {
        Ok(Self::default())
    }
}

/// Bad bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// Bad.
    #[error("malformed")]
    Malformed,
}
