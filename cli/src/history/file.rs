//! The lines of a file, and the hash of all of them.

use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use headcount_core::hash::Hasher128;

use crate::content::{Content, MAX_LINE_BYTES, Unit};
use crate::failure::Failure;

/// A line with its number, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    /// Without its newline; at most [`MAX_LINE_BYTES`] of it.
    pub(crate) text: Vec<u8>,
}

/// Whether an entry of the event log has this line besides its events: its header, or a rejected occurrence.
pub(crate) fn is_of_the_log(line: &[u8]) -> bool {
    line.starts_with(br#"{"headcount":{"#) || line.starts_with(br#"{"rejected":{"#)
}

/// A file that is read line by line.
pub(crate) struct Lines {
    path: PathBuf,
    content: Content,
    hasher: Hasher128,
    numbers: u64,
}

impl Lines {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let content = Content::open(path)?;
        Ok(Self { path: path.to_owned(), content, hasher: Hasher128::default(), numbers: 0 })
    }

    /// The next line; none at the end. Of a line that no record can hold only the beginning is kept.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, Failure> {
        let mut text = Vec::new();
        let mut is_begun = false;
        loop {
            let piece = match self.content.input.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken(&error)),
            };
            if piece.is_empty() && !is_begun {
                return Ok(None);
            }
            is_begun = true;
            let end = piece.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(piece.len(), |end| end + 1);
            let room = MAX_LINE_BYTES - text.len();
            text.extend_from_slice(&piece[..end.unwrap_or(piece.len()).min(room)]);
            self.hasher.update(&piece[..taken]);
            let is_last = piece.is_empty();
            self.content.input.consume(taken);
            if end.is_some() || is_last {
                self.numbers += 1;
                return Ok(Some(Line { number: self.numbers, text }));
            }
        }
    }

    fn broken(&self, error: &io::Error) -> Failure {
        let (path, unit) = (self.path.display(), self.unit());
        let what = format!("{path} cannot be read after {unit} {} ({error})", self.numbers);
        Failure::new(what, "check the file, and unpack it to see where it ends; nothing after that was looked at")
    }

    /// The hash of all bytes so far, decompressed: the same events are the same history however they are compressed.
    pub(crate) fn hash(&self) -> u128 {
        self.hasher.finish()
    }

    /// What its lines are.
    pub(crate) fn unit(&self) -> Unit {
        self.content.unit
    }

    /// Bytes of the file itself that were read, and that there are.
    pub(crate) fn position(&self) -> (u64, u64) {
        (self.content.read.load(Ordering::Relaxed), self.content.size)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use headcount_core::hash::hash128;

    use super::*;

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn read_all(bytes: &[u8]) -> (Vec<(u64, Vec<u8>)>, u128) {
        let file = written(bytes);
        let mut lines = Lines::open(file.path()).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push((line.number, line.text));
        }
        assert_eq!(lines.position(), (bytes.len() as u64, bytes.len() as u64));
        (all, lines.hash())
    }

    #[test]
    fn lines_and_hash_are_those_of_the_content_however_it_is_compressed() {
        let plain = b"a\n\nb\r\nlast";
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(plain).unwrap();
        let zstd = zstd::stream::encode_all(&plain[..], 1).unwrap();
        let wanted: Vec<(u64, Vec<u8>)> =
            vec![(1, b"a".to_vec()), (2, Vec::new()), (3, b"b\r".to_vec()), (4, b"last".to_vec())];
        for form in [plain.to_vec(), gzip.finish().unwrap(), zstd] {
            assert_eq!(read_all(&form), (wanted.clone(), hash128(plain)));
        }
        assert_eq!(read_all(b""), (Vec::new(), hash128(b"")));
        assert_eq!(read_all(b"\n").0, [(1, Vec::new())]);
    }

    #[test]
    fn a_line_that_no_record_holds_is_kept_in_part_and_hashed_whole() {
        let mut bytes = vec![b'x'; 2 * MAX_LINE_BYTES];
        bytes.extend_from_slice(b"\nnext");
        let (lines, hash) = read_all(&bytes);
        assert_eq!(
            lines.iter().map(|(number, text)| (*number, text.len())).collect::<Vec<_>>(),
            [(1, MAX_LINE_BYTES), (2, 4)]
        );
        assert_eq!(hash, hash128(&bytes));
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&b"line\n".repeat(100_000)).unwrap();
        let gzip = gzip.finish().unwrap();
        let file = written(&gzip[..gzip.len() / 2]);
        let mut lines = Lines::open(file.path()).unwrap();
        let failure = loop {
            match lines.next() {
                Ok(line) => assert!(line.is_some(), "the end was not there"),
                Err(failure) => break failure.to_string(),
            }
        };
        assert!(failure.contains("cannot be read after line"), "{failure}");
        assert!(Lines::open(Path::new("/no/such/file")).is_err());
    }
}
