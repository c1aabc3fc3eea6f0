//! Hashes of derivations *modulo* fixed outputs.
//!
//! An input-addressed output path depends on everything that the build reads,
//! but not on how a fixed output is fetched: in the text that is hashed, input
//! derivations are replaced by hashes, and the hash of a fixed-output derivation
//! covers only its content hash and path. While computing a derivation's own
//! output paths, those are empty in the text (*masked*).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::RwLock;

use bstr::BString;
use foldhash::HashMap;

use super::aterm::{Printed, print_hashed_inputs};
use super::{Derivation, DerivationKind, DerivationOutput, KindError};
use crate::hash::Hash;
use crate::store_path::{StoreDir, StorePath, StorePathError, placeholder};

/// The hash of a derivation modulo fixed outputs, as its dependents use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuloHash {
    /// Of a fixed-output derivation; belongs to its only output, `out`.
    Fixed(Hash),
    /// Of all other derivations; the same for each output.
    Regular(Hash),
    /// As `Regular`, but output paths of it or of an input are not known, so
    /// output paths of its dependents can't be computed either.
    Deferred(Hash),
}

impl ModuloHash {
    /// The hash.
    pub fn hash(&self) -> &Hash {
        match self {
            Self::Fixed(hash) | Self::Regular(hash) | Self::Deferred(hash) => hash,
        }
    }
}

/// Why a derivation can't be hashed.
#[derive(Debug, thiserror::Error)]
pub enum ModuloError<E> {
    /// An input derivation could not be read.
    #[error("cannot read input derivation '{path}': {source}")]
    Read {
        /// Which.
        path: StorePath,
        /// Why.
        source: E,
    },
    /// An input derivation needs itself.
    #[error("derivation '{0}' depends on itself")]
    Cycle(StorePath),
    /// An output that the input derivation does not have.
    #[error("derivation '{derivation}' has no output '{output}'")]
    NoSuchOutput {
        /// The input derivation.
        derivation: StorePath,
        /// The output.
        output: String,
    },
    /// Outputs that don't go together.
    #[error(transparent)]
    Kind(#[from] KindError),
    /// An output's path would be malformed.
    #[error(transparent)]
    StorePath(#[from] StorePathError),
}

/// What [`Derivation::finish`] computes.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Path of the `.drv` file.
    pub path: StorePath,
    /// Its text.
    pub text: Vec<u8>,
    /// The output paths that are known, by output name.
    pub outputs: BTreeMap<String, StorePath>,
}

/// Hashes of derivations by `.drv` path; shared between threads. Derivations
/// never change, so an entry is valid for ever.
#[derive(Debug, Default)]
pub struct ModuloCache {
    known: RwLock<HashMap<StorePath, Entry>>,
}

#[derive(Debug)]
struct Entry {
    hash: ModuloHash,
    /// Base 16 of the hash, the form in which dependents print it.
    digits: Box<str>,
    outputs: Box<[Box<str>]>,
}

impl ModuloCache {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// The hash of a derivation, if it was computed before.
    pub fn get(&self, path: &StorePath) -> Option<ModuloHash> {
        let known = self.known.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.get(path).map(|entry| entry.hash)
    }

    /// The hash of the derivation at `path`. `read` is called for those, among it
    /// and its inputs, that are not known yet.
    pub fn hash_of<E>(
        &self,
        store_dir: &StoreDir,
        path: &StorePath,
        mut read: impl FnMut(&StorePath) -> Result<Derivation, E>,
    ) -> Result<ModuloHash, ModuloError<E>> {
        self.ensure(store_dir, std::iter::once(path), &mut read)?;
        match self.get(path) {
            Some(hash) => Ok(hash),
            None => Err(ModuloError::Cycle(path.clone())),
        }
    }

    fn insert(&self, path: StorePath, hash: ModuloHash, derivation: &Derivation) {
        let entry = Entry {
            hash,
            digits: hash.hash().to_base16().into(),
            outputs: derivation.outputs.keys().map(|output| output.as_str().into()).collect(),
        };
        let mut known = self.known.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.insert(path, entry);
    }

    /// Makes the hashes of `paths` known, deepest inputs first. The stack is
    /// our own, as graphs may be deeper than the thread's.
    fn ensure<'p, E>(
        &self,
        store_dir: &StoreDir,
        paths: impl Iterator<Item = &'p StorePath>,
        read: &mut impl FnMut(&StorePath) -> Result<Derivation, E>,
    ) -> Result<(), ModuloError<E>> {
        enum Task {
            Enter(StorePath),
            Leave(StorePath, Box<Derivation>),
        }
        let mut tasks: Vec<Task> =
            paths.filter(|path| self.get(path).is_none()).cloned().map(Task::Enter).collect();
        let mut entered = BTreeSet::new();
        while let Some(task) = tasks.pop() {
            match task {
                Task::Enter(path) => {
                    if self.get(&path).is_some() {
                        continue;
                    }
                    if !entered.insert(path.clone()) {
                        return Err(ModuloError::Cycle(path));
                    }
                    let derivation =
                        read(&path).map_err(|source| ModuloError::Read { path: path.clone(), source })?;
                    let inputs: Vec<_> = derivation.input_derivations.keys().cloned().collect();
                    tasks.push(Task::Leave(path, Box::new(derivation)));
                    tasks.extend(inputs.into_iter().map(Task::Enter));
                }
                Task::Leave(path, derivation) => {
                    let hash = self.hash_with_known_inputs(store_dir, &derivation, false)?;
                    self.insert(path, hash, &derivation);
                }
            }
        }
        Ok(())
    }

    /// The hash, from those of the inputs, which must be known.
    fn hash_with_known_inputs<E>(
        &self,
        store_dir: &StoreDir,
        derivation: &Derivation,
        mask: bool,
    ) -> Result<ModuloHash, ModuloError<E>> {
        let kind = derivation.kind()?;
        if let (DerivationKind::Fixed, Some(address)) = (kind, derivation.fixed_output()) {
            let path = derivation.output_path(store_dir, "out")?;
            let text = format!(
                "fixed:out:{}{}:{}:{}",
                address.ingestion.prefix(),
                address.hash.algorithm(),
                address.hash.to_base16(),
                path.map(|path| store_dir.display(&path)).unwrap_or_default(),
            );
            return Ok(ModuloHash::Fixed(Hash::sha256(text)));
        }
        if kind == DerivationKind::Impure {
            return Ok(ModuloHash::Deferred(Hash::sha256("impure")));
        }
        let inputs = self.hashed_inputs(derivation)?;
        let printed = derivation.print_with(store_dir, mask)?;
        let deferred = inputs.deferred
            || kind != DerivationKind::InputAddressed && !mask
            || kind == DerivationKind::Floating;
        let hash = printed.hash_with_inputs(&inputs.text);
        Ok(if deferred { ModuloHash::Deferred(hash) } else { ModuloHash::Regular(hash) })
    }

    /// The list of inputs as it is hashed. The hashes of all must be known.
    fn hashed_inputs<E>(&self, derivation: &Derivation) -> Result<HashedInputs, ModuloError<E>> {
        let mut deferred = false;
        let mut inputs: Vec<(&str, &str)> = Vec::with_capacity(derivation.input_derivations.len() + 8);
        let known = self.known.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        for (path, outputs) in &derivation.input_derivations {
            let entry = known.get(path).ok_or_else(|| ModuloError::Cycle(path.clone()))?;
            deferred |= matches!(entry.hash, ModuloHash::Deferred(_));
            let has = |output: &str| entry.outputs.iter().any(|known| **known == *output);
            if let Some(missing) = outputs.iter().find(|output| !has(output)) {
                return Err(ModuloError::NoSuchOutput { derivation: path.clone(), output: missing.clone() });
            }
            inputs.extend(outputs.iter().map(|output| (&*entry.digits, output.as_str())));
            if outputs.is_empty() {
                inputs.push((&*entry.digits, ""));
            }
        }
        // Two inputs may have one hash: those that fetch the same content.
        inputs.sort_unstable();
        inputs.dedup();
        Ok(HashedInputs { text: print_hashed_inputs(&inputs), deferred })
    }

    /// Whether the hashes of all are known.
    fn has_all<'p>(&self, mut paths: impl Iterator<Item = &'p StorePath>) -> bool {
        let known = self.known.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        paths.all(|path| known.contains_key(path))
    }
}

/// The list of input derivations with hashes instead of paths.
struct HashedInputs {
    text: Vec<u8>,
    /// Whether one of the inputs is.
    deferred: bool,
}

impl Derivation {
    /// Completes a derivation whose outputs are [`DerivationOutput::Deferred`],
    /// `Fixed`, `Floating` or `Impure`: computes the output paths, puts them (or
    /// placeholders) into the outputs and the environment, prints the text,
    /// computes the path of the `.drv` file, and remembers its hash in `cache`
    /// for its dependents.
    ///
    /// `read` supplies input derivations that are not in the cache.
    pub fn finish<E>(
        &mut self,
        store_dir: &StoreDir,
        cache: &ModuloCache,
        mut read: impl FnMut(&StorePath) -> Result<Derivation, E>,
    ) -> Result<Finished, ModuloError<E>> {
        if !cache.has_all(self.input_derivations.keys()) {
            cache.ensure(store_dir, self.input_derivations.keys(), &mut read)?;
        }
        let own = match self.kind()? {
            DerivationKind::Deferred | DerivationKind::InputAddressed => self.address(store_dir, cache)?,
            _ => None,
        };
        let outputs = self.output_paths(store_dir)?;
        for (output, value) in &self.outputs {
            let text = match (outputs.get(output), value) {
                (Some(path), _) => store_dir.display(path),
                (None, DerivationOutput::Deferred) => String::new(),
                (None, _) => placeholder(output),
            };
            self.environment.insert(BString::from(output.as_str()), BString::from(text));
        }
        let (text, hash) = match own {
            Some((printed, inputs)) => {
                let hash = printed.hash_with_inputs(&inputs.text);
                (printed.text, Some(ModuloHash::Regular(hash)))
            }
            None => (self.print_with(store_dir, false)?.text, None),
        };
        let path = self.path_of_text(store_dir, &text)?;
        if cache.get(&path).is_none() {
            let hash = match hash {
                Some(hash) => hash,
                None => cache.hash_with_known_inputs(store_dir, self, false)?,
            };
            cache.insert(path.clone(), hash, self);
        }
        Ok(Finished { path, text, outputs })
    }

    /// Computes the output paths from what goes into the build. Gives the text with
    /// them, and the inputs as they are hashed; nothing if an input's path is not known.
    fn address<E>(
        &mut self,
        store_dir: &StoreDir,
        cache: &ModuloCache,
    ) -> Result<Option<(Printed, HashedInputs)>, ModuloError<E>> {
        for output in self.outputs.keys() {
            self.environment.insert(BString::from(output.as_str()), BString::default());
        }
        let inputs = cache.hashed_inputs(self)?;
        if inputs.deferred {
            return Ok(None);
        }
        let masked = self.print_with(store_dir, true)?;
        let hash = masked.hash_with_inputs(&inputs.text);
        let mut paths = Vec::with_capacity(self.outputs.len());
        for (output, value) in &mut self.outputs {
            let path = store_dir.make_output_path(output, &hash, &self.name)?;
            paths.push(store_dir.display(&path));
            *value = DerivationOutput::InputAddressed { path };
        }
        Ok(Some((masked.with_outputs(&paths), inputs)))
    }
}
