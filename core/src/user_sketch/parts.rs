//! A sketch taken apart, and its stored form.
//!
//! Version 1: precision (1 byte), then 0 and the sparse codes as differences in variable-length bytes; or 1, the
//! smallest register, each register's distance from it in 4 bits, and those 15 and more above it in full.

use serde::{Deserialize, Serialize};

use super::{MAX_PRECISION, MIN_PRECISION, PassThrough, Registers, SketchError, UserSketch};

/// Bits of the hash that a sparse code keeps as its index (Heule et al., HyperLogLog in Practice, 2013: p').
const SPARSE_PRECISION: u8 = 25;

const SPARSE: u8 = 0;
const DENSE: u8 = 1;

/// The distance from the smallest register that stands for "see the exceptions".
const FAR: u8 = 15;

/// A sketch's precision and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    precision: u8,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    /// Codes in ascending order.
    Sparse(Vec<u32>),
    /// 2^precision registers.
    Dense(Vec<u8>),
}

impl Parts {
    /// The parts of a sketch, which sorts what was inserted last.
    pub(super) fn of(sketch: &mut UserSketch) -> Self {
        sketch.estimate();
        // The crate shows its inside by serde only; postcard writes the fields in their order, and nothing else.
        let mirror: Mirror = postcard::to_allocvec(&sketch.registers)
            .and_then(|bytes| postcard::from_bytes(&bytes))
            .expect("the mirror has the fields of the sketch");
        let content = match mirror.registers {
            Some(packed) => Content::Dense(packed.unpack()),
            None => Content::Sparse(mirror.sparse.codes()),
        };
        Self { precision: sketch.precision, content }
    }

    /// The sketch of these parts.
    pub(super) fn into_sketch(self) -> UserSketch {
        let count = 1u64 << self.precision;
        let (tmpset, registers) = match self.content {
            Content::Sparse(codes) => (codes, None),
            Content::Dense(registers) => (Vec::new(), Some(Packed::pack(&registers))),
        };
        let mirror = Mirror {
            builder: PassThrough,
            precision: self.precision,
            counts: (count, 1 << (SPARSE_PRECISION - 1), packed_bytes(count)),
            tmpset,
            sparse: Differences { count: 0, last: 0, bytes: Vec::new() },
            registers,
        };
        let registers: Registers = postcard::to_allocvec(&mirror)
            .and_then(|bytes| postcard::from_bytes(&bytes))
            .expect("the mirror has the fields of the sketch");
        let mut sketch = UserSketch { registers, precision: self.precision };
        sketch.estimate();
        sketch
    }

    /// The same users at a lower precision: the index loses its last bits, which then count as the first bits of what
    /// zeros are counted in.
    pub(super) fn fold_to(self, precision: u8) -> Self {
        let lost = self.precision - precision;
        let content = match self.content {
            Content::Sparse(codes) => {
                let mut codes: Vec<u32> = codes.into_iter().map(|code| fold_code(code, precision)).collect();
                codes.sort_unstable();
                codes.dedup();
                Content::Sparse(codes)
            }
            Content::Dense(registers) => {
                let mut folded = vec![0u8; 1 << precision];
                for (index, register) in registers.into_iter().enumerate().filter(|(_, register)| *register > 0) {
                    let below = index & ((1 << lost) - 1);
                    let rank = if below == 0 {
                        register + lost
                    } else {
                        lost - (usize::BITS - below.leading_zeros()) as u8 + 1
                    };
                    let into = &mut folded[index >> lost];
                    *into = rank.max(*into);
                }
                Content::Dense(folded)
            }
        };
        Self { precision, content }
    }

    /// The stored form, version 1.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.precision];
        match &self.content {
            Content::Sparse(codes) => {
                bytes.push(SPARSE);
                let mut last = 0;
                for code in codes {
                    write_varint(&mut bytes, code - last);
                    last = *code;
                }
            }
            Content::Dense(registers) => {
                let smallest = registers.iter().copied().min().unwrap_or(0);
                bytes.extend([DENSE, smallest]);
                let distance = |register: &u8| (register - smallest).min(FAR);
                bytes.extend(registers.chunks(2).map(|pair| distance(&pair[0]) | distance(&pair[1]) << 4));
                bytes.extend(registers.iter().filter(|register| distance(register) == FAR));
            }
        }
        bytes
    }

    /// The parts that were stored; anything that [`Self::to_bytes`] would not have written is refused.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, SketchError> {
        let malformed = SketchError::Malformed;
        let [precision, form, rest @ ..] = bytes else { return Err(malformed("it is too short")) };
        if !(MIN_PRECISION..=MAX_PRECISION).contains(precision) {
            return Err(SketchError::Precision(*precision));
        }
        let content = match *form {
            SPARSE => Content::Sparse(read_codes(*precision, rest)?),
            DENSE => Content::Dense(read_registers(*precision, rest)?),
            _ => return Err(malformed("its form is neither sparse nor dense")),
        };
        Ok(Self { precision: *precision, content })
    }
}

fn read_codes(precision: u8, mut rest: &[u8]) -> Result<Vec<u32>, SketchError> {
    if rest.len() as u64 > packed_bytes(1 << precision) {
        return Err(SketchError::Malformed("it is too long to be sparse"));
    }
    let mut codes = Vec::new();
    while !rest.is_empty() {
        let difference = read_varint(&mut rest).ok_or(SketchError::Malformed("a sparse code is cut"))?;
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

fn read_registers(precision: u8, rest: &[u8]) -> Result<Vec<u8>, SketchError> {
    let count = 1usize << precision;
    let too_short = SketchError::Malformed("its registers are cut");
    let (smallest, rest) = rest.split_first().ok_or(too_short.clone())?;
    let (distances, mut far) = rest.split_at_checked(count / 2).ok_or(too_short.clone())?;
    let highest = 64 - precision + 1;
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
        if register > highest {
            return Err(SketchError::Malformed("a register is too high"));
        }
        registers.push(register);
    }
    if !far.is_empty() || registers.iter().min() != Some(smallest) {
        return Err(SketchError::Malformed("its registers are not as they are written"));
    }
    Ok(registers)
}

/// Whether a code is one that this precision writes: an index whose bits below the precision are not all zero, or,
/// with its lowest bit set, an index and the number of zeros that follow it.
fn is_code(code: u32, precision: u8) -> bool {
    let below = (1u32 << (SPARSE_PRECISION - precision)) - 1;
    if code & 1 == 0 {
        let index = code >> 1;
        index < 1 << SPARSE_PRECISION && index & below != 0
    } else {
        let zeros = (code >> 1) & 0x3f;
        (code >> 7) & below == 0 && (1..=u32::from(64 - SPARSE_PRECISION + 1)).contains(&zeros)
    }
}

/// The code at a lower precision: more bits follow the index, and where one of them is set the zeros need not be kept.
fn fold_code(code: u32, precision: u8) -> u32 {
    let index = if code & 1 == 1 { code >> 7 } else { return code };
    let below = (1u32 << (SPARSE_PRECISION - precision)) - 1;
    if index & below == 0 { code } else { index << 1 }
}

fn write_varint(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u32::from(byte & 0x7f);
        number |= part << shift;
        if byte & 0x80 == 0 {
            let shortest = shift == 0 || part != 0;
            return (shortest && (shift < 28 || part < 16)).then_some(number);
        }
    }
    None
}

/// Bytes of the crate's packed registers; a sparse sketch that needs more becomes dense.
fn packed_bytes(count: u64) -> u64 {
    4 * count / Packed::PER_WORD as u64
}

/// The fields of the crate's sketch, in their order.
#[derive(Serialize, Deserialize)]
struct Mirror {
    builder: PassThrough,
    precision: u8,
    counts: (u64, u64, u64),
    tmpset: Vec<u32>,
    sparse: Differences,
    registers: Option<Packed>,
}

/// The crate's sparse codes.
#[derive(Serialize, Deserialize)]
struct Differences {
    count: u64,
    last: u32,
    bytes: Vec<u8>,
}

impl Differences {
    fn codes(&self) -> Vec<u32> {
        let mut bytes = &self.bytes[..];
        let mut codes: Vec<u32> = Vec::new();
        while let Some(difference) = read_varint(&mut bytes) {
            codes.push(codes.last().map_or(difference, |last| last.wrapping_add(difference)));
        }
        codes
    }
}

/// The crate's registers, 6 bits each, 5 in a word.
#[derive(Serialize, Deserialize)]
struct Packed {
    words: Vec<u32>,
    count: u64,
    zeros: u64,
}

impl Packed {
    const BITS: usize = 6;
    const PER_WORD: usize = 5;

    fn unpack(&self) -> Vec<u8> {
        let registers = self
            .words
            .iter()
            .flat_map(|word| (0..Self::PER_WORD).map(move |n| (word >> (n * Self::BITS)) as u8 & 0x3f));
        registers.take(self.count as usize).collect()
    }

    fn pack(registers: &[u8]) -> Self {
        let word =
            |five: &[u8]| five.iter().rev().fold(0u32, |word, register| word << Self::BITS | u32::from(*register));
        Self {
            words: registers.chunks(Self::PER_WORD).map(word).collect(),
            count: registers.len() as u64,
            zeros: registers.iter().map(|register| u64::from(*register == 0)).sum(),
        }
    }
}
