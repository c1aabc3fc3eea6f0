//! Canonical metadata, and removing trees.
//!
//! Everything in the store has mode 0444 or 0555, modification time 1, this
//! process's user, and no extended attributes or access control lists, so that
//! nothing in it depends on when, where and by whom it was built.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use saltire_store_model::nar::{MAX_DEPTH, NarError, set_canonical_times};

use crate::error::{Context, Result, StoreError};

/// Attributes that the system itself adds and that say nothing about the build.
const KEPT_ATTRIBUTES: [&[u8]; 5] =
    [b"security.selinux", b"system.nfs4_acl", b"security.csm", b"security.ima", b"security.evm"];

/// Makes the metadata of the object at `path` canonical, and of all in it.
/// Links are not followed.
pub fn canonicalise(path: &Path) -> Result<()> {
    let name = c_name(path.as_os_str())?;
    Canonicalise { user: rustix::process::geteuid().as_raw(), path: path.to_owned() }.object(CWD, &name, 0)
}

fn c_name(name: &OsStr) -> Result<CString> {
    CString::new(name.as_bytes()).map_err(std::io::Error::from).at("open", Path::new(name))
}

struct Canonicalise {
    user: u32,
    path: PathBuf,
}

impl Canonicalise {
    fn object(&mut self, parent: impl AsFd, name: &CStr, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(NarError::TooDeep(self.path.clone()).into());
        }
        let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).at("examine", &self.path)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Directory | FileType::Symlink) {
            return Err(StoreError::UnsupportedType(self.path.clone()));
        }
        if stat.st_uid != self.user {
            self.take_over(&parent, name, stat.st_uid)?;
        }
        if kind == FileType::Symlink {
            return set_canonical_times(parent, OsStr::from_bytes(name.to_bytes()))
                .at("set the time of", &self.path);
        }
        if kind == FileType::Directory {
            self.directory(&parent, name, &stat, depth)?;
        }
        self.remove_attributes(&parent, name)?;
        let executable = kind == FileType::Directory || stat.st_mode & 0o100 != 0;
        let mode = if executable { 0o555 } else { 0o444 };
        // A directory's mode may have been changed above.
        if kind == FileType::Directory || stat.st_mode & 0o7777 != mode {
            self.set_mode(&parent, name, mode)?;
        }
        set_canonical_times(parent, OsStr::from_bytes(name.to_bytes())).at("set the time of", &self.path)
    }

    fn directory(&mut self, parent: impl AsFd, name: &CStr, stat: &Stat, depth: usize) -> Result<()> {
        if stat.st_mode & 0o700 != 0o700 {
            self.set_mode(&parent, name, 0o700)?;
        }
        let directory = open_directory(&parent, name).at("open", &self.path)?;
        for (name, _) in entries(&directory, &self.path)? {
            self.path.push(OsStr::from_bytes(name.to_bytes()));
            self.object(&directory, &name, depth + 1)?;
            self.path.pop();
        }
        Ok(())
    }

    fn set_mode(&self, parent: impl AsFd, name: &CStr, mode: u32) -> Result<()> {
        // Follows links, but this is none, and no builder is left that could
        // put one here: outputs are registered after all processes are gone.
        rustix::fs::chmodat(parent, name, Mode::from_raw_mode(mode), AtFlags::empty())
            .at("set the mode of", &self.path)
    }

    fn take_over(&self, parent: impl AsFd, name: &CStr, owner: u32) -> Result<()> {
        let user = rustix::fs::Uid::from_raw(self.user);
        let group = rustix::process::getegid();
        rustix::fs::chownat(parent, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|_| StoreError::ForeignOwner { path: self.path.clone(), owner })
    }

    fn remove_attributes(&self, parent: impl AsFd, name: &CStr) -> Result<()> {
        // Extended attributes have calls by path or by descriptor only; reading
        // them needs no permission on the file when opened with O_PATH, whose
        // descriptor can be named through /proc.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(parent, name, flags, Mode::empty()).at("open", &self.path)?;
        let by_descriptor = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let mut names = vec![0; 1024];
        let length = loop {
            match rustix::fs::listxattr(&by_descriptor, &mut names) {
                Ok(length) => break length,
                Err(Errno::RANGE) => names.resize(names.len() * 2, 0),
                // The file system has none; or /proc is not mounted.
                Err(Errno::NOTSUP | Errno::NODATA | Errno::NOENT | Errno::NOTDIR) => return Ok(()),
                Err(error) => return Err(error).at("read attributes of", &self.path),
            }
        };
        for attribute in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            if !KEPT_ATTRIBUTES.contains(&attribute) {
                rustix::fs::removexattr(&by_descriptor, OsStr::from_bytes(attribute))
                    .at("remove attributes of", &self.path)?;
            }
        }
        Ok(())
    }
}

fn open_directory(parent: impl AsFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

fn entries(directory: &OwnedFd, path: &Path) -> Result<Vec<(CString, FileType)>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory).at("read directory", path)? {
        let entry = entry.at("read directory", path)?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            entries.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(entries)
}

/// Removes the object at `path`, and all in it, read-only directories too.
/// Links are not followed; that nothing is there is no error. Returns how many bytes of
/// disk this frees.
pub fn remove_tree(path: &Path) -> Result<u64> {
    let name = c_name(path.as_os_str())?;
    let mut place = path.to_owned();
    match remove_object(CWD, &name, &mut place, 0) {
        Err(StoreError::File { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound && !path.exists() =>
        {
            Ok(0)
        }
        other => other,
    }
}

fn remove_object(parent: impl AsFd, name: &CStr, path: &mut PathBuf, depth: usize) -> Result<u64> {
    let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).at("examine", path)?;
    let mut freed = if stat.st_nlink > 1 && FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        0
    } else {
        stat.st_blocks as u64 * 512
    };
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if is_directory {
        if stat.st_mode & 0o700 != 0o700 {
            rustix::fs::chmodat(&parent, name, Mode::from_raw_mode(0o700), AtFlags::empty())
                .at("set the mode of", path)?;
        }
        if depth > MAX_DEPTH {
            return Err(NarError::TooDeep(path.clone()).into());
        }
        let directory = open_directory(&parent, name).at("open", path)?;
        for (name, _) in entries(&directory, path)? {
            path.push(OsStr::from_bytes(name.to_bytes()));
            freed += remove_object(&directory, &name, path, depth + 1)?;
            path.pop();
        }
    }
    let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    rustix::fs::unlinkat(parent, name, flags).at("remove", path)?;
    Ok(freed)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn canonical_and_removable() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("x");
        fs::create_dir_all(root.join("closed/inner")).unwrap();
        fs::write(root.join("closed/inner/f"), "x").unwrap();
        for (name, mode) in [("plain", 0o666), ("tool", 0o4755), ("group", 0o615)] {
            fs::write(root.join(name), name).unwrap();
            fs::set_permissions(root.join(name), Permissions::from_mode(mode)).unwrap();
        }
        symlink("/nonexistent", root.join("link")).unwrap();
        let _ = rustix::fs::setxattr(root.join("plain"), "user.note", b"x", rustix::fs::XattrFlags::empty());
        fs::set_permissions(root.join("closed"), Permissions::from_mode(0o000)).unwrap();
        canonicalise(&root).unwrap();
        for (name, mode) in [
            ("", 0o555),
            ("plain", 0o444),
            ("tool", 0o555),
            ("group", 0o444),
            ("closed", 0o555),
            ("closed/inner/f", 0o444),
        ] {
            let metadata = fs::symlink_metadata(root.join(name)).unwrap();
            assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (mode, 1), "{name}");
        }
        assert_eq!(fs::symlink_metadata(root.join("link")).unwrap().mtime(), 1);
        let mut buffer = [0; 64];
        if let Ok(length) = rustix::fs::listxattr(root.join("plain"), &mut buffer) {
            assert!(!buffer[..length].starts_with(b"user."));
        }
        remove_tree(&root).unwrap();
        assert!(!root.exists());
        assert_eq!(remove_tree(&root).unwrap(), 0);
    }

    #[test]
    fn pipes_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("p");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let error = canonicalise(&pipe).unwrap_err();
        assert!(matches!(error, StoreError::UnsupportedType(path) if path == pipe));
    }
}
