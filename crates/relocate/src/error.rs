//! What can go wrong, with the file it went wrong in.

use std::path::{Path, PathBuf};

/// Why a tree could not be relocated. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum RelocateError {
    /// The system refused an operation on a file.
    #[error("cannot {action} '{}': {source}", path.display())]
    Io {
        /// The operation, to be read after "cannot".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// An ELF file whose headers contradict each other or its length.
    #[error("'{}' is a damaged or unsupported ELF file: {problem}; if it is not needed, remove it with a 'remove' pattern", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Two packages, or `/` and `/usr`, hold different files of the same name.
    #[error("'{}' and '{}' would become the same file, but they differ; take only one of the packages that hold them", first.display(), second.display())]
    Conflict {
        /// The file already there.
        first: PathBuf,
        /// The file that should take its place.
        second: PathBuf,
    },
    /// The requested subtree is not in the packages.
    #[error("the packages have no directory '{subtree}'; at the top of the tree there is only: {present}")]
    NoSubtree {
        /// The requested directory.
        subtree: String,
        /// What the tree holds instead, separated by spaces.
        present: String,
    },
    /// A path in the request is absolute, empty or leaves the tree.
    #[error("'{path}' is not a path inside the tree; write it relative to the tree's root, without '..'")]
    BadPath {
        /// The path as given.
        path: String,
    },
    /// A pattern of `keep` or `remove` is malformed.
    #[error("'{pattern}' is not a valid pattern: {problem}")]
    BadPattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A requested link is not of the form `path=target`, or cannot be made.
    #[error("cannot make the link '{link}': {problem}")]
    BadLink {
        /// The link as given.
        link: String,
        /// Why not.
        problem: &'static str,
    },
    /// A device, socket or pipe, which no package tree may hold.
    #[error("'{}' is neither a file nor a directory nor a symbolic link", path.display())]
    SpecialFile {
        /// The file.
        path: PathBuf,
    },
}

impl RelocateError {
    /// For `map_err`: the failure of `action` on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RelocateError {
        let path = path.to_owned();
        move |source| RelocateError::Io { action, path, source }
    }
}
