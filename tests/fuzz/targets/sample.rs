//! A stored session sample: it reads as one, or says that it is none; what reads has one form only.

#![no_main]

use headcount_core::frame::{self, Kind};
use headcount_core::session_sample::{SessionSample, VERSION};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    drop(SessionSample::decode(data));
    let Some((events, payload)) = data.split_first() else { return };
    let blob = frame::encode(Kind::Sessions, VERSION, payload);
    let Ok(sample) = SessionSample::decode(&blob) else { return };
    let figures = sample.figures(u64::from(*events) << 8);
    let average = figures.intervals.average_duration;
    assert!(figures.count >= 0.0 && average.low <= figures.average_ms && figures.average_ms <= average.high);
    let written = sample.encode();
    assert_eq!(written, blob, "what is read has one form");
    let mut again = SessionSample::decode(&written).expect("what is written can be read");
    again.merge(&SessionSample::default());
    assert_eq!(again.encode(), written, "a sample merged with an empty one is itself");
    again.insert("somebody's", 1_772_323_200_000);
    assert!(SessionSample::decode(&again.encode()).is_ok());
});
