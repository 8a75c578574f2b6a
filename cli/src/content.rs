//! What a file of events holds, as lines: whatever it is compressed with, in whichever encoding, and of arrays and of objects
//! over several lines each element as a line of its own.

mod elements;
mod utf16;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use headcount_core::limits::MAX_RECORD_BYTES;
use headcount_core::wire::{Form, Gunzip};
use serde::Serialize;

use crate::failure::Failure;
use elements::ElementLines;
use utf16::{Encoding, Utf8};

/// Bytes that are read from the disk at once.
const READ_BYTES: usize = 256 << 10;

/// Bytes of a line that are kept: one more than a record may have, so that whoever decodes it sees that it is too long.
pub(crate) const MAX_LINE_BYTES: usize = MAX_RECORD_BYTES + 1;

/// The largest window of zstd that is allowed, as a power of two: all that `zstd --long=31` makes. Who reads a file chose it.
const MAX_ZSTD_WINDOW_LOG: u32 = 31;

/// A file's content, decompressed, and how much of the file itself was read.
pub(crate) struct Content {
    pub(crate) input: Box<dyn BufRead + Send>,
    /// What each of its lines is.
    pub(crate) unit: Unit,
    /// Bytes of the file itself that were read.
    pub(crate) read: Arc<AtomicU64>,
    pub(crate) size: u64,
}

/// What a line of the content is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Unit {
    /// A line of the file.
    #[default]
    Line,
    /// An element of the file's arrays, or one of its objects that are printed over several lines.
    Element,
}

impl Unit {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Element => "element",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Content {
    /// Opens a regular file: it may have to be read twice, which neither a pipe nor a folder can be.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = |error| cannot_read(path, &error);
        let file = File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if !metadata.is_file() {
            return Err(cannot(io::Error::other("it is no regular file")));
        }
        Self::of(file, metadata.len()).map_err(cannot)
    }

    /// What comes from `input`, `size` bytes if that is known. The first bytes tell what it is.
    pub(crate) fn of(input: impl Read + Send + 'static, size: u64) -> io::Result<Self> {
        let read = Arc::<AtomicU64>::default();
        let counted = BufReader::with_capacity(READ_BYTES, Counted { input, read: read.clone() });
        let plain = decompressed(counted)?;
        let (input, unit) = lines(text(plain)?)?;
        Ok(Self { input, unit, read, size })
    }
}

/// What to say where a file cannot be read.
pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{} cannot be read ({error})", path.display()), "check the path; it must be a file")
}

fn decompressed(mut input: BufReader<impl Read + Send + 'static>) -> io::Result<Box<dyn BufRead + Send>> {
    Ok(match Form::of(input.fill_buf()?) {
        Form::Plain => Box::new(input),
        Form::Gzip => Box::new(BufReader::with_capacity(READ_BYTES, Gunzip::new(input))),
        Form::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            Box::new(BufReader::with_capacity(READ_BYTES, decoder))
        }
        Form::Kpl => return Err(io::Error::other("it holds a record of the Kinesis Producer Library")),
    })
}

/// The content as UTF-8, without a byte order mark.
fn text(mut input: Box<dyn BufRead + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    let begin = input.fill_buf()?;
    if begin.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
        return Ok(input);
    }
    Ok(match Encoding::of(begin) {
        Some(encoding) => Box::new(BufReader::with_capacity(READ_BYTES, Utf8::new(input, encoding))),
        None => input,
    })
}

fn lines(mut input: Box<dyn BufRead + Send>) -> io::Result<(Box<dyn BufRead + Send>, Unit)> {
    let begin = input.fill_buf()?.trim_ascii_start();
    let is_elements = match begin.first() {
        Some(b'[') => true,
        // An object that goes on in the next line.
        Some(b'{') => memchr::memchr(b'\n', begin).is_some_and(|end| begin[1..end].trim_ascii().is_empty()),
        _ => false,
    };
    if is_elements {
        let elements = BufReader::with_capacity(READ_BYTES, ElementLines::new(input));
        return Ok((Box::new(elements), Unit::Element));
    }
    Ok((input, Unit::Line))
}

/// An input that tells how much of it was read.
struct Counted<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(bytes: &[u8]) -> (String, Unit) {
        let mut content = Content::of(io::Cursor::new(bytes.to_vec()), 0).unwrap();
        let mut text = String::new();
        content.input.read_to_string(&mut text).unwrap();
        (text, content.unit)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd_of_window(bytes: &[u8], window_log: u32) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.flush().unwrap();
        encoder.finish().unwrap()
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn every_wrapping_gives_the_same_lines() {
        let plain = "{\"a\": \"ü😀\"}\n{\"b\": 2}\n";
        for wrapped in [
            plain.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", plain.as_bytes()].concat(),
            gzip(plain.as_bytes()),
            [gzip(plain.as_bytes()), vec![0; 4_096]].concat(),
            [gzip(&plain.as_bytes()[..9]), gzip(&plain.as_bytes()[9..])].concat(),
            zstd_of_window(plain.as_bytes(), 20),
            zstd_of_window(plain.as_bytes(), 27),
            utf16(plain, u16::to_le_bytes),
            utf16(plain, u16::to_be_bytes),
            utf16(&format!("\u{feff}{plain}"), u16::to_le_bytes),
            gzip(&utf16(&format!("\u{feff}{plain}"), u16::to_be_bytes)),
        ] {
            assert_eq!(read(&wrapped), (plain.to_owned(), Unit::Line));
        }
        assert_eq!(read(b""), (String::new(), Unit::Line));
    }

    #[test]
    fn elements_are_lines_however_they_are_printed() {
        let lines = "{\"a\": 1}\n{\"b\": {\"c\": [2]}}\n7\n";
        for text in [
            "[{\"a\": 1}, {\"b\": {\"c\": [2]}}, 7]",
            "\n [\n{\"a\": 1},\n{\"b\": {\"c\": [2]}},\n7\n]\n",
            "[{\"a\": 1}]\n[{\"b\": {\"c\": [2]}}, 7]",
        ] {
            assert_eq!(read(text.as_bytes()), (lines.to_owned(), Unit::Element), "{text}");
        }
        let printed = "{\n  \"a\": 1\n}\n{\n  \"b\": [\n    2\n  ]\n}\n";
        let joined = "{   \"a\": 1 }\n{   \"b\": [     2   ] }\n";
        assert_eq!(read(printed.as_bytes()), (joined.to_owned(), Unit::Element));
        assert_eq!(read(b"[]").0, "");
    }

    #[test]
    fn what_is_damaged_is_told() {
        let whole = gzip(b"{}\n");
        for damaged in [&whole[..whole.len() - 3], &[&*whole, b"rubbish"].concat()] {
            let mut content = Content::of(io::Cursor::new(damaged.to_vec()), 0).unwrap();
            assert!(content.input.read_to_string(&mut String::new()).is_err());
        }
        assert!(Content::open(Path::new("/no/such/file")).is_err());
        assert!(Content::open(&std::env::temp_dir()).is_err(), "a folder");
    }
}
