//! The system calls that neither the standard library nor rustix has, or not in
//! a form that may be used between `clone` and `exec`.
//!
//! Everything here only makes system calls: no allocation, no locks. This and
//! `process`, `child`, `view`, `worker` are the only modules with `unsafe` in this crate.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

/// Result of a system call.
pub(crate) type SysResult<T = ()> = Result<T, Errno>;

/// The error number of the last failed call of the C library.
fn last_error() -> Errno {
    // SAFETY: errno's address is always valid; it is the calling thread's own.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

/// Turns the C library's -1 into an error.
fn check(result: libc::c_long) -> SysResult<libc::c_long> {
    if result == -1 { Err(last_error()) } else { Ok(result) }
}

/// Which process a call of [`clone_process`] returned in.
pub(crate) enum Fork {
    /// The caller, with the process number of the child.
    Parent(libc::pid_t),
    /// The child.
    Child,
}

/// Starts a process that is a copy of this one, in new namespaces as the flags
/// say. The child has one thread and its parent gets SIGCHLD when it ends.
///
/// # Safety
/// When the calling process has other threads, memory in the child is as those
/// threads left it: the child may only make system calls and read memory that no
/// thread was writing, until it executes a program or exits with `_exit`.
pub(crate) unsafe fn clone_process(flags: libc::c_int) -> SysResult<Fork> {
    let flags = (flags | libc::SIGCHLD) as libc::c_ulong;
    let none: libc::c_ulong = 0;
    // SAFETY: without CLONE_VM and with a null stack this is fork: the child
    // goes on on a copy of this stack. The system call is made directly, since
    // the C library's clone wants a function and a stack.
    let result = unsafe {
        if cfg!(target_arch = "s390x") {
            // The one architecture with the first two arguments exchanged.
            libc::syscall(libc::SYS_clone, none, flags, none, none, none)
        } else {
            libc::syscall(libc::SYS_clone, flags, none, none, none, none)
        }
    };
    Ok(match check(result)? {
        0 => Fork::Child,
        child => Fork::Parent(child as libc::pid_t),
    })
}

/// Ends the process at once, running nothing.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Moves this process to new namespaces.
pub(crate) fn unshare(flags: libc::c_int) -> SysResult {
    // SAFETY: called with namespace flags only, which share no memory or
    // descriptors with anybody.
    check(unsafe { libc::unshare(flags) }.into()).map(drop)
}

/// A set with every signal in it.
pub(crate) fn every_signal() -> libc::sigset_t {
    // SAFETY: a signal set is plain data, and sigfillset initialises it.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&mut set);
        set
    }
}

/// A set with some signals in it.
pub(crate) fn signal_set(signals: &[libc::c_int]) -> libc::sigset_t {
    // SAFETY: as above; sigaddset refuses numbers that are no signals.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, *signal);
        }
        set
    }
}

/// Sets the calling thread's signal mask and returns what it was.
pub(crate) fn set_signal_mask(mask: &libc::sigset_t) -> libc::sigset_t {
    // SAFETY: both pointers are to valid sets.
    unsafe {
        let mut old = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_SETMASK, mask, &mut old);
        old
    }
}

/// Gives every signal its default action, so that what is executed next neither
/// ignores what this process ignored nor runs its handlers.
pub(crate) fn default_signals() {
    for signal in 1..=64 {
        default_signal(signal);
    }
}

/// Gives one signal its default action.
pub(crate) fn default_signal(signal: libc::c_int) {
    // SAFETY: SIG_DFL with an empty mask is a valid action. Numbers that are no
    // signals, and SIGKILL and SIGSTOP, are refused, harmlessly.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &action, std::ptr::null_mut());
    }
}

/// A descriptor that becomes readable when one of the signals is pending.
pub(crate) fn signal_descriptor(signals: &[libc::c_int]) -> SysResult<OwnedFd> {
    let set = signal_set(signals);
    // SAFETY: the set is valid; the result, when not -1, is a new descriptor.
    unsafe {
        let descriptor = check(libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK).into())?;
        Ok(OwnedFd::from_raw_fd(descriptor as RawFd))
    }
}

/// Closes every descriptor but these, which must be in ascending order.
/// Negative ones are skipped.
pub(crate) fn close_all_but(keep: &[RawFd]) {
    let mut first = 0;
    for &descriptor in keep.iter().filter(|descriptor| **descriptor >= 0) {
        if descriptor > first {
            close_range(first as u32, descriptor as u32 - 1, 0);
        }
        // The same one may be there twice.
        first = first.max(descriptor + 1);
    }
    close_range(first as u32, u32::MAX, 0);
}

/// Marks every descriptor from `first` on to be closed on exec.
pub(crate) fn close_on_exec_from(first: RawFd) {
    close_range(first as u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
}

fn close_range(first: u32, last: u32, flags: libc::c_uint) {
    // SAFETY: closing descriptors can't break memory; the child that calls this
    // uses only those it kept.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if check(result).is_ok() {
        return;
    }
    // Before Linux 5.9 (5.11 with the flag): one by one, as far as descriptors
    // can go.
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a valid structure.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    let end = u32::try_from(limit.rlim_max).unwrap_or(u32::MAX).min(1 << 20);
    for descriptor in first..=last.min(end) {
        // SAFETY: as above.
        unsafe {
            if flags == 0 {
                libc::close(descriptor as RawFd);
            } else {
                libc::fcntl(descriptor as RawFd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
}

/// Makes descriptors 0, 1 and 2 the given ones, in any overlap.
pub(crate) fn set_stdio(sources: [RawFd; 3]) -> SysResult {
    let mut high = [0; 3];
    for (copy, source) in high.iter_mut().zip(sources) {
        // First out of the way, so that none is overwritten before it is used.
        // SAFETY: duplicating a descriptor.
        *copy = check(unsafe { libc::fcntl(source, libc::F_DUPFD_CLOEXEC, 3) }.into())?;
    }
    for (target, copy) in high.into_iter().enumerate() {
        // SAFETY: replacing this process's own standard descriptors.
        check(unsafe { libc::dup2(copy as RawFd, target as RawFd) }.into())?;
    }
    Ok(())
}

/// Mount attributes to add to a mount, as for mount_setattr(2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct MountAttributes {
    pub(crate) readonly: bool,
    pub(crate) nodev: bool,
    pub(crate) recursive: bool,
}

/// Adds attributes to the mount at a path; `nosuid` always.
pub(crate) fn restrict_mount(target: &CStr, attributes: MountAttributes) -> SysResult {
    set_attributes(libc::AT_FDCWD, target, libc::AT_SYMLINK_NOFOLLOW, attributes)
}

/// Adds attributes to the mount that a descriptor is of; `nosuid` always.
pub(crate) fn restrict_descriptor(mount: &OwnedFd, attributes: MountAttributes) -> SysResult {
    set_attributes(mount.as_raw_fd(), c"", libc::AT_EMPTY_PATH, attributes)
}

fn set_attributes(
    directory: RawFd,
    path: &CStr,
    mut flags: libc::c_int,
    attributes: MountAttributes,
) -> SysResult {
    let mut set = libc::MOUNT_ATTR_NOSUID;
    if attributes.readonly {
        set |= libc::MOUNT_ATTR_RDONLY;
    }
    if attributes.nodev {
        set |= libc::MOUNT_ATTR_NODEV;
    }
    let attr = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    if attributes.recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: the path and the structure are valid for the length of the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            directory,
            path.as_ptr(),
            flags,
            &attr,
            size_of::<libc::mount_attr>(),
        )
    };
    check(result).map(drop)
}

/// Brings up the loopback interface of this network namespace.
pub(crate) fn raise_loopback() -> SysResult {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: an interface request is plain data; the kernel reads the name and
    // the flags of it.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request).into()).map(drop)
    }
}

/// Sets the execution domain: bits are added to what it is.
pub(crate) fn add_personality(bits: libc::c_ulong, domain: Option<libc::c_ulong>) -> SysResult {
    // SAFETY: personality has no memory effects.
    unsafe {
        let current = check(libc::personality(0xffff_ffff).into())? as libc::c_ulong;
        // The low byte is the domain, the rest are flags.
        let wanted = match domain {
            Some(domain) => (current & !0xff) | domain,
            None => current,
        } | bits;
        check(libc::personality(wanted).into()).map(drop)
    }
}

/// Lets `/proc/self` belong to the process again after it changed its user.
pub(crate) fn set_dumpable() -> SysResult {
    // SAFETY: sets a flag of this process.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) }.into()).map(drop)
}

/// Installs a system call filter for this thread. Needs "no new privileges".
pub(crate) fn install_filter(filter: &[libc::sock_filter]) -> SysResult {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the program is valid for the length of the call, and the kernel
    // only reads it. SPEC_ALLOW keeps kernels before 5.16 from switching on
    // costly mitigations: the filter is no defence against reading one's own
    // memory.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &program,
        )
    };
    match check(result) {
        // The flag came with Linux 4.17.
        Err(Errno::INVAL) => {
            // SAFETY: as above.
            let result =
                unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program) };
            check(result).map(drop)
        }
        other => other.map(drop),
    }
}

/// Null-terminated array of strings, for exec.
pub(crate) struct Pointers(Vec<*const libc::c_char>);

// SAFETY: the pointers are only read, and what they point to is owned by the
// value that stores both.
unsafe impl Send for Pointers {}
// SAFETY: as above.
unsafe impl Sync for Pointers {}

impl Pointers {
    /// The strings must outlive the result and stay where they are (a CString's
    /// text does not move when the CString does).
    pub(crate) fn new(strings: &[std::ffi::CString]) -> Self {
        Self(strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect())
    }
}

/// Becomes another program; returns only on failure.
pub(crate) fn execute(program: &CStr, args: &Pointers, env: &Pointers) -> Errno {
    // SAFETY: both arrays end with null, and their strings live as long as the
    // plan they are part of.
    unsafe { libc::execve(program.as_ptr(), args.0.as_ptr(), env.0.as_ptr()) };
    last_error()
}

/// Waits for a child of this process; `None` when it has none that changed state
/// (only with `WNOHANG`).
pub(crate) fn wait_any(pid: libc::pid_t, flags: libc::c_int) -> SysResult<Option<(libc::pid_t, i32)>> {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is to a valid integer.
        let result = check(unsafe { libc::waitpid(pid, &mut status, flags) }.into());
        return match result {
            Ok(0) => Ok(None),
            Ok(child) => Ok(Some((child as libc::pid_t, status))),
            Err(Errno::INTR) => continue,
            Err(error) => Err(error),
        };
    }
}

/// Times of the children that were waited for: user and system, microseconds.
pub(crate) fn children_times() -> (u64, u64) {
    // SAFETY: the pointer is to a valid structure.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let microseconds = |time: libc::timeval| (time.tv_sec as u64) * 1_000_000 + (time.tv_usec as u64);
    (microseconds(usage.ru_utime), microseconds(usage.ru_stime))
}

/// A descriptor of this process, borrowed by number.
///
/// # Safety
/// It must be open for as long as the result is used.
pub(crate) unsafe fn borrow(descriptor: RawFd) -> BorrowedFd<'static> {
    // SAFETY: promised by the caller.
    unsafe { BorrowedFd::borrow_raw(descriptor) }
}

/// Writes a short text to a file below a directory.
pub(crate) fn write_at(directory: impl AsFd, path: &CStr, text: &[u8]) -> SysResult {
    let file = rustix::fs::openat(
        directory,
        path,
        rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    rustix::io::write(&file, text).map(drop)
}
