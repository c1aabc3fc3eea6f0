//! `saltire repl`: a session at a prompt, with the embedded package set at hand.

use super::open;
use crate::args::{Global, ReplArgs};
use saltire_terminal::Failure;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the session.
pub fn run(global: &Global, args: &ReplArgs) -> Result<ExitCode, Failure> {
    let mut words: Vec<OsString> = vec!["repl".into()];
    if let Some(store) = &global.store {
        words.extend(["--option".into(), "store".into(), store.into()]);
    }
    if args.arguments.is_empty() {
        let opened = open(global, None, None)?;
        words.extend(["--file".into(), opened.session.package_set()?.into_os_string()]);
    }
    words.extend(args.arguments.iter().cloned());
    Ok(saltire_nix_cli::run("nix", words))
}
