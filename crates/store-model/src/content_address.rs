//! Content addresses: how content was hashed, and the hash.

use std::fmt;

use crate::hash::{Hash, HashAlgorithm, HashError, HashFormat};

/// How a file system object becomes the bytes that are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ingestion {
    /// A regular file's content alone (`flat`).
    Flat,
    /// The NAR of any object (`recursive`, newer name `nar`).
    Nar,
    /// A text with references (`text`), as `.drv` files are.
    Text,
}

impl Ingestion {
    /// What stands before the algorithm in a derivation's output: empty, `r:` or `text:`.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Flat => "",
            Self::Nar => "r:",
            Self::Text => "text:",
        }
    }

    /// Reads `outputHashMode`: `flat`, `recursive`, `nar` or `text`.
    pub fn from_output_hash_mode(mode: &str) -> Option<Self> {
        match mode {
            "flat" => Some(Self::Flat),
            "recursive" | "nar" => Some(Self::Nar),
            "text" => Some(Self::Text),
            _ => None,
        }
    }

    /// Splits `r:sha256` and the like into ingestion and algorithm.
    pub fn split_prefix(text: &str) -> Result<(Self, HashAlgorithm), HashError> {
        let (ingestion, name) = if let Some(name) = text.strip_prefix("r:") {
            (Self::Nar, name)
        } else if let Some(name) = text.strip_prefix("text:") {
            (Self::Text, name)
        } else {
            (Self::Flat, text)
        };
        Ok((ingestion, HashAlgorithm::from_name(name)?))
    }
}

/// The content address of a store object: `text:sha256:…`, `fixed:sha256:…` or
/// `fixed:r:sha256:…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentAddress {
    /// What was hashed.
    pub ingestion: Ingestion,
    /// The hash.
    pub hash: Hash,
}

/// What is wrong with the text of a content address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentAddressError {
    /// Neither `text:` nor `fixed:` in front.
    #[error("content address '{0}' starts with neither 'text:' nor 'fixed:'")]
    UnknownKind(String),
    /// The hash is malformed.
    #[error("content address '{text}': {source}")]
    Hash {
        /// The whole text.
        text: String,
        /// What is wrong with the hash.
        source: HashError,
    },
}

impl ContentAddress {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, ContentAddressError> {
        let (ingestion, hash) = if let Some(rest) = text.strip_prefix("text:") {
            (Ingestion::Text, rest)
        } else if let Some(rest) = text.strip_prefix("fixed:r:") {
            (Ingestion::Nar, rest)
        } else if let Some(rest) = text.strip_prefix("fixed:") {
            (Ingestion::Flat, rest)
        } else {
            return Err(ContentAddressError::UnknownKind(text.to_owned()));
        };
        match Hash::parse(hash, None) {
            Ok(hash) => Ok(Self { ingestion, hash }),
            Err(source) => Err(ContentAddressError::Hash { text: text.to_owned(), source }),
        }
    }
}

impl fmt::Display for ContentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.ingestion {
            Ingestion::Flat => "fixed:",
            Ingestion::Nar => "fixed:r:",
            Ingestion::Text => "text:",
        })?;
        f.write_str(&self.hash.to_text(HashFormat::NixBase32, true))
    }
}
