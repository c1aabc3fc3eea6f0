//! Commands of Nix for which there is something else here: what to do instead.

use crate::arguments::Arguments;
use crate::options::Options;
use saltire_terminal::Failure;
use std::process::ExitCode;

/// Text of `--help`.
pub const HELP: &str = "Says what there is instead of this command of Nix.\n";

/// Runs `nix store build-trace info`.
pub fn realisation(_: Arguments, _: Options) -> Result<ExitCode, Failure> {
    Err(Failure::new("there are no realisations: derivations whose output paths depend on their content can't be built here")
        .hint("of other derivations 'nix derivation show' says which paths the outputs have"))
}

/// Runs `nix upgrade-nix`.
pub fn upgrade(_: Arguments, _: Options) -> Result<ExitCode, Failure> {
    Err(Failure::new("saltire is not upgraded by itself")
        .hint("install a newer release in the way you installed this one"))
}
