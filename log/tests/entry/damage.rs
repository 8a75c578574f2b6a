//! Entries that are cut off, altered or somebody else's.

use bytes::Bytes;
use headcount_core::origin::Source;
use headcount_log::error::EntryError;
use headcount_log::{Content, Entry, EntryFacts, Header, entry};
use zstd::zstd_safe::find_frame_compressed_size;

use crate::samples::{content, facts, single, source};

fn read(bytes: impl Into<Bytes>) -> Result<(Header, Content<'static>), EntryError> {
    let entry = Entry::decode(bytes.into(), &source(), 7)?;
    let opened = entry.open()?;
    let content = opened.content()?;
    let days = content.days.into_iter().map(|(date, day)| {
        let events = day.events.into_iter().map(|(index, event)| (index, event.into_owned())).collect();
        (date, headcount_log::Day { events, duplicates: day.duplicates, rejected: day.rejected })
    });
    Ok((entry.header, Content { days: days.collect(), rejections: content.rejections }))
}

fn samples() -> [Content<'static>; 3] {
    let counts = Content { rejections: Vec::new(), days: content().days.into_iter().skip(2).collect() };
    [content(), single("e"), counts]
}

#[test]
fn no_flipped_bit_changes_the_content_silently() {
    for content in samples() {
        let good = entry::encode(&facts(7), &content);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok((header, read)) = read(bytes) {
                // zstd has a few bits of no meaning. Only the header's frame is read without its hash.
                assert_eq!((&header.facts, &read), (&facts(7), &content), "bit {bit}");
                assert!(bit as u64 / 8 < header.header_bytes, "bit {bit}");
            }
        }
    }
}

#[test]
fn every_cut_is_named() {
    for content in samples() {
        let good = entry::encode(&facts(7), &content);
        let header = find_frame_compressed_size(&good).unwrap();
        for length in 0..good.len() {
            let error = read(good.slice(..length)).unwrap_err();
            if length < header {
                assert!(matches!(error, EntryError::Header(_)), "{length}: {error}");
            } else {
                let expected = EntryError::Length { found: length as u64, expected: good.len() as u64 };
                assert_eq!(error, expected);
            }
        }
        let longer = [&*good, b"x"].concat();
        assert!(matches!(read(longer).unwrap_err(), EntryError::Length { .. }));
    }
}

#[test]
fn the_damaged_frame_is_named() {
    let good = entry::encode(&facts(7), &content());
    let header = Entry::decode(good.clone(), &source(), 7).unwrap().header;
    let rejections = header.rejections.as_ref().unwrap();
    let frames = header.dates.iter().filter_map(|(date, counts)| Some((date.to_string(), counts.frame.as_ref()?)));
    for (name, frame) in frames.chain([("rejections".to_owned(), rejections)]) {
        let mut bytes = good.to_vec();
        bytes[(header.header_bytes + frame.offset + frame.length / 2) as usize] ^= 0x40;
        assert_eq!(read(bytes).unwrap_err(), EntryError::Frame { frame: name });
    }
}

#[test]
fn another_entry_is_refused() {
    let bytes = |facts: &EntryFacts| entry::encode(facts, &content());
    let other = Source::parse("events/shardId-000000000001").unwrap();
    for (facts, found) in [
        (facts(8), "its header says entry 8, expected entry 7"),
        (EntryFacts { source: other, ..facts(7) }, "its header says source events/shardId-000000000001, expected"),
    ] {
        let refused = read(bytes(&facts)).unwrap_err().to_string();
        assert!(refused.starts_with(found), "{refused}");
    }
}

/// An entry whose header is this text and which has nothing else.
fn headed(header: &str) -> Vec<u8> {
    zstd::bulk::compress(header.as_bytes(), 3).unwrap()
}

#[test]
fn another_version_is_refused_whatever_else_it_says() {
    let refused = read(headed(r#"{"headcount":{"version":2,"fields":"unknown"}}"#)).unwrap_err().to_string();
    assert_eq!(refused, "its header says version 2, expected version 1");
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let header = |rest: &str| {
        headed(&format!(
            r#"{{"headcount":{{"version":1,"deployment":"d","source":"{}","entry":7,"last":"1","appendedMs":1,"arrivedMs":1,{rest}}}}}"#,
            source()
        ))
    };
    assert!(read(header(r#""dates":{}"#)).is_ok());
    let day = |frame: &str| format!(r#""dates":{{"2026-03-01":{{"events":1,"duplicates":0,"rejected":0{frame}}}}}"#);
    let huge = u64::MAX;
    for rest in [
        r#""dates":{"2026-02-30":{"events":0,"duplicates":0,"rejected":0}}"#.to_owned(),
        day(""),
        day(r#","frame":{"offset":5,"length":9,"sha256":""}"#),
        day(&format!(r#","frame":{{"offset":0,"length":{huge},"sha256":""}}"#)),
        day(&format!(r#","frame":{{"offset":{huge},"length":1,"sha256":""}}"#)),
    ] {
        let refused = read(header(&rest)).unwrap_err();
        assert!(matches!(refused, EntryError::Header(_)), "{rest}: {refused}");
    }
    for text in ["", "{}", "[]", "{\"headcount\":{}}", "not json"] {
        assert!(matches!(read(headed(text)).unwrap_err(), EntryError::Header(_)), "{text}");
    }
}

#[test]
fn a_frame_that_claims_too_much_is_refused() {
    // 65 MiB of zeros, in a few thousand bytes.
    let bomb = zstd::bulk::compress(&vec![0; 65 << 20], 3).unwrap();
    assert!(bomb.len() < 16 << 10);
    assert!(matches!(read(bomb).unwrap_err(), EntryError::Header(_)));
}
