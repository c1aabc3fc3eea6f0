//! What a store knows about one of its objects.

use std::collections::BTreeSet;

use crate::content_address::ContentAddress;
use crate::hash::Hash;
use crate::store_path::{References, StoreDir, StorePath, StorePathError};

/// What a store knows about a valid path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// The path.
    pub path: StorePath,
    /// SHA-256 of its NAR.
    pub nar_hash: Hash,
    /// Length of its NAR in bytes.
    pub nar_size: u64,
    /// The paths it refers to, perhaps itself among them.
    pub references: BTreeSet<StorePath>,
    /// The derivation that it was built by, if known.
    pub deriver: Option<StorePath>,
    /// When it was registered, in seconds since the epoch. 0 if not yet.
    pub registration_time: u64,
    /// Whether it was built here (rather than copied from elsewhere).
    pub ultimate: bool,
    /// Signatures, `<key name>:<base 64>`.
    pub signatures: BTreeSet<String>,
    /// How its path follows from its content, if it does.
    pub content_address: Option<ContentAddress>,
}

impl PathInfo {
    /// A path with this NAR and nothing else known.
    pub fn new(path: StorePath, nar_hash: Hash, nar_size: u64) -> Self {
        Self {
            path,
            nar_hash,
            nar_size,
            references: BTreeSet::new(),
            deriver: None,
            registration_time: 0,
            ultimate: false,
            signatures: BTreeSet::new(),
            content_address: None,
        }
    }

    /// The references, those to itself apart.
    pub fn split_references(&self) -> References {
        let mut others = self.references.clone();
        let to_self = others.remove(&self.path);
        References { others, to_self }
    }

    /// Whether the content address gives this path; None without one.
    pub fn has_right_content_address(&self, store_dir: &StoreDir) -> Result<Option<bool>, StorePathError> {
        let Some(address) = &self.content_address else { return Ok(None) };
        let name = self.path.name();
        let expected = store_dir.make_content_addressed_path(name, address, &self.split_references())?;
        Ok(Some(expected == self.path))
    }

    /// The text that signatures are over: `1;<path>;<NAR hash>;<NAR size>;<references>`.
    pub fn fingerprint(&self, store_dir: &StoreDir) -> String {
        let references: Vec<_> = self.references.iter().map(|path| store_dir.display(path)).collect();
        format!(
            "1;{};{};{};{}",
            store_dir.display(&self.path),
            self.nar_hash,
            self.nar_size,
            references.join(",")
        )
    }
}
