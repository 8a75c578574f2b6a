//! Frames: compressed one by one, each with zstd's checksum and its content's size, found again by their place and hash.

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, find_frame_compressed_size, get_frame_content_size};

use crate::entry::{Frame, FrameName};
use crate::error::EntryError;

/// zstd's own default: more saves little storage for much CPU.
const LEVEL: i32 = 3;

/// Decompressed bytes that one frame may claim (64 MiB). An entry is written at about 4 MiB of JSON, but one record alone may
/// hold as much, and sanitizing may lengthen it.
const MAX_FRAME_BYTES: u64 = 64 << 20;

/// Compresses the frames of an entry one after another.
pub(super) struct Writer {
    compressor: Compressor<'static>,
    frames: Vec<u8>,
}

impl Writer {
    pub(super) fn new() -> Self {
        let made = Compressor::new(LEVEL).and_then(|mut compressor| {
            compressor.set_parameter(CParameter::ChecksumFlag(true))?;
            compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
            Ok(compressor)
        });
        Self { compressor: made.expect("level and flags are zstd's own"), frames: Vec::new() }
    }

    /// Adds a frame of these lines; none where there are no lines.
    pub(super) fn add(&mut self, lines: &[u8]) -> Option<Frame> {
        if lines.is_empty() {
            return None;
        }
        let bytes = self.compress(lines);
        let frame = Frame { offset: self.frames.len() as u64, length: bytes.len() as u64, sha256: sha256(&bytes) };
        self.frames.extend_from_slice(&bytes);
        Some(frame)
    }

    /// The entry: the header's frame, then all that were added.
    pub(super) fn finish(mut self, header: &[u8]) -> Bytes {
        let mut entry = self.compress(header);
        entry.extend_from_slice(&self.frames);
        entry.into()
    }

    fn compress(&mut self, lines: &[u8]) -> Vec<u8> {
        self.compressor.compress(lines).expect("memory takes what zstd's bound says")
    }
}

/// Decompresses frames, one after another.
pub(crate) struct Reader(Decompressor<'static>);

impl Reader {
    pub(crate) fn new() -> Self {
        Self(Decompressor::new().expect("without a dictionary, there is nothing to refuse"))
    }

    /// The lines of a frame, whose bytes must be those that the header says.
    pub(crate) fn open(&mut self, name: FrameName, frame: &Frame, bytes: &[u8]) -> Result<String, EntryError> {
        let damaged = || EntryError::Frame { frame: name.to_string() };
        if bytes.len() as u64 != frame.length || sha256(bytes) != frame.sha256 {
            return Err(damaged());
        }
        self.decompress(bytes).ok_or_else(damaged)
    }

    /// The header's line, and the bytes of its frame, which `bytes` begin with.
    pub(super) fn header(&mut self, bytes: &[u8]) -> Option<(String, u64)> {
        let length = find_frame_compressed_size(bytes).ok()?;
        Some((self.decompress(bytes.get(..length)?)?, length as u64))
    }

    fn decompress(&mut self, frame: &[u8]) -> Option<String> {
        let size = get_frame_content_size(frame).ok()??;
        if size > MAX_FRAME_BYTES {
            return None;
        }
        let lines = self.0.decompress(frame, size as usize).ok()?;
        String::from_utf8(lines).ok()
    }
}

/// In hexadecimal, as tools print it.
fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}
