//! Flakes: references to them, registries, lock files, and the work of locking.
//!
//! - [`FlakeRef`]: what users write (`.#a`, `github:o/r?dir=x`), as URL, path or attributes.
//! - [`Registries`]: what names such as `nixpkgs` mean.
//! - [`Metadata`]: what a `flake.nix` says of itself, read without evaluating it.
//! - [`LockFile`]: `flake.lock`, version 7, byte for byte as Nix writes it.
//! - [`lock_flake`]: from a flake to the lock file that it needs; [`diff`] says what changed.
//! - [`CALL`]: the Nix function that makes a flake of its locked inputs.
//!
//! Fetching is the caller's ([`TreeSource`]), and so is evaluating outputs.
//!
//! Source of formats and rules: the Nix reference manual, "nix flake",
//! "nix registry" and "Lock files".

mod changes;
mod lock;
mod lock_file;
mod metadata;
mod reference;
mod registry;

pub use changes::diff;
pub use lock::{
    FlakeTree, LockError, LockFlags, LockedFlake, TreeSource, UseRegistries, is_input_path, lock_flake,
};
pub use lock_file::{Edge, InputPath, LockFile, LockFileError, LockedInput, Node};
pub use metadata::{ConfigValue, FlakeInput, Metadata, MetadataError};
pub use reference::{FlakeRef, OutputNames, ReferenceError, Target};
pub use registry::{Entry, Registries, Registry, RegistryError, RegistryKind};

/// A Nix function of the text of a lock file and of the trees that are fetched
/// already, by the keys of their nodes; it gives the flake at the root.
pub const CALL: &str = include_str!("call.nix");
