//! Version 1, which is only read: sparse codes as differences in variable-length bytes; or the smallest register, each
//! register's distance from it in 4 bits, and those 15 and more above it in full.

use super::SketchError;
use crate::user_sketch::codes::is_code;
use crate::user_sketch::registers::highest;
use crate::user_sketch::varint;

/// The distance from the smallest register that stands for "see the exceptions".
const FAR: u8 = 15;

/// Bytes that sparse codes took at most, for each register: four fifths.
const SPARSE_BYTES: (usize, usize) = (4, 5);

pub(super) fn read_codes(precision: u8, mut rest: &[u8]) -> Result<Vec<u32>, SketchError> {
    if rest.len() > SPARSE_BYTES.0 * (1 << precision) / SPARSE_BYTES.1 {
        return Err(SketchError::Malformed("it is too long to be sparse"));
    }
    let mut codes: Vec<u32> = Vec::new();
    while !rest.is_empty() {
        let difference = varint::read(&mut rest).ok_or(SketchError::Malformed("a sparse code is cut"))?;
        let code = match codes.last() {
            None => Some(difference),
            Some(_) if difference == 0 => None,
            Some(last) => difference.checked_add(*last),
        };
        let code = code.ok_or(SketchError::Malformed("its sparse codes do not ascend"))?;
        if !is_code(code, precision) {
            return Err(SketchError::Malformed("a sparse code is impossible"));
        }
        codes.push(code);
    }
    Ok(codes)
}

pub(super) fn read_registers(precision: u8, rest: &[u8]) -> Result<Vec<u8>, SketchError> {
    let count = 1usize << precision;
    let too_short = SketchError::Malformed("its registers are cut");
    let (smallest, rest) = rest.split_first().ok_or(too_short.clone())?;
    let (distances, mut far) = rest.split_at_checked(count / 2).ok_or(too_short.clone())?;
    let mut registers = Vec::with_capacity(count);
    for distance in distances.iter().flat_map(|pair| [pair & 0x0f, pair >> 4]) {
        let register = if distance == FAR {
            let (register, rest) = far.split_first().ok_or(too_short.clone())?;
            far = rest;
            if *register < smallest.saturating_add(FAR) {
                return Err(SketchError::Malformed("a register is not far from the smallest"));
            }
            *register
        } else {
            smallest.saturating_add(distance)
        };
        if register > highest(precision) {
            return Err(SketchError::Malformed("a register is too high"));
        }
        registers.push(register);
    }
    if !far.is_empty() || registers.iter().min() != Some(smallest) {
        return Err(SketchError::Malformed("its registers are not as they are written"));
    }
    Ok(registers)
}
