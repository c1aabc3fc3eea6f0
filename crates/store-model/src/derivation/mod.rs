//! Derivations: the build recipes that `.drv` files hold.
//!
//! [`Derivation::parse`] and [`Derivation::print`] are exact inverses on files
//! that Nix wrote. [`ModuloCache`] computes the hashes that output paths
//! are made from; [`Derivation::finish`] does all that `derivationStrict` needs.

mod aterm;
mod modulo;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bstr::BString;

pub use aterm::ParseError;
pub use modulo::{Finished, ModuloCache, ModuloError, ModuloHash};

use crate::content_address::{ContentAddress, Ingestion};
use crate::hash::{Hash, HashAlgorithm};
use crate::store_path::{References, StoreDir, StorePath, StorePathError, output_path_name};

/// An output of a derivation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DerivationOutput {
    /// The path is computed from the derivation.
    InputAddressed {
        /// Where the output goes.
        path: StorePath,
    },
    /// The content is known: the path is computed from its hash.
    Fixed(ContentAddress),
    /// Addressed by its content, which is known only after the build.
    Floating {
        /// How the content will be hashed.
        ingestion: Ingestion,
        /// With what.
        algorithm: HashAlgorithm,
    },
    /// Addressed by its inputs, of which some are known only after their build.
    Deferred,
    /// Built anew each time; addressed by its content.
    Impure {
        /// How the content will be hashed.
        ingestion: Ingestion,
        /// With what.
        algorithm: HashAlgorithm,
    },
}

impl DerivationOutput {
    /// The output's path, if it is known before the build. `derivation_name` is
    /// without `.drv`.
    pub fn path(
        &self,
        store_dir: &StoreDir,
        derivation_name: &str,
        output: &str,
    ) -> Result<Option<StorePath>, StorePathError> {
        match self {
            Self::InputAddressed { path } => Ok(Some(path.clone())),
            Self::Fixed(address) => {
                let name = output_path_name(derivation_name, output);
                let none = References::default();
                store_dir.make_content_addressed_path(&name, address, &none).map(Some)
            }
            Self::Floating { .. } | Self::Deferred | Self::Impure { .. } => Ok(None),
        }
    }
}

/// How a derivation's outputs are addressed, which decides what its builder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DerivationKind {
    /// By inputs, all known.
    InputAddressed,
    /// By inputs, some not known yet.
    Deferred,
    /// One output with known content: the builder may use the network.
    Fixed,
    /// By content, not known yet.
    Floating,
    /// By content, built anew each time.
    Impure,
}

/// A build recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derivation {
    /// Its name, without `.drv`. Not in the file's text: it comes from the path.
    pub name: String,
    /// The outputs by name.
    pub outputs: BTreeMap<String, DerivationOutput>,
    /// Which outputs of which other derivations are needed.
    pub input_derivations: BTreeMap<StorePath, BTreeSet<String>>,
    /// Other store paths that are needed.
    pub input_sources: BTreeSet<StorePath>,
    /// The system that the builder runs on, such as `riscv64-linux`.
    pub system: BString,
    /// The program.
    pub builder: BString,
    /// Its arguments, without the program's name.
    pub arguments: Vec<BString>,
    /// Its environment.
    pub environment: BTreeMap<BString, BString>,
}

/// Why the outputs of a derivation make no sense together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    /// No outputs at all.
    #[error("derivation '{0}' has no outputs")]
    NoOutputs(String),
    /// Outputs of different kinds.
    #[error("derivation '{0}' has outputs of different kinds, which can't be built together")]
    Mixed(String),
    /// A fixed derivation has more than the output `out`.
    #[error("fixed-output derivation '{0}' must have exactly one output, named 'out'")]
    FixedOutputs(String),
}

impl Derivation {
    /// How the outputs are addressed.
    pub fn kind(&self) -> Result<DerivationKind, KindError> {
        let mut kinds = self.outputs.values().map(|output| match output {
            DerivationOutput::InputAddressed { .. } => DerivationKind::InputAddressed,
            DerivationOutput::Fixed(_) => DerivationKind::Fixed,
            DerivationOutput::Floating { .. } => DerivationKind::Floating,
            DerivationOutput::Deferred => DerivationKind::Deferred,
            DerivationOutput::Impure { .. } => DerivationKind::Impure,
        });
        let Some(first) = kinds.next() else {
            return Err(KindError::NoOutputs(self.name.clone()));
        };
        if kinds.any(|kind| kind != first) {
            return Err(KindError::Mixed(self.name.clone()));
        }
        let only_out = self.outputs.len() == 1 && self.outputs.contains_key("out");
        if first == DerivationKind::Fixed && !only_out {
            return Err(KindError::FixedOutputs(self.name.clone()));
        }
        Ok(first)
    }

    /// The content address of the only output of a fixed-output derivation.
    pub fn fixed_output(&self) -> Option<&ContentAddress> {
        match self.outputs.get("out") {
            Some(DerivationOutput::Fixed(address)) if self.outputs.len() == 1 => Some(address),
            _ => None,
        }
    }

    /// Whether the builder runs inside the program (`builtin:fetchurl` and the like).
    pub fn is_builtin(&self) -> bool {
        self.builder.starts_with(b"builtin:")
    }

    /// The path of one output, if it exists and its path is known.
    pub fn output_path(
        &self,
        store_dir: &StoreDir,
        output: &str,
    ) -> Result<Option<StorePath>, StorePathError> {
        match self.outputs.get(output) {
            Some(value) => value.path(store_dir, &self.name, output),
            None => Ok(None),
        }
    }

    /// The known paths of all outputs, by output name.
    pub fn output_paths(&self, store_dir: &StoreDir) -> Result<BTreeMap<String, StorePath>, StorePathError> {
        let mut paths = BTreeMap::new();
        for (output, value) in &self.outputs {
            if let Some(path) = value.path(store_dir, &self.name, output)? {
                paths.insert(output.clone(), path);
            }
        }
        Ok(paths)
    }

    /// What the `.drv` file refers to: input sources and input derivations.
    pub fn references(&self) -> BTreeSet<StorePath> {
        self.input_sources.iter().chain(self.input_derivations.keys()).cloned().collect()
    }

    /// The store path of the `.drv` file whose text is `text`.
    pub fn path_of_text(&self, store_dir: &StoreDir, text: &[u8]) -> Result<StorePath, StorePathError> {
        let name = format!("{}{}", self.name, crate::store_path::DERIVATION_EXTENSION);
        let references = self.input_sources.iter().chain(self.input_derivations.keys());
        store_dir.make_text_path_from_hash(&name, &Hash::sha256(text), references)
    }
}
