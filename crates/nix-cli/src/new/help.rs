//! `nix help` and `nix help-stores`.

use super::COMMANDS;
use crate::arguments::{Arguments, text};
use crate::options::Options;
use saltire_terminal::{Failure, print};
use std::process::ExitCode;

/// Text of `nix help --help`.
pub const HELP: &str = "\
Usage: nix help [COMMAND]…

Says what a command does, as 'nix COMMAND --help' does; without one lists all commands.
";
/// Text of `nix help-stores`, too.
pub const STORES: &str = "\
Usage: nix COMMAND --store STORE

Where STORE is

  auto, daemon           the shared store /nix/store if it can be written to, else the
                         private one of the user (also by the setting 'store')
  local                  the shared store
  private                the user's own: below $XDG_DATA_HOME/saltire
  /ROOT, local?root=/ROOT  a store in a directory, which holds nix/store

and in commands that copy or look at stores ('nix copy', 'path-info', 'log', 'store …'), and
in 'substituters'

  file:///DIRECTORY      a binary cache
  http://…, https://…    a binary cache, only read
  ssh-ng://[USER@]HOST   the store of another machine, by the worker protocol
  ssh://[USER@]HOST      the same, by the older serve protocol

Behind a '?' and separated by '&' stand parameters, such as file:///cache?compression=zstd:

  compression=NAME       of a binary cache that is written to: xz (default), zstd, gzip, bzip2, none
  secret-key=FILE        signs what is written to it
  priority=NUMBER        of several caches the one with the lowest is asked first
  trusted=true           what it has need not be signed
  ssh-key=FILE, compress=true, base64-ssh-public-host-key=KEY
                         how 'ssh' connects
  remote-program=PROGRAM, remote-store=STORE
                         what is started there, and its store
";

/// Runs `nix help`.
pub fn help(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut names: Vec<String> = Vec::new();
    while let Some(word) = words.next()? {
        match word {
            crate::arguments::Word::Plain(name) => names.push(text(name)?),
            word if options.take(&word, &mut words)? => {}
            word => return Err(words.unknown(&word)),
        }
    }
    print(&text_of(&names.join(" "))?)?;
    Ok(ExitCode::SUCCESS)
}

/// What there is to say of a command, or of those that begin with a word.
fn text_of(name: &str) -> Result<String, Failure> {
    if name.is_empty() {
        return Ok(super::usage());
    }
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok(command.help.to_owned());
    }
    let in_group = |name: &str| COMMANDS.iter().any(|command| command.name.starts_with(&format!("{name} ")));
    if in_group(name) {
        return Ok(super::usage_of(name));
    }
    let (parent, last) = match name.rsplit_once(' ') {
        Some((parent, last)) => (format!("'nix {parent}'"), last),
        None => ("Nix".to_owned(), name),
    };
    Err(Failure::new(format_args!("{parent} has no subcommand '{last}'"))
        .hint("'nix --help' lists the commands"))
}

/// Runs `nix help-stores`.
pub fn stores(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    while let Some(word) = words.next()? {
        if !options.take(&word, &mut words)? {
            return Err(words.unknown(&word));
        }
    }
    print(STORES)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_groups_have_texts() {
        let check = |name, expected: &str| {
            let text = text_of(name).unwrap_or_else(|failure| failure.message);
            assert!(text.starts_with(expected), "{name}: {text}");
        };
        check("", "Usage: nix [OPTION]");
        check("build", "Usage: nix build");
        check("flake", "Usage: nix flake COMMAND");
        check("flake lock", "Usage: nix flake lock");
        check("nosuch", "Nix has no subcommand 'nosuch'");
        check("flake nosuch", "'nix flake' has no subcommand 'nosuch'");
    }
}
