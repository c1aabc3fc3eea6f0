//! The user that root's builds run as.

use crate::builder::file_error;
use crate::error::BuildError;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use saltire_sandbox::BuildUser;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Where the locks are, below the state directory: the same as Nix's for the same
/// users (its `auto-allocate-uids`), so that both never use one at the same time.
const DIRECTORY: &str = "userpool2";

/// A user of the machine that runs one build, and no other as long as this lives.
pub(crate) struct UserLock {
    pub user: BuildUser,
    _lock: File,
}

impl UserLock {
    /// Takes a user that is free. `None` if builds run as this process's own user: it
    /// is an ordinary one, or a root that has no other.
    pub fn acquire(state: &Path) -> Result<Option<Self>, BuildError> {
        if BuildUser::numbered(0).is_none() {
            return Ok(None);
        }
        let directory = state.join(DIRECTORY);
        let made = DirBuilder::new().recursive(true).mode(0o755).create(&directory);
        made.map_err(|e| file_error("create", &directory, e))?;
        for number in 0..BuildUser::COUNT {
            let path = directory.join(format!("slot-{number}"));
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
            let file = file.map_err(|e| file_error("open lock file", &path, e))?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(BuildUser::numbered(number).map(|user| Self { user, _lock: file })),
                Err(Errno::WOULDBLOCK) => {}
                Err(error) => return Err(file_error("lock", &path, error.into())),
            }
        }
        Err(file_error("find a build user that is free in", &directory, Errno::USERS.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_at_the_same_time_have_different_users() {
        let state = tempfile::tempdir().expect("a directory");
        let acquire = || UserLock::acquire(state.path()).expect("no error");
        let Some(first) = acquire() else {
            println!("skipped: only root has build users");
            return;
        };
        let second = acquire().expect("another user");
        assert_ne!(first.user, second.user);
        let freed = first.user;
        drop(first);
        assert_eq!(acquire().expect("a user").user, freed);
    }
}
