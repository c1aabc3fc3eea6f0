//! Why another machine's store can't be used.

use std::io;
use thiserror::Error;

/// Why another machine's store can't be used.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The connection ended in the middle of something.
    #[error("the connection was cut")]
    Closed,
    /// Reading from or writing to the connection failed.
    #[error("the connection failed: {0}")]
    Io(io::Error),
    /// What the other side sent breaks the protocol.
    #[error("the other side does not keep to the protocol: {0}")]
    Malformed(String),
    /// Something else than the protocol arrived first.
    #[error("the other side does not speak Nix's protocol; it said '{0}'")]
    NotNix(String),
    /// The other side is older than what is supported.
    #[error("the other side speaks version {has} of the protocol, and {wanted} or newer is needed")]
    TooOld {
        /// Its version.
        has: String,
        /// The oldest that is good.
        wanted: String,
    },
    /// The other side says that something failed.
    #[error("{0}")]
    Refused(String),
    /// The protocol has no message for what is to be done.
    #[error("the other side's protocol (version {0}) has nothing for this")]
    Unsupported(String),
    /// An address that can't be used.
    #[error("'{address}' is no address of a store: {reason}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `ssh` could not be started.
    #[error("can't run 'ssh': {0}")]
    NoSsh(io::Error),
    /// `ssh` ended before the other side answered.
    #[error("can't connect to '{host}': {reason}")]
    Connect {
        /// The other machine.
        host: String,
        /// What `ssh` said.
        reason: String,
    },
    /// `ssh` ended while the other side was at work.
    #[error("the connection to '{host}' was cut: {reason}")]
    Cut {
        /// The other machine.
        host: String,
        /// What `ssh` said.
        reason: String,
    },
    /// What is to be sent can't be read.
    #[error("can't send '{path}': {source}")]
    Source {
        /// The store path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The user called it off.
    #[error("interrupted")]
    Interrupted,
}

/// The mark of an [`io::Error`] that stands for [`RemoteError::Interrupted`].
#[derive(Debug, Error)]
#[error("interrupted")]
pub(crate) struct CalledOff;

impl From<io::Error> for RemoteError {
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<CalledOff>()) {
            return Self::Interrupted;
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                Self::Closed
            }
            io::ErrorKind::InvalidData => Self::Malformed(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

impl RemoteError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSsh(_) => "install OpenSSH's client, or put it on PATH".into(),
            Self::NotNix(_) => {
                "see that nothing in the other machine's shell start-up files writes, and that Nix is there"
                    .into()
            }
            Self::TooOld { .. } => "install Nix 2.8 or newer on the other machine".into(),
            Self::Connect { host, .. } => {
                format!("try 'ssh {host} nix-daemon --version'; NIX_SSHOPTS gives options to ssh")
            }
            _ => return None,
        })
    }
}

/// An [`io::Error`] for bytes that break a rule.
pub(crate) fn malformed(reason: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}
