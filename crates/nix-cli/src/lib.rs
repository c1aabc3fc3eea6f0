//! The commands of Nix: `nix`, `nix-instantiate`, `nix-build`, `nix-store` and so on.
//!
//! They take what Nix's take and print what Nix's print. The program acts as one of
//! them when it is called by its name, or as `saltire nix-build …`.
//!
//! Absent on purpose: how anything is done (that is in `driver`), and `saltire`'s own
//! commands (those are in `cli`).

mod arguments;
mod instantiate;
mod options;
mod parse;

use arguments::Arguments;
use saltire_terminal::{Failure, print};
use std::ffi::OsString;
use std::process::ExitCode;

/// A command, and the text of its `--help`.
struct Command {
    name: &'static str,
    run: fn(Arguments) -> Result<ExitCode, Failure>,
    help: &'static str,
}

const COMMANDS: &[Command] =
    &[Command { name: "nix-instantiate", run: instantiate::run, help: instantiate::HELP }];

/// Whether there is a command of this name.
pub fn is_command(name: &str) -> bool {
    COMMANDS.iter().any(|command| command.name == name)
}

/// The names of all commands.
pub fn command_names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

/// Runs the command of this name with the words behind it.
pub fn run(name: &str, words: Vec<OsString>) -> ExitCode {
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Failure::new(format_args!("there is no command {name}")).report();
    };
    let until = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let asks = |option: &str| words[..until].iter().any(|word| word == option);
    let result = if asks("--help") {
        print(command.help).map(|()| ExitCode::SUCCESS)
    } else if asks("--version") {
        let version = saltire_eval::NIX_VERSION;
        print(&format!("{name} (Saltire, like Nix) {version}\n")).map(|()| ExitCode::SUCCESS)
    } else {
        (command.run)(Arguments::new(name, words))
    };
    result.unwrap_or_else(|failure| failure.report())
}
