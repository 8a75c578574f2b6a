//! A stored session sample of any version: it reads as one, or says that it is none; what reads has one form only.

#![no_main]

use headcount_core::frame::{self, Kind};
use headcount_core::session_sample::SessionSample;
use libfuzzer_sys::fuzz_target;

/// The version that this build writes.
const NEWEST: u8 = 2;

fuzz_target!(|data: &[u8]| {
    drop(SessionSample::decode(data));
    let Some((version, payload)) = data.split_first() else { return };
    let blob = frame::encode(Kind::Sessions, version % (NEWEST + 1), payload);
    let Ok(sample) = SessionSample::decode(&blob) else { return };
    assert!(sample.sessions() >= 0.0 && sample.average_duration_ms() >= 0.0);
    let written = sample.encode();
    if version % (NEWEST + 1) == NEWEST {
        assert_eq!(written, blob, "what is read has one form");
    }
    let mut again = SessionSample::decode(&written).expect("what is written can be read");
    again.merge(&sample);
    assert_eq!(again.encode(), written, "a sample joined with itself is itself");
    again.insert("somebody's", 1_772_323_200_000);
    assert!(SessionSample::decode(&again.encode()).is_ok());
});
