//! `xtask bench-first`: how long a new user waits.
//!
//! The first command with an empty store and all downloads cached, and the same
//! command again, with everything built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail};

/// Arguments of `xtask bench-first`.
#[derive(clap::Args)]
pub(crate) struct FirstArguments {
    /// The program to measure
    #[arg(long, value_name = "FILE", default_value = "target/release/saltire")]
    program: PathBuf,
    /// How often the second command is run; the median is shown
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// Use these downloads (a folder that holds saltire/downloads) instead of fetching them first
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// The command
    #[arg(default_values_t = ["run", "hello", "--for", "riscv64-linux"].map(str::to_owned))]
    command: Vec<String>,
}

pub(crate) fn run(arguments: &FirstArguments) -> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    let cache = arguments.cache.clone().unwrap_or_else(|| place.path().join("cache"));
    let timed = |data: &str, cache: &Path, more: &[&str]| -> anyhow::Result<f64> {
        let mut command = Command::new(&arguments.program);
        command.args(&arguments.command).args(more);
        command.env("SALTIRE_STORE", "private").env("XDG_DATA_HOME", place.path().join(data));
        command.env("XDG_CACHE_HOME", cache);
        let start = Instant::now();
        let output =
            command.output().with_context(|| format!("can't run {}", arguments.program.display()))?;
        if !output.status.success() {
            bail!("{:?} failed:\n{}", arguments.command, String::from_utf8_lossy(&output.stderr));
        }
        Ok(start.elapsed().as_secs_f64())
    };
    println!("{}", arguments.command.join(" "));
    println!("{:44} {:9.2} s", "downloads as they come, store empty", timed("filling", &cache, &[])?);
    println!("{:44} {:9.2} s", "downloads cached, store empty", timed("data", &cache, &["--offline"])?);
    let again: anyhow::Result<Vec<f64>> =
        (0..arguments.runs.max(1)).map(|_| timed("data", &cache, &[])).collect();
    let mut again = again?;
    again.sort_by(f64::total_cmp);
    println!("{:44} {:9.3} s", "already built (median)", again[again.len() / 2]);
    Ok(())
}
