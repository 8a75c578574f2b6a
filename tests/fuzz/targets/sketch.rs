//! A stored user sketch of any version: it reads as one, or says that it is none; what reads has one form only.

#![no_main]

use headcount_core::frame::{self, Kind};
use headcount_core::user_sketch::UserSketch;
use libfuzzer_sys::fuzz_target;

/// The version that this build writes.
const NEWEST: u8 = 2;

fuzz_target!(|data: &[u8]| {
    drop(UserSketch::decode(data));
    // The checksum is right, so that what is behind it is reached.
    let Some((version, payload)) = data.split_first() else { return };
    let blob = frame::encode(Kind::Users, version % (NEWEST + 1), payload);
    let Ok(mut sketch) = UserSketch::decode(&blob) else { return };
    assert!(sketch.estimate() >= 0.0);
    let written = sketch.encode();
    if version % (NEWEST + 1) == NEWEST {
        assert_eq!(written, blob, "what is read has one form");
    }
    let mut again = UserSketch::decode(&written).expect("what is written can be read");
    assert_eq!(again.encode(), written);
    again.merge(&sketch);
    assert_eq!(again.encode(), written, "a sketch joined with itself is itself");
    again.insert("somebody");
    assert!(UserSketch::decode(&again.encode()).is_ok());
});
