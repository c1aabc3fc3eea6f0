//! Source texts and positions in them.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

/// A range of bytes in one source text, relative to its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The range from `start` up to, not including, `end`.
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// The smallest range that holds both.
    pub fn to(self, other: Span) -> Span {
        Span::new(self.start.min(other.start), self.end.max(other.end))
    }
}

/// A position in one of the files of a [`SourceMap`]; `Pos::NONE` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos(pub u32);

impl Pos {
    /// No position: made by a builtin, or from outside any source text.
    pub const NONE: Pos = Pos(0);

    /// Whether this is a position at all.
    pub fn is_some(self) -> bool {
        self != Pos::NONE
    }
}

/// Where a source text comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A file, by absolute path.
    File(PathBuf),
    /// An expression given on the command line or to a library call.
    String,
    /// Standard input.
    Stdin,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::String => f.write_str("«string»"),
            Origin::Stdin => f.write_str("«stdin»"),
        }
    }
}

/// A source text with its place in the offset space of its [`SourceMap`].
#[derive(Debug)]
pub struct SourceFile {
    /// Where the text comes from.
    pub origin: Origin,
    /// The text; Nix source need not be UTF-8.
    pub text: Arc<[u8]>,
    base: u32,
}

impl SourceFile {
    /// The global position of a byte offset in this file.
    pub fn pos(&self, offset: u32) -> Pos {
        Pos(self.base + offset.min(self.text.len() as u32))
    }

    /// Line and column (both from 1, column in bytes) of a byte offset.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let before = &self.text[..(offset as usize).min(self.text.len())];
        let line = before.iter().filter(|&&b| b == b'\n').count() as u32 + 1;
        let start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |i| i + 1);
        (line, (before.len() - start) as u32 + 1)
    }

    /// The text of a line (from 1), without its line break.
    pub fn line(&self, number: u32) -> &[u8] {
        let line = self
            .text
            .split(|&b| b == b'\n')
            .nth(number.saturating_sub(1) as usize);
        let line = line.unwrap_or_default();
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

/// A resolved position.
#[derive(Clone, Debug)]
pub struct Location {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.origin, self.line, self.column)
    }
}

/// All source texts of an evaluation, append-only and shared between threads.
#[derive(Debug, Default)]
pub struct SourceMap {
    files: RwLock<Vec<Arc<SourceFile>>>,
}

impl SourceMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text; `None` when the four-gigabyte offset space is used up.
    pub fn add(&self, origin: Origin, text: impl Into<Arc<[u8]>>) -> Option<Arc<SourceFile>> {
        let text = text.into();
        let mut files = self.files.write().unwrap_or_else(|e| e.into_inner());
        let base = match files.last() {
            Some(last) => last
                .base
                .checked_add(u32::try_from(last.text.len()).ok()?)?
                .checked_add(1)?,
            None => 1,
        };
        base.checked_add(u32::try_from(text.len()).ok()?)?
            .checked_add(1)?;
        let file = Arc::new(SourceFile { origin, text, base });
        files.push(Arc::clone(&file));
        Some(file)
    }

    /// The file and offset of a position.
    pub fn lookup(&self, pos: Pos) -> Option<(Arc<SourceFile>, u32)> {
        if !pos.is_some() {
            return None;
        }
        let files = self.files.read().unwrap_or_else(|e| e.into_inner());
        let index = files
            .partition_point(|file| file.base <= pos.0)
            .checked_sub(1)?;
        let file = Arc::clone(&files[index]);
        let offset = pos.0 - file.base;
        Some((file, offset))
    }

    /// File, line and column of a position.
    pub fn resolve(&self, pos: Pos) -> Option<Location> {
        let (file, offset) = self.lookup(pos)?;
        let (line, column) = file.line_column(offset);
        Some(Location { file, line, column })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_resolve_to_file_line_and_column() {
        let map = SourceMap::new();
        let first = map.add(Origin::String, *b"ab\ncd").unwrap();
        let second = map.add(Origin::Stdin, *b"x").unwrap();
        let show = |pos| map.resolve(pos).map(|l| l.to_string());
        assert_eq!(show(first.pos(0)).as_deref(), Some("«string»:1:1"));
        assert_eq!(show(first.pos(4)).as_deref(), Some("«string»:2:2"));
        assert_eq!(show(first.pos(5)).as_deref(), Some("«string»:2:3"));
        assert_eq!(show(second.pos(0)).as_deref(), Some("«stdin»:1:1"));
        assert_eq!(show(Pos::NONE), None);
    }
}
