//! Asking the database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use saltire_store_model::nar::{keep_all, write_tree};
use saltire_store_model::{Derivation, PathInfo, StorePath};

use crate::error::{Context, Result, StoreError};
use crate::{Registration, Store};

/// Seconds since the epoch.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.as_secs())
}

/// The path without `.` and `..`.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

impl Store {
    /// Whether the path is registered.
    pub fn is_valid(&self, path: &StorePath) -> Result<bool> {
        self.with_database(|database| Ok(database.id_of(path)?.is_some()))
    }

    /// Those of `paths` that are registered.
    pub fn query_valid<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<BTreeSet<StorePath>> {
        self.with_database(|database| {
            let mut valid = BTreeSet::new();
            for path in paths {
                if database.id_of(path)?.is_some() {
                    valid.insert(path.clone());
                }
            }
            Ok(valid)
        })
    }

    /// What is known about a path; None if it is not registered.
    pub fn query_path_info(&self, path: &StorePath) -> Result<Option<PathInfo>> {
        self.with_database(|database| database.path_info(path))
    }

    /// [`Self::query_path_info`] of a path that has to be registered.
    pub fn path_info(&self, path: &StorePath) -> Result<PathInfo> {
        self.query_path_info(path)?.ok_or_else(|| StoreError::NotValid(self.display(path)))
    }

    /// What a valid path refers to.
    pub fn query_references(&self, path: &StorePath) -> Result<BTreeSet<StorePath>> {
        self.with_database(|database| database.references(path))?
            .ok_or_else(|| StoreError::NotValid(self.display(path)))
    }

    /// The valid paths that refer to a path.
    pub fn query_referrers(&self, path: &StorePath) -> Result<BTreeSet<StorePath>> {
        self.with_database(|database| database.referrers(path))
    }

    /// The valid derivations of which the path is an output.
    pub fn query_valid_derivers(&self, path: &StorePath) -> Result<BTreeSet<StorePath>> {
        self.with_database(|database| database.valid_derivers(path))
    }

    /// The outputs of a valid derivation, as the database knows them.
    pub fn query_derivation_outputs(&self, derivation: &StorePath) -> Result<BTreeMap<String, StorePath>> {
        self.with_database(|database| database.derivation_outputs(derivation))
    }

    /// The valid path with this hash part.
    pub fn query_path_from_hash_part(&self, hash_part: &str) -> Result<Option<StorePath>> {
        self.with_database(|database| database.path_with_hash_part(hash_part))
    }

    /// All valid paths.
    pub fn query_all_valid_paths(&self) -> Result<BTreeSet<StorePath>> {
        self.with_database(|database| database.all_paths())
    }

    /// The paths and everything that they refer to, directly or not. All have to be valid.
    pub fn query_closure<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<BTreeSet<StorePath>> {
        self.walk(paths, |database, path| {
            database.references(path)?.ok_or_else(|| StoreError::NotValid(self.display(path)))
        })
    }

    /// The paths and everything that refers to them, directly or not.
    pub fn query_referrers_closure<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<BTreeSet<StorePath>> {
        self.walk(paths, |database, path| database.referrers(path))
    }

    fn walk<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
        next: impl Fn(&mut crate::database::Database, &StorePath) -> Result<BTreeSet<StorePath>>,
    ) -> Result<BTreeSet<StorePath>> {
        self.with_database(|database| {
            let mut seen: BTreeSet<StorePath> = paths.into_iter().cloned().collect();
            let mut pending: Vec<StorePath> = seen.iter().cloned().collect();
            while let Some(path) = pending.pop() {
                for other in next(database, &path)? {
                    if seen.insert(other.clone()) {
                        pending.push(other);
                    }
                }
            }
            Ok(seen)
        })
    }

    /// The paths ordered so that what a path refers to comes before it.
    pub fn sort_references_first(&self, paths: &BTreeSet<StorePath>) -> Result<Vec<StorePath>> {
        self.with_database(|database| {
            let mut sorted = Vec::with_capacity(paths.len());
            let mut done = BTreeSet::new();
            // True: all references of the path are done.
            let mut pending: Vec<(StorePath, bool)> =
                paths.iter().rev().map(|path| (path.clone(), false)).collect();
            while let Some((path, ready)) = pending.pop() {
                if ready {
                    sorted.push(path);
                } else if done.insert(path.clone()) {
                    let references = database.references(&path)?.unwrap_or_default();
                    pending.push((path, true));
                    let inside = references.into_iter().filter(|path| paths.contains(path));
                    pending.extend(inside.filter(|path| !done.contains(path)).map(|p| (p, false)));
                }
            }
            Ok(sorted)
        })
    }

    /// Reads a `.drv` file that is in the store.
    pub fn read_derivation(&self, path: &StorePath) -> Result<Derivation> {
        let physical = self.physical_path(path);
        let text = match std::fs::read(&physical) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::NotValid(self.display(path)));
            }
            other => other.at("read", &physical)?,
        };
        let name = path.derivation_name().unwrap_or(path.name());
        Ok(Derivation::parse(self.store_dir(), name, &text)?)
    }

    /// Writes the NAR of a valid path.
    pub fn write_nar<W: std::io::Write>(&self, path: &StorePath, sink: W) -> Result<W> {
        if !self.is_valid(path)? {
            return Err(StoreError::NotValid(self.display(path)));
        }
        Ok(write_tree(&self.physical_path(path), sink, &mut keep_all)?)
    }

    /// Registers paths whose files are in place with canonical metadata, all of
    /// them or none. Their references must be valid or among them.
    pub fn register(&self, registrations: &[Registration]) -> Result<()> {
        self.with_database(|database| database.register(registrations, now()))
    }

    /// Replaces the signatures of a valid path.
    pub fn set_signatures(&self, path: &StorePath, signatures: &BTreeSet<String>) -> Result<()> {
        self.with_database(|database| database.set_signatures(path, signatures))
    }

    /// The store path that a physical or logical path lies in, if it does, by the
    /// path's text: `..` is resolved, links are not followed.
    pub fn store_path_of(&self, path: &Path) -> Option<StorePath> {
        let logical = self.location.to_logical(&without_dots(path));
        let bytes = logical.as_os_str().as_encoded_bytes();
        self.store_dir().split(bytes).ok().map(|(path, _)| path)
    }
}
