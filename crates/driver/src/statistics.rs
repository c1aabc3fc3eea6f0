//! What evaluations did, where it is asked for: `NIX_SHOW_STATS`, the profiler.

use std::path::{Path, PathBuf};

use saltire_eval::Evaluator;

use crate::error::Error;

/// Where the profiler's result goes, and how it samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileSettings {
    /// The file, in the folded form that flame graph programs read.
    pub file: PathBuf,
    /// Samples a second.
    pub frequency: u32,
}

impl Default for ProfileSettings {
    /// The reference's: `nix.profile`, 99 samples a second.
    fn default() -> Self {
        Self { file: PathBuf::from("nix.profile"), frequency: 99 }
    }
}

/// Writes what was asked for at the end of an evaluation: with `NIX_SHOW_STATS`
/// set (but not to `0`) statistics to standard error or to the file that
/// `NIX_SHOW_STATS_PATH` names, `-` being standard output; the profile.
pub(crate) fn report(evaluator: &Evaluator, profile: Option<&ProfileSettings>) -> Result<(), Error> {
    if let (Some(settings), Some(text)) = (profile, evaluator.profile()) {
        write(&settings.file, &text)?;
    }
    if std::env::var_os("NIX_SHOW_STATS").is_none_or(|value| value == "0") {
        return Ok(());
    }
    let text = evaluator.statistics().to_json();
    match std::env::var_os("NIX_SHOW_STATS_PATH") {
        Some(path) if path == "-" => print!("{text}"),
        Some(path) if !path.is_empty() => write(Path::new(&path), &text)?,
        _ => eprint!("{text}"),
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let written = std::fs::write(path, text);
    written.map_err(|source| Error::File { action: "write", path: path.to_owned(), source })
}
