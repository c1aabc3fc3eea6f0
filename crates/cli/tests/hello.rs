//! The main job: foreign programs from source to running.
//!
//! Needs a Debian mirror and a kernel with namespaced `binfmt_misc` (6.7); where
//! one is missing the test says so and is skipped.

mod support;

#[path = "support/elf.rs"]
mod elf;

use elf::{check_elf_files, physical, run};
use saltire_driver::{Capability, probe};
use saltire_platforms::lookup;
use support::{saltire, stdout, text, write_executable};

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

/// Builds packages for each of the platforms, in that order, and returns the
/// paths of their outputs.
fn build(packages: &str, platforms: &[&str], options: &str) -> Vec<String> {
    let platforms: String = platforms.iter().map(|name| format!(" --for {name}")).collect();
    let paths = stdout(&format!("build {packages} --no-link -j2 {options}{platforms}"));
    paths.lines().map(str::to_owned).collect()
}

fn check_hello(path: &str, name: &str) {
    assert_eq!(check_elf_files(path, lookup(name).unwrap()), 1, "{name}");
    assert_eq!(run(&format!("{path}/bin/hello")), "Hello, world!\n", "{name}");
}

/// Runs bison on a grammar: it starts m4, which is for the same platform.
fn check_bison(path: &str, name: &str) {
    assert_eq!(check_elf_files(path, lookup(name).unwrap()), 1, "{name}");
    let version = run(&format!("{path}/bin/bison --version"));
    assert!(version.starts_with("bison (GNU Bison) 3.8.2\n"), "{name}: {version}");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("sum.y"), "%token N\n%%\nsum: N | sum '+' N;\n").unwrap();
    let status = saltire(&format!("exec {path}/bin/bison sum.y")).current_dir(&directory).status().unwrap();
    assert!(status.success(), "{name}");
    let parser = std::fs::read_to_string(directory.path().join("sum.tab.c")).unwrap();
    assert!(parser.contains("yyparse"), "{name}");
}

#[test]
fn hello_is_cross_built_and_runs_for_every_platform() {
    if !can_build() {
        return;
    }
    let paths = build("hello", &PLATFORMS, "");
    assert_eq!(paths.len(), PLATFORMS.len());
    for (path, name) in paths.iter().zip(PLATFORMS) {
        check_hello(path, name);
    }
    // What is there is not built again, and the program's arguments and exit code pass through.
    let again = saltire("run hello --for riscv64-linux -- --greeting=again").output().unwrap();
    assert_eq!((text(&again.stdout).as_str(), text(&again.stderr).as_str()), ("again\n", ""));
    let exit = saltire("exec /bin/sh -c").arg("exit 7").output().unwrap();
    assert_eq!(exit.status.code(), Some(7));
    let plan = stdout("plan hello --for riscv64-linux");
    assert!(plan.ends_with("Nothing to do: all of it is in the store.\n"), "{plan}");
}

/// zlib's own test suite runs in its build, with the platform's programs emulated;
/// bison runs afterwards.
fn bison_and_zlib(platforms: &[&str]) {
    let zlibs = build("zlib", platforms, "--arg config {emulateChecks=true;}");
    for (path, name) in zlibs.iter().zip(platforms) {
        assert_eq!(check_elf_files(path, lookup(name).unwrap()), 1, "{name}");
    }
    let bisons = build("bison", platforms, "");
    for (path, name) in bisons.iter().zip(platforms) {
        check_bison(path, name);
    }
}

#[test]
fn bison_and_zlib_are_cross_built_and_run() {
    if can_build() {
        bison_and_zlib(&["riscv64", "mips-linux-gnu"]);
    }
}

#[test]
#[ignore = "about 8 minutes: bison and m4 for all eleven platforms"]
fn bison_and_zlib_are_cross_built_and_run_for_every_platform() {
    if can_build() {
        bison_and_zlib(&PLATFORMS);
    }
}

/// A package whose compiler, shell and program all run under the emulator.
const EMULATED: &str = r#"
let pkgs = import (builtins.toPath (builtins.getEnv "TEST_PACKAGE_SET")) { localSystem = "aarch64-linux"; };
in
pkgs.stdenv.mkDerivation {
  name = "greeting";
  dontUnpack = true;
  buildPhase = ''
    printf '#include <stdio.h>\nint main(void) { puts("built where it runs"); return 0; }\n' > greeting.c
    $CC -O1 greeting.c -o greeting
    ./greeting > text
    uname -m >> text
  '';
  installPhase = ''
    mkdir -p "$out/bin"
    cp greeting "$out/bin/"
    cp text "$out/"
  '';
}
"#;

#[test]
fn a_foreign_system_is_emulated_with_its_own_compiler() {
    if !can_build() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("greeting.nix");
    std::fs::write(&file, EMULATED).unwrap();
    let set = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pkgs");
    let output = saltire(&format!("build -f {} --no-link --print-out-paths", file.display()))
        .env("TEST_PACKAGE_SET", set)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let path = text(&output.stdout).trim().to_owned();
    let said = std::fs::read_to_string(physical(&path).join("text")).unwrap();
    assert_eq!(said, "built where it runs\naarch64\n");
    assert_eq!(check_elf_files(&path, lookup("aarch64-linux").unwrap()), 1);
    assert_eq!(run(&format!("{path}/bin/greeting")), "built where it runs\n");
}

/// The test suite of bison compiles and runs several hundred parsers.
#[test]
#[ignore = "about 30 minutes of a processor for each platform, under an emulator"]
fn bisons_own_tests_pass_under_emulation() {
    if can_build() {
        build(
            "bison",
            &["riscv64", "aarch64-multiplatform"],
            "--arg config {emulateChecks=true;slowChecks=true;}",
        );
    }
}

#[test]
#[ignore = "about 5 minutes of processor time, most of it configure under an emulator"]
fn hello_is_built_by_emulated_tools() {
    if can_build() {
        let name = "aarch64-linux";
        for path in build("hello", &[name], "--via emulate") {
            check_hello(&path, name);
        }
    }
}

#[test]
fn a_shell_has_the_packages_on_its_path() {
    if !can_build() {
        return;
    }
    let run = |words: &str, script: &str| {
        let output = saltire(words).args(["--command", "sh", "-c", script]).output().unwrap();
        assert!(output.status.success(), "{words}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let shown = run("shell hello --for riscv64", "command -v hello; hello");
    assert!(shown.starts_with("/nix/store/") && shown.ends_with("/bin/hello\nHello, world!\n"), "{shown}");
    let compiler = run("develop hello --for riscv64", "echo $CC; $CC -dumpmachine");
    assert!(compiler.ends_with("riscv64-linux-gnu\n"), "{compiler}");
    let output = saltire("shell hello --command no-such-program").output().unwrap();
    assert!(text(&output.stderr).contains("there is no program 'no-such-program' on PATH"));
}

/// A dynamic program as another distribution has it: its interpreter is where that of
/// musl is there, and nothing of this machine is.
#[test]
#[ignore = "builds musl for riscv64, 1 CPU minute; 5 s when it is built"]
fn a_foreign_program_with_musl_that_was_not_built_here_runs() {
    if !can_build() {
        return;
    }
    let [path] = build("hello", &["riscv64-musl"], "").try_into().unwrap();
    let mut bytes = std::fs::read(physical(&path).join("bin/hello")).unwrap();
    let identity = saltire_platforms::identify_elf(&bytes).unwrap();
    let interpreter = identity.interpreter.unwrap().into_bytes();
    let at = bytes.windows(interpreter.len()).position(|part| part == interpreter).unwrap();
    let mut usual = b"/lib/ld-musl-riscv64.so.1".to_vec();
    usual.resize(interpreter.len(), 0);
    bytes[at..at + usual.len()].copy_from_slice(&usual);
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("hello");
    write_executable(&program, bytes);
    assert_eq!(stdout(&format!("exec {}", program.display())), "Hello, world!\n");
}
