//! Numbers in as many bytes as they need, seven bits a byte, the lowest first.

pub(super) fn write(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The next number, where it is written in the only way that [`write`] writes it.
pub(super) fn read(bytes: &mut &[u8]) -> Option<u32> {
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
