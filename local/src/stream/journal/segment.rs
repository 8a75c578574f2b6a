//! One file of the journal: what it says of itself, then frames.
//!
//! A frame is four bytes to find it by, the length of its content (4 bytes), the content's xxh3 (8 bytes) and the content;
//! numbers have their lowest byte first. The first frame's content is the stream's ARN. Every other holds the records of
//! one write, so that a write which was cut short is one bad frame with nothing behind it.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::Accepted;
use super::tail::Tail;
use crate::data_dir::failed;
use crate::error::LocalError;

/// What every file begins with; its last two digits are the version.
const MAGIC: &[u8; 8] = b"HCJRNL01";

/// What every frame begins with.
const FRAME: [u8; 4] = [0xF5, b'H', b'C', 0xF6];

/// A frame without its content.
const FRAME_BYTES: usize = 16;

/// How a file's name ends.
const EXTENSION: &str = "journal";

/// What to do about damage.
const ADVICE: &str = "accepted records that are not counted yet may be in it: restore it from a copy, or move it away, which \
                      gives them up";

/// What to do about a file that is gone.
const ADVICE_WHERE_GONE: &str = "accepted records that are not counted yet may have been in it: restore it from a copy, or move away \
                                 tail.json beside it, which gives them up";

/// A record with its shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) shard: String,
    pub(super) record: Accepted,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) arn: String,
    pub(super) entries: Vec<Entry>,
    /// Its length, without a torn end.
    pub(super) bytes: u64,
}

/// The journal's files in `dir`, the oldest first.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>, LocalError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|source| failed(dir, "listed", source))? {
        let path = entry.map_err(|source| failed(dir, "listed", source))?.path();
        if number(&path).is_some() {
            found.push(path);
        }
    }
    found.sort_by_key(|path| number(path));
    Ok(found)
}

/// A file's number; `None` where it is no file of the journal.
pub(super) fn number(path: &Path) -> Option<u64> {
    (path.extension()? == EXTENSION).then(|| path.file_stem()?.to_str()?.parse().ok())?
}

/// The file of this number.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.{EXTENSION}"))
}

/// What stands at the beginning of a file.
pub(super) fn header(arn: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(frame(arn.as_bytes()));
    bytes
}

/// A frame with this content, of less than 4 GiB.
pub(super) fn frame(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRAME_BYTES + content.len());
    bytes.extend(FRAME);
    bytes.extend((content.len() as u32).to_le_bytes());
    bytes.extend(xxh3_64(content).to_le_bytes());
    bytes.extend(content);
    bytes
}

/// Writes a record into the content of a frame.
pub(super) fn write_entry(content: &mut Vec<u8>, shard: &str, record: &Accepted) -> Result<(), String> {
    for text in [shard, record.sequence.as_str(), &record.partition_key] {
        let length = u16::try_from(text.len()).map_err(|_| format!("a name of {} bytes", text.len()))?;
        content.extend(length.to_le_bytes());
        content.extend(text.as_bytes());
    }
    content.extend(record.arrival_ms.to_le_bytes());
    let length = u32::try_from(record.data.len()).map_err(|_| format!("a record of {} bytes", record.data.len()))?;
    content.extend(length.to_le_bytes());
    content.extend(&record.data);
    Ok(())
}

/// Refuses a journal one of whose files is gone before all in it was processed.
pub(super) fn check_all_are_there(dir: &Path, tail: &Tail, found: &[PathBuf]) -> Result<(), LocalError> {
    let is_gone = |wanted: &u64| !found.iter().any(|path| number(path) == Some(*wanted));
    match tail.files.iter().find(|(number, _)| is_gone(number)) {
        Some((number, bytes)) => {
            let detail = format!("{bytes} bytes that were accepted are gone");
            Err(LocalError::Damaged { path: path(dir, *number), detail, advice: ADVICE_WHERE_GONE })
        }
        None => Ok(()),
    }
}

/// Reads a file. Where it is the last one, a torn end is cut off: it was cut short while it was written, behind the first
/// `answered` bytes, and never answered. (Files before it were last once, and cut then.)
pub(super) fn read(path: &Path, is_last: bool, answered: u64) -> Result<Segment, LocalError> {
    let bytes = fs::read(path).map_err(|source| failed(path, "read", source))?;
    let damaged = |detail: String| LocalError::Damaged { path: path.to_owned(), detail, advice: ADVICE };
    let mut segment = Segment { arn: String::new(), entries: Vec::new(), bytes: 0 };
    let mut at = 0;
    if bytes.starts_with(MAGIC) {
        at = MAGIC.len();
        let mut is_first = true;
        while let Some(content) = content(&bytes[at..]) {
            if is_first {
                segment.arn = String::from_utf8(content.to_vec()).map_err(|error| damaged(error.to_string()))?;
            } else {
                let entries = entries(content).ok_or_else(|| damaged(format!("the records at byte {at} are none")))?;
                segment.entries.extend(entries);
            }
            is_first = false;
            at += FRAME_BYTES + content.len();
        }
        if is_first {
            at = MAGIC.len();
        }
    } else if bytes.len() >= MAGIC.len() {
        return Err(damaged("it does not begin as this build's journal does".into()));
    }
    segment.bytes = at as u64;
    if segment.bytes < answered {
        return Err(damaged(format!("it can be read up to byte {at}, and {answered} bytes were accepted")));
    }
    if at == bytes.len() {
        return Ok(segment);
    }
    if !(is_last && is_cut_short(&bytes[at..])) {
        return Err(damaged(format!(
            "what stands at byte {at} of {} is no record, or not as it was written",
            bytes.len()
        )));
    }
    tracing::warn!(file = %path.display(), at, of = bytes.len(), "cut off a torn end, which was never answered");
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(at as u64)?;
        file.sync_all()
    });
    cut.map_err(|source| failed(path, "cut", source))?;
    Ok(segment)
}

/// The content of the frame that the bytes begin with, if it is as it was written.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&FRAME)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let content = rest.get(..u32::from_le_bytes(*length) as usize)?;
    (xxh3_64(content) == u64::from_le_bytes(*checksum)).then_some(content)
}

/// Whether the bytes are the beginning of a frame, or of a file, and not all of it: a write that was cut short leaves such. A whole
/// frame with another checksum was changed later.
fn is_cut_short(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(&FRAME) else { return FRAME.starts_with(bytes) || MAGIC.starts_with(bytes) };
    let Some((length, _)) = rest.split_first_chunk() else { return true };
    bytes.len() < FRAME_BYTES + u32::from_le_bytes(*length) as usize
}

fn entries(mut content: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !content.is_empty() {
        let shard = text(&mut content)?;
        let sequence = text(&mut content)?.parse().ok()?;
        let partition_key = text(&mut content)?;
        let (arrival, rest) = content.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (data, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        content = rest;
        let (arrival_ms, data) = (i64::from_le_bytes(*arrival), data.to_vec());
        entries.push(Entry { shard, record: Accepted { sequence, arrival_ms, partition_key, data } });
    }
    Some(entries)
}

fn text(content: &mut &[u8]) -> Option<String> {
    let (length, rest) = content.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *content = rest;
    String::from_utf8(text.to_vec()).ok()
}
