//! Starting a sandbox and watching it, from the caller's side.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Rlimit, Signal};

use crate::child::{self, Descriptors, GO_DROP_GROUPS, GO_KEEP_GROUPS, Plan, REPORT_SIZE};
use crate::compile::{Compiler, OLD_ROOT, c_string, check_target};
use crate::error::{Failure, SandboxError, Step};
use crate::spec::{BuildUser, Identity, Output, Personality, SandboxSpec, Stdin};
use crate::sys::{self, Fork, Pointers};
use crate::{Limit, seccomp};

/// Execution domain of a 32-bit machine (linux/personality.h).
const PER_LINUX32: libc::c_ulong = 0x0008;

/// "No descriptor" in [`Descriptors`].
const NONE: RawFd = -1;

/// CPU time that the program and its children used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// In user mode.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
}

/// How a sandbox ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Exit status of the program; "killed by signal 9" when the whole sandbox
    /// was killed.
    pub exit: ExitStatus,
    /// What it used.
    pub resources: Resources,
}

/// A running sandbox. Dropping it kills everything inside.
#[derive(Debug)]
pub struct SandboxChild {
    init: Pid,
    pidfd: OwnedFd,
    status: File,
    /// Closing this tells init that the caller is gone.
    lifeline: Option<OwnedFd>,
    log: Option<File>,
    ended: Option<Status>,
}

/// The caller's ends of the pipes, and what init gets.
struct Channels {
    go: (OwnedFd, OwnedFd),
    failures: (OwnedFd, OwnedFd),
    status: (OwnedFd, OwnedFd),
    lifeline: Option<(OwnedFd, OwnedFd)>,
}

/// Standard descriptors of the program, and the caller's end of the log.
struct Stdio {
    numbers: [RawFd; 3],
    /// Keeps the numbers open until init has them.
    _owned: Vec<OwnedFd>,
    log: Option<File>,
}

impl SandboxSpec {
    /// Starts the program. Returns when it runs, or could not be made to.
    ///
    /// # Errors
    /// What of the description is wrong, or which step of the set-up failed.
    pub fn spawn(self) -> Result<SandboxChild, SandboxError> {
        let plan = self.compile()?;
        let network = self.network;
        let identity = self.identity.clone();
        let channels = Channels::new(self.die_with_parent)?;
        let stdio = Stdio::new(self.stdin, self.output, effective_build_user(&identity))?;
        let descriptors = Descriptors {
            go: channels.go.0.as_raw_fd(),
            failures: channels.failures.1.as_raw_fd(),
            status: channels.status.1.as_raw_fd(),
            lifeline: channels.lifeline.as_ref().map_or(NONE, |(read, _)| read.as_raw_fd()),
            stdin: stdio.numbers[0],
            stdout: stdio.numbers[1],
            stderr: stdio.numbers[2],
        };
        let init = clone_init(&plan, descriptors, network)?;
        SandboxChild::after_clone(init, channels, stdio, &identity, &plan)
    }

    /// Turns the description into system call arguments.
    fn compile(&self) -> Result<Plan, SandboxError> {
        check_target(&self.cwd)?;
        let build_user = effective_build_user(&self.identity);
        // Root's build without a build user owns what root owns outside.
        let is_root = build_user.is_none() && rustix::process::geteuid().is_root();
        let mut compiler = Compiler::new(OLD_ROOT, is_root);
        for mount in &self.mounts {
            compiler.mount(mount)?;
        }
        let args = self
            .args
            .iter()
            .map(|argument| c_string("an argument", argument))
            .collect::<Result<Vec<_>, _>>()?;
        let env = self
            .env
            .iter()
            .map(|(name, value)| {
                let mut both = name.clone();
                both.push("=");
                both.push(value);
                c_string("an environment variable", both)
            })
            .collect::<Result<Vec<CString>, _>>()?;
        let inner = if build_user.is_some() { 1 } else { 0 };
        Ok(Plan {
            operations: compiler.finish(),
            readonly_root: self.readonly_root,
            hostname: c_string("the host name", &self.hostname)?,
            domainname: c_string("the domain name", &self.domainname)?,
            raise_loopback: !self.network && self.loopback,
            binfmt: self.binfmt.clone(),
            switch_user: build_user.is_some(),
            uid_map: format!("{} {inner} 1", self.identity.uid).into_bytes(),
            gid_map: format!("{} {inner} 1", self.identity.gid).into_bytes(),
            limits: self.limits.iter().map(clip).collect(),
            umask: self.umask,
            personality: personality(self.personality),
            cwd: c_string("the working directory", &self.cwd)?,
            program: c_string("the program", &self.program)?,
            arg_pointers: Pointers::new(&args),
            env_pointers: Pointers::new(&env),
            _strings: [args, env],
            filter: seccomp::filter(self.seccomp, self.network)?,
        })
    }
}

/// The build user, if it is somebody else. (A group that is the caller's own
/// can't be mapped a second time: the kernel refuses that.)
fn effective_build_user(identity: &Identity) -> Option<BuildUser> {
    let caller = rustix::process::geteuid().as_raw();
    identity.build_user.filter(|user| user.uid != caller)
}

/// A limit, no higher than this process's own: only real root can raise one.
fn clip(limit: &Limit) -> (rustix::process::Resource, Rlimit) {
    let own = rustix::process::getrlimit(limit.resource).maximum;
    let value = match (limit.value, own) {
        (Some(value), Some(own)) => Some(value.min(own)),
        (value, own) => value.or(own),
    };
    let both = Rlimit { current: value, maximum: value };
    (limit.resource, both)
}

fn personality(wanted: Personality) -> (libc::c_ulong, Option<libc::c_ulong>) {
    let bits = if wanted.no_randomize { libc::ADDR_NO_RANDOMIZE as libc::c_ulong } else { 0 };
    let domain = wanted.linux32.then_some(PER_LINUX32);
    (bits, domain)
}

pub(crate) fn system(what: &'static str) -> impl Fn(Errno) -> SandboxError {
    move |error| SandboxError::System { what, error: error.into() }
}

pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd), SandboxError> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(system("make a pipe"))
}

impl Channels {
    fn new(lifeline: bool) -> Result<Self, SandboxError> {
        Ok(Self {
            go: pipe()?,
            failures: pipe()?,
            status: pipe()?,
            lifeline: lifeline.then(pipe).transpose()?,
        })
    }
}

impl Stdio {
    fn new(stdin: Stdin, output: Output, user: Option<BuildUser>) -> Result<Self, SandboxError> {
        let mut owned = Vec::new();
        let mut keep = |descriptor: OwnedFd| {
            let number = descriptor.as_raw_fd();
            owned.push(descriptor);
            number
        };
        let stdin = match stdin {
            Stdin::Inherit => 0,
            Stdin::Descriptor(descriptor) => keep(descriptor),
            Stdin::Null => {
                let null = File::open("/dev/null")
                    .map_err(|error| SandboxError::System { what: "open /dev/null", error })?;
                keep(null.into())
            }
        };
        // So that the build user can open them by their names in /proc and /dev.
        let give = |output: &OwnedFd| match user {
            Some(user) => std::os::unix::fs::fchown(output, Some(user.uid), Some(user.gid))
                .map_err(|error| SandboxError::System { what: "give the output to the build user", error }),
            None => Ok(()),
        };
        let mut log = None;
        let (stdout, stderr) = match output {
            Output::Inherit => (1, 2),
            Output::Descriptors { stdout, stderr } => (keep(stdout), keep(stderr)),
            Output::Pipe => {
                let (read, write) = pipe()?;
                give(&write)?;
                log = Some(File::from(read));
                let number = keep(write);
                (number, number)
            }
            Output::Terminal => {
                let (controller, terminal) = terminal()?;
                give(&terminal)?;
                log = Some(File::from(controller));
                let number = keep(terminal);
                (number, number)
            }
        };
        Ok(Self { numbers: [stdin, stdout, stderr], _owned: owned, log })
    }
}

/// A pair of terminal sides: the one that reads what is written to the other.
fn terminal() -> Result<(OwnedFd, OwnedFd), SandboxError> {
    use rustix::pty::OpenptFlags;
    use rustix::termios::OptionalActions;

    let error = system("open a terminal for the output");
    let controller = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
        .map_err(&error)?;
    rustix::pty::grantpt(&controller).map_err(&error)?;
    rustix::pty::unlockpt(&controller).map_err(&error)?;
    let name = rustix::pty::ptsname(&controller, Vec::new()).map_err(&error)?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty()).map_err(&error)?;
    let mut settings = rustix::termios::tcgetattr(&terminal).map_err(&error)?;
    settings.make_raw();
    rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &settings).map_err(&error)?;
    Ok((controller, terminal))
}

/// Starts init in its namespaces.
fn clone_init(plan: &Plan, descriptors: Descriptors, network: bool) -> Result<Pid, SandboxError> {
    let mut flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if !network {
        flags |= libc::CLONE_NEWNET;
    }
    // No handler of ours may run in the child.
    let mask = sys::set_signal_mask(&sys::every_signal());
    // SAFETY: `child::init` only makes system calls and reads the plan, which
    // this thread owns, and never returns.
    let result = unsafe { sys::clone_process(flags) };
    if let Ok(Fork::Child) = result {
        child::init(plan, descriptors)
    }
    sys::set_signal_mask(&mask);
    match result {
        Ok(Fork::Parent(pid)) => Pid::from_raw(pid).ok_or(SandboxError::System {
            what: "start a process",
            error: io::ErrorKind::InvalidData.into(),
        }),
        Ok(Fork::Child) => unreachable!("init does not return"),
        Err(error) => Err(SandboxError::Setup {
            step: Step::CreateNamespaces,
            subject: String::new(),
            error: error.into(),
        }),
    }
}

impl SandboxChild {
    /// The caller's part of the set-up.
    fn after_clone(
        init: Pid,
        channels: Channels,
        stdio: Stdio,
        identity: &Identity,
        plan: &Plan,
    ) -> Result<Self, SandboxError> {
        let pidfd = match rustix::process::pidfd_open(init, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                // Without it there is no `SandboxChild` to clean up yet. Init
                // waits for a byte, so it has not started anything.
                let _ = rustix::process::kill_process(init, Signal::KILL);
                let _ = sys::wait_any(init.as_raw_nonzero().get(), 0);
                return Err(system("watch a process")(error));
            }
        };
        // From here on dropping this kills and reaps.
        let child = Self {
            init,
            pidfd,
            status: channels.status.0.into(),
            lifeline: channels.lifeline.map(|(_, write)| write),
            log: stdio.log,
            ended: None,
        };
        drop((channels.go.0, channels.failures.1, channels.status.1));
        drop(stdio._owned);
        let groups = write_maps(init, identity)?;
        File::from(channels.go.1)
            .write_all(&[groups])
            .map_err(|error| SandboxError::System { what: "start the set-up of the sandbox", error })?;
        match read_failure(channels.failures.0) {
            None => Ok(child),
            Some(failure) => Err(explain(failure, plan)),
        }
    }

    /// The other side of the output, once, when it goes to a pipe or terminal.
    ///
    /// Reading a terminal's other side ends with an error (EIO) rather than with
    /// "end of file" when the last writer is gone; [`read_log`](Self::read_log)
    /// makes them the same.
    pub fn take_log(&mut self) -> Option<File> {
        self.log.take()
    }

    /// Reads from what [`take_log`](Self::take_log) gave; 0 is the end.
    ///
    /// # Errors
    /// Whatever reading gives, except the terminal's end.
    pub fn read_log(log: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
        match log.read(buffer) {
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(0),
            other => other,
        }
    }

    /// Process number of the sandbox's init, outside.
    pub fn id(&self) -> u32 {
        self.init.as_raw_nonzero().get().unsigned_abs()
    }

    /// A descriptor that is readable when the sandbox has ended, for event
    /// loops. Then [`wait`](Self::wait) does not block for long.
    pub fn pidfd(&self) -> impl AsFd + '_ {
        &self.pidfd
    }

    /// Kills everything inside. [`wait`](Self::wait) then returns soon.
    pub fn kill(&self) {
        if self.ended.is_none() {
            // Process 1: the kernel kills the rest of its namespace with it.
            // Failure can only mean that it has ended already.
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        }
    }

    /// Waits until the program has ended and nothing is left inside.
    ///
    /// # Errors
    /// The kernel refuses to wait, which it should not.
    pub fn wait(&mut self) -> Result<Status, SandboxError> {
        loop {
            if let Some(status) = self.wait_until(None)? {
                return Ok(status);
            }
        }
    }

    /// The same, but gives up after a time with `None`.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<Status>, SandboxError> {
        self.wait_until(Some(Instant::now() + timeout))
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<Option<Status>, SandboxError> {
        if let Some(status) = self.ended {
            return Ok(Some(status));
        }
        loop {
            let timeout = deadline.map(|deadline| {
                let left = deadline.saturating_duration_since(Instant::now());
                Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::from(i32::MAX), tv_nsec: 0 })
            });
            let mut init = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match rustix::event::poll(&mut init, timeout.as_ref()) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(system("wait for the sandbox")(error)),
            }
        }
        // Ended means that the kernel has killed the rest of its namespace, too.
        // When somebody else reaped it (an ignored SIGCHLD does), its report is
        // still in the pipe.
        let _ = sys::wait_any(self.init.as_raw_nonzero().get(), 0);
        let status = self.read_report();
        self.ended = Some(status);
        self.lifeline = None;
        Ok(Some(status))
    }

    fn read_report(&mut self) -> Status {
        let mut bytes = [0; REPORT_SIZE];
        if self.status.read_exact(&mut bytes).is_err() {
            // Init ended without a report: it was killed.
            return Status { exit: ExitStatus::from_raw(libc::SIGKILL), resources: Resources::default() };
        }
        let (status, times) = bytes.split_at(8);
        let number = |bytes: &[u8]| {
            let mut array = [0; 8];
            array[..bytes.len()].copy_from_slice(bytes);
            u64::from_ne_bytes(array)
        };
        let mut raw = [0; 4];
        raw.copy_from_slice(&status[..4]);
        Status {
            exit: ExitStatus::from_raw(i32::from_ne_bytes(raw)),
            resources: Resources {
                user: Duration::from_micros(number(&times[..8])),
                system: Duration::from_micros(number(&times[8..])),
            },
        }
    }
}

impl Drop for SandboxChild {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill();
            let _ = self.wait();
        }
    }
}

/// Writes the user and group maps of init's namespace: its root is the caller,
/// its user 1 the build user if there is one. Returns the byte that lets init go
/// on.
///
/// Safe: the kernel lets an ordinary user map only itself; for root, the build
/// user is what the caller says.
pub(crate) fn write_maps(init: Pid, identity: &Identity) -> Result<u8, SandboxError> {
    let directory = format!("/proc/{}", init.as_raw_nonzero());
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let write = |file: &str, text: String| std::fs::write(format!("{directory}/{file}"), text);
    let failed = |subject: &str| {
        let subject = subject.to_owned();
        move |error| SandboxError::Setup { step: Step::MapUser, subject, error }
    };
    let mut uids = format!("0 {} 1\n", uid.as_raw());
    let mut gids = format!("0 {} 1\n", gid.as_raw());
    let build_user = effective_build_user(identity);
    if let Some(user) = build_user {
        uids.push_str(&format!("1 {} 1\n", user.uid));
        gids.push_str(&format!("1 {} 1\n", user.gid));
    }
    // With privileges the groups can be mapped without giving up setgroups.
    let privileged = uid.is_root() && may_set_groups() && write("gid_map", gids.clone()).is_ok();
    if !privileged {
        write("setgroups", "deny".to_owned()).map_err(failed("(setgroups)"))?;
        write("gid_map", gids).map_err(failed("(gid_map)"))?;
    }
    write("uid_map", uids).map_err(failed("(uid_map)"))?;
    Ok(if privileged { GO_DROP_GROUPS } else { GO_KEEP_GROUPS })
}

/// Whether this process's namespace allows setgroups: that of `unshare -r`, in which the
/// caller is root, does not, and neither does any namespace in it.
fn may_set_groups() -> bool {
    std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "allow")
}

/// Waits for the program to run (end of file) or for news of a failure.
pub(crate) fn read_failure(pipe: OwnedFd) -> Option<Failure> {
    let mut bytes = [0; Failure::SIZE];
    File::from(pipe).read_exact(&mut bytes).ok()?;
    Failure::decode(bytes)
}

fn explain(failure: Failure, plan: &Plan) -> SandboxError {
    let index = failure.index as usize;
    let subject = match failure.step {
        Step::Mount => plan.operations.get(index).map(|one| one.subject()),
        Step::RegisterEmulator => plan.binfmt.get(index).map(|entry| entry.label.clone()),
        Step::SetLimit => plan.limits.get(index).map(|(resource, _)| format!("{resource:?}")),
        Step::Execute => Some(plan.program.to_string_lossy().into_owned()),
        Step::ChangeDirectory => Some(plan.cwd.to_string_lossy().into_owned()),
        _ => None,
    };
    SandboxError::Setup {
        step: failure.step,
        subject: subject.unwrap_or_default(),
        error: io::Error::from_raw_os_error(failure.errno),
    }
}
