//! A place in the text of an event, and steps over what is well-formed and clean. Every step gives `None` where something
//! is not, or is out of the ordinary.

use std::ops::Range;

use crate::limits::{MAX_ARRAY_ITEMS, MAX_FIELD_NAME_BYTES, MAX_STRING_CHARS};
use crate::validate::trimmed_id;

/// Names of the open objects that are remembered, to find one that comes twice.
const MAX_NAMES: usize = 64;

/// Levels of nesting: fewer than are allowed, for they are gone down by recursion.
const MAX_LEVELS: usize = 8;

/// Digits of a number that a double holds exactly.
const MAX_DIGITS: usize = 15;

/// A place in a text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// The names of the objects that are open.
    names: [Token; MAX_NAMES],
    named: usize,
}

/// An open object.
pub(super) struct Open {
    /// Its first name among those remembered.
    first: usize,
    /// A bit for each of its names, several names to a bit.
    bits: u64,
    /// How deep it lies.
    level: usize,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string. It is trimmed, not too long, and holds no characters that are dropped.
    Text,
    /// The same, with escapes in it.
    Escaped,
    /// A number that neither loses digits nor vanishes.
    Number,
    /// `true`, `false`, an array or an object.
    Other,
}

/// A value, and where it lies: of a string what is between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) starts: u16,
    pub(super) ends: u16,
}

impl Token {
    /// What the text has there.
    pub(super) fn of(self, text: &str) -> &str {
        &text[self.range()]
    }

    /// How many bytes.
    fn len(self) -> usize {
        usize::from(self.ends) - usize::from(self.starts)
    }

    fn range(self) -> Range<usize> {
        usize::from(self.starts)..usize::from(self.ends)
    }
}

/// A value whose place nobody asks for.
const OTHER: Token = Token { kind: Kind::Other, starts: 0, ends: 0 };

/// Stands where no name is remembered yet: nothing but zeros, which many places are filled with at once.
const NO_NAME: Token = Token { kind: Kind::Text, starts: 0, ends: 0 };

/// A field of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    /// Where its name's quote stands.
    pub(super) starts: usize,
    pub(super) value: Token,
}

impl<'a> Cursor<'a> {
    /// The beginning of a text of at most `u16::MAX` bytes.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, names: [NO_NAME; MAX_NAMES], named: 0 }
    }

    /// The index of the next byte.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Steps over what JSON allows between its parts.
    #[inline]
    pub(super) fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over blanks that leave a text on its line.
    #[inline]
    fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn token(&self, kind: Kind, starts: usize) -> Token {
        Token { kind, starts: starts as u16, ends: self.at as u16 }
    }

    /// Steps over the colon between a name and a value.
    #[inline]
    pub(super) fn colon(&mut self) -> Option<()> {
        self.expect(b':')
    }

    /// Steps into an object.
    pub(super) fn open(&mut self, level: usize) -> Option<Open> {
        self.expect(b'{')?;
        (level <= MAX_LEVELS).then_some(Open { first: self.named, bits: 0, level })
    }

    /// The name of an object's next field, which it has not had before.
    #[inline]
    pub(super) fn name(&mut self, object: &mut Open) -> Option<&'a [u8]> {
        let token = self.any_text()?;
        let name = &self.text.as_bytes()[token.range()];
        let (first, last) = (*name.first()?, *name.last()?);
        if token.kind != Kind::Text || name.len() > MAX_FIELD_NAME_BYTES {
            return None;
        }
        let bit = 1 << ((usize::from(first) ^ usize::from(last) << 2 ^ name.len() << 1) & 63);
        if object.bits & bit != 0 && self.has_name(object, name) {
            return None;
        }
        object.bits |= bit;
        *self.names.get_mut(self.named)? = token;
        self.named += 1;
        Some(name)
    }

    fn has_name(&self, object: &Open, name: &[u8]) -> bool {
        let bytes = self.text.as_bytes();
        self.names[object.first..self.named].iter().any(|other| bytes[other.range()] == *name)
    }

    /// Steps behind a field's value, to the next one's name, or out of the object. Whether it is out.
    #[inline]
    pub(super) fn close(&mut self, object: &Open) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Some(false),
            b'}' => {
                self.named = object.first;
                Some(true)
            }
            _ => None,
        }
    }

    /// Steps over an object on one line, and shows each field.
    pub(super) fn object(&mut self, level: usize, mut see: impl FnMut(Field<'a>)) -> Option<usize> {
        let mut object = self.open(level)?;
        let mut fields = 0;
        self.spaces();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(0);
        }
        loop {
            self.spaces();
            let starts = self.at;
            let name = self.name(&mut object)?;
            self.spaces();
            self.colon()?;
            self.spaces();
            let value = self.value(object.level)?;
            fields += 1;
            see(Field { name, starts, value });
            self.spaces();
            if self.close(&object)? {
                return Some(fields);
            }
        }
    }

    /// Steps over a value in an object or an array of this level.
    pub(super) fn value(&mut self, level: usize) -> Option<Token> {
        match self.peek()? {
            b'"' => self.clean_text(),
            b'-' | b'0'..=b'9' => self.number(),
            b'{' => self.object(level + 1, |_| {}).map(|_| OTHER),
            b'[' => self.array(level + 1),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            _ => None,
        }
    }

    fn word(&mut self, word: &str) -> Option<Token> {
        self.text.as_bytes()[self.at..].starts_with(word.as_bytes()).then(|| {
            self.at += word.len();
            OTHER
        })
    }

    fn array(&mut self, level: usize) -> Option<Token> {
        if level > MAX_LEVELS {
            return None;
        }
        self.expect(b'[')?;
        self.spaces();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(OTHER);
        }
        for _ in 0..MAX_ARRAY_ITEMS {
            self.spaces();
            self.value(level)?;
            self.spaces();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(OTHER);
                }
                _ => return None,
            }
        }
        None
    }

    /// Steps over a number of few digits without an exponent.
    fn number(&mut self) -> Option<Token> {
        let starts = self.at;
        let is_negative = self.peek()? == b'-';
        self.at += usize::from(is_negative);
        let whole = self.digits();
        let leads_with_zero = self.text.as_bytes().get(self.at - whole) == Some(&b'0');
        let mut digits = whole;
        if self.peek() == Some(b'.') {
            self.at += 1;
            let fraction = self.digits();
            if fraction == 0 {
                return None;
            }
            digits += fraction;
        }
        let is_odd = whole == 0
            || leads_with_zero && (whole > 1 || is_negative)
            || digits > MAX_DIGITS
            || matches!(self.peek(), Some(b'e' | b'E'));
        (!is_odd).then(|| self.token(Kind::Number, starts))
    }

    fn digits(&mut self) -> usize {
        let starts = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - starts
    }

    /// Steps over a string that sanitizing leaves as it is.
    fn clean_text(&mut self) -> Option<Token> {
        let token = self.any_text()?;
        (token.len() <= MAX_STRING_CHARS && self.is_trimmed(token)).then_some(token)
    }

    /// Whether the string neither begins nor ends with a blank, or with an invisible character, which ids are trimmed of. An escape
    /// there may be one.
    #[inline]
    fn is_trimmed(&self, token: Token) -> bool {
        let bytes = &self.text.as_bytes()[token.range()];
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return true };
        // One comparison: what is smaller than a blank is in no string.
        let may_be_blank = |byte: &u8| !(b'!'..=0x7f).contains(byte);
        if token.kind == Kind::Escaped || may_be_blank(first) || may_be_blank(last) {
            let ends_in_escape = token.kind == Kind::Escaped && (*first == b'\\' || matches!(bytes, [.., b'\\', _]));
            return !ends_in_escape && trimmed_id(token.of(self.text)).len() == bytes.len();
        }
        true
    }

    /// Steps over a string without control characters, and without escapes for any but line feeds and tabs.
    #[expect(clippy::inline_always, reason = "it is short, and called for each of some thirty strings of an event")]
    #[inline(always)]
    fn any_text(&mut self) -> Option<Token> {
        self.expect(b'"')?;
        let bytes = self.text.as_bytes();
        let (starts, mut is_escaped) = (self.at, false);
        loop {
            self.at = plain_until(bytes, self.at);
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    if !matches!(bytes.get(self.at + 1)?, b'"' | b'\\' | b'/' | b'n' | b't') {
                        return None;
                    }
                    self.at += 2;
                }
                // U+0080 to U+009F are control characters too.
                0xc2 if bytes.get(self.at + 1)? < &0xa0 => return None,
                // As many bytes as the first one has leading ones.
                first @ 0x80.. => self.at += first.leading_ones() as usize,
                _ => return None,
            }
        }
        let token = self.token(if is_escaped { Kind::Escaped } else { Kind::Text }, starts);
        self.at += 1;
        Some(token)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The index of the first byte from `at` on that is no plain ASCII character of a string: a quote, a backslash, a control
/// character, or a part of another character.
#[inline]
fn plain_until(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let marks = marks(u64::from_le_bytes(*eight));
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\')) {
        at += 1;
    }
    at
}

/// The high bit of the lowest byte that is not plain is set, and of none below it. Above it, bits mean nothing.
#[inline]
fn marks(word: u64) -> u64 {
    // With one bit turned, a quote follows the control characters; what an addition carries into is U+007F.
    let quote_or_control = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    (quote_or_control | backslash | word.wrapping_add(ONES) | word) & HIGHS
}

#[cfg(test)]
mod tests;
