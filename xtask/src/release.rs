//! `xtask release`: the program as it is released, compiled with a profile of what
//! evaluation does.
//!
//! The program is built twice: first so that it counts which way its branches go, then,
//! after it has evaluated package sets, with these counts. That makes large evaluations
//! about a seventh faster than an ordinary release build (docs/performance.md).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Arguments of `xtask release`.
#[derive(clap::Args)]
pub(crate) struct ReleaseArguments {
    /// A nixpkgs tree to learn from, too, besides the embedded package set
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Where to build: a directory that ordinary builds don't use
    #[arg(long, value_name = "DIR", default_value = "target/profiled")]
    target: PathBuf,
}

pub(crate) fn run(arguments: &ReleaseArguments) -> anyhow::Result<()> {
    let merge = profdata()?;
    std::fs::create_dir_all(&arguments.target)?;
    let target = arguments.target.canonicalize()?;
    let counts = tempfile::tempdir()?;
    println!("building the program that counts");
    build(&target, &format!("-Cprofile-generate={}", counts.path().display()))?;
    let program = target.join("release/saltire");
    for (title, expression) in lessons(arguments.tree.as_deref())? {
        println!("evaluating {title}");
        evaluate(&program, &expression)?;
    }
    let profile = target.join("evaluation.profdata");
    let status = Command::new(merge).arg("merge").arg("-o").arg(&profile).arg(counts.path()).status()?;
    if !status.success() {
        bail!("the counts can't be merged");
    }
    println!("building the program");
    build(&target, &format!("-Cprofile-use={}", profile.display()))?;
    println!("{}", program.display());
    Ok(())
}

/// What to evaluate: most of the language's operators and builtins in the proportions
/// of real package sets.
fn lessons(tree: Option<&Path>) -> anyhow::Result<Vec<(&'static str, String)>> {
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pkgs").canonicalize()?;
    let set = set.display();
    let mut all = vec![(
        "the embedded package set",
        format!(
            "map (jobs: map (job: job.drvPath) (builtins.filter (job: job ? drvPath) (builtins.attrValues jobs))) \
             (builtins.filter builtins.isAttrs (builtins.attrValues (import {set}/release-cross.nix {{ }})))"
        ),
    )];
    if let Some(tree) = tree {
        let tree = tree.canonicalize()?;
        let system = crate::bench_eval::nixos(&tree, "");
        all.push(("a NixOS system", format!("({system}).drvPath")));
        let names = "[ \"hello\" \"firefox\" \"git\" \"python3\" \"qemu\" \"vim\" ]";
        let packages = format!("(import {} {{ }})", tree.display());
        all.push(("packages of nixpkgs", format!("map (name: {packages}.${{name}}.drvPath) {names}")));
    }
    Ok(all)
}

fn build(target: &Path, flag: &str) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "saltire"])
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", flag)
        .status()?;
    if !status.success() {
        bail!("cargo build failed");
    }
    Ok(())
}

/// Evaluates with a store and caches of its own, so that it does not matter what was
/// evaluated before.
fn evaluate(program: &Path, expression: &str) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let status = Command::new(program)
        .args(["nix-instantiate", "--eval", "--strict", "--expr", expression])
        .env("SALTIRE_STORE", "private")
        .env("XDG_DATA_HOME", home.path())
        .env("XDG_CACHE_HOME", home.path())
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("evaluation failed");
    }
    Ok(())
}

/// `llvm-profdata` of the toolchain.
fn profdata() -> anyhow::Result<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().context("can't run rustc")?;
    let libraries = Path::new(String::from_utf8(output.stdout)?.trim()).join("lib/rustlib");
    let programs = std::fs::read_dir(&libraries)?.flatten();
    let found = programs.map(|entry| entry.path().join("bin/llvm-profdata")).find(|path| path.is_file());
    found.context("llvm-profdata is missing: rustup component add llvm-tools")
}
