//! `xtask bench-flake`: what a command on a flake costs that was evaluated before.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail};

/// Arguments of `xtask bench-flake`.
#[derive(clap::Args)]
pub(crate) struct FlakeArguments {
    /// The program to measure, which is called as `PROGRAM nix …`
    #[arg(long, value_name = "FILE", default_value = "target/release/saltire")]
    program: PathBuf,
    /// Nix's own `nix`, for comparison
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// How often each command is run; the median is shown
    #[arg(long, default_value_t = 15)]
    runs: usize,
}

/// A flake in a Git repository whose value takes a while.
const FLAKE: &str =
    "{ outputs = { self }: { x = builtins.foldl' (a: b: a + b) 0 (builtins.genList (i: i) 3000000); }; }";

pub(crate) fn run(arguments: &FlakeArguments) -> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    let flake = place.path().join("flake");
    std::fs::create_dir(&flake)?;
    std::fs::write(flake.join("flake.nix"), FLAKE)?;
    for words in ["init --quiet", "add flake.nix", "-c user.name=a -c user.email=a@b commit --quiet -m a"] {
        let status = Command::new("git").args(words.split(' ')).current_dir(&flake).status();
        if !status.context("can't run git")?.success() {
            bail!("'git {words}' failed");
        }
    }
    let timed = |program: &PathBuf, first: &[&str], words: &[&str]| -> anyhow::Result<f64> {
        let mut command = Command::new(program);
        command.args(first).args(words).current_dir(&flake).env("HOME", place.path());
        command
            .env("XDG_DATA_HOME", place.path().join("data"))
            .env("XDG_CACHE_HOME", place.path().join("cache"));
        command.env("NIX_CONFIG", "experimental-features = nix-command flakes");
        let start = Instant::now();
        let output = command.output().with_context(|| format!("can't run {}", program.display()))?;
        if !output.status.success() {
            bail!("{words:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(start.elapsed().as_secs_f64() * 1000.0)
    };
    let store = place.path().join("root").display().to_string();
    let mut programs = vec![("saltire", &arguments.program, vec!["nix", "--store", &store])];
    programs.extend(arguments.reference.as_ref().map(|nix| ("nix", nix, vec!["--store", &store])));
    for (name, program, first) in programs {
        for words in [&["flake", "metadata"][..], &["eval", ".#x"]] {
            let cold = timed(program, &first, words)?;
            let warm: anyhow::Result<Vec<f64>> =
                (0..arguments.runs.max(1)).map(|_| timed(program, &first, words)).collect();
            let mut warm = warm?;
            warm.sort_by(f64::total_cmp);
            let median = warm[warm.len() / 2];
            println!("{name:10} {:20} first {cold:7.1} ms, again {median:7.1} ms", words.join(" "));
        }
    }
    Ok(())
}
