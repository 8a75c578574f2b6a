//! Reads lines of bounded length from a file or standard input, on a thread of its own: reading may block.

use std::io::{self, BufRead, Read};

use tokio::sync::mpsc;

use headcount_producer::limits::MAX_RECORD_BYTES;

/// Lines that wait between the reading thread and the sender.
const MAX_LINES_AHEAD: usize = 2_000;

/// One line, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RawLine {
    /// The line without its newline.
    Whole(Vec<u8>),
    /// Longer than any record; its bytes were skipped.
    TooLong,
}

/// Starts the thread. The lines come numbered from 1; after an error comes nothing more. Where the receiver goes away,
/// the thread ends with the next line.
pub(crate) fn spawn(mut input: Box<dyn BufRead + Send>) -> mpsc::Receiver<io::Result<(u64, RawLine)>> {
    let (lines, receiver) = mpsc::channel(MAX_LINES_AHEAD);
    std::thread::spawn(move || {
        for number in 1.. {
            let item = match read_line(&mut input) {
                Ok(None) => break,
                Ok(Some(line)) => Ok((number, line)),
                Err(error) => Err(error),
            };
            let is_last = item.is_err();
            if lines.blocking_send(item).is_err() || is_last {
                break;
            }
        }
    });
    receiver
}

/// The next line; `None` at the end.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<RawLine>> {
    let mut line = Vec::new();
    // One byte more than a record holds, and the newline.
    let limit = MAX_RECORD_BYTES as u64 + 2;
    let read = input.by_ref().take(limit).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.len() <= MAX_RECORD_BYTES {
        return Ok(Some(RawLine::Whole(line)));
    }
    if line.len() as u64 == limit {
        input.skip_until(b'\n')?;
    }
    Ok(Some(RawLine::TooLong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(mut input: &[u8]) -> Vec<RawLine> {
        std::iter::from_fn(|| read_line(&mut input).unwrap()).collect()
    }

    #[test]
    fn lines_end_at_newlines_and_at_the_end() {
        let whole = |text: &str| RawLine::Whole(text.as_bytes().to_vec());
        assert_eq!(read_all(b"a\n\nb\r\nc"), [whole("a"), whole(""), whole("b\r"), whole("c")]);
        assert_eq!(read_all(b""), []);
    }

    #[test]
    fn a_line_beyond_the_bound_is_skipped_whole() {
        for over in [1, 2, 3, 5_000] {
            let mut input = vec![b'x'; MAX_RECORD_BYTES + over];
            input.extend_from_slice(b"\nnext\n");
            assert_eq!(read_all(&input), [RawLine::TooLong, RawLine::Whole(b"next".to_vec())], "{over} over");
        }
        let mut input = vec![b'x'; MAX_RECORD_BYTES];
        input.extend_from_slice(b"\nnext");
        assert_eq!(read_all(&input).len(), 2);
        assert!(matches!(&read_all(&input)[0], RawLine::Whole(line) if line.len() == MAX_RECORD_BYTES));
    }

    #[tokio::test]
    async fn the_thread_numbers_lines_and_ends() {
        let mut lines = spawn(Box::new(&b"a\nb\n"[..]));
        assert_eq!(lines.recv().await.unwrap().unwrap().0, 1);
        assert_eq!(lines.recv().await.unwrap().unwrap(), (2, RawLine::Whole(b"b".to_vec())));
        assert!(lines.recv().await.is_none());
    }
}
