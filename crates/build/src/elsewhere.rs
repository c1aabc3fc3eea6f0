//! Builds that are done elsewhere, and what they have in common with those here: locks,
//! logs, checks and registration.

use crate::error::BuildError;
use saltire_store_model::{Derivation, PathInfo, StorePath};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A build that is to be done elsewhere.
pub struct ElsewhereJob<'a> {
    /// The `.drv`.
    pub path: &'a StorePath,
    /// What is in it.
    pub derivation: &'a Derivation,
    /// All that the builder may see: the closure of the inputs.
    pub inputs: &'a BTreeSet<StorePath>,
    /// The outputs that are wanted, and where their files are to be put.
    pub outputs: Vec<(StorePath, PathBuf)>,
    /// Takes what the builder writes.
    pub log: &'a mut (dyn FnMut(&[u8]) + Send),
}

/// A place where derivations can be built.
pub trait Elsewhere {
    /// Builds, and puts the outputs where they are to be; what is known of them there.
    /// What is at their places on a failure does not matter.
    fn build(&self, job: ElsewhereJob<'_>) -> Result<Vec<PathInfo>, BuildError>;
}
