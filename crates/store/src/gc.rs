//! Garbage collection.
//!
//! The collector holds `gc.lock` exclusively while it decides, so that no root
//! can appear meanwhile; forgets dead paths in the database; moves their files
//! aside; lets go of the lock; and then removes the files, which takes longest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use saltire_store_model::StorePath;

use crate::error::{Context, Result, StoreError};
use crate::locks::{LockKind, Wait, lock_file, open_lock_file};
use crate::temporary::{PREFIX, TemporaryDirectory, rename_object};
use crate::{Store, remove_tree};

/// What to collect.
#[derive(Clone, Debug)]
pub struct GarbageOptions {
    /// Keep the derivations that live paths were built by (as Nix does unless told).
    pub keep_derivations: bool,
    /// Keep the outputs of live derivations.
    pub keep_outputs: bool,
    /// Keep what running processes use.
    pub keep_running: bool,
    /// Only say what would be deleted.
    pub dry_run: bool,
    /// Stop once this many bytes (sizes of NARs) are dead.
    pub max_freed: Option<u64>,
}

/// Which of the paths that are to be deleted are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Those that a root needs as well.
    pub ignore_roots: bool,
    /// Those that something needs stay, instead of being an error.
    pub skip_alive: bool,
    /// Those that refer to them as well.
    pub referrers: bool,
}

impl Default for GarbageOptions {
    fn default() -> Self {
        Self {
            keep_derivations: true,
            keep_outputs: false,
            keep_running: true,
            dry_run: false,
            max_freed: None,
        }
    }
}

/// What was (or would be) deleted.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// The paths, those that refer to others before these.
    pub paths: Vec<StorePath>,
    /// Bytes freed: of disk, or in a dry run the sizes of the NARs.
    pub freed: u64,
}

/// Keeps everybody from adding temporary roots until dropped.
pub(crate) struct CollectorLock {
    /// Nix's way to add a root meanwhile: it connects here, says which, and waits
    /// for an answer. It gets none; when the connection ends it tries the
    /// lock again, which it then gets. Closed before the lock is released.
    _socket: Option<UnixListener>,
    _lock: File,
}

/// Listens at `directory/socket`, where others may connect. The file stays: that
/// nobody listens there any more tells Nix to try the lock again, whereas without
/// a file it goes on without a root.
fn listen(directory: &Path) -> io::Result<UnixListener> {
    std::fs::create_dir_all(directory)?;
    // Socket names are at most 107 bytes long, directories are not.
    let handle = File::open(directory)?;
    let directory = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    let temporary = directory.join(format!("socket.tmp-{}", std::process::id()));
    let _ = std::fs::remove_file(&temporary);
    let socket = UnixListener::bind(&temporary)?;
    std::fs::set_permissions(&temporary, PermissionsExt::from_mode(0o666))?;
    std::fs::rename(&temporary, directory.join("socket"))?;
    Ok(socket)
}

impl Store {
    /// Deletes everything that no root needs.
    pub fn collect_garbage(&self, options: &GarbageOptions) -> Result<Collected> {
        let lock = self.lock_collector()?;
        let roots = self.all_roots(options.keep_running)?;
        let live = self.live_paths(roots.keys(), options)?;
        let valid = self.query_all_valid_paths()?;
        let dead: BTreeSet<_> = valid.difference(&live).cloned().collect();
        let mut order = self.sort_references_first(&dead)?;
        order.reverse();
        let mut size = 0;
        if let Some(limit) = options.max_freed {
            let mut count = 0;
            while count < order.len() && size < limit {
                size += self.path_info(&order[count])?.nar_size;
                count += 1;
            }
            order.truncate(count);
        }
        if options.dry_run {
            if options.max_freed.is_none() {
                for path in &order {
                    size += self.path_info(path)?.nar_size;
                }
            }
            return Ok(Collected { paths: order, freed: size });
        }
        let stale = if options.max_freed.is_none() { self.unregistered(&valid, &roots)? } else { Vec::new() };
        let freed = self.delete(&order, &stale, lock)?;
        Ok(Collected { paths: order, freed })
    }

    /// Deletes these paths, if no root and no other path needs them.
    pub fn delete_paths(&self, paths: &BTreeSet<StorePath>, how: DeleteOptions) -> Result<Collected> {
        let lock = self.lock_collector()?;
        let roots = if how.ignore_roots { BTreeMap::new() } else { self.all_roots(true)? };
        let options = GarbageOptions { keep_derivations: false, ..GarbageOptions::default() };
        let live = self.live_paths(roots.keys(), &options)?;
        let mut doomed = match how.referrers {
            true => self.query_referrers_closure(paths)?,
            false => paths.clone(),
        };
        for path in self.sort_references_first(&doomed)?.iter().rev() {
            let referrers = self.query_referrers(path)?;
            let others: Vec<_> =
                referrers.iter().filter(|other| *other != path && !doomed.contains(*other)).collect();
            if others.is_empty() && !live.contains(path) {
                continue;
            }
            if how.skip_alive {
                doomed.remove(path);
                continue;
            }
            let users = match live.contains(path) {
                true => self.root_of(path, &roots, &options)?,
                false => crate::error::list(others),
            };
            return Err(StoreError::InUse { path: self.display(path), users });
        }
        let mut order = self.sort_references_first(&doomed)?;
        order.reverse();
        let freed = self.delete(&order, &[], lock)?;
        Ok(Collected { paths: order, freed })
    }

    /// The root that keeps a live path, for a message.
    fn root_of(
        &self,
        path: &StorePath,
        roots: &BTreeMap<StorePath, PathBuf>,
        options: &GarbageOptions,
    ) -> Result<String> {
        for (root, place) in roots {
            if self.live_paths([root], options)?.contains(path) {
                return Ok(format!("'{}'", place.display()));
            }
        }
        Ok("a root".to_owned())
    }

    pub(crate) fn lock_collector(&self) -> Result<CollectorLock> {
        self.with_database(|_| Ok(()))?;
        let path = self.location.state_dir.join("gc.lock");
        let lock = open_lock_file(&path)?;
        let sockets = self.location.state_dir.join("gc-socket");
        // The file has to be there before the lock is taken.
        if !sockets.join("socket").exists() {
            drop(listen(&sockets));
        }
        lock_file(&lock, &path, LockKind::Exclusive, Wait::Block)?;
        // Failing only means that a Nix process may not wait.
        let socket = listen(&sockets).ok();
        Ok(CollectorLock { _socket: socket, _lock: lock })
    }

    /// Roots of all kinds, with what makes them roots.
    fn all_roots(&self, running: bool) -> Result<BTreeMap<StorePath, PathBuf>> {
        let mut roots = self.find_temp_roots()?;
        roots.extend(self.find_roots()?.into_iter().map(|root| (root.path, root.link)));
        if running {
            roots.extend(self.find_runtime_roots());
        }
        Ok(roots)
    }

    fn live_paths<'p>(
        &self,
        roots: impl IntoIterator<Item = &'p StorePath>,
        options: &GarbageOptions,
    ) -> Result<BTreeSet<StorePath>> {
        self.with_database(|database| {
            let mut live = BTreeSet::new();
            let mut pending: Vec<StorePath> = roots.into_iter().cloned().collect();
            while let Some(path) = pending.pop() {
                if !live.insert(path.clone()) {
                    continue;
                }
                // A root need not be valid: it may be about to be built.
                pending.extend(database.references(&path)?.unwrap_or_default());
                if options.keep_outputs && path.is_derivation() {
                    for output in database.derivation_outputs(&path)?.into_values() {
                        if database.id_of(&output)?.is_some() {
                            pending.push(output);
                        }
                    }
                }
                if options.keep_derivations
                    && let Some(deriver) = database.path_info(&path)?.and_then(|info| info.deriver)
                    && database.id_of(&deriver)?.is_some()
                {
                    pending.push(deriver);
                }
            }
            Ok(live)
        })
    }

    /// Files in the store that are not registered and that nobody is working on.
    fn unregistered(
        &self,
        valid: &BTreeSet<StorePath>,
        roots: &BTreeMap<StorePath, PathBuf>,
    ) -> Result<Vec<PathBuf>> {
        let store = &self.location.physical_store;
        let mut stale = Vec::new();
        for entry in std::fs::read_dir(store).at("read directory", store)? {
            let place = entry.at("read directory", store)?.path();
            let name = place.file_name().unwrap_or_default().as_bytes();
            if name.starts_with(PREFIX.as_bytes()) {
                if is_abandoned(&place) {
                    stale.push(place);
                }
                continue;
            }
            let Ok(path) = StorePath::from_base_name(name) else { continue };
            if valid.contains(&path) || roots.contains_key(&path) {
                continue;
            }
            if name.ends_with(b".lock") {
                if is_abandoned(&place) {
                    stale.push(place);
                }
                continue;
            }
            // Scratch directories of a build that is going on.
            let in_use = [".chroot", ".check"].iter().any(|suffix| {
                path.base_name().strip_suffix(suffix).is_some_and(|main| roots.contains_key(main))
            });
            if !in_use {
                stale.push(place);
            }
        }
        Ok(stale)
    }

    /// Forgets `paths`, and removes their files and the `stale` ones. The
    /// collector's lock is let go before the slow part.
    fn delete(&self, paths: &[StorePath], stale: &[PathBuf], lock: CollectorLock) -> Result<u64> {
        self.with_database(|database| database.invalidate(paths))?;
        let mut trash = TemporaryDirectory::create(&self.location.physical_store)?;
        let mut aside = Vec::new();
        let places = paths.iter().map(|path| self.physical_path(path)).chain(stale.iter().cloned());
        for place in places {
            if place.symlink_metadata().is_err() {
                continue;
            }
            let to = trash.next_path();
            rename_object(&place, &to)?;
            aside.push(to);
        }
        drop(lock);
        let mut freed = 0;
        for place in aside {
            freed += remove_tree(&place)?;
        }
        Ok(freed + self.remove_unused_links())
    }
}

/// Whether nobody holds the lock on this file or directory.
fn is_abandoned(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => lock_file(&file, path, LockKind::Exclusive, Wait::Never).unwrap_or(false),
        Err(_) => false,
    }
}
