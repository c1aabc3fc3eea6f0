//! What is possible inside a sandbox, and above all what is not.

#[path = "support/executable.rs"]
mod executable;
#[path = "support/riscv.rs"]
mod riscv;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use executable::write_executable;
use saltire_sandbox::{Mount, Output, SandboxChild, SandboxError, SandboxSpec, Seccomp, Step};

/// A sandbox with this machine's programs and libraries, read-only.
fn spec(script: &str) -> SandboxSpec {
    let mut spec = SandboxSpec::new("/bin/sh");
    spec.args = ["sh", "-c", script].map(Into::into).to_vec();
    spec.env = vec![("PATH".into(), "/usr/bin:/bin:/usr/sbin:/sbin".into())];
    for directory in ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
        if let Mount::Bind(mut bind) = Mount::bind(directory, directory) {
            bind.optional = true;
            spec.mounts.push(Mount::Bind(bind));
        }
    }
    spec.mounts.extend([
        Mount::Proc { target: "/proc".into() },
        Mount::Dev { target: "/dev".into() },
        Mount::Tmpfs { target: "/tmp".into(), mode: 0o1777, size: None },
        Mount::File {
            target: "/etc/passwd".into(),
            content: b"builder:x:1000:100:Builder:/build:/noshell\n".to_vec(),
            mode: 0o644,
        },
        Mount::File { target: "/etc/group".into(), content: b"builders:x:100:\n".to_vec(), mode: 0o644 },
    ]);
    spec
}

fn collect(child: &mut SandboxChild) -> (ExitStatus, String) {
    let mut text = Vec::new();
    if let Some(mut log) = child.take_log() {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = SandboxChild::read_log(&mut log, &mut buffer) {
            text.extend_from_slice(&buffer[..count]);
        }
    }
    let status = child.wait().expect("waiting works");
    (status.exit, String::from_utf8_lossy(&text).into_owned())
}

/// Whether this machine lets this user make sandboxes at all.
fn possible() -> bool {
    let mut spec = spec("exit 0");
    spec.output = Output::Pipe;
    match spec.spawn() {
        Ok(mut child) => child.wait().is_ok(),
        Err(error @ SandboxError::Setup { step: Step::CreateNamespaces, .. }) => {
            println!("skipped: {error}");
            false
        }
        // Namespaces there are, so any other failure is ours.
        Err(error) => panic!("{error}"),
    }
}

fn run(mut spec: SandboxSpec) -> (ExitStatus, String) {
    spec.output = Output::Pipe;
    let mut child = spec.spawn().expect("the sandbox starts");
    collect(&mut child)
}

/// Runs a script and compares what it prints and its exit code.
#[track_caller]
fn check(script: &str, code: i32, expected: &str) {
    if !possible() {
        return;
    }
    let (status, text) = run(spec(script));
    assert_eq!((status.code(), text.as_str()), (Some(code), expected));
}

#[test]
fn the_program_is_the_build_user() {
    check(
        "id -u; id -g; id -un; id -gn; uname -n; pwd; umask; echo $PPID",
        0,
        "1000\n100\nbuilder\nbuilders\nlocalhost\n/\n0022\n1\n",
    );
}

#[test]
fn exit_codes_and_signals_come_out() {
    check("exit 42", 42, "");
    if !possible() {
        return;
    }
    use std::os::unix::process::ExitStatusExt;
    let (status, _) = run(spec("kill -SEGV $$"));
    assert_eq!(status.signal(), Some(11));
}

#[test]
fn there_are_no_capabilities_and_no_new_privileges() {
    check(
        "grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status",
        0,
        "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
         CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n",
    );
}

#[test]
fn the_machine_is_not_visible() {
    check(
        "ls -a / | tr '\\n' ' '; ls /etc | tr '\\n' ' '; ls -d /proc/[0-9]* | wc -l",
        0,
        &format!(
            ". .. {} group passwd 4\n",
            ["bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "tmp", "usr"]
                .into_iter()
                .filter(|name| !name.starts_with("lib") || Path::new("/").join(name).exists())
                .collect::<Vec<_>>()
                .join(" ")
        ),
    );
}

#[test]
fn init_cannot_be_looked_into_or_harmed() {
    // Its descriptors are where its report goes.
    check(
        "cat /proc/1/environ; for f in /proc/1/fd/*; do (: >$f) 2>/dev/null && echo $f; done; \
         kill -9 1; kill -STOP 1; echo alive",
        0,
        "cat: /proc/1/environ: Permission denied\nalive\n",
    );
}

#[test]
fn nothing_outside_can_be_written() {
    check(
        "for f in /x /usr/x /bin/x /etc/passwd /dev/x /proc/sys/kernel/core_pattern \
         /proc/sys/kernel/hostname /proc/sysrq-trigger; do \
         (echo y >$f) 2>/dev/null && echo wrote $f; done; echo z >/tmp/z && cat /tmp/z",
        0,
        "z\n",
    );
}

#[test]
fn a_read_only_bind_stays_so() {
    if !possible() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let writable = directory.path().join("writable");
    let readonly = directory.path().join("readonly");
    for path in [&writable, &readonly] {
        std::fs::create_dir(path).expect("a directory");
    }
    let mut spec = spec(
        "echo 1 >/build/w/one; echo 2 >/build/r/two; mount -o remount,rw,bind /build/r; \
         umount /build/r; umount -l /proc; mount -t tmpfs none /tmp; chroot /tmp; hostname x",
    );
    spec.mounts.push(Mount::bind_writable(&writable, "/build/w"));
    spec.mounts.push(Mount::bind(&readonly, "/build/r"));
    let (_, text) = run(spec);
    assert_eq!(std::fs::read(writable.join("one")).expect("written"), b"1\n");
    assert!(!readonly.join("two").exists(), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
    for refused in ["mount:", "umount:", "chroot:", "hostname:"] {
        assert!(text.contains(refused), "{text}");
    }
}

#[test]
fn setuid_files_cannot_be_made() {
    check(
        "cd /tmp; touch f; chmod 4755 f 2>&1; chmod 2755 f 2>&1; chmod 755 f; stat -c %a f",
        0,
        "chmod: changing permissions of 'f': Operation not permitted\n\
         chmod: changing permissions of 'f': Operation not permitted\n755\n",
    );
}

#[test]
fn namespaces_cannot_be_made_unless_allowed() {
    check("unshare -U true 2>/dev/null; echo $?", 0, "1\n");
    if !possible() {
        return;
    }
    let mut allowed =
        spec("unshare -Ur id -u; cd /tmp; touch f; unshare -Ur chmod 4755 f 2>/dev/null; echo $?");
    allowed.seccomp = Seccomp::AllowNamespaces;
    assert_eq!(run(allowed).1, "0\n1\n");
}

#[test]
fn there_is_only_the_loopback_network() {
    check(
        "sed -n 's/^ *\\([a-z0-9]*\\):.*/\\1/p' /proc/net/dev; cat /proc/net/route | wc -l; \
         cat /proc/net/if_inet6 2>/dev/null | wc -l | grep -q '[01]' && echo ok",
        0,
        "lo\n1\nok\n",
    );
}

#[test]
fn loopback_is_up() {
    check(
        "cat /sys/class/net/lo/flags 2>/dev/null; grep -c 0100007F /proc/net/fib_trie >/dev/null 2>&1; grep -q 127.0.0.1 /proc/net/fib_trie && echo up",
        0,
        "up\n",
    );
}

#[test]
fn nothing_survives() {
    if !possible() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut spec = spec(
        "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 0.01; date >/out/alive; done' \
         >/dev/null 2>&1 </dev/null & while ! test -e /out/alive; do sleep 0.01; done",
    );
    spec.mounts.push(Mount::bind_writable(directory.path(), "/out"));
    let (status, text) = run(spec);
    assert!(status.success(), "{text}");
    // Whatever ran is dead already when `wait` has returned.
    std::fs::remove_file(directory.path().join("alive")).expect("it was alive");
    std::thread::sleep(Duration::from_millis(60));
    assert!(!directory.path().join("alive").exists());
}

#[test]
fn a_sandbox_can_be_killed_and_given_up_on() {
    if !possible() {
        return;
    }
    use std::os::unix::process::ExitStatusExt;
    let mut child = spec("sleep 1000").spawn().expect("it starts");
    let early = child.wait_timeout(Duration::from_millis(20));
    assert_eq!(early.expect("waiting works"), None);
    child.kill();
    assert_eq!(child.wait().expect("waiting works").exit.signal(), Some(9));
}

#[test]
fn a_terminal_is_line_buffered_and_plain() {
    if !possible() {
        return;
    }
    let mut spec = spec("test -t 1 && echo terminal; test -t 0 || echo no input; : </dev/tty");
    spec.output = Output::Terminal;
    let mut child = spec.spawn().expect("it starts");
    let (_, text) = collect(&mut child);
    assert!(text.starts_with("terminal\nno input\n"), "{text:?}");
    assert!(text.contains("/dev/tty: No such device"), "{text:?}");
}

#[test]
fn descriptors_of_the_caller_are_not_inherited() {
    if !possible() {
        return;
    }
    // A descriptor that would survive exec, as careless libraries leave them.
    let file = std::fs::File::open("/etc/hostname").or_else(|_| std::fs::File::open("/etc/passwd"));
    let file = file.expect("a file");
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).expect("no close-on-exec");
    let (_, text) = run(spec("ls /proc/self/fd | tr '\\n' ' '; ls -l /proc/self/fd | grep -c etc/"));
    // 3 is ls reading the directory.
    assert_eq!(text, "0 1 2 3 0\n");
}

#[test]
fn errors_name_the_step_and_the_path() {
    if !possible() {
        return;
    }
    let error = |change: fn(&mut SandboxSpec)| {
        let mut spec = spec("true");
        change(&mut spec);
        match spec.spawn() {
            Ok(_) => "it started".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(
        error(|spec| spec.program = "/bin/nonesuch".into()),
        "cannot execute /bin/nonesuch: No such file or directory (os error 2)\n\
         Either the program or the interpreter that it names is not there."
    );
    assert_eq!(
        error(|spec| spec.cwd = "/nowhere".into()),
        "cannot change to directory /nowhere: No such file or directory (os error 2)"
    );
    assert_eq!(
        error(|spec| spec.mounts.push(Mount::bind("/etc", "/usr/nonesuch"))),
        "cannot mount /usr/nonesuch: Read-only file system (os error 30)"
    );
    assert_eq!(
        error(|spec| spec.mounts.push(Mount::bind("/nonesuch", "/x"))),
        "cannot mount /nonesuch: No such file or directory (os error 2)"
    );
    assert_eq!(
        error(|spec| {
            spec.binfmt.push(saltire_sandbox::BinfmtEntry {
                label: "for nothing".into(),
                line: b"nonsense".to_vec(),
            });
        })
        .lines()
        .next(),
        Some("cannot register emulator for nothing: Invalid argument (os error 22)")
    );
}

#[test]
fn many_at_once_from_many_threads() {
    if !possible() {
        return;
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for round in 0..5 {
                    let (status, text) = run(spec(&format!("echo {thread} {round}")));
                    assert!(status.success());
                    assert_eq!(text, format!("{thread} {round}\n"));
                }
            });
        }
    });
}

#[test]
fn symbolic_links_are_made_again() {
    if !possible() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let link: PathBuf = directory.path().join("link");
    std::os::unix::fs::symlink("/usr/bin/env", &link).expect("a link");
    let mut spec = spec("readlink /nix/store/link");
    spec.mounts.push(Mount::bind(&link, "/nix/store/link"));
    assert_eq!(run(spec).1, "/usr/bin/env\n");
}

/// Emulators come from a directory that the environment names: they are not
/// part of every machine.
fn emulator(name: &str) -> Option<saltire_sandbox::BinfmtEntry> {
    let Some(directory) = std::env::var_os("SALTIRE_TEST_QEMU_DIR") else {
        println!("skipped: SALTIRE_TEST_QEMU_DIR names no directory with qemu-{name}-static");
        return None;
    };
    let path = Path::new(&directory).join(format!("qemu-{name}-static"));
    let magic = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00";
    let mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
    Some(saltire_sandbox::BinfmtEntry {
        label: path.display().to_string(),
        line: format!(":{name}:M::{magic}:{mask}:{}:POF", path.display()).into_bytes(),
    })
}

#[test]
fn foreign_programs_and_their_children_run() {
    let Some(entry) = emulator("riscv64") else {
        return;
    };
    if !possible() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("hello");
    write_executable(&program, riscv::program());
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o111)).expect("executable");
    let mut spec = spec(
        "/foreign/hello; echo $?; env /foreign/hello; ls /proc/sys/fs/binfmt_misc | wc -l; \
         echo 0 >/proc/sys/fs/binfmt_misc/status",
    );
    spec.mounts.push(Mount::bind(directory.path(), "/foreign"));
    spec.binfmt = vec![entry];
    let (_, text) = run(spec);
    assert!(text.starts_with("riscv\n7\nriscv\n0\n"), "{text}");
    assert!(text.contains("cannot create"), "{text}");
    // Nothing of it is left on the machine.
    assert!(!Path::new("/proc/sys/fs/binfmt_misc/riscv64").exists());
}

#[test]
fn a_build_user_is_not_root() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can choose a build user");
        return;
    }
    if !possible() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let Some(user) = saltire_sandbox::BuildUser::numbered(1) else {
        println!("skipped: this root has no other users");
        return;
    };
    let (uid, gid) = (user.uid, user.gid);
    std::os::unix::fs::chown(directory.path(), Some(uid), Some(gid)).expect("root may");
    let mut spec = spec(
        "id -u; id -g; id -G; echo x >/out/file; echo e >/dev/stderr; echo y >/proc/sys/kernel/domainname",
    );
    spec.identity.build_user = Some(user);
    spec.mounts.push(Mount::bind_writable(directory.path(), "/out"));
    let (_, text) = run(spec);
    assert!(text.starts_with("1000\n100\n100\ne\n"), "{text}");
    assert!(text.contains("cannot create /proc/sys"), "{text}");
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(directory.path().join("file")).expect("written");
    assert_eq!((metadata.uid(), metadata.gid()), (uid, gid));
}

#[test]
fn directories_have_the_modes_that_were_asked_for() {
    if !possible() {
        return;
    }
    let mut spec = spec("stat -c '%a %n' /tmp /one /one/two /etc/passwd");
    spec.mounts.push(Mount::Directory { target: "/one/two".into(), mode: 0o1777 });
    assert_eq!(run(spec).1, "1777 /tmp\n755 /one\n1777 /one/two\n644 /etc/passwd\n");
}
