//! The data model of the Nix store: hashes, store paths, derivations, archives.
//!
//! Pure: nothing here opens a database or starts a process. All
//! formats are those of the Nix manual's "Store" and "Protocols and formats"
//! chapters; tests compare with values that Nix 2.8.0 computed.
//!
//! # Overview
//!
//! - [`struct@Hash`], [`HashAlgorithm`], [`HashFormat`], [`Hasher`], [`HashingWriter`]:
//!   `Hash::parse` reads base 16, Nix's base 32, base 64 and SRI.
//! - [`StoreDir`] (a logical directory such as `/nix/store`) and [`StorePath`] (a
//!   base name in it). `StoreDir::make_text_path`, `make_fixed_path`,
//!   `make_output_path` compute paths; `parse`, `split`, `display` convert.
//! - [`ContentAddress`] and [`Ingestion`]: how content is hashed.
//! - [`Derivation`]: `parse`, `print`, `output_paths`, and for an evaluator
//!   [`Derivation::finish`], which fills in output paths, with a [`ModuloCache`]
//!   that remembers hashes by `.drv` path.
//! - [`PathInfo`]: what a store knows about a valid path.
//! - [`NarInfo`], [`SecretKey`], [`PublicKey`], [`PublicKeys`]: binary caches' metadata and
//!   signatures.
//! - [`nar`]: `write_tree`, `summarize_tree` (hash and size), `parse`, `unpack`.
//! - [`references`]: [`ReferenceScanner`], [`ScanningHasher`] (NAR hash and references
//!   in one pass), [`HashRewriter`], [`ModuloSelfHasher`].
//! - [`placeholder`] and [`upstream_placeholder`].

pub mod content_address;
pub mod derivation;
pub mod encoding;
pub mod hash;
pub mod nar;
pub mod narinfo;
pub mod offload;
pub mod path_info;
pub mod references;
pub mod signature;
pub mod store_path;

pub use content_address::{ContentAddress, ContentAddressError, Ingestion};
pub use derivation::{
    Derivation, DerivationKind, DerivationOutput, Finished, KindError, ModuloCache, ModuloError, ModuloHash,
    ParseError,
};
pub use hash::{Hash, HashAlgorithm, HashError, HashFormat, Hasher, HashingWriter};
pub use narinfo::NarInfo;
pub use offload::Offload;
pub use path_info::PathInfo;
pub use references::{HashRewriter, ModuloSelfHasher, ReferenceScanner, ScanningHasher};
pub use signature::{PublicKey, PublicKeys, SecretKey};
pub use store_path::{
    References, StoreDir, StorePath, StorePathError, output_path_name, placeholder, upstream_placeholder,
};
