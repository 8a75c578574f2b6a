//! Gzip, member after member, with the zeros that tapes and block devices leave behind it.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Decompresses gzip as `gunzip` does: all members, and zeros at the end mean nothing.
///
/// ```
/// use std::io::{Read as _, Write as _};
/// use headcount_core::wire::Gunzip;
/// let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
/// gzip.write_all(b"{}").unwrap();
/// let padded = [gzip.finish().unwrap(), vec![0; 512]].concat();
/// let mut plain = String::new();
/// Gunzip::new(&*padded).read_to_string(&mut plain).unwrap();
/// assert_eq!(plain, "{}");
/// ```
#[derive(Debug)]
pub struct Gunzip<R> {
    /// The member that is being read; none after the last.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    /// Reads compressed bytes from `input`.
    pub fn new(input: R) -> Self {
        Self { member: Some(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else { return Ok(0) };
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(member) = self.member.take() else { return Ok(0) };
            let mut rest = member.into_inner();
            if has_more_than_zeros(&mut rest)? {
                self.member = Some(GzDecoder::new(rest));
            }
        }
    }
}

/// Steps over zeros; whether anything else follows.
fn has_more_than_zeros(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let is_padding = zeros == bytes.len();
        input.consume(zeros);
        if !is_padding {
            return Ok(true);
        }
    }
}
