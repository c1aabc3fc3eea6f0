//! `nix-collect-garbage`: deletes what nothing needs.

use crate::arguments::{Arguments, Word};
use crate::options::Options;
use crate::store::{failed, say_freed};
use saltire_store::GarbageOptions;
use saltire_terminal::{Failure, print};
use std::process::ExitCode;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix-collect-garbage [--max-freed BYTES] [--dry-run]

Deletes the store paths that no root needs.
";

/// Runs `nix-collect-garbage`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut garbage = GarbageOptions::default();
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if name == "max-freed" => {
                let bytes = words.value(&word)?;
                let number =
                    bytes.parse().map_err(|_| Failure::new(format_args!("'{bytes}' is not a number")))?;
                garbage.max_freed = Some(number);
            }
            Word::Short('d') => return Err(generations()),
            Word::Long(name) if name == "delete-old" || name == "delete-older-than" => {
                return Err(generations());
            }
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    garbage.dry_run = options.dry_run;
    let opened = options.open()?;
    let store = opened.session.store();
    let collected = store.collect_garbage(&garbage).map_err(failed)?;
    if options.dry_run {
        print(&collected.paths.iter().map(|path| format!("{}\n", store.display(path))).collect::<String>())?;
    }
    say_freed(&collected)?;
    Ok(ExitCode::SUCCESS)
}

fn generations() -> Failure {
    Failure::new("old generations of profiles are not deleted: saltire keeps none")
        .hint("without '-d', 'nix-collect-garbage' deletes what no root needs")
}
