//! The lock file: every Debian file that the package set may fetch, pinned.
//!
//! JSON, written with sorted keys so that changes read well:
//!
//! ```json
//! { "version": 1, "suite": "bookworm", "snapshot": "20260712T101637Z",
//!   "packages": { "amd64": { "libc6": { "version": "…", "architecture": "amd64",
//!       "path": "pool/main/g/glibc/…", "sha256": "…", "size": 2757404 } } },
//!   "sources": { "hello": { "version": "2.10-3", "files": [
//!       { "path": "pool/main/h/hello/…", "sha256": "…", "size": 725946 } ] } } }
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the format that this reads and writes.
pub const VERSION: u32 = 1;

/// A lock file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of the format, [`VERSION`].
    pub version: u32,
    /// The suite that the packages are from, for example `bookworm`.
    pub suite: String,
    /// A time at which Debian's snapshot archive has every file:
    /// `YYYYMMDDTHHMMSSZ`.
    pub snapshot: String,
    /// By the architecture of the index, then by package name. Packages for all
    /// architectures are listed in each index that wants them.
    pub packages: BTreeMap<String, BTreeMap<String, LockedPackage>>,
    /// By name of the source package.
    pub sources: BTreeMap<String, LockedSource>,
}

/// A pinned binary package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedPackage {
    /// Debian's version.
    pub version: String,
    /// The package's own architecture; `all` if it has none.
    pub architecture: String,
    /// The `.deb` file.
    #[serde(flatten)]
    pub file: LockedFile,
}

/// A pinned source package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSource {
    /// Debian's version.
    pub version: String,
    /// Upstream's archives and Debian's changes, sorted by path.
    pub files: Vec<LockedFile>,
}

/// A pinned file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedFile {
    /// Relative to the archive's root.
    pub path: String,
    /// SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

/// What is wrong with a lock file.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Not JSON, or not of this shape.
    #[error("the Debian lock file can't be read: {0}; make it again with `cargo xtask relock`")]
    Syntax(#[from] serde_json::Error),
    /// A later format.
    #[error("the Debian lock file has format {0}, this program reads format {VERSION}")]
    Version(u32),
    /// A path that leaves the archive, or a wrong hash or time.
    #[error("the Debian lock file has the invalid {what} '{value}'; make it again with `cargo xtask relock`")]
    Value {
        /// What it should be.
        what: &'static str,
        /// What is there.
        value: String,
    },
}

impl Lock {
    /// Reads and checks a lock file.
    pub fn parse(text: &str) -> Result<Lock, LockError> {
        let lock: Lock = serde_json::from_str(text)?;
        if lock.version != VERSION {
            return Err(LockError::Version(lock.version));
        }
        if !is_snapshot_time(&lock.snapshot) {
            return Err(LockError::Value { what: "snapshot time", value: lock.snapshot });
        }
        for file in lock.files() {
            if !is_pool_path(&file.path) {
                return Err(LockError::Value { what: "path", value: file.path.clone() });
            }
            if !is_sha256(&file.sha256) {
                return Err(LockError::Value { what: "SHA-256", value: file.sha256.clone() });
            }
        }
        Ok(lock)
    }

    /// The text of the lock file: sorted, one property a line, ending in a line
    /// break.
    pub fn print(&self) -> String {
        // Serialising maps with text keys to a string can't fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Every pinned file; one that two indexes list comes twice.
    pub fn files(&self) -> impl Iterator<Item = &LockedFile> {
        let packages = self.packages.values().flat_map(|index| index.values()).map(|package| &package.file);
        packages.chain(self.sources.values().flat_map(|source| &source.files))
    }
}

/// 64 lower-case hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A relative path that stays below where it starts, of the characters that
/// Debian's archive uses.
pub(crate) fn is_pool_path(path: &str) -> bool {
    let component = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._~%:,=@".contains(&byte))
    };
    path.len() < 1024 && path.split('/').all(component)
}

/// `YYYYMMDDTHHMMSSZ`.
pub(crate) fn is_snapshot_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 16
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(path: &str) -> Lock {
        let file = LockedFile { path: path.to_owned(), sha256: "ab".repeat(32), size: 3 };
        let package = LockedPackage { version: "1".into(), architecture: "all".into(), file: file.clone() };
        Lock {
            version: VERSION,
            suite: "bookworm".into(),
            snapshot: "20260712T101637Z".into(),
            packages: BTreeMap::from([("amd64".into(), BTreeMap::from([("libx".into(), package)]))]),
            sources: BTreeMap::from([("x".into(), LockedSource { version: "1".into(), files: vec![file] })]),
        }
    }

    #[test]
    fn round_trip() {
        let lock = lock("pool/main/x/x_1~a+b_all.deb");
        assert_eq!(Lock::parse(&lock.print()).unwrap(), lock);
    }

    #[test]
    fn bad_values() {
        for path in ["", "/etc/passwd", "pool/../x", "pool//x", "pool/x y", "pool/x\n"] {
            Lock::parse(&lock(path).print()).unwrap_err();
        }
        let mut wrong = lock("pool/x");
        wrong.snapshot = "yesterday".into();
        assert_eq!(
            Lock::parse(&wrong.print()).unwrap_err().to_string(),
            "the Debian lock file has the invalid snapshot time 'yesterday'; make it again with `cargo xtask relock`"
        );
        let mut later = lock("pool/x");
        later.version = 2;
        assert!(matches!(Lock::parse(&later.print()), Err(LockError::Version(2))));
        assert!(matches!(Lock::parse("[]"), Err(LockError::Syntax(_))));
    }
}
