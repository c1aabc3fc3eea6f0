//! The system call filter, as a classic BPF program.
//!
//! Hand-assembled, because one filter must cover two system call tables (the
//! machine's own and its 32-bit one: i386 programs, 32-bit ARM programs), which
//! the filter crates do not do. An emulated program makes the emulator's system
//! calls, which are the machine's, so the filter holds for it too.
//!
//! What is refused, and why:
//!
//! - setuid and setgid bits (chmod, and creating a file with them): a file that
//!   a build leaves for another user to run would run as the build's user.
//! - extended attributes and access control lists: they are not part of what is
//!   stored, so a build that uses them must see that it cannot.
//! - user namespaces (and with them all others): inside one a build has
//!   capabilities, and a large part of the kernel to attack.
//! - `io_uring`, whose operations no filter sees; kernel keyrings, which
//!   processes of one user share across sandboxes; BPF and perf events.
//! - `openat2` and `clone3`, whose arguments are in memory, where a filter can't
//!   look: "not implemented" makes programs use the older calls.
//! - on the machine's network, Unix sockets: abstract ones connect to processes
//!   outside, and carry open files there. (Connected pairs of streams remain:
//!   they lead only to relatives.)
//!
//! Sources: `struct seccomp_data` and return values in `linux/seccomp.h`,
//! numbers in `arch/x86/entry/syscalls/syscall_32.tbl` and
//! `arch/arm/tools/syscall.tbl`; from 424 on numbers are the same everywhere.

use crate::error::SandboxError;
use crate::spec::Seccomp;

/// Offset of the system call number in `struct seccomp_data`.
const NUMBER: u32 = 0;
/// Offset of the audit architecture.
const ARCHITECTURE: u32 = 4;
/// Offset of the first argument; each has eight bytes.
const ARGUMENTS: u32 = 16;

/// setuid and setgid bits of a file mode.
const SET_ID: u32 = 0o6000;
/// `O_TMPFILE` without its `O_DIRECTORY` part; the same on all architectures
/// that there is a filter for.
const TMPFILE: u32 = 0o20_000_000;

/// Condition on the low 32 bits of an argument.
#[derive(Clone, Copy)]
enum Condition {
    /// Any of the bits is set.
    AnyBit(u32, u32),
    /// After masking (second) it is the value (third).
    Masked(u32, u32, u32),
}

/// Refuse a call when all conditions hold.
struct Rule {
    number: u32,
    conditions: Vec<Condition>,
    errno: i32,
}

/// System call numbers of one table; `None` where it has no such call.
struct Table {
    /// `AUDIT_ARCH_…` of `linux/audit.h`.
    architecture: u32,
    /// Numbers from this on are refused altogether (x32).
    limit: Option<u32>,
    chmod: Option<u32>,
    fchmod: u32,
    fchmodat: u32,
    open: Option<u32>,
    creat: Option<u32>,
    openat: u32,
    mknod: Option<u32>,
    mknodat: u32,
    setxattr: [u32; 3],
    clone: u32,
    unshare: u32,
    setns: u32,
    keys: [u32; 3],
    bpf: u32,
    perf_event_open: u32,
    socket: u32,
    socketpair: u32,
    socketcall: Option<u32>,
}

// The same numbers in every table that is used here.
const IO_URING: [u32; 3] = [425, 426, 427];
const CLONE3: u32 = 435;
const OPENAT2: u32 = 437;
const FCHMODAT2: u32 = 452;
const SETXATTRAT: u32 = 463;

#[cfg(target_arch = "x86_64")]
const TABLES: &[Table] = &[
    native(0xc000_003e, Some(0x4000_0000)),
    Table {
        architecture: 0x4000_0003,
        limit: None,
        chmod: Some(15),
        fchmod: 94,
        fchmodat: 306,
        open: Some(5),
        creat: Some(8),
        openat: 295,
        mknod: Some(14),
        mknodat: 297,
        setxattr: [226, 227, 228],
        clone: 120,
        unshare: 310,
        setns: 346,
        keys: [286, 287, 288],
        bpf: 357,
        perf_event_open: 336,
        socket: 359,
        socketpair: 360,
        socketcall: Some(102),
    },
];

#[cfg(target_arch = "aarch64")]
const TABLES: &[Table] = &[
    native(0xc000_00b7, None),
    Table {
        architecture: 0x4000_0028,
        limit: None,
        chmod: Some(15),
        fchmod: 94,
        fchmodat: 333,
        open: Some(5),
        creat: Some(8),
        openat: 322,
        mknod: Some(14),
        mknodat: 324,
        setxattr: [226, 227, 228],
        clone: 120,
        unshare: 337,
        setns: 375,
        keys: [309, 310, 311],
        bpf: 386,
        perf_event_open: 364,
        socket: 281,
        socketpair: 288,
        socketcall: None,
    },
];

#[cfg(target_arch = "riscv64")]
const TABLES: &[Table] = &[native(0xc000_00f3, None)];

#[cfg(all(target_arch = "powerpc64", target_endian = "little"))]
const TABLES: &[Table] = &[native(0xc000_0015, None)];

#[cfg(target_arch = "loongarch64")]
const TABLES: &[Table] = &[native(0xc000_0102, None)];

#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    all(target_arch = "powerpc64", target_endian = "little"),
    target_arch = "loongarch64"
)))]
const TABLES: &[Table] = &[];

/// The table of the architecture that this is compiled for.
#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    all(target_arch = "powerpc64", target_endian = "little"),
    target_arch = "loongarch64"
))]
const fn native(architecture: u32, limit: Option<u32>) -> Table {
    // Calls that newer architectures left out.
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64"))]
    const OLD: [Option<u32>; 4] = [
        Some(libc::SYS_chmod as u32),
        Some(libc::SYS_open as u32),
        Some(libc::SYS_creat as u32),
        Some(libc::SYS_mknod as u32),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "powerpc64")))]
    const OLD: [Option<u32>; 4] = [None; 4];
    #[cfg(target_arch = "powerpc64")]
    const SOCKETCALL: Option<u32> = Some(libc::SYS_socketcall as u32);
    #[cfg(not(target_arch = "powerpc64"))]
    const SOCKETCALL: Option<u32> = None;
    Table {
        architecture,
        limit,
        chmod: OLD[0],
        fchmod: libc::SYS_fchmod as u32,
        fchmodat: libc::SYS_fchmodat as u32,
        open: OLD[1],
        creat: OLD[2],
        openat: libc::SYS_openat as u32,
        mknod: OLD[3],
        mknodat: libc::SYS_mknodat as u32,
        setxattr: [libc::SYS_setxattr as u32, libc::SYS_lsetxattr as u32, libc::SYS_fsetxattr as u32],
        clone: libc::SYS_clone as u32,
        unshare: libc::SYS_unshare as u32,
        setns: libc::SYS_setns as u32,
        keys: [libc::SYS_add_key as u32, libc::SYS_request_key as u32, libc::SYS_keyctl as u32],
        bpf: libc::SYS_bpf as u32,
        perf_event_open: libc::SYS_perf_event_open as u32,
        socket: libc::SYS_socket as u32,
        socketpair: libc::SYS_socketpair as u32,
        socketcall: SOCKETCALL,
    }
}

/// The filter for a policy; empty for none.
pub(crate) fn filter(policy: Seccomp, network: bool) -> Result<Vec<libc::sock_filter>, SandboxError> {
    if policy == Seccomp::Off {
        return Ok(Vec::new());
    }
    if TABLES.is_empty() {
        return Err(SandboxError::NoFilter(std::env::consts::ARCH));
    }
    let mut program = Vec::new();
    for table in TABLES {
        let rules = rules(table, policy, network);
        let body = assemble(table, &rules);
        program.push(load(ARCHITECTURE));
        // The body is longer than a conditional jump reaches.
        program.push(jump(libc::BPF_JEQ, table.architecture, 1, 0));
        program.push(statement(libc::BPF_JMP | libc::BPF_JA, body.len() as u32));
        program.extend(body);
    }
    // A table that is not known is not to be trusted.
    program.push(refuse(libc::ENOSYS));
    Ok(program)
}

fn rules(table: &Table, policy: Seccomp, network: bool) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut add = |number: Option<u32>, errno: i32, conditions: &[Condition]| {
        rules.extend(number.map(|number| Rule { number, conditions: conditions.to_vec(), errno }));
    };
    let bits = Condition::AnyBit;
    let some = Some;

    add(table.chmod, libc::EPERM, &[bits(1, SET_ID)]);
    add(some(table.fchmod), libc::EPERM, &[bits(1, SET_ID)]);
    add(some(table.fchmodat), libc::EPERM, &[bits(2, SET_ID)]);
    add(some(FCHMODAT2), libc::EPERM, &[bits(2, SET_ID)]);
    // The mode counts (and is more than what was left in a register) only when
    // a file may be created.
    let create = libc::O_CREAT as u32 | TMPFILE;
    let opening = |flags| [bits(flags, create), bits(flags + 1, SET_ID)];
    add(table.open, libc::EPERM, &opening(1));
    add(some(table.openat), libc::EPERM, &opening(2));
    add(table.creat, libc::EPERM, &[bits(1, SET_ID)]);
    add(table.mknod, libc::EPERM, &[bits(1, SET_ID)]);
    add(some(table.mknodat), libc::EPERM, &[bits(2, SET_ID)]);
    add(some(OPENAT2), libc::ENOSYS, &[]);
    for number in table.setxattr.into_iter().chain([SETXATTRAT]) {
        add(some(number), libc::ENOTSUP, &[]);
    }
    for number in IO_URING {
        add(some(number), libc::ENOSYS, &[]);
    }
    for number in table.keys {
        add(some(number), libc::EPERM, &[]);
    }
    add(some(table.bpf), libc::EPERM, &[]);
    add(some(table.perf_event_open), libc::EPERM, &[]);
    if policy == Seccomp::Strict {
        // Every other namespace needs capabilities, hence a user namespace.
        let user = libc::CLONE_NEWUSER as u32;
        add(some(table.clone), libc::EPERM, &[bits(0, user)]);
        add(some(table.unshare), libc::EPERM, &[bits(0, user)]);
        add(some(table.setns), libc::EPERM, &[]);
        add(some(CLONE3), libc::ENOSYS, &[]);
    }
    if network {
        let unix = Condition::Masked(0, u32::MAX, libc::AF_UNIX as u32);
        let datagram = Condition::Masked(1, 0xf, libc::SOCK_DGRAM as u32);
        add(some(table.socket), libc::EAFNOSUPPORT, &[unix]);
        add(some(table.socketpair), libc::EAFNOSUPPORT, &[unix, datagram]);
        // The old entry to all socket calls has its arguments in memory. 1 is
        // socket, 8 is socketpair; C libraries use the separate calls.
        for call in [1, 8] {
            let is_call = Condition::Masked(0, u32::MAX, call);
            add(table.socketcall, libc::ENOSYS, &[is_call]);
        }
    }
    rules
}

/// The part of the program for one table; ends by allowing.
fn assemble(table: &Table, rules: &[Rule]) -> Vec<libc::sock_filter> {
    let mut body = Vec::new();
    if let Some(limit) = table.limit {
        body.push(load(NUMBER));
        body.push(jump(libc::BPF_JGE, limit, 0, 1));
        body.push(refuse(libc::ENOSYS));
    }
    for rule in rules {
        // Each condition is up to three instructions; a failed one jumps over
        // the rest of the rule.
        let length: u8 = rule
            .conditions
            .iter()
            .map(|condition| match condition {
                Condition::AnyBit(..) => 2,
                Condition::Masked(..) => 3,
            })
            .sum::<u8>()
            + 1;
        body.push(load(NUMBER));
        body.push(jump(libc::BPF_JEQ, rule.number, 0, length));
        let mut left = length;
        for condition in &rule.conditions {
            match *condition {
                Condition::AnyBit(argument, mask) => {
                    left -= 2;
                    body.push(load(low_half(argument)));
                    body.push(jump(libc::BPF_JSET, mask, 0, left));
                }
                Condition::Masked(argument, mask, value) => {
                    left -= 3;
                    body.push(load(low_half(argument)));
                    body.push(statement(libc::BPF_ALU | libc::BPF_AND, mask));
                    body.push(jump(libc::BPF_JEQ, value, 0, left));
                }
            }
        }
        body.push(refuse(rule.errno));
    }
    body.push(statement(libc::BPF_RET, libc::SECCOMP_RET_ALLOW));
    body
}

/// Offset of the low 32 bits of an argument.
fn low_half(argument: u32) -> u32 {
    let half = if cfg!(target_endian = "big") { 4 } else { 0 };
    ARGUMENTS + 8 * argument + half
}

fn statement(code: u32, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k: value }
}

fn load(offset: u32) -> libc::sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn jump(test: u32, value: u32, if_true: u8, if_false: u8) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_JMP | test) as u16, jt: if_true, jf: if_false, k: value }
}

fn refuse(errno: i32) -> libc::sock_filter {
    statement(libc::BPF_RET, libc::SECCOMP_RET_ERRNO | errno as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do: runs the program on one system call.
    fn run(program: &[libc::sock_filter], architecture: u32, number: u32, args: [u32; 6]) -> u32 {
        let mut data = [0_u32; 16];
        data[0] = number;
        data[1] = architecture;
        for (index, value) in args.into_iter().enumerate() {
            data[(low_half(index as u32) / 4) as usize] = value;
        }
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let one = program[at];
            at += 1;
            let holds = match u32::from(one.code) {
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    accumulator = data[(one.k / 4) as usize];
                    continue;
                }
                code if code == libc::BPF_ALU | libc::BPF_AND => {
                    accumulator &= one.k;
                    continue;
                }
                code if code == libc::BPF_JMP | libc::BPF_JA => {
                    at += one.k as usize;
                    continue;
                }
                libc::BPF_RET => return one.k,
                code if code == libc::BPF_JMP | libc::BPF_JEQ => accumulator == one.k,
                code if code == libc::BPF_JMP | libc::BPF_JGE => accumulator >= one.k,
                code if code == libc::BPF_JMP | libc::BPF_JSET => accumulator & one.k != 0,
                code => panic!("instruction {code:#x}"),
            };
            at += usize::from(if holds { one.jt } else { one.jf });
        }
    }

    fn check(network: bool, number: u32, args: &[u32], expected: Option<i32>) {
        for (index, table) in TABLES.iter().enumerate() {
            let program = filter(Seccomp::Strict, network).expect("a filter");
            let mut all = [0; 6];
            all[..args.len()].copy_from_slice(args);
            let expected = match expected {
                Some(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
                None => libc::SECCOMP_RET_ALLOW,
            };
            let got = run(&program, table.architecture, number, all);
            // Numbers below 424 are those of the first table.
            if index == 0 || number >= 424 {
                assert_eq!(got, expected, "call {number} {args:x?} of table {index}");
            }
        }
    }

    #[test]
    fn what_is_refused() {
        let Some(table) = TABLES.first() else {
            println!("skipped: no filter for this architecture");
            return;
        };
        let denied = Some(libc::EPERM);
        check(false, table.fchmod, &[3, 0o755], None);
        check(false, table.fchmod, &[3, 0o4755], denied);
        check(false, table.fchmodat, &[3, 0, 0o2755], denied);
        check(false, table.fchmodat, &[3, 0, 0o1777], None);
        check(false, FCHMODAT2, &[3, 0, 0o6755, 0], denied);
        let create = libc::O_CREAT as u32;
        check(false, table.openat, &[3, 0, create, 0o644], None);
        check(false, table.openat, &[3, 0, create, 0o4755], denied);
        check(false, table.openat, &[3, 0, TMPFILE, 0o4755], denied);
        check(false, table.openat, &[3, 0, 0, 0o4755], None);
        check(false, OPENAT2, &[], Some(libc::ENOSYS));
        check(false, table.setxattr[2], &[], Some(libc::ENOTSUP));
        check(false, IO_URING[0], &[], Some(libc::ENOSYS));
        check(false, table.unshare, &[libc::CLONE_NEWUSER as u32], denied);
        check(false, table.unshare, &[libc::CLONE_FILES as u32], None);
        check(false, table.clone, &[libc::SIGCHLD as u32], None);
        check(false, table.socket, &[libc::AF_UNIX as u32, 1], None);
        check(false, libc::SYS_write as u32, &[1, 2, 3], None);
    }

    #[test]
    fn unix_sockets_on_the_machines_network() {
        let Some(table) = TABLES.first() else {
            println!("skipped: no filter for this architecture");
            return;
        };
        let refused = Some(libc::EAFNOSUPPORT);
        let (unix, stream) = (libc::AF_UNIX as u32, libc::SOCK_STREAM as u32);
        let datagram = (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as u32;
        check(true, table.socket, &[unix, stream], refused);
        check(true, table.socket, &[libc::AF_INET as u32, stream], None);
        check(true, table.socketpair, &[unix, stream], None);
        check(true, table.socketpair, &[unix, datagram], refused);
    }

    #[test]
    fn unknown_tables_are_refused() {
        if TABLES.is_empty() {
            println!("skipped: no filter for this architecture");
            return;
        }
        let program = filter(Seccomp::Strict, false).expect("a filter");
        let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
        assert_eq!(run(&program, 0x1234, 1, [0; 6]), refused);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(run(&program, 0xc000_003e, 0x4000_0001, [0; 6]), refused);
        }
        assert!(program.len() < 4096);
        assert!(filter(Seccomp::Off, false).expect("none").is_empty());
    }
}
