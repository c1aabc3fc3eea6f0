//! Becoming a program that sees the machine as it is, but for a few places and
//! with emulators: for what a person runs, not for builds.
//!
//! This protects nothing. The program keeps its caller's process number,
//! terminal, process group, working directory, environment, limits, network and
//! user, and processes that it leaves behind live on. Only what is asked for is
//! changed:
//!
//! | asked for | as an ordinary user | with `CAP_SYS_ADMIN` |
//! |---|---|---|
//! | nothing | plain exec | plain exec |
//! | places | user and mount namespace | mount namespace |
//! | emulators | two user namespaces, a mount namespace | user and mount namespace |
//!
//! The kernel keeps emulators per *user* namespace, so they need one even as root;
//! with `CAP_SETUID` and `CAP_SETGID` every user and group is mapped to itself,
//! and setuid programs (`sudo`) work inside. Otherwise only the caller's own user
//! can be mapped, everybody else looks like nobody, and setuid programs get no
//! privileges: the kernel leaves no way around that. `binfmt_misc` must be
//! mounted by user 0 of a namespace (others may not write to its files), hence
//! the second namespace, in which the user has its own number again.
//!
//! Emulators stay registered for as long as a process lives in the mount
//! namespace, in which the instance is mounted read-only.

#![allow(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode};
use rustix::mount::{MountPropagationFlags, MoveMountFlags};
use rustix::thread::CapabilitySet;

use crate::binfmt::{self, BinfmtEntry};
use crate::compile::{Compiler, OLD_ROOT, Operation, c_string, check_target};
use crate::error::{AtStep, Failure, SandboxError, Step, StepResult};
use crate::mounts;
use crate::process::{pipe, system};
use crate::sys::{self, Fork, MountAttributes, Pointers, SysResult};

/// Where the machine's programs expect `binfmt_misc`.
const BINFMT_PLACE: &CStr = c"/proc/sys/fs/binfmt_misc";

/// How long threads that are about to end are waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A program to become, and what it sees differently than the machine.
#[derive(Clone, Debug)]
pub struct ViewSpec {
    /// Path of the program, as it will see it.
    pub program: PathBuf,
    /// Its arguments, the first being its own name.
    pub args: Vec<OsString>,
    /// Environment variables; of the same name, the last counts.
    pub env: Vec<(OsString, OsString)>,
    /// Whether the variables of this process are seen as well.
    pub inherit: bool,
    /// Directories that are seen at other places too, read-only.
    pub places: Vec<Place>,
    /// Emulators, registered for this program and all that it starts.
    pub binfmt: Vec<BinfmtEntry>,
}

/// A directory of the machine at another place. The place need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory's own path.
    pub source: PathBuf,
    /// Where it is seen.
    pub target: PathBuf,
}

impl ViewSpec {
    /// A program on the machine as it is.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        let args = vec![program.clone().into_os_string()];
        Self { program, args, env: Vec::new(), inherit: true, places: Vec::new(), binfmt: Vec::new() }
    }

    /// Becomes the program. Returns only if that is not possible; this process
    /// may then be in other namespaces, and should end.
    ///
    /// Other threads of this process must have ended, or be about to.
    ///
    /// # Errors
    /// What of the description is wrong, or which step failed.
    pub fn exec(self) -> SandboxError {
        match self.prepare() {
            Ok(ready) => ready.exec(),
            Err(error) => error,
        }
    }

    fn prepare(self) -> Result<Ready, SandboxError> {
        let program = c_string("the program", &self.program)?;
        let args = self.args.iter().map(|one| c_string("an argument", one)).collect::<Result<Vec<_>, _>>()?;
        let own = std::env::vars_os().filter(|_| self.inherit);
        let variables: BTreeMap<OsString, OsString> = own.chain(self.env).collect();
        let variable = |(name, value): (&OsString, &OsString)| {
            let both = [name.as_os_str(), value.as_os_str()].join("=".as_ref());
            c_string("an environment variable", both)
        };
        let env = variables.iter().map(variable).collect::<Result<Vec<_>, _>>()?;
        let changes = match self.places.is_empty() && self.binfmt.is_empty() {
            true => None,
            false => Some(Changes::new(&self.places, self.binfmt)?),
        };
        Ok(Ready { program, args, env, changes })
    }
}

/// Everything in the form that system calls take.
struct Ready {
    program: CString,
    args: Vec<CString>,
    env: Vec<CString>,
    changes: Option<Changes>,
}

impl Ready {
    fn exec(self) -> SandboxError {
        if let Some(changes) = &self.changes
            && let Err(error) = changes.make()
        {
            return error;
        }
        // Rust's start-up code ignores SIGPIPE, which programs do not expect.
        // Whatever else is ignored (by nohup, say) stays so.
        sys::default_signal(libc::SIGPIPE);
        let (args, env) = (Pointers::new(&self.args), Pointers::new(&self.env));
        let error = sys::execute(&self.program, &args, &env);
        SandboxError::Setup {
            step: Step::Execute,
            subject: self.program.to_string_lossy().into_owned(),
            error: error.into(),
        }
    }
}

/// What is different from the machine.
struct Changes {
    operations: Vec<Operation>,
    /// Whether the operations make a new root, because a place does not exist.
    new_root: bool,
    binfmt: Vec<BinfmtEntry>,
}

impl Changes {
    fn new(places: &[Place], binfmt: Vec<BinfmtEntry>) -> Result<Self, SandboxError> {
        let new_root = places.iter().any(|place| !place.target.is_dir());
        let mut compiler = Compiler::new(if new_root { OLD_ROOT } else { c"" }, false);
        if new_root {
            let targets = places.iter().map(|place| place.target.as_path()).collect();
            show_all(&mut compiler, Path::new("/"), &targets)?;
        }
        for place in places {
            check_target(&place.target)?;
            if !new_root {
                compiler.assume(&place.target);
            }
            compiler.mount(&crate::Mount::bind(&place.source, &place.target))?;
        }
        Ok(Self { operations: compiler.finish(), new_root, binfmt })
    }

    /// Moves this process to namespaces in which they hold.
    fn make(&self) -> Result<(), SandboxError> {
        let directory = std::env::current_dir().ok();
        let nested = enter_namespaces(!self.binfmt.is_empty())?;
        self.apply().map_err(|failure| self.explain(failure))?;
        if let Some((uid_map, gid_map)) = nested {
            // The user's own numbers again. The mounts belong to the outer
            // namespace, so the program can't undo them by accident.
            enter(libc::CLONE_NEWUSER)?;
            write_own_maps(&uid_map, &gid_map)?;
        }
        if let Some(directory) = directory {
            // By its path, so that it is the one in the new tree. If there is none
            // of that name (it was deleted), the old one goes on to work.
            let _ = std::env::set_current_dir(directory);
        }
        Ok(())
    }

    fn apply(&self) -> StepResult {
        // What the machine mounts later is seen, and nothing gets out.
        let downstream = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        rustix::mount::mount_change(c"/", downstream).at(Step::PrivateMounts)?;
        // Before the root changes: the emulators' paths are the machine's.
        let binfmt = match self.binfmt.is_empty() {
            true => None,
            false => Some(binfmt::register(&self.binfmt)?),
        };
        let umask = rustix::process::umask(Mode::empty());
        if self.new_root {
            mounts::enter_new_root()?;
        }
        mounts::apply(&self.operations)?;
        if self.new_root {
            mounts::leave_old_root()?;
            // What would be written to it would vanish with the namespace.
            mounts::seal_root()?;
        }
        rustix::process::umask(umask);
        binfmt.map_or(Ok(()), |mount| attach_binfmt(&mount).at(Step::AttachBinfmt))
    }

    fn explain(&self, failure: Failure) -> SandboxError {
        let index = failure.index as usize;
        let subject = match failure.step {
            Step::Mount => self.operations.get(index).map(Operation::subject),
            Step::RegisterEmulator => self.binfmt.get(index).map(|entry| entry.label.clone()),
            _ => None,
        };
        SandboxError::Setup {
            step: failure.step,
            subject: subject.unwrap_or_default(),
            error: io::Error::from_raw_os_error(failure.errno),
        }
    }
}

/// Binds everything in a directory, each thing at its own place, so that places
/// which do not exist can be made beside them.
fn show_all(
    compiler: &mut Compiler,
    directory: &Path,
    targets: &BTreeSet<&Path>,
) -> Result<(), SandboxError> {
    let failed = |error| SandboxError::Source { path: directory.to_owned(), error };
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if targets.contains(path.as_path()) {
            continue;
        }
        let holds_one = targets.iter().any(|target| target.starts_with(&path));
        if holds_one && path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            show_all(compiler, &path, targets)?;
        } else if !holds_one {
            compiler.bind_unchanged(&path)?;
        }
    }
    Ok(())
}

/// Mounts the instance where programs look for it, which keeps it alive.
fn attach_binfmt(mount: &OwnedFd) -> SysResult {
    // Its files belong to the user: without this, a stray write could change
    // what is registered.
    let attributes = MountAttributes { readonly: true, nodev: true, recursive: false };
    sys::restrict_descriptor(mount, attributes)?;
    rustix::mount::move_mount(mount, c"", CWD, BINFMT_PLACE, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Moves this process to a mount namespace and, if it must be, a user namespace.
/// Returns the maps of the namespace that is to be nested in that.
fn enter_namespaces(with_binfmt: bool) -> Result<Option<(String, String)>, SandboxError> {
    wait_until_alone()?;
    let own = rustix::thread::capabilities(None).map(|sets| sets.effective).unwrap_or(CapabilitySet::empty());
    if own.contains(CapabilitySet::SYS_ADMIN) && !with_binfmt {
        enter(libc::CLONE_NEWNS)?;
        return Ok(None);
    }
    if own.contains(CapabilitySet::SETUID | CapabilitySet::SETGID) {
        let mapper = Mapper::start()?;
        enter(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)?;
        mapper.map()?;
        return Ok(None);
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    enter(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)?;
    if with_binfmt {
        write_own_maps(&format!("0 {uid} 1"), &format!("0 {gid} 1"))?;
        return Ok(Some((format!("{uid} 0 1"), format!("{gid} 0 1"))));
    }
    write_own_maps(&format!("{uid} {uid} 1"), &format!("{gid} {gid} 1"))?;
    Ok(None)
}

/// Waits until this process has one thread: others may change no user namespace.
/// A thread that was joined may still be on its way out.
fn wait_until_alone() -> Result<(), SandboxError> {
    let deadline = Instant::now() + PATIENCE;
    let threads = || std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    while threads() > 1 {
        if Instant::now() > deadline {
            let error = io::Error::new(io::ErrorKind::WouldBlock, "other threads of this process still run");
            return Err(SandboxError::Setup { step: Step::CreateNamespaces, subject: String::new(), error });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn enter(flags: libc::c_int) -> Result<(), SandboxError> {
    sys::unshare(flags).map_err(|error| SandboxError::Setup {
        step: Step::CreateNamespaces,
        subject: String::new(),
        error: error.into(),
    })
}

fn map_error(subject: &str) -> impl Fn(io::Error) -> SandboxError + '_ {
    move |error| SandboxError::Setup { step: Step::MapUser, subject: subject.to_owned(), error }
}

/// The maps that an ordinary user may write: of itself.
fn write_own_maps(uid_map: &str, gid_map: &str) -> Result<(), SandboxError> {
    for (file, text) in [("setgroups", "deny"), ("gid_map", gid_map), ("uid_map", uid_map)] {
        std::fs::write(format!("/proc/self/{file}"), text).map_err(map_error(&format!("({file})")))?;
    }
    Ok(())
}

/// A child that stays in the namespace which this process leaves: only from
/// there can all users be mapped.
struct Mapper {
    process: libc::pid_t,
    go: File,
    result: File,
}

impl Mapper {
    fn start() -> Result<Self, SandboxError> {
        let own = |file: &str| -> Result<String, SandboxError> {
            let text = std::fs::read_to_string(format!("/proc/self/{file}")).map_err(map_error(file))?;
            Ok(identity_map(&text))
        };
        let maps = [("gid_map", own("gid_map")?), ("uid_map", own("uid_map")?)];
        let pid = std::process::id();
        let maps = maps.map(|(file, text)| (format!("/proc/{pid}/{file}"), text));
        let (go, result) = (pipe()?, pipe()?);
        // SAFETY: this process has no other threads (see `wait_until_alone`) that
        // could hold a lock which the child would wait for.
        match unsafe { sys::clone_process(0) }.map_err(system("start a process"))? {
            Fork::Parent(process) => Ok(Self { process, go: File::from(go.1), result: File::from(result.0) }),
            Fork::Child => {
                // Its own copies would keep the pipes from ending.
                drop((go.1, result.0));
                let mut byte = [0];
                let answer = match File::from(go.0).read_exact(&mut byte) {
                    Ok(()) => maps.iter().try_for_each(|(path, text)| std::fs::write(path, text)),
                    // The caller gave up.
                    Err(error) => Err(error),
                };
                let code = answer.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
                let _ = File::from(result.1).write_all(&code.to_ne_bytes());
                sys::exit_now(0)
            }
        }
    }

    /// Has the maps of this process's new namespace written.
    fn map(mut self) -> Result<(), SandboxError> {
        let mut code = [0; 4];
        let answer = self.go.write_all(b"g").and_then(|()| self.result.read_exact(&mut code));
        let _ = sys::wait_any(self.process, 0);
        answer.map_err(map_error(""))?;
        match i32::from_ne_bytes(code) {
            0 => Ok(()),
            code => Err(map_error("")(io::Error::from_raw_os_error(code))),
        }
    }
}

/// The map that leaves every number as it is, from `/proc/self/uid_map`: first
/// number inside, outside, count.
fn identity_map(own: &str) -> String {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (first, count) = (words.next()?, words.nth(1)?);
        Some(format!("{first} {first} {count}\n"))
    };
    own.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mapped_user_stays_itself() {
        assert_eq!(identity_map("         0          0 4294967295\n"), "0 0 4294967295\n");
        assert_eq!(identity_map("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65536\n");
        assert_eq!(identity_map(""), "");
    }

    #[test]
    fn a_place_that_does_not_exist_is_made_beside_everything_else() {
        let place = Place { source: "/usr".into(), target: "/usr/no/such/place".into() };
        let changes = Changes::new(std::slice::from_ref(&place), Vec::new()).expect("compiled");
        assert!(changes.new_root);
        let subjects: Vec<String> = changes.operations.iter().map(Operation::subject).collect();
        assert!(subjects.contains(&"/usr/bin at /usr/bin".to_owned()), "{subjects:?}");
        assert!(subjects.contains(&"/etc at /etc".to_owned()), "{subjects:?}");
        assert!(!subjects.contains(&"/usr at /usr".to_owned()), "{subjects:?}");
        assert_eq!(subjects.last().map(String::as_str), Some("/usr at /usr/no/such/place"));
        let exists = Place { target: "/usr/bin".into(), ..place };
        let changes = Changes::new(&[exists], Vec::new()).expect("compiled");
        let subjects: Vec<String> = changes.operations.iter().map(Operation::subject).collect();
        assert!(!changes.new_root);
        assert_eq!(subjects, ["/usr at /usr/bin"]);
    }
}
