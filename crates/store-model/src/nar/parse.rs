//! Reading NARs, with all rules checked.

use std::io::{self, BufRead, Read};

use bstr::ByteSlice;

use super::{MAGIC, MAX_DEPTH, MAX_ENTRY_NAME, MAX_LINK_TARGET, NarError};

/// Gets the parts of an archive in order. The object that comes next is the
/// root, or belongs to the entry entered last.
pub trait Visitor {
    /// A regular file. Whatever of `content` is left unread gets skipped.
    fn regular(&mut self, executable: bool, size: u64, content: &mut dyn Read) -> Result<(), NarError>;
    /// A symbolic link. The target is neither empty nor too long and has no NUL.
    fn symlink(&mut self, target: &[u8]) -> Result<(), NarError>;
    /// A directory begins.
    fn begin_directory(&mut self) -> Result<(), NarError>;
    /// An entry of the directory begun last. The name is neither empty, `.` nor
    /// `..`, has no slash and no NUL, and is greater than the one before.
    fn enter(&mut self, name: &[u8]) -> Result<(), NarError>;
    /// The entry ends.
    fn leave(&mut self) -> Result<(), NarError>;
    /// The directory ends.
    fn end_directory(&mut self) -> Result<(), NarError>;
}

/// Reads one NAR and nothing behind it (for streams that go on).
pub fn parse_one(reader: &mut dyn BufRead, visitor: &mut dyn Visitor) -> Result<(), NarError> {
    let mut parser = Parser { reader, visitor, offset: 0 };
    parser.expect(MAGIC)?;
    parser.object(0)
}

/// Reads one NAR, and checks that the stream ends behind it.
pub fn parse(reader: &mut dyn BufRead, visitor: &mut dyn Visitor) -> Result<(), NarError> {
    let mut parser = Parser { reader, visitor, offset: 0 };
    parser.expect(MAGIC)?;
    parser.object(0)?;
    let rest = parser.reader.fill_buf().map_err(|source| NarError::Stream { action: "read", source })?;
    if rest.is_empty() { Ok(()) } else { Err(parser.malformed("trailing bytes")) }
}

struct Parser<'p> {
    reader: &'p mut dyn BufRead,
    visitor: &'p mut dyn Visitor,
    offset: u64,
}

/// The longest of the format's own words.
const MAX_TOKEN: usize = 16;

impl Parser<'_> {
    fn malformed(&self, reason: impl Into<String>) -> NarError {
        NarError::Malformed { offset: self.offset, reason: reason.into() }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NarError> {
        self.reader.read_exact(bytes).map_err(|source| {
            if source.kind() == io::ErrorKind::UnexpectedEof {
                self.malformed("unexpected end")
            } else {
                NarError::Stream { action: "read", source }
            }
        })?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn number(&mut self) -> Result<u64, NarError> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn padding(&mut self, size: u64) -> Result<(), NarError> {
        let count = ((8 - size % 8) % 8) as usize;
        let mut bytes = [0; 8];
        self.fill(&mut bytes[..count])?;
        if bytes == [0; 8] { Ok(()) } else { Err(self.malformed("padding is not zero")) }
    }

    fn string(&mut self, limit: usize, what: &str) -> Result<Vec<u8>, NarError> {
        let size = self.number()?;
        if size > limit as u64 {
            return Err(self.malformed(format!("{what} of {size} bytes is too long")));
        }
        let mut bytes = vec![0; size as usize];
        self.fill(&mut bytes)?;
        self.padding(size)?;
        Ok(bytes)
    }

    fn token(&mut self) -> Result<Vec<u8>, NarError> {
        self.string(MAX_TOKEN, "token")
    }

    fn unexpected(&self, got: &[u8], expected: &str) -> NarError {
        self.malformed(format!("expected {expected}, got {:?}", got.as_bstr()))
    }

    fn expect(&mut self, word: &str) -> Result<(), NarError> {
        let token = self.token()?;
        if token == word.as_bytes() {
            return Ok(());
        }
        Err(self.unexpected(&token, &format!("\"{word}\"")))
    }

    fn object(&mut self, depth: usize) -> Result<(), NarError> {
        if depth > MAX_DEPTH {
            return Err(self.malformed(format!("nested more than {MAX_DEPTH} directories deep")));
        }
        self.expect("(")?;
        self.expect("type")?;
        let kind = self.token()?;
        match kind.as_slice() {
            b"regular" => self.regular(),
            b"symlink" => self.symlink(),
            b"directory" => self.directory(depth),
            _ => Err(self.unexpected(&kind, "\"regular\", \"symlink\" or \"directory\"")),
        }
    }

    fn regular(&mut self) -> Result<(), NarError> {
        let mut token = self.token()?;
        let executable = token == b"executable";
        if executable {
            self.expect("")?;
            token = self.token()?;
        }
        if token != b"contents" {
            return Err(self.unexpected(&token, "\"contents\""));
        }
        let size = self.number()?;
        let mut content = (&mut *self.reader).take(size);
        self.visitor.regular(executable, size, &mut content)?;
        // Skips what the visitor left, and finds out whether it was there.
        io::copy(&mut content, &mut io::sink())
            .map_err(|source| NarError::Stream { action: "read", source })?;
        let missing = content.limit();
        self.offset += size - missing;
        if missing > 0 {
            return Err(self.malformed("unexpected end"));
        }
        self.padding(size)?;
        self.expect(")")
    }

    fn symlink(&mut self) -> Result<(), NarError> {
        self.expect("target")?;
        let target = self.string(MAX_LINK_TARGET, "link target")?;
        if target.is_empty() || target.contains(&0) {
            return Err(self.malformed("link target is empty or has a NUL byte"));
        }
        self.expect(")")?;
        self.visitor.symlink(&target)
    }

    fn directory(&mut self, depth: usize) -> Result<(), NarError> {
        self.visitor.begin_directory()?;
        let mut previous: Option<Vec<u8>> = None;
        loop {
            let token = self.token()?;
            match token.as_slice() {
                b")" => return self.visitor.end_directory(),
                b"entry" => {}
                _ => return Err(self.unexpected(&token, "\"entry\" or \")\"")),
            }
            self.expect("(")?;
            self.expect("name")?;
            let name = self.string(MAX_ENTRY_NAME, "name")?;
            self.check_name(&name)?;
            if previous.is_some_and(|previous| previous >= name) {
                let name = name.as_bstr();
                return Err(self.malformed(format!("entry {name:?} is not in ascending order")));
            }
            self.expect("node")?;
            self.visitor.enter(&name)?;
            self.object(depth + 1)?;
            self.visitor.leave()?;
            self.expect(")")?;
            previous = Some(name);
        }
    }

    fn check_name(&self, name: &[u8]) -> Result<(), NarError> {
        if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') || name.contains(&0) {
            return Err(self.malformed(format!("entry name {:?} is not allowed", name.as_bstr())));
        }
        Ok(())
    }
}
