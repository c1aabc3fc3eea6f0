//! The command line.

use clap::{Args, Parser, Subcommand};

/// Builds packages for any CPU and libc from any Linux machine, without root, a daemon or set-up.
#[derive(Debug, Parser)]
#[command(name = "saltire", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the platforms and how this machine runs their programs
    Platforms(PlatformsArgs),
    /// Print a shell completion script
    Completions(CompletionsArgs),
}

/// `saltire platforms`
#[derive(Args, Debug)]
pub struct PlatformsArgs {
    /// Only these platforms: names, systems or triples
    #[arg(value_name = "PLATFORM")]
    pub platforms: Vec<String>,

    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `saltire completions`
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
