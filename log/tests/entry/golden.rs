//! The bytes of an entry as this version writes it. They must be read for as long as logs are kept.

use std::path::Path;

use headcount_log::{Entry, entry};

use crate::samples::{content, facts, source};

const FILE: &str = "entry-v1.ndjson.zst";

/// The stored bytes. `UPDATE_GOLDEN=1` writes what is not there yet, and never what is.
fn golden(encoded: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(FILE);
    if !path.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, encoded).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("tests/golden/{FILE}: {error}"))
}

#[test]
fn the_stored_entry_is_read_and_still_written() {
    let encoded = entry::encode(&facts(7), &content());
    let stored = golden(&encoded);
    let read = Entry::decode(stored.clone().into(), &source(), 7).unwrap();
    assert_eq!(read.header.facts, facts(7));
    assert_eq!(read.open().unwrap().content().unwrap(), content());
    assert_eq!(encoded, stored, "another zstd may compress otherwise; then only this line may change");
}

#[test]
fn tools_see_lines_of_json() {
    let lines = zstd::decode_all(&*golden(&[])).unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<_> = lines.iter().filter_map(|line| line["eventId"].as_str()).collect();
    assert_eq!(ids, ["a", "bare", "signup"]);
    assert_eq!(lines[0]["headcount"]["dates"]["2026-03-02"]["rejected"], 9);
    assert_eq!(lines[0]["headcount"]["last"], facts(7).last.as_str());
    assert_eq!(lines[0]["headcount"]["arrivedMs"], facts(7).arrived_ms);
    assert_eq!(lines[1]["index"], 0);
    assert_eq!(lines.iter().filter(|line| line["rejected"].is_object()).count(), 3);
}
