//! Taking outputs from binary caches instead of building them.
//!
//! The caches of the setting `substituters` are asked, in the order of their
//! priorities, for what is missing; one that can't be reached is done without. A path
//! counts only if it is signed by a trusted key or follows from its content.

use crate::binary_cache::CopyError;
use crate::other_store::{CYCLE, ClosureError, Known, OtherStore, closure};
use crate::session::Session;
use saltire_build::Event;
use saltire_plan::Substitute;
use saltire_store_model::{PublicKeys, StorePath};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// Questions asked at the same time.
const QUESTIONS: usize = 16;

/// For how long a cache that nobody chose and that was not reached is not asked again.
const FORGIVENESS: Duration = Duration::from_secs(600);

/// Binary caches and what they said.
#[derive(Default)]
pub(crate) struct Substituters {
    opened: OnceLock<(Vec<OtherStore>, Option<PublicKeys>)>,
    /// By path: the cache that has it, by its number, and what it says.
    answers: Mutex<HashMap<StorePath, Option<Answer>>>,
    /// Paths that are being copied.
    busy: Mutex<HashSet<StorePath>>,
    changed: Condvar,
}

type Answer = (usize, Arc<Known>);

/// A path that is being copied, until this is dropped.
struct Claim<'a> {
    substituters: &'a Substituters,
    path: StorePath,
}

impl Substituters {
    /// Waits until no other thread copies a path.
    fn claim(&self, path: &StorePath) -> Claim<'_> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while !busy.insert(path.clone()) {
            busy = self.changed.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        Claim { substituters: self, path: path.clone() }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut busy = self.substituters.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.remove(&self.path);
        self.substituters.changed.notify_all();
    }
}

impl Session {
    /// The caches that can be reached, best first, and the keys that count.
    fn caches(&self) -> &(Vec<OtherStore>, Option<PublicKeys>) {
        self.substituters.opened.get_or_init(|| {
            let settings = &self.settings.caches;
            let keys = match (settings.require_signatures, self.trusted_keys()) {
                (false, _) => None,
                (true, Ok(keys)) => Some(keys),
                (true, Err(error)) => {
                    self.tell(Event::Warning(&error));
                    Some(PublicKeys::new([]))
                }
            };
            let mut caches: Vec<OtherStore> = Vec::new();
            for address in &settings.substituters {
                let is_remote = address.contains("://") && !address.starts_with("file://");
                if is_remote && self.settings.offline || self.was_unreachable(address) {
                    continue;
                }
                match OtherStore::open(address, self) {
                    Ok(cache) => caches.push(cache),
                    Err(_) if settings.are_default => self.note_unreachable(address),
                    Err(error) => {
                        let text = format!("the substituter '{address}' is not used: {error}");
                        self.tell(Event::Warning(&text));
                    }
                }
            }
            caches.sort_by_key(|cache| match cache {
                OtherStore::Local(_) | OtherStore::Ssh(_) => 0,
                OtherStore::Cache(cache) => cache.priority,
            });
            (caches, keys)
        })
    }

    /// The caches that can be reached, best first.
    pub(crate) fn cache_stores(&self) -> &[OtherStore] {
        &self.caches().0
    }

    fn unreachable_note(&self, address: &str) -> std::path::PathBuf {
        let hash = saltire_store_model::Hash::sha256(address).to_nix_base32();
        self.cache_directory().join("inputs").join(format!("{hash}.unreachable"))
    }

    fn note_unreachable(&self, address: &str) {
        // Without the note it is tried again, which takes a little time.
        let _ = std::fs::create_dir_all(self.cache_directory().join("inputs"));
        let _ = std::fs::write(self.unreachable_note(address), "");
    }

    fn was_unreachable(&self, address: &str) -> bool {
        let noted = || {
            let time = self.unreachable_note(address).metadata().ok()?.modified().ok()?;
            SystemTime::now().duration_since(time).ok()
        };
        self.settings.caches.are_default && noted().is_some_and(|age| age < FORGIVENESS)
    }

    /// The cache that has a path that counts.
    fn substitute_of(&self, path: &StorePath) -> Result<Option<Answer>, CopyError> {
        let answers = || self.substituters.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answers().get(path) {
            return Ok(answer.clone());
        }
        let (caches, keys) = self.caches();
        let mut answer = None;
        for (number, cache) in caches.iter().enumerate() {
            let Some(known) = cache.info(path)? else { continue };
            let counts = match (&known, cache, keys) {
                (_, _, None) => true,
                (Known::Cache(info), OtherStore::Cache(cache), Some(keys)) => cache.vouched(info, keys),
                (known, _, Some(keys)) => {
                    crate::binary_cache::is_vouched(known.info(), keys, self.store().store_dir())
                }
            };
            if counts {
                answer = Some((number, Arc::new(known)));
                break;
            }
            let text = format!(
                "ignoring substitute for '{}' from '{}', as it's not signed by any of the keys in 'trusted-public-keys'",
                self.store().display(path),
                cache.name()
            );
            self.tell(Event::Warning(&text));
        }
        answers().insert(path.clone(), answer.clone());
        Ok(answer)
    }

    /// Which of these paths the caches offer. A cache that fails offers nothing.
    pub(crate) fn query_substitutes(&self, paths: &[StorePath]) -> HashMap<String, Substitute> {
        let caches = &self.caches().0;
        if caches.is_empty() || paths.is_empty() {
            return HashMap::new();
        }
        let (next, found) = (AtomicUsize::new(0), Mutex::new(HashMap::new()));
        let work = || {
            while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.substitute_of(path) {
                    Ok(Some((number, known))) => {
                        let cache = caches[number].name();
                        let substitute = Substitute { cache, download_size: known.download_size() };
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        found.insert(self.store().display(path), substitute);
                    }
                    Ok(None) => {}
                    Err(error) => self.tell(Event::Warning(&error)),
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..QUESTIONS.min(paths.len()) {
                scope.spawn(work);
            }
        });
        found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What would have to be copied from caches to make paths valid, each behind what
    /// it refers to: what is known of it, and the cache's number.
    fn to_substitute(&self, paths: &[StorePath]) -> Result<Vec<Answer>, CopyError> {
        let store = self.store();
        let skip = |path: &StorePath| {
            store.add_temp_root(path)?;
            Ok(store.is_valid(path)?)
        };
        let look = |path: &StorePath| match self.substitute_of(path)? {
            Some(answer) => Ok((answer.1.info().references.clone(), answer)),
            None => Err(CopyError::Missing {
                path: store.display(path),
                store: self.settings.caches.substituters.join(" "),
            }),
        };
        closure(paths, &skip, &look).map_err(|error| match error {
            ClosureError::Look(error) => error,
            ClosureError::Cycle => {
                let store = self.settings.caches.substituters.join(" ");
                CopyError::Remote { store, reason: CYCLE.to_owned() }
            }
        })
    }

    /// The paths that would be copied from caches, with the bytes to download and those
    /// that they become.
    pub fn substitution_of(&self, paths: &[StorePath]) -> Result<Vec<(StorePath, u64, u64)>, CopyError> {
        let all = self.to_substitute(paths)?;
        let entry =
            |(_, known): &Answer| (known.info().path.clone(), known.download_size(), known.info().nar_size);
        Ok(all.iter().map(entry).collect())
    }

    /// Which of these paths binary caches have, as text.
    pub fn substitutable(&self, paths: &[StorePath]) -> HashSet<String> {
        self.query_substitutes(paths).into_keys().collect()
    }

    /// Gets a valid path again if its files are not what was registered; false if no
    /// cache has what they were.
    pub fn repair(&self, path: &StorePath) -> Result<bool, CopyError> {
        let store = self.store();
        let info = store.path_info(path)?;
        let place = store.physical_path(path);
        let found = saltire_store_model::nar::summarize_tree(&place, &mut saltire_store_model::nar::keep_all);
        if found.is_ok_and(|found| found.hash == info.nar_hash) {
            return Ok(true);
        }
        let Some((number, known)) = self.substitute_of(path)? else { return Ok(false) };
        if known.info().nar_hash != info.nar_hash {
            return Ok(false);
        }
        self.caches().0[number].with_nar(&known, |reader| Ok(store.replace_nar(&info, reader)?))?;
        Ok(true)
    }

    /// Makes paths and what they refer to valid, by copying them from caches.
    pub fn substitute(&self, paths: &[StorePath]) -> Result<(), CopyError> {
        let here = OtherStore::Local(Arc::clone(self.store()));
        let (caches, keys) = self.caches();
        for (number, known) in self.to_substitute(paths)? {
            let path = &known.info().path;
            let _claim = self.substituters.claim(path);
            if !self.store().is_valid(path)? {
                let text =
                    format!("copying path '{}' from '{}'", self.store().display(path), caches[number].name());
                self.tell(Event::Note(&text));
                caches[number].copy_one(&here, &known, keys.as_ref())?;
            }
        }
        Ok(())
    }
}
