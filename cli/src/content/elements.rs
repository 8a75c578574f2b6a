//! The elements of arrays, and objects that are printed over several lines, as one line each.

use std::io::{self, BufRead, Read};

use headcount_core::wire::Elements;

use super::MAX_LINE_BYTES;

/// Bytes that are read before elements are looked for.
const WINDOW_BYTES: usize = 1 << 20;

/// Reads elements as lines. What is damaged is a line as well, up to the next element that is sound.
pub(crate) struct ElementLines<R> {
    input: R,
    /// What was read and not taken apart yet.
    window: Vec<u8>,
    is_over: bool,
    /// Lines, and how much of them was read.
    lines: Vec<u8>,
    at: usize,
}

impl<R: BufRead> ElementLines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, window: Vec::new(), is_over: false, lines: Vec::new(), at: 0 }
    }

    /// Finds the next elements; whether there are any.
    fn find(&mut self) -> io::Result<bool> {
        self.lines.clear();
        self.at = 0;
        loop {
            let wanted = WINDOW_BYTES.min(WINDOW_BYTES + MAX_LINE_BYTES - self.window.len());
            let read = self.input.by_ref().take(wanted as u64).read_to_end(&mut self.window)?;
            self.is_over |= read < wanted;
            let mut elements =
                if self.is_over { Elements::of(&self.window) } else { Elements::of_beginning(&self.window) };
            for element in elements.by_ref() {
                push(&mut self.lines, &self.window[element]);
            }
            let mut done = elements.at();
            if self.lines.is_empty() && !self.is_over && self.window.len() - done >= MAX_LINE_BYTES {
                // Larger than anything that may come, so it is damaged: what is sound in it comes after.
                let mut elements = Elements::of(&self.window);
                if let Some(element) = elements.next() {
                    push(&mut self.lines, &self.window[element]);
                }
                done = elements.at();
            }
            self.window.drain(..done);
            if !self.lines.is_empty() || self.is_over {
                return Ok(!self.lines.is_empty());
            }
        }
    }
}

/// A line break between the parts of an element means nothing; in a string it is damage that stays within.
fn push(lines: &mut Vec<u8>, element: &[u8]) {
    lines.extend(element.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    lines.push(b'\n');
}

impl<R: BufRead> Read for ElementLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.lines.len() && !self.find()? {
            return Ok(0);
        }
        let count = buffer.len().min(self.lines.len() - self.at);
        buffer[..count].copy_from_slice(&self.lines[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: usize, data: &str) -> String {
        format!(r#"{{"eventId":"e-{id}","userId":"u","eventType":"page_view","eventData":{data}}}"#)
    }

    fn lines_of(text: &str) -> Vec<String> {
        let mut lines = String::new();
        ElementLines::new(text.as_bytes()).read_to_string(&mut lines).unwrap();
        lines.lines().map(str::to_owned).collect()
    }

    #[test]
    fn arrays_may_be_longer_than_a_window() {
        let events: Vec<_> = (0..60_000).map(|id| event(id, "{}")).collect();
        for separator in [",", ", \n"] {
            assert_eq!(lines_of(&format!("[{}]", events.join(separator))), events);
        }
    }

    #[test]
    fn damage_costs_one_element_wherever_it_is() {
        let mut events: Vec<_> = (0..40_000).map(|id| event(id, "{\"list\":[{\"a\":1}]}")).collect();
        for at in [0, 13_000, 13_100, 39_999] {
            let sound = events[at].clone();
            for damaged in [sound.replace(":1}", ":NaN}"), sound.replacen('"', "", 1), sound.replacen("}]}}", "}]}", 1)]
            {
                events[at] = damaged;
                let lines = lines_of(&format!("[{}]", events.join(",")));
                assert_eq!(lines.len(), events.len());
                assert!(lines.iter().zip(&events).all(|(line, event)| line == event), "{at}");
            }
            events[at] = sound;
        }
    }

    #[test]
    fn an_element_without_end_does_not_fill_the_memory() {
        let endless = format!("{{\"a\":\"{}", "x".repeat(3 * MAX_LINE_BYTES));
        let lines = lines_of(&format!("[{},{endless}", event(1, "{}")));
        assert!(lines.len() > 1 && lines[0] == event(1, "{}"), "{}", lines.len());
        assert!(lines.iter().all(|line| line.len() <= WINDOW_BYTES + MAX_LINE_BYTES));
        let lines = lines_of(&format!("[{endless}\",{},{}]", event(1, "{}"), event(2, "{}")));
        assert_eq!(lines[lines.len() - 2..], [event(1, "{}"), event(2, "{}")]);
    }
}
