//! Walking a tree without following links, replacing files, canonical modes.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::RelocateError;

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file; `true` if its owner may execute it.
    File { executable: bool },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
}

/// A file of a tree.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Path relative to the tree's root.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// Kind of `path` itself, `None` if there is nothing.
pub(crate) fn kind_of(path: &Path) -> Result<Option<Kind>, RelocateError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(RelocateError::io("examine", path)(error)),
    };
    let kind = metadata.file_type();
    if kind.is_symlink() {
        Ok(Some(Kind::Link))
    } else if kind.is_dir() {
        Ok(Some(Kind::Directory))
    } else if kind.is_file() {
        let executable = metadata.permissions().mode() & 0o100 != 0;
        Ok(Some(Kind::File { executable }))
    } else {
        Err(RelocateError::SpecialFile { path: path.to_owned() })
    }
}

/// Names in a directory, sorted by bytes.
pub(crate) fn names_in(directory: &Path) -> Result<Vec<std::ffi::OsString>, RelocateError> {
    let read = || -> std::io::Result<Vec<_>> {
        let mut names = fs::read_dir(directory)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<Vec<_>, _>>()?;
        names.sort();
        Ok(names)
    };
    read().map_err(RelocateError::io("list", directory))
}

/// Everything below `root`, parents before children, without following links.
pub(crate) fn walk(root: &Path) -> Result<Vec<Entry>, RelocateError> {
    let mut entries = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        for name in names_in(&root.join(&directory))? {
            let path = directory.join(name);
            // Only a concurrent writer could make it vanish: leave it out then.
            let Some(kind) = kind_of(&root.join(&path))? else {
                continue;
            };
            if kind == Kind::Directory {
                pending.push(path.clone());
            }
            entries.push(Entry { path, kind });
        }
    }
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(entries)
}

/// Makes every directory below and including `root` one that we may change.
pub(crate) fn make_directories_writable(root: &Path) -> Result<(), RelocateError> {
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        set_mode(&directory, 0o755)?;
        for name in names_in(&directory)? {
            let path = directory.join(name);
            if kind_of(&path)? == Some(Kind::Directory) {
                pending.push(path);
            }
        }
    }
    Ok(())
}

/// Canonical permissions: 0755 directories, 0555 and 0444 files, no set-id bits.
pub(crate) fn set_canonical_modes(root: &Path) -> Result<(), RelocateError> {
    for entry in walk(root)? {
        let path = root.join(&entry.path);
        match entry.kind {
            Kind::Link => {}
            Kind::Directory => set_mode(&path, 0o755)?,
            Kind::File { executable: true } => set_mode(&path, 0o555)?,
            Kind::File { executable: false } => set_mode(&path, 0o444)?,
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), RelocateError> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(RelocateError::io("set the permissions of", path))
}

/// The first bytes of a file, at most `limit`.
pub(crate) fn read_start(path: &Path, limit: u64) -> Result<Vec<u8>, RelocateError> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(RelocateError::io("read", path))
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RelocateError> {
    fs::read(path).map_err(RelocateError::io("read", path))
}

/// Puts `content` in the place of a file, by renaming: other names of the same
/// file (hard links) keep the old content, and read-only files can be replaced.
pub(crate) fn replace(path: &Path, content: &[u8], executable: bool) -> Result<(), RelocateError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".saltire-new");
    let temporary = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        fs::File::create_new(&temporary)?.write_all(content)?;
        let mode = if executable { 0o555 } else { 0o444 };
        fs::set_permissions(&temporary, Permissions::from_mode(mode))?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        // Nothing half-written stays; the first error is the one to report.
        let _ = fs::remove_file(&temporary);
        RelocateError::io("write", path)(error)
    })
}

/// `base` joined with `target` and normalised as if `/` were the root of a tree:
/// the result is relative and has no `.` or `..`; the flag tells whether a `..`
/// went above the root.
pub(crate) fn normalise(base: &Path, target: &Path) -> (PathBuf, bool) {
    let mut parts = PathBuf::new();
    let mut escaped = false;
    let whole = if target.is_absolute() { target.to_owned() } else { base.join(target) };
    for component in whole.components() {
        match component {
            Component::Normal(name) => parts.push(name),
            Component::ParentDir => escaped |= !parts.pop(),
            _ => {}
        }
    }
    (parts, escaped)
}

/// The relative path that leads from directory `from` to `to`, both relative to
/// the same root and normalised.
pub(crate) fn relative(from: &Path, to: &Path) -> PathBuf {
    let mut ahead = to.components().peekable();
    let mut back = from.components().peekable();
    while let (Some(left), Some(right)) = (back.peek(), ahead.peek()) {
        if left != right {
            break;
        }
        back.next();
        ahead.next();
    }
    let mut path: PathBuf = back.map(|_| Component::ParentDir).collect();
    path.extend(ahead);
    if path.as_os_str().is_empty() {
        path.push(".");
    }
    path
}

/// Runs `work` on every item in a few threads; results in the items' order, or
/// the error of the first item that has one.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, RelocateError> + Sync,
) -> Result<Vec<R>, RelocateError> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, Result<R, RelocateError>)> = std::thread::scope(|scope| {
        let run = || {
            let mut results = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else {
                    return results;
                };
                results.push((index, work(item)));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let mut all = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(results) => all.extend(results),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
