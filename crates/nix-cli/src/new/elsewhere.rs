//! Commands of Nix for which there is something else here: what to do instead.

use crate::arguments::Arguments;
use crate::options::Options;
use saltire_terminal::Failure;
use std::process::ExitCode;

/// Text of `--help`.
pub const HELP: &str = "Says what there is instead of this command of Nix.\n";

/// Runs `nix daemon` and `nix-daemon`.
pub fn daemon(_: Arguments, _: Options) -> Result<ExitCode, Failure> {
    Err(Failure::new("there is no daemon: saltire works on the store itself").hint(
        "a user who may not write to /nix gets a private store; 'saltire doctor' says which one is used",
    ))
}

/// Runs `nix realisation info` and `nix store build-trace`.
pub fn realisation(_: Arguments, _: Options) -> Result<ExitCode, Failure> {
    Err(Failure::new("there are no realisations: derivations whose output paths depend on their content can't be built here")
        .hint("of other derivations 'nix derivation show' says which paths the outputs have"))
}

/// Runs `nix upgrade-nix`.
pub fn upgrade(_: Arguments, _: Options) -> Result<ExitCode, Failure> {
    Err(Failure::new("saltire is not upgraded by itself")
        .hint("install a newer release in the way you installed this one"))
}

/// Runs `nix doctor`.
pub fn doctor(_: Arguments, _: Options) -> Result<ExitCode, Failure> {
    Err(Failure::new("'nix doctor' is not there").hint("'saltire doctor' checks what this machine allows"))
}

/// Runs `nix-copy-closure`.
pub fn copy_closure(_: Arguments, _: Options) -> Result<ExitCode, Failure> {
    Err(Failure::new("store paths can't be copied over ssh")
        .hint("'nix copy --to file:///DIRECTORY PATH…' writes a binary cache that can be copied or served,")
        .hint("'nix-store --export $(nix-store -qR PATH) | ssh HOST nix-store --import' needs Nix on the other machine"))
}
