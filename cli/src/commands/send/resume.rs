//! `--resume`: how far a file was sent, and what made its identities, so that another run goes on there.
//!
//! The position lies behind lines whose events the stream has, and may lie before others that it has too. Sent again they
//! are the same events: what the run mints is made from its beginning, a salt and the line's number, all kept in the file.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headcount_core::hash::Hasher128;
use headcount_runtime::clock::Clock;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::lines::reader::RawLine;
use crate::lines::{Identities, RepeatableIdentities, SystemIdentities};
use crate::sender::Sender;

/// The version of the file.
const VERSION: u32 = 1;

/// Lines between two places where a run may begin again.
const LINES_A_MARK: u64 = 500;

/// Time between two writes of the file.
const WRITE_INTERVAL: Duration = Duration::from_millis(500);

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    version: u32,
    /// When the first run began, milliseconds since the epoch.
    started_ms: u64,
    /// In hexadecimal.
    salt: String,
    /// Lines that are done.
    lines: u64,
    /// The hash of these lines, in hexadecimal.
    digest: String,
}

/// How far it is.
pub(super) struct Position {
    file: Option<(PathBuf, Kept)>,
    /// Whether lines are done whose events were given up and kept elsewhere.
    but_given_up: bool,
    /// Lines that an earlier run did.
    resumed: u64,
    hasher: Hasher128,
    /// Lines that were hashed.
    seen: u64,
    marks: VecDeque<(u64, u128)>,
    written: Instant,
    identities: Minting,
}

enum Minting {
    Fresh(SystemIdentities),
    Repeatable(RepeatableIdentities),
}

impl Identities for Minting {
    fn now_ms(&self) -> u64 {
        match self {
            Self::Fresh(identities) => identities.now_ms(),
            Self::Repeatable(identities) => identities.now_ms(),
        }
    }

    fn random(&mut self) -> [u8; 10] {
        match self {
            Self::Fresh(identities) => identities.random(),
            Self::Repeatable(identities) => identities.random(),
        }
    }
}

impl Position {
    /// The position in this file, at the beginning where there is none yet; of a run without a file, none.
    pub(super) fn open(path: Option<&Path>, but_given_up: bool) -> Result<Self, Failure> {
        let mut position = Self {
            file: None,
            but_given_up,
            resumed: 0,
            hasher: Hasher128::default(),
            seen: 0,
            marks: VecDeque::new(),
            written: Instant::now(),
            identities: Minting::Fresh(SystemIdentities::new()),
        };
        let Some(path) = path else { return Ok(position) };
        let kept = match std::fs::read(path) {
            Ok(bytes) => read(path, &bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let kept = Kept {
                    version: VERSION,
                    started_ms: Clock::system().now_ms().max(0) as u64,
                    salt: format!("{:032x}", fastrand::u128(..)),
                    lines: 0,
                    digest: hex(Hasher128::default().finish()),
                };
                // Before the first event is sent: what this run mints must be known to the next one.
                write(path, &kept)?;
                kept
            }
            Err(error) => return Err(cannot("read", path, &error)),
        };
        let salt = u128::from_str_radix(&kept.salt, 16).map_err(|error| damaged(path, &error.to_string()))?;
        position.identities = Minting::Repeatable(RepeatableIdentities::new(kept.started_ms, salt));
        position.resumed = kept.lines;
        position.file = Some((path.to_owned(), kept));
        Ok(position)
    }

    /// Whether an earlier run did a part.
    pub(super) fn is_resumed(&self) -> bool {
        self.resumed > 0
    }

    /// Whether an earlier run did this line.
    pub(super) fn skips(&mut self, number: u64, line: &RawLine) -> Result<bool, Failure> {
        let Some((path, kept)) = self.file.as_ref().filter(|_| number <= self.resumed) else { return Ok(false) };
        hash(&mut self.hasher, line);
        self.seen = number;
        if number == self.resumed && hex(self.hasher.finish()) != kept.digest {
            return Err(Failure::new(
                format!("the input is not the one of which {} says that {number} lines were sent", path.display()),
                "give the same input, or another file to --resume",
            ));
        }
        Ok(true)
    }

    /// What mints the identity of this line, which is sent now.
    pub(super) fn identities(&mut self, number: u64) -> &mut impl Identities {
        if let Minting::Repeatable(identities) = &mut self.identities {
            identities.begin_line(number);
        }
        &mut self.identities
    }

    /// Takes note of a line that is sent now.
    pub(super) fn take(&mut self, number: u64, line: &RawLine) {
        if self.file.is_some() {
            hash(&mut self.hasher, line);
            self.seen = number;
        }
    }

    /// Writes down how far the sender is, if it is further by now.
    pub(super) fn keep(&mut self, sender: &Sender, is_last: bool) -> Result<(), Failure> {
        let Some((path, kept)) = &mut self.file else { return Ok(()) };
        let is_mark = is_last || self.seen.is_multiple_of(LINES_A_MARK);
        if is_mark && self.marks.back().is_none_or(|(lines, _)| *lines < self.seen) {
            self.marks.push_back((self.seen, self.hasher.finish()));
        }
        if !is_last && self.written.elapsed() < WRITE_INTERVAL {
            return Ok(());
        }
        let done = sender.first_open_line(self.but_given_up).map_or(self.seen, |line| line - 1);
        let mut reached = None;
        while let Some(mark) = self.marks.pop_front_if(|(lines, _)| *lines <= done) {
            reached = Some(mark);
        }
        if let Some((lines, digest)) = reached.filter(|(lines, _)| *lines > kept.lines) {
            (kept.lines, kept.digest) = (lines, hex(digest));
            write(path, kept)?;
        }
        self.written = Instant::now();
        Ok(())
    }
}

fn hash(hasher: &mut Hasher128, line: &RawLine) {
    match line {
        RawLine::Whole(bytes) => hasher.update(bytes),
        RawLine::TooLong => hasher.update(b"\0"),
    }
    hasher.update(b"\n");
}

fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}

fn read(path: &Path, bytes: &[u8]) -> Result<Kept, Failure> {
    let kept: Kept = serde_json::from_slice(bytes).map_err(|error| damaged(path, &error.to_string()))?;
    if kept.version == VERSION { Ok(kept) } else { Err(damaged(path, "it is of another version")) }
}

/// Beside it first, so that a run that dies while it writes leaves the old one.
fn write(path: &Path, kept: &Kept) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let text = serde_json::to_string(kept).map_err(|error| damaged(path, &error.to_string()))?;
    std::fs::write(&beside, text + "\n")
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|error| cannot("written", path, &error))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} cannot be {what} ({error})", path.display()), "give --resume another file")
}

fn damaged(path: &Path, detail: &str) -> Failure {
    let what = format!("{} does not say how far a file was sent ({detail})", path.display());
    Failure::new(what, "give --resume the file of an earlier run, or one that is not there yet")
}
