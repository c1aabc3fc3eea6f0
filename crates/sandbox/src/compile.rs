//! From the description to system call arguments, before any process starts.
//!
//! This is the only place that allocates. It also asks the machine what kind of
//! file each source is, since the place that it is mounted on must be of the
//! same kind.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::error::SandboxError;
use crate::spec::{Bind, Mount};

/// Where the machine's root is while the new one is made.
pub(crate) const OLD_ROOT: &CStr = c"/.old-root";

/// One step of making the file system, ready for the kernel.
#[derive(Debug)]
pub(crate) enum Operation {
    /// mkdir; may exist.
    Directory { path: CString, mode: u32 },
    /// An empty file to mount on; may exist.
    MountPoint { path: CString },
    /// A file with content.
    File { path: CString, content: Vec<u8>, mode: u32 },
    /// A symbolic link.
    Symlink { points_to: CString, path: CString },
    /// A recursive bind mount; the restrictions apply to all of it.
    Bind {
        source: CString,
        target: CString,
        readonly: bool,
        nodev: bool,
        /// Keep the attributes that the mounts have.
        unchanged: bool,
    },
    /// A file system of a type.
    Filesystem { kind: &'static CStr, target: CString, noexec: bool, data: CString },
    /// Make an existing mount read-only, without what is mounted below it.
    Seal { target: CString },
    /// Make an existing directory or file read-only, by binding it to itself;
    /// may be absent.
    Protect { target: CString },
}

impl Operation {
    /// What it is about, for messages.
    pub(crate) fn subject(&self) -> String {
        let text = |string: &CStr| string.to_string_lossy().into_owned();
        match self {
            Self::Directory { path, .. }
            | Self::MountPoint { path }
            | Self::File { path, .. }
            | Self::Symlink { path, .. } => text(path),
            Self::Bind { source, target, .. } => {
                let source = text(source);
                let source = source.strip_prefix(&text(OLD_ROOT)).unwrap_or(&source).to_owned();
                let source = if source.is_empty() { "/" } else { &source };
                format!("{source} at {}", text(target))
            }
            Self::Filesystem { kind, target, .. } => format!("{} at {}", text(kind), text(target)),
            Self::Seal { target } | Self::Protect { target } => {
                format!("{} read-only", text(target))
            }
        }
    }
}

/// Text for a system call.
pub(crate) fn c_string(what: &'static str, text: impl AsRef<OsStr>) -> Result<CString, SandboxError> {
    let text = text.as_ref();
    CString::new(text.as_bytes())
        .map_err(|_| SandboxError::NulByte { what, value: text.to_string_lossy().into_owned() })
}

/// Checks that a path inside is absolute and has no `.` or `..`, so that what is
/// written is where it goes.
pub(crate) fn check_target(path: &Path) -> Result<(), SandboxError> {
    let plain =
        path.components().all(|component| matches!(component, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && plain { Ok(()) } else { Err(SandboxError::BadTarget(path.to_owned())) }
}

/// Compiles a list of mounts.
pub(crate) struct Compiler {
    operations: Vec<Operation>,
    /// Directories that are known to exist inside.
    made: HashSet<PathBuf>,
    /// Where sources are looked up at mount time.
    source_prefix: &'static CStr,
    /// Whether the sandbox's user is root outside: see [`Compiler::proc`].
    shield_proc: bool,
}

impl Compiler {
    pub(crate) fn new(source_prefix: &'static CStr, shield_proc: bool) -> Self {
        Self { operations: Vec::new(), made: HashSet::from([PathBuf::from("/")]), source_prefix, shield_proc }
    }

    pub(crate) fn finish(self) -> Vec<Operation> {
        self.operations
    }

    /// Takes a directory and those above it for existing.
    pub(crate) fn assume(&mut self, directory: &Path) {
        self.made.extend(directory.ancestors().map(Path::to_owned));
    }

    fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    pub(crate) fn mount(&mut self, mount: &Mount) -> Result<(), SandboxError> {
        match mount {
            Mount::Bind(bind) => self.bind(bind),
            Mount::Tmpfs { target, mode, size } => self.tmpfs(target, *mode, *size, false),
            Mount::Proc { target } => self.proc(target),
            Mount::Dev { target } => self.devices(target),
            Mount::Directory { target, mode } => {
                self.parents(target)?;
                self.made.insert(target.clone());
                let path = c_string("a path", target)?;
                self.push(Operation::Directory { path, mode: *mode });
                Ok(())
            }
            Mount::File { target, content, mode } => {
                self.parents(target)?;
                let path = c_string("a path", target)?;
                self.push(Operation::File { path, content: content.clone(), mode: *mode });
                Ok(())
            }
            Mount::Symlink { target, points_to } => self.symlink(target, points_to),
        }
    }

    /// Directories above a path.
    fn parents(&mut self, target: &Path) -> Result<(), SandboxError> {
        check_target(target)?;
        let missing: Vec<PathBuf> = target
            .ancestors()
            .skip(1)
            .take_while(|parent| !self.made.contains(*parent))
            .map(Path::to_owned)
            .collect();
        for parent in missing.into_iter().rev() {
            let path = c_string("a path", &parent)?;
            self.push(Operation::Directory { path, mode: 0o755 });
            self.made.insert(parent);
        }
        Ok(())
    }

    /// A directory to mount on.
    fn mount_directory(&mut self, target: &Path) -> Result<CString, SandboxError> {
        self.parents(target)?;
        let path = c_string("a path", target)?;
        if self.made.insert(target.to_owned()) {
            self.push(Operation::Directory { path: path.clone(), mode: 0o755 });
        } else {
            // What was made below it is about to be covered.
            self.made.retain(|made| made == target || !made.starts_with(target));
        }
        Ok(path)
    }

    fn symlink(&mut self, target: &Path, points_to: &Path) -> Result<(), SandboxError> {
        self.parents(target)?;
        let operation = Operation::Symlink {
            points_to: c_string("a symbolic link", points_to)?,
            path: c_string("a path", target)?,
        };
        self.push(operation);
        Ok(())
    }

    fn bind(&mut self, bind: &Bind) -> Result<(), SandboxError> {
        self.bind_as(bind, false)
    }

    /// Binds a file or directory at its own place, with the attributes that its
    /// mounts have.
    pub(crate) fn bind_unchanged(&mut self, path: &Path) -> Result<(), SandboxError> {
        let (source, target) = (path.to_owned(), path.to_owned());
        self.bind_as(&Bind { source, target, writable: true, optional: true, devices: true }, true)
    }

    fn bind_as(&mut self, bind: &Bind, unchanged: bool) -> Result<(), SandboxError> {
        check_target(&bind.target)?;
        let failed = |error| SandboxError::Source { path: bind.source.clone(), error };
        let metadata = match bind.source.symlink_metadata() {
            Err(error) if bind.optional && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(());
            }
            other => other.map_err(failed)?,
        };
        if metadata.is_symlink() {
            let points_to = bind.source.read_link().map_err(failed)?;
            return self.symlink(&bind.target, &points_to);
        }
        // The old root is somewhere else by then, so a relative path would mean
        // nothing.
        let source = std::path::absolute(&bind.source).map_err(failed)?;
        let mut prefixed = self.source_prefix.to_bytes().to_vec();
        prefixed.extend_from_slice(source.as_os_str().as_bytes());
        let source = c_string("a path", OsStr::from_bytes(&prefixed))?;
        let target = if metadata.is_dir() {
            self.mount_directory(&bind.target)?
        } else {
            self.parents(&bind.target)?;
            let path = c_string("a path", &bind.target)?;
            self.push(Operation::MountPoint { path: path.clone() });
            path
        };
        let (readonly, nodev) = (!bind.writable, !bind.devices);
        self.push(Operation::Bind { source, target, readonly, nodev, unchanged });
        Ok(())
    }

    fn tmpfs(
        &mut self,
        target: &Path,
        mode: u32,
        size: Option<u64>,
        noexec: bool,
    ) -> Result<(), SandboxError> {
        let target = self.mount_directory(target)?;
        let mut data = format!("mode={mode:04o}");
        if let Some(size) = size {
            data.push_str(&format!(",size={size}"));
        }
        self.push(Operation::Filesystem {
            kind: c"tmpfs",
            target,
            noexec,
            data: c_string("mount options", data)?,
        });
        Ok(())
    }

    /// `/proc`. Much of it is protected by capabilities that the sandbox does
    /// not have, but some (`/proc/sys`) only by being owned by root: so when the
    /// sandbox's user is root outside, these parts are made read-only.
    fn proc(&mut self, target: &Path) -> Result<(), SandboxError> {
        let path = self.mount_directory(target)?;
        self.push(Operation::Filesystem {
            kind: c"proc",
            target: path,
            noexec: true,
            data: CString::default(),
        });
        if self.shield_proc {
            for part in ["sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"] {
                let target = c_string("a path", target.join(part))?;
                self.push(Operation::Protect { target });
            }
        }
        Ok(())
    }

    fn devices(&mut self, target: &Path) -> Result<(), SandboxError> {
        self.tmpfs(target, 0o755, None, true)?;
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            self.bind(&Bind {
                source: Path::new("/dev").join(name),
                target: target.join(name),
                writable: true,
                optional: name == "tty",
                devices: true,
            })?;
        }
        for (name, points_to) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("ptmx", "pts/ptmx"),
        ] {
            self.symlink(&target.join(name), Path::new(points_to))?;
        }
        self.tmpfs(&target.join("shm"), 0o1777, None, false)?;
        let pts = self.mount_directory(&target.join("pts"))?;
        self.push(Operation::Filesystem {
            kind: c"devpts",
            target: pts,
            noexec: true,
            data: c"newinstance,ptmxmode=0666,mode=0620".to_owned(),
        });
        let target = c_string("a path", target)?;
        self.push(Operation::Seal { target });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mounts: &[Mount], expected: &str) {
        let mut compiler = Compiler::new(OLD_ROOT, false);
        let result = mounts.iter().try_for_each(|mount| compiler.mount(mount));
        let text = match result {
            Ok(()) => compiler
                .finish()
                .iter()
                .map(|operation| {
                    let name = format!("{operation:?}");
                    let name = name.split([' ', '{']).next().unwrap_or_default().to_owned();
                    format!("{name} {}", operation.subject())
                })
                .collect::<Vec<_>>()
                .join("; "),
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn parents_are_made_once() {
        check(
            &[Mount::bind("/", "/a/b/one"), Mount::bind("/dev/null", "/a/b/two")],
            "Directory /a; Directory /a/b; Directory /a/b/one; Bind / at /a/b/one; \
             MountPoint /a/b/two; Bind /dev/null at /a/b/two",
        );
    }

    #[test]
    fn a_cover_forgets_what_was_below() {
        let tmpfs = |target: &str| Mount::Tmpfs { target: target.into(), mode: 0o755, size: None };
        let file = |target: &str| Mount::File { target: target.into(), content: Vec::new(), mode: 0o644 };
        check(
            &[file("/etc/x/y"), tmpfs("/etc"), file("/etc/x/y")],
            "Directory /etc; Directory /etc/x; File /etc/x/y; Filesystem tmpfs at /etc; \
             Directory /etc/x; File /etc/x/y",
        );
    }

    #[test]
    fn strange_paths_are_refused() {
        let link = |target: &str| [Mount::Symlink { target: target.into(), points_to: "x".into() }];
        check(&link("a/b"), "'a/b' is not an absolute path without '.' and '..'");
        check(&link("/a/../b"), "'/a/../b' is not an absolute path without '.' and '..'");
        check(&link("/a\0b"), "a path has a NUL byte in it: \"/a\\0b\"");
    }

    #[test]
    fn missing_sources_are_named() {
        check(
            &[Mount::bind("/does/not/exist", "/x")],
            "cannot mount /does/not/exist: No such file or directory (os error 2)",
        );
    }
}
