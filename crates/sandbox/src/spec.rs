//! The description of a sandbox.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::binfmt::BinfmtEntry;

/// What a program sees and may do. Start from [`SandboxSpec::new`], which is the
/// strictest, and add.
#[derive(Debug)]
pub struct SandboxSpec {
    /// The file system, made in this order below an empty root. Missing parent
    /// directories are created.
    pub mounts: Vec<Mount>,
    /// Whether the root itself (what no mount covers) is made read-only in the
    /// end. Default: yes.
    pub readonly_root: bool,
    /// Path of the program, inside.
    pub program: PathBuf,
    /// Its arguments, the first being its own name.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its working directory, inside.
    pub cwd: PathBuf,
    /// Host name. Default: `localhost`.
    pub hostname: OsString,
    /// NIS domain name. Default: `(none)`.
    pub domainname: OsString,
    /// Whether it shares the machine's network. Default: a network of its own
    /// with only the loopback interface.
    pub network: bool,
    /// Whether the loopback interface of its own network is up. Default: yes.
    pub loopback: bool,
    /// Who it runs as.
    pub identity: Identity,
    /// Standard input. Default: `/dev/null`.
    pub stdin: Stdin,
    /// Standard output and error. Default: the caller's.
    pub output: Output,
    /// Resource limits.
    pub limits: Vec<Limit>,
    /// File mode creation mask. Default: 022.
    pub umask: u32,
    /// Emulators, registered for this run only.
    pub binfmt: Vec<BinfmtEntry>,
    /// System call filter. Default: on.
    pub seccomp: Seccomp,
    /// Execution domain.
    pub personality: Personality,
    /// Whether everything dies when the calling process dies, however it dies.
    /// Default: yes.
    pub die_with_parent: bool,
}

impl SandboxSpec {
    /// The strictest sandbox for a program: nothing but the mounts, no network,
    /// an empty environment, uid 1000 and gid 100.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        Self {
            mounts: Vec::new(),
            readonly_root: true,
            args: vec![program.clone().into_os_string()],
            program,
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            hostname: "localhost".into(),
            domainname: "(none)".into(),
            network: false,
            loopback: true,
            identity: Identity::default(),
            stdin: Stdin::Null,
            output: Output::Inherit,
            limits: Vec::new(),
            umask: 0o022,
            binfmt: Vec::new(),
            seccomp: Seccomp::default(),
            personality: Personality::default(),
            die_with_parent: true,
        }
    }
}

/// One entry of the file system inside.
#[derive(Clone, Debug)]
pub enum Mount {
    /// A file or directory of the machine.
    Bind(Bind),
    /// An empty file system in memory.
    Tmpfs {
        /// Where.
        target: PathBuf,
        /// Permissions of its root (0o1777 for `/tmp`).
        mode: u32,
        /// Largest size, in bytes; `None` is the kernel's default, half of the
        /// memory.
        size: Option<u64>,
    },
    /// Process information about the sandbox's own processes.
    Proc {
        /// Where, usually `/proc`.
        target: PathBuf,
    },
    /// The minimal devices: `null`, `zero`, `full`, `random`, `urandom`, `tty`,
    /// `ptmx` and `pts`, `shm`, and links to the standard descriptors. Those
    /// need `/proc`.
    Dev {
        /// Where, usually `/dev`.
        target: PathBuf,
    },
    /// A directory.
    Directory {
        /// Where.
        target: PathBuf,
        /// Permissions.
        mode: u32,
    },
    /// A file with given content.
    File {
        /// Where.
        target: PathBuf,
        /// What is in it.
        content: Vec<u8>,
        /// Permissions.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Where.
        target: PathBuf,
        /// What it points to.
        points_to: PathBuf,
    },
}

impl Mount {
    /// A read-only bind mount.
    pub fn bind(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self::Bind(Bind {
            source: source.into(),
            target: target.into(),
            writable: false,
            optional: false,
            devices: false,
        })
    }

    /// A writable bind mount.
    pub fn bind_writable(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self::Bind(Bind {
            source: source.into(),
            target: target.into(),
            writable: true,
            optional: false,
            devices: false,
        })
    }
}

/// A file or directory of the machine, seen inside with everything mounted
/// below it. A symbolic link is not followed, but made again.
#[derive(Clone, Debug)]
pub struct Bind {
    /// Path on the machine.
    pub source: PathBuf,
    /// Path inside.
    pub target: PathBuf,
    /// Whether it may be written to.
    pub writable: bool,
    /// Whether to leave it out when the source does not exist.
    pub optional: bool,
    /// Whether device nodes work, for devices such as `/dev/kvm`.
    pub devices: bool,
}

/// Who a program is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// User inside.
    pub uid: u32,
    /// Group inside.
    pub gid: u32,
    /// The machine's user that it is outside. `None`: the caller. Only root can
    /// choose, and should: files that the sandbox makes are then owned by that
    /// user, and a hole in the sandbox does not make it root.
    pub build_user: Option<BuildUser>,
}

impl Default for Identity {
    /// The numbers that Nix's builds have.
    fn default() -> Self {
        Self { uid: 1000, gid: 100, build_user: None }
    }
}

/// A user and group of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildUser {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Where standard input comes from.
#[derive(Debug)]
pub enum Stdin {
    /// `/dev/null` of the machine.
    Null,
    /// The caller's.
    Inherit,
    /// This descriptor.
    Descriptor(OwnedFd),
}

/// Where standard output and error go.
#[derive(Debug)]
pub enum Output {
    /// The caller's.
    Inherit,
    /// Both into one pipe, which [`SandboxChild::take_log`] reads.
    ///
    /// [`SandboxChild::take_log`]: crate::SandboxChild::take_log
    Pipe,
    /// Both to a terminal of its own, so that programs write line by line.
    /// [`SandboxChild::take_log`] reads its other side. It translates no line
    /// ends and echoes nothing.
    ///
    /// [`SandboxChild::take_log`]: crate::SandboxChild::take_log
    Terminal,
    /// These descriptors.
    Descriptors {
        /// Standard output.
        stdout: OwnedFd,
        /// Standard error.
        stderr: OwnedFd,
    },
}

/// A resource limit, soft and hard the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Which.
    pub resource: rustix::process::Resource,
    /// The limit, in the resource's unit; `None` for none.
    pub value: Option<u64>,
}

/// System call filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seccomp {
    /// No filter, for machines that there is none for.
    Off,
    /// No setuid or setgid files, no extended attributes or access control
    /// lists, no namespaces, no kernel keyrings, no `io_uring`, no BPF; on the
    /// machine's network, no Unix sockets either, since they carry descriptors
    /// out.
    #[default]
    Strict,
    /// The same, but the program may create namespaces.
    AllowNamespaces,
}

/// Execution domain, see personality(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Personality {
    /// A 32-bit machine of the same family: `uname -m` says `i686`, `armv8l`, ….
    pub linux32: bool,
    /// No randomisation of addresses, which makes some builds repeatable. Not
    /// with an emulator, which needs its address space as it comes.
    pub no_randomize: bool,
}
