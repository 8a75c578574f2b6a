//! What the table's file was like when it was closed. While nobody has it open, nothing in it may change.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use headcount_core::hash::Hasher128;
use headcount_core::seal::{open, seal};
use serde::{Deserialize, Serialize};

use crate::data_dir;

/// The sum of a file that is closed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    bytes: u64,
    xxh3: String,
}

/// The file beside the table's.
fn path_of_sum(table: &Path) -> PathBuf {
    table.with_extension("sum.json")
}

/// Writes the sum of a table that is closed. Without one, the next start looks at its structure alone.
pub(super) fn write(table: &Path) {
    // What is left of its log has not reached the file.
    let is_whole = fs::metadata(table.with_extension("sqlite-wal")).is_err();
    if !is_whole {
        return;
    }
    let written = sum(table)
        .map_err(|error| error.to_string())
        .and_then(|sum| data_dir::replace(&path_of_sum(table), &seal(&sum)).map_err(|error| error.to_string()));
    if let Err(error) = written {
        tracing::warn!(error, "the sum of the table's file could not be written");
    }
}

/// What changed since the file was closed, if it was. The sum is gone then: the file is about to be opened.
pub(super) fn check(table: &Path) -> Option<String> {
    let path = path_of_sum(table);
    let text = fs::read(&path).ok()?;
    let is_same = match (open::<Sum>(&text), sum(table)) {
        (Ok(wanted), Ok(found)) => wanted == found,
        _ => false,
    };
    if let Err(error) = fs::remove_file(&path).and_then(|()| data_dir::sync_directory(&path)) {
        tracing::warn!(%error, file = %path.display(), "the sum of the table's file could not be removed");
    }
    (!is_same).then(|| "it is not as it was when it was closed".to_owned())
}

fn sum(table: &Path) -> io::Result<Sum> {
    let (mut file, mut hasher, mut bytes) = (File::open(table)?, Hasher128::default(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Sum { bytes, xxh3: format!("{:032x}", hasher.finish()) });
        }
        bytes += read as u64;
        hasher.update(&buffer[..read]);
    }
}
