//! Running programs, foreign ones included, with the user's own files around them.

use crate::error::Error;
use crate::select::Target;
use crate::session::Session;
use saltire_platforms::{Emulator, Platform, can_execute};
use saltire_sandbox::{BinfmtEntry, Identity, Mount, SandboxSpec, Seccomp, Stdin};
use saltire_store_model::StorePath;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

/// Directories of the machine that a run gets fresh instead.
const FRESH: [&str; 1] = ["proc"];

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

    /// The emulators that programs of a platform need here.
    pub fn emulators_for(self: &Arc<Self>, platform: &Platform) -> Result<Vec<BinfmtEntry>, Error> {
        if can_execute(self.platform, platform) {
            Ok(Vec::new())
        } else {
            self.emulator_entries(&platform.system)
        }
    }

    /// The emulator for a program's bytes; `None` if this machine runs it, or
    /// nothing is known to.
    pub fn emulator_of(&self, start: &[u8]) -> Option<&'static Emulator> {
        let identity = saltire_platforms::identify_elf(start).ok()?;
        let own = identity.platforms().into_iter().any(|platform| can_execute(self.platform, platform));
        if own { None } else { identity.emulator }
    }

    /// Runs a program with the user's files, network, terminal and identity, the
    /// store in its place, and emulators registered for it and all that it starts.
    pub fn run(
        &self,
        program: &Path,
        arguments: &[OsString],
        emulators: Vec<BinfmtEntry>,
    ) -> Result<ExitStatus, Error> {
        let failed = |source| Error::Run { program: program.display().to_string(), source };
        let mut spec = SandboxSpec::new(program);
        spec.args.extend(arguments.iter().cloned());
        spec.env = std::env::vars_os().collect();
        spec.cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        spec.mounts = self.machine_mounts()?;
        spec.readonly_root = false;
        spec.foreground = true;
        spec.network = true;
        spec.stdin = Stdin::Inherit;
        spec.seccomp = Seccomp::Off;
        spec.binfmt = emulators;
        spec.hostname = rustix::system::uname().nodename().to_string_lossy().into_owned().into();
        spec.identity = Identity {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            build_user: None,
        };
        let mut child = spec.spawn().map_err(failed)?;
        Ok(child.wait().map_err(failed)?.exit)
    }

    /// The machine's root directory, with the store in its place.
    fn machine_mounts(&self) -> Result<Vec<Mount>, Error> {
        let root = Path::new("/");
        let failed = |source| Error::File { action: "read", path: root.to_owned(), source };
        let private = self.store().location().is_private();
        let mut mounts = Vec::new();
        for entry in std::fs::read_dir(root).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let hidden = FRESH.iter().any(|fresh| name == *fresh) || private && name == "nix";
            if !hidden {
                let path = root.join(&name);
                mounts.push(Mount::Bind(saltire_sandbox::Bind {
                    source: path.clone(),
                    target: path,
                    writable: true,
                    optional: true,
                    devices: true,
                }));
            }
        }
        mounts.push(Mount::Proc { target: "/proc".into() });
        if private {
            let store = &self.store().location().physical_store;
            mounts.push(Mount::bind(store, self.store().store_dir().as_str()));
        }
        Ok(mounts)
    }
}
