//! The `saltire` program: parses the command line, calls the command, shows its error.
//!
//! Called by the name of one of Nix's commands (through a link), or with it as the
//! first argument, it is that command.

mod args;
mod commands;

use clap::Parser;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_default();
    let name = Path::new(&called).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if saltire_nix_cli::is_command(name) {
        return saltire_nix_cli::run(name, words.collect());
    }
    let words: Vec<OsString> = words.collect();
    if let Some(name) =
        words.first().and_then(|word| word.to_str()).filter(|word| saltire_nix_cli::is_command(word))
    {
        return saltire_nix_cli::run(name, words[1..].to_vec());
    }
    let cli = args::Cli::parse();
    match commands::dispatch(&cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
