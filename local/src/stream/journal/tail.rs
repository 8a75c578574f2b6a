//! How far each file of the journal was written when its last put was answered. A file that ends before has lost what was accepted;
//! what lies behind was never answered.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use headcount_core::seal::{open, seal};
use serde::{Deserialize, Serialize};

/// The file beside those of the journal.
const FILE_NAME: &str = "tail.json";

/// Bytes of each file, by its number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tail {
    pub(super) files: BTreeMap<u64, u64>,
}

/// What the folder says; an error where it cannot be read or is damaged.
pub(super) fn read(dir: &Path) -> Result<Tail, String> {
    match fs::read(path(dir)) {
        Ok(text) => open(&text).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Tail::default()),
        Err(error) => Err(error.to_string()),
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

/// Writes it down. It is not synced: after a loss of power it may say less than was written, and never more.
#[derive(Debug)]
pub(super) struct TailFile {
    file: File,
    tail: Tail,
    /// Bytes of the longest text that was written.
    longest: usize,
}

impl TailFile {
    pub(super) fn create(dir: &Path, tail: Tail) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(path(dir))?;
        let mut file = Self { file, tail, longest: 0 };
        file.write()?;
        Ok(file)
    }

    /// A file was written so far; `None` where it may go. What fails only keeps a later loss from being noticed.
    pub(super) fn set(&mut self, number: u64, bytes: Option<u64>) {
        match bytes {
            Some(bytes) => self.tail.files.insert(number, bytes),
            None => self.tail.files.remove(&number),
        };
        if let Err(error) = self.write() {
            tracing::warn!(%error, "the journal's tail could not be written");
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let text = seal(&self.tail);
        self.longest = self.longest.max(text.len());
        // Over all that stood there, in one write.
        let text = format!("{text:<0$}", self.longest);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), Ok(Tail::default()));
        let mut file = TailFile::create(dir.path(), Tail::default()).unwrap();
        for (number, bytes) in [(3, Some(1_000_000)), (4, Some(9)), (3, None), (4, Some(70))] {
            file.set(number, bytes);
            assert_eq!(read(dir.path()).as_ref(), Ok(&file.tail));
        }
        assert_eq!(file.tail.files, BTreeMap::from([(4, 70)]));
        fs::write(path(dir.path()), "").unwrap();
        assert!(read(dir.path()).is_err());
    }
}
