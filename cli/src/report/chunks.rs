//! A file's content in pieces of whole lines, each large enough to be worth a thread's while.

use std::io::{self, BufRead as _, Read as _};
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::failure::Failure;
use crate::history::file::{Content, MAX_LINE_BYTES};

/// Bytes of a piece, about.
const CHUNK_BYTES: u64 = 1 << 20;

/// Whole lines that follow each other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The number of the first, from 1, over all files.
    pub(crate) first_line: u64,
    /// The lines; of one that no record can hold only the beginning.
    pub(crate) text: Vec<u8>,
}

/// The pieces of a file.
pub(crate) struct Chunks {
    content: Content,
    next_line: u64,
    shown: String,
}

impl Chunks {
    /// Opens the file; its lines are counted from `first_line` on.
    pub(crate) fn open(path: &Path, first_line: u64) -> Result<Self, Failure> {
        Ok(Self { content: Content::open(path)?, next_line: first_line, shown: path.display().to_string() })
    }

    /// The next piece; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk>, Failure> {
        let mut text = Vec::with_capacity(CHUNK_BYTES as usize + (64 << 10));
        let read = self.fill(&mut text);
        read.map_err(|error| {
            let what =
                format!("{} cannot be read after line {} ({error})", self.shown, self.next_line.saturating_sub(1));
            Failure::new(what, "check the file, and unpack it to see where it ends")
        })?;
        if text.is_empty() {
            return Ok(None);
        }
        let first_line = self.next_line;
        let ended = memchr::memchr_iter(b'\n', &text).count() as u64;
        self.next_line += ended + u64::from(text.last() != Some(&b'\n'));
        Ok(Some(Chunk { first_line, text }))
    }

    fn fill(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        let input = &mut self.content.input;
        input.by_ref().take(CHUNK_BYTES).read_to_end(text)?;
        if text.last().is_none_or(|byte| *byte == b'\n') {
            return Ok(());
        }
        // The line goes on: all of it, as far as a record could hold it.
        let rest = input.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', text)?;
        if rest == MAX_LINE_BYTES && text.last() != Some(&b'\n') {
            loop {
                let piece = input.fill_buf()?;
                let end = piece.iter().position(|byte| *byte == b'\n');
                let taken = end.map_or(piece.len(), |end| end + 1);
                input.consume(taken);
                if taken == 0 || end.is_some() {
                    text.push(b'\n');
                    break;
                }
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn chunks_of(bytes: &[u8]) -> Vec<Chunk> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut chunks = Chunks::open(file.path(), 1).unwrap();
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().unwrap() {
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
            number += text.lines().count() as u64;
        }
        assert_eq!(number, 200_002);
        assert_eq!(chunks.into_iter().flat_map(|chunk| chunk.text).collect::<Vec<_>>(), text.into_bytes());
        assert_eq!(chunks_of(b""), []);
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut bytes = vec![b'x'; 3 * MAX_LINE_BYTES];
        bytes.extend_from_slice(b"\nnext\n");
        let chunks = chunks_of(&bytes);
        let lengths: Vec<_> = chunks.iter().map(|chunk| (chunk.first_line, chunk.text.len())).collect();
        assert_eq!(lengths, [(1, CHUNK_BYTES as usize + MAX_LINE_BYTES + 1), (2, 5)]);
    }
}
