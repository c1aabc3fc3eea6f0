//! What is wrong with the input or the machine: one message that says what, where
//! and what to do, and nothing half-written.

mod support;

#[path = "support/hermetic.rs"]
mod hermetic;

#[path = "../../sandbox/tests/support/riscv.rs"]
mod riscv;

use hermetic::{Answer, Home, Server, failure, fetch_expression};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The SHA-256 of a million zero bytes.
const ZEROS: &str = "d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025";

/// Whether a test may mount file systems in namespaces of its own.
fn can_mount() -> bool {
    let tried = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    let works = tried.is_ok_and(|output| output.status.success());
    if !works {
        println!("skipped: no namespace to mount a small file system in");
    }
    works
}

/// A command to make `directory` a file system of a size.
fn small(directory: &std::path::Path, size: &str) -> String {
    let directory = directory.display();
    format!("mkdir -p {directory}; mount -t tmpfs -o size={size} tmpfs {directory}")
}

#[test]
fn a_full_disk_under_the_cache_or_the_store() {
    if !can_mount() {
        return;
    }
    let home = Home::new();
    let server = Server::of(Answer::Bytes(vec![0; 1_000_000]));
    let expression = fetch_expression("zeros", &format!("{}/file", server.url), ZEROS);
    let arguments = ["build", "--no-link", "--expr", &expression];
    for directory in ["cache", "data"] {
        let place = home.path().join(directory);
        let script = small(&place, "600k");
        let text = failure(&mut home.saltire_after(&script, &arguments));
        assert!(text.contains("No space left on device"), "{directory}: {text}");
        assert!(text.contains(&*place.to_string_lossy()), "{directory}: {text}");
        assert!(text.contains("hint: make room"), "{directory}: {text}");
    }
    // And afterwards it works.
    home.stdout(&arguments);
    home.check_clean("nothing");
}

#[test]
fn a_store_that_may_not_be_written() {
    let home = Home::of_ordinary_user().unwrap_or_else(Home::new);
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o555)).unwrap();
    let text = home.failure(&[
        "build",
        "--no-link",
        "--expr",
        "derivation { name = \"x\"; system = \"y\"; builder = \"z\"; }",
    ]);
    assert!(text.contains("ermission") && text.contains(&*data.to_string_lossy()), "{text}");
    assert!(text.contains("choose another with '--store'"), "{text}");
}

#[test]
fn other_bytes_than_pinned() {
    let home = Home::new();
    let server = Server::of(Answer::Bytes(b"something else".to_vec()));
    let url = format!("{}/file", server.url);
    let text = home.failure(&["build", "--no-link", "--expr", &fetch_expression("zeros", &url, ZEROS)]);
    assert!(text.contains(&url), "{text}");
    // Both hashes, in the form that can be copied into the expression.
    assert!(text.contains("specified: sha256-0pdR8mSbMv9XK14Kn1QepmClD5T/C+7fsLaSuSTMgCU="), "{text}");
    assert!(text.contains("got:       sha256-"), "{text}");
    home.check_clean("zeros");
}

#[test]
fn a_store_path_that_is_not_there() {
    let home = Home::new();
    for name in ["nope", "nope.drv"] {
        let path = format!("/nix/store/00000000000000000000000000000000-{name}");
        let text = home.failure(&["build", "--no-link", &path]);
        let expected = format!(
            "error: {path} is not in this store, nor is a derivation that makes it\n\
             hint: name the package instead, or copy the path or its .drv to this store first\n"
        );
        assert_eq!(text, expected);
    }
    let text = home.failure(&["build", "/nix/store/nope"]);
    assert!(text.starts_with("error: /nix/store/nope is no store path"), "{text}");
}

#[test]
fn a_broken_deb() {
    let home = Home::new();
    let unpack = "derivation { name = \"tree\"; builder = \"builtin:unpack-deb\"; system = \"builtin\"; \
                  debs = [ (builtins.path { name = \"broken.deb\"; path = ./broken.deb; }) ]; }";
    std::fs::write(home.path().join("tree.nix"), unpack).unwrap();
    for content in ["", "no archive at all", "!<arch>\ndebian-binary   0 0 0 100644 4  `\n2.0\n"] {
        std::fs::write(home.path().join("broken.deb"), content).unwrap();
        let text = home.failure(&["build", "--no-link", "-f", "tree.nix"]);
        assert!(text.contains("broken.deb") && text.contains("\nhint: check where"), "{content:?}: {text}");
        home.check_clean("tree");
    }
}

#[track_caller]
fn check_exec(home: &Home, content: &[u8], mode: u32, expected: &str) {
    let file = home.path().join("program");
    support::write_executable(&file, content);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    let text = home.failure(&["exec", "./program"]);
    let path = file.display().to_string();
    assert_eq!(text.replace(&path, "PROGRAM"), expected);
}

#[test]
fn files_that_cannot_be_run() {
    let home = Home::new();
    let program = riscv::program();
    check_exec(
        &home,
        &program,
        0o644,
        "error: can't run PROGRAM: it is not executable\nhint: if it is a program: chmod +x PROGRAM\n",
    );
    check_exec(
        &home,
        &program[..30],
        0o755,
        "error: can't run PROGRAM: truncated ELF file: it ends after 30 of the 64 bytes of its header\n\
         hint: copy, download or build it again\n",
    );
    check_exec(
        &home,
        &program[..130],
        0o755,
        "error: can't run PROGRAM: truncated ELF file: it has 130 of at least 162 bytes\n\
         hint: copy, download or build it again\n",
    );
    let with_bytes = |offset: usize, bytes: &[u8]| {
        let mut changed = program.clone();
        changed[offset..offset + bytes.len()].copy_from_slice(bytes);
        changed
    };
    check_exec(
        &home,
        &with_bytes(18, &[0xfe, 0xfe]),
        0o755,
        "error: can't run PROGRAM: it is for a machine that can't be emulated: unknown (e_machine 65278)\n\
         hint: 'saltire platforms' lists what can be run here\n",
    );
    check_exec(
        &home,
        &with_bytes(16, &[1, 0]),
        0o755,
        "error: can't run PROGRAM: it is an object file, not a program\n",
    );
    check_exec(
        &home,
        b"echo hello\n",
        0o755,
        "error: can't run PROGRAM: not an ELF file\n\
         hint: a script needs a first line such as '#!/bin/sh'\n",
    );
    check_exec(
        &home,
        b"#!/no/such/shell -e\n",
        0o755,
        "error: can't run PROGRAM: it is a script, and its interpreter /no/such/shell can't be run: \
         No such file or directory (os error 2)\n",
    );
    let missing = home.failure(&["exec", "no-such-program"]);
    assert_eq!(missing, "error: there is no program no-such-program\nhint: name a file as ./program\n");
}

#[test]
fn a_machine_without_namespaces() {
    if !can_mount() {
        return;
    }
    let home = Home::new();
    let expression = "derivation { name = \"x\"; system = builtins.currentSystem; builder = \"/bin/sh\"; }";
    let none = "echo 0 > /proc/sys/user/max_user_namespaces";
    let text = failure(&mut home.saltire_after(none, &["build", "--no-link", "--expr", expression]));
    let error = text.split_once("error: ").unwrap().1;
    assert!(error.starts_with("this machine can't build: it lacks user namespaces"), "{text}");
    assert!(error.contains("hint: As root: sysctl") && error.contains("hint: without it"), "{text}");
}
