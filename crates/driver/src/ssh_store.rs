//! Stores on other machines, as copying sees them.

use crate::binary_cache::CopyError;
use crate::session::Session;
use saltire_remote::{Address, Connection, Message, Peer, RemoteError, SshOptions};
use saltire_store_model::{PathInfo, StorePath};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

/// A store on another machine, reached through `ssh`.
pub struct SshStore {
    address: Address,
    connection: Mutex<Connection>,
}

/// What another machine says while something is copied is of no interest.
fn quiet(_: Message) {}

impl SshStore {
    /// Connects to the store of an address.
    pub fn open(text: &str, session: &Session) -> Result<Self, CopyError> {
        let failed = |source| CopyError::Machine { store: text.to_owned(), source };
        let address = Address::parse(text).map_err(failed)?;
        let options = SshOptions::from_environment();
        let store = session.store().store_dir();
        let connection = address.connect(store, &options, session.cancelled(), &mut quiet).map_err(failed)?;
        Ok(Self { address, connection: Mutex::new(connection) })
    }

    /// Its address, for messages.
    pub fn name(&self) -> &str {
        self.address.name()
    }

    /// The version of Nix there, where it is told.
    pub fn version(&self) -> Option<String> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.peer.program_version().map(str::to_owned)
    }

    /// Whether it takes what we send without a signature, where it is told.
    pub fn trusts_us(&self) -> Option<bool> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).peer.trusts_us()
    }

    /// The version of the protocol that is spoken, and the newest that could be.
    pub fn protocol(&self) -> (String, String) {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        (connection.peer.protocol_version(), connection.peer.newest_protocol_version())
    }

    /// Adds the log of a derivation's build, unless there is one.
    pub(crate) fn add_log(&self, derivation: &StorePath, log: &[u8]) -> Result<(), CopyError> {
        self.ask(|peer| peer.add_log(derivation, log, &mut quiet))
    }

    fn ask<T>(&self, work: impl FnOnce(&mut dyn Peer) -> Result<T, RemoteError>) -> Result<T, CopyError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut *connection.peer).map_err(|error| connection.explain(error));
        result.map_err(|source| CopyError::Machine { store: self.name().to_owned(), source })
    }

    pub(crate) fn info(&self, path: &StorePath) -> Result<Option<PathInfo>, CopyError> {
        self.ask(|peer| peer.path_info(path, &mut quiet))
    }

    pub(crate) fn all(&self) -> Result<Vec<StorePath>, CopyError> {
        self.ask(|peer| Ok(peer.all_paths(&mut quiet)?.into_iter().collect()))
    }

    /// Which paths are there, or are after it asked its binary caches.
    pub(crate) fn valid(
        &self,
        paths: &BTreeSet<StorePath>,
        substitute: bool,
    ) -> Result<BTreeSet<StorePath>, CopyError> {
        self.ask(|peer| peer.query_valid(paths, substitute, &mut quiet))
    }

    /// Adds signatures to those of a path.
    pub fn add_signatures(&self, path: &StorePath, signatures: &BTreeSet<String>) -> Result<(), CopyError> {
        self.ask(|peer| peer.add_signatures(path, signatures, &mut quiet))
    }

    /// Adds paths, each behind what it refers to.
    pub(crate) fn add(
        &self,
        paths: &[PathInfo],
        check_signatures: bool,
        nar: &(dyn Fn(&PathInfo, &mut dyn Write) -> Result<(), CopyError> + Sync),
    ) -> Result<(), CopyError> {
        let failure = Mutex::new(None);
        let write = |info: &PathInfo, output: &mut dyn Write| {
            nar(info, output).map_err(|error| {
                let text = error.to_string();
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                io::Error::other(text)
            })
        };
        let added = self.ask(|peer| peer.add(paths, check_signatures, &write, &mut quiet));
        match (added, failure.into_inner().unwrap_or_else(PoisonError::into_inner)) {
            // The store that it comes from says more, unless it only noticed the end.
            (Err(CopyError::Machine { source: RemoteError::Source { .. }, .. }), Some(error)) => Err(error),
            (added, _) => added,
        }
    }

    pub(crate) fn with_nar<T>(
        &self,
        info: &PathInfo,
        read: impl FnOnce(&mut dyn Read) -> Result<T, CopyError>,
    ) -> Result<T, CopyError> {
        let mut read = Some(read);
        let mut result = None;
        self.ask(|peer| {
            peer.with_nar(&info.path, &mut quiet, &mut |input| {
                let mut nar = Read::take(input, info.nar_size);
                result = read.take().map(|read| read(&mut nar));
                io::copy(&mut nar, &mut io::sink()).map(drop)
            })
        })?;
        let missing =
            || CopyError::Missing { path: info.path.base_name().to_owned(), store: self.name().to_owned() };
        result.unwrap_or_else(|| Err(missing()))
    }
}
