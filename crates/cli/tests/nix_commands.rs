//! `nix-build` and the commands of `nix`.

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;
use support::{saltire, text};

/// The embedded package set's own source.
fn package_set() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs").canonicalize().unwrap()
}

/// Runs a command line in a directory; `PKGS` in it is the package set.
fn run(arguments: &[&str], directory: &Path) -> Output {
    let set = package_set().to_str().unwrap().to_owned();
    let words = arguments.iter().map(|word| if *word == "PKGS" { set.as_str() } else { word });
    let mut command = saltire("");
    command.args(words).current_dir(directory).env_remove("NIX_CONFIG").output().unwrap()
}

fn stdout_in(arguments: &[&str], directory: &Path) -> String {
    let output = run(arguments, directory);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Checks what a command that needs no directory prints.
fn check(arguments: &[&str], expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(stdout_in(arguments, directory.path()), expected, "{arguments:?}");
}

/// Checks a part of the error of a command.
fn check_error(arguments: &[&str], expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let output = run(arguments, directory.path());
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains(expected), "{arguments:?}: {error}");
}

#[test]
fn values_are_evaluated_purely_unless_told_otherwise() {
    check(
        &["nix", "eval", "--expr", "{ a = [ 1 ]; b.c = x: x; }"],
        "{ a = [ 1 ]; b = { c = «lambda c @ «string»:1:20»; }; }\n",
    );
    check(&["nix", "eval", "--json", "--expr", "{ a.b = [ 1 2 ]; }", "a"], "{\"b\":[1,2]}\n");
    check(&["nix", "eval", "--raw", "--expr", "\"a\\nb\""], "a\nb");
    check(&["nix", "eval", "--apply", "x: x + 1", "--expr", "1"], "2\n");
    check(&["nix", "eval", "--expr", "builtins ? currentSystem"], "false\n");
    check(
        &[
            "nix",
            "--extra-experimental-features",
            "nix-command",
            "eval",
            "--impure",
            "--expr",
            "builtins ? currentSystem",
        ],
        "true\n",
    );
    check_error(
        &["nix", "eval", "--expr", "builtins.readFile \"/etc/passwd\""],
        "forbidden in pure evaluation mode",
    );
    check_error(&["nix", "eval", "--raw", "--json", "--expr", "1"], "mutually exclusive");
    check_error(
        &["nix", "config", "check"],
        "'nix config check' is a command of Nix that saltire does not have yet",
    );
    check_error(&["nix", "biuld"], "'biuld' is not a recognised command");
}

#[test]
fn values_become_files() {
    let directory = tempfile::tempdir().unwrap();
    stdout_in(
        &["nix", "eval", "--write-to", "out", "--expr", "{ a = \"text\"; d.b = \"\"; }"],
        directory.path(),
    );
    assert_eq!(std::fs::read_to_string(directory.path().join("out/a")).unwrap(), "text");
    assert!(directory.path().join("out/d/b").exists());
    check_error(&["nix", "eval", "--write-to", "out", "--expr", "1"], "is not a string or an attribute set");
}

#[test]
fn dry_runs_name_the_derivations() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&["nix-build", "PKGS", "-A", "pkgsCross.s390x.zlib", "--dry-run"], directory.path());
    let error = text(&output.stderr);
    assert!(output.status.success() && error.contains("will be built:\n  /nix/store/"), "{error}");
    assert!(error.contains("-zlib-") && !directory.path().join("result").exists(), "{error}");
}

#[test]
fn packages_are_built_and_linked() {
    let output = saltire("build sandboxShell --no-link").output().unwrap();
    let errors = text(&output.stderr);
    if errors.contains("can't fetch") || !saltire_driver::probe().can_build() {
        println!("skipped: no Debian mirror can be reached, or the kernel does not allow a sandbox");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = stdout_in(&["nix-build", "PKGS", "-A", "sandboxShell"], directory.path());
    let link = directory.path().join("result");
    assert!(path.starts_with("/nix/store/") && link.join("bin/busybox").exists(), "{path}");
    let json =
        stdout_in(&["nix", "build", "-f", "PKGS", "sandboxShell", "--json", "-o", "other"], directory.path());
    assert!(json.contains(&format!("\"out\":\"{}\"", path.trim())), "{json}");
    assert!(directory.path().join("other/bin/busybox").exists());
    let path = path.trim();
    let busybox = format!("{path}/bin/busybox");
    assert_eq!(
        stdout_in(&["nix", "build", path, "--no-link", "--print-out-paths"], directory.path()),
        format!("{path}\n")
    );
    let shell = ["nix", "shell", "-f", "PKGS", "sandboxShell", "-c", "busybox", "echo", "-n", "hi"];
    assert_eq!(stdout_in(&shell, directory.path()), "hi");
    let app = format!("{{ type = \"app\"; program = \"{busybox}\"; }}");
    let run = ["nix", "run", "--impure", "--expr", &app, "", "--", "echo", "-n", "there"];
    assert_eq!(stdout_in(&run, directory.path()), "there");
}
