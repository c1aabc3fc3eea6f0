//! What keeps paths from the garbage collector.
//!
//! *Permanent roots* are links below `gcroots` and `profiles` in the state
//! directory. A link elsewhere (such as `./result`) is an *indirect* root:
//! `gcroots/auto/<hash>` points to the link, so that deleting the link ends it.
//! *Temporary roots* are lines in a file of each process, `temproots/<pid>`, that
//! is locked for as long as the process lives.
//!
//! Adding a temporary root takes the collector's lock `gc.lock` shared, for
//! a moment. The collector has it exclusively, so a root is either seen by it,
//! or added after it has finished; hence validity is to be asked *after* adding.
//! (Nix's collector has a socket to be told about roots while it works; waiting
//! for it, as here, is right too, only slower.)

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use bstr::ByteSlice;
use saltire_store_model::{HashAlgorithm, StorePath};

use crate::error::{Context, Result, StoreError};
use crate::locks::{LockKind, Wait, lock_file, open_lock_file};
use crate::{Store, create_directory, lock};

/// A permanent root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// The link (or for a running process, the file in `/proc`).
    pub link: PathBuf,
    /// What it keeps.
    pub path: StorePath,
}

/// The temporary roots of this process.
pub(crate) struct TempRoots {
    file: File,
    path: PathBuf,
    gc_lock: File,
    gc_lock_path: PathBuf,
    known: HashSet<StorePath>,
}

impl TempRoots {
    fn create(state_dir: &Path) -> Result<Self> {
        let gc_lock_path = state_dir.join("gc.lock");
        let gc_lock = open_lock_file(&gc_lock_path)?;
        let directory = state_dir.join("temproots");
        create_directory(&directory)?;
        let pid = std::process::id();
        for attempt in 0u32.. {
            // The plain name may be taken by a store of this process opened
            // twice, or by a process in another process namespace.
            let name = if attempt == 0 { pid.to_string() } else { format!("{pid}-{attempt}") };
            let path = directory.join(name);
            let file = open_lock_file(&path)?;
            if !lock_file(&file, &path, LockKind::Exclusive, Wait::Never)? {
                continue;
            }
            // Left by a dead process, or just deleted by a collector: start over.
            let size = file.metadata().at("examine", &path)?.size();
            let current = path.metadata().map(|metadata| metadata.ino()).ok();
            if current != Some(file.metadata().at("examine", &path)?.ino()) {
                continue;
            }
            if size > 0 {
                file.set_len(0).at("write", &path)?;
            }
            return Ok(Self { file, path, gc_lock, gc_lock_path, known: HashSet::new() });
        }
        Err(StoreError::NotWritable(directory))
    }

    fn add<'p>(&mut self, store: &Store, paths: impl IntoIterator<Item = &'p StorePath>) -> Result<()> {
        let mut lines = Vec::new();
        let mut new = Vec::new();
        for path in paths {
            if !self.known.contains(path) {
                lines.extend_from_slice(store.display(path).as_bytes());
                lines.push(0);
                new.push(path.clone());
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        lock_file(&self.gc_lock, &self.gc_lock_path, LockKind::Shared, Wait::Block)?;
        let written = self.file.write_all(&lines).at("write", &self.path);
        let _ = rustix::fs::flock(&self.gc_lock, rustix::fs::FlockOperation::Unlock);
        written?;
        self.known.extend(new);
        Ok(())
    }
}

impl Drop for TempRoots {
    fn drop(&mut self) {
        if std::fs::remove_file(&self.path).is_ok() {
            let _ = self.file.write_all(b"d");
        }
    }
}

impl Store {
    /// Keeps a path from the garbage collector for as long as this `Store` lives,
    /// valid or not. Ask whether it is valid afterwards, not before.
    pub fn add_temp_root(&self, path: &StorePath) -> Result<()> {
        self.add_temp_roots([path])
    }

    /// [`Self::add_temp_root`] for several paths at once.
    pub fn add_temp_roots<'p>(&self, paths: impl IntoIterator<Item = &'p StorePath>) -> Result<()> {
        let mut guard = lock(&self.temp_roots);
        let roots = match &mut *guard {
            Some(roots) => roots,
            empty => {
                self.create_directories()?;
                empty.insert(TempRoots::create(&self.location.state_dir)?)
            }
        };
        roots.add(self, paths)
    }

    /// Makes `link` point to a store path and registers it as a root. An existing link
    /// into the store is replaced.
    ///
    /// In a private store the link points to the physical place of the path, as
    /// the logical one does not exist outside.
    pub fn add_root(&self, link: &Path, path: &StorePath) -> Result<()> {
        let link = std::path::absolute(link).at("examine", link)?;
        self.add_temp_root(path)?;
        match std::fs::read_link(&link) {
            Ok(target) if self.store_path_of(&target).is_none() => {
                return Err(StoreError::RootInTheWay(link));
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(StoreError::RootInTheWay(link));
            }
            _ => {}
        }
        if let Some(parent) = link.parent() {
            create_directory(parent)?;
        }
        replace_link(&link, &self.physical_path(path))?;
        let state = &self.location.state_dir;
        if link.starts_with(state.join("gcroots")) || link.starts_with(state.join("profiles")) {
            return Ok(());
        }
        let hash = HashAlgorithm::Sha1.hash(link.as_os_str().as_bytes()).to_nix_base32();
        let automatic = state.join("gcroots/auto");
        create_directory(&automatic)?;
        replace_link(&automatic.join(hash), &link)
    }

    /// The permanent roots. Indirect roots whose link is gone are removed.
    pub fn find_roots(&self) -> Result<BTreeSet<Root>> {
        let mut roots = BTreeSet::new();
        for directory in ["gcroots", "profiles"] {
            self.find_roots_in(&self.location.state_dir.join(directory), &mut roots, 0)?;
        }
        Ok(roots)
    }

    fn find_roots_in(&self, path: &Path, roots: &mut BTreeSet<Root>, depth: usize) -> Result<()> {
        /// Deeper nesting is no directory of roots.
        const MAX_DEPTH: usize = 64;
        let metadata = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.at("examine", path)?,
        };
        if metadata.is_dir() {
            if depth > MAX_DEPTH {
                return Ok(());
            }
            for entry in std::fs::read_dir(path).at("read directory", path)? {
                let entry = entry.at("read directory", path)?;
                self.find_roots_in(&entry.path(), roots, depth + 1)?;
            }
        } else if metadata.is_symlink() {
            let target = std::fs::read_link(path).at("read link", path)?;
            let target = path.parent().unwrap_or(path).join(target);
            if let Some(kept) = self.store_path_of(&target) {
                roots.insert(Root { link: path.to_owned(), path: kept });
            } else if path.starts_with(self.location.state_dir.join("gcroots/auto")) {
                self.find_indirect_root(path, &target, roots)?;
            }
        } else if metadata.is_file() {
            // A file whose name is that of a store path keeps that path.
            let name = path.file_name().unwrap_or_default().as_bytes();
            if let Ok(kept) = StorePath::from_base_name(name) {
                roots.insert(Root { link: path.to_owned(), path: kept });
            }
        }
        Ok(())
    }

    fn find_indirect_root(&self, automatic: &Path, link: &Path, roots: &mut BTreeSet<Root>) -> Result<()> {
        match std::fs::read_link(link) {
            Ok(target) => {
                let target = link.parent().unwrap_or(link).join(target);
                if let Some(kept) = self.store_path_of(&target) {
                    roots.insert(Root { link: link.to_owned(), path: kept });
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Its link was deleted; somebody else may be quicker to notice.
                let _ = std::fs::remove_file(automatic);
                Ok(())
            }
            // No link any more, or not readable by us: keeps nothing.
            Err(_) => Ok(()),
        }
    }

    /// The temporary roots of all living processes. Files of dead ones are removed.
    pub(crate) fn find_temp_roots(&self) -> Result<BTreeMap<StorePath, PathBuf>> {
        let directory = self.location.state_dir.join("temproots");
        let mut roots = BTreeMap::new();
        for entry in std::fs::read_dir(&directory).at("read directory", &directory)? {
            let path = entry.at("read directory", &directory)?.path();
            if path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".")) {
                continue;
            }
            let mut file = match File::options().read(true).write(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.at("open", &path)?,
            };
            if lock_file(&file, &path, LockKind::Exclusive, Wait::Never)? {
                if std::fs::remove_file(&path).is_ok() {
                    let _ = file.write_all(b"d");
                }
                continue;
            }
            let mut content = Vec::new();
            file.read_to_end(&mut content).at("read", &path)?;
            for line in content.split(|byte| *byte == 0) {
                if let Ok(kept) = self.store_dir().parse(line) {
                    roots.insert(kept, path.clone());
                }
            }
        }
        Ok(roots)
    }

    /// Store paths that running processes have open, mapped, as program,
    /// working directory or in their environment, as far as we may look.
    pub(crate) fn find_runtime_roots(&self) -> BTreeMap<StorePath, PathBuf> {
        let mut roots = BTreeMap::new();
        let Ok(processes) = std::fs::read_dir("/proc") else { return roots };
        for process in processes.flatten() {
            if !process.file_name().as_bytes().iter().all(u8::is_ascii_digit) {
                continue;
            }
            let directory = process.path();
            let mut links = vec![directory.join("exe"), directory.join("cwd")];
            if let Ok(descriptors) = std::fs::read_dir(directory.join("fd")) {
                links.extend(descriptors.flatten().map(|entry| entry.path()));
            }
            for link in links {
                if let Ok(target) = std::fs::read_link(&link) {
                    self.collect_mentions(target.as_os_str().as_bytes(), &link, &mut roots);
                }
            }
            for name in ["maps", "environ"] {
                let file = directory.join(name);
                if let Ok(content) = std::fs::read(&file) {
                    self.collect_mentions(&content, &file, &mut roots);
                }
            }
        }
        roots
    }

    fn collect_mentions(&self, text: &[u8], place: &Path, roots: &mut BTreeMap<StorePath, PathBuf>) {
        let logical = self.store_dir().as_str().as_bytes();
        let physical = self.location.physical_store.as_os_str().as_bytes();
        let prefixes = if logical == physical { vec![logical] } else { vec![logical, physical] };
        for prefix in prefixes {
            for at in text.find_iter(prefix) {
                let rest = &text[at + prefix.len()..];
                let Some(rest) = rest.strip_prefix(b"/") else { continue };
                let is_part = |byte: &u8| saltire_store_model::store_path::is_name_character(*byte);
                let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                if let Ok(path) = StorePath::from_base_name(&rest[..end]) {
                    roots.entry(path).or_insert_with(|| place.to_owned());
                }
            }
        }
    }
}

/// Makes or replaces a symbolic link in one step.
fn replace_link(link: &Path, target: &Path) -> Result<()> {
    let mut name = link.as_os_str().to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    let temporary = PathBuf::from(name);
    let _ = std::fs::remove_file(&temporary);
    symlink(target, &temporary).at("create", &temporary)?;
    std::fs::rename(&temporary, link).at("create", link)
}
