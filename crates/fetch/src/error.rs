//! Why a file could not be had.

use saltire_store_model::Hash;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why one address did not serve a file.
#[derive(Debug, Error)]
pub enum Reason {
    /// The server answered with an error.
    #[error("HTTP error {0}")]
    Status(u16),
    /// The connection failed or broke.
    #[error("{0}")]
    Connection(String),
    /// The server closed the connection before all was sent.
    #[error("cut off after {received} of {expected} bytes")]
    CutOff {
        /// Bytes that arrived, those of earlier attempts included.
        received: u64,
        /// Bytes announced.
        expected: u64,
    },
    /// The server stopped sending without closing the connection.
    #[error("it sent nothing for {} s", .0.as_secs_f64())]
    Stalled(Duration),
    /// The file is another one than the pinned one.
    #[error("other bytes than pinned\n  specified: {}\n  got:       {}", .specified.to_sri(), .got.to_sri())]
    Mismatch {
        /// The pinned hash.
        specified: Hash,
        /// The hash of what was served.
        got: Hash,
    },
    /// Not a kind of address that can be fetched.
    #[error("not an http://, https:// or file:// address")]
    Scheme,
}

impl Reason {
    /// Whether trying the same address again may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Reason::Status(status) => matches!(status, 408 | 429 | 500..),
            Reason::Connection(_) | Reason::CutOff { .. } | Reason::Stalled(_) => true,
            Reason::Mismatch { .. } | Reason::Scheme => false,
        }
    }
}

/// Why a download failed.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No address served it.
    #[error("{}", attempts_text(.name, .attempts))]
    Unavailable {
        /// The file's name.
        name: String,
        /// Each address with why it failed.
        attempts: Vec<(String, Reason)>,
    },
    /// It would need the network, which must not be used.
    #[error("{name} is not in the download cache, and no network is to be used")]
    Offline {
        /// The file's name.
        name: String,
    },
    /// A file of the cache, or the target, can't be read or written.
    #[error("can't {action} {}: {source}", .path.display())]
    File {
        /// "read", "write", …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The user called it off.
    #[error("interrupted")]
    Interrupted,
}

impl FetchError {
    /// Whether an address served another file than was wanted.
    pub fn is_mismatch(&self) -> bool {
        let is_other = |reason: &Reason| matches!(reason, Reason::Mismatch { .. });
        matches!(self, Self::Unavailable { attempts, .. } if attempts.iter().any(|(_, reason)| is_other(reason)))
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            FetchError::Unavailable { attempts, .. } => {
                let gone = attempts.iter().all(|(_, reason)| matches!(reason, Reason::Status(404 | 410)));
                Some(if self.is_mismatch() {
                    "nothing was kept; a proxy may have replaced the file, or the mirror is broken: try another with '--mirror'".into()
                } else if gone {
                    "the file is gone from these places: name a mirror that still has it with '--mirror'"
                        .into()
                } else {
                    "check the network and proxy settings, or name another mirror with '--mirror'".into()
                })
            }
            FetchError::Offline { .. } => Some("run the command once with a network".into()),
            FetchError::File { source, path, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some(format!("make room on the file system that holds {}", path.display()))
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("set XDG_CACHE_HOME to a directory that you may write to".into())
                }
                _ => None,
            },
            FetchError::Interrupted => None,
        }
    }
}

fn attempts_text(name: &str, attempts: &[(String, Reason)]) -> String {
    match attempts {
        [] => format!("can't fetch {name}: it has no address"),
        // As the reference says it, and people search for it.
        [(url, reason)] if url == name => format!("unable to download '{url}': {reason}"),
        _ => {
            let line = |(url, reason): &(String, Reason)| format!("\n{url}: {reason}");
            format!("can't fetch {name}{}", attempts.iter().map(line).collect::<String>())
        }
    }
}
