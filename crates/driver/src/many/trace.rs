//! A host that notes what evaluation asked for: its inputs, with what they were.
//!
//! An input is a question and a digest of the answer. Whoever asks the same question
//! again and gets an answer with the same digest knows that evaluation would go the
//! same way. Of files there is a stamp as well: size, times and number. A file with
//! the stamp that it had is not read again to compare it.
//!
//! A stamp is worth something only if a change of the file after it was read must
//! change the stamp. Times have a granularity: what was changed just before it was
//! read has no stamp, and is compared by its contents.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use saltire_eval::{
    AddPath, ContextElement, Dependency, DependencyLog, FetchAttrs, FetchKind, FetchValue, Fetched, FileType,
    FlakeCall, Host, HostResult, TreeKey,
};
use saltire_store_model::{Derivation, HashAlgorithm, Hasher, StoreDir, StorePath};

use crate::host::StoreHost;

/// The start of a SHA-256.
pub(super) type Digest = [u8; 16];

/// Words of a stamp: device, number, size, mode, times of change of contents and of
/// metadata in nanoseconds since 1970.
pub(super) const STAMP_WORDS: usize = 6;
pub(super) type Stamp = [u64; STAMP_WORDS];

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    /// The contents of a file.
    File,
    /// The names in a directory, with their types.
    Directory,
    /// What sort of file there is.
    Type,
    /// Where a path leads when all links are followed.
    Resolved,
    /// A file, link or directory that went into a source: what of it is in a NAR.
    Node,
    /// An environment variable.
    Variable,
    /// Something that can't be asked again: the time, say.
    Unknown,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::File, Self::Directory, Self::Type, Self::Resolved, Self::Node, Self::Variable, Self::Unknown];

    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub kind: Kind,
    /// A path, the name of a variable, or what can't be asked again.
    pub name: Box<[u8]>,
    pub digest: Digest,
    pub stamp: Option<Stamp>,
}

/// Files of a source that are larger than this, in bytes, are compared by their
/// stamps only.
const LARGE: u64 = 16 << 20;

/// Times of file systems are at most this coarse, in nanoseconds, if they have parts
/// of a second at all; else this.
const FINE: u64 = 50_000_000;
const COARSE: u64 = 2_100_000_000;

fn digest(tag: u8, parts: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::new(HashAlgorithm::Sha256);
    hasher.update(&[tag]);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finish().as_bytes()[..16].try_into().unwrap_or_default()
}

fn digest_of<T>(result: &HostResult<T>, parts: impl FnOnce(&T) -> Digest) -> Digest {
    match result {
        Ok(answer) => parts(answer),
        Err(error) => digest(1, &[error.message.as_bytes()]),
    }
}

fn of_file(result: &HostResult<Arc<[u8]>>) -> Digest {
    digest_of(result, |content| digest(0, &[content]))
}

fn of_directory(result: &HostResult<Vec<(Vec<u8>, FileType)>>) -> Digest {
    digest_of(result, |entries| {
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let parts = sorted.iter().flat_map(|entry| [entry.0.as_slice(), entry.1.name().as_bytes()]);
        digest(0, &parts.collect::<Vec<_>>())
    })
}

fn of_type(result: &HostResult<Option<FileType>>) -> Digest {
    digest_of(result, |kind| digest(0, &[kind.map_or("", FileType::name).as_bytes()]))
}

fn of_path(result: &HostResult<Vec<u8>>) -> Digest {
    digest_of(result, |path| digest(0, &[path]))
}

fn of_variable(value: Option<&str>) -> Digest {
    value.map_or_else(|| digest(2, &[]), |value| digest(0, &[value.as_bytes()]))
}

fn words(metadata: &Metadata) -> Stamp {
    let time = |seconds: i64, part: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(part) as u64;
    [
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        u64::from(metadata.mode()),
        time(metadata.mtime(), metadata.mtime_nsec()),
        time(metadata.ctime(), metadata.ctime_nsec()),
    ]
}

/// The stamp, if a change from now on would change it.
fn trusted(stamp: Stamp) -> Option<Stamp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_nanos() as u64;
    let changed = stamp[4].max(stamp[5]);
    let granularity = if stamp[5].is_multiple_of(1_000_000_000) { COARSE } else { FINE };
    (now.checked_sub(changed)? > granularity).then_some(stamp)
}

fn stamp(path: &Path, follow: bool) -> Option<Stamp> {
    let metadata = if follow { std::fs::metadata(path) } else { std::fs::symlink_metadata(path) };
    metadata.ok().map(|metadata| words(&metadata))
}

/// What of a file is in a NAR: the names in a directory, the target of a link, the
/// contents of a file and whether it is executable.
fn of_node(path: &Path) -> Digest {
    let read = || -> std::io::Result<Digest> {
        let metadata = std::fs::symlink_metadata(path)?;
        if metadata.is_symlink() {
            return Ok(digest(3, &[std::fs::read_link(path)?.as_os_str().as_bytes()]));
        }
        if metadata.is_dir() {
            let mut entries = Vec::new();
            for entry in std::fs::read_dir(path)? {
                let entry = entry?;
                entries.push((entry.file_name().as_bytes().to_vec(), entry.file_type()?.into()));
            }
            return Ok(of_directory(&Ok(entries)));
        }
        let executable = [u8::from(metadata.mode() & 0o100 != 0)];
        if metadata.size() > LARGE {
            let stamp: Vec<u8> = words(&metadata).iter().flat_map(|word| word.to_le_bytes()).collect();
            return Ok(digest(4, &[&stamp, &executable]));
        }
        Ok(digest(5, &[&std::fs::read(path)?, &executable]))
    };
    read().unwrap_or_else(|error| digest(1, &[error.kind().to_string().as_bytes()]))
}

/// What evaluation asked for so far.
#[derive(Default)]
struct Log {
    /// The numbers of inputs; none while the first answer is awaited.
    known: HashMap<(Kind, Box<[u8]>), u32>,
    inputs: Vec<Input>,
    messages: Vec<String>,
}

/// Evaluation's host in a process that evaluates many attributes.
pub(super) struct TracingHost {
    inner: Arc<StoreHost>,
    log: Mutex<Log>,
    /// What results depend on, by the numbers of inputs.
    pub dependencies: &'static DependencyLog,
    /// When evaluation began: the only time that it sees.
    time: OnceLock<Option<i64>>,
    /// In a worker: ends it, since only the first process can go on here.
    give_up: Mutex<Option<Box<dyn Fn() + Send>>>,
    is_worker: AtomicBool,
}

impl TracingHost {
    pub fn new(inner: Arc<StoreHost>) -> Self {
        Self {
            inner,
            log: Mutex::default(),
            // Evaluators refer to it as to everything that they make.
            dependencies: Box::leak(Box::default()),
            time: OnceLock::new(),
            give_up: Mutex::new(None),
            is_worker: AtomicBool::new(false),
        }
    }

    /// Shows what another process said.
    pub fn show(&self, text: &str) {
        self.inner.message(text);
    }

    /// From now on this is a worker, and `give_up` ends it.
    pub fn become_worker(&self, give_up: Box<dyn Fn() + Send>) {
        *self.give_up.lock().unwrap_or_else(PoisonError::into_inner) = Some(give_up);
        self.is_worker.store(true, Ordering::Relaxed);
    }

    /// What follows needs the store or the network: not in a worker.
    fn needs_first_process(&self) {
        if self.is_worker.load(Ordering::Relaxed)
            && let Some(give_up) = &*self.give_up.lock().unwrap_or_else(PoisonError::into_inner)
        {
            give_up();
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many inputs and messages there are so far.
    pub fn counts(&self) -> (usize, usize) {
        let log = self.log();
        (log.inputs.len(), log.messages.len())
    }

    /// The inputs and messages from some on.
    pub fn since(&self, counts: (usize, usize)) -> (Vec<Input>, Vec<String>) {
        let log = self.log();
        (log.inputs[counts.0..].to_vec(), log.messages[counts.1..].to_vec())
    }

    /// Whether something was not asked for before; if it was, its use is noted.
    fn is_new(&self, kind: Kind, name: &[u8]) -> bool {
        let known = self.log().known.get(&(kind, name.into())).copied();
        if let Some(number) = known {
            self.dependencies.note(Dependency::input(number));
        }
        known.is_none()
    }

    fn note(&self, kind: Kind, name: &[u8], digest: Digest, stamp: Option<Stamp>) {
        let mut log = self.log();
        let number = log.inputs.len() as u32;
        log.known.insert((kind, name.into()), number);
        log.inputs.push(Input { kind, name: name.into(), digest, stamp });
        drop(log);
        self.dependencies.note(Dependency::input(number));
    }

    fn note_unknown(&self, name: &str) {
        if self.is_new(Kind::Unknown, name.as_bytes()) {
            self.note(Kind::Unknown, name.as_bytes(), [0; 16], None);
        }
    }

    /// Asks and notes the answer, the first time.
    fn noted<T>(
        &self,
        kind: Kind,
        path: &[u8],
        ask: impl FnOnce() -> HostResult<T>,
        digest: impl FnOnce(&HostResult<T>) -> Digest,
    ) -> HostResult<T> {
        if !self.is_new(kind, path) {
            return ask();
        }
        // The stamp comes first: what changes in between has another one then.
        let stamp = match kind {
            Kind::File | Kind::Directory => stamp(&self.inner.physical(path), true).and_then(trusted),
            _ => None,
        };
        let answer = ask();
        let digest = digest(&answer);
        self.note(kind, path, digest, stamp.filter(|_| answer.is_ok()));
        answer
    }

    /// Whether an input is as it was; a stamp that it can have from now on.
    pub fn check(&self, input: &Input) -> (bool, Option<Stamp>) {
        let name = &*input.name;
        let physical = || self.inner.physical(name);
        let now = match input.kind {
            Kind::File | Kind::Directory => stamp(&physical(), true),
            Kind::Node => stamp(&physical(), false),
            _ => None,
        };
        if input.stamp.is_some() && now == input.stamp {
            return (true, input.stamp);
        }
        let digest = match input.kind {
            Kind::File => of_file(&self.inner.read_file(name)),
            Kind::Directory => of_directory(&self.inner.read_dir(name)),
            Kind::Type => of_type(&self.inner.file_type(name)),
            Kind::Resolved => of_path(&self.inner.resolve_symlinks(name)),
            Kind::Node => of_node(&physical()),
            Kind::Variable => {
                let name = String::from_utf8_lossy(name);
                of_variable(self.inner.environment_variable(&name).as_deref())
            }
            Kind::Unknown => return (false, None),
        };
        (digest == input.digest, now.and_then(trusted))
    }

    /// Adds to the log what went into a source: each file with its stamp from before.
    fn note_nodes(&self, nodes: Vec<(Vec<u8>, Option<Stamp>)>) {
        for (path, before) in nodes {
            if !self.is_new(Kind::Node, &path) {
                continue;
            }
            let physical = self.inner.physical(&path);
            let node = of_node(&physical);
            let stamp = before.and_then(trusted);
            // What was read twice must have been the same both times.
            if stamp.is_none() || self::stamp(&physical, false) != stamp {
                self.note_unknown(&format!("changing file {}", String::from_utf8_lossy(&path)));
            }
            self.note(Kind::Node, &path, node, stamp);
        }
    }
}

/// Whether a request always gives the same, because it says the hash of the result.
fn is_pinned(request: &FetchAttrs) -> bool {
    let says = |name: &str| matches!(request.get(name), Some(FetchValue::String(hash)) if !hash.is_empty());
    says("sha256") || says("narHash")
}

impl Host for TracingHost {
    fn store_dir(&self) -> &StoreDir {
        self.inner.store_dir()
    }

    fn read_file(&self, path: &[u8]) -> HostResult<Arc<[u8]>> {
        self.noted(Kind::File, path, || self.inner.read_file(path), of_file)
    }

    fn read_dir(&self, path: &[u8]) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        self.noted(Kind::Directory, path, || self.inner.read_dir(path), of_directory)
    }

    fn file_type(&self, path: &[u8]) -> HostResult<Option<FileType>> {
        self.noted(Kind::Type, path, || self.inner.file_type(path), of_type)
    }

    fn resolve_symlinks(&self, path: &[u8]) -> HostResult<Vec<u8>> {
        self.noted(Kind::Resolved, path, || self.inner.resolve_symlinks(path), of_path)
    }

    fn kept_tree(&self, key: &TreeKey) -> Option<Vec<u8>> {
        self.inner.kept_tree(key)
    }

    fn keep_tree(&self, key: TreeKey, tree: &[u8]) {
        self.inner.keep_tree(key, tree);
    }

    fn current_system(&self) -> Option<String> {
        self.inner.current_system()
    }

    fn current_time(&self) -> Option<i64> {
        self.note_unknown("current time");
        *self.time.get_or_init(|| self.inner.current_time())
    }

    fn environment_variable(&self, name: &str) -> Option<String> {
        let value = self.inner.environment_variable(name);
        if self.is_new(Kind::Variable, name.as_bytes()) {
            self.note(Kind::Variable, name.as_bytes(), of_variable(value.as_deref()), None);
        }
        value
    }

    fn search_path(&self) -> Vec<(String, String)> {
        self.inner.search_path()
    }

    fn resolve_search_path_entry(&self, value: &str) -> HostResult<Option<Vec<u8>>> {
        if value.contains(':') {
            // Perhaps the address of something to fetch.
            self.needs_first_process();
            self.note_unknown("search path");
            return self.inner.resolve_search_path_entry(value);
        }
        let path = value.as_bytes();
        Ok(self.path_exists(path)?.then(|| path.to_vec()))
    }

    fn add_path(&self, request: AddPath<'_>) -> HostResult<StorePath> {
        if !self.inner.only_computes(request.path) {
            self.needs_first_process();
        }
        let physical = |path: &[u8]| stamp(&self.inner.physical(path), false);
        let mut nodes = vec![(request.path.to_vec(), physical(request.path))];
        let mut filter = request.filter;
        let mut keep = |path: &[u8], kind: FileType| {
            let kept = filter.as_mut().map_or(Ok(true), |filter| filter(path, kind))?;
            if kept {
                nodes.push((path.to_vec(), physical(path)));
            }
            Ok(kept)
        };
        let added = self.inner.add_path(AddPath { filter: Some(&mut keep), ..request });
        self.note_nodes(nodes);
        added
    }

    fn add_text(&self, name: &str, text: &[u8], references: &[StorePath]) -> HostResult<StorePath> {
        if !self.inner.is_read_only() {
            self.needs_first_process();
        }
        self.inner.add_text(name, text, references)
    }

    fn write_derivation(&self, path: &StorePath, derivation: &Derivation, text: Vec<u8>) -> HostResult<()> {
        // What a worker makes goes with it. If somebody reads it, the first process
        // evaluates the item.
        if self.is_worker.load(Ordering::Relaxed) && self.inner.is_read_only() {
            return Ok(());
        }
        self.inner.write_derivation(path, derivation, text)
    }

    fn read_derivation(&self, path: &StorePath) -> HostResult<Derivation> {
        if !self.inner.has_made(path) {
            self.needs_first_process();
        }
        self.inner.read_derivation(path)
    }

    fn realise(&self, elements: &[&ContextElement]) -> HostResult<BTreeMap<String, String>> {
        self.needs_first_process();
        self.inner.realise(elements)
    }

    fn run_program(&self, program: &[u8], arguments: &[&[u8]]) -> HostResult<Vec<u8>> {
        self.needs_first_process();
        self.note_unknown("program");
        self.inner.run_program(program, arguments)
    }

    fn ensure_path(&self, path: &StorePath) -> HostResult<()> {
        self.needs_first_process();
        self.note_unknown("store");
        self.inner.ensure_path(path)
    }

    fn references(&self, path: &StorePath) -> HostResult<BTreeSet<StorePath>> {
        self.needs_first_process();
        self.note_unknown("store");
        self.inner.references(path)
    }

    fn fetch(&self, kind: FetchKind, request: &FetchAttrs) -> HostResult<Fetched> {
        self.needs_first_process();
        if !is_pinned(request) {
            self.note_unknown("fetched input");
        }
        self.inner.fetch(kind, request)
    }

    fn flake(&self, reference: &str, pure: bool) -> HostResult<FlakeCall> {
        self.needs_first_process();
        self.note_unknown("flake");
        self.inner.flake(reference, pure)
    }

    fn parse_flake_ref(&self, reference: &str) -> HostResult<FetchAttrs> {
        self.inner.parse_flake_ref(reference)
    }

    fn flake_ref_to_string(&self, attributes: &FetchAttrs) -> HostResult<String> {
        self.inner.flake_ref_to_string(attributes)
    }

    fn check_path(&self, path: &[u8]) -> HostResult<()> {
        self.inner.check_path(path)
    }

    fn allow_path(&self, path: &StorePath) {
        self.inner.allow_path(path);
    }

    fn message(&self, text: &str) {
        if !self.is_worker.load(Ordering::Relaxed) {
            self.inner.message(text);
        }
        self.log().messages.push(text.to_owned());
    }
}
