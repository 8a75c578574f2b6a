//! `headcount generate`: realistic events on standard output.

use std::io::{self, BufWriter, Write};

use headcount_runtime::clock::Clock;

use crate::args::{Generate, Moment};
use crate::failure::{Ending, Failure};
use crate::generate::{Generator, GeneratorOptions};
use crate::interrupt::Interrupt;

/// Events for each user, where the number of users is not given.
const EVENTS_PER_USER: u64 = 10;

/// Lines between two looks at the interrupt.
const LINES_A_LOOK: u64 = 1_000;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 16;

/// How many users make so many events, where nobody says.
pub(crate) fn default_users(events: u64) -> u32 {
    u32::try_from((events / EVENTS_PER_USER).max(1)).unwrap_or(u32::MAX)
}

/// Runs it.
pub(crate) fn run(args: &Generate, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let generator = Generator::new(&options(args)).map_err(|error| Failure::Usage(error.to_string()))?;
    write(generator.map(|line| line.json), io::stdout().lock(), interrupt)
}

fn options(args: &Generate) -> GeneratorOptions {
    let end_ms = args.end.map_or_else(|| Clock::system().now_ms(), |Moment(ms)| ms);
    GeneratorOptions {
        events: args.events,
        users: args.users.unwrap_or_else(|| default_users(args.events)),
        days: args.days,
        seed: args.seed,
        zone: args.zone,
        invalid_rate: args.invalid,
        duplicate_rate: args.duplicates,
        ..GeneratorOptions::new(end_ms)
    }
}

fn write(lines: impl Iterator<Item = String>, output: impl Write, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let mut output = BufWriter::with_capacity(BUFFER_BYTES, output);
    for (number, line) in (1..).zip(lines) {
        writeln!(output, "{line}").map_err(|error| Failure::writing(&error))?;
        if u64::is_multiple_of(number, LINES_A_LOOK) && interrupt.is_asked() {
            output.flush().map_err(|error| Failure::writing(&error))?;
            return Ok(Ending::Interrupted);
        }
    }
    output.flush().map_err(|error| Failure::writing(&error))?;
    Ok(Ending::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that goes after so many bytes.
    struct Pipe(usize);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|number| format!("{{\"number\":{number}}}"))
    }

    #[test]
    fn every_line_is_written_once() {
        let (_asked, interrupt) = Interrupt::manual();
        let mut bytes = Vec::new();
        assert_eq!(write(lines(2_500), &mut bytes, &interrupt), Ok(Ending::Fine));
        assert!(lines(2_500).eq(String::from_utf8(bytes).unwrap().lines()));
    }

    #[test]
    fn a_reader_that_goes_ends_it_quietly() {
        let (_asked, interrupt) = Interrupt::manual();
        assert_eq!(write(lines(100_000), Pipe(200_000), &interrupt), Err(Failure::ReaderGone));
        assert_eq!(write(lines(3), Pipe(10), &interrupt), Err(Failure::ReaderGone), "only seen by the last flush");
    }

    #[test]
    fn an_interrupt_ends_it_at_a_whole_line() {
        let (asked, interrupt) = Interrupt::manual();
        asked.send_replace(true);
        let mut bytes = Vec::new();
        assert_eq!(write(lines(100_000), &mut bytes, &interrupt), Ok(Ending::Interrupted));
        assert_eq!(String::from_utf8(bytes).unwrap().lines().count() as u64, LINES_A_LOOK);
    }

    #[test]
    fn users_grow_with_events() {
        for (events, users) in [(1, 1), (20_000, 2_000), (1_000_000_000, 100_000_000)] {
            assert_eq!(default_users(events), users);
        }
    }
}
