//! Text forms of byte strings: base 16, Nix's base 32, base 64.
//!
//! Nix's base 32 has an alphabet of its own (digits and lower-case letters
//! without `e`, `o`, `t`, `u`, so that no words appear) and puts the least
//! significant five bits *last*: the text is the number, read with the bytes in
//! little-endian order. Source: the Nix manual, "Store path specification".

use std::sync::LazyLock;

use data_encoding::{BASE64, BASE64_NOPAD, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE};

/// The characters of Nix's base 32, by value.
pub const NIX_BASE32_ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// What [`NIX_BASE32_VALUES`] holds for a byte that is no digit.
pub const NOT_A_DIGIT: u8 = 0xff;

/// The value of each byte as a base 32 digit, [`NOT_A_DIGIT`] for all others.
pub const NIX_BASE32_VALUES: [u8; 256] = {
    let mut table = [NOT_A_DIGIT; 256];
    let mut value = 0;
    while value < 32 {
        table[NIX_BASE32_ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// How many characters `bytes` bytes make in Nix's base 32.
pub const fn nix_base32_len(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// How many characters `bytes` bytes make in padded base 64.
pub const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Writes `bytes` in Nix's base 32.
pub fn nix_base32(bytes: &[u8]) -> String {
    let len = nix_base32_len(bytes.len());
    let mut text = String::with_capacity(len);
    for position in (0..len).rev() {
        let bit = position * 5;
        let (index, shift) = (bit / 8, bit % 8);
        let low = u16::from(bytes[index]);
        let high = u16::from(*bytes.get(index + 1).unwrap_or(&0));
        let digit = ((high << 8 | low) >> shift) & 0x1f;
        text.push(char::from(NIX_BASE32_ALPHABET[usize::from(digit)]));
    }
    text
}

/// Reads Nix's base 32 into `bytes`. False if the length is not that of
/// `bytes`, a character is no digit, or bits are set behind the last byte.
pub fn parse_nix_base32(text: &[u8], bytes: &mut [u8]) -> bool {
    if text.len() != nix_base32_len(bytes.len()) {
        return false;
    }
    bytes.fill(0);
    for (position, character) in text.iter().rev().enumerate() {
        let digit = NIX_BASE32_VALUES[usize::from(*character)];
        if digit == NOT_A_DIGIT {
            return false;
        }
        let bit = position * 5;
        let (index, shift) = (bit / 8, bit % 8);
        let wide = u16::from(digit) << shift;
        bytes[index] |= wide as u8;
        let carry = (wide >> 8) as u8;
        match bytes.get_mut(index + 1) {
            Some(next) => *next |= carry,
            None if carry != 0 => return false,
            None => {}
        }
    }
    true
}

/// Writes `bytes` in lower-case hexadecimal.
pub fn base16(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Reads hexadecimal of either case into `bytes`. False if it does not fit exactly.
pub fn parse_base16(text: &[u8], bytes: &mut [u8]) -> bool {
    text.len() == bytes.len() * 2 && HEXLOWER_PERMISSIVE.decode_mut(text, bytes).is_ok()
}

/// Writes `bytes` in padded base 64.
pub fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Base 64 as Nix reads it: padding may be missing, and bits behind the last byte
/// are not looked at.
static LENIENT_BASE64: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = BASE64_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification.encoding().unwrap_or(BASE64_NOPAD)
});

/// Reads base 64, padded or not. None if it is malformed.
pub fn parse_base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    LENIENT_BASE64.decode(&text[..text.len() - padding]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_little_endian() {
        assert_eq!(nix_base32(&[1]), "01");
        assert_eq!(nix_base32(&[0xff]), "7z");
        assert_eq!(nix_base32(&[0x1f, 0]), "000z");
        assert_eq!(nix_base32(&[]), "");
    }

    #[test]
    fn base32_round_trip() {
        for len in [0usize, 1, 2, 3, 4, 5, 16, 20, 32, 64] {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 37 + 11) as u8).collect();
            let mut back = vec![0xaa; len];
            assert!(parse_nix_base32(nix_base32(&bytes).as_bytes(), &mut back));
            assert_eq!(back, bytes);
        }
    }

    #[test]
    fn base64_is_read_as_nix_reads_it() {
        for text in ["aGk=", "aGk", "aGl="] {
            assert_eq!(parse_base64(text.as_bytes()).unwrap(), b"hi", "{text}");
        }
        for text in ["a=Gk", "aGk===", "aG k", "aGk\n"] {
            assert_eq!(parse_base64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn base32_rejects() {
        let mut byte = [0];
        assert!(!parse_nix_base32(b"8z", &mut byte), "bits behind the end");
        assert!(!parse_nix_base32(b"0e", &mut byte), "not in the alphabet");
        assert!(!parse_nix_base32(b"000", &mut byte), "length");
    }
}
