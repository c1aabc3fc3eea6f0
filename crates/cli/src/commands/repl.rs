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
    let set = open(global, None, None)?.session.package_set()?;
    let search_path = std::env::var("NIX_PATH").unwrap_or_default();
    if !search_path.contains("nixpkgs=") {
        // So that what is written for nixpkgs finds a package set.
        let directory = set.parent().unwrap_or(&set);
        words.extend(["-I".into(), format!("nixpkgs={}", directory.display()).into()]);
    }
    if args.arguments.is_empty() {
        words.extend(["--file".into(), set.into_os_string()]);
    }
    words.extend(args.arguments.iter().cloned());
    Ok(saltire_nix_cli::run("nix", words))
}
