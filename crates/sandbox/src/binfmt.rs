//! An instance of `binfmt_misc` of the caller's own user namespace.
//!
//! Since Linux 6.7 each user namespace may have one. It is created with the
//! file-descriptor based mount calls and need not be attached to any path: as
//! long as a descriptor of it is open, its registrations hold in the namespace
//! and in those below it. The kernel's documentation is
//! `Documentation/admin-guide/binfmt-misc.rst`.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::error::{AtStep, Step, StepResult};

/// One registration, as the line that is written to `binfmt_misc/register`.
///
/// The interpreter that it names must exist where the caller is, and be
/// statically linked; with flag `F` it need not exist inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinfmtEntry {
    /// What it is for, in error messages.
    pub label: String,
    /// The line, without a line end.
    pub line: Vec<u8>,
}

/// Creates an instance and registers the entries, in order. The result keeps
/// them alive.
///
/// With no entries the instance still has a use: it hides the registrations of
/// the machine.
///
/// Makes only system calls.
pub(crate) fn register(entries: &[BinfmtEntry]) -> StepResult<OwnedFd> {
    // Safe for the machine: the caller is in a user namespace of its own, and
    // the file system's instance belongs to that namespace.
    let mount = create().at(Step::CreateBinfmt)?;
    if entries.is_empty() {
        return Ok(mount);
    }
    for (index, entry) in entries.iter().enumerate() {
        register_one(&mount, &entry.line).at_index(Step::RegisterEmulator, index)?;
    }
    Ok(mount)
}

fn create() -> rustix::io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(c"binfmt_misc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(&context)?;
    rustix::mount::fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC,
    )
}

fn register_one(mount: &OwnedFd, line: &[u8]) -> rustix::io::Result<()> {
    const REGISTER: &CStr = c"register";
    let file = rustix::fs::openat(mount, REGISTER, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    // One write is one registration; the kernel takes it whole or refuses it.
    rustix::io::write(&file, line).map(drop)
}
