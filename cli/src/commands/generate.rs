//! `headcount generate`: realistic events on standard output.

use std::io::{self, BufWriter, Write};

use chrono_tz::Tz;
use clap::Args;
use headcount_runtime::clock::Clock;

use crate::args::{Moment, values};
use crate::failure::{Ending, Failure};
use crate::generate::{Generator, GeneratorOptions};
use crate::interrupt::Interrupt;

/// Most events that one run generates.
const MAX_EVENTS: u64 = 1_000_000_000;

const EXAMPLES: &str = "\
Examples:
  headcount generate --events 1000 > events.ndjson
  headcount generate --events 1000 --seed 7 --end 2026-03-01T00:00:00Z    the same bytes every time
  headcount generate --events 50000 | headcount send --local -";

/// `headcount generate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Generate {
    /// How many lines, duplicates and invalid ones included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_EVENTS))]
    pub(crate) events: u64,
    /// How many users they come from [default: one for 10 events]
    #[arg(long, value_name = "U", value_parser = clap::value_parser!(u32).range(1..=super::MAX_USERS))]
    pub(crate) users: Option<u32>,
    /// Over how many days
    #[arg(long, value_name = "D", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub(crate) days: u32,
    /// The same seed and `--end` give the same bytes
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// When the last event happens: RFC 3339 or milliseconds since the epoch [default: now]
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) end: Option<Moment>,
    /// The share of invalid lines, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = values::share)]
    pub(crate) invalid: f64,
    /// The share of duplicates, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = values::share)]
    pub(crate) duplicates: f64,
    /// The time zone that the users live in (IANA name)
    #[arg(long, value_name = "TZ", default_value = "UTC")]
    pub(crate) zone: Tz,
}

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
