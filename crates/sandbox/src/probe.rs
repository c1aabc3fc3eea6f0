//! What of this crate's means the machine allows, found out by trying.
//!
//! Each trial runs in a child of its own, in namespaces of its own, and leaves
//! nothing behind.

#![allow(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::process::Pid;

use crate::process::{pipe, write_maps};
use crate::spec::{Identity, Seccomp};
use crate::sys::{self, Fork, SysResult};
use crate::{binfmt, mounts, seccomp};

/// Something that the kernel can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// User namespaces, without which there is no sandbox.
    UserNamespaces,
    /// Mount, PID, network, IPC, UTS and cgroup namespaces.
    OtherNamespaces,
    /// A `/proc` of the sandbox's own.
    OwnProc,
    /// System call filters.
    SystemCallFilter,
    /// `binfmt_misc` per user namespace: emulation of builds and of children.
    NamespacedBinfmt,
    /// Overlay file systems in a user namespace.
    Overlay,
}

impl Capability {
    /// Every one, in the order in which they build on each other.
    pub const ALL: [Self; 6] = [
        Self::UserNamespaces,
        Self::OtherNamespaces,
        Self::OwnProc,
        Self::SystemCallFilter,
        Self::NamespacedBinfmt,
        Self::Overlay,
    ];

    /// Those without which no build can run.
    pub const FOR_BUILDS: [Self; 4] =
        [Self::UserNamespaces, Self::OtherNamespaces, Self::OwnProc, Self::SystemCallFilter];
}

impl fmt::Display for Capability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::UserNamespaces => "user namespaces",
            Self::OtherNamespaces => "mount, process, network and other namespaces",
            Self::OwnProc => "a /proc of its own in a sandbox",
            Self::SystemCallFilter => "system call filters (seccomp)",
            Self::NamespacedBinfmt => "emulators registered per namespace (binfmt_misc)",
            Self::Overlay => "overlay file systems in a user namespace",
        })
    }
}

/// What a trial found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was tried.
    pub capability: Capability,
    /// Why it does not work; `None` if it does.
    pub problem: Option<Problem>,
}

/// Why something does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What the kernel said.
    pub error: String,
    /// The likely cause.
    pub cause: String,
    /// What to do, or what works without.
    pub remedy: String,
}

/// What all trials found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// One per [`Capability`], in their order.
    pub findings: Vec<Finding>,
}

impl Probe {
    /// Whether something works.
    pub fn has(&self, capability: Capability) -> bool {
        self.findings.iter().any(|finding| finding.capability == capability && finding.problem.is_none())
    }

    /// Whether builds can run in a sandbox.
    pub fn can_build(&self) -> bool {
        Capability::FOR_BUILDS.into_iter().all(|capability| self.has(capability))
    }
}

/// Tries everything; takes a few milliseconds.
pub fn probe() -> Probe {
    let finding = |capability| Finding { capability, problem: find_problem(capability) };
    Probe { findings: Capability::ALL.map(finding).into() }
}

/// Tries one thing, which takes about a millisecond: why it does not work, or
/// `None` if it does.
pub fn find_problem(capability: Capability) -> Option<Problem> {
    attempt(capability).err().map(|error| Surroundings::read().explain(capability, error))
}

/// Tries one.
fn attempt(capability: Capability) -> SysResult {
    let mut flags = libc::CLONE_NEWUSER;
    match capability {
        Capability::UserNamespaces | Capability::SystemCallFilter => {}
        Capability::NamespacedBinfmt | Capability::Overlay => flags |= libc::CLONE_NEWNS,
        Capability::OwnProc => flags |= libc::CLONE_NEWNS | libc::CLONE_NEWPID,
        Capability::OtherNamespaces => {
            flags |= libc::CLONE_NEWNS
                | libc::CLONE_NEWPID
                | libc::CLONE_NEWNET
                | libc::CLONE_NEWIPC
                | libc::CLONE_NEWUTS
                | libc::CLONE_NEWCGROUP;
        }
    }
    let filter = match capability {
        Capability::SystemCallFilter => seccomp::filter(Seccomp::Strict, false).map_err(|_| Errno::NOSYS)?,
        _ => Vec::new(),
    };
    let (go_read, go_write) = pipe().map_err(|_| Errno::MFILE)?;
    let mask = sys::set_signal_mask(&sys::every_signal());
    // SAFETY: the child only makes system calls, reads what this thread owns,
    // and never returns.
    let result = unsafe { sys::clone_process(flags) };
    if let Ok(Fork::Child) = result {
        // Its own copy would keep the pipe from ending.
        drop(go_write);
        let code = match trial(capability, &filter, &go_read) {
            Ok(()) => 0,
            // Error numbers that matter here are below 126.
            Err(error) => error.raw_os_error().clamp(1, 126),
        };
        sys::exit_now(code);
    }
    sys::set_signal_mask(&mask);
    let Fork::Parent(child) = result? else {
        return Err(Errno::CHILD);
    };
    let mapped = Pid::from_raw(child).ok_or(Errno::CHILD).map(|pid| write_maps(pid, &Identity::default()));
    if let Ok(Ok(byte)) = &mapped {
        // Failure can only mean that the child is gone, which its status says.
        let _ = File::from(go_write).write_all(&[*byte]);
    } else {
        drop(go_write);
    }
    let status = sys::wait_any(child, 0)?;
    mapped?.map_err(|_| Errno::PERM)?;
    match status {
        Some((_, status)) if libc::WIFEXITED(status) => match libc::WEXITSTATUS(status) {
            0 => Ok(()),
            code => Err(Errno::from_raw_os_error(code)),
        },
        _ => Err(Errno::CHILD),
    }
}

/// The child's part: only system calls.
fn trial(capability: Capability, filter: &[libc::sock_filter], go: &std::os::fd::OwnedFd) -> SysResult {
    // End of file: the caller could not write the maps.
    if rustix::io::read(go, &mut [0])? == 0 {
        return Err(Errno::PERM);
    }
    let step =
        |result: crate::error::StepResult| result.map_err(|failure| Errno::from_raw_os_error(failure.errno));
    let tmpfs = |target| rustix::mount::mount(c"tmpfs", target, c"tmpfs", MountFlags::NOSUID, c"mode=0755");
    match capability {
        Capability::UserNamespaces => Ok(()),
        Capability::OtherNamespaces => step(mounts::make_private()),
        Capability::SystemCallFilter => {
            rustix::thread::set_no_new_privs(true)?;
            sys::install_filter(filter)
        }
        Capability::NamespacedBinfmt => step(binfmt::register(&[]).map(drop)),
        Capability::OwnProc => {
            step(mounts::make_private())?;
            rustix::mount::mount(c"proc", c"/proc", c"proc", MountFlags::NOSUID, c"")
        }
        Capability::Overlay => {
            step(mounts::make_private())?;
            tmpfs(c"/tmp")?;
            for directory in [c"/tmp/one", c"/tmp/two", c"/tmp/both"] {
                rustix::fs::mkdir(directory, Mode::from_raw_mode(0o755))?;
            }
            rustix::mount::mount(
                c"overlay",
                c"/tmp/both",
                c"overlay",
                MountFlags::NOSUID,
                c"lowerdir=/tmp/one:/tmp/two",
            )
        }
    }
}

/// What is known to get in the way, as far as files tell.
#[derive(Debug, Default)]
struct Surroundings {
    container: bool,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1 (Ubuntu 23.10 on).
    apparmor: bool,
    /// `kernel.unprivileged_userns_clone` is 0 (older Debian).
    clone_disabled: bool,
    /// `user.max_user_namespaces` is 0 (hardened or old Red Hat).
    none_allowed: bool,
}

impl Surroundings {
    fn read() -> Self {
        let is = |file: &str, value: &str| {
            std::fs::read_to_string(Path::new("/proc/sys").join(file)).is_ok_and(|text| text.trim() == value)
        };
        let root = rustix::process::geteuid().is_root();
        Self {
            container: ["/.dockerenv", "/run/.containerenv"].into_iter().any(|file| Path::new(file).exists()),
            apparmor: !root && is("kernel/apparmor_restrict_unprivileged_userns", "1"),
            clone_disabled: !root && is("kernel/unprivileged_userns_clone", "0"),
            none_allowed: is("user/max_user_namespaces", "0"),
        }
    }

    fn explain(&self, capability: Capability, error: Errno) -> Problem {
        let blocked = self.namespaces_blocked();
        let (cause, remedy) = blocked.unwrap_or_else(|| Self::cause(capability));
        Problem {
            error: std::io::Error::from(error).to_string(),
            cause: cause.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    /// The usual cause and what helps, where namespaces as such are allowed.
    fn cause(capability: Capability) -> (&'static str, &'static str) {
        match capability {
            Capability::NamespacedBinfmt => (
                "The kernel has binfmt_misc per user namespace from Linux 6.7 on, and needs the \
                 module binfmt_misc loaded.",
                "Load it (as root: modprobe binfmt_misc) or use a newer kernel. Without it, \
                 cross-compiling works, a single foreign program can be run with its emulator, \
                 and registering emulators for the whole machine (as root) makes the rest work.",
            ),
            Capability::OwnProc => (
                "Parts of this machine's /proc are covered by other mounts, as containers do, \
                 which keeps a new one from being mounted.",
                "Start the container with an uncovered /proc (podman: --security-opt \
                 unmask=/proc/*, docker: --security-opt systempaths=unconfined).",
            ),
            Capability::Overlay => (
                "Overlay file systems in user namespaces came with Linux 5.11.",
                "Nothing needs to be done: only speed depends on it.",
            ),
            Capability::SystemCallFilter => (
                "The kernel or the container allows no system call filters, or this kind of \
                 machine has none yet.",
                "Use a kernel with CONFIG_SECCOMP_FILTER.",
            ),
            Capability::UserNamespaces | Capability::OtherNamespaces => (
                "The kernel or a security module does not let this user create namespaces.",
                "Use a kernel with CONFIG_USER_NS, or run as root.",
            ),
        }
    }

    fn namespaces_blocked(&self) -> Option<(&'static str, &'static str)> {
        if self.none_allowed {
            Some(("The limit of user namespaces is 0.", "As root: sysctl -w user.max_user_namespaces=15000"))
        } else if self.clone_disabled {
            Some((
                "User namespaces are switched off for ordinary users.",
                "As root: sysctl -w kernel.unprivileged_userns_clone=1",
            ))
        } else if self.apparmor {
            Some((
                "AppArmor allows user namespaces only to programs with a profile for it.",
                "As root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or add a \
                 profile with 'userns,' for this program.",
            ))
        } else if self.container {
            Some((
                "This is a container whose system call filter forbids new namespaces.",
                "Start it with --security-opt seccomp=unconfined (docker, podman), or with \
                 --privileged.",
            ))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_is_tried_and_failures_are_explained() {
        let probe = probe();
        assert_eq!(probe.findings.len(), Capability::ALL.len());
        for finding in &probe.findings {
            if let Some(problem) = &finding.problem {
                println!("{}: {problem:?}", finding.capability);
                assert!(!problem.cause.is_empty() && !problem.remedy.is_empty());
            }
        }
    }

    fn check(surroundings: Surroundings, capability: Capability, expected: &str) {
        let problem = surroundings.explain(capability, Errno::PERM);
        assert!(problem.cause.contains(expected), "{problem:?}");
    }

    #[test]
    fn causes() {
        let some = Surroundings::default;
        let users = Capability::UserNamespaces;
        check(some(), users, "security module");
        check(some(), Capability::NamespacedBinfmt, "6.7");
        check(some(), Capability::OwnProc, "covered");
        let apparmor = Surroundings { apparmor: true, ..some() };
        check(apparmor, Capability::NamespacedBinfmt, "AppArmor");
        let container = Surroundings { container: true, ..some() };
        check(container, users, "container");
    }
}
