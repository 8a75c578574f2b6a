//! `headcount send`: newline-delimited events into the stream.

mod pace;
mod resume;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use headcount_producer::limits::MAX_RECORD_BYTES;
use headcount_producer::{Packing, Producer};
use pace::Pace;
use resume::Position;
use serde::Serialize;

use crate::args::{Source, StreamArgs};
use crate::connect;
use crate::content::{Content, cannot_read};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::lines::reader::{self, RawLine};
use crate::lines::{Line, classify_all};
use crate::output::{self, numbers::whole, table::Table};
use crate::progress::Progress;
use crate::sender::Sender;

const EXAMPLES: &str = "\
Examples:
  headcount send --local events.ndjson                 to a running `headcount serve`
  zcat events.gz | headcount send --stream clicks -    to the stream `clicks` of your AWS account
  headcount send --failed left.ndjson events.ndjson    keeps what the stream refused, to send it again
  headcount send --pack --resume sent.json big.ndjson  a ninth of the bytes; after Ctrl-C the same command goes on

An event without `eventId` and `timestamp` gets both before the first try, one with a `timestamp` alone gets an
`eventId`: a request that is repeated then counts once. Each line is one record, its `userId` the partition key, unless `--pack` is given.

`--resume` keeps the number of the lines that are done, and what ids and times are made from: a line that is sent again
by another run is the same event. An array of events without ids in one line is the exception.";

/// `headcount send`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Send {
    /// The file of newline-delimited events, `-` for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) source: Source,
    /// Write the lines that the stream kept refusing to this file, as they were sent
    #[arg(long, value_name = "FILE")]
    pub(crate) failed: Option<PathBuf>,
    /// Send at most so many events a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: Option<u32>,
    /// Requests on their way at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) concurrency: u8,
    /// Pack many events into one record, compressed: a ninth of the bytes
    #[arg(long, overrides_with = "no_pack")]
    pub(crate) pack: bool,
    /// One event a record; this is the default
    #[arg(long, overrides_with = "pack")]
    pub(crate) no_pack: bool,
    /// Keep in this file how far it is; where it exists, go on there
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to.
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
}

/// How long a line waits for company while no other comes.
const LINGER: Duration = Duration::from_secs(1);

/// Lines that are reported one by one; the others are counted.
const MAX_REPORTED_LINES: u64 = 20;

/// What the command did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// Lines that were read, blank ones included.
    lines: u64,
    /// Blank lines, which were skipped.
    blank: u64,
    /// Events that the stream has.
    sent: u64,
    /// Events that were given an `eventId`.
    identified: u64,
    /// Lines and events that did not reach the stream, by reason.
    refused: BTreeMap<String, u64>,
    /// Lines that an earlier run had sent already.
    #[serde(skip_serializing_if = "is_zero")]
    resumed: u64,
    /// Whether Ctrl-C ended it before the last line.
    interrupted: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Summary {
    fn refused_in_all(&self) -> u64 {
        self.refused.values().sum()
    }

    fn refuse(&mut self, reason: &str) {
        *self.refused.entry(reason.to_owned()).or_default() += 1;
    }

    fn ending(&self) -> Ending {
        match (self.interrupted, self.refused_in_all()) {
            (true, _) => Ending::Interrupted,
            (false, 0) => Ending::Fine,
            (false, _) => Ending::Differences,
        }
    }
}

/// Runs it.
pub(crate) async fn run(args: Send, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let input = open(&args.source)?;
    let position = Position::open(args.resume.as_deref(), args.failed.is_some())?;
    let given_up = args.failed.as_deref().map(|path| GivenUp::open(path, position.is_resumed())).transpose()?;
    let Some(stream) = interrupt.or(connect::stream(&args.stream)).await else { return Ok(Ending::Interrupted) };
    let progress = Progress::start("sending", None);
    let packing = if args.pack { Packing::Zstd } else { Packing::Off };
    let builder = Producer::builder().queue_packing(packing).concurrency(usize::from(args.concurrency));
    let producer = builder.build_on(stream?).map_err(Failure::said)?;
    let mut sending = Sending::new(Sender::new(producer, packing), given_up, progress, position);
    sending.pace = args.rate.map(Pace::new);
    let outcome = sending.run(input, interrupt).await;
    let (summary, kept) = sending.end();
    report(&summary, args.json)?;
    outcome?;
    kept?;
    if summary.refused_in_all() > 0 && args.failed.is_none() {
        output::note("hint: --failed FILE keeps the events that the stream refused, to send them again");
    }
    Ok(summary.ending())
}

/// The lines of the input, whatever it is compressed with; of an array its elements.
fn open(source: &Source) -> Result<Box<dyn BufRead + std::marker::Send>, Failure> {
    let content = match source {
        Source::Stdin => Content::of(io::stdin(), 0).map_err(|error| cannot_read(Path::new("-"), &error))?,
        Source::File(path) => {
            File::open(path).and_then(|file| Content::of(file, 0)).map_err(|error| cannot_read(path, &error))?
        }
    };
    Ok(content.input)
}

/// Where the events that the stream refused are kept.
struct GivenUp {
    path: String,
    file: BufWriter<File>,
}

impl GivenUp {
    /// A resumed run adds to what is there.
    fn open(path: &Path, adds: bool) -> Result<Self, Failure> {
        let path_text = path.display().to_string();
        match File::options().create(true).write(true).append(adds).truncate(!adds).open(path) {
            Ok(file) => Ok(Self { path: path_text, file: BufWriter::new(file) }),
            Err(error) => {
                Err(Failure::new(format!("{path_text} cannot be written ({error})"), "give --failed another file"))
            }
        }
    }

    fn keep(&mut self, events: &[String]) -> Result<(), Failure> {
        let written = events.iter().try_for_each(|event| {
            self.file.write_all(event.as_bytes())?;
            self.file.write_all(b"\n")
        });
        written.and_then(|()| self.file.flush()).map_err(|error| {
            Failure::new(format!("{} cannot be written ({error})", self.path), "see whether the disk is full")
        })
    }
}

/// The work between input and stream.
struct Sending {
    sender: Sender,
    given_up: Option<GivenUp>,
    progress: Progress,
    position: Position,
    pace: Option<Pace>,
    summary: Summary,
    reported: u64,
}

impl Sending {
    fn new(sender: Sender, given_up: Option<GivenUp>, progress: Progress, position: Position) -> Self {
        Self { sender, given_up, progress, position, pace: None, summary: Summary::default(), reported: 0 }
    }

    /// Sends every line, or as far as it comes; what was begun is finished in any case.
    async fn run(&mut self, input: Box<dyn BufRead + std::marker::Send>, interrupt: &Interrupt) -> Result<(), Failure> {
        let outcome = self.send_lines(input, interrupt).await;
        let finished = self.sender.finish().await;
        let kept = self.keep_given_up();
        let remembered = self.position.keep(&self.sender, true);
        outcome.and(finished).and(kept).and(remembered)
    }

    async fn send_lines(
        &mut self,
        input: Box<dyn BufRead + std::marker::Send>,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let mut lines = reader::spawn(input);
        loop {
            let next = match interrupt.or(tokio::time::timeout(LINGER, lines.recv())).await {
                Some(Err(_)) => {
                    self.sender.flush().await;
                    self.position.keep(&self.sender, false)?;
                    continue;
                }
                Some(Ok(next)) => Some(next),
                None => None,
            };
            let (number, line) = match next {
                None => {
                    self.summary.interrupted = true;
                    return Ok(());
                }
                Some(None) => return Ok(()),
                Some(Some(Err(error))) => {
                    let what = format!("the input cannot be read after line {} ({error})", self.summary.lines);
                    return Err(Failure::new(what, "check the file; the lines before were sent"));
                }
                Some(Some(Ok(line))) => line,
            };
            if self.position.skips(number, &line)? {
                self.summary.resumed += 1;
                continue;
            }
            if let Some(pace) = &mut self.pace {
                let Some(()) = interrupt.or(pace.next()).await else {
                    self.summary.interrupted = true;
                    return Ok(());
                };
            }
            self.take(number, line).await?;
        }
    }

    async fn take(&mut self, number: u64, line: RawLine) -> Result<(), Failure> {
        self.summary.lines += 1;
        self.position.take(number, &line);
        match line {
            RawLine::Whole(bytes) => {
                for line in classify_all(&bytes, self.position.identities(number)) {
                    self.take_one(number, line).await?;
                }
            }
            RawLine::TooLong => self.take_one(number, Line::TooLong).await?,
        }
        self.position.keep(&self.sender, false)
    }

    async fn take_one(&mut self, number: u64, line: Line) -> Result<(), Failure> {
        match line {
            Line::Blank => self.summary.blank += 1,
            Line::NotJson(reason) => self.refuse(number, "NotJson", &format!("no JSON: {reason}")),
            Line::TooLong => {
                let rule = format!("longer than a record may be ({} bytes)", whole(MAX_RECORD_BYTES as u64));
                self.refuse(number, "TooLong", &rule);
            }
            Line::Event { event, minted } => {
                self.summary.identified += u64::from(minted);
                self.sender.push(event, number).await?;
                self.progress.set(self.sender.tally().settled());
                self.keep_given_up()?;
            }
        }
        Ok(())
    }

    fn refuse(&mut self, number: u64, reason: &str, problem: &str) {
        self.summary.refuse(reason);
        self.reported += 1;
        match self.reported {
            ..=MAX_REPORTED_LINES => self.progress.note(&format!("line {number}: {problem}")),
            reported if reported == MAX_REPORTED_LINES + 1 => {
                self.progress.note("further lines of this kind are counted, not shown");
            }
            _ => {}
        }
    }

    fn keep_given_up(&mut self) -> Result<(), Failure> {
        let events = self.sender.take_given_up();
        match &mut self.given_up {
            Some(given_up) if !events.is_empty() => given_up.keep(&events),
            _ => Ok(()),
        }
    }

    fn end(mut self) -> (Summary, Result<(), Failure>) {
        let kept = self.keep_given_up();
        self.progress.finish();
        let tally = self.sender.tally();
        self.summary.sent = tally.sent;
        for (reason, count) in &tally.refused {
            *self.summary.refused.entry(reason.clone()).or_default() += count;
        }
        (self.summary, kept)
    }
}

fn report(summary: &Summary, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(summary);
    }
    output::line(&table(summary).to_string())?;
    if summary.interrupted {
        output::note(&format!("interrupted after line {}", summary.lines));
    }
    Ok(())
}

fn table(summary: &Summary) -> Table {
    let mut table = Table::new(["what", "count"]);
    let mut count = |name: &str, count: u64| table.row([name.to_owned(), whole(count)]);
    count("lines", summary.lines);
    if summary.resumed > 0 {
        count("sent by an earlier run", summary.resumed);
    }
    count("sent", summary.sent);
    if summary.identified > 0 {
        count("  of these given an eventId", summary.identified);
    }
    if summary.blank > 0 {
        count("blank", summary.blank);
    }
    count("refused", summary.refused_in_all());
    for (reason, refused) in &summary.refused {
        count(&format!("  {reason}"), *refused);
    }
    table
}

#[cfg(test)]
mod tests;
