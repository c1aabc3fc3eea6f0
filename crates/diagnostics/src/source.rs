//! Source texts and positions in them.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, RwLock};

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
    /// A text that is part of the program, by the name that it can be found under.
    Internal(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::String => f.write_str("«string»"),
            Origin::Stdin => f.write_str("«stdin»"),
            Origin::Internal(name) => write!(f, "«nix-internal»/{name}"),
        }
    }
}

/// Gets a source text again that was not kept; `None` if it is not there any more.
pub type Reader = Box<dyn Fn() -> Option<Arc<[u8]>> + Send + Sync>;

/// A source text with its place in the offset space of its [`SourceMap`].
pub struct SourceFile {
    /// Where the text comes from.
    pub origin: Origin,
    /// Length of the text, in bytes.
    len: u32,
    text: OnceLock<Arc<[u8]>>,
    /// For texts that are not kept until somebody asks for them.
    reader: Option<Reader>,
    base: u32,
    /// Where each line starts; found when first asked for.
    line_starts: OnceLock<Vec<u32>>,
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceFile").field("origin", &self.origin).field("len", &self.len).finish()
    }
}

impl SourceFile {
    /// The text; Nix source need not be UTF-8. Nothing if it was not kept and is not
    /// there any more, or has another length now.
    pub fn text(&self) -> &[u8] {
        self.text.get_or_init(|| {
            let again = self.reader.as_ref().and_then(|reader| reader());
            again.filter(|text| text.len() == self.len as usize).unwrap_or_default()
        })
    }

    /// The global position of a byte offset in this file.
    #[inline]
    pub fn pos(&self, offset: u32) -> Pos {
        Pos(self.base + offset.min(self.len))
    }

    /// Line and column (both from 1, column in bytes) of a byte offset. As in
    /// the reference, LF, CR and CR LF end a line.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let offset = offset.min(self.len);
        let starts = self.line_starts();
        let line = starts.partition_point(|&start| start <= offset);
        let start = line.checked_sub(1).map_or(0, |index| starts[index]);
        (line as u32, offset - start + 1)
    }

    /// The text of a line (from 1), without its line break.
    pub fn line(&self, number: u32) -> &[u8] {
        self.existing_line(number).unwrap_or_default()
    }

    /// The texts of the line before, a line (from 1) and the line behind it, as
    /// far as they exist, without their line breaks.
    pub(crate) fn lines_around(&self, number: u32) -> [Option<&[u8]>; 3] {
        [number.wrapping_sub(1), number, number.saturating_add(1)].map(|number| self.existing_line(number))
    }

    fn existing_line(&self, number: u32) -> Option<&[u8]> {
        let starts = self.line_starts();
        let index = (number as usize).checked_sub(1)?;
        let start = *starts.get(index)? as usize;
        let end = starts.get(index + 1).map_or(self.text().len(), |&end| end as usize);
        let line = &self.text()[start..end];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let text = self.text();
            let breaks = text
                .iter()
                .enumerate()
                .filter(|&(i, &byte)| byte == b'\n' || (byte == b'\r' && text.get(i + 1) != Some(&b'\n')));
            std::iter::once(0).chain(breaks.map(|(i, _)| i as u32 + 1)).collect()
        })
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
    /// Directories, and those that messages name instead.
    shown: RwLock<Vec<(String, String)>>,
}

impl SourceMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text; `None` when the four-gigabyte offset space is used up.
    pub fn add(&self, origin: Origin, text: impl Into<Arc<[u8]>>) -> Option<Arc<SourceFile>> {
        let text = text.into();
        self.add_file(origin, text.len(), text.into(), None)
    }

    /// Adds a text by its length in bytes; it is read (again) when it is asked for.
    /// `None` as for [`SourceMap::add`].
    pub fn add_unkept(&self, origin: Origin, len: usize, reader: Reader) -> Option<Arc<SourceFile>> {
        self.add_file(origin, len, OnceLock::new(), Some(reader))
    }

    fn add_file(
        &self,
        origin: Origin,
        len: usize,
        text: OnceLock<Arc<[u8]>>,
        reader: Option<Reader>,
    ) -> Option<Arc<SourceFile>> {
        let len = u32::try_from(len).ok()?;
        let mut files = self.files.write().unwrap_or_else(|e| e.into_inner());
        let base = match files.last() {
            Some(last) => last.base.checked_add(last.len)?.checked_add(1)?,
            None => 1,
        };
        base.checked_add(len)?.checked_add(1)?;
        let file = Arc::new(SourceFile { origin, len, text, reader, base, line_starts: OnceLock::new() });
        files.push(Arc::clone(&file));
        Some(file)
    }

    /// The file and offset of a position.
    pub fn lookup(&self, pos: Pos) -> Option<(Arc<SourceFile>, u32)> {
        if !pos.is_some() {
            return None;
        }
        let files = self.files.read().unwrap_or_else(|e| e.into_inner());
        let index = files.partition_point(|file| file.base <= pos.0).checked_sub(1)?;
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

    /// Has messages name files below `directory` as if they were below `instead`: where
    /// their user has them, when what is evaluated is a copy.
    pub fn show_below(&self, directory: &str, instead: &str) {
        let mut shown = self.shown.write().unwrap_or_else(|e| e.into_inner());
        let pair = (format!("{directory}/"), format!("{instead}/"));
        if !shown.contains(&pair) {
            shown.push(pair);
        }
    }

    /// A place as messages name it.
    pub fn describe(&self, location: &Location) -> String {
        let text = location.to_string();
        let shown = self.shown.read().unwrap_or_else(|e| e.into_inner());
        let instead = shown.iter().find_map(|(directory, instead)| {
            text.strip_prefix(directory.as_str()).map(|rest| format!("{instead}{rest}"))
        });
        instead.unwrap_or(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_named_as_their_originals() {
        let map = SourceMap::new();
        let file = map.add(Origin::File("/store/x/a.nix".into()), *b"1").unwrap();
        let place = map.resolve(file.pos(0)).unwrap();
        assert_eq!(map.describe(&place), "/store/x/a.nix:1:1");
        map.show_below("/store/y", "/nowhere");
        map.show_below("/store/x", "/home/me");
        assert_eq!(map.describe(&place), "/home/me/a.nix:1:1");
        assert_eq!(place.to_string(), "/store/x/a.nix:1:1");
    }

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

    #[test]
    fn texts_that_are_not_kept_are_read_when_asked_for() {
        let map = SourceMap::new();
        let same = map.add_unkept(Origin::Stdin, 5, Box::new(|| Some((*b"ab\ncd").into()))).unwrap();
        let other = map.add_unkept(Origin::Stdin, 5, Box::new(|| Some((*b"ab\n").into()))).unwrap();
        let gone = map.add_unkept(Origin::Stdin, 5, Box::new(|| None)).unwrap();
        let show = |file: &SourceFile| (file.line_column(4), file.line(2).to_vec(), file.text().len());
        assert_eq!(show(&same), ((2, 2), b"cd".to_vec(), 5));
        assert_eq!(show(&other), ((1, 5), Vec::new(), 0));
        assert_eq!(show(&gone), show(&other));
        assert_eq!(map.lookup(gone.pos(9)).map(|(_, offset)| offset), Some(5));
    }

    #[test]
    fn lines_end_in_any_of_three_ways() {
        let map = SourceMap::new();
        let file = map.add(Origin::String, *b"a\r\nb\rc\nd\n").unwrap();
        let positions: Vec<_> = [0, 2, 3, 5, 7, 8, 9, 99].map(|offset| file.line_column(offset)).into();
        let expected = [(1, 1), (1, 3), (2, 1), (3, 1), (4, 1), (4, 2), (5, 1), (5, 1)];
        assert_eq!(positions, expected);
        let lines: Vec<_> = (0..=6).map(|number| file.line(number)).collect();
        assert_eq!(lines, [&b""[..], b"a", b"b", b"c", b"d", b"", b""]);
    }
}
