//! How far a long piece of work is: a bar on a terminal, now and then a plain line elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{note, numbers::whole};

/// Time between two plain lines: a log of a long run stays readable.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Time between two drawings of a bar of unknown length.
const TICK: Duration = Duration::from_millis(120);

/// The progress of one piece of work.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    total: Option<u64>,
    done: u64,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines {
        last: Instant,
    },
    #[cfg(test)]
    Nothing,
}

impl Progress {
    /// Work of `total` steps, where that is known. Shown on standard error.
    pub(crate) fn start(what: &'static str, total: Option<u64>) -> Self {
        let shown = if std::io::stderr().is_terminal() {
            Shown::Bar(bar(what, total))
        } else {
            Shown::Lines { last: Instant::now() }
        };
        Self { what, total, done: 0, shown }
    }

    /// Work that nobody watches.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self { what: "", total: None, done: 0, shown: Shown::Nothing }
    }

    /// So many steps were done in all.
    pub(crate) fn set(&mut self, done: u64) {
        self.done = done;
        match &mut self.shown {
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Lines { last } if last.elapsed() >= LINE_INTERVAL => {
                *last = Instant::now();
                note(&plain(self.what, done, self.total));
            }
            Shown::Lines { .. } => {}
            #[cfg(test)]
            Shown::Nothing => {}
        }
    }

    /// Prints a line without disturbing the bar.
    pub(crate) fn note(&self, text: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| note(text)),
            Shown::Lines { .. } => note(text),
            #[cfg(test)]
            Shown::Nothing => {}
        }
    }

    /// The work is over; the bar goes.
    pub(crate) fn finish(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{msg} [{bar:40}] {human_pos} of {human_len}, {per_sec}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg} {human_pos}, {per_sec}"),
    };
    if total.is_none() {
        bar.enable_steady_tick(TICK);
    }
    // A template that did not parse would only cost the looks; a test parses both.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> ")).with_message(what)
}

fn plain(what: &str, done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{what}: {} of {}", whole(done), whole(total)),
        None => format!("{what}: {}", whole(done)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_say_how_far_it_is() {
        assert_eq!(plain("sending", 5_000, Some(20_000)), "sending: 5,000 of 20,000");
        assert_eq!(plain("sending", 70_000, None), "sending: 70,000");
    }

    #[test]
    fn steps_add_up_and_both_bars_can_be_drawn() {
        for total in [None, Some(10)] {
            let shown = bar("sending", total);
            shown.set_draw_target(indicatif::ProgressDrawTarget::hidden());
            let mut progress = Progress { what: "sending", total, done: 0, shown: Shown::Bar(shown.clone()) };
            progress.set(7);
            assert_eq!(shown.position(), 7);
            progress.set(9);
            assert_eq!(shown.position(), 9);
            progress.finish();
        }
        let mut silent = Progress::silent();
        silent.set(2);
        assert_eq!(silent.done, 2);
    }
}
