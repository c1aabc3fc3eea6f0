//! Writing NARs.

use std::ffi::CStr;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, AtFlags, CWD, Dir, FileType, Mode, OFlags};

use super::{BUFFER_SIZE, CallbackError, FileKind, MAGIC, MAX_DEPTH, NarError};
use crate::hash::{Hash, HashAlgorithm, Hasher};
use crate::offload::Offload;

/// Decides whether an object below the root goes into the archive.
pub type Filter<'f> = dyn FnMut(&Path, FileKind) -> Result<bool, CallbackError> + 'f;

/// A [`Filter`] that keeps everything.
pub fn keep_all(_: &Path, _: FileKind) -> Result<bool, CallbackError> {
    Ok(true)
}

/// Hash and size of a NAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NarSummary {
    /// SHA-256 of the archive.
    pub hash: Hash,
    /// Its length in bytes.
    pub size: u64,
}

/// How many bytes of small pieces are collected before they are passed on.
const COLLECT: usize = 32 * 1024;

/// Writes the pieces of a NAR. The caller keeps to the grammar: a directory's
/// entries in ascending order of their names' bytes.
pub struct NarWriter<W> {
    sink: W,
    pending: Vec<u8>,
}

impl<W: Write> NarWriter<W> {
    /// Begins an archive.
    pub fn new(sink: W) -> Self {
        let mut writer = Self { sink, pending: Vec::with_capacity(COLLECT + 4096) };
        writer.string(MAGIC.as_bytes());
        writer
    }

    /// Ends the archive and returns the sink.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush_pending()?;
        Ok(self.sink)
    }

    /// A symbolic link.
    pub fn symlink(&mut self, target: &[u8]) -> io::Result<()> {
        for text in ["(", "type", "symlink", "target"] {
            self.string(text.as_bytes());
        }
        self.string(target);
        self.string(b")");
        self.flush_if_long()
    }

    /// Begins a regular file; exactly `size` bytes follow through [`Self::content`].
    pub fn begin_file(&mut self, executable: bool, size: u64) -> io::Result<()> {
        for text in ["(", "type", "regular"] {
            self.string(text.as_bytes());
        }
        if executable {
            self.string(b"executable");
            self.string(b"");
        }
        self.string(b"contents");
        self.pending.extend_from_slice(&size.to_le_bytes());
        self.flush_if_long()
    }

    /// A piece of the file's content.
    pub fn content(&mut self, data: &[u8]) -> io::Result<()> {
        if self.pending.len() + data.len() <= COLLECT {
            self.pending.extend_from_slice(data);
            return Ok(());
        }
        self.flush_pending()?;
        self.sink.write_all(data)
    }

    /// Ends the regular file of `size` bytes.
    pub fn end_file(&mut self, size: u64) -> io::Result<()> {
        self.pad(size);
        self.string(b")");
        self.flush_if_long()
    }

    /// Begins a directory.
    pub fn begin_directory(&mut self) -> io::Result<()> {
        for text in ["(", "type", "directory"] {
            self.string(text.as_bytes());
        }
        self.flush_if_long()
    }

    /// Begins an entry; one object follows, then [`Self::end_entry`].
    pub fn begin_entry(&mut self, name: &[u8]) -> io::Result<()> {
        for text in [&b"entry"[..], b"(", b"name", name, b"node"] {
            self.string(text);
        }
        self.flush_if_long()
    }

    /// Ends an entry.
    pub fn end_entry(&mut self) -> io::Result<()> {
        self.string(b")");
        self.flush_if_long()
    }

    /// Ends a directory.
    pub fn end_directory(&mut self) -> io::Result<()> {
        self.end_entry()
    }

    fn string(&mut self, text: &[u8]) {
        self.pending.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.pending.extend_from_slice(text);
        self.pad(text.len() as u64);
    }

    fn pad(&mut self, size: u64) {
        let count = (8 - size % 8) % 8;
        self.pending.extend_from_slice(&[0; 8][..count as usize]);
    }

    fn flush_if_long(&mut self) -> io::Result<()> {
        if self.pending.len() >= COLLECT { self.flush_pending() } else { Ok(()) }
    }

    fn flush_pending(&mut self) -> io::Result<()> {
        self.sink.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

/// Writes the object at `path` (links are not followed) to `sink`.
pub fn write_tree<W: Write>(path: &Path, sink: W, filter: &mut Filter<'_>) -> Result<W, NarError> {
    let mut walk = Walk { writer: NarWriter::new(sink), path: path.to_owned(), buffer: Vec::new(), filter };
    let name = c_path(path)?;
    walk.object(CWD, &name, FileType::Unknown, 0)?;
    walk.writer.finish().map_err(NarError::write)
}

/// Hash and size of the NAR of the object at `path`.
pub fn summarize_tree(path: &Path, filter: &mut Filter<'_>) -> Result<NarSummary, NarError> {
    let (hash, size) = measure_tree(path, HashAlgorithm::Sha256, filter)?;
    Ok(NarSummary { hash, size })
}

/// The NAR's hash with another algorithm, and its size.
pub fn measure_tree(
    path: &Path,
    algorithm: HashAlgorithm,
    filter: &mut Filter<'_>,
) -> Result<(Hash, u64), NarError> {
    let sink = write_tree(path, Offload::new(Hasher::new(algorithm)), filter)?;
    let hasher = sink.finish().map_err(NarError::write)?;
    let size = hasher.written();
    Ok((hasher.finish(), size))
}

/// The NAR of a regular file with this content.
pub fn nar_of_file(content: &[u8], executable: bool) -> Vec<u8> {
    let mut writer = NarWriter::new(Vec::with_capacity(content.len() + 256));
    let size = content.len() as u64;
    // Writing to a vector does not fail.
    let written = writer
        .begin_file(executable, size)
        .and_then(|()| writer.content(content))
        .and_then(|()| writer.end_file(size))
        .and_then(|()| writer.finish());
    written.unwrap_or_default()
}

fn c_path(path: &Path) -> Result<std::ffi::CString, NarError> {
    std::ffi::CString::new(path.as_os_str().as_bytes())
        .map_err(|error| NarError::file("open", path, io::Error::from(error)))
}

struct Walk<'f, 'g, W> {
    writer: NarWriter<W>,
    /// Where the walk is, for the filter and for errors.
    path: PathBuf,
    buffer: Vec<u8>,
    filter: &'f mut Filter<'g>,
}

impl<W: Write> Walk<'_, '_, W> {
    fn error(&self, action: &'static str, source: impl Into<io::Error>) -> NarError {
        NarError::file(action, &self.path, source)
    }

    /// `kind` saves a call if it is known; opening checks it.
    fn object(
        &mut self,
        parent: impl AsFd,
        name: &CStr,
        kind: FileType,
        depth: usize,
    ) -> Result<(), NarError> {
        match self.known_kind(&parent, name, kind)? {
            FileType::RegularFile => self.regular(self.open(parent, name, OFlags::empty())?),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&parent, name, Vec::new())
                    .map_err(|error| self.error("read link", error))?;
                self.writer.symlink(target.to_bytes()).map_err(NarError::write)
            }
            FileType::Directory if depth >= MAX_DEPTH => Err(NarError::TooDeep(self.path.clone())),
            FileType::Directory => {
                let directory = self.open(parent, name, OFlags::DIRECTORY)?;
                self.directory(directory, depth)
            }
            _ => Err(NarError::UnsupportedType(self.path.clone())),
        }
    }

    /// The kind, asked for if a directory's listing did not tell.
    fn known_kind(&self, parent: impl AsFd, name: &CStr, kind: FileType) -> Result<FileType, NarError> {
        if kind != FileType::Unknown {
            return Ok(kind);
        }
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| self.error("examine", error))?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }

    fn open(&self, parent: impl AsFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, NarError> {
        // O_NONBLOCK: should the file have become a pipe since, don't wait for a writer.
        let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(|error| self.error("open", error))
    }

    fn regular(&mut self, file: OwnedFd) -> Result<(), NarError> {
        let stat = rustix::fs::fstat(&file).map_err(|error| self.error("examine", error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(NarError::Changed(self.path.clone()));
        }
        let size = stat.st_size as u64;
        let executable = stat.st_mode & 0o100 != 0;
        self.writer.begin_file(executable, size).map_err(NarError::write)?;
        if size > BUFFER_SIZE as u64 {
            // Only advice: file systems may not know it.
            let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        }
        let mut left = size;
        while left > 0 {
            let want = BUFFER_SIZE.min(usize::try_from(left).unwrap_or(usize::MAX));
            if self.buffer.len() < want {
                self.buffer.resize(want, 0);
            }
            let got = match rustix::io::read(&file, &mut self.buffer[..want]) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.map_err(|error| self.error("read", error))?,
            };
            if got == 0 {
                return Err(NarError::Changed(self.path.clone()));
            }
            self.writer.content(&self.buffer[..got]).map_err(NarError::write)?;
            left -= got as u64;
        }
        self.writer.end_file(size).map_err(NarError::write)
    }

    fn directory(&mut self, directory: OwnedFd, depth: usize) -> Result<(), NarError> {
        let mut entries = Vec::new();
        let mut stream = Dir::read_from(&directory).map_err(|error| self.error("read directory", error))?;
        while let Some(entry) = stream.read() {
            let entry = entry.map_err(|error| self.error("read directory", error))?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                entries.push((entry.file_name().to_owned(), entry.file_type()));
            }
        }
        drop(stream);
        entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        self.writer.begin_directory().map_err(NarError::write)?;
        for (name, kind) in entries {
            self.path.push(std::ffi::OsStr::from_bytes(name.to_bytes()));
            let kind = self.known_kind(&directory, &name, kind)?;
            if self.keep(kind)? {
                self.writer.begin_entry(name.to_bytes()).map_err(NarError::write)?;
                self.object(&directory, &name, kind, depth + 1)?;
                self.writer.end_entry().map_err(NarError::write)?;
            }
            self.path.pop();
        }
        self.writer.end_directory().map_err(NarError::write)
    }

    /// Asks the filter about the object at `self.path`.
    fn keep(&mut self, kind: FileType) -> Result<bool, NarError> {
        (self.filter)(&self.path, kind.into())
            .map_err(|source| NarError::Filter { path: self.path.clone(), source })
    }
}
