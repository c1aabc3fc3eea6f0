//! Streams inside of a connection whose length is not known before: pieces, each with
//! its length, and a length of zero at the end.

use crate::error::malformed;
use crate::wire::{WireRead, WireWrite};
use std::io::{self, BufRead, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// How much goes into one piece, in bytes.
const PIECE: usize = 64 << 10;

/// Why a writer ends early: whoever reads does not want the rest.
const UNWANTED: &str = "the other side does not want the rest";

/// Writes pieces.
pub(crate) struct FramedWriter<'a, W: Write> {
    inner: &'a mut W,
    buffer: Vec<u8>,
    unwanted: &'a AtomicBool,
}

impl<'a, W: Write> FramedWriter<'a, W> {
    /// Writing fails once `unwanted` is true.
    pub fn new(inner: &'a mut W, unwanted: &'a AtomicBool) -> Self {
        Self { inner, buffer: Vec::with_capacity(PIECE), unwanted }
    }

    /// Writes what is left, and the end.
    pub fn finish(mut self) -> io::Result<()> {
        self.piece()?;
        self.inner.put_number(0)?;
        self.inner.flush()
    }

    /// The end alone, in place of the rest.
    pub fn abandon(self) -> io::Result<()> {
        self.inner.put_number(0)?;
        self.inner.flush()
    }

    fn piece(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.inner.put_number(self.buffer.len() as u64)?;
            self.inner.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl<W: Write> Write for FramedWriter<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.unwanted.load(Ordering::Relaxed) {
            return Err(io::Error::other(UNWANTED));
        }
        let count = data.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&data[..count]);
        if self.buffer.len() == PIECE {
            self.piece()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.piece()?;
        self.inner.flush()
    }
}

/// Reads pieces up to their end.
pub(crate) struct FramedReader<'a, R: BufRead + ?Sized> {
    inner: &'a mut R,
    left: u64,
    ended: bool,
}

impl<'a, R: BufRead + ?Sized> FramedReader<'a, R> {
    pub fn new(inner: &'a mut R) -> Self {
        Self { inner, left: 0, ended: false }
    }

    /// Reads and forgets the rest; whether there was any.
    pub fn drain(&mut self) -> io::Result<bool> {
        Ok(io::copy(self, &mut io::sink())? > 0)
    }
}

impl<R: BufRead + ?Sized> Read for FramedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.ended {
            return Ok(0);
        }
        if self.left == 0 {
            self.left = self.inner.number()?;
            if self.left == 0 {
                self.ended = true;
                return Ok(0);
            }
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        match self.inner.read(&mut buffer[..room])? {
            0 => Err(malformed("a stream ends in the middle of a piece")),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_put_together_again() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5] {
            let data: Vec<u8> = (0..size).map(|index| index as u8).collect();
            let unwanted = AtomicBool::new(false);
            let mut bytes = Vec::new();
            let mut writer = FramedWriter::new(&mut bytes, &unwanted);
            writer.write_all(&data).unwrap();
            writer.finish().unwrap();
            bytes.extend_from_slice(b"behind");
            let mut rest = bytes.as_slice();
            let mut reader = FramedReader::new(&mut rest);
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            assert!(got == data && rest == b"behind", "{size}");
        }
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        let mut bytes: &[u8] = b"\x05\0\0\0\0\0\0\0abc";
        let mut got = Vec::new();
        let error = FramedReader::new(&mut bytes).read_to_end(&mut got).unwrap_err();
        assert_eq!(error.to_string(), "a stream ends in the middle of a piece");
        let mut bytes: &[u8] = b"\x03\0\0\0\0\0\0\0abc";
        let error = FramedReader::new(&mut bytes).read_to_end(&mut got).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_unwanted_ends() {
        let (mut bytes, unwanted) = (Vec::new(), AtomicBool::new(true));
        let mut writer = FramedWriter::new(&mut bytes, &unwanted);
        assert_eq!(writer.write(b"abc").unwrap_err().to_string(), UNWANTED);
        writer.abandon().unwrap();
        assert_eq!(bytes, [0; 8]);
    }
}
