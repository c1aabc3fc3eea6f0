//! The commands of `nix repl` that build, start other programs or load flakes, typed
//! at a pseudo-terminal.

mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{home, saltire, text};
use terminal::Terminal;

/// A derivation whose name is its own in each run, so that it is built each time, and
/// whose program says something.
fn expression() -> String {
    format!(
        "derivation {{ name = \"made-{}\"; system = builtins.currentSystem; builder = \"/bin/sh\"; args = [ \"-c\"          \"echo being built; mkdir -p $out/bin; printf '#!/bin/sh\\necho told $((40 + 2))\\n' > $out/bin/tell; chmod +x $out/bin/tell\" ]; }}",
        std::process::id()
    )
}

/// A session with the tests' store, its directory with `made.nix`, and the path of
/// what that makes; why there is none is printed.
fn start(variables: &[(&str, &str)]) -> Option<(tempfile::TempDir, Terminal, PathBuf)> {
    if Command::new("setsid").arg("--version").output().is_err() {
        println!("skipped: setsid is not installed");
        return None;
    }
    if !saltire_driver::probe().can_build() {
        println!("skipped: the kernel does not allow a sandbox; 'saltire doctor' says why");
        return None;
    }
    let shell = saltire("build sandboxShell --no-link").output().unwrap();
    if !shell.status.success() {
        println!("skipped: {}", text(&shell.stderr));
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("made.nix"), format!("{{ made = {}; twice = x: x * 2; }}", expression()))
        .unwrap();
    let (data, cache) = (home().join("data"), home().join("cache"));
    let mut all = vec![
        ("XDG_DATA_HOME", data.as_os_str()),
        ("XDG_CACHE_HOME", cache.as_os_str()),
        ("SALTIRE_STORE", OsStr::new("private")),
        ("NIX_CONFIG", OsStr::new("substituters =")),
    ];
    all.extend(variables.iter().map(|(name, value)| (*name, OsStr::new(*value))));
    let mut terminal = Terminal::start(&["nix", "repl", "-f", "made.nix"], directory.path(), &all);
    terminal.expect("Added 2 variables.");
    terminal.expect("nix-repl> ");
    let shown = terminal.line(":p made.outPath");
    let path = PathBuf::from(shown.lines().next().unwrap_or_default().trim());
    assert!(path.starts_with("/nix/store"), "{shown}");
    Some((directory, terminal, path))
}

/// Where a store path is in the tests' store.
fn physical(path: &Path) -> PathBuf {
    home().join("data/saltire/root").join(path.strip_prefix("/").unwrap())
}

#[test]
fn derivations_are_built_linked_and_their_logs_shown() {
    let Some((directory, mut terminal, path)) = start(&[]) else { return };
    let shown = terminal.line(":b made");
    assert!(shown.contains(&format!("  out -> {}", path.display())), "{shown}");
    assert!(physical(&path).join("bin/tell").exists());
    let shown = terminal.line(":bl made");
    assert!(shown.contains("repl-result-out"), "{shown}");
    assert!(
        fs::read_link(directory.path().join("repl-result-out")).unwrap().ends_with(path.file_name().unwrap())
    );
    assert!(terminal.line(":log made").contains("being built"));
    let shown = terminal.line(":b twice");
    assert!(shown.contains("error: ") && shown.contains("derivation"), "{shown}");
    terminal.end();
}

#[test]
fn shells_have_what_was_built_on_their_path() {
    let Some((_directory, mut terminal, _)) = start(&[("SHELL", "/bin/sh"), ("PS1", "in-shell> ")]) else {
        return;
    };
    terminal.send(":u made\r");
    terminal.expect("in-shell> ");
    terminal.send("tell\r");
    terminal.expect("told 42");
    terminal.send("exit\r");
    terminal.expect("nix-repl> ");
    terminal.send(":sh made\r");
    terminal.expect("[nix-shell:");
    terminal.send("echo \"for $name\"; exit\r");
    terminal.expect(&format!("for made-{}", std::process::id()));
    terminal.expect("nix-repl> ");
    terminal.end();
}

#[test]
fn what_is_built_can_be_installed_in_the_profile() {
    let Some((directory, mut terminal, path)) = start(&[]) else { return };
    let shown = terminal.line(":i made");
    assert!(shown.contains(&format!("installing 'made-{}'", std::process::id())), "{shown}");
    let listed = Command::new(env!("CARGO_BIN_EXE_saltire"))
        .args(["nix-env", "-q", "--out-path", "--no-name"])
        .env("HOME", directory.path())
        .env("XDG_DATA_HOME", home().join("data"))
        .env("SALTIRE_STORE", "private")
        .output()
        .unwrap();
    let listed = text(&listed.stdout);
    assert!(listed.contains(path.to_str().unwrap()), "{listed}");
    let removed = Command::new(env!("CARGO_BIN_EXE_saltire"))
        .args(["nix-env", "-e", &format!("made-{}", std::process::id())])
        .env("HOME", directory.path())
        .env("XDG_DATA_HOME", home().join("data"))
        .env("SALTIRE_STORE", "private")
        .status()
        .unwrap();
    assert!(removed.success());
    terminal.end();
}

#[test]
fn files_are_edited_flakes_loaded_and_traces_switched() {
    let Some((directory, mut terminal, _)) = start(&[("EDITOR", "echo opened")]) else { return };
    let shown = terminal.line(":e twice");
    assert!(shown.contains("opened") && shown.contains("made.nix"), "{shown}");
    let flake = directory.path().join("flake");
    fs::create_dir(&flake).unwrap();
    fs::write(flake.join("flake.nix"), "{ outputs = _: { answer = 6 * 7; }; }").unwrap();
    let shown = terminal.line(&format!(":lf path:{}", flake.display()));
    assert!(shown.contains("Added "), "{shown}");
    assert!(terminal.line("answer").starts_with("42"));
    assert!(terminal.line(":te").contains("showing error traces"));
    assert!(terminal.line(":te false").contains("not showing error traces"));
    assert!(terminal.line(":te maybe").contains("unexpected argument 'maybe'"));
    terminal.end();
}
