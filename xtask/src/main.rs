//! Development tasks: `cargo xtask --help`.

mod bench_child;
mod bench_eval;
mod bench_first;
mod bench_flake;
mod bench_repl;
mod fuzz;
mod fuzz_errors;
mod fuzz_expressions;
mod parity;
mod parity_book;
mod release;
mod release_cross;
#[cfg(feature = "relock")]
mod relock;
mod unpack_deb;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Makes pkgs/seed/debian.lock.json from pkgs/seed/packages.toml and the signed indexes of a Debian mirror
    Relock(RelockArguments),
    /// Builds the program as it is released: twice, the second time with a profile of evaluation
    Release(release::ReleaseArguments),
    /// Cross-builds the jobs of pkgs/release-cross.nix, runs what was built, and writes docs/platforms.md
    ReleaseCross(release_cross::ReleaseArguments),
    /// Unpacks Debian packages into a tree that runs from a given path
    UnpackDeb(unpack_deb::UnpackDebArguments),
    /// Compares derivation paths with those that the reference computed
    Parity(parity::ParityArguments),
    /// Compares what the flakes and sessions of the NixOS & Flakes Book give
    ParityBook(parity_book::BookArguments),
    /// Compares the evaluator's time and memory with nix-instantiate's
    BenchEval(bench_eval::BenchArguments),
    /// Times the prompt and its completion against the reference's
    BenchRepl(bench_repl::ReplArguments),
    /// Tries random texts on the parser, or random expressions on the evaluator and the reference
    Fuzz(fuzz::FuzzArguments),
    /// Times the first command of a new user, and the same again
    BenchFirst(bench_first::FirstArguments),
    /// Times commands on a flake that was evaluated before
    BenchFlake(bench_flake::FlakeArguments),
}

/// Arguments of `xtask relock`.
#[derive(clap::Args)]
struct RelockArguments {
    /// Only say whether the lock file is what this would write; exit code 1 if not
    #[arg(long)]
    check: bool,
    /// Root of a Debian archive, instead of those in the machine's APT configuration
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,
    /// OpenPGP keys that the release may be signed with
    #[arg(long, value_name = "FILE", default_value = "/usr/share/keyrings/debian-archive-keyring.gpg")]
    keyring: std::path::PathBuf,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Relock(arguments) => relock(&arguments),
        Task::Release(arguments) => release::run(&arguments),
        Task::ReleaseCross(arguments) => release_cross::run(&arguments),
        Task::UnpackDeb(arguments) => unpack_deb::run(&arguments),
        Task::Parity(arguments) => parity::run(&arguments),
        Task::ParityBook(arguments) => parity_book::run(&arguments),
        Task::BenchEval(arguments) => bench_eval::run(&arguments),
        Task::BenchFirst(arguments) => bench_first::run(&arguments),
        Task::BenchRepl(arguments) => bench_repl::run(&arguments),
        Task::BenchFlake(arguments) => bench_flake::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
    }
}

#[cfg(feature = "relock")]
fn relock(arguments: &RelockArguments) -> anyhow::Result<()> {
    relock::run(arguments)
}

/// Builds this program again with the feature, and runs that.
#[cfg(not(feature = "relock"))]
fn relock(_: &RelockArguments) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = std::process::Command::new(cargo)
        .args(["run", "--quiet", "--package", "xtask", "--features", "relock", "--"])
        .args(std::env::args_os().skip(1))
        .status()?;
    std::process::exit(status.code().unwrap_or(1))
}
