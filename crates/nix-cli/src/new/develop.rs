//! `nix develop`: a shell in the environment of an installable's build.

use crate::arguments::{Arguments, Word};
use crate::flake_installable::Purpose;
use crate::installable::{Goal, InstallableOptions};
use crate::options::Options;
use crate::shell::{Wanted, start};
use saltire_driver::Error;
use saltire_terminal::Failure;
use std::process::ExitCode;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix develop [OPTION]… [INSTALLABLE] [-c COMMAND ARGUMENT…]

Starts a shell (or COMMAND) in the environment of a build: that of `devShells`, else
of a package.

  -c, --command COMMAND…  run this instead of a shell
  -i, --ignore-env        see nothing of the environment outside
  -k, --keep-env-var NAME with -i, see this variable
  -f, --file FILE, --expr EXPR, --arg NAME EXPR, --argstr NAME TEXT, --impure
";

/// Runs `nix develop`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::for_purpose(Purpose::Shell);
    let mut wanted = Wanted::default();
    while let Some(word) = words.next()? {
        match &word {
            Word::Short('c') => wanted.words.extend(words.rest()?),
            Word::Long(name) if name == "command" => wanted.words.extend(words.rest()?),
            Word::Short('i') => wanted.pure = true,
            Word::Long(name) if name == "ignore-env" || name == "ignore-environment" => wanted.pure = true,
            Word::Short('k') => wanted.keep.push(words.value(&word)?),
            Word::Long(name) if name == "keep-env-var" || name == "keep" => {
                wanted.keep.push(words.value(&word)?)
            }
            _ if installables.take(&word, &mut words)? => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let (opened, installable) = installables.open_single(&mut options)?;
    let path = match installable.goals(&opened.session, &options)?.as_slice() {
        [Goal::Built(built)] => built.derivation.clone(),
        [Goal::Path(path)] if path.is_derivation() => path.clone(),
        _ => return Err(Failure::new(format_args!("'{installable}' is not a single derivation"))),
    };
    let derivation = opened.session.store().read_derivation(&path).map_err(Error::from)?;
    start(opened, &derivation, &wanted)
}
