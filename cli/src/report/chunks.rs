//! Files in pieces of whole lines, each large enough to be worth a thread's while and small enough for its cache.

use std::io::{self, BufRead as _, Read as _};
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::content::{Content, MAX_LINE_BYTES, Unit};
use crate::failure::Failure;

/// Bytes of a piece, about.
const CHUNK_BYTES: usize = 1 << 20;

/// Whole lines that follow each other. It is filled again and again.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// The number of the first, from 1, over all files.
    pub(crate) first_line: u64,
    /// What the lines are.
    pub(crate) unit: Unit,
    /// The lines; of one that no record can hold only the beginning.
    pub(crate) text: Vec<u8>,
    /// Where each of them ends: at its newline, or where the file ends.
    pub(crate) ends: Vec<usize>,
}

/// The pieces of a file.
pub(crate) struct Chunks {
    content: Content,
    /// The beginning of a line that goes on.
    rest: Vec<u8>,
    next_line: u64,
    shown: String,
}

impl Chunks {
    /// Opens the file; its lines are counted from `first_line` on.
    pub(crate) fn open(path: &Path, first_line: u64) -> Result<Self, Failure> {
        let (content, shown) = (Content::open(path)?, path.display().to_string());
        Ok(Self { content, rest: Vec::new(), next_line: first_line, shown })
    }

    /// Makes `chunk` the next piece; whether there is one.
    pub(crate) fn next(&mut self, chunk: &mut Chunk) -> Result<bool, Failure> {
        let read = self.fill(&mut chunk.text);
        read.map_err(|error| {
            let what =
                format!("{} cannot be read after {} {} ({error})", self.shown, self.content.unit, self.next_line - 1);
            Failure::new(what, "check the file, and unpack it to see where it ends")
        })?;
        chunk.first_line = self.next_line;
        chunk.unit = self.content.unit;
        chunk.ends.clear();
        chunk.ends.extend(memchr::memchr_iter(b'\n', &chunk.text));
        if chunk.text.last().is_some_and(|byte| *byte != b'\n') {
            chunk.ends.push(chunk.text.len());
        }
        self.next_line += chunk.ends.len() as u64;
        Ok(!chunk.text.is_empty())
    }

    fn fill(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        text.clear();
        text.append(&mut self.rest);
        loop {
            // Where a line goes on behind a piece, it is read to its end.
            let (begin, wanted) =
                (text.len(), if text.len() < CHUNK_BYTES { CHUNK_BYTES - text.len() } else { CHUNK_BYTES });
            text.reserve(wanted + READ_AHEAD_BYTES);
            let read = self.content.input.by_ref().take(wanted as u64).read_to_end(text)?;
            if let Some(end) = memchr::memrchr(b'\n', &text[begin..]) {
                self.rest.extend_from_slice(&text[begin + end + 1..]);
                text.truncate(begin + end + 1);
                return Ok(());
            }
            if read < wanted {
                return Ok(());
            }
            if text.len() > MAX_LINE_BYTES {
                self.skip_line()?;
                text.push(b'\n');
                return Ok(());
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let piece = self.content.input.fill_buf()?;
            let end = memchr::memchr(b'\n', piece);
            let taken = end.map_or(piece.len(), |end| end + 1);
            self.content.input.consume(taken);
            if taken == 0 || end.is_some() {
                return Ok(());
            }
        }
    }

    /// The number of the line that would come next.
    pub(crate) fn next_line(&self) -> u64 {
        self.next_line
    }

    /// Bytes of the file itself that were read.
    pub(crate) fn read(&self) -> u64 {
        self.content.read.load(Ordering::Relaxed)
    }

    /// Bytes of the file itself.
    pub(crate) fn size(&self) -> u64 {
        self.content.size
    }
}

/// Room behind a piece, without which reading would look for the file's end with small reads.
const READ_AHEAD_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn chunks_of(bytes: &[u8]) -> Vec<Chunk> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut chunks = Chunks::open(file.path(), 1).unwrap();
        let mut all = Vec::new();
        loop {
            let mut chunk = Chunk::default();
            if !chunks.next(&mut chunk).unwrap() {
                break;
            }
            all.push(chunk);
        }
        assert_eq!((chunks.read(), chunks.size()), (bytes.len() as u64, bytes.len() as u64));
        all
    }

    #[test]
    fn pieces_are_whole_lines_and_know_their_numbers() {
        let lines: Vec<String> = (0..200_000).map(|n| format!("line {n}\n")).collect();
        let mut text = lines.concat();
        text += "last";
        let chunks = chunks_of(text.as_bytes());
        assert!(chunks.len() > 2, "{}", chunks.len());
        let mut number = 1;
        for chunk in &chunks {
            assert_eq!(chunk.first_line, number);
            let text = std::str::from_utf8(&chunk.text).unwrap();
            assert!(text.starts_with(&format!("line {}", number - 1)) || text == "last");
            let ends = text.lines().scan(0, |at, line| {
                *at += line.len() + 1;
                Some(*at - 1)
            });
            assert!(ends.eq(chunk.ends.iter().copied()));
            number += chunk.ends.len() as u64;
        }
        assert_eq!(number, 200_002);
        assert_eq!(chunks.into_iter().flat_map(|chunk| chunk.text).collect::<Vec<_>>(), text.into_bytes());
        assert!(chunks_of(b"").is_empty());
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut bytes = vec![b'x'; 5 * MAX_LINE_BYTES];
        bytes.extend_from_slice(b"\nnext\nlast");
        let chunks = chunks_of(&bytes);
        let lines: Vec<_> = chunks.iter().flat_map(|chunk| (chunk.first_line..).zip(&chunk.ends)).collect();
        let [(1, end), rest @ ..] = &lines[..] else { panic!("{lines:?}") };
        assert!((MAX_LINE_BYTES..=MAX_LINE_BYTES + CHUNK_BYTES).contains(*end), "{end}");
        assert_eq!(rest, [(2, &4), (3, &4)]);
    }
}
