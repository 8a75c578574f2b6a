//! UTF-16, as PowerShell and spreadsheets write it, read as UTF-8.

use std::io::{self, BufRead, Read};

/// The order of the bytes of a UTF-16 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// The lower byte first.
    Little,
    /// The higher byte first.
    Big,
}

impl Encoding {
    /// What the first bytes tell: a byte order mark, or JSON whose every other byte is zero. None for UTF-8.
    pub(crate) fn of(begin: &[u8]) -> Option<Self> {
        match begin {
            [0xff, 0xfe, ..] | [b'{' | b'[' | b' ' | b'\r' | b'\n' | b'"', 0, ..] => Some(Self::Little),
            [0xfe, 0xff, ..] | [0, b'{' | b'[' | b' ' | b'\r' | b'\n' | b'"', ..] => Some(Self::Big),
            _ => None,
        }
    }

    fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }
}

/// Reads UTF-16 as UTF-8, without its byte order mark. Half a pair becomes U+FFFD.
pub(crate) struct Utf8<R> {
    input: R,
    encoding: Encoding,
    /// Bytes that are not decoded yet: half a unit, or half a pair.
    rest: Vec<u8>,
    /// Decoded text, and how much of it was read.
    text: Vec<u8>,
    at: usize,
    is_begun: bool,
}

impl<R: BufRead> Utf8<R> {
    pub(crate) fn new(input: R, encoding: Encoding) -> Self {
        Self { input, encoding, rest: Vec::new(), text: Vec::new(), at: 0, is_begun: false }
    }

    /// Decodes what comes next; whether there is any.
    fn decode(&mut self) -> io::Result<bool> {
        let bytes = self.input.fill_buf()?;
        let (count, is_last) = (bytes.len(), bytes.is_empty());
        self.rest.extend_from_slice(bytes);
        self.input.consume(count);
        let mut units: Vec<u16> =
            self.rest.chunks_exact(2).map(|pair| self.encoding.unit([pair[0], pair[1]])).collect();
        // The other half may come with the next bytes.
        if !is_last && units.last().is_some_and(|unit| matches!(unit, 0xd800..=0xdbff)) {
            units.pop();
        }
        self.rest.drain(..2 * units.len());
        if is_last {
            self.rest.clear();
        }
        self.at = 0;
        self.text.clear();
        for decoded in char::decode_utf16(units) {
            let character = decoded.unwrap_or(char::REPLACEMENT_CHARACTER);
            if self.is_begun || character != '\u{feff}' {
                self.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            self.is_begun = true;
        }
        Ok(!is_last || !self.text.is_empty())
    }
}

impl<R: BufRead> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() {
            if !self.decode()? {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.text.len() - self.at);
        buffer[..count].copy_from_slice(&self.text[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn pairs_and_units_may_be_torn_anywhere() {
        let text = "{\"a\": \"ü😀\"}\n".repeat(7);
        let mut bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for size in 1..9 {
            let mut decoded = String::new();
            let input = BufReader::with_capacity(size, &*bytes);
            Utf8::new(input, Encoding::Little).read_to_string(&mut decoded).unwrap();
            assert_eq!(decoded, text, "{size}");
        }
        bytes.truncate(17);
        let mut decoded = String::new();
        Utf8::new(&*bytes, Encoding::Little).read_to_string(&mut decoded).unwrap();
        assert_eq!(decoded, "{\"a\": \"ü");
    }
}
