//! The embedded package set as files.
//!
//! The binary carries `pkgs/`. The evaluator reads files and error messages name
//! them, so the set is laid out once per version below the user's cache
//! directory. The directory appears under its final name whole or not at all.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/package_set.rs"));

/// Lays the package set out below `cache` unless it is there; returns its directory.
pub fn lay_out(cache: &Path) -> io::Result<PathBuf> {
    let parent = cache.join("pkgs");
    let directory = parent.join(FINGERPRINT);
    if directory.join("default.nix").exists() {
        return Ok(directory);
    }
    std::fs::create_dir_all(&parent)?;
    let scratch = tempfile::Builder::new().prefix(".new-").tempdir_in(&parent)?;
    for (relative, executable, contents) in FILES {
        let path = scratch.path().join(relative);
        std::fs::create_dir_all(path.parent().unwrap_or(scratch.path()))?;
        std::fs::write(&path, contents)?;
        let mode = if *executable { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o755))?;
    match std::fs::rename(scratch.path(), &directory) {
        // Another process was faster; it laid out the same files.
        Err(_) if directory.join("default.nix").exists() => Ok(directory),
        Err(error) => Err(error),
        Ok(()) => Ok(directory),
    }
}

/// The contents of one file of the set.
pub fn file(relative: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(path, ..)| *path == relative).map(|(_, _, contents)| *contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_laid_out_once_and_whole() {
        let cache = tempfile::tempdir().unwrap();
        let directory = lay_out(cache.path()).unwrap();
        let text = std::fs::read(directory.join("platforms.toml")).unwrap();
        assert_eq!(Some(text.as_slice()), file("platforms.toml"));
        std::fs::write(directory.join("marker"), "").unwrap();
        assert_eq!(lay_out(cache.path()).unwrap(), directory);
        assert!(directory.join("marker").exists(), "the second call leaves the files alone");
    }
}
