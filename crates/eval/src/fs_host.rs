//! A host on the real file system that computes store paths and writes nothing.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use saltire_store_model::nar::{self, FileKind};
use saltire_store_model::{Derivation, Hash, HashAlgorithm, Ingestion, References, StoreDir, StorePath};

use crate::context::ContextElement;
use crate::host::{AddPath, FileType, Host, HostError, HostResult};
use crate::tree_cache::{FileStamp, TreeCache, TreeKey};

/// Evaluates from the real file system against a store that isn't there: the
/// paths of sources and derivations are computed, derivations are kept in memory.
#[derive(Default)]
pub struct FsHost {
    store: StoreDir,
    system: Option<String>,
    search_path: Vec<(String, String)>,
    /// The texts of derivations.
    derivations: Mutex<HashMap<StorePath, Arc<[u8]>>>,
    links: Mutex<foldhash::HashMap<Vec<u8>, bool>>,
    trees: Option<Arc<TreeCache>>,
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn io_error(action: &str, path: &[u8], error: &io::Error) -> HostError {
    let path = String::from_utf8_lossy(path);
    if error.kind() == io::ErrorKind::NotFound {
        return HostError::new(format!("path '{path}' does not exist"));
    }
    HostError::new(match error.kind() {
        io::ErrorKind::IsADirectory => format!("file '{path}' is not a regular file"),
        io::ErrorKind::NotADirectory => format!("'{path}' is not a directory"),
        _ => {
            // The number says nothing to users.
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            format!("{action} '{path}': {text}")
        }
    })
}

/// The most bytes that are read of what is no regular file and may have no end.
const MOST_OF_STREAM: u64 = 256 << 20;

/// The contents of a file that is small enough for a string.
fn read_bounded(path: &[u8]) -> HostResult<Vec<u8>> {
    let failed = |error: io::Error| io_error("reading file", path, &error);
    let file = std::fs::File::open(path_of(path)).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let most = if metadata.is_file() { crate::string::MAX_LEN as u64 } else { MOST_OF_STREAM };
    let mut content = Vec::new();
    // Files of the kernel say that they have no bytes, and have some.
    let expected = usize::try_from(metadata.len().min(most)).unwrap_or_default();
    content.try_reserve_exact(expected + 1).map_err(|_| failed(io::ErrorKind::OutOfMemory.into()))?;
    file.take(most + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > most {
        let path = String::from_utf8_lossy(path);
        return Err(HostError::new(format!("file '{path}' has more than {most} bytes, which is too large")));
    }
    Ok(content)
}

/// What a program writes to its standard output; its other output goes where ours goes.
fn output_of(program: &[u8], arguments: &[&[u8]]) -> HostResult<Vec<u8>> {
    let name = String::from_utf8_lossy(program).into_owned();
    let output = Command::new(OsStr::from_bytes(program))
        .args(arguments.iter().map(|argument| OsStr::from_bytes(argument)))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| io_error("executing", program, &error))?;
    let how = match (output.status.code(), output.status.signal()) {
        (Some(0), _) => return Ok(output.stdout),
        (Some(code), _) => format!("with exit code {code}"),
        (None, signal) => format!("due to signal {}", signal.unwrap_or_default()),
    };
    Err(HostError::new(format!("program \"{name}\" failed {how}")))
}

impl From<std::fs::FileType> for FileType {
    fn from(file_type: std::fs::FileType) -> Self {
        if file_type.is_symlink() {
            Self::Symlink
        } else if file_type.is_dir() {
            Self::Directory
        } else if file_type.is_file() {
            Self::Regular
        } else {
            Self::Unknown
        }
    }
}

impl FsHost {
    /// A host for evaluation on a system such as `x86_64-linux`.
    pub fn new(system: impl Into<String>) -> Self {
        Self { system: Some(system.into()), ..Self::default() }
    }

    /// With entries of the search path: prefix (perhaps empty) and path.
    #[must_use]
    pub fn with_search_path(mut self, entries: Vec<(String, String)>) -> Self {
        self.search_path = entries;
        self
    }

    /// With a cache of parsed files, which the caller flushes.
    #[must_use]
    pub fn with_tree_cache(mut self, trees: Arc<TreeCache>) -> Self {
        self.trees = Some(trees);
        self
    }

    /// Number of derivations made so far.
    pub fn derivation_count(&self) -> usize {
        self.derivations.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The derivations made so far, as texts of `.drv` files.
    pub fn derivations(&self) -> Vec<(StorePath, Arc<[u8]>)> {
        let all = self.derivations.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(path, derivation)| (path.clone(), Arc::clone(derivation))).collect()
    }

    /// Whether a component of the path is a link; remembered for directories.
    fn is_link(&self, path: &[u8]) -> io::Result<bool> {
        let known = |links: &foldhash::HashMap<Vec<u8>, bool>| links.get(path).copied();
        if let Some(known) = known(&self.links.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(known);
        }
        let is_link = std::fs::symlink_metadata(path_of(path))?.is_symlink();
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.insert(path.to_vec(), is_link);
        Ok(is_link)
    }

    /// The hash of what is to be added.
    fn hash(&self, request: &mut AddPath<'_>, algorithm: HashAlgorithm) -> HostResult<Hash> {
        let path = path_of(request.path);
        if request.ingestion == Ingestion::Flat {
            let content = read_bounded(request.path)?;
            return Ok(algorithm.hash(content));
        }
        let filter = &mut request.filter;
        let mut keep = |path: &Path, kind: FileKind| match filter {
            None => Ok(true),
            Some(filter) => {
                let file_type = match kind {
                    FileKind::Regular => FileType::Regular,
                    FileKind::Directory => FileType::Directory,
                    FileKind::Symlink => FileType::Symlink,
                    FileKind::Unknown => FileType::Unknown,
                };
                filter(path.as_os_str().as_bytes(), file_type).map_err(Into::into)
            }
        };
        if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(HostError::new(format!("path '{}' does not exist", path.display())));
        }
        let measured = nar::measure_tree(path, algorithm, &mut keep);
        measured.map(|(hash, _)| hash).map_err(|error| HostError::new(error.to_string()))
    }
}

impl Host for FsHost {
    fn store_dir(&self) -> &StoreDir {
        &self.store
    }

    fn read_file(&self, path: &[u8]) -> HostResult<Arc<[u8]>> {
        Ok(read_bounded(path)?.into())
    }

    fn read_dir(&self, path: &[u8]) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        let error = |e: io::Error| io_error("reading directory", path, &e);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path_of(path)).map_err(error)? {
            let entry = entry.map_err(error)?;
            entries.push((entry.file_name().into_vec(), entry.file_type().map_err(error)?.into()));
        }
        Ok(entries)
    }

    fn file_type(&self, path: &[u8]) -> HostResult<Option<FileType>> {
        match std::fs::symlink_metadata(path_of(path)) {
            Ok(metadata) => Ok(Some(metadata.file_type().into())),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(io_error("getting status of", path, &e)),
        }
    }

    fn resolve_symlinks(&self, path: &[u8]) -> HostResult<Vec<u8>> {
        let mut end = 0;
        while end < path.len() {
            end = path[end + 1..].iter().position(|b| *b == b'/').map_or(path.len(), |i| end + 1 + i);
            let is_link = path.len() > 1
                && self.is_link(&path[..end]).map_err(|e| io_error("getting status of", path, &e))?;
            if is_link {
                let resolved = std::fs::canonicalize(path_of(path));
                let resolved = resolved.map_err(|e| io_error("resolving", path, &e))?;
                return Ok(resolved.into_os_string().into_vec());
            }
        }
        Ok(path.to_vec())
    }

    fn file_stamp(&self, path: &[u8]) -> Option<FileStamp> {
        self.trees.as_ref()?;
        FileStamp::of(&std::fs::symlink_metadata(path_of(path)).ok()?)
    }

    fn link_tree(&self, from: TreeKey, to: TreeKey) {
        if let Some(trees) = &self.trees {
            trees.link(from, to);
        }
    }

    fn kept_tree(&self, key: &TreeKey) -> Option<Vec<u8>> {
        self.trees.as_ref()?.get(key)
    }

    fn keep_tree(&self, key: TreeKey, tree: &[u8]) {
        if let Some(trees) = &self.trees {
            trees.put(key, tree);
        }
    }

    fn current_system(&self) -> Option<String> {
        self.system.clone()
    }

    fn environment_variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn search_path(&self) -> Vec<(String, String)> {
        self.search_path.clone()
    }

    fn add_path(&self, mut request: AddPath<'_>) -> HostResult<StorePath> {
        let algorithm = request.expected.map_or(HashAlgorithm::Sha256, |hash| hash.algorithm());
        let hash = self.hash(&mut request, algorithm)?;
        if let Some(expected) = request.expected
            && expected != hash
        {
            let path = String::from_utf8_lossy(request.path);
            let message = format!("hash mismatch for '{path}': expected '{expected}', got '{hash}'");
            return Err(HostError::new(message));
        }
        let path = self.store.make_fixed_path(request.name, request.ingestion, &hash, &References::default());
        path.map_err(|error| HostError::new(error.to_string()))
    }

    fn write_derivation(&self, path: &StorePath, _: &Derivation, text: Vec<u8>) -> HostResult<()> {
        let mut all = self.derivations.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(path.clone(), text.into());
        Ok(())
    }

    fn read_derivation(&self, path: &StorePath) -> HostResult<Derivation> {
        let known = self.derivations.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        match known {
            Some(text) => {
                let name = path.derivation_name().unwrap_or(path.name());
                let derivation = Derivation::parse(&self.store, name, &text);
                derivation.map_err(|error| HostError::new(error.to_string()))
            }
            None => Err(HostError::new(format!("there is no derivation '{}'", self.store.display(path)))),
        }
    }

    fn run_program(&self, program: &[u8], arguments: &[&[u8]]) -> HostResult<Vec<u8>> {
        output_of(program, arguments)
    }

    fn realise(&self, elements: &[&ContextElement]) -> HostResult<BTreeMap<String, String>> {
        let Some(element) = elements.first() else { return Ok(BTreeMap::new()) };
        let (ContextElement::Opaque(path)
        | ContextElement::DerivationDeep(path)
        | ContextElement::Output { derivation: path, .. }) = element;
        Err(HostError::new(format!("path '{}' is not valid", self.store.display(path))))
    }
}
