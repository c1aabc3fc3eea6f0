//! The store: its database, locks, files, roots and garbage collection.
//!
//! All formats are Nix's, so that Nix can use the same store at the same time.
//!
//! # Overview
//!
//! - [`StoreLocation`]: where the store is (`discover`, `choose`, `below`), and
//!   mapping between logical and physical paths.
//! - [`Store`]: one open store; `Send + Sync`, meant for an `Arc`. Opening does
//!   nothing; the database is opened on first use.
//!   - queries: `is_valid`, `query_path_info`, `query_references`, `query_referrers`,
//!     `query_closure`, `query_derivation_outputs`, `query_valid_derivers`, …
//!   - adding: `add_text`, `add_derivation`, `add_derivations`, `add_tree`, `add_file`,
//!     `add_nar`, and for builders `finish_outputs` (canonicalise, scan, verify,
//!     register) and `register`.
//!   - reading: `read_derivation`, `write_nar`.
//!   - locks: `lock_paths` (held until dropped); `add_temp_root` keeps a path from the
//!     garbage collector for the life of the process.
//!   - roots and deletion: `add_root`, `find_roots`, `collect_garbage`,
//!     `delete_paths`, `verify`.
//!   - logs: `create_log`, `read_log`.
//! - [`canonicalise`], [`remove_tree`]: metadata of outputs; removing read-only trees.
//!
//! # Crash safety
//!
//! Objects are written to `tmp-…` directories in the store, get their name by one
//! `rename`, and are registered last. What is in the store but not in the
//! database does not exist for anybody and is replaced or collected.

mod add;
mod database;
mod error;
mod gc;
mod location;
mod locks;
mod logs;
mod metadata;
mod optimise;
mod outputs;
mod queries;
mod roots;
mod temporary;
#[cfg(test)]
mod tests;
mod verify;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use saltire_store_model::{ModuloCache, StoreDir, StorePath};

pub use add::{AddedTree, TextObject};
pub use database::{Registration, SCHEMA_VERSION};
pub use error::{Result, StoreError};
pub use gc::{Collected, DeleteOptions, GarbageOptions};
pub use location::{LocationInputs, StoreLocation};
pub use locks::{PathLocks, Wait};
pub use logs::LogWriter;
pub use metadata::{canonicalise, remove_tree};
pub use optimise::Optimised;
pub use outputs::{FinishedOutput, OutputToFinish};
pub use roots::Root;
pub use verify::{VerifyProblem, VerifyReport};

use database::Database;
use error::Context;
use roots::TempRoots;
use temporary::TemporaryDirectory;

/// How a store is used.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Whether build outputs and received archives are forced to disk before they
    /// are registered, so that a power cut can't leave a valid path with missing
    /// content. Texts and local sources never are, as in Nix: there may be
    /// thousands, and `verify` finds what a power cut within seconds damaged.
    pub sync: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { sync: true }
    }
}

/// An open store.
pub struct Store {
    location: StoreLocation,
    options: StoreOptions,
    database: Mutex<Option<Database>>,
    temp_roots: Mutex<Option<TempRoots>>,
    temporary: Mutex<Option<TemporaryDirectory>>,
    modulo: ModuloCache,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("location", &self.location).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Store {
    /// A store at this place. Touches nothing yet.
    pub fn new(location: StoreLocation, options: StoreOptions) -> Self {
        Self {
            location,
            options,
            database: Mutex::new(None),
            temp_roots: Mutex::new(None),
            temporary: Mutex::new(None),
            modulo: ModuloCache::new(),
        }
    }

    /// The store that the setting, the environment and the machine say (see
    /// [`StoreLocation::discover`]).
    pub fn discover(setting: Option<&str>) -> Result<Self> {
        Ok(Self::new(StoreLocation::discover(setting)?, StoreOptions::default()))
    }

    /// Where it is.
    pub fn location(&self) -> &StoreLocation {
        &self.location
    }

    /// The logical store directory.
    pub fn store_dir(&self) -> &StoreDir {
        &self.location.store_dir
    }

    /// Where a store path's files are.
    pub fn physical_path(&self, path: &StorePath) -> PathBuf {
        self.location.physical_path(path)
    }

    /// The absolute logical path, as text.
    pub fn display(&self, path: &StorePath) -> String {
        self.location.store_dir.display(path)
    }

    /// Hashes of derivations that this process has seen, for output paths.
    pub fn modulo_cache(&self) -> &ModuloCache {
        &self.modulo
    }

    /// Runs `action` with the database, opening it before the first time.
    fn with_database<T>(&self, action: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        let mut guard = lock(&self.database);
        let database = match &mut *guard {
            Some(database) => database,
            empty => {
                self.create_directories()?;
                empty.insert(Database::open(&self.location.state_dir, self.store_dir())?)
            }
        };
        action(database)
    }

    /// Makes the store's directories where they are missing.
    fn create_directories(&self) -> Result<()> {
        let state = &self.location.state_dir;
        // The database directory is made last: where it exists, all do.
        if state.join("db").is_dir() && self.location.physical_store.is_dir() {
            return Ok(());
        }
        let user = std::env::var("USER")
            .ok()
            .filter(|name| !name.is_empty() && !name.contains('/') && name != "." && name != "..");
        let mut wanted = vec![
            self.location.physical_store.clone(),
            state.join("temproots"),
            state.join("gcroots/auto"),
            state.join("gcroots/per-user"),
            state.join("profiles/per-user"),
        ];
        if let Some(user) = user {
            wanted.push(state.join("gcroots/per-user").join(&user));
            wanted.push(state.join("profiles/per-user").join(&user));
        }
        wanted.push(state.join("db"));
        for directory in wanted {
            create_directory(&directory)?;
        }
        let profiles = state.join("gcroots/profiles");
        match std::os::unix::fs::symlink(state.join("profiles"), &profiles) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(error).at("create", &profiles)
            }
            _ => Ok(()),
        }
    }

    /// A path for one new object or scratch directory, in a directory of this process on the store's
    /// file system.
    pub fn temporary_path(&self) -> Result<PathBuf> {
        let mut guard = lock(&self.temporary);
        let directory = match &mut *guard {
            // Collectors of Nix before 2.9 remove temporary directories in use.
            Some(directory) if directory.exists() => directory,
            empty => {
                create_directory(&self.location.physical_store)?;
                empty.insert(TemporaryDirectory::create(&self.location.physical_store)?)
            }
        };
        Ok(directory.next_path())
    }
}

/// Creates a directory, and those above it, with mode 0755.
fn create_directory(path: &Path) -> Result<()> {
    match DirBuilder::new().recursive(true).mode(0o755).create(path) {
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Err(StoreError::NotWritable(path.to_owned()))
        }
        other => other.at("create directory", path),
    }
}
