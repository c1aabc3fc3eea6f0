//! Why a build failed.

use crate::references::ReferenceError;
use saltire_fetch::FetchError;
use saltire_sandbox::SandboxError;
use saltire_store::StoreError;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use thiserror::Error;

/// Why a build failed.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The builder ended with an error.
    #[error("builder of '{name}' failed with {status}{}", log_text(.tail))]
    Failed {
        /// The derivation's name.
        name: String,
        /// How the builder ended.
        status: ExitStatus,
        /// The last lines of its output.
        tail: Vec<String>,
        /// What to do about it, where the log tells.
        advice: Option<String>,
        /// Where its build directory was kept, if it was.
        kept: Option<PathBuf>,
        /// The absolute path of the derivation.
        derivation: String,
    },
    /// The derivation itself can't be built.
    #[error("derivation '{name}' can't be built: {reason}")]
    Derivation {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An output refers to something that the derivation forbids.
    #[error("derivation '{name}': {source}")]
    References {
        /// Its name.
        name: String,
        /// What.
        source: ReferenceError,
    },
    /// A download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The builder was ended because it took too long.
    #[error("building '{name}' timed out after {} seconds{}", .limit.as_secs(), if *.silent { " of silence" } else { "" })]
    TimedOut {
        /// The derivation's name.
        name: String,
        /// How long it had.
        limit: std::time::Duration,
        /// Whether that was for writing nothing.
        silent: bool,
    },
    /// A binary cache offered the outputs, but they can't be had from it.
    #[error("can't take '{name}' from a binary cache: {source}")]
    Substitute {
        /// The derivation's name.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The sandbox could not be made.
    #[error("can't start the builder of '{name}': {source}")]
    Sandbox {
        /// The derivation's name.
        name: String,
        /// Why.
        source: SandboxError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the build can't be read or written.
    #[error("can't {action} {}: {source}", .path.display())]
    File {
        /// "create", "write", …
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

impl BuildError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            BuildError::Failed { advice: Some(advice), .. } => Some(advice.clone()),
            BuildError::Failed { kept: Some(kept), .. } => {
                Some(format!("the build directory was kept at {}", kept.display()))
            }
            BuildError::Failed { derivation, tail, .. } if !tail.is_empty() => {
                Some(format!("for the full log, run 'saltire log {derivation}'"))
            }
            BuildError::TimedOut { silent: true, .. } => {
                Some("'--max-silent-time SECONDS' gives it more time, 0 any time".into())
            }
            BuildError::TimedOut { .. } => Some("'--timeout SECONDS' gives it more time, 0 any time".into()),
            BuildError::Substitute { .. } => Some("build it from source with '--fallback'".into()),
            BuildError::Fetch(error) => error.hint(),
            _ => None,
        }
    }
}

fn log_text(tail: &[String]) -> String {
    if tail.is_empty() {
        return ", and wrote nothing".to_owned();
    }
    let lines: String = tail.iter().map(|line| format!("\n> {line}")).collect();
    format!("; last {} log lines:{lines}", tail.len())
}
