//! What can go wrong, and how it travels out of the child.

use std::io;
use std::path::PathBuf;

/// What the set-up was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// Creating the namespaces.
    CreateNamespaces = 1,
    /// Writing the user and group maps of a user namespace.
    MapUser,
    /// Waiting for the caller to write the maps.
    WaitForCaller,
    /// Dropping supplementary groups.
    DropGroups,
    /// Creating an instance of `binfmt_misc`.
    CreateBinfmt,
    /// Registering an emulator.
    RegisterEmulator,
    /// Making `binfmt_misc` visible.
    AttachBinfmt,
    /// Setting the host name.
    SetHostname,
    /// Setting the domain name.
    SetDomainname,
    /// Bringing the loopback interface up.
    RaiseLoopback,
    /// Making mounts private to the namespace.
    PrivateMounts,
    /// Creating the new root.
    CreateRoot,
    /// Changing to the new root.
    PivotRoot,
    /// Mounting or creating an entry of the description.
    Mount,
    /// Leaving the old root.
    DetachOldRoot,
    /// Making the root read-only.
    SealRoot,
    /// Starting the program's process.
    Fork,
    /// Starting a session.
    StartSession,
    /// Attaching standard input, output and error.
    AttachStdio,
    /// Creating the program's own user namespace.
    NestUserNamespace,
    /// Giving up privileges.
    DropPrivileges,
    /// Setting a resource limit.
    SetLimit,
    /// Setting the execution domain.
    SetPersonality,
    /// Changing to the working directory.
    ChangeDirectory,
    /// Installing the system call filter.
    InstallFilter,
    /// Executing the program.
    Execute,
}

impl Step {
    /// Every step, in the order of the numbers that stand for them.
    const ALL: [Self; 26] = [
        Self::CreateNamespaces,
        Self::MapUser,
        Self::WaitForCaller,
        Self::DropGroups,
        Self::CreateBinfmt,
        Self::RegisterEmulator,
        Self::AttachBinfmt,
        Self::SetHostname,
        Self::SetDomainname,
        Self::RaiseLoopback,
        Self::PrivateMounts,
        Self::CreateRoot,
        Self::PivotRoot,
        Self::Mount,
        Self::DetachOldRoot,
        Self::SealRoot,
        Self::Fork,
        Self::StartSession,
        Self::AttachStdio,
        Self::NestUserNamespace,
        Self::DropPrivileges,
        Self::SetLimit,
        Self::SetPersonality,
        Self::ChangeDirectory,
        Self::InstallFilter,
        Self::Execute,
    ];

    fn describe(self) -> &'static str {
        match self {
            Self::CreateNamespaces => "create namespaces",
            Self::MapUser => "write the user map of the namespace",
            Self::WaitForCaller => "synchronise with the process that set it up",
            Self::DropGroups => "drop supplementary groups",
            Self::CreateBinfmt => "create a binfmt_misc instance of its own",
            Self::RegisterEmulator => "register emulator",
            Self::AttachBinfmt => "mount binfmt_misc",
            Self::SetHostname => "set the host name",
            Self::SetDomainname => "set the domain name",
            Self::RaiseLoopback => "bring up the loopback interface",
            Self::PrivateMounts => "make mounts private",
            Self::CreateRoot => "create the new root",
            Self::PivotRoot => "change to the new root",
            Self::Mount => "mount",
            Self::DetachOldRoot => "detach the old root",
            Self::SealRoot => "make the root read-only",
            Self::Fork => "start a process",
            Self::StartSession => "start a session",
            Self::AttachStdio => "attach standard input, output and error",
            Self::NestUserNamespace => "create the program's user namespace",
            Self::DropPrivileges => "drop privileges",
            Self::SetLimit => "set resource limit",
            Self::SetPersonality => "set the execution domain",
            Self::ChangeDirectory => "change to directory",
            Self::InstallFilter => "install the system call filter",
            Self::Execute => "execute",
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.describe())
    }
}

/// Why a program could not be started in its namespaces, or watched there.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A step of the set-up failed.
    #[error("cannot {step}{}: {error}{}", on(subject), advice(*step, error))]
    Setup {
        /// Which step.
        step: Step,
        /// What it was about: a path, an emulator, a limit; may be empty.
        subject: String,
        /// What the kernel said.
        #[source]
        error: io::Error,
    },
    /// Something to be mounted is not there.
    #[error("cannot mount {}: {error}", path.display())]
    Source {
        /// The path on the machine.
        path: PathBuf,
        /// Why it can't be read.
        #[source]
        error: io::Error,
    },
    /// A path inside is not absolute, or has `.` or `..` in it.
    #[error("'{}' is not an absolute path without '.' and '..'", .0.display())]
    BadTarget(PathBuf),
    /// A string has a NUL byte in it, which no system call can take.
    #[error("{what} has a NUL byte in it: {value:?}")]
    NulByte {
        /// What the string is for.
        what: &'static str,
        /// The string.
        value: String,
    },
    /// There is no system call filter for this kind of machine.
    #[error("there is no system call filter for {0} machines; run without one")]
    NoFilter(&'static str),
    /// A system call of the caller's side failed.
    #[error("cannot {what}: {error}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        #[source]
        error: io::Error,
    },
}

fn on(subject: &str) -> String {
    if subject.is_empty() { String::new() } else { format!(" {subject}") }
}

/// What helps, for the failures that have a usual cause.
fn advice(step: Step, error: &io::Error) -> &'static str {
    let code = error.raw_os_error().unwrap_or_default();
    match (step, code) {
        (Step::CreateNamespaces, libc::EPERM | libc::EACCES) => {
            "\nThis machine does not let this user create namespaces; 'saltire doctor' says why \
             and what helps."
        }
        (Step::CreateNamespaces, libc::ENOSPC) => {
            "\nThe limit of namespaces is reached: see /proc/sys/user/max_*_namespaces."
        }
        (Step::CreateBinfmt, libc::EPERM | libc::ENODEV | libc::ENOSYS) => {
            "\nThe kernel needs binfmt_misc per user namespace: Linux 6.7 or later, with the \
             module binfmt_misc loaded; 'saltire doctor' lists what works without."
        }
        (
            Step::MapUser | Step::PrivateMounts | Step::CreateRoot | Step::AttachBinfmt,
            libc::EPERM | libc::EACCES,
        ) => "\nA security module may forbid this in user namespaces; 'saltire doctor' says more.",
        (Step::Mount, libc::EPERM) => {
            "\nIn a container, /proc may be covered in part, which keeps a new one from being \
             mounted; 'saltire doctor' says more."
        }
        (Step::Execute, libc::ENOENT) => {
            "\nEither the program or the interpreter that it names is not there."
        }
        (Step::Execute, libc::ENOEXEC) => {
            "\nThe program is for another kind of machine and no emulator is registered for it, \
             or it is not a program."
        }
        _ => "",
    }
}

/// A failure in the child: what the pipe carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    /// Which mount, emulator or limit.
    pub(crate) index: u32,
    pub(crate) errno: i32,
}

impl Failure {
    /// Size on the pipe; less than `PIPE_BUF`, so written in one piece.
    pub(crate) const SIZE: usize = 12;

    pub(crate) fn encode(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0] = self.step as u8;
        bytes[4..8].copy_from_slice(&self.index.to_ne_bytes());
        bytes[8..].copy_from_slice(&self.errno.to_ne_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: [u8; Self::SIZE]) -> Option<Self> {
        let [step, _, _, _, a, b, c, d, e, f, g, h] = bytes;
        Some(Self {
            step: *Step::ALL.get(usize::from(step).checked_sub(1)?)?,
            index: u32::from_ne_bytes([a, b, c, d]),
            errno: i32::from_ne_bytes([e, f, g, h]),
        })
    }
}

/// Result of a step in the child.
pub(crate) type StepResult<T = ()> = Result<T, Failure>;

/// Names the step of a failed system call.
pub(crate) trait AtStep<T> {
    fn at(self, step: Step) -> StepResult<T>;
    fn at_index(self, step: Step, index: usize) -> StepResult<T>;
}

impl<T> AtStep<T> for rustix::io::Result<T> {
    fn at(self, step: Step) -> StepResult<T> {
        self.at_index(step, 0)
    }

    fn at_index(self, step: Step, index: usize) -> StepResult<T> {
        self.map_err(|errno| Failure {
            step,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            errno: errno.raw_os_error(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_survive_the_pipe() {
        for (index, step) in Step::ALL.into_iter().enumerate() {
            let failure = Failure { step, index: index as u32, errno: -3 };
            let back = Failure::decode(failure.encode()).expect("a known step");
            assert_eq!((back.step, back.index, back.errno), (step, index as u32, -3));
        }
        assert!(Failure::decode([0; Failure::SIZE]).is_none());
        assert!(Failure::decode([0xff; Failure::SIZE]).is_none());
    }
}
