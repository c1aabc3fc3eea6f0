//! Running programs, foreign ones included, in place of this process.

use crate::error::Error;
use crate::program::{EMULATOR_ROOT, Runnable};
use crate::select::Target;
use crate::session::Session;
use saltire_build::Event;
use saltire_emulation::registration;
use saltire_platforms::{Emulator, Platform, PrebuiltKind, can_execute, emulators};
use saltire_sandbox::{Capability, Place, Problem, ViewSpec, find_problem};
use saltire_store_model::StorePath;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A program that is ready to run: what this process becomes.
pub struct Launch {
    spec: ViewSpec,
}

/// The emulators for what a program may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Emulators {
    /// These, and the program's own.
    Only(Vec<&'static Emulator>),
    /// All that there are.
    All,
}

impl Launch {
    /// Gives the program an environment variable.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.spec.env.push((name.into(), value.into()));
        self
    }

    /// Lets the program see these environment variables instead of this process's;
    /// those that it needs stay.
    #[must_use]
    pub fn with_environment(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let needed = std::mem::take(&mut self.spec.env);
        self.spec.env = variables.into_iter().chain(needed).collect();
        self.spec.inherit = false;
        self
    }

    /// Becomes the program, which so has this process's terminal, signals, working
    /// directory, user and network. Returns only on failure.
    ///
    /// The session and all threads should have ended before.
    pub fn exec(self) -> Error {
        let program = self.spec.program.display().to_string();
        Error::Run { program, source: self.spec.exec() }
    }
}

impl Session {
    /// The store path and the inside path of a target's program.
    pub fn program(&self, target: &Target, name: Option<&str>) -> Result<PathBuf, Error> {
        let name = name.unwrap_or(&target.program);
        let mut available = Vec::new();
        for output in &target.wanted.outputs {
            let path: StorePath = self.output(&target.wanted.derivation, output)?;
            let directory = self.store().physical_path(&path).join("bin");
            if directory.join(name).symlink_metadata().is_ok() {
                return Ok(PathBuf::from(self.store().display(&path)).join("bin").join(name));
            }
            let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
            available.extend(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        }
        available.sort();
        Err(Error::NoProgram { package: target.package.clone(), program: name.to_owned(), available })
    }

    /// The emulator that programs of a platform need here, if they do and there is one.
    pub fn emulator_for(&self, platform: &Platform) -> Option<&'static Emulator> {
        if can_execute(self.platform, platform) { None } else { platform.emulator() }
    }

    /// Whether programs of a platform need a C library that this machine has not and
    /// the embedded package set has ready.
    pub fn lacks_libraries_of(&self, platform: &Platform) -> bool {
        let ready = platform.prebuilt.as_ref().is_some_and(|one| one.kind == PrebuiltKind::Glibc);
        let linker = platform.dynamic_linker.as_deref();
        self.emulator_for(platform).is_some()
            && ready
            && linker.is_some_and(|linker| !Path::new(linker).exists())
    }

    /// What a foreign program that was not built here needs besides its emulator: the
    /// C library of its platform, and GCC's libraries where the embedded package set has them.
    /// They are built if they are not in the store. The variables are the emulator's.
    pub fn library_variables(
        self: &Arc<Self>,
        platform: &Platform,
    ) -> Result<Vec<(OsString, OsString)>, Error> {
        let libc = self.tool(&format!("pkgsCross.{}.libc", platform.name))?;
        let mut variables = vec![(EMULATOR_ROOT.into(), libc.into())];
        match self.tool(&format!("pkgsCross.{}.gccLibs", platform.name)) {
            Ok(gcc) => {
                // For the foreign programs only.
                let mut path = OsString::from("LD_LIBRARY_PATH=");
                path.push(gcc.join("lib"));
                variables.push(("QEMU_SET_ENV".into(), path));
            }
            // A program that needs more than the C library says so itself.
            Err(Error::NotADerivation(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(variables)
    }

    /// Makes a program ready to run on the machine as it is, with the store in its
    /// place. `runnable` says what it needs itself, `others` is for what it may start.
    ///
    /// Where the kernel can't register emulators for one program only, the machine's
    /// own registrations are used if they cover it; else the emulator runs the
    /// program itself, but nothing that the program starts. The user is told so.
    pub fn launch(
        self: &Arc<Self>,
        program: &Path,
        arguments: &[OsString],
        runnable: Runnable,
        others: &Emulators,
    ) -> Result<Launch, Error> {
        let mut spec = ViewSpec::new(program);
        spec.args.extend(arguments.iter().cloned());
        if let Some(platform) = runnable.libraries {
            spec.env = self.library_variables(platform)?;
        }
        let own = runnable.emulator;
        let location = self.store().location();
        let store = PathBuf::from(self.store().store_dir().as_str());
        if location.is_private() && location.physical_store.is_dir() {
            // Without namespaces, what is outside the store still runs.
            if program.starts_with(&store) || find_problem(Capability::UserNamespaces).is_none() {
                spec.places.push(Place { source: location.physical_store.clone(), target: store });
            }
        }
        let wanted: Vec<_> = match others {
            Emulators::All => emulators().iter().filter(|one| self.is_foreign(one)).collect(),
            Emulators::Only(others) => own.into_iter().chain(others.iter().copied()).collect(),
        };
        if !wanted.is_empty() {
            match find_problem(Capability::NamespacedBinfmt) {
                None if *others == Emulators::All => {
                    let directory = self.tool("allEmulators")?.join("bin");
                    let entry = |one: &&Emulator| registration(one, &directory.join(one.program()));
                    let entries: Result<_, _> = wanted.iter().map(entry).collect();
                    spec.binfmt = entries.map_err(Error::Emulator)?;
                }
                None => spec.binfmt = self.emulator_entries(&wanted)?,
                Some(problem) => self.launch_without_binfmt(&mut spec, own, &wanted, &problem)?,
            }
        }
        if self.is_cancelled() { Err(Error::Interrupted) } else { Ok(Launch { spec }) }
    }

    /// Whether an emulator is for programs that this machine does not run itself.
    fn is_foreign(&self, emulator: &Emulator) -> bool {
        let platforms = saltire_platforms::platforms().iter();
        let mut own = platforms.filter(|platform| can_execute(self.platform, platform));
        !own.any(|platform| platform.emulator().is_some_and(|one| one.name == emulator.name))
    }

    fn launch_without_binfmt(
        self: &Arc<Self>,
        spec: &mut ViewSpec,
        own: Option<&'static Emulator>,
        wanted: &[&'static Emulator],
        problem: &Problem,
    ) -> Result<(), Error> {
        let registered = saltire_emulation::host_registrations().unwrap_or_default();
        let is_missing = |emulator: &Emulator| !registered.iter().any(|one| one.covers(emulator));
        if !wanted.iter().any(|emulator| is_missing(emulator)) {
            return Ok(());
        }
        let name = spec.program.display().to_string();
        if let Some(emulator) = own.filter(|emulator| is_missing(emulator)) {
            let path = self.emulator_path(emulator)?;
            spec.args = saltire_emulation::direct_command(&path, &spec.program, &spec.args);
            spec.program = path;
        }
        self.tell(Event::Warning(&format_args!(
            "foreign programs that {name} starts are not emulated. {} {}",
            problem.cause, problem.remedy
        )));
        Ok(())
    }
}
