//! Inputs in the store: fetched at most once, checked against their hashes.
//!
//! What is known of an input (its store path, its version) is kept in small files
//! below the cache directory, named by a hash of what was asked. A file appears
//! whole or not at all, so that several processes can use them.

use saltire_build::{Event, Events, StepId, StepKind};
use saltire_fetch::input::{Attribute, Attributes, Input, Kind, attributes};
use saltire_fetch::{Downloader, Fetcher, Observer, TreeError};
use saltire_store::{Store, StoreError};
use saltire_store_model::nar::FileKind;
use saltire_store_model::{Hash, HashAlgorithm, Ingestion, References, StorePath};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Why an input is not in the store.
#[derive(Debug, Error)]
pub enum InputStoreError {
    /// It could not be fetched.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It holds something else than it should.
    #[error("NAR hash mismatch in input '{input}', expected '{}' but got '{}'", .expected.to_sri(), .got.to_sri())]
    Mismatch {
        /// The input's URL.
        input: String,
        /// The hash that it should have.
        expected: Hash,
        /// The hash that it has.
        got: Hash,
    },
    /// A file of the cache can't be written.
    #[error("can't {action} {}: {source}", .path.display())]
    File {
        /// "write", …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl InputStoreError {
    /// Whether it is another input than was wanted.
    pub fn is_mismatch(&self) -> bool {
        matches!(self, Self::Mismatch { .. })
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tree(error) => error.hint(),
            Self::Mismatch { .. } => {
                Some("the input was changed where it comes from; check it, then update its lock".into())
            }
            _ => None,
        }
    }
}

/// An input in the store.
#[derive(Clone, Debug)]
pub struct StoredInput {
    /// Where.
    pub path: StorePath,
    /// The input with everything that is known of this version, `narHash` included.
    pub input: Input,
}

/// How inputs are fetched.
#[derive(Clone, Debug)]
pub struct InputSettings {
    /// How long an address, or a branch, is taken to be what it was.
    pub ttl: Duration,
    /// Working trees with changes may be taken.
    pub allow_dirty: bool,
    /// And the user is told of them.
    pub warn_dirty: bool,
    /// Tokens by host, or by `HOST/OWNER` or `HOST/OWNER/REPO`.
    pub access_tokens: BTreeMap<String, String>,
    /// Keys whose signatures of store paths count, as `name:base64`.
    pub trusted_keys: Vec<String>,
}

impl Default for InputSettings {
    /// An hour, working trees with changes, no tokens, no keys.
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(3_600),
            allow_dirty: true,
            warn_dirty: true,
            access_tokens: BTreeMap::new(),
            trusted_keys: Vec::new(),
        }
    }
}

/// Puts inputs into the store.
pub struct Inputs {
    /// The store.
    pub store: Arc<Store>,
    /// Downloads.
    pub downloader: Arc<Downloader>,
    /// The directory of the cache.
    pub cache: PathBuf,
    /// How.
    pub settings: InputSettings,
    /// Is told what the user should know.
    pub events: Arc<dyn Events>,
    /// Ends what runs when it becomes true.
    pub cancelled: Arc<AtomicBool>,
}

/// Shows how an input comes, from the time that it is asked for until it is dropped.
struct Coming<'i> {
    events: &'i dyn Events,
    step: StepId,
    name: String,
    came: AtomicBool,
}

impl<'i> Coming<'i> {
    fn new(events: &'i dyn Events, input: &Input) -> Self {
        /// Inputs are counted from far behind the steps of any plan.
        static NEXT: AtomicUsize = AtomicUsize::new(usize::MAX / 2);
        let step = StepId(NEXT.fetch_add(1, Ordering::Relaxed));
        let name = input.to_url().to_string();
        let kind = StepKind::Input;
        events.event(Event::Started { step, kind, name: &name, derivation: "", reason: "input" });
        Self { events, step, name, came: AtomicBool::new(false) }
    }
}

impl Observer for Coming<'_> {
    fn received(&self, bytes: u64, total: Option<u64>) {
        self.events.event(Event::Received { step: self.step, bytes, total });
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let success = self.came.load(Ordering::Relaxed);
        self.events.event(Event::Finished { step: self.step, name: &self.name, success });
    }
}

impl Inputs {
    /// Makes an input's tree valid in the store.
    pub fn fetch(&self, input: &Input) -> Result<StoredInput, InputStoreError> {
        self.fetch_with(input, self.settings.warn_dirty)
    }

    /// As [`Inputs::fetch`], without a word about a working tree with changes: those that
    /// this program made itself.
    pub fn fetch_again(&self, input: &Input) -> Result<StoredInput, InputStoreError> {
        self.fetch_with(input, false)
    }

    fn fetch_with(&self, input: &Input, warn_dirty: bool) -> Result<StoredInput, InputStoreError> {
        if let Some(found) = self.by_nar_hash(input)? {
            return Ok(found);
        }
        let asked = without_facts(input);
        if !input.is_locked()
            && !input.is_here()
            && let Some(found) = self.remembered(&asked, self.settings.ttl)?.and_then(|known| known.fresh)
            // If it is not what is asked for, it may have changed since.
            && let Ok(found) = self.checked(input, found)
        {
            return Ok(found);
        }
        let coming = Coming::new(&*self.events, input);
        let warn = |text: &str| self.events.event(Event::Warning(&text));
        let clones = self.cache.join("git");
        let fetcher = Fetcher {
            downloader: &self.downloader,
            cache: &clones,
            access_tokens: &self.settings.access_tokens,
            allow_dirty: self.settings.allow_dirty,
            warn_dirty,
            observer: &coming,
            warn: &warn,
            cancelled: &self.cancelled,
        };
        let locked = fetcher.lock(input)?;
        let key = without_facts(&locked);
        let is_version =
            matches!(locked.kind(), Kind::Git | Kind::Mercurial | Kind::Forge(_)) && locked.is_locked();
        if is_version && let Some(found) = self.remembered(&key, Duration::MAX)?.and_then(|known| known.fresh)
        {
            self.remember_version(&asked, &key, &found)?;
            coming.came.store(true, Ordering::Relaxed);
            return self.checked(input, found);
        }
        let (found, etag) = self.fetch_version(&fetcher, &locked, &key)?;
        coming.came.store(true, Ordering::Relaxed);
        if is_version || matches!(locked.kind(), Kind::Tarball | Kind::File) {
            self.remember(&key, &found, etag.as_deref())?;
            self.remember_version(&asked, &key, &found)?;
        }
        self.checked(input, found)
    }

    /// The path that an input with a `narHash` has or will have.
    pub fn path_of(&self, input: &Input) -> Option<StorePath> {
        let (store, hash) = (self.store.store_dir(), nar_hash(input)?);
        store.make_fixed_path(input.name(), Ingestion::Nar, &hash, &References::default()).ok()
    }

    /// The path that an input's `narHash` leads to, if it is valid.
    fn by_nar_hash(&self, input: &Input) -> Result<Option<StoredInput>, InputStoreError> {
        let Some(path) = self.path_of(input) else { return Ok(None) };
        self.store.add_temp_root(&path)?;
        Ok(self.store.is_valid(&path)?.then(|| StoredInput { path, input: input.clone() }))
    }

    fn checked(&self, asked: &Input, found: StoredInput) -> Result<StoredInput, InputStoreError> {
        match (nar_hash(asked), nar_hash(&found.input)) {
            (Some(expected), Some(got)) if expected != got => {
                Err(InputStoreError::Mismatch { input: asked.to_url().to_string(), expected, got })
            }
            _ => Ok(found),
        }
    }

    fn fetch_version(
        &self,
        fetcher: &Fetcher<'_>,
        locked: &Input,
        key: &str,
    ) -> Result<(StoredInput, Option<String>), InputStoreError> {
        // Trees are large, and temporary directories often small.
        let directory = self.cache.join("inputs");
        let error = |source| InputStoreError::File { action: "write to", path: directory.clone(), source };
        std::fs::create_dir_all(&directory).map_err(error)?;
        let scratch = tempfile::Builder::new().prefix(".new-").tempdir_in(&directory).map_err(error)?;
        let known = self.remembered(key, Duration::MAX)?;
        let etag = known.as_ref().and_then(|known| known.etag.clone());
        let place = scratch.path().join("source");
        let asked_path = locked.text("path").map(str::to_owned);
        let physical = self.with_physical_path(locked);
        let locked = &physical;
        let tree = match fetcher.fetch(locked, &place, etag.as_deref())? {
            Some(tree) => tree,
            None => {
                if let Some(found) = known.and_then(|known| known.fresh) {
                    return Ok((found, etag));
                }
                match fetcher.fetch(locked, &place, None)? {
                    Some(tree) => tree,
                    // Only asked for conditionally a server can say so.
                    None => return Err(TreeError::Indirect(locked.to_url().to_string()).into()),
                }
            }
        };
        let mut newest = 0;
        let is_path = locked.kind() == Kind::Path;
        let added = self.store.add_tree(
            locked.name(),
            &tree.path,
            HashAlgorithm::Sha256,
            &mut |path, _: FileKind| {
                let wanted = tree.contains(path);
                if is_path && wanted {
                    newest = newest.max(modified(path));
                }
                Ok(wanted)
            },
        )?;
        let mut input = tree.input.clone();
        if let Some(path) = asked_path {
            input.set("path", path);
        }
        if is_path && input.int("lastModified").is_none() {
            input.set("lastModified", newest.max(modified(&tree.path)));
        }
        input.set("narHash", added.content_address.hash.to_sri());
        Ok((StoredInput { path: added.path, input }, tree.etag))
    }

    /// A `path` input in the store with the place where its files are.
    fn with_physical_path(&self, input: &Input) -> Input {
        let mut input = input.clone();
        if let Some(path) = input.text("path").filter(|path| path.starts_with('/')) {
            let physical = self.store.location().to_physical(Path::new(path));
            input.set("path", physical.to_string_lossy().into_owned());
        }
        input
    }

    fn file(&self, key: &str) -> PathBuf {
        self.cache.join("inputs").join(format!("{}.json", Hash::sha256(key).to_nix_base32()))
    }

    fn remember(&self, key: &str, found: &StoredInput, etag: Option<&str>) -> Result<(), InputStoreError> {
        let value = json!({
            "key": key,
            "path": self.store.display(&found.path),
            "attributes": attributes::to_json(found.input.attributes()),
            "etag": etag,
            "time": now(),
        });
        let path = self.file(key);
        let error = |source| InputStoreError::File { action: "write", path: path.clone(), source };
        let directory = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(directory).map_err(error)?;
        let file = tempfile::NamedTempFile::new_in(directory).map_err(error)?;
        std::fs::write(file.path(), value.to_string()).map_err(error)?;
        file.persist(&path).map_err(|failure| error(failure.error))?;
        Ok(())
    }

    /// Also remembers what was found for the question that led to a version.
    fn remember_version(&self, asked: &str, key: &str, found: &StoredInput) -> Result<(), InputStoreError> {
        if asked == key { Ok(()) } else { self.remember(asked, found, None) }
    }

    fn remembered(&self, key: &str, ttl: Duration) -> Result<Option<Remembered>, InputStoreError> {
        let Ok(text) = std::fs::read_to_string(self.file(key)) else { return Ok(None) };
        // A file that was damaged is as good as none.
        let Some((path, input, etag, time)) = parse_remembered(&text, key) else { return Ok(None) };
        let Ok(path) = self.store.store_dir().parse(&path) else { return Ok(None) };
        self.store.add_temp_root(&path)?;
        if !self.store.is_valid(&path)? {
            return Ok(None);
        }
        let is_fresh = Duration::from_secs(now().saturating_sub(time)) < ttl;
        let fresh = is_fresh.then_some(StoredInput { path, input });
        Ok(Some(Remembered { fresh, etag }))
    }
}

/// What is known for a question.
struct Remembered {
    /// The answer, if it is not too old.
    fresh: Option<StoredInput>,
    etag: Option<String>,
}

fn parse_remembered(text: &str, key: &str) -> Option<(String, Input, Option<String>, u64)> {
    let value: Value = serde_json::from_str(text).ok()?;
    if value.get("key")?.as_str()? != key {
        return None;
    }
    let attributes = attributes::from_json(value.get("attributes")?.as_object()?).ok()?;
    let input = Input::from_attributes(attributes).ok()?;
    let etag = value.get("etag").and_then(Value::as_str).map(str::to_owned);
    Some((value.get("path")?.as_str()?.to_owned(), input, etag, value.get("time")?.as_u64()?))
}

/// The hash that an input must have.
pub(crate) fn nar_hash(input: &Input) -> Option<Hash> {
    Hash::parse(input.text("narHash")?, Some(HashAlgorithm::Sha256)).ok()
}

/// What an input asks for, as a text: without what only describes the answer.
fn without_facts(input: &Input) -> String {
    let is_question = |name: &String| !matches!(name.as_str(), "narHash" | "lastModified" | "revCount");
    let asked: Attributes = input
        .attributes()
        .iter()
        .filter(|(name, _)| is_question(name))
        .map(|(name, value): (&String, &Attribute)| (name.clone(), value.clone()))
        .collect();
    attributes::to_json(&asked).to_string()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs())
}

/// When a file was changed last, in seconds since 1970.
fn modified(path: &Path) -> u64 {
    let time = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok();
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |duration| duration.as_secs())
}
