//! Bits in bytes, the lowest first, and Rice codes: a number's high bits in unary, its low bits as they are.

/// Most bits of one write or one read.
pub(crate) const MOST_BITS: u32 = 32;

/// Bits that one call of [`Reader::fill_many`] provides at least.
pub(crate) const MANY_BITS: u32 = 56;

/// Writes bits behind what is there.
pub(crate) struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    waiting: u64,
    count: u32,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, waiting: 0, count: 0 }
    }

    /// The lowest `count` bits of `bits`, of which no others are set.
    pub(crate) fn write(&mut self, bits: u32, count: u32) {
        debug_assert!(count <= MOST_BITS && u64::from(bits) >> count == 0, "{bits:#x} has {count} bits");
        self.waiting |= u64::from(bits) << self.count;
        self.count += count;
        if self.count >= MOST_BITS {
            self.bytes.extend_from_slice(&(self.waiting as u32).to_le_bytes());
            self.waiting >>= MOST_BITS;
            self.count -= MOST_BITS;
        }
    }

    /// So many zeros and a one.
    pub(crate) fn write_unary(&mut self, mut zeros: u32) {
        while zeros >= MOST_BITS {
            self.write(0, MOST_BITS);
            zeros -= MOST_BITS;
        }
        self.write(1 << zeros, zeros + 1);
    }

    /// The lowest `count` bits of `bits`, up to 64.
    pub(crate) fn write_long(&mut self, bits: u64, count: u32) {
        let low = count.min(MOST_BITS);
        self.write((bits & ((1 << low) - 1)) as u32, low);
        if count > MOST_BITS {
            self.write((bits >> MOST_BITS) as u32, count - MOST_BITS);
        }
    }

    /// A number in a Rice code with `low` low bits. Its high bits must fit 32 bits.
    pub(crate) fn write_rice(&mut self, number: u64, low: u32) {
        self.write_unary((number >> low) as u32);
        self.write_long(number & ((1 << low) - 1), low);
    }

    /// Fills the last byte with zeros.
    pub(crate) fn finish(self) {
        let used = self.count.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.waiting.to_le_bytes()[..used]);
    }
}

/// Reads what a [`Writer`] wrote. Behind the end there are zeros; whether it went there, [`Self::is_at_end`] tells.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    /// Bits that were taken out of `bytes` and not yet read; above `count` they are zero.
    waiting: u64,
    count: u32,
    /// Zeros that were read behind the end.
    borrowed: u32,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, waiting: 0, count: 0, borrowed: 0 }
    }

    /// At least [`MOST_BITS`] bits to look at.
    pub(crate) fn peek(&mut self) -> u64 {
        if self.count < MOST_BITS {
            self.fill();
        }
        self.waiting
    }

    /// Takes in at least [`MANY_BITS`] to look at by [`Self::waiting`], where eight bytes follow; whether they did.
    pub(crate) fn fill_many(&mut self) -> bool {
        let Some(eight) = self.bytes.first_chunk::<8>() else { return false };
        let taken = (u64::BITS - 1 - self.count) / 8;
        self.waiting |= u64::from_le_bytes(*eight) << self.count;
        self.count += 8 * taken;
        self.waiting &= u64::MAX >> (u64::BITS - self.count);
        self.bytes = &self.bytes[taken as usize..];
        true
    }

    /// The bits that were taken in and not yet read, then zeros.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting
    }

    fn fill(&mut self) {
        if let Some((four, rest)) = self.bytes.split_first_chunk::<4>() {
            self.waiting |= u64::from(u32::from_le_bytes(*four)) << self.count;
            self.bytes = rest;
            self.count += MOST_BITS;
            return;
        }
        while self.count < MOST_BITS {
            let (byte, rest) = self.bytes.split_first().map_or((None, self.bytes), |(byte, rest)| (Some(*byte), rest));
            self.bytes = rest;
            self.borrowed += if byte.is_none() { 8 } else { 0 };
            self.waiting |= u64::from(byte.unwrap_or(0)) << self.count;
            self.count += 8;
        }
    }

    /// Passes bits that were looked at.
    pub(crate) fn skip(&mut self, count: u32) {
        self.waiting >>= count;
        self.count -= count;
    }

    pub(crate) fn read(&mut self, count: u32) -> u32 {
        let bits = self.peek() & ((1 << count) - 1);
        self.skip(count);
        bits as u32
    }

    /// The number of zeros before the next one, where they are not more than `most`.
    pub(crate) fn read_unary(&mut self, most: u32) -> Option<u32> {
        let mut zeros = 0;
        loop {
            let next = (self.peek() as u32).trailing_zeros();
            zeros += next;
            if zeros > most {
                return None;
            }
            if next < MOST_BITS {
                self.skip(next + 1);
                return Some(zeros);
            }
            self.skip(MOST_BITS);
        }
    }

    pub(crate) fn read_long(&mut self, count: u32) -> u64 {
        let low = u64::from(self.read(count.min(MOST_BITS)));
        if count > MOST_BITS { u64::from(self.read(count - MOST_BITS)) << MOST_BITS | low } else { low }
    }

    /// A number in a Rice code with `low` low bits, where its high bits are at most `most`.
    pub(crate) fn read_rice(&mut self, low: u32, most: u32) -> Option<u64> {
        let high = u64::from(self.read_unary(most)?);
        Some(high << low | self.read_long(low))
    }

    /// Whether all was read, but for less than a byte of zeros, and nothing behind it.
    pub(crate) fn is_at_end(&self) -> bool {
        self.bytes.is_empty() && self.waiting == 0 && (self.borrowed..self.borrowed + 8).contains(&self.count)
    }
}
