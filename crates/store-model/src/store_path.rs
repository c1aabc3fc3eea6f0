//! Store directories and store paths.
//!
//! A store path is `<store dir>/<32 characters>-<name>`. The characters are the
//! base 32 of 20 bytes, folded from the SHA-256 of a *fingerprint* that says
//! what kind of object it is, what it contains (or is built from), in which
//! store, under which name: `<type>:sha256:<hex>:<store dir>:<name>`.

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bstr::ByteSlice;

use crate::content_address::{ContentAddress, Ingestion};
use crate::encoding;
use crate::hash::{Hash, HashAlgorithm, HashFormat, Hasher};

/// Length of the hash part of a store path, in characters.
pub const HASH_PART_LEN: usize = 32;

/// The longest name of a store path: 255 bytes for a file name, less the hash
/// part, the dash, and room for suffixes such as `.lock` and `.drv.chroot`.
pub const MAX_NAME_LEN: usize = 211;

/// The suffix of derivation files.
pub const DERIVATION_EXTENSION: &str = ".drv";

/// What is wrong with a text that should be a store path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorePathError {
    /// Not absolute, or outside the store directory, or the directory itself.
    #[error("path '{path}' is not in the Nix store '{store_dir}'")]
    NotInStore {
        /// The path.
        path: String,
        /// The store directory.
        store_dir: String,
    },
    /// Too short for hash part, dash and name.
    #[error("'{0}' is too short to be a store path (expected '<32-character hash>-<name>')")]
    TooShort(String),
    /// The hash part is not base 32.
    #[error("store path '{path}' contains illegal base-32 character '{character}'")]
    BadHash {
        /// The base name.
        path: String,
        /// The first offending character.
        character: char,
    },
    /// No dash behind the hash part.
    #[error("store path '{0}' has no '-' behind its hash")]
    NoDash(String),
    /// No name.
    #[error("store path '{0}' has an empty name")]
    EmptyName(String),
    /// Name over [`MAX_NAME_LEN`].
    #[error("store path '{path}' has a name longer than {MAX_NAME_LEN} characters")]
    NameTooLong {
        /// The base name.
        path: String,
    },
    /// `.`, `..`, or one of them followed by a dash.
    #[error("store path '{path}' has the reserved name '{name}'")]
    ReservedName {
        /// The base name.
        path: String,
        /// The name.
        name: String,
    },
    /// A character that names may not have.
    #[error("store path '{path}' contains illegal character '{character}'")]
    BadCharacter {
        /// The base name.
        path: String,
        /// The first offending character.
        character: char,
    },
    /// Content that this kind of path can't describe.
    #[error("fixed output derivation '{name}' is not allowed to refer to other store paths")]
    ReferencesNotAllowed {
        /// The name of the path.
        name: String,
    },
    /// The store directory is not an absolute, normalised path.
    #[error("'{0}' can't be a store directory: not an absolute path without '.', '..' and '//'")]
    BadStoreDir(String),
}

/// Whether a name may have this character.
pub const fn is_name_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_' | b'?' | b'=')
}

/// Checks a name; `path` is what errors show.
fn check_name(name: &[u8], path: &dyn Fn() -> String) -> Result<(), StorePathError> {
    if name.is_empty() {
        return Err(StorePathError::EmptyName(path()));
    }
    if name.len() > MAX_NAME_LEN {
        return Err(StorePathError::NameTooLong { path: path() });
    }
    if let Some(bad) = name.iter().position(|byte| !is_name_character(*byte)) {
        let character = name[bad..].chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
        return Err(StorePathError::BadCharacter { path: path(), character });
    }
    // Dots before the first dash would let the base name pass for a directory
    // link once the hash part is cut off.
    let head = name.split(|byte| *byte == b'-').next().unwrap_or_default();
    if head == b"." || head == b".." {
        let name = name.to_str_lossy().into_owned();
        return Err(StorePathError::ReservedName { path: path(), name });
    }
    Ok(())
}

/// The base name of a store path, valid by construction. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(Arc<str>);

impl StorePath {
    /// Reads a base name, `<32 characters>-<name>`.
    pub fn from_base_name(base_name: &[u8]) -> Result<Self, StorePathError> {
        let shown = || base_name.to_str_lossy().into_owned();
        if base_name.len() < HASH_PART_LEN + 1 {
            return Err(StorePathError::TooShort(shown()));
        }
        let (hash, rest) = base_name.split_at(HASH_PART_LEN);
        let is_digit = |byte: &u8| encoding::NIX_BASE32_VALUES[usize::from(*byte)] < 32;
        if let Some(bad) = hash.iter().position(|byte| !is_digit(byte)) {
            let character = base_name[bad..].chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
            return Err(StorePathError::BadHash { path: shown(), character });
        }
        if rest[0] != b'-' {
            return Err(StorePathError::NoDash(shown()));
        }
        check_name(&rest[1..], &shown)?;
        match std::str::from_utf8(base_name) {
            Ok(text) => Ok(Self(text.into())),
            Err(_) => Err(StorePathError::TooShort(shown())),
        }
    }

    /// The path with this hash part and name.
    pub fn from_parts(hash: &[u8; 20], name: &str) -> Result<Self, StorePathError> {
        let hash_part = encoding::nix_base32(hash);
        let text = format!("{hash_part}-{name}");
        check_name(name.as_bytes(), &|| text.clone())?;
        Ok(Self(text.into()))
    }

    /// `<hash part>-<name>`.
    pub fn base_name(&self) -> &str {
        &self.0
    }

    /// The 32 characters before the name.
    pub fn hash_part(&self) -> &str {
        &self.0[..HASH_PART_LEN]
    }

    /// What follows the hash part and the dash.
    pub fn name(&self) -> &str {
        &self.0[HASH_PART_LEN + 1..]
    }

    /// Whether this names a derivation file.
    pub fn is_derivation(&self) -> bool {
        self.name().ends_with(DERIVATION_EXTENSION)
    }

    /// The name without `.drv`: the derivation's own name.
    pub fn derivation_name(&self) -> Option<&str> {
        self.name().strip_suffix(DERIVATION_EXTENSION)
    }
}

impl Borrow<str> for StorePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for StorePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorePath {
    /// The base name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePath({})", self.0)
    }
}

/// What an object in the store refers to: other paths, and perhaps itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Other store paths.
    pub others: std::collections::BTreeSet<StorePath>,
    /// Whether it contains its own hash part.
    pub to_self: bool,
}

impl References {
    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.others.is_empty() && !self.to_self
    }
}

/// A logical store directory, such as `/nix/store`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreDir(Arc<str>);

impl Default for StoreDir {
    /// `/nix/store`.
    fn default() -> Self {
        Self("/nix/store".into())
    }
}

impl StoreDir {
    /// A store directory at an absolute path without `.`, `..`, `//` or a slash at its end.
    pub fn new(path: &str) -> Result<Self, StorePathError> {
        let normal = path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| !matches!(part, "" | "." | "..")) && !rest.contains('\0')
        });
        if normal { Ok(Self(path.into())) } else { Err(StorePathError::BadStoreDir(path.into())) }
    }

    /// The directory as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The absolute path of a store path, as text.
    pub fn display(&self, path: &StorePath) -> String {
        let mut text = String::with_capacity(self.0.len() + 1 + path.base_name().len());
        self.append(path, &mut text);
        text
    }

    /// Appends the absolute path to `text`.
    pub fn append(&self, path: &StorePath, text: &mut String) {
        text.push_str(&self.0);
        text.push('/');
        text.push_str(path.base_name());
    }

    /// The absolute path.
    pub fn join(&self, path: &StorePath) -> PathBuf {
        PathBuf::from(self.display(path))
    }

    /// Reads an absolute path that is exactly a store path.
    pub fn parse(&self, path: impl AsRef<[u8]>) -> Result<StorePath, StorePathError> {
        let path = path.as_ref();
        match self.strip(path) {
            Some(base_name) if !base_name.contains(&b'/') => StorePath::from_base_name(base_name),
            _ => Err(self.not_in_store(path)),
        }
    }

    /// Splits an absolute path at or below a store path into the store path and
    /// the rest, which is empty or starts with `/`.
    pub fn split<'p>(&self, path: &'p [u8]) -> Result<(StorePath, &'p [u8]), StorePathError> {
        let Some(below) = self.strip(path) else { return Err(self.not_in_store(path)) };
        let end = below.find_byte(b'/').unwrap_or(below.len());
        Ok((StorePath::from_base_name(&below[..end])?, &below[end..]))
    }

    /// Whether the path is below (not at) the store directory, by text alone.
    pub fn contains(&self, path: &Path) -> bool {
        self.strip(path.as_os_str().as_encoded_bytes()).is_some_and(|below| !below.is_empty())
    }

    fn strip<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        path.strip_prefix(self.0.as_bytes())?.strip_prefix(b"/")
    }

    fn not_in_store(&self, path: &[u8]) -> StorePathError {
        StorePathError::NotInStore { path: path.to_str_lossy().into_owned(), store_dir: self.0.to_string() }
    }

    /// The store path of an object of a kind (`source`, `text`, `output:out`, …)
    /// with this content hash and name.
    pub fn make_path(&self, kind: &str, hash: &Hash, name: &str) -> Result<StorePath, StorePathError> {
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        hasher.update(kind.as_bytes());
        self.finish_path(hasher, hash, name)
    }

    /// The path whose fingerprint starts with the kind that was hashed.
    fn finish_path(&self, mut hasher: Hasher, hash: &Hash, name: &str) -> Result<StorePath, StorePathError> {
        let digits = hash.to_text(HashFormat::Base16, true);
        for part in [":", &digits, ":", &self.0, ":", name] {
            hasher.update(part.as_bytes());
        }
        StorePath::from_parts(&hasher.finish().fold(), name)
    }

    /// The path of a derivation's output, from the derivation's masked hash.
    /// `derivation_name` is the name without `.drv`.
    pub fn make_output_path(
        &self,
        output: &str,
        hash: &Hash,
        derivation_name: &str,
    ) -> Result<StorePath, StorePathError> {
        let name = output_path_name(derivation_name, output);
        self.make_path(&format!("output:{output}"), hash, &name)
    }

    /// The path of a text file with this content (`builtins.toFile`, `.drv` files).
    pub fn make_text_path<'r>(
        &self,
        name: &str,
        content: impl AsRef<[u8]>,
        references: impl IntoIterator<Item = &'r StorePath>,
    ) -> Result<StorePath, StorePathError> {
        self.make_text_path_from_hash(name, &Hash::sha256(content), references)
    }

    /// [`Self::make_text_path`] from the SHA-256 of the content.
    pub fn make_text_path_from_hash<'r>(
        &self,
        name: &str,
        hash: &Hash,
        references: impl IntoIterator<Item = &'r StorePath>,
    ) -> Result<StorePath, StorePathError> {
        let mut references: Vec<&StorePath> = references.into_iter().collect();
        references.sort_unstable();
        references.dedup();
        self.finish_path(self.kind_with("text", references, false), hash, name)
    }

    /// The path of content that is addressed by its hash: a fixed output, an
    /// imported source.
    pub fn make_fixed_path(
        &self,
        name: &str,
        ingestion: Ingestion,
        hash: &Hash,
        references: &References,
    ) -> Result<StorePath, StorePathError> {
        match ingestion {
            Ingestion::Nar if hash.algorithm() == HashAlgorithm::Sha256 => {
                let kind = self.kind_with("source", &references.others, references.to_self);
                self.finish_path(kind, hash, name)
            }
            Ingestion::Text if !references.to_self => {
                self.make_text_path_from_hash(name, hash, &references.others)
            }
            _ if !references.is_empty() => {
                Err(StorePathError::ReferencesNotAllowed { name: name.to_owned() })
            }
            _ => {
                let digits = hash.to_text(HashFormat::Base16, true);
                let inner = format!("fixed:out:{}{digits}:", ingestion.prefix());
                self.make_path("output:out", &Hash::sha256(inner), name)
            }
        }
    }

    /// The path that belongs to a content address.
    pub fn make_content_addressed_path(
        &self,
        name: &str,
        address: &ContentAddress,
        references: &References,
    ) -> Result<StorePath, StorePathError> {
        self.make_fixed_path(name, address.ingestion, &address.hash, references)
    }

    /// A kind with references, hashed.
    fn kind_with<'r>(
        &self,
        kind: &str,
        references: impl IntoIterator<Item = &'r StorePath>,
        to_self: bool,
    ) -> Hasher {
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        hasher.update(kind.as_bytes());
        for reference in references {
            for part in [":", &self.0, "/", reference.base_name()] {
                hasher.update(part.as_bytes());
            }
        }
        if to_self {
            hasher.update(b":self");
        }
        hasher
    }
}

/// The name of an output's store path: the derivation's name, with `-<output>`
/// for every output but `out`.
pub fn output_path_name(derivation_name: &str, output: &str) -> String {
    if output == "out" { derivation_name.to_owned() } else { format!("{derivation_name}-{output}") }
}

/// What stands for the path of an output inside its own derivation while that
/// path is not known: `builtins.placeholder`.
pub fn placeholder(output: &str) -> String {
    let hash = Hash::sha256(format!("nix-output:{output}"));
    format!("/{}", hash.to_nix_base32())
}

/// What stands for the path of another derivation's output while that path is
/// not known (content-addressed and deferred outputs).
pub fn upstream_placeholder(derivation: &StorePath, output: &str) -> String {
    let name = derivation.derivation_name().unwrap_or(derivation.name());
    let path_name = output_path_name(name, output);
    let hash = Hash::sha256(format!("nix-upstream-output:{}:{path_name}", derivation.hash_part()));
    format!("/{}", hash.to_nix_base32())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store_dir() -> StoreDir {
        StoreDir::default()
    }

    /// Expected values: `nix-store --print-fixed-path [--recursive] ALGORITHM HASH n`.
    #[track_caller]
    fn check_fixed(algorithm: HashAlgorithm, ingestion: Ingestion, expected: &str) {
        let none = References::default();
        let path = store_dir().make_fixed_path("n", ingestion, &algorithm.hash("hello"), &none);
        assert_eq!(store_dir().display(&path.unwrap()), expected);
    }

    #[test]
    fn fixed_paths() {
        check_fixed(HashAlgorithm::Sha256, Ingestion::Flat, "/nix/store/53hm6h0fkmzbkbhl5n2jl75y1vh68s32-n");
        check_fixed(HashAlgorithm::Md5, Ingestion::Flat, "/nix/store/0sq39694nz1i4mlm84ignb6phggnhyfd-n");
        check_fixed(HashAlgorithm::Sha256, Ingestion::Nar, "/nix/store/06bvgfd0jx92ihhjwdyqmzs5hkv86835-n");
        check_fixed(HashAlgorithm::Sha512, Ingestion::Nar, "/nix/store/qq84rbn2k9y14klfd8w996nimmzixxln-n");
    }

    /// Expected values: `builtins.toFile` in Nix 2.8.0.
    #[test]
    fn text_paths() {
        let inner = store_dir().make_text_path("inner", "x", []).unwrap();
        assert_eq!(inner.base_name(), "5vpafad049f76a8rjsma1c6d9058jkyn-inner");
        let content = format!("hi {}", store_dir().display(&inner));
        let note = store_dir().make_text_path("note", content, [&inner]).unwrap();
        assert_eq!(note.base_name(), "34ksql3fgqa9vc4zdb24cgr317kjyshf-note");
    }

    #[test]
    fn placeholders() {
        assert_eq!(placeholder("out"), "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9");
    }

    #[track_caller]
    fn check_error(base_name: &str, message: &str) {
        let error = StorePath::from_base_name(base_name.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn bad_names() {
        const H: &str = "00000000000000000000000000000000";
        let bad = |name: &str| format!("{H}-{name}");
        check_error("abc", "'abc' is too short to be a store path (expected '<32-character hash>-<name>')");
        check_error(&bad(""), &format!("store path '{H}-' has an empty name"));
        check_error(&format!("{H}+x"), &format!("store path '{H}+x' has no '-' behind its hash"));
        check_error(
            "e0000000000000000000000000000000-x",
            "store path 'e0000000000000000000000000000000-x' contains illegal base-32 character 'e'",
        );
        for name in [".", "..", ".-a", "..-b"] {
            check_error(&bad(name), &format!("store path '{H}-{name}' has the reserved name '{name}'"));
        }
        for (name, character) in [("a b", ' '), ("a/b", '/'), ("a~", '~'), ("ä", 'ä')] {
            check_error(
                &bad(name),
                &format!("store path '{H}-{name}' contains illegal character '{character}'"),
            );
        }
        let long = bad(&"x".repeat(MAX_NAME_LEN + 1));
        check_error(&long, &format!("store path '{long}' has a name longer than 211 characters"));
        for good in [".a", "...", "a..b", "+-._?=", "A0z"] {
            assert_eq!(StorePath::from_base_name(bad(good).as_bytes()).unwrap().name(), good);
        }
    }

    #[test]
    fn parse_and_split() {
        let text = "/nix/store/00000000000000000000000000000000-x";
        let path = store_dir().parse(text).unwrap();
        assert_eq!(store_dir().display(&path), text);
        let below = format!("{text}/bin/y");
        let (same, rest) = store_dir().split(below.as_bytes()).unwrap();
        assert_eq!((same, rest), (path, &b"/bin/y"[..]));
        for bad in ["/nix/store", "/nix/store/", "/nix/storex/a", "x", below.as_str()] {
            assert!(store_dir().parse(bad).is_err(), "{bad}");
        }
        assert!(StoreDir::new("/a/../b").is_err());
        assert!(StoreDir::new("a").is_err());
        assert!(StoreDir::new("/").is_err());
    }
}
