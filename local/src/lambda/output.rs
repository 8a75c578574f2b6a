//! What a function writes to its standard output and error: passed on, and the end of it remembered.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

/// The longest line that is passed on as one, in bytes.
const MAX_LINE_BYTES: u64 = 16 << 10;

/// Lines that are remembered.
const TAIL_LINES: usize = 8;

/// Bytes of each remembered line.
const TAIL_LINE_BYTES: usize = 300;

/// How a line of metrics begins. They are for `CloudWatch`, which reads them from the log, and not for people.
const METRICS: &[u8] = b"{\"_aws\":";

/// The last lines that a process wrote.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn push(&self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        let mut lines = self.0.lock();
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line[..line.floor_char_boundary(TAIL_LINE_BYTES)].to_owned());
    }

    /// The lines as one.
    pub(super) fn text(&self) -> String {
        let lines = self.0.lock();
        lines.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// Reads `from` line by line until it ends; copies it to our standard error where it is `passed` on. What is written there
/// is for the function's own filter to decide.
pub(super) async fn read_output(from: impl AsyncRead + Unpin, tail: Tail, passed: bool) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut from).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(bytes) if bytes > 0 => {}
            _ => return,
        }
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        if line.starts_with(METRICS) {
            continue;
        }
        tail.push(&String::from_utf8_lossy(&line));
        if passed {
            // Where nobody reads our standard error any more, the function still runs.
            let _ = std::io::stderr().write_all(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_remembered_and_long_ones_cut() {
        let tail = Tail::default();
        let long = "x".repeat(MAX_LINE_BYTES as usize + 10);
        let written = format!("{long}\n\nError: \u{e9}\nCaused by:\n  {}\nno end", "\u{e9}".repeat(200));
        read_output(written.as_bytes(), tail.clone(), true).await;
        let text = tail.text();
        assert!(text.ends_with("no end") && text.contains("Error: \u{e9} Caused by:"), "{text}");
        read_output(&b"{\"_aws\":{}}\n"[..], tail.clone(), true).await;
        assert_eq!(tail.text(), text, "metrics are no words");
        assert!(text.len() < TAIL_LINES * (TAIL_LINE_BYTES + 1), "{}", text.len());
        for n in 0..20 {
            tail.push(&n.to_string());
        }
        assert_eq!(tail.text(), "12 13 14 15 16 17 18 19");
    }
}
