//! Locks between processes, by Nix's protocol.
//!
//! Every lock is a `flock` on a file, so it ends with the process that holds it.
//! To lock a store path, `<path>.lock` is locked. Whoever unlocks for good
//! writes a byte into the file and deletes it; somebody who waited for that
//! very file then sees that it is not empty, and starts over with a new one.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::error::{Context, Result, StoreError};

/// What to do while another process has the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Wait for as long as it takes.
    Block,
    /// Give up at once.
    Never,
}

/// Who else may hold the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Others that hold it shared.
    Shared,
    /// Nobody.
    Exclusive,
}

/// Opens (and creates, with mode 0600) a lock file.
pub(crate) fn open_lock_file(path: &Path) -> Result<File> {
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    match opened {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            Err(StoreError::NotWritable(path.to_owned()))
        }
        other => other.at("open lock file", path),
    }
}

/// Locks an open file. False if somebody else has it and `wait` is `Never`.
pub(crate) fn lock_file(file: &File, path: &Path, kind: LockKind, wait: Wait) -> Result<bool> {
    let operation = match (kind, wait) {
        (LockKind::Shared, Wait::Block) => FlockOperation::LockShared,
        (LockKind::Shared, Wait::Never) => FlockOperation::NonBlockingLockShared,
        (LockKind::Exclusive, Wait::Block) => FlockOperation::LockExclusive,
        (LockKind::Exclusive, Wait::Never) => FlockOperation::NonBlockingLockExclusive,
    };
    loop {
        match rustix::fs::flock(file, operation) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(error).at("lock", path),
        }
    }
}

/// Locks on paths, held until dropped.
#[derive(Debug, Default)]
#[must_use = "the locks end when this is dropped"]
pub struct PathLocks {
    held: Vec<(PathBuf, File)>,
}

impl PathLocks {
    /// Locks `<path>.lock` for each path exclusively. Waiting happens in the order
    /// of the paths, so that two processes can't wait for each other;
    /// `on_wait` is told about each path that somebody else has.
    ///
    /// None if `wait` is `Never` and one of them is taken.
    pub fn acquire(
        paths: impl IntoIterator<Item = PathBuf>,
        wait: Wait,
        on_wait: &mut dyn FnMut(&Path),
    ) -> Result<Option<Self>> {
        let mut paths: Vec<_> = paths.into_iter().collect();
        paths.sort();
        paths.dedup();
        let mut locks = Self::default();
        for path in paths {
            let mut name = path.clone().into_os_string();
            name.push(".lock");
            let lock_path = PathBuf::from(name);
            match lock_one(&path, &lock_path, wait, on_wait)? {
                Some(file) => locks.held.push((lock_path, file)),
                None => return Ok(None),
            }
        }
        Ok(Some(locks))
    }
}

fn lock_one(
    path: &Path,
    lock_path: &Path,
    wait: Wait,
    on_wait: &mut dyn FnMut(&Path),
) -> Result<Option<File>> {
    loop {
        let file = open_lock_file(lock_path)?;
        if !lock_file(&file, lock_path, LockKind::Exclusive, Wait::Never)? {
            if wait == Wait::Never {
                return Ok(None);
            }
            on_wait(path);
            lock_file(&file, lock_path, LockKind::Exclusive, Wait::Block)?;
        }
        if file.metadata().at("examine", lock_path)?.size() == 0 {
            return Ok(Some(file));
        }
        // The holder before us deleted the file that we now have: start over.
    }
}

impl Drop for PathLocks {
    fn drop(&mut self) {
        for (path, mut file) in self.held.drain(..) {
            // Delete first: who comes now makes a new file. Failing leaves an
            // unlocked file behind, which does no harm.
            if std::fs::remove_file(&path).is_ok() {
                let _ = file.write_all(b"d");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acquire(paths: &[&Path], wait: Wait) -> Option<PathLocks> {
        let paths = paths.iter().map(|path| path.to_path_buf());
        PathLocks::acquire(paths, wait, &mut |_| ()).unwrap()
    }

    #[test]
    fn exclude_and_leave_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (directory.path().join("a"), directory.path().join("b"));
        let locks = acquire(&[&a, &b, &a], Wait::Never).unwrap();
        assert!(acquire(&[&b], Wait::Never).is_none());
        drop(locks);
        drop(acquire(&[&a, &b], Wait::Never).unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn waiters_get_it_one_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let lock = acquire(&[&path], Wait::Block);
                        let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(others, 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(!directory.path().join("a.lock").exists());
    }
}
