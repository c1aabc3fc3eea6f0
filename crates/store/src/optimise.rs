//! Storing equal files once.
//!
//! `.links` in the store directory has a hard link to each file that was looked at,
//! named by the hash of its NAR; a file of the same content becomes a link to it. Source
//! of the layout: the Nix manual, `nix store optimise`. Others use the same links at the
//! same time: each step is one `link` or `rename`, and leaves a file of that content.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use saltire_store_model::nar::{keep_all, set_canonical_times, summarize_tree};

use crate::error::{Context, Result};
use crate::{Store, create_directory};

/// What optimising saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Optimised {
    /// Files that became links.
    pub files: u64,
    /// Bytes of disk that were freed.
    pub bytes: u64,
}

impl Store {
    /// Makes files of valid paths that have the same content the same file.
    /// `progress` is told each path.
    pub fn optimise(&self, progress: &mut dyn FnMut(&saltire_store_model::StorePath)) -> Result<Optimised> {
        let mut saved = Optimised::default();
        let links = self.location().physical_store.join(".links");
        create_directory(&links)?;
        for path in self.query_all_valid_paths()? {
            self.add_temp_root(&path)?;
            // The collector may have been faster.
            if self.is_valid(&path)? {
                progress(&path);
                optimise_tree(&self.physical_path(&path), &links, &mut saved)?;
            }
        }
        Ok(saved)
    }
}

impl Store {
    /// Removes the links to files that no path has any more; how many bytes that
    /// freed. What can't be removed stays for the next time.
    pub(crate) fn remove_unused_links(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(self.location().physical_store.join(".links")) else { return 0 };
        let mut freed = 0;
        for entry in entries.flatten() {
            if let Ok(metadata) = entry.metadata()
                && metadata.nlink() == 1
                && std::fs::remove_file(entry.path()).is_ok()
            {
                freed += metadata.blocks() * 512;
            }
        }
        freed
    }
}

fn optimise_tree(path: &Path, links: &Path, saved: &mut Optimised) -> Result<()> {
    let metadata = path.symlink_metadata().at("examine", path)?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).at("read directory", path)? {
            optimise_tree(&entry.at("read directory", path)?.path(), links, saved)?;
        }
        return Ok(());
    }
    // What may be written to is not final; an empty file takes no room.
    let fits = metadata.is_file() && metadata.mode() & 0o222 == 0 && metadata.len() > 0;
    if fits { link(path, &metadata, links, saved) } else { Ok(()) }
}

fn link(path: &Path, metadata: &Metadata, links: &Path, saved: &mut Optimised) -> Result<()> {
    let hash = summarize_tree(path, &mut keep_all)?.hash;
    let shared = links.join(hash.to_nix_base32());
    loop {
        let known = match shared.symlink_metadata() {
            Ok(known) => known,
            Err(_) => match std::fs::hard_link(path, &shared) {
                Ok(()) => return Ok(()),
                // Another process was faster.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(error) if is_full(&error) => return Ok(()),
                Err(error) => return Err(error).at("create", &shared),
            },
        };
        if known.ino() == metadata.ino() {
            return Ok(());
        }
        if known.len() != metadata.len() || known.mode() != metadata.mode() {
            // Somebody damaged it.
            std::fs::remove_file(&shared).at("remove", &shared)?;
            continue;
        }
        return replace(path, &shared, metadata, saved);
    }
}

/// A directory of ext4 that is full, or a file with too many links: both are fine.
fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::TooManyLinks | std::io::ErrorKind::StorageFull)
}

fn replace(path: &Path, shared: &Path, metadata: &Metadata, saved: &mut Optimised) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    let mode = parent.symlink_metadata().at("examine", parent)?.permissions();
    // Not that of the store directory itself.
    let is_inside = Some(parent) != shared.parent().and_then(Path::parent);
    if is_inside {
        let writable = PermissionsExt::from_mode(mode.mode() | 0o200);
        std::fs::set_permissions(parent, writable).at("set the mode of", parent)?;
    }
    let name = format!(".tmp-link-{}", std::process::id());
    let temporary = shared.parent().and_then(Path::parent).unwrap_or(parent).join(name);
    let _ = std::fs::remove_file(&temporary);
    let result = match std::fs::hard_link(shared, &temporary) {
        Err(error) if is_full(&error) => Ok(false),
        other => other.and_then(|()| std::fs::rename(&temporary, path)).map(|()| true),
    };
    if is_inside {
        std::fs::set_permissions(parent, mode).at("set the mode of", parent)?;
        let name = parent.file_name().unwrap_or_default();
        if let Some(above) = parent.parent() {
            let directory = std::fs::File::open(above).at("open", above)?;
            set_canonical_times(&directory, name).at("set the time of", parent)?;
        }
    }
    if result.at("replace", path)? {
        saved.files += 1;
        if metadata.nlink() == 1 {
            saved.bytes += metadata.blocks() * 512;
        }
    }
    Ok(())
}
