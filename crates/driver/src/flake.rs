//! Flakes: locking them, and evaluating what is in them.
//!
//! A command reads what the user wrote with [`saltire_flake::Target::parse`], locks
//! the flake with [`Session::lock_flake`], and gets a value out of it with
//! [`Session::flake_attribute`].

use crate::attribute_path::split_attribute_path;
use crate::error;
use crate::error::Error;
use crate::host_fetch::{fetching_step, to_attributes, to_value, told};
use crate::inputs::{InputStoreError, Inputs, StoredInput};
use crate::session::{EvaluationError, Session};
use saltire_build::Event;
use saltire_diagnostics::Pos;
use saltire_eval::{
    ErrorKind, EvalError, Evaluator, FetchAttrs, FlakeCall, HostError, HostResult, Symbol, Value,
    did_you_mean,
};
use saltire_fetch::input::{Attributes, Input, Kind};
use saltire_flake::{
    CALL, FlakeRef, FlakeTree, LockError, LockFlags, LockedFlake, Registries, Registry, RegistryError,
    RegistryKind, TreeSource, UseRegistries, lock_flake,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What is needed to lock flakes.
pub struct Flakes {
    inputs: Arc<Inputs>,
    /// The address or file of the global registry; empty for none.
    global: String,
    /// What the command line says names stand for.
    overrides: Mutex<Registry>,
    local: OnceLock<Vec<Registry>>,
    downloaded: OnceLock<Registry>,
}

/// A value in a flake.
pub struct FlakeAttribute {
    /// The value, not evaluated yet.
    pub value: Value,
    /// Its attribute path, such as `packages.x86_64-linux.hello`.
    pub path: String,
}

impl Flakes {
    /// Reads nothing yet.
    pub fn new(inputs: Arc<Inputs>, global: String) -> Self {
        let overrides = Mutex::new(Registry::new(RegistryKind::Flag));
        Self { inputs, global, overrides, local: OnceLock::new(), downloaded: OnceLock::new() }
    }

    /// Makes a reference stand for another one in this process (`--override-flake`).
    pub fn override_flake(&self, from: FlakeRef, to: FlakeRef) {
        self.overrides.lock().unwrap_or_else(PoisonError::into_inner).set(from, to);
    }

    /// Makes names stand for the inputs of a locked flake (`--inputs-from`).
    pub fn override_with_inputs(&self, flake: &LockedFlake) {
        for name in flake.lock.nodes[0].inputs.keys() {
            let node = flake.lock.find(std::slice::from_ref(name)).ok().flatten();
            let locked = node.and_then(|node| flake.lock.nodes[node].locked.as_ref());
            if let (Ok(from), Some(locked)) = (FlakeRef::indirect(name), locked) {
                self.override_flake(from, locked.locked.clone());
            }
        }
    }

    /// All registries, in the order in which they count; the global one is fetched.
    pub fn registries(&self) -> Result<Registries, LockError> {
        let mut registries = self.known(UseRegistries::All)?;
        registries.all.push(self.global()?.clone());
        Ok(registries)
    }

    /// The registries that are on this machine.
    fn known(&self, wanted: UseRegistries) -> Result<Registries, RegistryError> {
        let mut all = Vec::new();
        if wanted != UseRegistries::No {
            all.push(self.overrides.lock().unwrap_or_else(PoisonError::into_inner).clone());
        }
        if wanted == UseRegistries::All {
            if self.local.get().is_none() {
                let user = user_registry().map(|path| Registry::load(RegistryKind::User, &path));
                let system = Registry::load(RegistryKind::System, Path::new("/etc/nix/registry.json"))?;
                let local = user.transpose()?.into_iter().chain([system]).collect();
                // Another thread may have been faster; it read the same files.
                let _ = self.local.set(local);
            }
            all.extend(self.local.get().into_iter().flatten().cloned());
        }
        Ok(Registries { all })
    }

    fn global(&self) -> Result<&Registry, LockError> {
        if let Some(registry) = self.downloaded.get() {
            return Ok(registry);
        }
        let kind = RegistryKind::Global;
        let registry = match self.global.as_str() {
            "" => Registry::new(kind),
            path if path.starts_with('/') => Registry::load(kind, Path::new(path))?,
            url => {
                let attributes: Attributes =
                    [("type".into(), "file".into()), ("url".into(), url.into())].into();
                let input = Input::from_attributes(attributes).map_err(source_error)?;
                let stored = self.inputs.fetch(&input).map_err(source_error)?;
                let path = self.inputs.store.physical_path(&stored.path);
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|source| LockError::File { action: "read", path, source })?;
                Registry::parse(kind, &text, url)?
            }
        };
        Ok(self.downloaded.get_or_init(|| registry))
    }

    /// What a reference stands for by the registries; the global one is only fetched
    /// if no other one says it.
    pub fn resolve_reference(&self, reference: &FlakeRef) -> Result<FlakeRef, LockError> {
        self.resolve(reference, UseRegistries::All)
    }

    /// The registries that are on this machine, and the global one or why it can't be
    /// had.
    pub fn registries_here(&self) -> Result<(Registries, Result<Registry, LockError>), LockError> {
        Ok((self.known(UseRegistries::All)?, self.global().cloned()))
    }

    /// Locks a flake, and writes its lock file if that changes and may be written.
    pub fn lock(&self, reference: &FlakeRef, flags: &LockFlags) -> Result<LockedFlake, LockError> {
        lock_flake(self, reference, flags)
    }

    /// What the evaluator needs to evaluate a locked flake.
    pub fn call(&self, flake: &LockedFlake) -> HostResult<FlakeCall> {
        let keys = flake.lock.keys();
        let mut overrides = BTreeMap::new();
        for (node, tree) in &flake.trees {
            let Some(key) = keys.get(node) else { continue };
            let path = self.inputs.store.store_dir().parse(&tree.store_path);
            let path = path.map_err(|error| HostError::new(error.to_string()))?;
            let fetched = told(StoredInput { path, input: tree.locked.input.clone() });
            let directory = if *node == 0 { &flake.resolved.directory } else { &tree.locked.directory };
            overrides.insert(key.clone(), (fetched, directory.clone()));
        }
        Ok(FlakeCall { expression: CALL, lock: flake.lock.to_text(), overrides })
    }

    /// `builtins.getFlake`
    pub(crate) fn get(&self, reference: &str, pure: bool) -> HostResult<FlakeCall> {
        let wrong = |error: LockError| {
            let exit_code = if error::is_mismatch(&error) { error::WRONG_HASH } else { 1 };
            if let LockError::Source(source) = &error
                && let Some(FetchingInput { input, .. }) = source.downcast_ref()
            {
                let step = fetching_step(input);
                return HostError::new(error.to_string()).with_exit_code(exit_code).during(step);
            }
            let hint = error.hint().map(|hint| format!("\n{hint}")).unwrap_or_default();
            HostError::new(format!("{error}{hint}")).with_exit_code(exit_code)
        };
        let parsed = FlakeRef::parse(reference, None).map_err(|error| HostError::new(error.to_string()))?;
        if pure && !parsed.input.is_locked() {
            return Err(HostError::restricted(format!(
                "cannot call 'getFlake' on unlocked flake reference '{reference}' (use --impure to override)"
            )));
        }
        let flags = LockFlags {
            update: true,
            write: false,
            use_registries: !pure,
            allow_unlocked: !pure,
            ..LockFlags::default()
        };
        let flake = self.lock(&parsed, &flags).map_err(wrong)?;
        self.call(&flake)
    }

    /// `builtins.fetchTree` of a name.
    pub(crate) fn resolve_input(&self, input: &Input) -> HostResult<Input> {
        let reference = FlakeRef { input: input.clone(), directory: String::new() };
        let resolved = self.resolve(&reference, UseRegistries::All);
        Ok(resolved.map_err(|error| HostError::new(error.to_string()))?.input)
    }
}

/// `builtins.parseFlakeRef`
pub(crate) fn parse_flake_ref(text: &str) -> HostResult<FetchAttrs> {
    let reference = FlakeRef::parse(text, None).map_err(|error| HostError::new(error.to_string()))?;
    Ok(reference.to_attributes().iter().map(|(name, value)| (name.clone(), to_value(value))).collect())
}

/// `builtins.flakeRefToString`
pub(crate) fn flake_ref_to_string(attributes: &FetchAttrs) -> HostResult<String> {
    let reference = FlakeRef::from_attributes(to_attributes(attributes));
    reference.map(|reference| reference.to_text()).map_err(|error| HostError::new(error.to_string()))
}

fn source_error(error: impl std::error::Error + Send + Sync + 'static) -> LockError {
    LockError::Source(Box::new(error))
}

/// An input of a flake that can't be had.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub(crate) struct FetchingInput {
    /// Its URL.
    input: String,
    /// Why.
    pub(crate) source: InputStoreError,
}

/// Nix's file of the user's own registry; none without a home.
pub fn user_registry() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    Some(config?.join("nix/registry.json"))
}

impl TreeSource for Flakes {
    fn resolve(&self, reference: &FlakeRef, registries: UseRegistries) -> Result<FlakeRef, LockError> {
        if !reference.input.is_indirect() {
            return Ok(reference.clone());
        }
        let mut known = self.known(registries)?;
        match known.resolve(reference) {
            Err(RegistryError::Unknown(_)) if registries != UseRegistries::No => {
                known.all.push(self.global()?.clone());
                Ok(known.resolve(reference)?)
            }
            other => Ok(other?),
        }
    }

    fn fetch(&self, reference: &FlakeRef) -> Result<FlakeTree, LockError> {
        self.tree(reference, self.inputs.fetch(&reference.input))
    }

    fn fetch_again(&self, reference: &FlakeRef) -> Result<FlakeTree, LockError> {
        self.tree(reference, self.inputs.fetch_again(&reference.input))
    }

    fn warn(&self, text: &str) {
        self.inputs.events.event(Event::Warning(&text));
    }
}

impl Flakes {
    fn tree(
        &self,
        reference: &FlakeRef,
        fetched: Result<StoredInput, InputStoreError>,
    ) -> Result<FlakeTree, LockError> {
        let stored = fetched.map_err(|source| {
            source_error(FetchingInput { input: reference.input.to_url().to_string(), source })
        })?;
        let store = &self.inputs.store;
        Ok(FlakeTree {
            store_path: store.display(&stored.path),
            files: store.physical_path(&stored.path),
            locked: FlakeRef { input: stored.input, directory: reference.directory.clone() },
        })
    }
}

impl Session {
    /// Locks a flake, and writes its lock file if that changes and may be written.
    pub fn lock_flake(&self, reference: &FlakeRef, flags: &LockFlags) -> Result<LockedFlake, Error> {
        Ok(self.flakes().lock(reference, flags)?)
    }

    /// The value of a locked flake: its outputs, with `inputs`, `outPath` and so on.
    pub fn flake_value(
        &self,
        evaluator: &mut Evaluator,
        flake: &LockedFlake,
    ) -> Result<Value, EvaluationError> {
        let own = &flake.resolved.input;
        if let (Kind::Git | Kind::Mercurial, Some(directory)) = (own.kind(), own.local_directory()) {
            // Errors lead to the files that the user can mend.
            evaluator.sources().show_below(&flake.tree.store_path, &directory.display().to_string());
        }
        let call = self.flakes().call(flake);
        let call = call.map_err(|error| EvalError::other(Pos::NONE, error.message))?;
        Ok(evaluator.call_flake(&call, Pos::NONE)?)
    }

    /// The value that a fragment means: the first of the paths that is there.
    ///
    /// The paths are, for an empty fragment, those of `defaults`; else each of
    /// `prefixes` with the fragment behind it, then the fragment. A fragment that
    /// begins with a dot is taken as it is.
    pub fn flake_attribute(
        &self,
        evaluator: &mut Evaluator,
        flake: &LockedFlake,
        fragment: &str,
        defaults: &[String],
        prefixes: &[String],
    ) -> Result<FlakeAttribute, EvaluationError> {
        let mut found = self.find_in_flake(evaluator, flake, fragment, (defaults, prefixes), 1)?;
        Ok(found.remove(0))
    }

    /// As [`Self::flake_attribute`], but all that are there; at least one.
    pub fn flake_attributes(
        &self,
        evaluator: &mut Evaluator,
        flake: &LockedFlake,
        fragment: &str,
        defaults: &[String],
        prefixes: &[String],
    ) -> Result<Vec<FlakeAttribute>, EvaluationError> {
        self.find_in_flake(evaluator, flake, fragment, (defaults, prefixes), usize::MAX)
    }

    fn find_in_flake(
        &self,
        evaluator: &mut Evaluator,
        flake: &LockedFlake,
        fragment: &str,
        (defaults, prefixes): (&[String], &[String]),
        most: usize,
    ) -> Result<Vec<FlakeAttribute>, EvaluationError> {
        let root = self.flake_value(evaluator, flake)?;
        let outputs = Symbol::intern("outputs");
        let root = evaluator.force(root)?;
        let root = root.as_attrs().and_then(|attrs| attrs.get(outputs)).unwrap_or(root);
        let paths: Vec<String> = match fragment {
            "" => defaults.to_vec(),
            fragment => match fragment.strip_prefix('.') {
                Some(whole) => vec![whole.to_owned()],
                None => {
                    let prefixed = prefixes.iter().map(|prefix| format!("{prefix}.{fragment}"));
                    prefixed.chain([fragment.to_owned()]).collect()
                }
            },
        };
        let (mut all, mut candidates) = (Vec::new(), Vec::new());
        for path in &paths {
            match look(evaluator, root, path)? {
                Found::Value(value) => all.push(FlakeAttribute { value, path: path.clone() }),
                Found::Nothing { name, present } => candidates.push((name, present)),
            }
            if all.len() == most {
                break;
            }
        }
        if all.is_empty() { Err(missing(flake, &paths, &candidates).into()) } else { Ok(all) }
    }
}

/// What is at a path.
enum Found {
    Value(Value),
    /// Nothing: the name that is missing, and those that are there instead.
    Nothing {
        name: String,
        present: Vec<String>,
    },
}

fn look(evaluator: &mut Evaluator, root: Value, path: &str) -> Result<Found, EvaluationError> {
    let mut value = root;
    for name in split_attribute_path(path)? {
        let forced = evaluator.force(value)?;
        let Some(attrs) = forced.as_attrs() else {
            return Ok(Found::Nothing { name, present: Vec::new() });
        };
        match attrs.get(Symbol::intern(&name)) {
            Some(found) => value = found,
            None => {
                let present = attrs.iter().map(|attr| attr.name.to_string()).collect();
                return Ok(Found::Nothing { name, present });
            }
        }
    }
    Ok(Found::Value(value))
}

fn missing(flake: &LockedFlake, paths: &[String], candidates: &[(String, Vec<String>)]) -> Box<EvalError> {
    let mut text = format!("flake '{}' does not provide attribute ", flake.resolved);
    for (index, path) in paths.iter().enumerate() {
        text += match index {
            0 => "",
            _ if index + 1 == paths.len() => " or ",
            _ => ", ",
        };
        text += &format!("'{path}'");
    }
    let error = EvalError::new(ErrorKind::MissingAttribute, Pos::NONE, text);
    // What lacks the same name is one choice.
    let hint = candidates.iter().find_map(|(name, _)| {
        let alike = candidates.iter().filter(|(other, _)| other == name).flat_map(|(_, present)| present);
        let present: BTreeSet<&String> = alike.collect();
        did_you_mean(name.as_bytes(), present.iter().map(|name| name.as_bytes()))
    });
    error.with_hint(hint)
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        Self::Flake(Box::new(error))
    }
}
