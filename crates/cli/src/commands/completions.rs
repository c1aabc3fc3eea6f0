//! `saltire completions`: a completion script for a shell.

use crate::args::{Cli, CompletionsArgs};
use clap::CommandFactory;
use saltire_terminal::{Failure, print};
use std::process::ExitCode;

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "saltire", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
