//! From a derivation to registered outputs.

use crate::builtin;
use crate::diagnosis::Diagnosis;
use crate::elsewhere::{Elsewhere, ElsewhereJob};
use crate::environment::{BUILD_DIRECTORY, Environment, EnvironmentRequest, environment, words};
use crate::error::BuildError;
use crate::events::{Event, Events, StepId};
use crate::graph::{GraphError, graphs};
use crate::log::{Finished, LogLines};
use crate::references::{ReferenceCheck, check_references};
use crate::user::UserLock;
use saltire_fetch::Downloader;
use saltire_sandbox::{
    BinfmtEntry, BuildUser, Mount, Output, Personality, SandboxChild, SandboxSpec, Seccomp, Status,
};
use saltire_store::{OutputToFinish, Store, Wait, remove_tree};
use saltire_store_model::nar::{keep_all, write_tree};
use saltire_store_model::{Derivation, PathInfo, ScanningHasher, StorePath};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a running build looks whether it was called off.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// Files of the machine that a build with network sees, where they exist: names,
/// services, and certificates to trust.
const NETWORK_FILES: [&str; 5] =
    ["/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services", "/etc/ssl/certs", "/etc/pki/tls/certs"];

/// A derivation to build, with what the plan says about it.
#[derive(Clone, Debug)]
pub struct BuildRequest<'a> {
    /// Its `.drv`.
    pub path: &'a StorePath,
    /// What is in it.
    pub derivation: &'a Derivation,
    /// For display.
    pub step: StepId,
    /// Emulators to register for the build.
    pub emulators: Vec<BinfmtEntry>,
    /// Whether to set the 32-bit personality.
    pub linux32: bool,
}

/// Builds derivations in a store.
pub struct Builder<'a> {
    /// Where inputs are and outputs go.
    pub store: &'a Store,
    /// For `builtin:fetchurl`.
    pub downloader: &'a Downloader,
    /// Is told what happens.
    pub events: &'a dyn Events,
    /// Becomes true when the user calls it off.
    pub cancelled: &'a AtomicBool,
    /// A static shell, physically, that is `/bin/sh` in the sandbox.
    pub sandbox_shell: Option<PathBuf>,
    /// Cores that one build may use; 0 for all of the machine's.
    pub cores: usize,
    /// Whether to keep the build directory of a failed build.
    pub keep_failed: bool,
    /// How long a build may take.
    pub timeout: Option<Duration>,
    /// How long a build may write nothing.
    pub max_silence: Option<Duration>,
}

impl Builder<'_> {
    /// Makes all outputs of a derivation valid whose inputs are valid.
    ///
    /// Does nothing if they are valid already, or became so in another process
    /// while waiting for it. Whatever goes wrong, nothing is registered and
    /// nothing but a kept build directory is left behind.
    pub fn build(&self, request: &BuildRequest<'_>) -> Result<(), BuildError> {
        self.build_at(request, None)
    }

    /// As [`Builder::build`], on another machine if one is given.
    pub fn build_at(
        &self,
        request: &BuildRequest<'_>,
        elsewhere: Option<&dyn Elsewhere>,
    ) -> Result<(), BuildError> {
        let BuildRequest { derivation, .. } = request;
        let outputs = self.output_paths(derivation)?;
        self.store.add_temp_roots(outputs.values())?;
        let mut announce = |path: &Path| {
            let path = path.display();
            self.events.event(Event::Note(&format_args!("waiting for another process that builds {path}")));
        };
        let _locks = self.store.lock_paths(outputs.values(), Wait::Block, &mut announce)?;
        let valid = self.store.query_valid(outputs.values())?;
        let missing: BTreeMap<String, StorePath> = outputs
            .iter()
            .filter(|(_, path)| !valid.contains(*path))
            .map(|(n, p)| (n.clone(), p.clone()))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        for path in missing.values() {
            // What an interrupted process left there does not exist for anybody.
            remove_tree(&self.store.physical_path(path))?;
        }
        let mut scratch = Scratch::create(self.store.temporary_path()?)?;
        let place = |path: &StorePath| scratch.store().join(path.base_name());
        let places = missing.values().map(|path| (path.clone(), place(path))).collect::<Vec<_>>();
        let mut told = Vec::new();
        let candidates = if derivation.is_builtin() {
            self.run_builtin(request, &outputs, &scratch)?
        } else {
            let inputs = self.input_closure(derivation)?;
            match elsewhere {
                Some(elsewhere) => told = self.run_elsewhere(request, elsewhere, &inputs, &places)?,
                None => self.run_program(request, &outputs, &inputs, &mut scratch)?,
            }
            inputs
        };
        self.check_references(derivation, &outputs, &candidates, &scratch)?;
        let fixed = derivation.fixed_output().copied();
        let built_here = elsewhere.is_none();
        let finish: Vec<OutputToFinish> = places
            .into_iter()
            .map(|(path, place)| OutputToFinish { path, place, fixed, built_here })
            .collect();
        let finished = self.store.finish_outputs(&finish, &candidates, Some(request.path))?;
        for output in finished {
            let same = |other: &&PathInfo| {
                let PathInfo { path, nar_hash, references, .. } = &output.info;
                other.path == *path && other.nar_hash == *nar_hash && other.references == *references
            };
            // Signatures are of what they were made for only.
            if let Some(other) = told.iter().find(same).filter(|other| !other.signatures.is_empty()) {
                self.store.set_signatures(&output.info.path, &other.signatures)?;
            }
        }
        Ok(())
    }

    /// Has another machine build; what it says of the outputs.
    fn run_elsewhere(
        &self,
        request: &BuildRequest<'_>,
        elsewhere: &dyn Elsewhere,
        inputs: &BTreeSet<StorePath>,
        places: &[(StorePath, PathBuf)],
    ) -> Result<Vec<PathInfo>, BuildError> {
        let file = self.store.create_log(request.path).ok();
        let mut lines = LogLines::new(self.events, request.step, &request.derivation.name, file);
        let result = elsewhere.build(ElsewhereJob {
            path: request.path,
            derivation: request.derivation,
            inputs,
            outputs: places.to_vec(),
            log: &mut |data| lines.push(data),
        });
        let finished = lines.finish();
        result.map_err(|error| match error {
            BuildError::Elsewhere { name, machine, message, kind, .. } => {
                BuildError::Elsewhere { name, machine, message, kind, tail: finished.tail }
            }
            other => other,
        })
    }

    /// Where the outputs of a derivation go, by their names.
    pub(crate) fn output_paths(
        &self,
        derivation: &Derivation,
    ) -> Result<BTreeMap<String, StorePath>, BuildError> {
        let wrong = |reason: String| BuildError::Derivation { name: derivation.name.clone(), reason };
        let outputs = derivation.output_paths(self.store.store_dir()).map_err(|e| wrong(e.to_string()))?;
        match outputs.len() == derivation.outputs.len() {
            true => Ok(outputs),
            false => Err(wrong("its output paths depend on its content, which is not supported".into())),
        }
    }

    /// Everything that the builder may see: the closure of the inputs.
    pub(crate) fn input_closure(&self, derivation: &Derivation) -> Result<BTreeSet<StorePath>, BuildError> {
        let mut inputs = derivation.input_sources.clone();
        for (input, names) in &derivation.input_derivations {
            let outputs = self.store.query_derivation_outputs(input)?;
            for name in names {
                let path = outputs.get(name).ok_or_else(|| BuildError::Derivation {
                    name: derivation.name.clone(),
                    reason: format!("its input '{}' has no output '{name}'", input.name()),
                })?;
                inputs.insert(path.clone());
            }
        }
        self.store.add_temp_roots(&inputs)?;
        Ok(self.store.query_closure(&inputs)?)
    }

    /// Runs a `builtin:` builder; what its outputs may refer to.
    pub(crate) fn run_builtin(
        &self,
        request: &BuildRequest<'_>,
        outputs: &BTreeMap<String, StorePath>,
        scratch: &Scratch,
    ) -> Result<BTreeSet<StorePath>, BuildError> {
        let run = builtin::Run {
            store: self.store,
            downloader: self.downloader,
            events: self.events,
            cancelled: self.cancelled,
            step: request.step,
            derivation: request.derivation,
            outputs,
            place: scratch.store(),
        };
        run.run()?;
        self.input_closure(request.derivation)
    }

    pub(crate) fn run_program(
        &self,
        request: &BuildRequest<'_>,
        outputs: &BTreeMap<String, StorePath>,
        inputs: &BTreeSet<StorePath>,
        scratch: &mut Scratch,
    ) -> Result<(), BuildError> {
        let derivation = request.derivation;
        let name = derivation.name.clone();
        let user = UserLock::acquire(&self.store.location().state_dir)?;
        let mut spec = self.sandbox(request, outputs, inputs, scratch)?;
        if let Some(lock) = &user {
            scratch.give_to(lock.user)?;
            spec.identity.build_user = Some(lock.user);
        }
        let mut child = spec.spawn().map_err(|source| BuildError::Sandbox { name: name.clone(), source })?;
        let file = self.store.create_log(request.path).ok();
        let lines = LogLines::new(self.events, request.step, &name, file);
        let clock = Clock { begin: Instant::now(), heard: AtomicU64::new(0) };
        let (status, finished) = std::thread::scope(|scope| {
            let log = child.take_log();
            let reader = scope.spawn(|| read_log(log, lines, &clock));
            let status = self.wait(&mut child, &clock, &name);
            (status, reader.join().unwrap_or_default())
        });
        let status = status?;
        let Some(status) = status else { return Err(BuildError::Interrupted) };
        if status.exit.success() {
            return Ok(());
        }
        let kept = if self.keep_failed { Some(scratch.keep_build_directory(&name)?) } else { None };
        let advice = self.advice(derivation, &finished.diagnosis);
        let tail = finished.tail;
        let derivation = self.store.display(request.path);
        Err(BuildError::Failed { name, status: status.exit, tail, advice, kept, derivation })
    }

    /// What a failed build's log says about programs in the wrong list of
    /// dependencies. The lists are those of stdenv.mkDerivation.
    fn advice(&self, derivation: &Derivation, diagnosis: &Diagnosis) -> Option<String> {
        let variable = |name: &str| derivation.environment.get(name.as_bytes());
        let for_host: Vec<StorePath> = ["buildInputs", "propagatedBuildInputs", "depsHostHost"]
            .iter()
            .flat_map(|list| words(variable(list)))
            .filter_map(|word| self.store.store_dir().parse(&word).ok())
            .collect();
        let provider = |program: &str| {
            let name = Path::new(program).file_name()?;
            let directory = Path::new(program).parent().filter(|directory| directory.is_absolute());
            let has = |path: &&StorePath| {
                let bin = Path::new(&self.store.display(path)).join("bin");
                // By its name, looked up in PATH, or by this place.
                (!program.contains('/') || directory == Some(bin.as_path()))
                    && self.store.physical_path(path).join("bin").join(name).exists()
            };
            for_host.iter().find(has).map(|path| path.name().to_owned())
        };
        let cross = variable("crossConfig").map(ToString::to_string);
        diagnosis.advice(&provider, cross.as_deref())
    }

    /// Waits for the end of a build; `None` if it was called off.
    fn wait(
        &self,
        child: &mut SandboxChild,
        clock: &Clock,
        name: &str,
    ) -> Result<Option<Status>, BuildError> {
        let failed = |source| BuildError::Sandbox { name: name.to_owned(), source };
        loop {
            if let Some(status) = child.wait_timeout(CANCEL_INTERVAL).map_err(failed)? {
                return Ok(Some(status));
            }
            let late = self.too_late(clock, name);
            if self.cancelled.load(Ordering::SeqCst) || late.is_some() {
                child.kill();
                child.wait().map_err(failed)?;
                return late.map_or(Ok(None), Err);
            }
        }
    }

    /// The error for a build that takes too long.
    fn too_late(&self, clock: &Clock, name: &str) -> Option<BuildError> {
        let error = |limit: Duration, silent| BuildError::TimedOut { name: name.to_owned(), limit, silent };
        if let Some(limit) = self.timeout.filter(|limit| clock.begin.elapsed() > *limit) {
            return Some(error(limit, false));
        }
        self.max_silence.filter(|limit| clock.silence() > *limit).map(|limit| error(limit, true))
    }

    fn sandbox(
        &self,
        request: &BuildRequest<'_>,
        outputs: &BTreeMap<String, StorePath>,
        inputs: &BTreeSet<StorePath>,
        scratch: &Scratch,
    ) -> Result<SandboxSpec, BuildError> {
        let derivation = request.derivation;
        let fixed = derivation.fixed_output().is_some();
        let store_directory = self.store.store_dir().as_str();
        let named: Vec<(String, String)> =
            outputs.iter().map(|(name, path)| (name.clone(), self.store.display(path))).collect();
        let cores = if self.cores == 0 { machine_cores() } else { self.cores };
        let graphs = graphs(self.store, &derivation.environment, inputs).map_err(|error| match error {
            GraphError::Store(error) => error.into(),
            other => BuildError::Derivation { name: derivation.name.clone(), reason: other.to_string() },
        })?;
        let Environment { variables, files } = environment(&EnvironmentRequest {
            variables: &derivation.environment,
            outputs: &named,
            store_directory,
            cores,
            fixed_output: fixed,
            graphs: &graphs,
            inherited: &|name| std::env::var_os(name).map(|value| value.into_vec().into()),
        });
        for (name, contents) in files {
            let path = scratch.build().join(name);
            std::fs::write(&path, &contents).map_err(|e| file_error("write", &path, e))?;
        }
        let mut spec = SandboxSpec::new(os(&derivation.builder));
        spec.args.extend(derivation.arguments.iter().map(|argument| os(argument)));
        spec.env = variables.iter().map(|(name, value)| (os(name), os(value))).collect();
        spec.cwd = BUILD_DIRECTORY.into();
        spec.output = Output::Pipe;
        spec.network = fixed;
        spec.binfmt = request.emulators.clone();
        // With `F` entries the kernel runs foreign programs, which QEMU does in this
        // process: the same filter applies to it.
        spec.seccomp = Seccomp::Strict;
        spec.personality = Personality { linux32: request.linux32, no_randomize: false };
        spec.mounts = base_mounts(fixed);
        spec.mounts.push(Mount::bind_writable(scratch.build(), BUILD_DIRECTORY));
        spec.mounts.push(Mount::bind_writable(scratch.store(), store_directory));
        for input in inputs {
            spec.mounts.push(Mount::bind(self.store.physical_path(input), self.store.display(input)));
        }
        if let Some(shell) = &self.sandbox_shell {
            spec.mounts.push(Mount::bind(shell, "/bin/sh"));
        }
        Ok(spec)
    }

    fn check_references(
        &self,
        derivation: &Derivation,
        outputs: &BTreeMap<String, StorePath>,
        candidates: &BTreeSet<StorePath>,
        scratch: &Scratch,
    ) -> Result<(), BuildError> {
        let value = |attribute: &str| derivation.environment.get(attribute.as_bytes());
        let restricting =
            ["allowedReferences", "allowedRequisites", "disallowedReferences", "disallowedRequisites"];
        if restricting.iter().all(|attribute| value(attribute).is_none()) {
            return Ok(());
        }
        let mut references = BTreeMap::new();
        for (name, path) in outputs {
            let place = scratch.store().join(path.base_name());
            if place.symlink_metadata().is_err() {
                continue;
            }
            let scanner = ScanningHasher::new(candidates.iter().chain(outputs.values()).cloned());
            let scanned =
                write_tree(&place, scanner, &mut keep_all).map_err(saltire_store::StoreError::from)?;
            let found = scanned.finish().map_err(|e| file_error("read", &place, e))?.2;
            references.insert(name.clone(), found);
        }
        check_references(&ReferenceCheck {
            attribute: &|attribute| value(attribute).map(|v| words(Some(v))),
            outputs,
            references: &references,
            parse: &|word| self.store.store_dir().parse(word).ok(),
            closure: &|path| self.store.query_closure([path]).unwrap_or_default(),
        })
        .map_err(|source| BuildError::References { name: derivation.name.clone(), source })
    }
}

/// What every sandbox has. Source: the Nix reference manual, "sandbox"; the
/// identities of Nix's build users inside.
fn base_mounts(network: bool) -> Vec<Mount> {
    let file = |target: &str, content: &str| Mount::File {
        target: target.into(),
        content: content.into(),
        mode: 0o444,
    };
    let mut mounts = vec![
        Mount::Proc { target: "/proc".into() },
        Mount::Dev { target: "/dev".into() },
        Mount::Tmpfs { target: "/tmp".into(), mode: 0o1777, size: None },
        file(
            "/etc/passwd",
            "root:x:0:0:Nix build user:/build:/noshell\nnixbld:x:1000:100:Nix build user:/build:/noshell\nnobody:x:65534:65534:Nobody:/:/noshell\n",
        ),
        file("/etc/group", "root:x:0:\nnixbld:!:100:\nnogroup:x:65534:\n"),
    ];
    if !network {
        mounts.push(file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"));
        return mounts;
    }
    for path in NETWORK_FILES.into_iter().chain(["/etc/hosts"]).filter(|path| Path::new(path).exists()) {
        // The file that a link leads to: the link's other end is not in the sandbox.
        if let Ok(source) = std::fs::canonicalize(path) {
            mounts.push(Mount::bind(source, path));
        }
    }
    mounts
}

/// When a build began, and when it wrote something last.
struct Clock {
    begin: Instant,
    /// Milliseconds after the beginning.
    heard: AtomicU64,
}

impl Clock {
    fn hear(&self) {
        let passed = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(passed, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        self.begin.elapsed().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Relaxed)))
    }
}

fn read_log<W: std::io::Write>(log: Option<File>, mut lines: LogLines<'_, W>, clock: &Clock) -> Finished {
    let mut buffer = vec![0; 16 * 1024];
    if let Some(mut log) = log {
        // An error here can only be the end: there is nobody left to write.
        while let Ok(count @ 1..) = SandboxChild::read_log(&mut log, &mut buffer) {
            clock.hear();
            lines.push(&buffer[..count]);
        }
    }
    lines.finish()
}

/// The directories of one build, removed in the end.
pub(crate) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    pub(crate) fn create(root: PathBuf) -> Result<Self, BuildError> {
        let scratch = Self { root };
        for directory in [scratch.store(), scratch.build()] {
            std::fs::create_dir_all(&directory).map_err(|e| file_error("create", &directory, e))?;
        }
        Ok(scratch)
    }

    /// What is writable as the store directory inside.
    pub(crate) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    fn build(&self) -> PathBuf {
        self.root.join("build")
    }

    /// Makes the directories, and what is in them so far, the build user's. The root
    /// above, which nobody else can enter, stays ours.
    fn give_to(&self, user: BuildUser) -> Result<(), BuildError> {
        let give = |path: &Path| {
            std::os::unix::fs::lchown(path, Some(user.uid), Some(user.gid))
                .map_err(|e| file_error("change the owner of", path, e))
        };
        let build = self.build();
        for entry in std::fs::read_dir(&build).map_err(|e| file_error("read", &build, e))? {
            give(&entry.map_err(|e| file_error("read", &build, e))?.path())?;
        }
        give(&self.store())?;
        give(&build)
    }

    /// Moves the build directory to the machine's temporary directory.
    fn keep_build_directory(&mut self, name: &str) -> Result<PathBuf, BuildError> {
        let temporary = std::env::temp_dir();
        let kept = tempfile::Builder::new().prefix(&format!("saltire-{name}-")).tempdir_in(&temporary);
        let kept = kept.map_err(|e| file_error("create a directory in", &temporary, e))?.keep();
        let from = self.build();
        let to = kept.join("build");
        if std::fs::rename(&from, &to).is_err() {
            copy_tree(&from, &to).map_err(|e| file_error("copy", &from, e))?;
        }
        Ok(kept)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed now is left to the garbage collector.
        let _ = remove_tree(&self.root);
    }
}

/// Copies directories, files and links; other kinds of file are left out.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn machine_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn os(bytes: &[u8]) -> OsString {
    std::ffi::OsStr::from_bytes(bytes).to_owned()
}

pub(crate) fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> BuildError {
    BuildError::File { action, path: path.to_owned(), source }
}
