//! `saltire develop`: a shell in the environment in which a package is built, cross
//! compiler and all.

use super::{Opened, open, package_set, platforms_or_own};
use crate::args::{DevelopArgs, Global};
use saltire_terminal::Failure;
use std::ffi::OsString;
use std::process::ExitCode;

/// Evaluates the package; `nix develop` does the rest.
pub fn run(global: &Global, args: &DevelopArgs) -> Result<ExitCode, Failure> {
    let derivation = {
        let Opened { session, progress } = open(global, Some(&args.source), None)?;
        let names: Vec<String> = args.platform.iter().cloned().collect();
        let platform = platforms_or_own(&session, &names)?[0];
        let target = session.target(&package_set(&args.source), &args.package, platform, args.via)?;
        progress.finish();
        session.store().display(&target.wanted.derivation)
    };
    let mut words: Vec<OsString> = vec!["develop".into(), derivation.into()];
    if let Some(store) = &global.store {
        words.extend(["--option".into(), "store".into(), store.into()]);
    }
    if !args.command.is_empty() {
        words.push("--command".into());
        words.extend(args.command.iter().cloned());
    }
    Ok(saltire_nix_cli::run("nix", words))
}
