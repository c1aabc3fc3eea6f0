//! An open store with everything that works on it: evaluation, planning, building.

use crate::access::Access;
use crate::binary_cache::CopyError;
use crate::error::Error;
use crate::flake::Flakes;
use crate::graph::{Loaded, Sources, Wanted, load};
use crate::host::StoreHost;
use crate::inputs::Inputs;
use crate::machine::machine;
use crate::machines::Machines;
use crate::package_set;
use crate::settings::{Directories, Settings};
use crate::statistics;
use crate::substitute::Substituters;
use saltire_build::{BuildError, Event, Events};
use saltire_debian::{Lock, Mirrors};
use saltire_diagnostics::{Style, render};
use saltire_eval::{
    ContextElement, Debugger, ErrorKind, EvalError, Evaluator, HostError, StopAt, TreeCache, with_large_stack,
};
use saltire_fetch::{Downloader, Options};
use saltire_plan::{Graph, Known, Machine, Plan, Policy, Via, plan};
use saltire_platforms::{Emulator, Platform};
use saltire_sandbox::BinfmtEntry;
use saltire_store::{Store, StoreOptions};
use saltire_store_model::{Hash, StorePath};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// An open store with everything that works on it.
pub struct Session {
    /// What the user set.
    pub settings: Settings,
    /// This machine's platform.
    pub platform: &'static Platform,
    directories: Directories,
    pub(crate) store: Arc<Store>,
    downloader: Arc<Downloader>,
    inputs: Arc<Inputs>,
    flakes: Arc<Flakes>,
    pub(crate) events: Arc<dyn Events>,
    cancelled: Arc<AtomicBool>,
    /// Outputs of the embedded set that the program itself uses, by attribute.
    tools: Mutex<HashMap<String, PathBuf>>,
    debugger: OnceLock<(MakeDebugger, StopAt)>,
    pub(crate) substituters: Substituters,
    machines: OnceLock<Machines>,
    /// Whether the user was told that a sandbox can't be done without.
    sandbox_told: AtomicBool,
}

/// Makes the debugger of an evaluation.
pub type MakeDebugger = Box<dyn Fn() -> Box<dyn Debugger> + Send + Sync>;

impl Session {
    /// Finds the store. Nothing is written before something is to be built.
    ///
    /// When `cancelled` becomes true, what runs is ended and cleaned up.
    pub fn open(
        settings: Settings,
        events: Arc<dyn Events>,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Arc<Self>, Error> {
        Self::open_in(Directories::find()?, settings, events, cancelled)
    }

    /// As [`Session::open`], with the user's directories.
    pub fn open_in(
        directories: Directories,
        settings: Settings,
        events: Arc<dyn Events>,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Arc<Self>, Error> {
        let store = Arc::new(Store::new(
            saltire_store::StoreLocation::discover(settings.store.as_deref())?,
            StoreOptions::default(),
        ));
        let platform = Platform::current().ok_or(Error::UnknownMachine)?;
        let mut options = Options::new(directories.cache.join("downloads"), mirrors(&settings));
        options.offline = settings.offline;
        options.tries = settings.downloads.tries.unwrap_or(options.tries);
        options.connect = settings.downloads.connect.unwrap_or(options.connect);
        options.stall = settings.downloads.stall.unwrap_or(options.stall);
        options.netrc.clone_from(&settings.downloads.netrc);
        let downloader = Arc::new(Downloader::new(options));
        let inputs = Arc::new(Inputs {
            store: Arc::clone(&store),
            downloader: Arc::clone(&downloader),
            cache: directories.cache.clone(),
            settings: settings.inputs.clone(),
            events: Arc::clone(&events),
            cancelled: Arc::clone(&cancelled),
        });
        let flakes = Arc::new(Flakes::new(Arc::clone(&inputs), settings.flake_registry.clone()));
        let tools = Mutex::default();
        Ok(Arc::new(Self {
            settings,
            platform,
            directories,
            store,
            downloader,
            inputs,
            flakes,
            events,
            cancelled,
            tools,
            debugger: OnceLock::new(),
            substituters: Substituters::default(),
            machines: OnceLock::new(),
            sandbox_told: AtomicBool::new(false),
        }))
    }

    /// Whether evaluations may stop in a debugger.
    pub(crate) fn has_debugger(&self) -> bool {
        self.debugger.get().is_some()
    }

    /// Evaluations stop in a debugger from now on where errors happen.
    pub fn use_debugger(&self, make: MakeDebugger, at: StopAt) {
        let _ = self.debugger.set((make, at));
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Fetches inputs into the store.
    pub fn inputs(&self) -> &Arc<Inputs> {
        &self.inputs
    }

    /// Registries, and the locking of flakes.
    pub fn flakes(&self) -> &Flakes {
        &self.flakes
    }

    pub(crate) fn downloader(&self) -> &Arc<Downloader> {
        &self.downloader
    }

    pub(crate) fn cancelled(&self) -> &Arc<AtomicBool> {
        &self.cancelled
    }

    /// Where the user's cache is.
    pub(crate) fn cache_directory(&self) -> &std::path::Path {
        &self.directories.cache
    }

    /// The file that begins the embedded package set.
    pub fn package_set(&self) -> Result<PathBuf, Error> {
        let directory = package_set::lay_out(&self.directories.cache);
        let cache = &self.directories.cache;
        let directory =
            directory.map_err(|source| Error::File { action: "write below", path: cache.clone(), source })?;
        Ok(directory.join("default.nix"))
    }

    /// Evaluates something; what was instantiated is in the store afterwards.
    pub fn evaluate<T: Send>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Evaluator) -> Result<T, EvaluationError> + Send,
    ) -> Result<T, Error> {
        self.evaluate_for(Whose::Users, work)
    }

    /// Evaluates what is [`Whose`].
    fn evaluate_for<T: Send>(
        self: &Arc<Self>,
        whose: Whose,
        work: impl FnOnce(&mut Evaluator) -> Result<T, EvaluationError> + Send,
    ) -> Result<T, Error> {
        let users = whose == Whose::Users;
        let (host, trees) = self.store_host(whose);
        let profile = self.settings.profile.as_ref();
        let settings = self.evaluation_settings(whose);
        let result = with_large_stack(|| {
            let mut evaluator = Evaluator::new(Arc::clone(&host) as Arc<dyn saltire_eval::Host>, settings);
            if let Some((make, at)) = self.debugger.get().filter(|_| users) {
                evaluator.set_debugger(make(), *at);
            }
            let result = work(&mut evaluator).map_err(|error| self.lay_out_error(&evaluator, error));
            statistics::report(&evaluator, profile)?;
            result
        })?;
        host.flush()?;
        // A cache that can't be written is done without.
        let _ = trees.flush();
        Ok(result)
    }

    /// A host for an evaluation, and the cache of parsed files that it uses.
    pub(crate) fn store_host(self: &Arc<Self>, whose: Whose) -> (Arc<StoreHost>, Arc<TreeCache>) {
        let users = whose == Whose::Users;
        let session = Arc::clone(self);
        let realise = move |elements: &[&ContextElement]| {
            let failed = |error: Error| HostError::new(error.to_string()).with_exit_code(error.exit_code());
            session.realise_elements(elements).map_err(failed)
        };
        let search_path = self.search_path();
        let access = if users { self.access(&search_path) } else { Access::Full };
        let system = if users { self.system() } else { &self.platform.system };
        let trees = Arc::new(TreeCache::open(self.directories.cache.join("trees")));
        let host = Arc::new(StoreHost::new(
            Arc::clone(&self.store),
            system,
            search_path,
            Arc::clone(&self.events),
            Box::new(realise),
            Arc::clone(&self.inputs),
            Arc::clone(&self.flakes),
            Arc::clone(&trees),
        ));
        host.limit(access, self.settings.read_only);
        (host, trees)
    }

    /// How to evaluate.
    pub(crate) fn evaluation_settings(&self, whose: Whose) -> saltire_eval::Settings {
        let users = whose == Whose::Users;
        saltire_eval::Settings {
            show_trace: self.settings.show_trace,
            pure: users && self.settings.pure,
            pipe_operators: self.settings.pipe_operators,
            lints: self.settings.lints,
            max_call_depth: self.settings.max_call_depth,
            trace_verbose: self.settings.trace_verbose,
            abort_on_warn: self.settings.abort_on_warn,
            trace_function_calls: self.settings.trace_function_calls,
            native_code: self.settings.native_code,
            profile: self.settings.profile.as_ref().map(|profile| profile.frequency),
            dependencies: None,
        }
    }

    /// Whether somebody wants to see evaluations happen.
    pub(crate) fn is_watched(&self) -> bool {
        self.has_debugger() || self.settings.trace_function_calls
    }

    /// What `builtins.currentSystem` says.
    pub fn system(&self) -> &str {
        self.settings.system.as_deref().unwrap_or(&self.platform.system)
    }

    /// What evaluation may look at.
    fn access(&self, search_path: &[(String, String)]) -> Access {
        let paths = search_path.iter().map(|(_, path)| PathBuf::from(path));
        let resolved = |path: PathBuf| [path.canonicalize().ok(), Some(path)].into_iter().flatten();
        match (self.settings.pure, self.settings.restricted) {
            (true, _) => Access::Pure { paths: Vec::new() },
            (false, true) => Access::Restricted {
                paths: paths.flat_map(resolved).collect(),
                uris: self.settings.allowed_uris.clone(),
            },
            (false, false) => Access::Full,
        }
    }

    /// An evaluation error as its user sees it, with the source around its place.
    pub fn error_text(&self, evaluator: &Evaluator, error: EvaluationError) -> String {
        self.lay_out_error(evaluator, error).to_string()
    }

    pub(crate) fn lay_out_error(&self, evaluator: &Evaluator, error: EvaluationError) -> Error {
        match error {
            EvaluationError::Nix(error) if error.kind == ErrorKind::Interrupted => Error::Interrupted,
            EvaluationError::Nix(error) => {
                let style = Style { colour: self.settings.colour, show_trace: self.settings.show_trace };
                let text = render(&error.to_diagnostic(), evaluator.sources(), style);
                Error::Evaluation { text, exit_code: error.exit_code }
            }
            EvaluationError::Other(error) => error,
        }
    }

    /// `-I` and `NIX_PATH`: prefix (perhaps empty) and path.
    fn search_path(&self) -> Vec<(String, String)> {
        let variable = std::env::var("NIX_PATH").ok();
        let settings = &self.settings;
        let main = match (&settings.search_path_instead, &variable) {
            (Some(instead), _) => instead.clone(),
            (None, Some(variable)) => split_search_path(variable).into_iter().map(str::to_owned).collect(),
            (None, None) => settings.nix_path.clone(),
        };
        let entries = settings.search_path.iter().chain(&main).chain(&settings.search_path_behind);
        if self.settings.pure { Vec::new() } else { entries.map(|entry| search_path_entry(entry)).collect() }
    }

    /// Builds what evaluation needs to go on.
    fn realise_elements(self: &Arc<Self>, elements: &[&ContextElement]) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for element in elements {
            match element {
                ContextElement::Opaque(path) => self.substitute_missing(path)?,
                ContextElement::DerivationDeep(derivation) => {
                    wanted.push(Wanted { derivation: derivation.clone(), outputs: Vec::new() });
                }
                ContextElement::Output { derivation, output } => {
                    wanted.push(Wanted { derivation: derivation.clone(), outputs: vec![output.to_string()] });
                }
            }
        }
        if !wanted.is_empty() && !self.settings.import_from_derivation {
            let derivation = self.store.display(&wanted[0].derivation);
            return Err(Error::ImportFromDerivation { derivation });
        }
        self.realise(&wanted, Via::Auto)
    }

    /// Makes a path valid that nothing is known to build.
    fn substitute_missing(&self, path: &StorePath) -> Result<(), Error> {
        if self.store.is_valid(path)? {
            return Ok(());
        }
        match self.substitute(std::slice::from_ref(path)) {
            Err(CopyError::Missing { path, .. }) => Err(Error::NoSubstitute(path)),
            result => Ok(result?),
        }
    }

    fn load(&self, wanted: &[Wanted], substitute: bool) -> Result<Loaded, Error> {
        let read = |path: &StorePath| Ok(Arc::new(self.store.read_derivation(path)?));
        let is_cached = |hash: &Hash| self.downloader.is_cached(hash);
        let offers = |paths: &[StorePath]| match substitute {
            true => self.query_substitutes(paths),
            false => HashMap::new(),
        };
        let sources = Sources {
            read: &read,
            is_cached: &is_cached,
            offers: &offers,
            always_substitute: self.settings.caches.always_allow,
        };
        Ok(load(&self.store, wanted, sources)?)
    }

    fn machine(&self) -> Result<Machine, Error> {
        Ok(machine(self.platform, &self.settings, self.machines()?))
    }

    /// The machines of the setting `builders`.
    pub(crate) fn machines(&self) -> Result<&Machines, Error> {
        if let Some(machines) = self.machines.get() {
            return Ok(machines);
        }
        let machines = Machines::read(&self.settings, self.system(), self.store.location())?;
        Ok(self.machines.get_or_init(|| machines))
    }

    /// Plans how to get what is wanted.
    pub fn plan(&self, wanted: &[Wanted], via: Via) -> Result<Plan, Error> {
        let loaded = self.load(wanted, true)?;
        Ok(plan(&loaded.graph, &loaded.known, &self.machine()?, Policy { via }))
    }

    /// Plans what has to be done on this machine.
    pub(crate) fn plan_here(&self, graph: &Graph, known: &Known) -> Result<Plan, Error> {
        let mut machine = self.machine()?;
        machine.remote.clear();
        machine.builds_here = true;
        let plan = plan(graph, known, &machine, Policy::default());
        if plan.problems.is_empty() { Ok(plan) } else { Err(Error::Plan(plan.problems)) }
    }

    /// Makes what is wanted valid.
    pub fn realise(self: &Arc<Self>, wanted: &[Wanted], via: Via) -> Result<(), Error> {
        self.realise_as_planned(wanted, via, &|_| {})
    }

    /// Makes what is wanted valid; `announce` is told the plan before it is carried
    /// out, unless there is nothing to do.
    pub fn realise_as_planned(
        self: &Arc<Self>,
        wanted: &[Wanted],
        via: Via,
        announce: &dyn Fn(&Plan),
    ) -> Result<(), Error> {
        match self.realise_once(wanted, via, announce, true) {
            Err(Error::Build { first, .. })
                if self.settings.caches.fallback && matches!(*first, BuildError::Substitute { .. }) =>
            {
                self.tell(Event::Warning(&first));
                self.realise_once(wanted, via, announce, false)
            }
            other => other,
        }
    }

    fn realise_once(
        self: &Arc<Self>,
        wanted: &[Wanted],
        via: Via,
        announce: &dyn Fn(&Plan),
        substitute: bool,
    ) -> Result<(), Error> {
        let loaded = self.load(wanted, substitute)?;
        let plan = plan(&loaded.graph, &loaded.known, &self.machine()?, Policy { via });
        if !plan.problems.is_empty() {
            return Err(Error::Plan(plan.problems));
        }
        if plan.steps.is_empty() {
            return Ok(());
        }
        announce(&plan);
        self.execute(&loaded, &plan)
    }

    /// The physical output path of an attribute of the embedded set for this
    /// machine, built if it is not there.
    pub(crate) fn tool(self: &Arc<Self>, attribute: &str) -> Result<PathBuf, Error> {
        let known = self.tools.lock().unwrap_or_else(PoisonError::into_inner).get(attribute).cloned();
        if let Some(path) = known {
            return Ok(path);
        }
        let wanted = self.tool_wanted(attribute)?;
        let derivation = wanted.derivation.clone();
        // Caches that nobody chose don't have what is embedded here.
        self.realise_once(&[wanted], Via::Auto, &|_| {}, !self.settings.caches.are_default)?;
        let path = self.output(&derivation, "out")?;
        let physical = self.store.physical_path(&path);
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        tools.insert(attribute.to_owned(), physical.clone());
        Ok(physical)
    }

    /// A Bash of the embedded set that runs on this machine, as what is run sees it; it
    /// is built if it is not in the store.
    pub fn bash(self: &Arc<Self>) -> Result<PathBuf, Error> {
        let physical = self.tool("bootstrapTools")?.join("bin/bash");
        Ok(self.store.location().to_logical(&physical))
    }

    /// What a tool of the embedded set for this machine is built from.
    fn tool_wanted(self: &Arc<Self>, attribute: &str) -> Result<Wanted, Error> {
        let set = self.package_set()?;
        let derivation = self.evaluate_for(Whose::Own, |evaluator| {
            let value = evaluator.eval_file(set.as_os_str().as_encoded_bytes())?;
            let value = evaluator.select_path_text(value, attribute)?;
            Ok(evaluator.derivation_path(value)?)
        })?;
        let derivation = derivation.ok_or_else(|| Error::NotADerivation(attribute.to_owned()))?;
        Ok(Wanted { derivation: self.parse(&derivation)?, outputs: vec!["out".into()] })
    }

    /// A store path from its text.
    pub fn parse(&self, text: &str) -> Result<StorePath, Error> {
        Ok(self.store.store_dir().parse(text).map_err(saltire_store::StoreError::from)?)
    }

    /// The path of an output.
    pub fn output(&self, derivation: &StorePath, output: &str) -> Result<StorePath, Error> {
        let outputs = self.store.query_derivation_outputs(derivation)?;
        outputs.get(output).cloned().ok_or_else(|| Error::NoOutput {
            derivation: self.store.display(derivation),
            output: output.to_owned(),
        })
    }

    /// What to register so that the programs of emulators run. Those that are not in
    /// the store are built.
    pub fn emulator_entries(self: &Arc<Self>, emulators: &[&Emulator]) -> Result<Vec<BinfmtEntry>, Error> {
        let entry = |emulator: &&Emulator| {
            let path = self.emulator_path(emulator)?;
            saltire_emulation::registration(emulator, &path).map_err(Error::Emulator)
        };
        emulators.iter().map(entry).collect()
    }

    /// What an emulator is built from, so that it can be had together with what it is
    /// to run.
    pub fn emulator_wanted(self: &Arc<Self>, emulator: &Emulator) -> Result<Wanted, Error> {
        self.tool_wanted(&emulator_attribute(emulator))
    }

    /// Where an emulator is, physically; it is built if it is not in the store.
    pub(crate) fn emulator_path(self: &Arc<Self>, emulator: &Emulator) -> Result<PathBuf, Error> {
        let path = self.tool(&emulator_attribute(emulator))?;
        Ok(path.join("bin").join(emulator.program()))
    }

    /// Tells the user something.
    pub(crate) fn tell(&self, event: Event<'_>) {
        self.events.event(event);
    }

    /// Tells the user who wanted builds without a sandbox that there are none; once.
    pub(crate) fn tell_of_sandbox(&self) {
        if !self.settings.sandbox && !self.sandbox_told.swap(true, Ordering::Relaxed) {
            self.tell(Event::Warning(
                &"builds are always in a sandbox: the setting 'sandbox' changes nothing",
            ));
        }
    }

    /// Whether the user called it off.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

/// Whose expressions are evaluated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The user's, as the settings say.
    Users,
    /// The program's: the embedded set for this machine, which settings such as pure
    /// evaluation are not about.
    Own,
}

/// Where the embedded set has an emulator.
fn emulator_attribute(emulator: &Emulator) -> String {
    format!("emulators.{}", emulator.name)
}

/// Why an evaluation failed.
pub enum EvaluationError {
    /// An error in Nix code.
    Nix(Box<EvalError>),
    /// Anything else.
    Other(Error),
}

impl From<Box<EvalError>> for EvaluationError {
    fn from(error: Box<EvalError>) -> Self {
        Self::Nix(error)
    }
}

impl From<Error> for EvaluationError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// The mirrors of the settings, or of the machine's APT configuration.
fn mirrors(settings: &Settings) -> Mirrors {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    let read =
        |path: PathBuf| Some((path.to_string_lossy().into_owned(), std::fs::read_to_string(path).ok()?));
    let apt: Vec<(String, String)> = files.into_iter().filter_map(read).collect();
    let lock = package_set::file("seed/debian.lock.json").and_then(|text| std::str::from_utf8(text).ok());
    let snapshot = lock.and_then(|text| Lock::parse(text).ok()).map(|lock| lock.snapshot);
    Mirrors::choose(&settings.mirrors, &apt, snapshot.as_deref())
}

/// Splits `NIX_PATH` at colons, those of URLs and of `flake:` and `channel:` aside.
fn split_search_path(text: &str) -> Vec<&str> {
    let mut entries = Vec::new();
    let mut start = 0;
    for (index, _) in text.match_indices(':') {
        let value = text[start..index].rsplit('=').next().unwrap_or_default();
        if !text[index..].starts_with("://") && !matches!(value, "flake" | "channel") {
            entries.push(&text[start..index]);
            start = index + 1;
        }
    }
    entries.push(&text[start..]);
    entries.retain(|entry| !entry.is_empty());
    entries
}

fn search_path_entry(entry: &str) -> (String, String) {
    let (prefix, path) = entry.split_once('=').unwrap_or(("", entry));
    let absolute = match path.contains("://") || path.starts_with("flake:") || path.starts_with("channel:") {
        true => path.to_owned(),
        false => {
            std::path::absolute(path).map_or(path.to_owned(), |path| path.to_string_lossy().into_owned())
        }
    };
    (prefix.to_owned(), absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_paths_are_split_at_colons_but_not_in_urls() {
        assert_eq!(split_search_path("a=/b:/c::x=https://d/e"), ["a=/b", "/c", "x=https://d/e"]);
        assert_eq!(split_search_path(""), [""; 0]);
        assert_eq!(split_search_path("a=flake:b:channel:c:/d"), ["a=flake:b", "channel:c", "/d"]);
        assert_eq!(search_path_entry("a=/b"), ("a".into(), "/b".into()));
        assert_eq!(search_path_entry("/c"), (String::new(), "/c".into()));
    }
}
