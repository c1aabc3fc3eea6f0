//! The main job: foreign programs from source to running.
//!
//! Needs a Debian mirror and a kernel with namespaced `binfmt_misc` (6.7); where
//! one is missing the test says so and is skipped.

mod support;

use saltire_driver::{Capability, probe};
use saltire_platforms::{identify_elf, lookup};
use std::path::PathBuf;
use support::{home, saltire, stdout, text};

/// Platforms whose programs are cross-built and run.
const PLATFORMS: [&str; 11] = [
    "riscv64",
    "aarch64-multiplatform",
    "armv7l-hf-multiplatform",
    "sheevaplug",
    "mips-linux-gnu",
    "mipsel-linux-gnu",
    "mips64el-linux-gnuabi64",
    "powernv",
    "s390x",
    "gnu32",
    "gnu64",
];

/// Whether what the test needs is there; says what is not.
fn can_build() -> bool {
    let output = saltire("build sandboxShell --no-link").output().unwrap();
    let errors = text(&output.stderr);
    let probe = probe();
    let reason = if errors.contains("can't fetch") {
        "no Debian mirror can be reached"
    } else if !probe.can_build() {
        "the kernel does not allow a sandbox; 'saltire doctor' says why"
    } else if !probe.has(Capability::NamespacedBinfmt) {
        "the kernel has no binfmt_misc per namespace (Linux 6.7)"
    } else {
        assert!(output.status.success(), "{errors}");
        return true;
    };
    println!("skipped: {reason}");
    false
}

/// Where a store path's files are.
fn physical(path: &str) -> PathBuf {
    home().join("data/saltire/root").join(path.trim_start_matches('/'))
}

#[test]
fn hello_is_cross_built_and_runs_for_every_platform() {
    if !can_build() {
        return;
    }
    let platforms: String = PLATFORMS.iter().map(|name| format!(" --for {name}")).collect();
    let paths = stdout(&format!("build hello --no-link -j2{platforms}"));
    let paths: Vec<&str> = paths.lines().collect();
    assert_eq!(paths.len(), PLATFORMS.len());
    for (path, name) in paths.iter().zip(PLATFORMS) {
        let program = physical(path).join("bin/hello");
        let bytes = std::fs::read(&program).unwrap();
        let elf = identify_elf(&bytes).unwrap();
        let platform = lookup(name).unwrap();
        assert!(elf.platforms().iter().any(|found| found.system == platform.system), "{name}: {elf:?}");
        let interpreter = elf.interpreter.unwrap();
        assert!(interpreter.starts_with("/nix/store/"), "{name}: {interpreter}");
        assert!(interpreter.ends_with(platform.dynamic_linker_name().unwrap()), "{name}: {interpreter}");
        assert_eq!(stdout(&format!("exec {path}/bin/hello")), "Hello, world!\n", "{name}");
    }
    // What is there is not built again, and the program's arguments and exit code pass through.
    let again = saltire("run hello --for riscv64-linux -- --greeting=again").output().unwrap();
    assert_eq!((text(&again.stdout).as_str(), text(&again.stderr).as_str()), ("again\n", ""));
    let exit = saltire("exec /bin/sh -c").arg("exit 7").output().unwrap();
    assert_eq!(exit.status.code(), Some(7));
    let plan = stdout("plan hello --for riscv64-linux");
    assert!(plan.ends_with("Nothing to do: all of it is in the store.\n"), "{plan}");
}

#[test]
fn bison_and_zlib_are_cross_built_and_bison_runs() {
    if !can_build() {
        return;
    }
    for platform in ["riscv64", "s390x"] {
        let paths = stdout(&format!("build bison zlib --no-link -j2 --for {platform}"));
        let paths: Vec<&str> = paths.lines().collect();
        let version = stdout(&format!("exec {}/bin/bison --version", paths[0]));
        assert!(version.starts_with("bison (GNU Bison) 3.8.2\n"), "{platform}: {version}");
        let library = std::fs::read(physical(paths[1]).join("lib/libz.so.1")).unwrap();
        let elf = identify_elf(&library).unwrap();
        assert!(elf.platforms().iter().any(|found| found.name == platform), "{platform}: {elf:?}");
    }
}
