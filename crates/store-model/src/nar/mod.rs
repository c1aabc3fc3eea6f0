//! NAR, Nix's archive format: one file system object, of which it holds only
//! what builds may depend on (names, contents, the executable bit, link targets).
//!
//! Everything is made of strings, each a length (8 bytes, little-endian), the
//! bytes, and zeros up to a multiple of 8. Source of the grammar: the Nix
//! manual, "Nix Archive (NAR) format".
//!
//! [`write_tree`] writes an object of the file system, [`parse`] reads any
//! NAR and checks every rule of the format, [`unpack`] creates the object. Reading
//! takes archives from anywhere: names can't leave the destination.

mod parse;
#[cfg(test)]
mod tests;
mod unpack;
mod write;

use std::io;
use std::path::{Path, PathBuf};

pub use parse::{Visitor, parse, parse_one};
pub use unpack::{set_canonical_times, unpack};
pub use write::{
    Filter, NarSummary, NarWriter, keep_all, measure_tree, nar_of_file, summarize_tree, write_tree,
};

/// The first string of every NAR.
pub const MAGIC: &str = "nix-archive-1";

/// The deepest nesting that is read or written. Each level holds a descriptor.
pub const MAX_DEPTH: usize = 512;

/// The longest name of a directory entry, in bytes (the kernel's `NAME_MAX`).
pub const MAX_ENTRY_NAME: usize = 255;

/// The longest target of a symbolic link, in bytes (below the kernel's `PATH_MAX`).
pub const MAX_LINK_TARGET: usize = 4095;

/// How much of a file is read or written at once: big enough to make system
/// calls cheap, small enough to stay in the processor's second-level cache.
pub(crate) const BUFFER_SIZE: usize = 128 * 1024;

/// What a file system object is, as far as NARs can hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else: devices, sockets, pipes.
    Unknown,
}

impl FileKind {
    /// Nix's word for it, as filters get it: `regular`, `directory`, `symlink`, `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Unknown => "unknown",
        }
    }
}

impl From<rustix::fs::FileType> for FileKind {
    fn from(kind: rustix::fs::FileType) -> Self {
        match kind {
            rustix::fs::FileType::RegularFile => Self::Regular,
            rustix::fs::FileType::Directory => Self::Directory,
            rustix::fs::FileType::Symlink => Self::Symlink,
            _ => Self::Unknown,
        }
    }
}

/// An error of whoever supplies a callback.
pub type CallbackError = Box<dyn std::error::Error + Send + Sync>;

/// Why a NAR can't be written, read or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum NarError {
    /// Reading or creating an object failed.
    #[error("cannot {action} '{}': {source}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Writing the archive, or taking it from where it comes, failed.
    #[error("cannot {action} the archive: {source}")]
    Stream {
        /// `read` or `write`.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A device, socket or pipe.
    #[error("file '{}' has an unsupported type (only regular files, directories and symbolic links can be in the store)", .0.display())]
    UnsupportedType(PathBuf),
    /// A regular file became shorter or longer while it was read.
    #[error("file '{}' changed while it was being read", .0.display())]
    Changed(PathBuf),
    /// Over [`MAX_DEPTH`].
    #[error("'{}' is nested more than {MAX_DEPTH} directories deep", .0.display())]
    TooDeep(PathBuf),
    /// The archive breaks the format's rules.
    #[error("bad archive at byte {offset}: {reason}")]
    Malformed {
        /// Where, from the start of the archive.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The filter failed.
    #[error("the filter failed on '{}': {source}", path.display())]
    Filter {
        /// On what.
        path: PathBuf,
        /// Why.
        source: CallbackError,
    },
}

impl NarError {
    fn file(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::File { action, path: path.to_owned(), source: source.into() }
    }

    fn write(source: io::Error) -> Self {
        Self::Stream { action: "write", source }
    }

    /// The kind of the system error below, if there is one: `StorageFull` above all.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            Self::File { source, .. } | Self::Stream { source, .. } => Some(source),
            _ => None,
        }
    }
}
