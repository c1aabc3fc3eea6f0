//! The commands, one file each.

mod completions;
mod platforms;

use crate::args::{Cli, Command};
use crate::failure::Failure;
use std::process::ExitCode;

/// Runs the command that was asked for.
pub fn dispatch(cli: &Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Command::Platforms(args) => platforms::run(args),
        Command::Completions(args) => completions::run(args),
    }
}
