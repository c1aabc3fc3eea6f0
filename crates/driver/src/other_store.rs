//! Other stores than the session's: binary caches, stores elsewhere on this machine,
//! stores of other machines. Copying between them.

use crate::binary_cache::{Access, BinaryCache, CopyError, is_vouched};
use crate::session::Session;
use crate::ssh_store::SshStore;
use saltire_remote::Address;
use saltire_store::{Store, StoreLocation, StoreOptions};
use saltire_store_model::{NarInfo, PathInfo, PublicKey, PublicKeys, StorePath};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::sync::Arc;

/// A store that something is copied from or to.
pub enum OtherStore {
    /// One on this machine.
    Local(Arc<Store>),
    /// A binary cache.
    Cache(Box<BinaryCache>),
    /// One on another machine.
    Ssh(Box<SshStore>),
}

/// What is known of a path in another store.
pub enum Known {
    /// In a store.
    Local(Box<PathInfo>),
    /// In a binary cache.
    Cache(Box<NarInfo>),
}

impl Known {
    /// What both kinds of store say.
    pub fn info(&self) -> &PathInfo {
        match self {
            Self::Local(info) => info,
            Self::Cache(info) => &info.info,
        }
    }

    /// Bytes to download.
    pub fn download_size(&self) -> u64 {
        match self {
            Self::Local(_) => 0,
            Self::Cache(info) => info.file_size.unwrap_or(0),
        }
    }
}

/// How to copy.
pub struct CopyOptions<'a> {
    /// The keys whose signatures count; `None` to take unsigned paths as well.
    pub keys: Option<&'a PublicKeys>,
    /// Is told each path before it is copied.
    pub before: &'a dyn Fn(&StorePath),
    /// Whether a store on another machine asks its own binary caches first.
    pub substitute: bool,
}

impl OtherStore {
    /// From the text by which users name stores.
    pub fn open(text: &str, session: &Session) -> Result<Self, CopyError> {
        if ["file://", "http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
            let cache = BinaryCache::open(text, session.store().store_dir(), session.cache_access())?;
            return Ok(Self::Cache(Box::new(cache)));
        }
        if Address::is_one(text) {
            return Ok(Self::Ssh(Box::new(SshStore::open(text, session)?)));
        }
        match text {
            "auto" | "" => Ok(Self::Local(Arc::clone(session.store()))),
            _ if text == "local"
                || text.starts_with("local?")
                || text.starts_with('/')
                || text == "private" =>
            {
                let place = text.strip_prefix("local://").unwrap_or(text);
                let place = place.split_once('&').map_or(place, |(place, _)| place);
                let location = StoreLocation::discover(Some(place))?;
                Ok(Self::Local(Arc::new(Store::new(location, StoreOptions::default()))))
            }
            _ => Err(CopyError::Unknown(text.to_owned())),
        }
    }

    /// Its name, for messages.
    pub fn name(&self) -> String {
        match self {
            Self::Local(store) => match &store.location().root {
                Some(root) => root.display().to_string(),
                None => "local".to_owned(),
            },
            Self::Cache(cache) => cache.url.clone(),
            Self::Ssh(store) => store.name().to_owned(),
        }
    }

    /// What it knows of a path; nothing if it does not have it.
    pub fn info(&self, path: &StorePath) -> Result<Option<Known>, CopyError> {
        Ok(match self {
            Self::Local(store) => store.query_path_info(path)?.map(|info| Known::Local(Box::new(info))),
            Self::Cache(cache) => cache.info(path)?.map(|info| Known::Cache(Box::new(info))),
            Self::Ssh(store) => store.info(path)?.map(|info| Known::Local(Box::new(info))),
        })
    }

    /// All its paths.
    pub fn all(&self) -> Result<Vec<StorePath>, CopyError> {
        Ok(match self {
            Self::Local(store) => store.query_all_valid_paths()?.into_iter().collect(),
            Self::Cache(cache) => cache.all()?,
            Self::Ssh(store) => store.all()?,
        })
    }

    /// Calls `read` with a path's NAR.
    pub fn with_nar<T: Send>(
        &self,
        known: &Known,
        read: impl FnOnce(&mut dyn Read) -> Result<T, CopyError>,
    ) -> Result<T, CopyError> {
        match (self, known) {
            (Self::Cache(cache), Known::Cache(info)) => cache.with_nar(info, read),
            (Self::Ssh(store), _) => store.with_nar(known.info(), read),
            (Self::Local(store), _) => {
                let path = &known.info().path;
                let (mut reader, writer) = std::io::pipe().map_err(|source| CopyError::File {
                    action: "read",
                    path: store.physical_path(path),
                    source,
                })?;
                std::thread::scope(|scope| {
                    let source = scope.spawn(move || store.write_nar(path, writer).map(drop));
                    let result = read(&mut reader);
                    drop(reader);
                    // If the reader stopped early, its error says more.
                    let written = source.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                    let result = result?;
                    written?;
                    Ok(result)
                })
            }
            (Self::Cache(_), Known::Local(info)) => {
                Err(CopyError::Missing { path: info.path.base_name().to_owned(), store: self.name() })
            }
        }
    }

    fn missing(&self, path: &StorePath) -> CopyError {
        let store_dir = match self {
            Self::Local(store) => store.store_dir().clone(),
            Self::Cache(_) | Self::Ssh(_) => Default::default(),
        };
        CopyError::Missing { path: store_dir.display(path), store: self.name() }
    }

    /// What `paths` need, themselves included, each behind what it refers to. What
    /// `skip` says is there is left out, with its closure.
    pub fn closure(
        &self,
        paths: &[StorePath],
        skip: &dyn Fn(&StorePath) -> Result<bool, CopyError>,
    ) -> Result<Vec<Known>, CopyError> {
        let look = |path: &StorePath| {
            let known = self.info(path)?.ok_or_else(|| self.missing(path))?;
            Ok((known.info().references.clone(), known))
        };
        closure(paths, skip, &look).map_err(|error| match error {
            ClosureError::Look(error) => error,
            ClosureError::Cycle => CopyError::Remote { store: self.name(), reason: CYCLE.to_owned() },
        })
    }

    /// Whether it has a path.
    pub fn has(&self, path: &StorePath) -> Result<bool, CopyError> {
        match self {
            Self::Local(store) => Ok(store.is_valid(path)?),
            Self::Cache(_) | Self::Ssh(_) => Ok(self.info(path)?.is_some()),
        }
    }

    /// Copies paths with all that they refer to (unless `only_these`) to another
    /// store; how many were copied.
    pub fn copy_to(
        &self,
        target: &OtherStore,
        paths: &[StorePath],
        only_these: bool,
        options: &CopyOptions<'_>,
    ) -> Result<usize, CopyError> {
        if let Self::Ssh(target) = target {
            return self.copy_to_machine(target, paths, only_these, options);
        }
        let there = |path: &StorePath| {
            if let Self::Local(store) = target {
                store.add_temp_root(path)?;
            }
            Ok(target.has(path)? || only_these && !paths.contains(path))
        };
        let all = self.closure(paths, &there)?;
        for known in &all {
            (options.before)(&known.info().path);
            self.copy_one(target, known, options.keys)?;
        }
        Ok(all.len())
    }

    /// Copies to another machine, in one go.
    fn copy_to_machine(
        &self,
        target: &SshStore,
        paths: &[StorePath],
        only_these: bool,
        options: &CopyOptions<'_>,
    ) -> Result<usize, CopyError> {
        let mut all = self.closure(paths, &|path| Ok(only_these && !paths.contains(path)))?;
        let names = all.iter().map(|known| known.info().path.clone()).collect();
        let there = target.valid(&names, options.substitute)?;
        all.retain(|known| !there.contains(&known.info().path));
        let infos: Vec<PathInfo> =
            all.iter().map(|known| PathInfo { ultimate: false, ..known.info().clone() }).collect();
        infos.iter().for_each(|info| (options.before)(&info.path));
        let nar = |info: &PathInfo, output: &mut dyn Write| {
            let known = all.iter().find(|known| known.info().path == info.path);
            let known = known.ok_or_else(|| self.missing(&info.path))?;
            self.with_nar(known, |reader| {
                let copied = std::io::copy(reader, output).map(drop);
                copied.map_err(|source| CopyError::File {
                    action: "send",
                    path: info.path.base_name().into(),
                    source,
                })
            })
        };
        if !infos.is_empty() {
            target.add(&infos, options.keys.is_some(), &nar)?;
        }
        Ok(infos.len())
    }

    /// Copies a path whose references are there.
    pub fn copy_one(
        &self,
        target: &OtherStore,
        known: &Known,
        keys: Option<&PublicKeys>,
    ) -> Result<(), CopyError> {
        match target {
            Self::Local(store) => {
                let vouched = |keys: &PublicKeys| match (self, known) {
                    (Self::Cache(cache), Known::Cache(info)) => cache.vouched(info, keys),
                    _ => is_vouched(known.info(), keys, store.store_dir()),
                };
                if keys.is_some_and(|keys| !vouched(keys)) {
                    return Err(CopyError::Untrusted(store.display(&known.info().path)));
                }
                let info = PathInfo { ultimate: false, registration_time: 0, ..known.info().clone() };
                self.with_nar(known, |reader| Ok(store.add_nar(&info, reader)?))
            }
            Self::Cache(cache) => self.with_nar(known, |reader| cache.put(known.info(), reader)),
            Self::Ssh(machine) => {
                let options = CopyOptions { keys, before: &|_| {}, substitute: false };
                let path = [known.info().path.clone()];
                self.copy_to_machine(machine, &path, true, &options).map(drop)
            }
        }
    }
}

/// What is wrong with stores whose paths can't be sorted.
pub(crate) const CYCLE: &str = "it has paths that refer to each other";

/// Why a closure can't be had.
pub(crate) enum ClosureError {
    Look(CopyError),
    Cycle,
}

impl From<CopyError> for ClosureError {
    fn from(error: CopyError) -> Self {
        Self::Look(error)
    }
}

/// What a path refers to, and what else is known of it.
type Looked<T> = Result<(BTreeSet<StorePath>, T), CopyError>;

/// What `paths` need, themselves included, each behind what it refers to; `look` says
/// what a path refers to, and what else is to be known of it.
pub(crate) fn closure<T>(
    paths: &[StorePath],
    skip: &dyn Fn(&StorePath) -> Result<bool, CopyError>,
    look: &dyn Fn(&StorePath) -> Looked<T>,
) -> Result<Vec<T>, ClosureError> {
    let mut found: BTreeMap<StorePath, (BTreeSet<StorePath>, T)> = BTreeMap::new();
    let mut seen: BTreeSet<StorePath> = paths.iter().cloned().collect();
    let mut queue: Vec<StorePath> = seen.iter().cloned().collect();
    while let Some(path) = queue.pop() {
        if skip(&path)? {
            continue;
        }
        let (references, value) = look(&path)?;
        queue.extend(references.iter().filter(|path| seen.insert((*path).clone())).cloned());
        found.insert(path, (references, value));
    }
    let mut waiting: BTreeMap<StorePath, usize> = BTreeMap::new();
    let mut users: BTreeMap<StorePath, Vec<StorePath>> = BTreeMap::new();
    for (path, (references, _)) in &found {
        let others = references.iter().filter(|other| *other != path && found.contains_key(*other));
        let others: Vec<&StorePath> = others.collect();
        waiting.insert(path.clone(), others.len());
        for other in others {
            users.entry(other.clone()).or_default().push(path.clone());
        }
    }
    let ready = waiting.iter().filter(|(_, count)| **count == 0);
    let mut ready: Vec<StorePath> = ready.map(|(path, _)| path.clone()).collect();
    let mut sorted = Vec::new();
    while let Some(path) = ready.pop() {
        for user in users.remove(&path).unwrap_or_default() {
            if let Some(count) = waiting.get_mut(&user) {
                *count -= 1;
                if *count == 0 {
                    ready.push(user);
                }
            }
        }
        sorted.extend(found.remove(&path).map(|(_, value)| value));
    }
    if found.is_empty() { Ok(sorted) } else { Err(ClosureError::Cycle) }
}

impl Session {
    /// What is needed to reach binary caches.
    pub(crate) fn cache_access(&self) -> Access {
        Access {
            downloader: Arc::clone(self.downloader()),
            scratch: self.cache_directory().join("inputs"),
            cancelled: Arc::clone(self.cancelled()),
        }
    }

    /// The keys that the settings trust; wrong ones are an error.
    pub fn trusted_keys(&self) -> Result<PublicKeys, CopyError> {
        let parse = |text: &String| {
            PublicKey::parse(text).map_err(|error| CopyError::Key {
                path: "trusted-public-keys".into(),
                reason: error.to_string(),
            })
        };
        let keys = self.settings.inputs.trusted_keys.iter().map(parse);
        Ok(PublicKeys::new(keys.collect::<Result<Vec<_>, _>>()?))
    }
}
