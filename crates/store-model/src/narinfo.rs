//! `.narinfo` files: what a binary cache says about a path.
//!
//! Lines `<Key>: <value>`; unknown keys are skipped. References are base names.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::content_address::{ContentAddress, ContentAddressError};
use crate::hash::{Hash, HashAlgorithm, HashError};
use crate::path_info::PathInfo;
use crate::store_path::{StoreDir, StorePath, StorePathError};

/// The longest `.narinfo` that is read, in bytes.
pub const MAX_NARINFO_LEN: usize = 16 << 20;

/// What a binary cache says about a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarInfo {
    /// What it says about the path itself.
    pub info: PathInfo,
    /// Where the archive is, relative to the cache (or absolute).
    pub url: String,
    /// How it is compressed: `none`, `xz`, `bzip2`, `zstd`, `br`, …
    pub compression: String,
    /// Hash of the compressed file.
    pub file_hash: Option<Hash>,
    /// Length of the compressed file in bytes.
    pub file_size: Option<u64>,
}

/// What is wrong with a `.narinfo` file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad .narinfo file, line {line}: {reason}")]
pub struct NarInfoError {
    /// Counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong there.
    pub reason: NarInfoReason,
}

/// What can be wrong with a `.narinfo` file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NarInfoReason {
    /// No colon.
    #[error("expected '<Key>: <value>'")]
    NoKey,
    /// A key occurs twice.
    #[error("'{0}' occurs twice")]
    Duplicate(&'static str),
    /// A key that has to be there is not.
    #[error("'{0}' is missing")]
    Missing(&'static str),
    /// Not a number.
    #[error("'{0}' is not a number of bytes")]
    BadNumber(String),
    /// The NAR's hash has to be SHA-256.
    #[error("NarHash is not SHA-256")]
    NotSha256,
    /// A size of 0.
    #[error("NarSize is 0")]
    NoSize,
    /// Longer than [`MAX_NARINFO_LEN`].
    #[error("too long")]
    TooLong,
    /// A malformed path.
    #[error(transparent)]
    StorePath(#[from] StorePathError),
    /// A malformed hash.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A malformed content address.
    #[error(transparent)]
    ContentAddress(#[from] ContentAddressError),
}

/// The value of a key that may occur once.
struct Once<T>(Option<T>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Once<T> {
    fn set(&mut self, key: &'static str, value: T) -> Result<(), NarInfoReason> {
        match self.0.replace(value) {
            Some(_) => Err(NarInfoReason::Duplicate(key)),
            None => Ok(()),
        }
    }

    fn need(self, key: &'static str) -> Result<T, NarInfoError> {
        self.0.ok_or(NarInfoError { line: 0, reason: NarInfoReason::Missing(key) })
    }
}

#[derive(Default)]
struct Fields {
    path: Once<StorePath>,
    url: Once<String>,
    compression: Once<String>,
    file_hash: Once<Hash>,
    file_size: Once<u64>,
    nar_hash: Once<Hash>,
    nar_size: Once<u64>,
    references: Once<BTreeSet<StorePath>>,
    deriver: Once<Option<StorePath>>,
    content_address: Once<Option<ContentAddress>>,
    signatures: BTreeSet<String>,
}

fn number(text: &str) -> Result<u64, NarInfoReason> {
    text.parse().map_err(|_| NarInfoReason::BadNumber(text.to_owned()))
}

/// What stands for "none" in some old caches.
const UNKNOWN_DERIVER: &str = "unknown-deriver";

impl Fields {
    fn set(&mut self, store_dir: &StoreDir, key: &str, value: &str) -> Result<(), NarInfoReason> {
        match key {
            "StorePath" => self.path.set("StorePath", store_dir.parse(value)?),
            "URL" => self.url.set("URL", value.to_owned()),
            "Compression" => self.compression.set("Compression", value.to_owned()),
            "FileHash" => self.file_hash.set("FileHash", Hash::parse(value, None)?),
            "FileSize" => self.file_size.set("FileSize", number(value)?),
            "NarHash" => match Hash::parse(value, None)? {
                hash if hash.algorithm() == HashAlgorithm::Sha256 => self.nar_hash.set("NarHash", hash),
                _ => Err(NarInfoReason::NotSha256),
            },
            "NarSize" => match number(value)? {
                0 => Err(NarInfoReason::NoSize),
                size => self.nar_size.set("NarSize", size),
            },
            "References" => {
                let references: Result<BTreeSet<_>, _> = value
                    .split_ascii_whitespace()
                    .map(|name| StorePath::from_base_name(name.as_bytes()))
                    .collect();
                self.references.set("References", references?)
            }
            "Deriver" => {
                let deriver = match value {
                    "" | UNKNOWN_DERIVER => None,
                    name => Some(StorePath::from_base_name(name.as_bytes())?),
                };
                self.deriver.set("Deriver", deriver)
            }
            "CA" => {
                let address = match value {
                    "" => None,
                    text => Some(ContentAddress::parse(text)?),
                };
                self.content_address.set("CA", address)
            }
            "Sig" => {
                self.signatures.insert(value.to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl NarInfo {
    /// Reads the text of a `.narinfo` file.
    pub fn parse(store_dir: &StoreDir, text: &str) -> Result<Self, NarInfoError> {
        if text.len() > MAX_NARINFO_LEN {
            return Err(NarInfoError { line: 0, reason: NarInfoReason::TooLong });
        }
        let mut fields = Fields::default();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let result = match line.split_once(':') {
                Some((key, value)) => fields.set(store_dir, key, value.trim()),
                None if line.is_empty() => Ok(()),
                None => Err(NarInfoReason::NoKey),
            };
            result.map_err(|reason| NarInfoError { line: line_number, reason })?;
        }
        let mut info = PathInfo::new(
            fields.path.need("StorePath")?,
            fields.nar_hash.need("NarHash")?,
            fields.nar_size.need("NarSize")?,
        );
        info.references = fields.references.0.unwrap_or_default();
        info.deriver = fields.deriver.0.flatten();
        info.content_address = fields.content_address.0.flatten();
        info.signatures = fields.signatures;
        Ok(Self {
            info,
            url: fields.url.need("URL")?,
            // What old caches, which name none, use.
            compression: fields.compression.0.unwrap_or_else(|| "bzip2".to_owned()),
            file_hash: fields.file_hash.0,
            file_size: fields.file_size.0,
        })
    }

    /// The text of the `.narinfo` file.
    pub fn print(&self, store_dir: &StoreDir) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{key}: {value}");
        };
        line("StorePath", &store_dir.display(&self.info.path));
        line("URL", &self.url);
        line("Compression", &self.compression);
        if let Some(hash) = &self.file_hash {
            line("FileHash", &hash.to_string());
        }
        if let Some(size) = self.file_size {
            line("FileSize", &size.to_string());
        }
        line("NarHash", &self.info.nar_hash.to_string());
        line("NarSize", &self.info.nar_size.to_string());
        let references: Vec<_> = self.info.references.iter().map(StorePath::base_name).collect();
        line("References", &references.join(" "));
        if let Some(deriver) = &self.info.deriver {
            line("Deriver", deriver.base_name());
        }
        for signature in &self.info.signatures {
            line("Sig", signature);
        }
        if let Some(address) = &self.info.content_address {
            line("CA", &address.to_string());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{PublicKey, PublicKeys, SecretKey};

    /// Written by `nix copy --to file://…` of Nix 2.8.0, with a key made for this.
    const NOTE: &str = "\
StorePath: /nix/store/34ksql3fgqa9vc4zdb24cgr317kjyshf-note
URL: nar/14cdm16h5zry42r1014icpm9ppnxnfjc3w4fhz519qsprgwndjly.nar
Compression: none
FileHash: sha256:14cdm16h5zry42r1014icpm9ppnxnfjc3w4fhz519qsprgwndjly
FileSize: 168
NarHash: sha256:14cdm16h5zry42r1014icpm9ppnxnfjc3w4fhz519qsprgwndjly
NarSize: 168
References: 5vpafad049f76a8rjsma1c6d9058jkyn-inner
Sig: test-1:Tdx1KLPhXxLTCW/AQwvG9t+b192yAs6uu3u/Dp94SPfATcsrVJ1ZXsomVxWesedOzxANyR0SaRAMLJ80fzkYAA==
CA: text:sha256:157k9c1ggzvvybhsya079zw4i9nrm3bsppkkny9iq860im6gbv1j
";
    const KEY: &str = "test-1:jfw+sGhuiLVCqVrPWbQKQdlO+vS1s23kCiJhH5oMz9M=";

    fn note() -> NarInfo {
        NarInfo::parse(&StoreDir::default(), NOTE).unwrap()
    }

    #[test]
    fn print_is_the_inverse_of_parse() {
        assert_eq!(note().print(&StoreDir::default()), NOTE);
        let info = note().info;
        assert_eq!(info.has_right_content_address(&StoreDir::default()), Ok(Some(true)));
    }

    #[test]
    fn signatures_of_nix_verify() {
        let dir = StoreDir::default();
        let keys = PublicKeys::new([PublicKey::parse(KEY).unwrap()]);
        let mut info = note().info;
        assert_eq!(keys.count_valid(&info, &dir), 1);
        let other = SecretKey::from_seed("other", &[7; 32]);
        other.sign_path(&mut info, &dir);
        assert_eq!(keys.count_valid(&info, &dir), 1);
        let both = PublicKeys::new([PublicKey::parse(KEY).unwrap(), other.public_key()]);
        assert_eq!(both.count_valid(&info, &dir), 2);
        info.nar_size += 1;
        assert_eq!(both.count_valid(&info, &dir), 0);
    }

    #[test]
    fn keys_round_trip_and_are_checked() {
        let key = SecretKey::from_seed("k", &[1; 32]);
        let again = SecretKey::parse(&key.to_text()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(PublicKey::parse(&key.public_key().to_text()), Ok(key.public_key()));
        assert!(!format!("{key:?}").contains(&key.to_text()[2..10]));
        let check = |text: &str, message: &str| {
            assert_eq!(PublicKey::parse(text).unwrap_err().to_string(), message);
        };
        check("abc", "public key is malformed: expected '<key name>:<base 64>'");
        check(":AAAA", "public key is malformed: expected '<key name>:<base 64>'");
        check("k:AAAA", "public key 'k' is malformed: expected 32 bytes in base 64");
        let mut mixed = key.to_text();
        mixed.replace_range(2..6, "AAAA");
        assert_eq!(
            SecretKey::parse(&mixed).unwrap_err().to_string(),
            "secret key 'k' is no valid Ed25519 key"
        );
    }

    #[track_caller]
    fn check_error(from: &str, to: &str, message: &str) {
        let text = NOTE.replace(from, to);
        assert_ne!(text, NOTE);
        let error = NarInfo::parse(&StoreDir::default(), &text).unwrap_err();
        assert_eq!(error.to_string(), format!("bad .narinfo file, {message}"));
    }

    #[test]
    fn bad_files() {
        check_error("URL: ", "Url: ", "line 0: 'URL' is missing");
        check_error("NarSize: 168", "NarSize: 0", "line 7: NarSize is 0");
        check_error("NarSize: 168", "NarSize: -1", "line 7: '-1' is not a number of bytes");
        check_error(
            "Compression:",
            "StorePath: /nix/store/34ksql3fgqa9vc4zdb24cgr317kjyshf-note\nX:",
            "line 3: 'StorePath' occurs twice",
        );
        check_error("Compression: ", "x", "line 3: expected '<Key>: <value>'");
        check_error(
            "/nix/store/",
            "/tmp/",
            "line 1: path '/tmp/34ksql3fgqa9vc4zdb24cgr317kjyshf-note' is not in the Nix store '/nix/store'",
        );
        check_error(
            ": 5vpafad049f76a8rjsma1c6d9058jkyn-inner",
            ": ../x",
            "line 8: '../x' is too short to be a store path (expected '<32-character hash>-<name>')",
        );
        check_error(
            "NarHash: sha256:",
            "NarHash: sha512:",
            "line 6: hash 'sha512:14cdm16h5zry42r1014icpm9ppnxnfjc3w4fhz519qsprgwndjly' has wrong length for hash algorithm 'sha512'",
        );
        check_error(
            "CA: text:",
            "CA: words:",
            "line 10: content address 'words:sha256:157k9c1ggzvvybhsya079zw4i9nrm3bsppkkny9iq860im6gbv1j' starts with neither 'text:' nor 'fixed:'",
        );
    }

    #[test]
    fn absent_and_unknown_lines() {
        let text = NOTE.replace("Compression: none\n", "Deriver: unknown-deriver\nNew: x\n\n");
        let info = NarInfo::parse(&StoreDir::default(), &text).unwrap();
        assert_eq!(info.compression, "bzip2");
        assert_eq!(info.info.deriver, None);
    }
}
