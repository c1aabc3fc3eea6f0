//! The commands of Nix: `nix`, `nix-instantiate`, `nix-build`, `nix-store` and so on.
//!
//! They take what Nix's take and print what Nix's print. The program acts as one of
//! them when it is called by its name, or as `saltire nix-build …`.
//!
//! Absent on purpose: how anything is done (that is in `driver`), and `saltire`'s own
//! commands (those are in `cli`).

mod arguments;
mod build;
mod channel;
mod collect;
mod environment;
mod flake;
mod flake_config;
mod flake_installable;
mod hash;
mod installable;
mod instantiate;
mod new;
mod options;
mod order;
mod parse;
mod prefetch;
mod profile;
mod program;
mod script;
mod serve;
mod shebang;
mod shell;
mod store;

use arguments::Arguments;
use options::Options;
use saltire_terminal::{Failure, print};
use std::ffi::OsString;
use std::process::ExitCode;

/// A command, and the text of its `--help`.
struct Command {
    name: &'static str,
    run: fn(Arguments, Options) -> Result<ExitCode, Failure>,
    help: &'static str,
}

const COMMANDS: &[Command] = &[
    Command { name: "nix-build", run: build::run, help: build::HELP },
    Command { name: "nix-channel", run: channel::run, help: channel::HELP },
    Command { name: "nix-collect-garbage", run: collect::run, help: collect::HELP },
    Command { name: "nix-copy-closure", run: new::copy::closure, help: new::copy::CLOSURE_HELP },
    Command { name: "nix-daemon", run: serve::daemon, help: serve::DAEMON_HELP },
    Command { name: "nix-env", run: profile::installed::run, help: profile::installed::HELP },
    Command { name: "nix-hash", run: hash::run, help: hash::HELP },
    Command { name: "nix-instantiate", run: instantiate::run, help: instantiate::HELP },
    Command { name: "nix-prefetch-url", run: prefetch::run, help: prefetch::HELP },
    Command { name: "nix-shell", run: shell::run, help: shell::HELP },
    Command { name: "nix-store", run: store::run, help: store::HELP },
];

/// The exit code of what the user ended, but for these commands.
const INTERRUPTED: u8 = 130;

/// The command that has commands of its own.
const NIX: &str = "nix";

/// Whether there is a command of this name.
pub fn is_command(name: &str) -> bool {
    name == NIX || COMMANDS.iter().any(|command| command.name == name)
}

/// The names of all commands.
pub fn command_names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name).chain([NIX])
}

/// Runs the command of this name with the words behind it.
pub fn run(name: &str, words: Vec<OsString>) -> ExitCode {
    let result = match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => command.start(words),
        None if name == NIX => new::run(words),
        None => Err(Failure::new(format_args!("there is no command {name}"))),
    };
    result.unwrap_or_else(|mut failure| {
        // As with Nix, unlike with programs that leave it to the kernel.
        failure.code = if failure.code == INTERRUPTED { 1 } else { failure.code };
        failure.report()
    })
}

impl Command {
    fn start(&self, words: Vec<OsString>) -> Result<ExitCode, Failure> {
        if self.name == "nix-shell"
            && let Some(script) = script::Script::find(&words)?
        {
            return shell::run_script(script, Options::load()?);
        }
        if asks_for("--help", &words) {
            return print(self.help).map(|()| ExitCode::SUCCESS);
        }
        if asks_for("--version", &words) {
            return version(self.name);
        }
        (self.run)(Arguments::new(self.name, words), Options::load()?)
    }
}

/// Whether an option stands before any `--`.
fn asks_for(option: &str, words: &[OsString]) -> bool {
    let until = words.iter().position(|word| word == "--").unwrap_or(words.len());
    words[..until].iter().any(|word| word == option)
}

fn version(name: &str) -> Result<ExitCode, Failure> {
    print(&format!("{name} (Saltire, like Nix) {}\n", saltire_eval::NIX_VERSION))?;
    Ok(ExitCode::SUCCESS)
}
