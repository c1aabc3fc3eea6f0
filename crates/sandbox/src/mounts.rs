//! Making the file system inside. Runs in the new namespaces, between `clone`
//! and `exec`: only system calls.
//!
//! Why mounting is safe here: it happens in a mount namespace of our own, of a
//! user namespace of our own, with propagation off, so the machine sees nothing
//! of it; and no hostile process runs yet that could change a path under way.

use std::ffi::CStr;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use crate::compile::{OLD_ROOT, Operation};
use crate::error::{AtStep, Step, StepResult};
use crate::sys::{self, MountAttributes, SysResult};

/// Turns propagation off, both ways.
pub(crate) fn make_private() -> StepResult {
    rustix::mount::mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .at(Step::PrivateMounts)
}

/// Makes an empty file system in memory the root, with the machine's below
/// [`OLD_ROOT`].
pub(crate) fn enter_new_root() -> StepResult {
    // The new root must be mounted somewhere first. It covers that directory
    // only until the pivot moves it away, so any will do.
    let base = [c"/tmp", c"/run", c"/mnt", c"/proc"];
    let mut mounted = Err(Errno::NOENT);
    let mut place = c"/";
    for candidate in base {
        mounted = rustix::mount::mount(
            c"tmpfs",
            candidate,
            c"tmpfs",
            MountFlags::NOSUID | MountFlags::NODEV,
            c"mode=0755",
        );
        if mounted.is_ok() {
            place = candidate;
            break;
        }
    }
    mounted.at(Step::CreateRoot)?;
    rustix::process::chdir(place).at(Step::CreateRoot)?;
    // Relative: in the new file system.
    rustix::fs::mkdir(c".old-root", Mode::from_raw_mode(0o755)).at(Step::CreateRoot)?;
    rustix::process::pivot_root(c".", c".old-root").at(Step::PivotRoot)?;
    rustix::process::chdir(c"/").at(Step::PivotRoot)
}

/// Lets go of the machine's root. From here on no path leads there.
pub(crate) fn leave_old_root() -> StepResult {
    rustix::mount::unmount(OLD_ROOT, UnmountFlags::DETACH).at(Step::DetachOldRoot)?;
    rustix::fs::unlinkat(CWD, OLD_ROOT, AtFlags::REMOVEDIR).at(Step::DetachOldRoot)
}

/// Makes what no mount covers read-only.
pub(crate) fn seal_root() -> StepResult {
    seal(c"/").at(Step::SealRoot)
}

/// Carries out the operations, in order.
pub(crate) fn apply(operations: &[Operation]) -> StepResult {
    for (index, operation) in operations.iter().enumerate() {
        apply_one(operation).at_index(Step::Mount, index)?;
    }
    Ok(())
}

fn apply_one(operation: &Operation) -> SysResult {
    match operation {
        Operation::Directory { path, mode } => make_directory(path, *mode),
        Operation::MountPoint { path } => {
            let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            rustix::fs::open(path.as_c_str(), flags, Mode::from_raw_mode(0o444)).map(drop)
        }
        Operation::File { path, content, mode } => write_file(path, content, *mode),
        Operation::Symlink { points_to, path } => rustix::fs::symlink(points_to.as_c_str(), path.as_c_str()),
        Operation::Bind { source, target, readonly, nodev, unchanged } => {
            let attributes = MountAttributes { readonly: *readonly, nodev: *nodev, recursive: true };
            bind(source, target, attributes, *unchanged)
        }
        Operation::Filesystem { kind, target, noexec, data } => {
            let mut flags = MountFlags::NOSUID;
            // Devices are never made inside, only bound; devpts makes its own.
            if *kind != c"devpts" {
                flags |= MountFlags::NODEV;
            }
            if *noexec {
                flags |= MountFlags::NOEXEC;
            }
            rustix::mount::mount(*kind, target.as_c_str(), *kind, flags, data.as_c_str())
        }
        Operation::Seal { target } => seal(target),
        Operation::Protect { target } => {
            let attributes = MountAttributes { readonly: true, nodev: true, recursive: true };
            match bind(target, target, attributes, false) {
                Err(Errno::NOENT) => Ok(()),
                other => other,
            }
        }
    }
}

/// The mask is empty by now, so the mode is what is asked for.
fn make_directory(path: &CStr, mode: u32) -> SysResult {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

fn write_file(path: &CStr, content: &[u8], mode: u32) -> SysResult {
    let file = rustix::fs::open(
        path,
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::from_raw_mode(0o600),
    )?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
}

/// A bind mount with restrictions. Between the two calls it has too few, which
/// nobody is there to use.
fn bind(source: &CStr, target: &CStr, attributes: MountAttributes, unchanged: bool) -> SysResult {
    rustix::mount::mount_bind_recursive(source, target)?;
    if unchanged {
        return Ok(());
    }
    match sys::restrict_mount(target, attributes) {
        Err(Errno::NOSYS) => remount_old(target, attributes),
        other => other,
    }
}

fn seal(target: &CStr) -> SysResult {
    let attributes = MountAttributes { readonly: true, nodev: false, recursive: false };
    match sys::restrict_mount(target, attributes) {
        Err(Errno::NOSYS) => remount_old(target, attributes),
        other => other,
    }
}

/// Before Linux 5.12: replaces all attributes of one mount, so those that the
/// user namespace may not clear must be read first. What is mounted below is
/// left as it is.
fn remount_old(target: &CStr, attributes: MountAttributes) -> SysResult {
    let flags = rustix::fs::statvfs(target)?.f_flag;
    let mut wanted = MountFlags::BIND | MountFlags::NOSUID;
    for (has, flag) in [
        (rustix::fs::StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (rustix::fs::StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (rustix::fs::StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (rustix::fs::StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (rustix::fs::StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (rustix::fs::StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        if flags.contains(has) {
            wanted |= flag;
        }
    }
    if attributes.readonly {
        wanted |= MountFlags::RDONLY;
    }
    if attributes.nodev {
        wanted |= MountFlags::NODEV;
    }
    rustix::mount::mount_remount(target, wanted, c"")
}
