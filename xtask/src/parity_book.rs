//! `xtask parity-book`: the flakes and the sessions of "Cross-platform Compilation" in
//! the NixOS & Flakes Book, evaluated by this program and by the reference.
//!
//! The flakes in `book/` are as printed there, mistakes included, with `./machine.nix`
//! where the book leaves room for other modules.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};

/// Arguments of `xtask parity-book`.
#[derive(clap::Args)]
pub(crate) struct BookArguments {
    /// A nixpkgs tree, which takes the place of the flakes' input; quickest is one in the store
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The reference's `nix`
    #[arg(long, value_name = "PROGRAM")]
    reference: PathBuf,
    /// This program
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/saltire")]
    program: PathBuf,
    /// Only cases whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// The modules that the flakes name besides their own.
const MACHINE: &str = include_str!("../book/machine.nix");

const CROSS: &str = include_str!("../book/cross.nix");
const EMULATED: &str = include_str!("../book/emulated.nix");
const BUILDER: &str = include_str!("../book/builder.nix");
const OVERLAY: &str = include_str!("../book/overlay.nix");
const SCOPED: &str = include_str!("../book/scoped.nix");

/// A change to what is printed: text and replacement.
type Change = (&'static str, &'static str);

/// The book's later editions say `nixpkgs` there.
const SPELLED: Change = ("nigpkgs", "nixpkgs");
/// nixpkgs 20.09 has no GCC 12.
const OLD_GCC: Change = ("self.gcc12", "self.gcc10");
/// nixpkgs 20.09 can't cross-compile a whole system for RISC-V.
const ARM_SYSTEM: Change = ("riscv64-linux", "aarch64-linux");
const ARM_TRIPLE: Change = ("riscv64-unknown-linux-gnu", "aarch64-unknown-linux-gnu");

/// What each case is called, its flake and the changes to it.
const FLAKES: [(&str, &str, &[Change]); 12] = [
    ("cross", CROSS, &[]),
    ("cross, aarch64", CROSS, &[ARM_SYSTEM]),
    ("emulated", EMULATED, &[]),
    ("emulated, aarch64", EMULATED, &[ARM_SYSTEM]),
    ("emulating machine", BUILDER, &[]),
    ("overlay, as printed", OVERLAY, &[]),
    ("overlay", OVERLAY, &[SPELLED]),
    ("overlay, gcc10", OVERLAY, &[SPELLED, OLD_GCC]),
    ("overlay, gcc10, aarch64", OVERLAY, &[SPELLED, OLD_GCC, ARM_TRIPLE]),
    ("scoped set, as printed", SCOPED, &[]),
    ("scoped set, gcc10", SCOPED, &[SPELLED, OLD_GCC]),
    ("scoped set, gcc10, aarch64", SCOPED, &[SPELLED, OLD_GCC, ARM_TRIPLE]),
];

/// The book's first session as it is printed, and as the reference takes it.
const PRINTED: [&str; 2] = ["repl", "<nixpkgs>"];
const UNDERSTOOD: [&str; 3] = ["repl", "-f", "<nixpkgs>"];

/// What each session is called, how it is started and what is typed.
const SESSIONS: [(&str, &[&str], &str); 2] = [
    // What the book prints, which the reference does not take any more.
    ("session with a set", &PRINTED, "builtins.attrNames pkgsCross\n"),
    (
        "session with gcc10",
        &["repl", "-f", "<nixpkgs>"],
        "a = import <nixpkgs> { crossSystem = { config = \"riscv64-unknown-linux-gnu\"; }; overlays = [ (self: super: { gcc = self.gcc10; }) ]; }\n\
         a.pkgsCross.riscv64.stdenv.cc\n\
         pkgs.pkgsCross.riscv64.stdenv.cc\n",
    ),
];

/// The attribute that the book's configurations are for.
const ATTRIBUTE: &str = ".#nixosConfigurations.lp4a.config.system.build.toplevel.drvPath";

pub(crate) fn run(arguments: &BookArguments) -> anyhow::Result<()> {
    let tree = arguments.tree.canonicalize().context("can't find the tree")?;
    let reference = arguments.reference.canonicalize().context("can't find the reference")?;
    let program = arguments.program.canonicalize().context("can't find this program")?;
    let theirs = || Command::new(&reference);
    let ours = || {
        let mut command = Command::new(&program);
        command.arg("nix");
        command
    };
    let mut good = true;
    let wanted = |name: &str| name.contains(&arguments.only);
    for (name, text, changes) in FLAKES.into_iter().filter(|case| wanted(case.0)) {
        let directory = tempfile::tempdir()?;
        let text = changes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        std::fs::write(directory.path().join("flake.nix"), text)?;
        std::fs::write(directory.path().join("machine.nix"), MACHINE)?;
        let expected = told_twice(|| evaluate(theirs(), directory.path(), &tree))?;
        good &= compare(name, &expected, &evaluate(ours(), directory.path(), &tree)?);
    }
    for (name, words, typed) in SESSIONS.into_iter().filter(|case| wanted(case.0)) {
        let understood = if words == PRINTED { &UNDERSTOOD } else { words };
        let expected = session(theirs(), understood, typed, &tree)?;
        good &= compare(name, &expected, &session(ours(), words, typed, &tree)?);
    }
    if good { Ok(()) } else { bail!("the book's pages don't give what the reference gives") }
}

/// The reference says that a flake has no such attribute where evaluating it fails in
/// some ways; from its cache it then gives the error.
fn told_twice(evaluate: impl Fn() -> anyhow::Result<String>) -> anyhow::Result<String> {
    let answer = evaluate()?;
    if answer.contains("does not provide attribute") { evaluate() } else { Ok(answer) }
}

fn compare(name: &str, expected: &str, found: &str) -> bool {
    let good = expected == found;
    if good {
        println!("{name}: the same, {found}");
    } else {
        println!("{name}: DIFFERENT\n  reference: {expected}\n  this:      {found}");
    }
    good
}

fn evaluate(mut command: Command, directory: &Path, tree: &Path) -> anyhow::Result<String> {
    command.args(["--extra-experimental-features", "nix-command flakes", "eval", "--raw", ATTRIBUTE]);
    command.args([
        "--no-write-lock-file",
        "--override-input",
        "nixpkgs",
        &format!("path:{}", tree.display()),
    ]);
    Ok(answer(&command.current_dir(directory).stdin(Stdio::null()).output()?))
}

/// What a command wrote, or its error without the place.
fn answer(output: &Output) -> String {
    if output.status.success() {
        return String::from_utf8_lossy(&output.stdout).trim().to_owned();
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let error = text.lines().rev().find(|line| line.trim_start().starts_with("error:"));
    error.map_or_else(|| text.clone().into_owned(), |line| line.trim().to_owned())
}

/// What a session writes to standard output.
fn session(mut command: Command, words: &[&str], typed: &str, tree: &Path) -> anyhow::Result<String> {
    let input = tempfile::NamedTempFile::new()?;
    std::fs::write(input.path(), typed)?;
    command.args(["--extra-experimental-features", "nix-command flakes"]).args(words);
    command.env("NIX_PATH", format!("nixpkgs={}", tree.display())).stdin(input.reopen()?);
    let output = command.output()?;
    if !output.status.success() {
        return Ok(answer(&output));
    }
    let text = strip_ansi(&String::from_utf8_lossy(&output.stdout));
    // What is said of what was loaded, and how the prompt shows, is compared elsewhere.
    let lines = text.lines().map(str::trim).filter(|line| line.contains("/nix/store/") || line.contains('"'));
    Ok(lines.collect::<Vec<_>>().join(" "))
}

/// A text without sequences that colour it.
fn strip_ansi(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("\x1b[") {
        plain += &rest[..start];
        let after = &rest[start + 2..];
        rest = after.find(|c: char| c.is_ascii_alphabetic()).map_or("", |end| &after[end + 1..]);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_has_something_to_change() {
        for (name, text, changes) in FLAKES {
            for (from, _) in changes {
                assert!(text.contains(from), "{name}: {from}");
            }
            assert!(text.contains("./machine.nix"), "{name}");
        }
    }

    #[test]
    fn colours_are_taken_away() {
        assert_eq!(strip_ansi("\x1b[32;1ma\x1b[0mb"), "ab");
    }
}
