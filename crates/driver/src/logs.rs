//! Logs of builds: in the session's store, in other stores and in binary caches.

use crate::binary_cache::CopyError;
use crate::other_store::OtherStore;
use crate::session::Session;
use saltire_store_model::StorePath;

impl OtherStore {
    /// The log of the build that made a path, or of a derivation; nothing if there is none.
    ///
    /// Stores that are reached by `ssh` tell no logs, which is an error.
    pub fn log(&self, path: &StorePath) -> Result<Option<Vec<u8>>, CopyError> {
        let mut derivations = vec![path.clone()];
        if !path.is_derivation() {
            derivations =
                self.info(path)?.and_then(|known| known.info().deriver.clone()).into_iter().collect();
            if let Self::Local(store) = self {
                derivations.extend(store.query_valid_derivers(path)?);
            }
        }
        for derivation in &derivations {
            let log = match self {
                Self::Local(store) => store.read_log(derivation)?,
                Self::Cache(cache) => cache.log(derivation)?,
                Self::Ssh(store) => return Err(CopyError::NoLogs(store.name().to_owned())),
            };
            if log.is_some() {
                return Ok(log);
            }
        }
        Ok(None)
    }

    /// Adds the log of a derivation's build. One that is there stays.
    pub fn add_log(&self, derivation: &StorePath, log: &[u8]) -> Result<(), CopyError> {
        match self {
            Self::Local(store) => Ok(store.add_log(derivation, log)?),
            Self::Cache(cache) => cache.put_log(derivation, log),
            Self::Ssh(store) => store.add_log(derivation, log),
        }
    }
}

impl Session {
    /// The log of a path's build from a store, else from the first binary cache that has
    /// it, and the name of where it was found.
    pub fn find_log(
        &self,
        store: &OtherStore,
        path: &StorePath,
    ) -> Result<Option<(Vec<u8>, String)>, CopyError> {
        if !matches!(store, OtherStore::Ssh(_))
            && let Some(log) = store.log(path)?
        {
            return Ok(Some((log, store.name())));
        }
        for cache in self.cache_stores() {
            match cache.log(path) {
                Ok(Some(log)) => return Ok(Some((log, cache.name()))),
                Ok(None) | Err(CopyError::NoLogs(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
