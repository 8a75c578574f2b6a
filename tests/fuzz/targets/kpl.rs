//! An aggregated record. Its magic number and its MD5 are put in place, so that what is between them is reached.

#![no_main]

use headcount_core::wire::kpl::take_apart;
use headcount_core::wire::open;
use libfuzzer_sys::fuzz_target;
use md5::{Digest as _, Md5};

/// What an aggregated record begins with.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

fuzz_target!(|data: &[u8]| {
    drop(take_apart(data));
    let sealed = [&MAGIC[..], data, Md5::digest(data).as_slice()].concat();
    let parts = take_apart(&sealed);
    if let (Ok(parts), Ok(opened)) = (&parts, open(&sealed)) {
        assert_eq!(opened.parts.len(), parts.len());
    }
});
