//! `headcount send`: newline-delimited events into the stream.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use headcount_store::retry::Jitter;
use serde::Serialize;

use crate::args::{Send, Source};
use crate::connect;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::lines::reader::{self, RawLine};
use crate::lines::{Line, SystemIdentities, classify};
use crate::output::{self, numbers::whole, table::Table};
use crate::progress::Progress;
use crate::put_records::{MAX_RECORD_BYTES, Record, Sender, Target};

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
    /// Records that the stream has.
    sent: u64,
    /// Events that were given an `eventId`.
    identified: u64,
    /// Lines and records that did not reach the stream, by reason.
    refused: BTreeMap<String, u64>,
    /// Whether Ctrl-C ended it before the last line.
    interrupted: bool,
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
    let given_up = args.failed.as_deref().map(GivenUp::create).transpose()?;
    let Some(stream) = interrupt.or(connect::stream(&args.stream)).await else { return Ok(Ending::Interrupted) };
    let progress = Progress::start("sending", None);
    let mut sending = Sending::new(Sender::new(stream?, Jitter::from_entropy()), given_up, progress);
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

fn open(source: &Source) -> Result<Box<dyn BufRead + std::marker::Send>, Failure> {
    match source {
        Source::Stdin => Ok(Box::new(BufReader::new(io::stdin()))),
        Source::File(path) => match File::open(path) {
            Ok(file) => Ok(Box::new(BufReader::new(file))),
            Err(error) => Err(Failure::new(format!("{} cannot be read ({error})", path.display()), "check the path")),
        },
    }
}

/// Where the events that the stream refused are kept.
struct GivenUp {
    path: String,
    file: BufWriter<File>,
}

impl GivenUp {
    fn create(path: &Path) -> Result<Self, Failure> {
        let path_text = path.display().to_string();
        match File::create(path) {
            Ok(file) => Ok(Self { path: path_text, file: BufWriter::new(file) }),
            Err(error) => {
                Err(Failure::new(format!("{path_text} cannot be written ({error})"), "give --failed another file"))
            }
        }
    }

    fn keep(&mut self, records: &[Record]) -> Result<(), Failure> {
        let written = records.iter().try_for_each(|record| {
            self.file.write_all(&record.data)?;
            self.file.write_all(b"\n")
        });
        written.and_then(|()| self.file.flush()).map_err(|error| {
            Failure::new(format!("{} cannot be written ({error})", self.path), "see whether the disk is full")
        })
    }
}

/// The work between input and stream.
struct Sending<T> {
    sender: Sender<T>,
    given_up: Option<GivenUp>,
    progress: Progress,
    identities: SystemIdentities,
    summary: Summary,
    reported: u64,
}

impl<T: Target> Sending<T> {
    fn new(sender: Sender<T>, given_up: Option<GivenUp>, progress: Progress) -> Self {
        let identities = SystemIdentities::new();
        Self { sender, given_up, progress, identities, summary: Summary::default(), reported: 0 }
    }

    /// Sends every line, or as far as it comes; what was begun is finished in any case.
    async fn run(&mut self, input: Box<dyn BufRead + std::marker::Send>, interrupt: &Interrupt) -> Result<(), Failure> {
        let outcome = self.send_lines(input, interrupt).await;
        let finished = self.sender.finish().await;
        let kept = self.keep_given_up();
        outcome.and(finished).and(kept)
    }

    async fn send_lines(
        &mut self,
        input: Box<dyn BufRead + std::marker::Send>,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let mut lines = reader::spawn(input);
        loop {
            let (number, line) = match interrupt.or(lines.recv()).await {
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
            self.take(number, line).await?;
        }
    }

    async fn take(&mut self, number: u64, line: RawLine) -> Result<(), Failure> {
        self.summary.lines += 1;
        let line = match line {
            RawLine::Whole(bytes) => classify(&bytes, &mut self.identities),
            RawLine::TooLong => Line::TooLong,
        };
        match line {
            Line::Blank => self.summary.blank += 1,
            Line::NotJson(reason) => self.refuse(number, "NotJson", &format!("no JSON: {reason}")),
            Line::TooLong => {
                let rule = format!("longer than a record may be ({} bytes)", whole(MAX_RECORD_BYTES as u64));
                self.refuse(number, "TooLong", &rule);
            }
            Line::Event { record, minted } => {
                self.summary.identified += u64::from(minted);
                self.sender.push(record).await?;
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
        let records = self.sender.take_given_up();
        match &mut self.given_up {
            Some(given_up) if !records.is_empty() => given_up.keep(&records),
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
