//! Stored counters: they read as such, or say that they are none; what reads has one form only.

#![no_main]

use headcount_core::counters::{Counters, VERSION};
use headcount_core::frame::{self, Kind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    drop(Counters::decode(data));
    let blob = frame::encode(Kind::Counters, VERSION, data);
    let Ok(counters) = Counters::decode(&blob) else { return };
    assert_eq!(counters.encode(), blob, "what is read has one form");
    let mut sum = counters.clone();
    sum.merge(&counters);
    assert!(Counters::decode(&sum.encode()).is_ok(), "what is written can be read");
});
