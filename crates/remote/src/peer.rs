//! A store at the other end of a connection, whichever protocol it speaks.

use crate::error::RemoteError;
use crate::messages::{BuildMode, BuildOptions, BuildResult, Message};
use saltire_store_model::{Derivation, PathInfo, StorePath};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};

/// Is told what the other side says while it works.
pub type Log<'l> = &'l mut dyn FnMut(Message);

/// Writes the NAR of a path.
pub type WriteNar<'w> = &'w (dyn Fn(&PathInfo, &mut dyn Write) -> io::Result<()> + Sync);

/// What is to be sent: each path behind what it refers to.
pub type Closure = [PathInfo];

/// A store at the other end of a connection.
///
/// After an error other than [`RemoteError::Refused`] the connection is of no more use.
pub trait Peer: Send {
    /// Whether the other side trusts what we send; `None` if it does not say.
    fn trusts_us(&self) -> Option<bool>;

    /// What the program at the other end is, such as `2.35.2`, if it says so.
    fn program_version(&self) -> Option<&str>;

    /// The protocol's version, such as `1.38`.
    fn protocol_version(&self) -> String;

    /// The newest version of the protocol that could be spoken here.
    fn newest_protocol_version(&self) -> String;

    /// Says how to build from now on.
    fn set_options(&mut self, options: &BuildOptions, log: Log<'_>) -> Result<(), RemoteError>;

    /// Which of these paths are there. With `substitute` the other side first tries to
    /// get those that are not from its binary caches.
    fn query_valid(
        &mut self,
        paths: &BTreeSet<StorePath>,
        substitute: bool,
        log: Log<'_>,
    ) -> Result<BTreeSet<StorePath>, RemoteError>;

    /// What is known of a path; nothing if it is not there.
    fn path_info(&mut self, path: &StorePath, log: Log<'_>) -> Result<Option<PathInfo>, RemoteError>;

    /// All paths that are there.
    fn all_paths(&mut self, log: Log<'_>) -> Result<BTreeSet<StorePath>, RemoteError>;

    /// Adds paths, each behind what it refers to; those that are there are skipped.
    fn add(
        &mut self,
        paths: &Closure,
        check_signatures: bool,
        nar: WriteNar<'_>,
        log: Log<'_>,
    ) -> Result<(), RemoteError>;

    /// Calls `read` with the NAR of a path. It has to read all of it, and no more.
    fn with_nar(
        &mut self,
        path: &StorePath,
        log: Log<'_>,
        read: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>,
    ) -> Result<(), RemoteError>;

    /// Builds a derivation that need not be there: `inputs` are all that it needs, and are.
    fn build_derivation(
        &mut self,
        path: &StorePath,
        derivation: &Derivation,
        inputs: &BTreeSet<StorePath>,
        mode: BuildMode,
        log: Log<'_>,
    ) -> Result<BuildResult, RemoteError>;

    /// Builds outputs (none named: all) of a derivation that is there, and what it needs.
    fn build_path(
        &mut self,
        derivation: &StorePath,
        outputs: &[String],
        mode: BuildMode,
        log: Log<'_>,
    ) -> Result<BuildResult, RemoteError>;

    /// Adds signatures to those of a path.
    fn add_signatures(
        &mut self,
        path: &StorePath,
        signatures: &BTreeSet<String>,
        log: Log<'_>,
    ) -> Result<(), RemoteError>;

    /// Adds the log of a derivation's build. The older protocol has no word for it.
    fn add_log(&mut self, derivation: &StorePath, text: &[u8], log: Log<'_>) -> Result<(), RemoteError>;
}
