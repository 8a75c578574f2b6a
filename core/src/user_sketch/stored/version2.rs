//! Version 2.
//!
//! Sparse: the number of codes without zeros and of those with, then their bits. An index is written as its distance from
//! the one before in a Rice code, zeros in unary.
//!
//! Dense: the smallest register, the number of values from it to the largest, the length of each value's code in 4 bits,
//! then every register's code.

use super::prefix_code::{self, LOOK_BITS, SYMBOLS_A_LOOK, Table};
use super::{Registers, SketchError};
use crate::bits::{MANY_BITS, Reader, Writer};
use crate::user_sketch::codes::{MAX_ZEROS, SPARSE_PRECISION, most_codes};
use crate::user_sketch::registers::{MOST_VALUES, highest};
use crate::user_sketch::varint;

/// Looks that the bits of one filling suffice for.
const LOOKS_A_FILL: usize = MANY_BITS as usize / LOOK_BITS as usize;

/// Values that these tell at most.
const WINDOW: usize = LOOKS_A_FILL * SYMBOLS_A_LOOK;

const CUT: SketchError = SketchError::Malformed("its codes are cut");

pub(super) fn write_codes(bytes: &mut Vec<u8>, precision: u8, codes: &[u32]) {
    let (plain, with_zeros): (Vec<u32>, Vec<u32>) = codes.iter().partition(|code| **code & 1 == 0);
    varint::write(bytes, plain.len() as u32);
    varint::write(bytes, with_zeros.len() as u32);
    let mut writer = Writer::new(bytes);
    let low = low_bits(SPARSE_PRECISION, plain.len());
    let mut next = 0;
    for index in plain.into_iter().map(|code| code >> 1) {
        writer.write_rice(u64::from(index - next), low);
        next = index + 1;
    }
    let low = low_bits(precision, with_zeros.len());
    let mut last = 0;
    for code in with_zeros {
        let index = code >> 7 >> (SPARSE_PRECISION - precision);
        writer.write_rice(u64::from(index - last), low);
        writer.write_unary(((code >> 1) & 0x3f) - 1);
        last = index;
    }
    writer.finish();
}

pub(super) fn read_codes(precision: u8, mut rest: &[u8]) -> Result<Vec<u32>, SketchError> {
    let mut number = || varint::read(&mut rest).ok_or(CUT);
    let (plain, with_zeros) = (number()? as usize, number()? as usize);
    if plain.saturating_add(with_zeros) > most_codes(precision) {
        return Err(SketchError::Malformed("it has too many codes to be sparse"));
    }
    let mut codes = Vec::with_capacity(plain + with_zeros);
    let mut reader = Reader::new(rest);
    let below = SPARSE_PRECISION - precision;
    let low = low_bits(SPARSE_PRECISION, plain);
    let mut next = 0;
    for _ in 0..plain {
        let index = next + read_distance(&mut reader, SPARSE_PRECISION, low)?;
        if index >> SPARSE_PRECISION != 0 || index.trailing_zeros() >= u32::from(below) {
            return Err(SketchError::Malformed("a code is impossible"));
        }
        codes.push(index << 1);
        next = index + 1;
    }
    let low = low_bits(precision, with_zeros);
    let mut last = None;
    for _ in 0..with_zeros {
        let index = last.map_or(0, |(index, _)| index) + read_distance(&mut reader, precision, low)?;
        let zeros = reader.read_unary(MAX_ZEROS - 1).ok_or(CUT)? + 1;
        if index >> precision != 0 || last.is_some_and(|last| last >= (index, zeros)) {
            return Err(SketchError::Malformed("its codes do not ascend"));
        }
        codes.push(index << below << 7 | zeros << 1 | 1);
        last = Some((index, zeros));
    }
    if !reader.is_at_end() {
        return Err(SketchError::Malformed("bytes follow its codes"));
    }
    codes.sort_unstable();
    Ok(codes)
}

/// The low bits of a distance that are written as they are, best for `count` indexes of `bits` bits that lie anywhere:
/// the logarithm of 0.7 times their mean distance (Golomb, Run-length encodings, 1966, for powers of two).
fn low_bits(bits: u8, count: usize) -> u32 {
    ((7u64 << bits) / (10 * count.max(1) as u64)).checked_ilog2().unwrap_or(0)
}

fn read_distance(reader: &mut Reader<'_>, bits: u8, low: u32) -> Result<u32, SketchError> {
    Ok(reader.read_rice(low, (1 << bits) >> low).ok_or(CUT)? as u32)
}

pub(super) fn write_registers(bytes: &mut Vec<u8>, registers: &Registers) {
    let histogram = registers.histogram();
    let (smallest, values) = range(&histogram);
    let lengths = prefix_code::lengths(&histogram[smallest..smallest + values]);
    let codes = prefix_code::codes(&lengths);
    bytes.extend([smallest as u8, values as u8]);
    bytes.extend(lengths.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(0) << 4));
    let mut by_register = [(0u32, 0u32); MOST_VALUES];
    for (n, (code, length)) in codes.into_iter().zip(lengths).enumerate() {
        by_register[smallest + n] = (u32::from(code), u32::from(length));
    }
    let mut writer = Writer::new(bytes);
    for pair in registers.as_slice().chunks_exact(2) {
        let [one, other] = [0, 1].map(|n| by_register[usize::from(pair[n]) % MOST_VALUES]);
        writer.write(one.0 | other.0 << one.1, one.1 + other.1);
    }
    writer.finish();
}

pub(super) fn read_registers(precision: u8, rest: &[u8]) -> Result<Registers, SketchError> {
    let cut = SketchError::Malformed("its registers are cut");
    let [smallest, values, rest @ ..] = rest else { return Err(cut) };
    let values = usize::from(*values);
    if values == 0 || usize::from(*smallest) + values > usize::from(highest(precision)) + 1 {
        return Err(SketchError::Malformed("a register is too high"));
    }
    let (packed, rest) = rest.split_at_checked(values.div_ceil(2)).ok_or(cut)?;
    let lengths: Vec<u8> = packed.iter().flat_map(|pair| [pair & 0x0f, pair >> 4]).take(values).collect();
    let (values_read, histogram) = match values {
        1 if rest.is_empty() => all_equal(precision, *smallest),
        1 => return Err(SketchError::Malformed("bytes follow its registers")),
        _ => read_values(1 << precision, *smallest, &lengths, rest)?,
    };
    // One set is written in one way only: with the best code of just these values.
    let written = range(&histogram) == (usize::from(*smallest), values)
        && prefix_code::lengths(&histogram[usize::from(*smallest)..][..values]) == lengths
        && (values % 2 == 0 || packed.last().is_some_and(|last| last >> 4 == 0));
    if written {
        Ok(Registers::from_values(values_read))
    } else {
        Err(SketchError::Malformed("its registers are not as they are written"))
    }
}

fn all_equal(precision: u8, value: u8) -> (Vec<u8>, [u32; MOST_VALUES]) {
    let mut histogram = [0; MOST_VALUES];
    histogram[usize::from(value) % MOST_VALUES] = 1 << precision;
    (vec![value; 1 << precision], histogram)
}

/// The smallest value that occurs, and the number of values from it to the largest.
fn range(histogram: &[u32; MOST_VALUES]) -> (usize, usize) {
    let occurs = |count: &u32| *count > 0;
    let smallest = histogram.iter().position(occurs).unwrap_or(0);
    (smallest, histogram.iter().rposition(occurs).map_or(1, |largest| largest + 1 - smallest))
}

/// The values, and how often each occurs.
fn read_values(
    count: usize,
    smallest: u8,
    lengths: &[u8],
    rest: &[u8],
) -> Result<(Vec<u8>, [u32; MOST_VALUES]), SketchError> {
    let table = Table::of(lengths).ok_or(SketchError::Malformed("its registers' code is incomplete"))?;
    let mut values = vec![0u8; count];
    // How often each place of the table was looked at tells how often values occur: they are more.
    let mut looks = [0u32; 1 << LOOK_BITS];
    let mut reader = Reader::new(rest);
    let mut done = 0;
    while let Some(window) = values.get_mut(done..).and_then(|left| left.first_chunk_mut::<WINDOW>())
        && reader.fill_many()
    {
        let mut at = 0;
        for _ in 0..LOOKS_A_FILL {
            let place = Table::place(reader.waiting());
            let look = table.look(place);
            // Those that are not meant are written over by the next look.
            window[at..at + SYMBOLS_A_LOOK].copy_from_slice(&look.symbols);
            reader.skip(u32::from(look.bits));
            looks[place] += 1;
            at += usize::from(look.count);
        }
        done += at;
    }
    let mut histogram = [0; MOST_VALUES];
    for value in &mut values[done..] {
        let look = table.look(Table::place(reader.peek()));
        *value = look.symbols[0];
        reader.skip(u32::from(look.first_bits));
        histogram[usize::from(*value + smallest) % MOST_VALUES] += 1;
    }
    if !reader.is_at_end() {
        return Err(SketchError::Malformed("its registers are cut, or bytes follow them"));
    }
    for (place, looks) in looks.into_iter().enumerate().filter(|(_, looks)| *looks > 0) {
        let look = table.look(place);
        for symbol in &look.symbols[..usize::from(look.count)] {
            histogram[usize::from(*symbol + smallest) % MOST_VALUES] += looks;
        }
    }
    for value in &mut values {
        *value += smallest;
    }
    Ok((values, histogram))
}
