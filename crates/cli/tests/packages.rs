//! The embedded package set: the assertions of `pkgs/tests`, what nixpkgs says
//! about platforms where a tree is at hand, and mistakes in packages.

mod support;

use saltire_driver::{Capability, probe};
use saltire_platforms::identify_elf;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{failure, home, saltire, stdout, text};

/// A file of the package set's tests.
fn test_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs/tests").join(name)
}

#[test]
fn the_library_platforms_and_packages_keep_their_promises() {
    for name in ["lib.nix", "platforms.nix", "packages.nix"] {
        assert_eq!(stdout(&format!("eval -f {}", test_file(name).display())), "true\n", "{name}");
    }
}

/// A tree of 2024 or newer, named by `SALTIRE_TEST_NIXPKGS`.
#[test]
fn platforms_are_elaborated_as_nixpkgs_does() {
    let Some(tree) = std::env::var_os("SALTIRE_TEST_NIXPKGS") else {
        println!("skipped: SALTIRE_TEST_NIXPKGS names no tree of nixpkgs to compare with");
        return;
    };
    let file = test_file("conformance.nix");
    let output =
        saltire(&format!("eval --json -f {} --arg nixpkgs", file.display())).arg(&tree).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "[]\n");
}

/// Whether packages can be built here; says why not.
fn can_build() -> bool {
    if !probe().can_build() {
        println!("skipped: the kernel allows no sandbox; 'saltire doctor' says why");
        return false;
    }
    let output = saltire("build bootstrapTools --no-link").output().unwrap();
    if text(&output.stderr).contains("can't fetch") {
        println!("skipped: no Debian mirror can be reached");
        return false;
    }
    true
}

#[test]
fn dependencies_of_dependencies_arrive_with_the_right_offsets() {
    if !can_build() {
        return;
    }
    let lists = "depsBuildBuild nativeBuildInputs depsBuildTarget depsHostHost buildInputs depsTargetTarget";
    let file = test_file("dependencies.nix");
    let built = stdout(&format!("build -f {} {lists} --no-link --print-out-paths", file.display()));
    assert_eq!(built.lines().count(), 6, "{built}");
}

#[test]
fn an_overlay_that_loops_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("loop.nix");
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs").canonicalize().unwrap();
    let expression =
        format!("import {} {{ overlays = [ (self: super: {{ gcc = self.gcc; }}) ]; }}", set.display());
    std::fs::write(&file, expression).unwrap();
    let (message, _) = failure(&format!("build -f {} hello --no-link", file.display()));
    assert!(message.contains("infinite recursion"), "{message}");
    assert!(message.contains("'gcc' as overlay number 1 sets it"), "{message}");
}

/// What evaluating the package set's `hello` with arguments says is wrong.
#[track_caller]
fn check_arguments(arguments: &str, expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("set.nix");
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs").canonicalize().unwrap();
    std::fs::write(&file, format!("import {} {{ {arguments} }}", set.display())).unwrap();
    let (message, _) = failure(&format!("eval -f {} hello.drvPath", file.display()));
    assert!(message.contains(expected), "{arguments}: {message}");
}

#[test]
fn impossible_platforms_say_what_is_wrong() {
    let check = |platform: &str, expected| check_arguments(&format!("crossSystem = {platform};"), expected);
    check("\"riscv65-linux\"", "unknown CPU 'riscv65' in platform 'riscv65-linux'; known are");
    check("\"x86_64-unknown-beos\"", "unknown kernel 'beos' in platform 'x86_64-unknown-beos'; known are");
    check("{ libc = \"musl\"; }", "a platform needs at least 'config'");
    check(
        "[ ]",
        "a platform is a name, a system, a GNU configuration triple or a set of attributes; this one is of",
    );
    check("{ config = 3; }", "the platform's 'config' must be a string, and is of type 'int'");
    check(
        "{ config = \"aarch64-unknown-linux-gnu\"; system = \"riscv64-linux\"; }",
        "its config 'aarch64-unknown-linux-gnu' is aarch64-linux, its system 'riscv64-linux' is riscv64-linux",
    );
    check(
        "{ config = \"riscv64-unknown-linux-gnu\"; bigEndian = true; }",
        "riscv64 in 'riscv64-unknown-linux-gnu' is littleEndian, and it has bigEndian = true",
    );
}

#[test]
fn a_package_that_does_not_know_the_platform_says_what_it_knows() {
    check_arguments(
        "crossSystem = \"avr\";",
        "hello-avr-2.10 does not support avr-none (avr), only aarch64-linux,",
    );
}

#[test]
fn an_overlay_that_is_none_is_named() {
    check_arguments(
        "overlays = [ (final: prev: { }) { } ];",
        "overlay number 2 is of type 'set'; an overlay is a",
    );
    check_arguments(
        "overlays = [ (final: prev: if final ? zlib then { } else { a = 1; }) ];",
        "while finding out which packages overlay number 1 sets",
    );
    check_arguments(
        "crossSystem = \"riscv64-linux\"; crossOverlays = [ (final: prev: { hello = final.hello; }) ];",
        "'hello' as cross overlay number 1 sets it",
    );
}

/// A package file with `attributes` among those of a cross-built derivation.
fn cross_package(directory: &Path, attributes: &str) -> PathBuf {
    let file = directory.join("package.nix");
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs");
    let expression = format!(
        "(import {} {{ crossSystem = \"riscv64-linux\"; }}).callPackage
           ({{ stdenv, tree, buildPackages }}: stdenv.mkDerivation {{
              name = \"mistake\"; dontUnpack = true; {attributes}
            }}) {{ }}",
        set.canonicalize().unwrap().display()
    );
    std::fs::write(&file, expression).unwrap();
    file
}

/// What building the package says, or nothing where packages can't be built.
fn mistake(attributes: &str) -> Option<String> {
    if !can_build() {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = cross_package(directory.path(), attributes);
    let (message, _) = failure(&format!("build -f {} --no-link", file.display()));
    Some(message)
}

#[test]
fn a_program_for_the_build_machine_in_the_output_is_named() {
    let Some(message) = mistake(
        "depsBuildBuild = [ buildPackages.stdenv.cc ];
         buildPhase = \"echo 'int main(void) { return 0; }' > a.c; gcc a.c -o wrong\";
         installPhase = \"mkdir -p $out/bin; cp wrong $out/bin/\";",
    ) else {
        return;
    };
    assert!(message.contains("/bin/wrong is for another machine"), "{message}");
}

#[test]
fn a_file_that_names_the_build_machines_packages_is_named() {
    let Some(message) = mistake(
        "nativeBuildInputs = [ tree ];
         installPhase = \"mkdir -p $out/share; type -P tree > $out/share/place\";",
    ) else {
        return;
    };
    assert!(message.contains("/share/place refers to"), "{message}");
    assert!(message.contains("is for the build platform"), "{message}");
}

#[test]
fn a_program_in_the_wrong_list_of_dependencies_is_named() {
    let Some(message) = mistake("buildInputs = [ tree ]; buildPhase = \"tree\";") else {
        return;
    };
    assert!(message.contains("'tree' is in buildInputs"), "{message}");
    assert!(message.contains("needs to be in nativeBuildInputs"), "{message}");
}

#[test]
fn a_program_in_the_wrong_list_that_make_runs_is_named() {
    let Some(message) = mistake(
        "buildInputs = [ tree ];
         buildPhase = \"printf 'all:\\n\\ttree\\n' > Makefile; make\";",
    ) else {
        return;
    };
    assert!(message.contains("'tree' of tree-riscv64-unknown-linux-gnu"), "{message}");
    assert!(message.contains("needs to be in nativeBuildInputs"), "{message}");
}

#[test]
fn a_program_for_the_host_platform_that_make_runs_is_named() {
    let Some(message) = mistake(
        "buildPhase = \"echo 'int main(void) { return 0; }' > a.c; $CC a.c -o generator;
           printf 'all:\\n\\t./generator || exit 3\\n' > Makefile; make\";",
    ) else {
        return;
    };
    assert!(message.contains("generator' is for riscv64-unknown-linux-gnu"), "{message}");
    assert!(message.contains("CC_FOR_BUILD"), "{message}");
}

#[test]
fn a_build_is_told_the_closure_that_it_asks_for() {
    if !can_build() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs").canonicalize().unwrap();
    let file = directory.path().join("closure.nix");
    let expression = format!(
        "with import {} {{ }}; runCommand \"closure\" {{ exportReferencesGraph = [ \"graph\" bootstrapTools ]; }}
           \"grep -xF ${{bootstrapTools}} graph > $out; grep -c '^/nix/store/.*-glibc' graph >> $out\"",
        set.display()
    );
    std::fs::write(&file, expression).unwrap();
    stdout(&format!("build -f {} --no-link", file.display()));
}

#[test]
fn a_set_of_packages_is_built_and_summed_up() {
    if !can_build() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jobs.nix");
    // Others than of an earlier run.
    let expression = format!(
        "let job = name: script: derivation {{
           inherit name; system = builtins.currentSystem; builder = \"/bin/sh\";
           args = [ \"-c\" script ]; run = \"{}\";
         }};
         in {{
           good = job \"good\" \"echo > $out\";
           bad = job \"bad\" \"exit 1\";
           inner = {{ recurseForDerivations = true; also = job \"also\" \"echo > $out\"; }};
           others = {{ left = throw \"not asked for\"; }};
         }}",
        directory.path().display()
    );
    std::fs::write(&file, expression).unwrap();
    let (message, _) = failure(&format!("build -f {} --no-link --keep-going", file.display()));
    for line in ["good        built\n", "bad         not built\n", "inner.also  built\n", "2 of 3\n"] {
        assert!(message.contains(line), "{message}");
    }
    let paths = stdout(&format!("build -f {} inner good --no-link", file.display()));
    assert_eq!(paths.lines().count(), 2, "{paths}");
    let (message, _) = failure(&format!("build -f {} others --no-link", file.display()));
    assert!(message.contains("not asked for"), "{message}");
}

#[test]
fn a_platform_without_a_toolchain_says_what_is_missing() {
    if !can_build() {
        return;
    }
    let (message, _) = failure("build hello --for loongarch64-linux --no-link");
    assert!(message.contains("there is no toolchain for loongarch64-unknown-linux-gnu"), "{message}");
}

/// Builds an attribute of `toolchains.nix`; the path and the start of the program.
fn compiled(attribute: &str, program: &str) -> (String, Vec<u8>) {
    let file = test_file("toolchains.nix");
    let built = stdout(&format!("build -f {} {attribute} --no-link --print-out-paths", file.display()));
    let path = format!("{}/bin/{program}", built.trim());
    let bytes = std::fs::read(home().join("data/saltire/root").join(path.trim_start_matches('/'))).unwrap();
    (path, bytes)
}

#[test]
fn a_static_program_with_musl_runs() {
    if !can_build() || !probe().has(Capability::NamespacedBinfmt) {
        println!("skipped: packages can't be built or emulated here");
        return;
    }
    let (path, bytes) = compiled("static", "program");
    let elf = identify_elf(&bytes).unwrap();
    assert_eq!(elf.interpreter, None);
    assert!(elf.platforms().iter().any(|platform| platform.system == "riscv64-linux"), "{elf:?}");
    assert_eq!(stdout(&format!("exec {path}")), "Hello, world!\n");
}

#[test]
#[ignore = "downloads about 250 MB of compilers"]
fn each_kind_of_toolchain_compiles_a_program() {
    if !can_build() {
        return;
    }
    let (path, _) = compiled("musl", "program");
    assert_eq!(stdout(&format!("exec {path}")), "Hello, world!\n");
    for attribute in ["mingw64", "mingw32"] {
        assert!(compiled(attribute, "program.exe").1.starts_with(b"MZ"), "{attribute}");
    }
    assert!(compiled("wasi", "program").1.starts_with(b"\0asm\x01\0\0\0"));
    for (attribute, class, machine) in [("arm", 1, 40), ("picolibc", 2, 243), ("avr", 1, 83)] {
        let bytes = compiled(attribute, "program").1;
        assert_eq!(&bytes[..5], [0x7f, b'E', b'L', b'F', class], "{attribute}");
        assert_eq!(u16::from_le_bytes([bytes[18], bytes[19]]), machine, "{attribute}");
    }
}

#[test]
#[ignore = "downloads about 100 MB of compilers"]
fn programs_without_an_operating_system_run_in_simulators() {
    if !can_build() || !probe().has(Capability::NamespacedBinfmt) {
        println!("skipped: packages can't be built or emulated here");
        return;
    }
    // What they print is the emulator's doing: semihosting.
    let (path, _) = compiled("arm", "program");
    assert_eq!(stdout(&format!("exec {path}")), "Hello, world!\n");
    for attribute in ["riscv", "riscv32"] {
        let (path, _) = compiled(attribute, "program");
        assert_eq!(stdout(&format!("exec {path}")), "Hello, world! 42\n", "{attribute}");
    }
    let (path, _) = compiled("avr", "program");
    let said = stdout(&format!("run simavr -- -m atmega328p -f 16000000 {path}"));
    assert!(said.contains("Hello, world!"), "{said}");
}

#[test]
#[ignore = "downloads about 200 MB of compilers and Wine"]
fn a_windows_program_runs_in_wine() {
    if !can_build() || !cfg!(target_arch = "x86_64") {
        println!("skipped: packages can't be built here, or Wine does not run here");
        return;
    }
    let (path, _) = compiled("mingw64", "program.exe");
    let wine = stdout("build wine --no-link --print-out-paths");
    let prefix = tempfile::tempdir().unwrap();
    let output = saltire(&format!("exec {}/bin/wine64 {path}", wine.trim()))
        .env("WINEPREFIX", prefix.path())
        .env("WINEDEBUG", "-all")
        .env_remove("DISPLAY")
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout).trim(), "Hello, world!", "{}", text(&output.stderr));
}

#[test]
#[ignore = "downloads about 140 MB: Clang, LLD and a WebAssembly runtime"]
fn a_wasi_program_runs_in_a_webassembly_runtime() {
    if !can_build() {
        return;
    }
    let (path, _) = compiled("wasi", "program");
    assert_eq!(stdout(&format!("run wasi-run -- {path}")), "Hello, world!\n");
    // Arguments, a file of the working directory, the environment and the exit code.
    let (path, _) = compiled("wasiCat", "program");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("text"), "from a file\n").unwrap();
    let output = saltire(&format!("run wasi-run -- {path} text"))
        .current_dir(&directory)
        .env("GREETING", "hello")
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "hello from a file\n", "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(7));
}

#[test]
#[ignore = "downloads about 110 MB of compilers"]
fn a_crate_is_cross_built_and_runs() {
    if !can_build() || !probe().has(Capability::NamespacedBinfmt) {
        println!("skipped: packages can't be built or emulated here");
        return;
    }
    let (path, bytes) = compiled("rust", "program");
    assert_eq!(u16::from_le_bytes([bytes[18], bytes[19]]), 183, "the ELF machine of aarch64");
    assert_eq!(stdout(&format!("exec {path}")), "Hello from aarch64, made for aarch64-unknown-linux-gnu\n");
}

/// Builds attributes of a file, or all: programs do some work, emulated.
fn put_to_work(file: &str, attributes: &str) {
    if !can_build() || !probe().has(Capability::NamespacedBinfmt) {
        println!("skipped: packages can't be built or emulated here");
        return;
    }
    let platform = std::env::var("SALTIRE_TEST_PLATFORM").unwrap_or("riscv64".into());
    let file = test_file(file);
    stdout(&format!("build -f {} {attributes} --argstr platform {platform} --no-link", file.display()));
}

#[test]
fn a_cross_built_library_does_its_work() {
    put_to_work("programs.nix", "zlib");
}

#[test]
#[ignore = "compiles 35 packages for another machine, Python, Perl and GCC among them: 45 minutes of a processor"]
fn cross_built_programs_and_libraries_do_their_work() {
    put_to_work("programs.nix", "");
}

#[test]
#[ignore = "downloads about 120 MB of CMake, Meson and Go"]
fn each_build_system_makes_programs_for_another_machine() {
    put_to_work("build-systems.nix", "");
}

/// The whole chain for the platform that `SALTIRE_TEST_SOURCE_TOOLCHAIN` names, with the
/// version of GCC that `SALTIRE_TEST_GCC` says.
#[test]
#[ignore = "compiles binutils, GCC and a C library: about 25 minutes of a processor"]
fn a_toolchain_from_source_compiles_c_and_cxx() {
    if !can_build() || !probe().has(Capability::NamespacedBinfmt) {
        println!("skipped: packages can't be built or emulated here");
        return;
    }
    let platform = std::env::var("SALTIRE_TEST_SOURCE_TOOLCHAIN").unwrap_or("riscv64-musl".into());
    let version = std::env::var("SALTIRE_TEST_GCC").unwrap_or("12".into());
    let built = |what: &str| format!("fromSource.{platform}.{what} --argstr gccVersion {version}");
    let (path, _) = compiled(&built("hello"), "hello");
    assert_eq!(stdout(&format!("exec {path}")), "Hello, world!\n");
    let (path, _) = compiled(&built("helloCxx"), "program");
    assert_eq!(stdout(&format!("exec {path}")), "Hello, C++: 42\n");
}

#[test]
#[ignore = "compiles binutils, GCC and newlib: about 15 minutes of a processor"]
fn a_compiler_and_newlib_from_source_make_programs_for_bare_machines() {
    if !can_build() || !probe().has(Capability::NamespacedBinfmt) {
        println!("skipped: packages can't be built or emulated here");
        return;
    }
    let (path, _) = compiled("newlib", "program");
    assert_eq!(stdout(&format!("exec {path}")), "Hello, world!\n");
}

/// A program of another machine on a display of this one: `xeyes`, cross-built for
/// ARMv5, draws two white ellipses with black pupils.
#[test]
fn xeyes_runs_emulated_on_a_display() {
    let directory = tempfile::tempdir().unwrap();
    let display = Command::new("Xvfb")
        .args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "320x240x24",
            "-nolisten",
            "unix",
            "-listen",
            "tcp",
            "-fbdir",
        ])
        .arg(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(display) = display else {
        println!("skipped: there is no Xvfb");
        return;
    };
    let mut display = Child(display);
    if !can_build() || !probe().has(Capability::NamespacedBinfmt) {
        println!("skipped: packages can't be built or emulated here");
        return;
    }
    let mut number = String::new();
    BufReader::new(display.0.stdout.take().unwrap()).read_line(&mut number).unwrap();
    let path = stdout("build xorg.xeyes --for sheevaplug --no-link --print-out-paths");
    let eyes = saltire(&format!("exec {}/bin/xeyes -geometry 300x220+5+5", path.trim()))
        .env("DISPLAY", format!("127.0.0.1:{}", number.trim()))
        .spawn();
    let _eyes = Child(eyes.unwrap());
    let screen = directory.path().join("Xvfb_screen0");
    let white = || white_pixels(&std::fs::read(&screen).unwrap());
    let shown = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(200));
        (20_000..50_000).contains(&white())
    });
    assert!(shown, "{} of the screen's 76800 pixels are white", white());
}

/// A process that ends with the test.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// White pixels of a screen in the X window dump format, version 7: a header of
/// 32-bit big-endian numbers, the first of which is its size and the twentieth the
/// number of 12-byte colours after it, then four bytes for each pixel.
fn white_pixels(dump: &[u8]) -> usize {
    let number = |index: usize| {
        dump.get(index * 4..index * 4 + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, |bytes| u32::from_be_bytes(bytes) as usize)
    };
    let pixels = dump.get(number(0) + number(19) * 12..).unwrap_or_default();
    pixels.chunks_exact(4).filter(|pixel| pixel[..3] == [0xff; 3]).count()
}
