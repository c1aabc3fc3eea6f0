//! Numbers, strings and lists as both protocols have them.
//!
//! A number is 8 bytes, little-endian; a string its length, its bytes and zeros up to a
//! multiple of 8; a list its length and its items. Source: the Nix manual, "Protocols".

use crate::error::malformed;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};

/// The longest string that is taken, in bytes. Derivations have long environments.
pub(crate) const LONGEST_STRING: u64 = 256 << 20;

/// The most items of a list that are taken.
const LONGEST_LIST: u64 = 1 << 24;

/// Reads what the protocols are made of.
pub(crate) trait WireRead: Read {
    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn flag(&mut self) -> io::Result<bool> {
        Ok(self.number()? != 0)
    }

    fn data(&mut self) -> io::Result<Vec<u8>> {
        let length = self.number()?;
        if length > LONGEST_STRING {
            return Err(malformed(format_args!("a string of {length} bytes is too long")));
        }
        // Grows with what arrives: a length alone takes no memory.
        let mut bytes = Vec::new();
        Read::take(&mut *self, length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut padding = [0; 8];
        let padding = &mut padding[..(8 - bytes.len() % 8) % 8];
        self.read_exact(padding)?;
        match padding.iter().all(|byte| *byte == 0) {
            true => Ok(bytes),
            false => Err(malformed("a string is not filled up with zeros")),
        }
    }

    fn text(&mut self) -> io::Result<String> {
        String::from_utf8(self.data()?).map_err(|_| malformed("a string is not UTF-8"))
    }

    /// The length of a list.
    fn length(&mut self) -> io::Result<u64> {
        match self.number()? {
            length if length > LONGEST_LIST => {
                Err(malformed(format_args!("a list of {length} items is too long")))
            }
            length => Ok(length),
        }
    }

    fn texts(&mut self) -> io::Result<Vec<String>> {
        (0..self.length()?).map(|_| self.text()).collect()
    }

    fn text_set(&mut self) -> io::Result<BTreeSet<String>> {
        Ok(self.texts()?.into_iter().collect())
    }
}

impl<R: Read + ?Sized> WireRead for R {}

/// Writes what the protocols are made of.
pub(crate) trait WireWrite: Write {
    fn put_number(&mut self, number: u64) -> io::Result<()> {
        self.write_all(&number.to_le_bytes())
    }

    fn put_flag(&mut self, flag: bool) -> io::Result<()> {
        self.put_number(u64::from(flag))
    }

    fn put_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put_number(bytes.len() as u64)?;
        self.write_all(bytes)?;
        self.write_all(&[0; 8][..(8 - bytes.len() % 8) % 8])
    }

    fn put_text(&mut self, text: &str) -> io::Result<()> {
        self.put_bytes(text.as_bytes())
    }

    fn put_texts(&mut self, texts: impl ExactSizeIterator<Item = impl AsRef<str>>) -> io::Result<()> {
        self.put_number(texts.len() as u64)?;
        for text in texts {
            self.put_text(text.as_ref())?;
        }
        Ok(())
    }
}

impl<W: Write + ?Sized> WireWrite for W {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<&str, &str>) {
        let mut reader = bytes;
        let got = reader.text().map_err(|error| error.to_string());
        assert_eq!(got.as_deref(), expected.map_err(str::to_owned).as_ref().copied());
    }

    #[test]
    fn strings_are_filled_up() {
        let mut bytes = Vec::new();
        bytes.put_text("abc").unwrap();
        assert_eq!(bytes, b"\x03\0\0\0\0\0\0\0abc\0\0\0\0\0");
        check(&bytes, Ok("abc"));
        check(b"\x03\0\0\0\0\0\0\0abc\0\0x\0\0", Err("a string is not filled up with zeros"));
        check(b"\x03\0\0\0\0\0\0\0ab", Err("unexpected end of file"));
        check(b"\x01\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0", Err("a string is not UTF-8"));
        check(b"\0\0\0\0\0\x01\0\0", Err("a string of 1099511627776 bytes is too long"));
    }

    #[test]
    fn a_length_alone_takes_no_memory() {
        let mut reader: &[u8] = b"\xff\xff\xff\0\0\0\0\0";
        assert_eq!(reader.texts().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let mut reader: &[u8] = b"\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(reader.texts().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
