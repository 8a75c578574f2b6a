//! Whether the table's file is sound. What is not is moved aside, and the table begins anew: it follows from the event log.
//!
//! `SQLite` notices a damaged write-ahead log and silently ends at the last commit before the damage, although later pages may be
//! in the main file already. So the frames are read here first, while nobody has opened the file. The main file has no checksums:
//! after a clean stop it must be as it was then ([`super::sum`]); after a kill its structure is checked, and that every item is a
//! JSON text.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode};
use serde::de::IgnoredAny;

use crate::data_dir::{failed, sync_directory};
use crate::error::LocalError;

/// Bytes of the header of a write-ahead log (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).
const WAL_HEADER_BYTES: usize = 32;

/// Bytes of the header of each frame.
const FRAME_HEADER_BYTES: usize = 24;

/// First bytes of a write-ahead log; the lowest bit tells the byte order of checksums.
const WAL_MAGIC: u32 = 0x377f_0682;

/// Pages are at most this large.
const MAX_PAGE_BYTES: u32 = 65_536;

/// Moves a damaged file aside: where it is now. `changed` says so where it is known already that it is damaged.
pub(super) fn set_aside_if_damaged(path: &Path, changed: Option<String>) -> Result<Option<PathBuf>, LocalError> {
    let wal = with_suffix(path, "-wal");
    let found = match (exists(path)?, exists(&wal)?) {
        (false, false) => return Ok(None),
        // A crash while a damaged file was moved aside.
        (false, true) => Some("its main file is missing".to_owned()),
        (true, _) if changed.is_some() => changed,
        (true, true) => damage_of_wal(&wal).map_err(|source| failed(&wal, "read", source))?.or(damage_of_file(path)),
        (true, false) => damage_of_file(path),
    };
    let Some(damage) = found else { return Ok(None) };
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let aside = path.with_extension(format!("damaged-{now_s}.sqlite"));
    // The main file first: a log without its file is recognised at the next start, a file without its log is not.
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&aside, suffix));
        if exists(&from)? {
            fs::rename(&from, &to).map_err(|source| failed(&from, "moved aside", source))?;
        }
    }
    sync_directory(path).map_err(|source| failed(path, "moved aside", source))?;
    tracing::error!(
        damage, file = %path.display(), moved_to = %aside.display(),
        "the table's file is damaged and was moved aside; the table is restored from the event log"
    );
    Ok(Some(aside))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn exists(path: &Path) -> Result<bool, LocalError> {
    path.try_exists().map_err(|source| failed(path, "read", source))
}

/// What is wrong with a write-ahead log: a frame of its newest generation that is not covered by the chain of checksums.
fn damage_of_wal(path: &Path) -> io::Result<Option<String>> {
    let mut file = BufReader::with_capacity(1 << 20, fs::File::open(path)?);
    let mut header = [0; WAL_HEADER_BYTES];
    // Shorter: it was just begun, and holds nothing.
    if !fill(&mut file, &mut header)? {
        return Ok(None);
    }
    let word = |bytes: &[u8], at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (magic, page) = (word(&header, 0), word(&header, 8));
    let is_page = page.is_power_of_two() && (512..=MAX_PAGE_BYTES).contains(&page);
    let is_big_endian = magic & 1 == 1;
    let mut sum = checksum(is_big_endian, (0, 0), &header[..24]);
    if magic & !1 != WAL_MAGIC || !is_page || sum != (word(&header, 24), word(&header, 28)) {
        return Ok(Some("the header of its write-ahead log is not valid".to_owned()));
    }
    let salts = &header[16..24];
    let mut frame = vec![0; FRAME_HEADER_BYTES + page as usize];
    let (mut number, mut is_chain) = (0_u64, true);
    while fill(&mut file, &mut frame)? {
        number += 1;
        let is_of_generation = frame[8..16] == *salts;
        if is_chain && is_of_generation {
            sum = checksum(is_big_endian, sum, &frame[..8]);
            sum = checksum(is_big_endian, sum, &frame[FRAME_HEADER_BYTES..]);
            is_chain = sum == (word(&frame, 16), word(&frame, 20));
        } else {
            is_chain = false;
        }
        if is_of_generation && !is_chain {
            return Ok(Some(format!("frame {number} of its write-ahead log, or one before it, is not valid")));
        }
    }
    Ok(None)
}

/// Reads until the buffer is full; false where the file ends before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The running checksum of a write-ahead log, over a multiple of 8 bytes.
fn checksum(is_big_endian: bool, (mut a, mut b): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    for pair in bytes.chunks_exact(8) {
        let word = |at: usize| {
            let word = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
            if is_big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        a = a.wrapping_add(word(0)).wrapping_add(b);
        b = b.wrapping_add(word(4)).wrapping_add(a);
    }
    (a, b)
}

/// What is wrong with the file as a database. What keeps it from being read for another reason, opening it for use will tell.
fn damage_of_file(path: &Path) -> Option<String> {
    let checked = Connection::open(path).and_then(|database| check(&database));
    match checked {
        Ok(damage) => damage,
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Some(error.to_string()),
            _ => None,
        },
    }
}

fn check(database: &Connection) -> rusqlite::Result<Option<String>> {
    let said: String = database.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Ok(Some(said));
    }
    let with_items = "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
                      WHERE m.type = 'table' AND c.name = 'item_json'";
    let tables = database.prepare(with_items)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for table in tables {
        let mut items = database.prepare(&format!("SELECT item_json FROM \"{}\"", table.replace('"', "\"\"")))?;
        let mut rows = items.query([])?;
        while let Some(row) = rows.next()? {
            let is_json =
                |bytes: &[u8]| str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
            if !row.get_ref(0)?.as_bytes().is_ok_and(is_json) {
                return Ok(Some(format!("an item of {table} is not JSON")));
            }
        }
    }
    Ok(None)
}
