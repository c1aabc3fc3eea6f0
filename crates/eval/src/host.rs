//! The host trait: everything that evaluation needs from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use saltire_store_model::{Derivation, Hash, Ingestion, StoreDir, StorePath};

use crate::context::ContextElement;
use crate::tree_cache::{FileStamp, TreeKey};

/// Why the host could not do something: the message that the user sees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// What was wrong, in one sentence.
    pub message: String,
    /// Whether the evaluation mode (pure, restricted) forbids it.
    pub restricted: bool,
    /// What was being done, for the trace.
    pub step: Option<String>,
    /// The exit code of a program that ends because of it, such as 102 for a wrong hash.
    pub exit_code: u8,
}

impl HostError {
    /// Something went wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), restricted: false, step: None, exit_code: 1 }
    }

    /// Says with which exit code a program ends because of it.
    #[must_use]
    pub fn with_exit_code(mut self, exit_code: u8) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// Says what was being done.
    #[must_use]
    pub fn during(mut self, step: impl Into<String>) -> Self {
        self.step = Some(step.into());
        self
    }

    /// Something is not allowed.
    pub fn restricted(message: impl Into<String>) -> Self {
        Self { restricted: true, ..Self::new(message) }
    }
}

/// What the host gives.
pub type HostResult<T> = Result<T, HostError>;

/// What sort of file there is at a path, links not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket, a device, …
    Unknown,
}

impl FileType {
    /// As `builtins.readDir` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Unknown => "unknown",
        }
    }
}

/// Decides whether a file goes into the store: path and type.
pub type PathFilter<'f> = &'f mut dyn FnMut(&[u8], FileType) -> HostResult<bool>;

/// A source to be added to the store.
pub struct AddPath<'f> {
    /// Where it is: absolute and normal; a link at the end is followed by the caller.
    pub path: &'f [u8],
    /// Name of the store path.
    pub name: &'f str,
    /// How it is hashed: as a NAR, or the contents of one file.
    pub ingestion: Ingestion,
    /// Which files to take; all if there is none.
    pub filter: Option<PathFilter<'f>>,
    /// What the content's hash must be.
    pub expected: Option<Hash>,
}

/// An attribute of a request to fetch something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchValue {
    /// A string.
    String(String),
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
}

/// A request to fetch something, or its result.
pub type FetchAttrs = BTreeMap<String, FetchValue>;

/// Which builtin asked to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchKind {
    /// `fetchurl`: one file.
    Url,
    /// `fetchTarball`: an archive, unpacked.
    Tarball,
    /// `fetchGit`
    Git,
    /// `fetchMercurial`
    Mercurial,
    /// `fetchTree`: `type` says what.
    Tree,
    /// `fetchClosure`
    Closure,
}

/// What was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Where it is in the store.
    pub path: StorePath,
    /// What is known of it: `rev`, `narHash`, `lastModified`, …
    pub attributes: FetchAttrs,
}

/// A flake whose inputs are all locked, ready to be called.
///
/// `expression` evaluates to a function of `lock` (a string) and `overrides`, an
/// attribute set with a member for each of [`FlakeCall::overrides`]:
/// `{ sourceInfo = { outPath = …; narHash = …; … }; dir = "…"; }`. Its result is the
/// flake: `outputs` merged with `inputs`, `sourceInfo`, `outPath` and so on.
#[derive(Clone, Debug)]
pub struct FlakeCall {
    /// The Nix expression of the function.
    pub expression: &'static str,
    /// The text of the lock file, as it is or would be.
    pub lock: String,
    /// The nodes of the lock file that are fetched already, by their key: what
    /// was fetched, and the directory in it that holds `flake.nix`.
    pub overrides: BTreeMap<String, (Fetched, String)>,
}

/// Everything that evaluation needs from outside. Paths are absolute and normal.
pub trait Host: Send + Sync {
    /// The store directory.
    fn store_dir(&self) -> &StoreDir;

    /// The contents of a file; links are followed.
    fn read_file(&self, path: &[u8]) -> HostResult<Arc<[u8]>>;

    /// The names in a directory, in any order; links are followed.
    fn read_dir(&self, path: &[u8]) -> HostResult<Vec<(Vec<u8>, FileType)>>;

    /// What is at a path, the last link not followed; `None` if there is nothing.
    fn file_type(&self, path: &[u8]) -> HostResult<Option<FileType>>;

    /// The path with all links followed; it must exist.
    fn resolve_symlinks(&self, path: &[u8]) -> HostResult<Vec<u8>>;

    /// Whether there is something at a path, links followed.
    fn path_exists(&self, path: &[u8]) -> HostResult<bool> {
        Ok(self.resolve_symlinks(path).is_ok_and(|path| matches!(self.file_type(&path), Ok(Some(_)))))
    }

    /// `builtins.currentSystem`, none in pure evaluation.
    fn current_system(&self) -> Option<String>;

    /// `builtins.currentTime` in seconds since 1970, none in pure evaluation.
    fn current_time(&self) -> Option<i64> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.ok().and_then(|duration| i64::try_from(duration.as_secs()).ok())
    }

    /// An environment variable, none if unset or in pure evaluation.
    fn environment_variable(&self, name: &str) -> Option<String>;

    /// The user's home directory, for `~/…`.
    fn home_dir(&self) -> Option<Vec<u8>> {
        self.environment_variable("HOME").map(String::into_bytes)
    }

    /// The entries of `NIX_PATH` and `-I`: prefix (perhaps empty) and path.
    fn search_path(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The path behind an entry of a search path: itself, or what a URL gives;
    /// `None` if there is nothing there.
    fn resolve_search_path_entry(&self, value: &str) -> HostResult<Option<Vec<u8>>> {
        let path = value.as_bytes();
        Ok(self.path_exists(path)?.then(|| path.to_vec()))
    }

    /// Adds a source to the store, or computes where it would be.
    fn add_path(&self, request: AddPath<'_>) -> HostResult<StorePath>;

    /// Adds a text to the store, or computes where it would be.
    fn add_text(&self, name: &str, text: &[u8], references: &[StorePath]) -> HostResult<StorePath> {
        let _ = self;
        let path = self.store_dir().make_text_path(name, text, references);
        path.map_err(|error| HostError::new(error.to_string()))
    }

    /// Writes a derivation whose path was computed, if this host instantiates.
    fn write_derivation(&self, path: &StorePath, derivation: &Derivation, text: Vec<u8>) -> HostResult<()> {
        let _ = (path, derivation, text);
        Ok(())
    }

    /// Reads a derivation from the store.
    fn read_derivation(&self, path: &StorePath) -> HostResult<Derivation>;

    /// Makes store objects exist (builds them), for import from derivation.
    /// Gives the paths that outputs were found to have where the text has placeholders.
    fn realise(&self, elements: &[&ContextElement]) -> HostResult<BTreeMap<String, String>>;

    /// Makes sure that a store path exists (`builtins.storePath`), where not only to be
    /// looked at.
    fn ensure_path(&self, path: &StorePath) -> HostResult<()> {
        let _ = path;
        Ok(())
    }

    /// What a store object refers to; nothing if it is not known.
    fn references(&self, path: &StorePath) -> HostResult<BTreeSet<StorePath>> {
        let _ = path;
        Ok(BTreeSet::new())
    }

    /// What a program writes to its standard output (`builtins.exec`).
    fn run_program(&self, program: &[u8], arguments: &[&[u8]]) -> HostResult<Vec<u8>> {
        let _ = (program, arguments);
        Err(HostError::new("running programs is not available here"))
    }

    /// Fetches something.
    fn fetch(&self, kind: FetchKind, request: &FetchAttrs) -> HostResult<Fetched> {
        let _ = request;
        Err(HostError::new(format!("fetching ({kind:?}) is not available here")))
    }

    /// Locks a flake (`builtins.getFlake`); its lock file is not written. `pure`
    /// refuses a reference that does not say which version is meant.
    fn flake(&self, reference: &str, pure: bool) -> HostResult<FlakeCall> {
        let _ = (reference, pure);
        Err(HostError::new("flakes are not available here"))
    }

    /// The attributes of a flake reference (`builtins.parseFlakeRef`).
    fn parse_flake_ref(&self, reference: &str) -> HostResult<FetchAttrs> {
        let _ = reference;
        Err(HostError::new("flakes are not available here"))
    }

    /// The URL of a flake reference (`builtins.flakeRefToString`).
    fn flake_ref_to_string(&self, attributes: &FetchAttrs) -> HostResult<String> {
        let _ = attributes;
        Err(HostError::new("flakes are not available here"))
    }

    /// Whether evaluation may look at a path (pure and restricted evaluation).
    fn check_path(&self, path: &[u8]) -> HostResult<()> {
        let _ = path;
        Ok(())
    }

    /// Lets evaluation look at a store object from now on: it was fetched for it.
    fn allow_path(&self, path: &StorePath) {
        let _ = path;
    }

    /// What says whether a file whose path is resolved is still the same, if this host
    /// has a cache.
    fn file_stamp(&self, path: &[u8]) -> Option<FileStamp> {
        let _ = path;
        None
    }

    /// Keeps the syntax tree that is kept under `to` also under `from`.
    fn link_tree(&self, from: TreeKey, to: TreeKey) {
        let _ = (from, to);
    }

    /// The syntax tree of a text, if it was kept; see [`TreeCache`](crate::TreeCache).
    fn kept_tree(&self, key: &TreeKey) -> Option<Vec<u8>> {
        let _ = key;
        None
    }

    /// Keeps a syntax tree, if this host has a cache.
    fn keep_tree(&self, key: TreeKey, tree: &[u8]) {
        let _ = (key, tree);
    }

    /// Says something: what `builtins.trace` and warnings are about.
    fn message(&self, text: &str) {
        eprintln!("{text}");
    }
}
