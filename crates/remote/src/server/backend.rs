//! What a server needs of the store that it serves.

use crate::messages::{BuildMode, BuildOptions, BuildResult};
use saltire_store_model::{Derivation, HashAlgorithm, Ingestion, PathInfo, StoreDir, StorePath};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

/// Why a store could not do something; its text goes to the client.
pub type BackendError = Box<dyn std::error::Error + Send + Sync>;

/// Something that a client wants to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A path.
    Path(StorePath),
    /// Outputs of a derivation; none named means all.
    Outputs(StorePath, Vec<String>),
}

/// What would have to be done for what is wanted to be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Derivations that would be built.
    pub build: BTreeSet<StorePath>,
    /// Paths that would come from binary caches.
    pub substitute: BTreeSet<StorePath>,
    /// Paths that can't be had.
    pub unknown: BTreeSet<StorePath>,
    /// Bytes to download.
    pub download_size: u64,
    /// Bytes that they become.
    pub nar_size: u64,
}

/// The store that is served. Clients are whoever may run the program: they may do what
/// its user may.
pub trait Backend: Sync {
    /// Where its paths are.
    fn store_dir(&self) -> &StoreDir;

    /// The version of Nix that it stands for.
    fn version(&self) -> &str;

    /// Says how to build from now on.
    fn set_options(&self, options: &BuildOptions);

    /// Which paths are there; with `substitute`, those that caches have are got first.
    fn query_valid(
        &self,
        paths: &BTreeSet<StorePath>,
        substitute: bool,
    ) -> Result<BTreeSet<StorePath>, BackendError>;

    /// What is known of a path; nothing if it is not there.
    fn path_info(&self, path: &StorePath) -> Result<Option<PathInfo>, BackendError>;

    /// All paths.
    fn all_paths(&self) -> Result<BTreeSet<StorePath>, BackendError>;

    /// What refers to a path.
    fn referrers(&self, path: &StorePath) -> Result<BTreeSet<StorePath>, BackendError>;

    /// The derivations that are there and that make a path.
    fn derivers(&self, path: &StorePath) -> Result<BTreeSet<StorePath>, BackendError>;

    /// The path that begins with this.
    fn path_from_hash_part(&self, hash_part: &str) -> Result<Option<StorePath>, BackendError>;

    /// The outputs of a derivation.
    fn outputs(&self, derivation: &StorePath) -> Result<BTreeMap<String, StorePath>, BackendError>;

    /// What paths need, themselves included.
    fn closure(&self, paths: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, BackendError>;

    /// Which paths binary caches have.
    fn substitutable(&self, paths: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, BackendError>;

    /// What would have to be done.
    fn missing(&self, wanted: &[Wanted]) -> Result<Missing, BackendError>;

    /// Keeps a path from the garbage collector while the client is there.
    fn add_temp_root(&self, path: &StorePath) -> Result<(), BackendError>;

    /// Adds a path; reads its NAR, or nothing if the path is there.
    fn add_nar(
        &self,
        info: &PathInfo,
        check_signatures: bool,
        nar: &mut dyn Read,
    ) -> Result<(), BackendError>;

    /// Adds something whose path follows from its content: a NAR, or a file's content.
    fn add_content(
        &self,
        name: &str,
        ingestion: Ingestion,
        algorithm: HashAlgorithm,
        references: &BTreeSet<StorePath>,
        content: &mut dyn Read,
    ) -> Result<PathInfo, BackendError>;

    /// Adds signatures to those of a path.
    fn add_signatures(&self, path: &StorePath, signatures: &BTreeSet<String>) -> Result<(), BackendError>;

    /// Adds the log of a derivation's build, unless there is one.
    fn add_log(&self, derivation: &StorePath, log: &mut dyn Read) -> Result<(), BackendError>;

    /// Writes the NAR of a path.
    fn write_nar(&self, path: &StorePath, output: &mut dyn Write) -> Result<(), BackendError>;

    /// Builds a derivation that is not there, whose inputs are.
    fn build_derivation(&self, path: &StorePath, derivation: &Derivation, mode: BuildMode) -> BuildResult;

    /// Makes something be there.
    fn build(&self, wanted: &Wanted, mode: BuildMode) -> BuildResult;
}
