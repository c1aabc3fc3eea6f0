//! The processes inside: init and the program's, from `clone` to `exec`.
//!
//! Nothing here allocates or takes locks (see the crate's page). Descriptors are
//! raw numbers, since they are inherited and die with the process.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::binfmt::{self, BinfmtEntry};
use crate::compile::Operation;
use crate::error::{AtStep, Failure, Step, StepResult};
use crate::mounts;
use crate::sys::{self, Fork, Pointers};

/// Everything the processes inside need, made beforehand.
pub(crate) struct Plan {
    pub(crate) operations: Vec<Operation>,
    pub(crate) readonly_root: bool,
    pub(crate) hostname: CString,
    pub(crate) domainname: CString,
    pub(crate) raise_loopback: bool,
    pub(crate) binfmt: Vec<BinfmtEntry>,
    /// Whether the program is user 1 of init's namespace, not user 0.
    pub(crate) switch_user: bool,
    /// `uid_map` and `gid_map` of the program's namespace.
    pub(crate) uid_map: Vec<u8>,
    pub(crate) gid_map: Vec<u8>,
    pub(crate) limits: Vec<(Resource, Rlimit)>,
    pub(crate) umask: u32,
    pub(crate) personality: (libc::c_ulong, Option<libc::c_ulong>),
    pub(crate) cwd: CString,
    pub(crate) program: CString,
    /// What `arg_pointers` and `env_pointers` point to.
    pub(crate) _strings: [Vec<CString>; 2],
    pub(crate) arg_pointers: Pointers,
    pub(crate) env_pointers: Pointers,
    pub(crate) filter: Vec<libc::sock_filter>,
}

/// Numbers of the descriptors that init starts with; -1 is none.
#[derive(Clone, Copy)]
pub(crate) struct Descriptors {
    /// One byte arrives when the user maps are written.
    pub(crate) go: RawFd,
    /// Where failures are written; end of file says that the program runs.
    pub(crate) failures: RawFd,
    /// Where the program's end is reported.
    pub(crate) status: RawFd,
    /// End of file when the caller is gone.
    pub(crate) lifeline: RawFd,
    pub(crate) stdin: RawFd,
    pub(crate) stdout: RawFd,
    pub(crate) stderr: RawFd,
}

/// The byte for "go on, and drop the supplementary groups".
pub(crate) const GO_DROP_GROUPS: u8 = b'g';
/// The byte for "go on; the groups cannot be dropped".
pub(crate) const GO_KEEP_GROUPS: u8 = b'k';

/// What init reports: wait status, user and system time in microseconds.
pub(crate) const REPORT_SIZE: usize = 24;

/// Sends a failure to the caller and ends.
fn give_up(failures: RawFd, failure: Failure) -> ! {
    // SAFETY: init and the program keep this descriptor open until they end.
    let _ = rustix::io::write(unsafe { sys::borrow(failures) }, &failure.encode());
    sys::exit_now(127)
}

/// The life of init, process 1 of the new namespaces.
///
/// All signals are blocked, and stay so: nothing of the caller's runs here.
pub(crate) fn init(plan: &Plan, descriptors: Descriptors) -> ! {
    let mut keep = [
        // So that nothing opened in between gets these numbers, which the
        // program's standard descriptors replace later.
        0,
        1,
        2,
        descriptors.go,
        descriptors.failures,
        descriptors.status,
        descriptors.lifeline,
        descriptors.stdin,
        descriptors.stdout,
        descriptors.stderr,
    ];
    keep.sort_unstable();
    // Other threads' files, locks among them, must not live on here.
    sys::close_all_but(&keep);
    // An ignored SIGCHLD would be inherited, and children vanish unreported.
    sys::default_signals();
    match start(plan, descriptors) {
        Ok((program, binfmt)) => supervise(program, &binfmt, descriptors),
        Err(failure) => give_up(descriptors.failures, failure),
    }
}

/// Sets everything up and starts the program's process.
fn start(plan: &Plan, descriptors: Descriptors) -> StepResult<(libc::pid_t, Option<OwnedFd>)> {
    wait_for_maps(descriptors.go)?;
    // Even an empty instance matters: it hides the machine's registrations, so
    // that a build does not depend on them. But where the kernel has no such
    // instances, only the lack of a wanted emulator is an error.
    let binfmt = match binfmt::register(&plan.binfmt) {
        Err(_) if plan.binfmt.is_empty() => None,
        other => Some(other?),
    };
    rustix::system::sethostname(plan.hostname.as_bytes()).at(Step::SetHostname)?;
    rustix::system::setdomainname(plan.domainname.as_bytes()).at(Step::SetDomainname)?;
    if plan.raise_loopback {
        // Safe: the network namespace is our own.
        sys::raise_loopback().at(Step::RaiseLoopback)?;
    }
    // The machine's /proc, through which the program's process will write its
    // user map: there need not be one inside.
    let proc = rustix::fs::open(c"/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .at(Step::MapUser)?;
    mounts::make_private()?;
    mounts::enter_new_root()?;
    // Modes are set as given, whatever the caller's mask is.
    rustix::process::umask(Mode::empty());
    mounts::apply(&plan.operations)?;
    mounts::leave_old_root()?;
    if plan.readonly_root {
        mounts::seal_root()?;
    }
    // SAFETY: init has one thread; the child only makes system calls.
    match unsafe { sys::clone_process(0) }.at(Step::Fork)? {
        Fork::Parent(program) => Ok((program, binfmt)),
        Fork::Child => {
            let failure = become_program(plan, descriptors, &proc);
            give_up(descriptors.failures, failure)
        }
    }
}

/// Waits until the caller has written init's user maps.
fn wait_for_maps(go: RawFd) -> StepResult {
    let mut byte = [0];
    // SAFETY: kept open by `init`.
    let count = loop {
        match rustix::io::read(unsafe { sys::borrow(go) }, &mut byte) {
            Err(Errno::INTR) => {}
            other => break other.at(Step::WaitForCaller)?,
        }
    };
    if count == 0 {
        // The caller is gone: nobody is there to tell.
        sys::exit_now(127);
    }
    if byte[0] == GO_DROP_GROUPS {
        rustix::thread::set_thread_groups(&[]).at(Step::DropGroups)?;
    }
    Ok(())
}

/// From init's copy to the program; returns only on failure.
fn become_program(plan: &Plan, descriptors: Descriptors, proc: &OwnedFd) -> Failure {
    let result = prepare_program(plan, descriptors, proc);
    let Err(failure) = result.and_then(|()| {
        Err::<(), _>(sys::execute(&plan.program, &plan.arg_pointers, &plan.env_pointers)).at(Step::Execute)
    }) else {
        unreachable!("exec returned success")
    };
    failure
}

fn prepare_program(plan: &Plan, descriptors: Descriptors, proc: &OwnedFd) -> StepResult {
    // No terminal of the caller's can be the program's controlling terminal.
    rustix::process::setsid().at(Step::StartSession)?;
    // The failure pipe moves out of the way of 0, 1 and 2 by itself: it was
    // opened while these were open.
    sys::set_stdio([descriptors.stdin, descriptors.stdout, descriptors.stderr]).at(Step::AttachStdio)?;
    sys::close_on_exec_from(3);
    rustix::process::chdir(plan.cwd.as_c_str()).at(Step::ChangeDirectory)?;
    enter_own_user_namespace(plan, proc)?;
    for (index, (resource, limit)) in plan.limits.iter().enumerate() {
        rustix::process::setrlimit(*resource, *limit).at_index(Step::SetLimit, index)?;
    }
    let (bits, domain) = plan.personality;
    if bits != 0 || domain.is_some() {
        sys::add_personality(bits, domain).at(Step::SetPersonality)?;
    }
    rustix::process::umask(Mode::from_raw_mode(plan.umask));
    drop_privileges()?;
    sys::default_signals();
    sys::set_signal_mask(&sys::signal_set(&[]));
    if !plan.filter.is_empty() {
        sys::install_filter(&plan.filter).at(Step::InstallFilter)?;
    }
    Ok(())
}

/// A second user namespace: what the program is "root" or owner of is nothing
/// that init made, so it can undo none of it (mounts, host name, emulators).
fn enter_own_user_namespace(plan: &Plan, proc: &OwnedFd) -> StepResult {
    if plan.switch_user {
        // Safe: giving up root for the build user. Group first, while allowed.
        let (user, group) = (rustix::thread::Uid::from_raw(1), rustix::thread::Gid::from_raw(1));
        rustix::thread::set_thread_res_gid(group, group, group).at(Step::DropPrivileges)?;
        rustix::thread::set_thread_res_uid(user, user, user).at(Step::DropPrivileges)?;
        sys::set_dumpable().at(Step::DropPrivileges)?;
    }
    sys::unshare(libc::CLONE_NEWUSER).at(Step::NestUserNamespace)?;
    sys::write_at(proc, c"self/setgroups", b"deny").at(Step::NestUserNamespace)?;
    sys::write_at(proc, c"self/gid_map", &plan.gid_map).at(Step::NestUserNamespace)?;
    sys::write_at(proc, c"self/uid_map", &plan.uid_map).at(Step::NestUserNamespace)
}

/// No capability, now or after any exec.
fn drop_privileges() -> StepResult {
    for number in 0..64 {
        // Those that the kernel does not know are refused, harmlessly.
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error).at(Step::DropPrivileges),
        }
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).at(Step::DropPrivileges)?;
    rustix::thread::set_no_new_privs(true).at(Step::DropPrivileges)
}

/// Reaps until the program ends, reports that, and ends, whereupon the kernel
/// kills whatever else is left inside. Ends early when the caller is gone.
///
/// `binfmt` is held open all the while: registrations last as long as it.
fn supervise(program: libc::pid_t, binfmt: &Option<OwnedFd>, descriptors: Descriptors) -> ! {
    let children = sys::signal_descriptor(&[libc::SIGCHLD]).unwrap_or_else(|error| {
        give_up(descriptors.failures, Failure { step: Step::Fork, index: 0, errno: error.raw_os_error() })
    });
    let mut keep = [
        binfmt.as_ref().map_or(-1, AsRawFd::as_raw_fd),
        children.as_raw_fd(),
        descriptors.status,
        descriptors.lifeline,
    ];
    keep.sort_unstable();
    // Above all the pipes: their readers wait for the program's end of them.
    sys::close_all_but(&keep);
    loop {
        loop {
            match sys::wait_any(-1, libc::WNOHANG) {
                Ok(Some((child, status))) if child == program => report(status, descriptors),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        if caller_is_gone(&children, descriptors.lifeline) {
            sys::exit_now(1);
        }
    }
}

/// Waits for a child to end or for the caller to do so; tells whether it was the
/// caller.
fn caller_is_gone(children: &OwnedFd, lifeline: RawFd) -> bool {
    // SAFETY: kept open by `supervise`; when there is none, not used.
    let lifeline = (lifeline >= 0).then(|| unsafe { sys::borrow(lifeline) });
    let signals = PollFd::new(children, PollFlags::IN);
    let gone = match lifeline {
        Some(lifeline) => {
            let mut both = [signals, PollFd::from_borrowed_fd(lifeline, PollFlags::IN)];
            let _ = rustix::event::poll(&mut both, None);
            !both[1].revents().is_empty()
        }
        None => {
            let _ = rustix::event::poll(&mut [signals], None);
            false
        }
    };
    let mut drained = [0; 128];
    if !gone {
        let _ = rustix::io::read(children, &mut drained);
    }
    gone
}

fn report(status: i32, descriptors: Descriptors) -> ! {
    let (user, system) = sys::children_times();
    let mut bytes = [0; REPORT_SIZE];
    bytes[..4].copy_from_slice(&status.to_ne_bytes());
    bytes[8..16].copy_from_slice(&user.to_ne_bytes());
    bytes[16..].copy_from_slice(&system.to_ne_bytes());
    // SAFETY: kept open by `supervise`.
    let _ = rustix::io::write(unsafe { sys::borrow(descriptors.status) }, &bytes);
    sys::exit_now(0)
}
