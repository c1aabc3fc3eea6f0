//! What can go wrong in a store.

use std::io;
use std::path::{Path, PathBuf};

use saltire_store_model::nar::NarError;
use saltire_store_model::{ContentAddressError, HashError, ParseError, StorePath, StorePathError};

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A system call on a file failed.
    #[error("cannot {action} '{}': {source}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The disk is full. Nothing was registered, temporary files are removed.
    #[error("no space left on the device of '{}'; free some, for example with 'saltire gc'", .0.display())]
    NoSpace(PathBuf),
    /// The store's directories can't be written to.
    #[error("no permission to write to the store at '{}'; choose another with '--store'", .0.display())]
    NotWritable(PathBuf),
    /// The database can't be used.
    #[error("cannot {action} the store's database '{}': {source}", path.display())]
    Database {
        /// What was being done.
        action: &'static str,
        /// The database file.
        path: PathBuf,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// The database has a format that this program does not know.
    #[error("the store's database '{}' has schema version '{version}', only {expected} is supported", path.display())]
    Schema {
        /// The file that holds the version.
        path: PathBuf,
        /// What it says.
        version: String,
        /// What it should say.
        expected: u32,
    },
    /// The database holds a value that makes no sense.
    #[error("the store's database has a bad {what} for '{path}': {reason}")]
    Corrupt {
        /// Which column.
        what: &'static str,
        /// The path of the row.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store setting names a kind of store that is not supported.
    #[error("store '{0}' is not supported; expected 'auto', 'local', 'private' or an absolute path")]
    UnknownStore(String),
    /// No place for a private store is known.
    #[error(
        "no place for the private store: neither XDG_DATA_HOME nor HOME is set; set one of them or give '--store /some/directory'"
    )]
    NoHome,
    /// A path that has to be valid is not.
    #[error("path '{0}' is not valid")]
    NotValid(String),
    /// A path can't be deleted as others need it.
    #[error("cannot delete path '{path}' because it is in use by {users}")]
    InUse {
        /// The path.
        path: String,
        /// The paths that refer to it, or the garbage collector root.
        users: String,
    },
    /// Paths to be registered refer to each other in a circle.
    #[error("cycle in the references of {0}")]
    ReferenceCycle(String),
    /// The content of a path is not what its hash says.
    #[error("hash mismatch in {subject}:\n  specified: {specified}\n     got:    {got}")]
    HashMismatch {
        /// The path (or for a fixed output, its derivation), in words.
        subject: String,
        /// What the content should hash to, in SRI form.
        specified: String,
        /// What it hashes to, in SRI form.
        got: String,
    },
    /// The NAR of a path has another size than said.
    #[error("size mismatch in '{path}': specified {specified} bytes, got {got}")]
    SizeMismatch {
        /// The path.
        path: String,
        /// Bytes that were announced.
        specified: u64,
        /// Bytes that came.
        got: u64,
    },
    /// A content address that does not give the path it comes with.
    #[error("path '{0}' is not the one that its content address gives")]
    WrongContentAddress(String),
    /// A file changed between hashing and copying.
    #[error("'{}' changed while it was being added to the store", .0.display())]
    Changed(PathBuf),
    /// A builder did not create an output.
    #[error("builder failed to produce output path '{0}'")]
    MissingOutput(String),
    /// A flat output that is no plain file.
    #[error("output path '{0}' should be a non-executable regular file since the output hash is flat")]
    NotFlat(String),
    /// A fixed output that refers to store paths.
    #[error("fixed output '{path}' is not allowed to refer to other store paths, but refers to {references}")]
    FixedReferences {
        /// The output.
        path: String,
        /// What it refers to.
        references: String,
    },
    /// A file in an output that can't be in the store.
    #[error("file '{}' has an unsupported type (only regular files, directories and symbolic links can be in the store)", .0.display())]
    UnsupportedType(PathBuf),
    /// A file in an output belongs to somebody else.
    #[error("file '{}' belongs to user {owner}, which can't be changed", path.display())]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
    },
    /// A garbage collector root can't be made here.
    #[error("cannot make the link '{}': something that is no link into the store is in the way", .0.display())]
    RootInTheWay(PathBuf),
    /// A `.drv` file in the store is malformed.
    #[error(transparent)]
    Derivation(#[from] ParseError),
    /// Outputs of a `.drv` file are not the ones that its text gives.
    #[error("derivation '{path}' has wrong output paths: {reason}")]
    WrongOutputs {
        /// The derivation.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A malformed store path.
    #[error(transparent)]
    StorePath(#[from] StorePathError),
    /// A malformed content address.
    #[error(transparent)]
    ContentAddress(#[from] ContentAddressError),
    /// A malformed hash.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// An archive could not be read, written or unpacked.
    #[error(transparent)]
    Nar(NarError),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, StoreError>;

impl StoreError {
    /// From a failed system call. A full disk and missing permission in the store
    /// get their own variants.
    pub(crate) fn file(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace(path.to_owned()),
            _ => Self::File { action, path: path.to_owned(), source },
        }
    }

    /// Whether the cause is a full disk.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace(_))
    }
}

impl From<NarError> for StoreError {
    fn from(error: NarError) -> Self {
        match error {
            NarError::File { action, path, source } => Self::file(action, &path, source),
            NarError::UnsupportedType(path) => Self::UnsupportedType(path),
            other => Self::Nar(other),
        }
    }
}

/// Adds what was being done, and to what, to a failed system call.
pub(crate) trait Context<T> {
    /// Turns the error into [`StoreError::File`].
    fn at(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|error| StoreError::file(action, path, error))
    }
}

/// Store paths for a message.
pub(crate) fn list<'p>(paths: impl IntoIterator<Item = &'p StorePath>) -> String {
    let quoted: Vec<_> = paths.into_iter().map(|path| format!("'{path}'")).collect();
    quoted.join(", ")
}
