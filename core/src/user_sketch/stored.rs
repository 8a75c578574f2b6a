//! The stored forms, by their versions.

mod prefix_code;
mod version1;
mod version2;

use super::codes::Codes;
use super::registers::Registers;
use super::settled::Settled;
use super::{MAX_PRECISION, MIN_PRECISION, SketchError};

/// A form's tag: codes.
const SPARSE: u8 = 0;

/// A form's tag: registers.
const DENSE: u8 = 1;

pub(super) fn write(precision: u8, settled: &Settled) -> Vec<u8> {
    match settled {
        Settled::Sparse(codes) => {
            let mut bytes = vec![precision, SPARSE];
            version2::write_codes(&mut bytes, precision, codes.as_slice());
            bytes
        }
        Settled::Dense(registers) => {
            let mut bytes = vec![precision, DENSE];
            version2::write_registers(&mut bytes, registers);
            bytes
        }
    }
}

/// The precision and what was stored; anything that its version would not have written is refused.
pub(super) fn read(version: u8, bytes: &[u8]) -> Result<(u8, Settled), SketchError> {
    let [precision, form, rest @ ..] = bytes else { return Err(SketchError::Malformed("it is too short")) };
    if !(MIN_PRECISION..=MAX_PRECISION).contains(precision) {
        return Err(SketchError::Precision(*precision));
    }
    let codes = |codes| Settled::of_codes(Codes::from_ascending(codes), *precision);
    let settled = match (version, *form) {
        // What version 1 kept sparse may be dense by now.
        (1, SPARSE) => codes(version1::read_codes(*precision, rest)?),
        (1, DENSE) => Settled::Dense(Registers::from_values(version1::read_registers(*precision, rest)?)),
        (_, SPARSE) => codes(version2::read_codes(*precision, rest)?),
        (_, DENSE) => Settled::Dense(version2::read_registers(*precision, rest)?),
        _ => return Err(SketchError::Malformed("its form is neither sparse nor dense")),
    };
    Ok((*precision, settled))
}
