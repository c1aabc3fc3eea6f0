//! `nix-collect-garbage`: deletes what nothing needs.

use crate::arguments::{Arguments, Word};
use crate::options::Options;
use crate::profile::{Profile, Unwanted, all_profiles};
use crate::store::{failed, say_freed};
use saltire_store::GarbageOptions;
use saltire_terminal::{Failure, print};
use std::process::ExitCode;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix-collect-garbage [-d | --delete-older-than 30d] [--max-freed BYTES] [--dry-run]

Deletes the store paths that no root needs; with -d first all generations of profiles
but the current ones.
";

/// Runs `nix-collect-garbage`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut garbage = GarbageOptions::default();
    let mut unwanted = None;
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if name == "max-freed" => {
                let bytes = words.value(&word)?;
                let number =
                    bytes.parse().map_err(|_| Failure::new(format_args!("'{bytes}' is not a number")))?;
                garbage.max_freed = Some(number);
            }
            Word::Short('d') => unwanted = Some(Unwanted::Old),
            Word::Long(name) if name == "delete-old" => unwanted = Some(Unwanted::Old),
            Word::Long(name) if name == "delete-older-than" => {
                unwanted = Some(Unwanted::older_than(&words.value(&word)?)?);
            }
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    garbage.dry_run = options.dry_run;
    let opened = options.open()?;
    if let Some(unwanted) = &unwanted {
        for profile in all_profiles(&opened.session) {
            let profile = Profile::open(&opened.session, Some(&profile.display().to_string()))?;
            profile.delete(unwanted, options.dry_run)?;
        }
    }
    let store = opened.session.store();
    let collected = store.collect_garbage(&garbage).map_err(failed)?;
    if options.dry_run {
        print(&collected.paths.iter().map(|path| format!("{}\n", store.display(path))).collect::<String>())?;
    }
    say_freed(&collected)?;
    Ok(ExitCode::SUCCESS)
}
