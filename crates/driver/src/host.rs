//! The evaluator's host on the store.
//!
//! Derivations that evaluation makes are kept in memory and written to the store
//! together, in one transaction, before anything is built and at the end.

use crate::access::Access;
use crate::flake::{self, Flakes};
use crate::host_fetch;
use crate::inputs::Inputs;
use saltire_build::{Event, Events};
use saltire_eval::{
    AddPath, ContextElement, FetchAttrs, FetchKind, Fetched, FileStamp, FileType, FlakeCall, FsHost, Host,
    HostError, HostResult, TreeCache, TreeKey,
};
use saltire_store::{Store, TextObject};
use saltire_store_model::nar::FileKind;
use saltire_store_model::{Derivation, HashAlgorithm, Ingestion, StoreDir, StorePath};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

/// Builds what evaluation needs to go on (import from derivation).
pub(crate) type Realise = dyn Fn(&[&ContextElement]) -> HostResult<()> + Send + Sync;

/// Evaluation against a real store.
pub(crate) struct StoreHost {
    store: Arc<Store>,
    files: FsHost,
    search_path: Vec<(String, String)>,
    /// Entries of search paths of which was said that they don't exist.
    missing: Mutex<HashSet<String>>,
    events: Arc<dyn Events>,
    pending: Mutex<Pending>,
    realise: Box<Realise>,
    /// What evaluation may look at, and whether it only computes store paths.
    limits: RwLock<(Access, bool)>,
    /// Names of store objects that this evaluation put there or fetched.
    ours: RwLock<HashSet<OsString>>,
    inputs: Arc<Inputs>,
    flakes: Arc<Flakes>,
}

/// What is not in the store yet.
#[derive(Default)]
struct Pending {
    objects: Vec<TextObject>,
    /// Where derivations are in `objects`; elsewhere once they were written.
    derivations: HashMap<StorePath, usize>,
    /// Those that were read.
    read: HashMap<StorePath, Arc<Derivation>>,
}

impl StoreHost {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        store: Arc<Store>,
        system: &str,
        search_path: Vec<(String, String)>,
        events: Arc<dyn Events>,
        realise: Box<Realise>,
        inputs: Arc<Inputs>,
        flakes: Arc<Flakes>,
        trees: Arc<TreeCache>,
    ) -> Self {
        let limits = RwLock::new((Access::Full, false));
        Self {
            store,
            missing: Mutex::default(),
            files: FsHost::new(system).with_tree_cache(trees),
            search_path,
            events,
            pending: Mutex::default(),
            realise,
            limits,
            ours: RwLock::default(),
            inputs,
            flakes,
        }
    }

    /// Limits what evaluation may look at; `read_only`: store paths are only computed.
    pub fn limit(&self, access: Access, read_only: bool) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = (access, read_only);
    }

    fn limits(&self) -> RwLockReadGuard<'_, (Access, bool)> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether store paths are only computed.
    pub fn is_read_only(&self) -> bool {
        self.limits().1
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all derivations and texts made so far to the store.
    pub fn flush(&self) -> Result<(), saltire_store::StoreError> {
        if self.is_read_only() {
            return Ok(());
        }
        let objects = std::mem::take(&mut self.pending().objects);
        if objects.is_empty() { Ok(()) } else { self.store.add_texts(&objects) }
    }

    /// A derivation, from memory or the store.
    pub fn derivation(&self, path: &StorePath) -> Result<Arc<Derivation>, saltire_store::StoreError> {
        let mut pending = self.pending();
        if let Some(found) = pending.read.get(path) {
            return Ok(Arc::clone(found));
        }
        let made = pending.derivations.get(path).and_then(|index| pending.objects.get(*index));
        let derivation = Arc::new(match made.filter(|object| object.path == *path) {
            Some(object) => {
                let name = path.derivation_name().unwrap_or(path.name());
                Derivation::parse(self.store.store_dir(), name, &object.content)?
            }
            None => self.store.read_derivation(path)?,
        });
        pending.read.insert(path.clone(), Arc::clone(&derivation));
        Ok(derivation)
    }

    /// Checks a URL, or a path, that is to be fetched.
    fn check_uri(&self, uri: &str) -> HostResult<()> {
        let store = Path::new(self.store.store_dir().as_str());
        self.limits().0.check_uri(uri, store, &|name| self.is_ours(name))
    }

    /// Whether this evaluation put a name into the store.
    fn is_ours(&self, name: &OsStr) -> bool {
        self.ours.read().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// An error about a file, which users know by its logical path.
    fn logical(&self, mut error: HostError) -> HostError {
        let store = Path::new(self.store.store_dir().as_str());
        let physical = self.store.location().to_physical(store);
        if physical != store {
            let physical = physical.to_string_lossy();
            error.message = error.message.replace(&*physical, self.store.store_dir().as_str());
        }
        error
    }

    /// Whether adding a source only computes its store path.
    pub fn only_computes(&self, path: &[u8]) -> bool {
        self.is_read_only() && self.physical(path).as_os_str().as_bytes() == path
    }

    /// Whether a derivation was made in this evaluation, so that its text is in memory.
    pub fn has_made(&self, path: &StorePath) -> bool {
        self.pending().derivations.contains_key(path)
    }

    /// Where a logical path's file is.
    pub fn physical(&self, path: &[u8]) -> PathBuf {
        self.store.location().to_physical(Path::new(OsStr::from_bytes(path)))
    }
}

fn host_error(error: impl std::fmt::Display) -> HostError {
    HostError::new(error.to_string())
}

fn bytes(path: PathBuf) -> Vec<u8> {
    path.into_os_string().into_vec()
}

impl Host for StoreHost {
    fn store_dir(&self) -> &StoreDir {
        self.store.store_dir()
    }

    fn read_file(&self, path: &[u8]) -> HostResult<Arc<[u8]>> {
        self.files.read_file(&bytes(self.physical(path))).map_err(|error| self.logical(error))
    }

    fn read_dir(&self, path: &[u8]) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        self.files.read_dir(&bytes(self.physical(path))).map_err(|error| self.logical(error))
    }

    fn file_type(&self, path: &[u8]) -> HostResult<Option<FileType>> {
        self.files.file_type(&bytes(self.physical(path))).map_err(|error| self.logical(error))
    }

    fn resolve_symlinks(&self, path: &[u8]) -> HostResult<Vec<u8>> {
        let resolved = self.files.resolve_symlinks(&bytes(self.physical(path)));
        let resolved = resolved.map_err(|error| self.logical(error))?;
        Ok(bytes(self.store.location().to_logical(Path::new(OsStr::from_bytes(&resolved)))))
    }

    fn file_stamp(&self, path: &[u8]) -> Option<FileStamp> {
        self.files.file_stamp(self.physical(path).as_os_str().as_bytes())
    }

    fn link_tree(&self, from: TreeKey, to: TreeKey) {
        self.files.link_tree(from, to);
    }

    fn kept_tree(&self, key: &TreeKey) -> Option<Vec<u8>> {
        self.files.kept_tree(key)
    }

    fn keep_tree(&self, key: TreeKey, tree: &[u8]) {
        self.files.keep_tree(key, tree);
    }

    fn current_system(&self) -> Option<String> {
        self.files.current_system()
    }

    fn environment_variable(&self, name: &str) -> Option<String> {
        if self.limits().0.has_environment() { self.files.environment_variable(name) } else { None }
    }

    fn fetch(&self, kind: FetchKind, request: &FetchAttrs) -> HostResult<Fetched> {
        if self.limits().0 != Access::Full {
            self.check_uri(&host_fetch::uri(kind, request)?)?;
        }
        let fetched = host_fetch::fetch(&self.inputs, &self.flakes, kind, request)?;
        self.allow_path(&fetched.path);
        Ok(fetched)
    }

    fn flake(&self, reference: &str, pure: bool) -> HostResult<FlakeCall> {
        self.flakes.get(reference, pure)
    }

    fn parse_flake_ref(&self, reference: &str) -> HostResult<FetchAttrs> {
        flake::parse_flake_ref(reference)
    }

    fn flake_ref_to_string(&self, attributes: &FetchAttrs) -> HostResult<String> {
        flake::flake_ref_to_string(attributes)
    }

    fn resolve_search_path_entry(&self, value: &str) -> HostResult<Option<Vec<u8>>> {
        if let Some(path) = host_fetch::search_path_url(&self.inputs, value)? {
            self.allow_path(&path);
            return Ok(Some(self.store.display(&path).into_bytes()));
        }
        let path = value.as_bytes();
        if self.path_exists(path)? {
            return Ok(Some(path.to_vec()));
        }
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.insert(value.to_owned()) {
            self.message(&format!("warning: Nix search path entry '{value}' does not exist, ignoring"));
        }
        Ok(None)
    }

    fn check_path(&self, path: &[u8]) -> HostResult<()> {
        let store = Path::new(self.store.store_dir().as_str());
        self.limits().0.check_path(path, store, &|name| self.is_ours(name))
    }

    fn allow_path(&self, path: &StorePath) {
        let name = OsString::from(path.base_name());
        self.ours.write().unwrap_or_else(PoisonError::into_inner).insert(name);
    }

    fn search_path(&self) -> Vec<(String, String)> {
        self.search_path.clone()
    }

    fn add_path(&self, mut request: AddPath<'_>) -> HostResult<StorePath> {
        let algorithm = request.expected.map_or(HashAlgorithm::Sha256, |hash| hash.algorithm());
        self.check_path(request.path)?;
        let source = self.physical(request.path);
        if self.file_type(request.path)?.is_none() {
            let path = String::from_utf8_lossy(request.path);
            return Err(HostError::new(format!("path '{path}' does not exist")));
        }
        if self.only_computes(request.path) {
            let path = self.files.add_path(request)?;
            self.allow_path(&path);
            return Ok(path);
        }
        let added = if request.ingestion == Ingestion::Nar {
            let filter = &mut request.filter;
            let mut keep = |path: &Path, kind: FileKind| {
                let kind = match kind {
                    FileKind::Regular => FileType::Regular,
                    FileKind::Directory => FileType::Directory,
                    FileKind::Symlink => FileType::Symlink,
                    FileKind::Unknown => FileType::Unknown,
                };
                let path = self.store.location().to_logical(path);
                match filter {
                    None => Ok(true),
                    Some(filter) => filter(path.as_os_str().as_bytes(), kind).map_err(Into::into),
                }
            };
            self.store.add_tree(request.name, &source, algorithm, &mut keep)
        } else {
            let content = self.files.read_file(&bytes(source))?;
            self.store.add_file(request.name, &content, false, request.ingestion, algorithm)
        };
        let added = added.map_err(|error| self.logical(host_error(error)))?;
        match request.expected {
            Some(expected) if expected != added.content_address.hash => {
                let path = String::from_utf8_lossy(request.path);
                let (specified, got) = (expected.to_sri(), added.content_address.hash.to_sri());
                Err(HostError::new(format!(
                    "hash mismatch for '{path}'\n  specified: {specified}\n  got:       {got}"
                )))
            }
            _ => {
                self.allow_path(&added.path);
                Ok(added.path)
            }
        }
    }

    fn add_text(&self, name: &str, text: &[u8], references: &[StorePath]) -> HostResult<StorePath> {
        let references: BTreeSet<StorePath> = references.iter().cloned().collect();
        let path = self.store.store_dir().make_text_path(name, text, &references).map_err(host_error)?;
        self.allow_path(&path);
        if self.is_read_only() {
            return Ok(path);
        }
        // At once: evaluation may read it.
        self.flush().map_err(host_error)?;
        self.store.add_text(name, text, &references).map_err(host_error)?;
        Ok(path)
    }

    fn write_derivation(&self, path: &StorePath, derivation: &Derivation, text: Vec<u8>) -> HostResult<()> {
        let mut pending = self.pending();
        if pending.derivations.contains_key(path) {
            return Ok(());
        }
        let outputs = derivation.output_paths(self.store.store_dir()).map_err(host_error)?;
        let index = pending.objects.len();
        pending.derivations.insert(path.clone(), index);
        pending.objects.push(TextObject {
            path: path.clone(),
            content: text,
            references: derivation.references(),
            derivation_outputs: outputs,
        });
        Ok(())
    }

    fn read_derivation(&self, path: &StorePath) -> HostResult<Derivation> {
        Ok(Derivation::clone(&*self.derivation(path).map_err(host_error)?))
    }

    fn realise(&self, elements: &[&ContextElement]) -> HostResult<BTreeMap<String, String>> {
        self.flush().map_err(host_error)?;
        for element in elements {
            let ContextElement::Opaque(path) = element else { continue };
            if self.is_read_only() && !self.store.is_valid(path).map_err(host_error)? {
                return Err(HostError::new(format!("path '{}' is not valid", self.store.display(path))));
            }
        }
        (self.realise)(elements)?;
        for element in elements {
            let ContextElement::Output { derivation, output } = element else { continue };
            let derivation = self.derivation(derivation).map_err(host_error)?;
            let outputs = derivation.output_paths(self.store.store_dir()).map_err(host_error)?;
            outputs.get(&**output).into_iter().for_each(|path| self.allow_path(path));
        }
        Ok(BTreeMap::new())
    }

    fn references(&self, path: &StorePath) -> HostResult<BTreeSet<StorePath>> {
        self.store.query_references(path).map_err(host_error)
    }

    fn run_program(&self, program: &[u8], arguments: &[&[u8]]) -> HostResult<Vec<u8>> {
        let program = bytes(self.physical(program));
        self.files.run_program(&program, arguments).map_err(|error| self.logical(error))
    }

    fn ensure_path(&self, path: &StorePath) -> HostResult<()> {
        if self.is_read_only() {
            return Ok(());
        }
        self.flush().map_err(host_error)?;
        (self.realise)(&[&ContextElement::Opaque(path.clone())])
    }

    fn message(&self, text: &str) {
        self.events.event(Event::Said(&text));
    }
}
