//! The `saltire` program: parses the command line, calls the command, shows its error.

mod args;
mod commands;
mod failure;
mod progress;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match commands::dispatch(&cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
