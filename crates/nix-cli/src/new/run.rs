//! `nix run` and `nix shell`: programs of installables, in place of this process.

use super::build::build_goals;
use crate::arguments::{Arguments, Word};
use crate::flake_installable::Purpose;
use crate::installable::InstallableOptions;
use crate::options::Options;
use crate::program::{Variables, bash, become_program};
use saltire_terminal::Failure;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Text of `nix run --help`.
pub const HELP: &str = "\
Usage: nix run [OPTION]… [INSTALLABLE] [-- ARGUMENT…]

Builds an installable and runs its program: that of an app, else `meta.mainProgram`,
`pname` or the name without its version.

  -i, --ignore-env         see nothing of the environment outside
  -k, --keep-env-var NAME  with -i, see this variable
  -s, --set-env-var NAME VALUE, -u, --unset-env-var NAME
  -f, --file FILE, --expr EXPR, --arg NAME EXPR, --argstr NAME TEXT, --impure
";

/// Text of `nix shell --help`.
pub const SHELL_HELP: &str = "\
Usage: nix shell [OPTION]… [INSTALLABLE]… [-c COMMAND ARGUMENT…]

Starts a shell (or COMMAND) with the installables' programs on PATH.

  -c, --command COMMAND…  run this instead of a shell
  -i, --ignore-env         see nothing of the environment outside
  -k, --keep-env-var NAME  with -i, see this variable
  -s, --set-env-var NAME VALUE, -u, --unset-env-var NAME
  -f, --file FILE, --expr EXPR, --arg NAME EXPR, --argstr NAME TEXT, --impure
";

/// Runs `nix run`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::for_purpose(Purpose::Program);
    let mut rest: Vec<OsString> = Vec::new();
    let mut variables = Variables::default();
    while let Some(word) = words.next()? {
        match &word {
            // What comes behind the installable is the program's.
            Word::Plain(argument) if !installables.operands.is_empty() => {
                rest.push(argument.clone());
                rest.extend(words.rest()?);
            }
            _ if variables.take(&word, &mut words)? => {}
            _ if installables.take(&word, &mut words)? => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    variables.check()?;
    let (opened, installable) = installables.open_single(&mut options)?;
    let program = installable.program(&opened.session, &options)?;
    let built = build_goals(&opened.session, &opened.progress, &[program.goal])?;
    let outputs = built.iter().flat_map(|one| &one.outputs);
    let places: Vec<PathBuf> = outputs.map(|(_, path)| opened.session.store().display(path).into()).collect();
    let file = match program.file.starts_with('/') {
        true => PathBuf::from(&program.file),
        false => {
            let exists = |place: &&PathBuf| {
                let physical = opened.session.store().location().to_physical(place);
                physical.join(&program.file).symlink_metadata().is_ok()
            };
            places
                .iter()
                .find(exists)
                .or(places.first())
                .map_or_else(PathBuf::new, |place| place.join(&program.file))
        }
    };
    become_program(opened, &file, &rest, &variables, &[])
}

/// Runs `nix shell`.
pub fn shell(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::default();
    let mut command: Vec<OsString> = Vec::new();
    let mut variables = Variables::default();
    while let Some(word) = words.next()? {
        match &word {
            Word::Short('c') => command.extend(words.rest()?),
            Word::Long(name) if name == "command" => command.extend(words.rest()?),
            _ if variables.take(&word, &mut words)? => {}
            _ if installables.take(&word, &mut words)? => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    variables.check()?;
    let (opened, all) = installables.open(&mut options)?;
    let mut goals = Vec::new();
    for installable in &all {
        goals.extend(installable.goals(&opened.session, &options)?);
    }
    let built = build_goals(&opened.session, &opened.progress, &goals)?;
    let store = opened.session.store();
    let outputs = built.iter().flat_map(|one| &one.outputs);
    let mut path: Vec<PathBuf> =
        outputs.map(|(_, path)| Path::new(&store.display(path)).join("bin")).collect();
    let outside = variables.all().remove(OsStr::new("PATH")).unwrap_or_default();
    path.extend(std::env::split_paths(&outside));
    let search: Vec<PathBuf> = path.clone();
    let joined = std::env::join_paths(path).map_err(Failure::new)?;
    if command.is_empty() {
        let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
        command.push(match shell {
            Some(shell) => shell,
            None => bash(&opened)?.into(),
        });
    }
    let program = command.remove(0);
    let file = match program.as_encoded_bytes().contains(&b'/') {
        true => PathBuf::from(&program),
        false => {
            let location = store.location();
            let exists = |directory: &&PathBuf| location.to_physical(&directory.join(&program)).exists();
            let missing =
                || Failure::new(format_args!("unable to execute '{}': not found", program.to_string_lossy()));
            search.iter().find(exists).ok_or_else(missing)?.join(&program)
        }
    };
    become_program(opened, &file, &command, &variables, &[("PATH".into(), joined)])
}
