//! `xtask release`: the program as it is released, compiled with a profile of what
//! evaluation does.
//!
//! The program is built twice: first so that it counts which way its branches go, then,
//! after it has evaluated package sets, with these counts. That makes large evaluations
//! about a tenth faster than an ordinary release build (docs/performance.md). What ran is
//! put next to each other, so that less of the program has to be in memory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Arguments of `xtask release`.
#[derive(clap::Args)]
pub(crate) struct ReleaseArguments {
    /// Where to build: a directory that ordinary builds don't use
    #[arg(long, value_name = "DIR", default_value = "target/profiled")]
    target: PathBuf,
}

pub(crate) fn run(arguments: &ReleaseArguments) -> anyhow::Result<()> {
    let merge = profdata()?;
    std::fs::create_dir_all(&arguments.target)?;
    let target = arguments.target.canonicalize()?;
    // Always the same place: it is in the flags that all crates are compiled with.
    let counts = target.join("counts");
    if counts.exists() {
        std::fs::remove_dir_all(&counts)?;
    }
    println!("building the program that counts");
    build(&target, &format!("-Cprofile-generate={}", counts.display()), None)?;
    let program = target.join("release/saltire");
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pkgs").canonicalize()?;
    for (title, lesson) in LESSONS {
        println!("evaluating {title}");
        evaluate(&program, &lesson.replace("PACKAGES", &packages.display().to_string()))?;
    }
    println!("instantiating a package");
    instantiate(&program, &["-A", "pkgsCross.riscv64.hello", &packages.display().to_string()])?;
    let profile = target.join("evaluation.profdata");
    let status = Command::new(&merge).arg("merge").arg("-o").arg(&profile).arg(&counts).status()?;
    if !status.success() {
        bail!("the counts can't be merged");
    }
    println!("building the program");
    let order = target.join("order");
    std::fs::write(&order, functions_that_ran(&merge, &profile)?)?;
    build(&target, &format!("-Cprofile-use={}", profile.display()), Some(&order))?;
    println!("{}", program.display());
    Ok(())
}

/// What to evaluate of the embedded package set: it uses the language as nixpkgs does,
/// most of its operators and builtins in similar proportions.
const LESSONS: [(&str, &str); 3] = [
    (
        "packages",
        "let jobs = import PACKAGES/release-cross.nix { }; derivations = builtins.filter (job: job ? drvPath);
         in map (platform: map (job: [ job.drvPath job.meta ]) (derivations (builtins.attrValues platform)))
           (builtins.filter builtins.isAttrs (builtins.attrValues jobs))",
    ),
    (
        "systems",
        "let system = import PACKAGES/system { lib = import PACKAGES/lib; };
         in map (name: (system {
           system = \"x86_64-linux\";
           modules = [ { nixpkgs.crossSystem.system = name; } ({ pkgs, ... }: { environment.systemPackages = [ pkgs.tree ]; }) ];
         }).config.system.build.image.drvPath) [ \"riscv64-linux\" \"aarch64-linux\" ]",
    ),
    (
        "platforms",
        "let inherit ((import PACKAGES/lib).systems) elaborate examples;
             shown = map (name: removeAttrs (elaborate examples.${name}) [ \"emulator\" ]) (builtins.attrNames examples);
             plain = value: if builtins.isFunction value then null
               else if builtins.isAttrs value then builtins.mapAttrs (_: plain) value else value;
         in map (platform: builtins.stringLength (builtins.toXML platform + builtins.toJSON (plain platform))) shown",
    ),
];

/// The symbols of the functions that the profile counts, one per line.
fn functions_that_ran(profdata: &Path, profile: &Path) -> anyhow::Result<String> {
    let output = Command::new(profdata).args(["show", "--covered"]).arg(profile).output()?;
    if !output.status.success() {
        bail!("the profile can't be shown");
    }
    let names = String::from_utf8(output.stdout)?;
    // A local function has its file's name in front.
    Ok(names.lines().map(|line| format!("{}\n", line.rsplit(';').next().unwrap_or(line))).collect())
}

/// Builds with a flag for each crate, and functions in an order where the linker (LLVM's, which
/// the compiler brings along for this machine) can do that.
fn build(target: &Path, flag: &str, order: Option<&Path>) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["rustc", "--release", "--package", "saltire", "--bin", "saltire"]);
    if let Some(order) = order.filter(|_| cfg!(all(target_arch = "x86_64", target_os = "linux"))) {
        let argument = format!("-Wl,--symbol-ordering-file={},--no-warn-symbol-ordering", order.display());
        command.args(["--", &format!("-Clink-arg={argument}")]);
    }
    let status = command.env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", flag).status()?;
    if !status.success() {
        bail!("cargo build failed");
    }
    Ok(())
}

fn evaluate(program: &Path, expression: &str) -> anyhow::Result<()> {
    instantiate(program, &["--eval", "--strict", "--expr", expression])
}

/// Runs `nix-instantiate` with a store and caches of its own, so that it does not matter what
/// was evaluated before.
fn instantiate(program: &Path, words: &[&str]) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let status = Command::new(program)
        .arg("nix-instantiate")
        .args(words)
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
