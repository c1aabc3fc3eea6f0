//! Temporary directories in the store.
//!
//! New objects are written on the store's own file system, so that a rename
//! brings them to their place. The directory is locked as long as its
//! process lives; the garbage collector removes those that are not.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result, StoreError};
use crate::locks::{LockKind, Wait, lock_file};
use crate::metadata::remove_tree;

/// What names of temporary directories begin with.
pub(crate) const PREFIX: &str = "tmp-";

pub(crate) struct TemporaryDirectory {
    path: PathBuf,
    _lock: File,
    counter: u64,
}

impl TemporaryDirectory {
    pub(crate) fn create(store: &Path) -> Result<Self> {
        for attempt in 0u32.. {
            let path = store.join(format!("{PREFIX}{}-{attempt}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(StoreError::NotWritable(store.to_owned()));
                }
                other => other.at("create directory", &path)?,
            }
            // A collector may have taken it for a dead process's meanwhile.
            let Ok(lock) = File::open(&path) else { continue };
            if lock_file(&lock, &path, LockKind::Exclusive, Wait::Never)? && path.is_dir() {
                return Ok(Self { path, _lock: lock, counter: 0 });
            }
        }
        Err(StoreError::NotWritable(store.to_owned()))
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    pub(crate) fn next_path(&mut self) -> PathBuf {
        self.counter += 1;
        self.path.join(self.counter.to_string())
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What can't be removed now is left to the garbage collector.
        let _ = remove_tree(&self.path);
    }
}

/// An object in a temporary directory, removed unless it got its place.
pub(crate) struct TemporaryObject {
    path: PathBuf,
    armed: bool,
}

impl TemporaryObject {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, armed: true }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the object to `destination`, where nothing but a file may be.
    pub(crate) fn move_to(mut self, destination: &Path) -> Result<()> {
        rename_object(&self.path, destination)?;
        self.armed = false;
        Ok(())
    }
}

impl Drop for TemporaryObject {
    fn drop(&mut self) {
        if self.armed {
            let _ = remove_tree(&self.path);
        }
    }
}

/// Renames an object, read-only directories too.
pub(crate) fn rename_object(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = from.symlink_metadata().at("examine", from)?;
    // Moving a directory changes its entry "..", for which its user needs write
    // permission on the directory.
    let unlocked = metadata.is_dir() && metadata.permissions().mode() & 0o200 == 0;
    if unlocked {
        std::fs::set_permissions(from, PermissionsExt::from_mode(0o755)).at("set the mode of", from)?;
    }
    std::fs::rename(from, to).at("create", to)?;
    if unlocked {
        std::fs::set_permissions(to, metadata.permissions()).at("set the mode of", to)?;
    }
    Ok(())
}
