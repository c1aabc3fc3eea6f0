//! Creating the object that a NAR describes.

use std::ffi::OsStr;
use std::io::{self, BufRead, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};

use super::parse::{Visitor, parse_one};
use super::{BUFFER_SIZE, NarError};

/// Creates at `destination`, which must not exist, what one NAR from `reader`
/// describes, with canonical metadata: modes 0444 and 0555, modification time 1.
///
/// Each name is created relative to a descriptor of its directory, never
/// following links and never replacing anything, so nothing outside can be
/// reached. On an error, what was created so far stays for the caller to remove.
/// Bytes of `reader` behind the NAR are not taken.
pub fn unpack(reader: &mut dyn BufRead, destination: &Path) -> Result<(), NarError> {
    let mut unpacker =
        Unpacker { directories: Vec::new(), path: destination.to_owned(), buffer: vec![0; BUFFER_SIZE] };
    parse_one(reader, &mut unpacker)
}

/// Access unchanged; modified one second after the epoch.
const CANONICAL_TIMES: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
    last_modification: Timespec { tv_sec: 1, tv_nsec: 0 },
};

/// Sets the modification time of every object in the store, one second after the
/// epoch (some programs take 0 for "unknown"), without following a link.
pub fn set_canonical_times(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    rustix::fs::utimensat(parent, name, &CANONICAL_TIMES, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

struct Unpacker {
    /// The directories begun and not ended, outermost first.
    directories: Vec<OwnedFd>,
    /// Where the object that comes next goes.
    path: PathBuf,
    buffer: Vec<u8>,
}

impl Unpacker {
    fn error(&self, action: &'static str, source: impl Into<io::Error>) -> NarError {
        NarError::file(action, &self.path, source)
    }

    /// Where the next object goes: a descriptor and a name relative to it.
    fn place(&self) -> (BorrowedFd<'_>, &OsStr) {
        match self.directories.last() {
            // The parser lets no name pass that is not a plain one.
            Some(directory) => (directory.as_fd(), self.path.file_name().unwrap_or_default()),
            None => (CWD, self.path.as_os_str()),
        }
    }
}

impl Visitor for Unpacker {
    fn regular(&mut self, executable: bool, _size: u64, content: &mut dyn Read) -> Result<(), NarError> {
        let (parent, name) = self.place();
        let mode = Mode::from_raw_mode(if executable { 0o555 } else { 0o444 });
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(parent, name, flags, mode).map_err(|error| self.error("create", error))?;
        loop {
            let count = match content.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(|source| NarError::Stream { action: "read", source })?,
            };
            if count == 0 {
                break;
            }
            let mut data = &self.buffer[..count];
            while !data.is_empty() {
                match rustix::io::write(&file, data) {
                    Err(rustix::io::Errno::INTR) => {}
                    Ok(written) => data = &data[written..],
                    Err(error) => return Err(self.error("write", error)),
                }
            }
        }
        // The mode at creation was subject to the umask.
        rustix::fs::fchmod(&file, mode).map_err(|error| self.error("set the mode of", error))?;
        rustix::fs::futimens(&file, &CANONICAL_TIMES).map_err(|error| self.error("set the time of", error))
    }

    fn symlink(&mut self, target: &[u8]) -> Result<(), NarError> {
        let (parent, name) = self.place();
        rustix::fs::symlinkat(OsStr::from_bytes(target), parent, name)
            .map_err(|error| self.error("create", error))?;
        set_canonical_times(parent, name).map_err(|error| self.error("set the time of", error))
    }

    fn begin_directory(&mut self) -> Result<(), NarError> {
        let (parent, name) = self.place();
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700))
            .map_err(|error| self.error("create", error))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(parent, name, flags, Mode::empty())
            .map_err(|error| self.error("open", error))?;
        self.directories.push(directory);
        Ok(())
    }

    fn enter(&mut self, name: &[u8]) -> Result<(), NarError> {
        self.path.push(OsStr::from_bytes(name));
        Ok(())
    }

    fn leave(&mut self) -> Result<(), NarError> {
        self.path.pop();
        Ok(())
    }

    fn end_directory(&mut self) -> Result<(), NarError> {
        let Some(directory) = self.directories.pop() else { return Ok(()) };
        rustix::fs::fchmod(&directory, Mode::from_raw_mode(0o555))
            .map_err(|error| self.error("set the mode of", error))?;
        rustix::fs::futimens(&directory, &CANONICAL_TIMES)
            .map_err(|error| self.error("set the time of", error))
    }
}
