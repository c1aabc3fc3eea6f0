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
    /// A Debian package that it unpacks is broken.
    #[error("derivation '{name}' can't be built: {source}")]
    Package {
        /// Its name.
        name: String,
        /// What is wrong.
        source: saltire_debian::UnpackError,
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
    /// Another machine can't be reached, or not any more.
    #[error("can't build '{name}' on '{machine}': {source}")]
    Unreachable {
        /// The derivation's name.
        name: String,
        /// The machine.
        machine: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// None of the machines that could build it can be reached.
    #[error("none of the machines of 'builders' that could build '{name}' can be reached")]
    NoMachine {
        /// The derivation's name.
        name: String,
    },
    /// The build failed on another machine.
    #[error("building '{name}' on '{machine}' failed: {message}{}", remote_log_text(.tail))]
    Elsewhere {
        /// The derivation's name.
        name: String,
        /// The machine.
        machine: String,
        /// What the other machine says.
        message: String,
        /// How it failed.
        kind: FailureKind,
        /// The last lines of the builder's output.
        tail: Vec<String>,
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
    /// What is to be built again was not built.
    #[error("some outputs of '{0}' are not valid, so checking is not possible")]
    NothingToCheck(String),
    /// Built again, an output came out differently.
    #[error("derivation '{derivation}' may not be deterministic: output '{path}' differs{}", kept_text(.kept.as_deref()))]
    NotDeterministic {
        /// The derivation.
        derivation: String,
        /// The output.
        path: String,
        /// Where the new one was kept, if it was.
        kept: Option<PathBuf>,
    },
    /// The user called it off.
    #[error("interrupted")]
    Interrupted,
}

/// How a build failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Its builder failed, or made what is not allowed.
    Permanent,
    /// It took too long.
    TimedOut,
    /// A fixed output has another hash than it should.
    WrongHash,
    /// Built again, it came out differently.
    NotDeterministic,
}

impl BuildError {
    /// How the build failed; `None` if it is not the build that did.
    pub fn kind(&self) -> Option<FailureKind> {
        match self {
            BuildError::Elsewhere { kind, .. } => Some(*kind),
            BuildError::TimedOut { .. } => Some(FailureKind::TimedOut),
            BuildError::NotDeterministic { .. } => Some(FailureKind::NotDeterministic),
            BuildError::Store(StoreError::HashMismatch { .. }) => Some(FailureKind::WrongHash),
            BuildError::Fetch(error) if error.is_mismatch() => Some(FailureKind::WrongHash),
            BuildError::Failed { .. }
            | BuildError::Derivation { .. }
            | BuildError::Package { .. }
            | BuildError::References { .. }
            | BuildError::Fetch(_) => Some(FailureKind::Permanent),
            BuildError::Unreachable { .. }
            | BuildError::NoMachine { .. }
            | BuildError::Substitute { .. }
            | BuildError::Sandbox { .. }
            | BuildError::Store(_)
            | BuildError::File { .. }
            | BuildError::NothingToCheck(_)
            | BuildError::Interrupted => None,
        }
    }

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
            BuildError::Package { source: saltire_debian::UnpackError::Deb(_), .. } => {
                Some("check where the file comes from: it is cut short, damaged, or something else".into())
            }
            BuildError::Substitute { .. } => Some("build it from source with '--fallback'".into()),
            BuildError::Fetch(error) => error.hint(),
            _ => None,
        }
    }
}

fn kept_text(kept: Option<&std::path::Path>) -> String {
    kept.map_or(String::new(), |kept| format!(" from '{}'", kept.display()))
}

fn remote_log_text(tail: &[String]) -> String {
    if tail.is_empty() { String::new() } else { log_text(tail) }
}

fn log_text(tail: &[String]) -> String {
    if tail.is_empty() {
        return ", and wrote nothing".to_owned();
    }
    let lines: String = tail.iter().map(|line| format!("\n> {line}")).collect();
    format!("; last {} log lines:{lines}", tail.len())
}
