//! A session's store for clients on other machines.

use crate::error::Error;
use crate::graph::{Loaded, Wanted as Realised, facts};
use crate::session::Session;
use crate::settings::Settings;
use saltire_build::{BuildError, Event, Events, StepId, StepKind};
use saltire_plan::{Graph, Input, Known, Method, Plan, Via};
use saltire_remote::{
    Backend, BackendError, BuildMode, BuildOptions, BuildResult, BuildStatus, Field, Message, Missing,
    Speaker, Wanted,
};
use saltire_store::StoreError;
use saltire_store_model::{
    ContentAddress, Derivation, Hash, HashAlgorithm, Hasher, Ingestion, PathInfo, References, StoreDir,
    StorePath,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a client may be told of at most, in bytes, before it goes to a file.
const IN_MEMORY: usize = 1 << 20;

/// A store that is served to one client.
pub struct ServedStore {
    settings: Settings,
    events: Arc<dyn Events>,
    cancelled: Arc<AtomicBool>,
    /// The last one is in use; the others hold what they keep from the collector.
    sessions: Mutex<Vec<Arc<Session>>>,
    store_dir: StoreDir,
}

impl ServedStore {
    /// Opens the store that the settings say. What happens is told to `events`; it all
    /// ends when `cancelled` becomes true.
    pub fn open(
        settings: Settings,
        events: Arc<dyn Events>,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Self, Error> {
        let session = Session::open(settings.clone(), Arc::clone(&events), Arc::clone(&cancelled))?;
        let store_dir = session.store().store_dir().clone();
        Ok(Self { settings, events, cancelled, sessions: Mutex::new(vec![session]), store_dir })
    }

    fn session(&self) -> Arc<Session> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&sessions[sessions.len() - 1])
    }
}

/// Tells a client what happens, by the worker protocol.
pub struct ToClient {
    /// The way to the client.
    pub speaker: Arc<Speaker>,
}

impl ToClient {
    /// Activities have numbers above 0.
    fn id(step: StepId) -> u64 {
        step.0 as u64 + 1
    }
}

impl Events for ToClient {
    fn event(&self, event: Event<'_>) {
        const FOR_USERS: u64 = 3;
        let message = match event {
            Event::Started { step, kind: StepKind::Build, name, .. } => Message::Started {
                id: Self::id(step),
                level: FOR_USERS,
                kind: Message::BUILD,
                text: format!("building '{name}'"),
                fields: vec![
                    Field::Text(name.to_owned()),
                    Field::Text(String::new()),
                    Field::Number(1),
                    Field::Number(1),
                ],
                parent: 0,
            },
            Event::Output { step, line, .. } => Message::Result {
                id: Self::id(step),
                kind: Message::LOG_LINE,
                fields: vec![Field::Text(String::from_utf8_lossy(line).into_owned())],
            },
            Event::Finished { step, .. } => Message::Stopped(Self::id(step)),
            Event::Note(text) | Event::Said(text) => Message::Line(format!("{text}\n").into_bytes()),
            Event::Warning(text) => Message::Line(format!("warning: {text}\n").into_bytes()),
            Event::Started { .. } | Event::Planned { .. } | Event::Received { .. } => return,
        };
        self.speaker.say(&message);
    }
}

impl Backend for ServedStore {
    fn store_dir(&self) -> &StoreDir {
        &self.store_dir
    }

    fn version(&self) -> &str {
        saltire_eval::NIX_VERSION
    }

    fn set_options(&self, options: &BuildOptions) {
        let mut settings = self.settings.clone();
        let time = |seconds| Some(Duration::from_secs(seconds)).filter(|time| !time.is_zero());
        settings.timeout = time(options.timeout).or(settings.timeout);
        settings.max_silence = time(options.max_silence).or(settings.max_silence);
        settings.keep_failed |= options.keep_failed;
        settings.keep_going |= options.keep_going;
        if let Ok(cores @ 1..) = usize::try_from(options.cores) {
            settings.cores = cores;
        }
        if let Ok(jobs @ 1..) = usize::try_from(options.jobs) {
            settings.jobs = jobs;
        }
        // With the settings as they were, the store opens as it did.
        if let Ok(session) = Session::open(settings, Arc::clone(&self.events), Arc::clone(&self.cancelled)) {
            self.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }

    fn query_valid(
        &self,
        paths: &BTreeSet<StorePath>,
        substitute: bool,
    ) -> Result<BTreeSet<StorePath>, BackendError> {
        let session = self.session();
        let store = session.store();
        store.add_temp_roots(paths)?;
        let valid = store.query_valid(paths)?;
        if substitute {
            let missing: Vec<StorePath> = paths.difference(&valid).cloned().collect();
            let offered = session.query_substitutes(&missing);
            for path in missing.iter().filter(|path| offered.contains_key(&store.display(path))) {
                // Who asks copies what can't be had.
                let _ = session.substitute(std::slice::from_ref(path));
            }
            return Ok(store.query_valid(paths)?);
        }
        Ok(valid)
    }

    fn path_info(&self, path: &StorePath) -> Result<Option<PathInfo>, BackendError> {
        let session = self.session();
        session.store().add_temp_root(path)?;
        Ok(session.store().query_path_info(path)?)
    }

    fn all_paths(&self) -> Result<BTreeSet<StorePath>, BackendError> {
        Ok(self.session().store().query_all_valid_paths()?)
    }

    fn referrers(&self, path: &StorePath) -> Result<BTreeSet<StorePath>, BackendError> {
        Ok(self.session().store().query_referrers(path)?)
    }

    fn derivers(&self, path: &StorePath) -> Result<BTreeSet<StorePath>, BackendError> {
        Ok(self.session().store().query_valid_derivers(path)?)
    }

    fn path_from_hash_part(&self, hash_part: &str) -> Result<Option<StorePath>, BackendError> {
        Ok(self.session().store().query_path_from_hash_part(hash_part)?)
    }

    fn outputs(&self, derivation: &StorePath) -> Result<BTreeMap<String, StorePath>, BackendError> {
        Ok(self.session().store().query_derivation_outputs(derivation)?)
    }

    fn closure(&self, paths: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, BackendError> {
        Ok(self.session().store().query_closure(paths)?)
    }

    fn substitutable(&self, paths: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, BackendError> {
        let session = self.session();
        let all: Vec<StorePath> = paths.iter().cloned().collect();
        let offered = session.query_substitutes(&all);
        Ok(all.into_iter().filter(|path| offered.contains_key(&session.store().display(path))).collect())
    }

    fn missing(&self, wanted: &[Wanted]) -> Result<Missing, BackendError> {
        let session = self.session();
        let (mut missing, mut from_caches, mut realised) = (Missing::default(), Vec::new(), Vec::new());
        for one in wanted {
            match one {
                Wanted::Path(path) if session.store().is_valid(path)? => {}
                Wanted::Path(path) => from_caches.push(path.clone()),
                Wanted::Outputs(derivation, _) if !session.store().is_valid(derivation)? => {
                    missing.unknown.insert(derivation.clone());
                }
                Wanted::Outputs(derivation, outputs) => {
                    realised.push(Realised { derivation: derivation.clone(), outputs: outputs.clone() });
                }
            }
        }
        for step in session.plan(&realised, Via::Auto)?.steps {
            let derivation = session.parse(&step.derivation)?;
            match step.method {
                Method::Substitute => {
                    from_caches.extend(session.store().query_derivation_outputs(&derivation)?.into_values());
                }
                _ => drop(missing.build.insert(derivation)),
            }
        }
        let offered = session.query_substitutes(&from_caches);
        let has = |path: &StorePath| offered.contains_key(&session.store().display(path));
        let (found, unknown): (Vec<_>, Vec<_>) = from_caches.into_iter().partition(has);
        missing.unknown.extend(unknown);
        for (path, download, size) in session.substitution_of(&found)? {
            missing.substitute.insert(path);
            missing.download_size += download;
            missing.nar_size += size;
        }
        Ok(missing)
    }

    fn add_temp_root(&self, path: &StorePath) -> Result<(), BackendError> {
        Ok(self.session().store().add_temp_root(path)?)
    }

    fn add_nar(
        &self,
        info: &PathInfo,
        check_signatures: bool,
        nar: &mut dyn Read,
    ) -> Result<(), BackendError> {
        let session = self.session();
        let store = session.store();
        let checks = check_signatures && session.settings.caches.require_signatures;
        if checks && !store.is_valid(&info.path)? {
            let keys = session.trusted_keys()?;
            if !crate::binary_cache::is_vouched(info, &keys, store.store_dir()) {
                let path = store.display(&info.path);
                return Err(format!(
                    "cannot add path '{path}' because it lacks a signature by a trusted key"
                )
                .into());
            }
        }
        let info = PathInfo { ultimate: false, registration_time: 0, ..info.clone() };
        Ok(store.add_nar(&info, nar)?)
    }

    fn add_content(
        &self,
        name: &str,
        ingestion: Ingestion,
        algorithm: HashAlgorithm,
        references: &BTreeSet<StorePath>,
        content: &mut dyn Read,
    ) -> Result<PathInfo, BackendError> {
        let session = self.session();
        let store = session.store();
        let mut file = tempfile::SpooledTempFile::new(IN_MEMORY);
        let mut hasher = Hasher::new(algorithm);
        let size = copy_hashing(content, &mut file, &mut hasher)?;
        file.seek(SeekFrom::Start(0))?;
        let address = ContentAddress { ingestion, hash: hasher.finish() };
        let own = References { others: references.clone(), to_self: false };
        let path = store.store_dir().make_content_addressed_path(name, &address, &own)?;
        if let Some(info) = store.query_path_info(&path)? {
            return Ok(info);
        }
        let info = |hash: Hash, size: u64| {
            let mut info = PathInfo::new(path.clone(), hash, size);
            info.references.clone_from(references);
            info.content_address = Some(address);
            info
        };
        if ingestion == Ingestion::Nar {
            let mut hasher = Hasher::new(HashAlgorithm::Sha256);
            copy_hashing(&mut file, &mut io::sink(), &mut hasher)?;
            file.seek(SeekFrom::Start(0))?;
            store.add_nar(&info(hasher.finish(), size), &mut file)?;
        } else {
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            let nar = saltire_store_model::nar::nar_of_file(&text, false);
            store.add_nar(&info(Hash::sha256(&nar), nar.len() as u64), &mut nar.as_slice())?;
        }
        Ok(store.path_info(&path)?)
    }

    fn add_signatures(&self, path: &StorePath, signatures: &BTreeSet<String>) -> Result<(), BackendError> {
        let session = self.session();
        let mut all = session.store().path_info(path)?.signatures;
        all.extend(signatures.iter().cloned());
        Ok(session.store().set_signatures(path, &all)?)
    }

    fn add_log(&self, derivation: &StorePath, log: &mut dyn Read) -> Result<(), BackendError> {
        let session = self.session();
        let mut text = Vec::new();
        log.read_to_end(&mut text)?;
        Ok(session.store().add_log(derivation, &text)?)
    }

    fn write_nar(&self, path: &StorePath, output: &mut dyn Write) -> Result<(), BackendError> {
        Ok(self.session().store().write_nar(path, output).map(drop)?)
    }

    fn build_derivation(&self, path: &StorePath, derivation: &Derivation, mode: BuildMode) -> BuildResult {
        self.timed(|session| session.build_unregistered(path, derivation, mode))
    }

    fn build(&self, wanted: &Wanted, mode: BuildMode) -> BuildResult {
        self.timed(|session| match wanted {
            _ if mode != BuildMode::Normal => Err(Error::Installable(NO_OTHER_MODES.to_owned())),
            Wanted::Path(path) if session.store().is_valid(path)? => Ok(BuildStatus::AlreadyValid),
            Wanted::Path(path) => {
                session.substitute(std::slice::from_ref(path))?;
                Ok(BuildStatus::Substituted)
            }
            Wanted::Outputs(derivation, outputs) => {
                let wanted = Realised { derivation: derivation.clone(), outputs: outputs.clone() };
                let status = std::sync::Mutex::new(BuildStatus::AlreadyValid);
                let built =
                    |_: &Plan| *status.lock().unwrap_or_else(PoisonError::into_inner) = BuildStatus::Built;
                session.realise_as_planned(&[wanted], Via::Auto, &built)?;
                Ok(status.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
        })
    }
}

/// Why a client can't have something repaired or compared.
const NO_OTHER_MODES: &str = "only building what is not there is done for other machines";

impl ServedStore {
    /// A result with the times between which it came about.
    fn timed(&self, work: impl FnOnce(&Arc<Session>) -> Result<BuildStatus, Error>) -> BuildResult {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let started = now();
        let mut result = match work(&self.session()) {
            Ok(status) => BuildResult::new(status, ""),
            Err(error) => BuildResult::new(status_of(&error), text_of(&error)),
        };
        (result.started, result.stopped) = (started, now());
        result
    }
}

fn status_of(error: &Error) -> BuildStatus {
    match error {
        Error::Build { first, .. } => match **first {
            BuildError::Failed { .. } | BuildError::Elsewhere { .. } => BuildStatus::Failed,
            BuildError::TimedOut { .. } => BuildStatus::TimedOut,
            BuildError::Unreachable { .. } | BuildError::Fetch(_) | BuildError::Interrupted => {
                BuildStatus::Transient
            }
            _ => BuildStatus::Permanent,
        },
        _ => BuildStatus::Permanent,
    }
}

/// An error for a client, which has the log already.
fn text_of(error: &Error) -> String {
    match error {
        Error::Build { first, .. } => match &**first {
            BuildError::Failed { derivation, status, .. } => {
                format!("builder for '{derivation}' failed with {status}")
            }
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

fn copy_hashing(from: &mut dyn Read, to: &mut dyn Write, hasher: &mut Hasher) -> io::Result<u64> {
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hasher.written()),
            count => {
                hasher.update(&buffer[..count]);
                to.write_all(&buffer[..count])?;
            }
        }
    }
}

impl Session {
    /// Builds a derivation that is not in the store; its inputs are, and none of them is
    /// a derivation that would have to be built. It is built here.
    fn build_unregistered(
        self: &Arc<Self>,
        path: &StorePath,
        derivation: &Derivation,
        mode: BuildMode,
    ) -> Result<BuildStatus, Error> {
        if mode != BuildMode::Normal {
            return Err(Error::Installable(NO_OTHER_MODES.to_owned()));
        }
        let store = self.store();
        let outputs = derivation.output_paths(store.store_dir()).map_err(StoreError::from)?;
        let valid = store.query_valid(outputs.values())?;
        let mut known =
            Known { valid: valid.iter().map(|path| store.display(path)).collect(), ..Known::default() };
        let all: Vec<StorePath> = outputs.values().cloned().collect();
        known.substitutable =
            if self.settings.caches.are_default { HashMap::new() } else { self.query_substitutes(&all) };
        let graph = Graph {
            nodes: vec![facts(store, path, derivation, &outputs)],
            roots: vec![Input { node: 0, outputs: Vec::new() }],
        };
        let derivations = vec![(path.clone(), Arc::new(derivation.clone()))];
        let plan = self.plan_here(&graph, &known)?;
        let Some(step) = plan.steps.first() else { return Ok(BuildStatus::AlreadyValid) };
        let status = match step.method {
            Method::Substitute => BuildStatus::Substituted,
            _ => BuildStatus::Built,
        };
        self.execute(&Loaded { graph, known, derivations }, &plan)?;
        Ok(status)
    }
}
