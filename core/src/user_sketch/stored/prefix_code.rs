//! An optimal prefix code of few symbols, none of them longer than [`MOST_BITS`].
//!
//! Only the lengths are stored: shorter codes come first, and of one length those of smaller symbols (a canonical code).
//! A code is written with its first bit lowest, so that the lowest bits of what is read tell the symbol.

use crate::user_sketch::registers::MOST_VALUES;

/// The longest code.
pub(super) const MOST_BITS: u8 = 10;

/// Bits that one look into the table regards.
pub(super) const LOOK_BITS: u8 = 11;

/// Symbols that one look into the table tells at most.
pub(super) const SYMBOLS_A_LOOK: usize = 4;

/// The lengths of an optimal code for symbols that occur so often, none longer than [`MOST_BITS`]; 0 for those that do not
/// occur, and where there is only one. Package-merge (Larmore and Hirschberg, A fast algorithm for optimal
/// length-limited Huffman codes, 1990): of each length a coin for every symbol, worth its count; coins of a length are
/// packaged in pairs into the next shorter one; the cheapest 2n - 2 of the shortest tell the lengths.
pub(super) fn lengths(counts: &[u32]) -> Vec<u8> {
    debug_assert!(counts.len() <= MOST_VALUES, "a length's coins and packages fit a mask");
    let mut lengths = vec![0; counts.len()];
    let mut symbols: Vec<usize> = (0..counts.len()).filter(|symbol| counts[*symbol] > 0).collect();
    let Some(bought) = (2 * symbols.len()).checked_sub(2).filter(|bought| *bought > 0) else { return lengths };
    symbols.sort_by_key(|symbol| counts[*symbol]);
    let coins: Vec<u64> = symbols.iter().map(|symbol| u64::from(counts[*symbol])).collect();
    // Of each length, from the longest on: which of what there is to buy, from the cheapest on, are coins.
    let mut are_coins = [0u128; MOST_BITS as usize];
    let mut goods: Vec<u64> = Vec::with_capacity(2 * coins.len());
    for are_coins in &mut are_coins {
        let mut packages =
            goods.chunks_exact(2).map(|pair| pair[0] + pair[1]).collect::<Vec<_>>().into_iter().peekable();
        goods.clear();
        for coin in &coins {
            // Of equals the coin comes first: which of them is taken depends on the counts alone.
            while let Some(package) = packages.next_if(|package| package < coin) {
                goods.push(package);
            }
            *are_coins |= 1 << goods.len();
            goods.push(*coin);
        }
        goods.extend(packages);
    }
    // A package is bought as the cheapest pairs of the length before.
    let mut bought = bought;
    for are_coins in are_coins.iter().rev() {
        let coins = (are_coins & ((1 << bought) - 1)).count_ones() as usize;
        for symbol in &symbols[..coins] {
            lengths[*symbol] += 1;
        }
        bought = 2 * (bought - coins);
    }
    lengths
}

/// The codes of these lengths, their first bit lowest.
pub(super) fn codes(lengths: &[u8]) -> Vec<u16> {
    let mut codes = vec![0; lengths.len()];
    let mut next = 0u16;
    for length in 1..=MOST_BITS {
        for symbol in (0..lengths.len()).filter(|symbol| lengths[*symbol] == length) {
            codes[symbol] = next.reverse_bits() >> (16 - u32::from(length));
            next += 1;
        }
        next <<= 1;
    }
    codes
}

/// What the next [`LOOK_BITS`] bits tell.
pub(super) struct Table(Box<[Look; 1 << LOOK_BITS]>);

/// The symbols that some bits hold wholly.
#[derive(Clone, Copy, Default)]
#[repr(align(8))]
pub(super) struct Look {
    /// The symbols; those beyond the count mean nothing.
    pub(super) symbols: [u8; SYMBOLS_A_LOOK],
    /// How many there are, at least one.
    pub(super) count: u8,
    /// The bits of all of them.
    pub(super) bits: u8,
    /// The bits of the first.
    pub(super) first_bits: u8,
}

impl Table {
    /// The table of a code, where it is complete: every sequence of bits is one of codes.
    pub(super) fn of(lengths: &[u8]) -> Option<Self> {
        let share = |length: &u8| if *length == 0 { 0 } else { (1usize << MOST_BITS) >> length };
        if lengths.iter().any(|length| *length > MOST_BITS)
            || lengths.iter().map(share).sum::<usize>() != 1 << MOST_BITS
        {
            return None;
        }
        let mut single = [(0u8, 0u8); 1 << LOOK_BITS];
        for (symbol, (code, length)) in codes(lengths).into_iter().zip(lengths).enumerate().filter(|(_, of)| *of.1 > 0)
        {
            for bits in (usize::from(code)..1 << LOOK_BITS).step_by(1 << length) {
                single[bits] = (symbol as u8, *length);
            }
        }
        let mut looks = Box::new([Look::default(); 1 << LOOK_BITS]);
        for (bits, look) in looks.iter_mut().enumerate() {
            *look = Look::of(bits, &single);
        }
        Some(Self(looks))
    }

    /// Which look sees what is at the beginning of these bits.
    pub(super) fn place(bits: u64) -> usize {
        bits as usize % (1 << LOOK_BITS)
    }

    /// What the look of this place sees.
    pub(super) fn look(&self, place: usize) -> Look {
        self.0[place % (1 << LOOK_BITS)]
    }
}

impl Look {
    fn of(bits: usize, single: &[(u8, u8); 1 << LOOK_BITS]) -> Self {
        let mut look = Self { first_bits: single[bits].1, ..Self::default() };
        for place in &mut look.symbols {
            let (symbol, length) = single[bits >> look.bits];
            if look.bits + length > LOOK_BITS {
                break;
            }
            *place = symbol;
            look.bits += length;
            look.count += 1;
        }
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bits that all occurrences need together under the best code without a bound of its lengths (Huffman, 1952).
    fn huffman(counts: &[u32]) -> u64 {
        let mut weights: Vec<u64> = counts.iter().filter(|count| **count > 0).map(|count| u64::from(*count)).collect();
        let mut bits = 0;
        while weights.len() > 1 {
            weights.sort_unstable_by(|one, other| other.cmp(one));
            let pair = weights.pop().unwrap() + weights.pop().unwrap();
            bits += pair;
            weights.push(pair);
        }
        bits
    }

    fn cost(counts: &[u32], lengths: &[u8]) -> u64 {
        counts.iter().zip(lengths).map(|(count, length)| u64::from(*count) * u64::from(*length)).sum()
    }

    #[test]
    fn one_symbol_needs_no_bits_and_rare_ones_no_more_than_the_longest() {
        assert_eq!(lengths(&[7]), [0]);
        assert_eq!(lengths(&[0, 3, 1]), [0, 1, 1]);
        // Fibonacci numbers make the longest codes there are.
        let counts: Vec<u32> = (0..30)
            .scan((1, 1), |(a, b), _| {
                (*a, *b) = (*b, *a + *b);
                Some(*a)
            })
            .collect();
        let lengths = lengths(&counts);
        assert_eq!(lengths.iter().max(), Some(&MOST_BITS));
        assert!(Table::of(&lengths).is_some());
        assert!(cost(&counts, &lengths) < huffman(&counts) * 101 / 100);
    }

    /// As [`lengths`], with each package carrying its symbols: what stored sketches were written with from the beginning.
    fn lengths_by_carrying(counts: &[u32]) -> Vec<u8> {
        let mut coins: Vec<(u64, Vec<usize>)> = Vec::new();
        for (symbol, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            coins.push((u64::from(*count), vec![symbol]));
        }
        let mut lengths = vec![0; counts.len()];
        coins.sort_by_key(|(worth, _)| *worth);
        let mut goods = coins.clone();
        for _ in 1..MOST_BITS {
            let packages =
                goods.chunks_exact(2).map(|pair| (pair[0].0 + pair[1].0, [&*pair[0].1, &*pair[1].1].concat()));
            goods = coins.iter().cloned().chain(packages).collect();
            goods.sort_by_key(|(worth, _)| *worth);
        }
        let bought = (2 * coins.len()).saturating_sub(2);
        for symbol in goods.into_iter().take(bought).flat_map(|(_, symbols)| symbols) {
            lengths[symbol] += 1;
        }
        lengths
    }

    #[test]
    fn codes_that_are_not_complete_have_no_table() {
        for lengths in [&[0u8, 0][..], &[1], &[1, 1, 1], &[2, 2, 2], &[12, 1, 1]] {
            assert!(Table::of(lengths).is_none(), "{lengths:?}");
        }
    }

    proptest! {
        #[test]
        fn the_code_is_the_one_that_was_always_written(
            counts in proptest::collection::vec(prop_oneof![Just(0), 1u32..4, 0u32..300, 0u32..70_000], 0..=MOST_VALUES),
        ) {
            prop_assert_eq!(lengths(&counts), lengths_by_carrying(&counts));
        }

        #[test]
        fn it_is_the_best_code_and_every_symbol_is_told(counts in proptest::collection::vec(0u32..5_000, 2..40)) {
            prop_assume!(counts.iter().filter(|count| **count > 0).count() > 1);
            let lengths = lengths(&counts);
            // With counts so near each other, the bound of the lengths costs nothing.
            if counts.iter().sum::<u32>() < 2_000 {
                prop_assert_eq!(cost(&counts, &lengths), huffman(&counts));
            }
            let table = Table::of(&lengths).unwrap();
            for (symbol, code) in codes(&lengths).into_iter().enumerate().filter(|(symbol, _)| lengths[*symbol] > 0) {
                let look = table.look(usize::from(code));
                prop_assert_eq!((look.symbols[0], look.first_bits), (symbol as u8, lengths[symbol]));
            }
        }
    }
}
