//! Becoming a program.

use crate::arguments::{Arguments, Word};
use crate::options::Opened;
use saltire_terminal::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

/// Which environment variables a program sees.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// `--ignore-env`: none of this process's but those that are kept.
    ignore: bool,
    /// `--keep-env-var`
    keep: BTreeSet<String>,
    unset: BTreeSet<String>,
    set: BTreeMap<String, String>,
}

impl Variables {
    /// None of this process's but these.
    pub fn only(keep: impl Iterator<Item = String>) -> Self {
        Self { ignore: true, keep: keep.collect(), ..Self::default() }
    }

    /// Takes an option; false if it is something else.
    pub fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        let name = match word {
            Word::Short(letter) => letter.to_string(),
            Word::Long(name) => name.clone(),
            Word::Plain(_) => return Ok(false),
        };
        match name.as_str() {
            "i" | "ignore-env" | "ignore-environment" => self.ignore = true,
            "k" | "keep-env-var" | "keep" => {
                self.keep.insert(words.value(word)?);
            }
            "u" | "unset-env-var" | "unset" => {
                self.unset.insert(words.value(word)?);
            }
            "s" | "set-env-var" => {
                let name = words.value(word)?;
                self.set.insert(name, words.value(word)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks that the options go together.
    pub fn check(&self) -> Result<(), Failure> {
        if let Some(name) = self.unset.iter().find(|name| self.set.contains_key(*name)) {
            return Err(Failure::new(format_args!(
                "environment variable '{name}' can't be both set and unset"
            )));
        }
        if self.ignore && !self.unset.is_empty() {
            return Err(Failure::new("--unset-env-var does not make sense with --ignore-env"));
        }
        if !self.ignore && !self.keep.is_empty() {
            return Err(Failure::new("--keep-env-var does not make sense without --ignore-env"));
        }
        Ok(())
    }

    /// All that the program sees.
    pub fn all(&self) -> BTreeMap<OsString, OsString> {
        self.of(std::env::vars_os())
    }

    fn of(&self, own: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<OsString, OsString> {
        let is_in = |names: &BTreeSet<String>, name: &OsString| {
            name.to_str().is_some_and(|name| names.contains(name))
        };
        let seen = own.filter(|(name, _)| match self.ignore {
            true => is_in(&self.keep, name),
            false => !is_in(&self.unset, name),
        });
        let mut all: BTreeMap<OsString, OsString> = seen.collect();
        all.extend(self.set.iter().map(|(name, value)| (name.into(), value.into())));
        all
    }
}

/// Where a Bash is besides `PATH`.
const USUAL: [&str; 3] = ["/bin", "/usr/bin", "/run/current-system/sw/bin"];

/// The Bash that this machine has, else that of the embedded package set.
pub fn bash(opened: &Opened) -> Result<PathBuf, Failure> {
    match find("bash".as_ref(), USUAL.map(PathBuf::from)) {
        Some(file) => Ok(file),
        None => Ok(opened.session.bash()?),
    }
}

/// A program's file: if it is named without a directory, the one that `PATH` has.
pub fn along_path(program: &Path) -> PathBuf {
    match program.as_os_str().as_encoded_bytes().contains(&b'/') {
        true => program.to_owned(),
        false => find(program, []).unwrap_or_else(|| program.to_owned()),
    }
}

/// The first file of that name in a directory of `PATH` or in these.
fn find(name: &Path, more: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let files = std::env::split_paths(&path).chain(more).map(|place| place.join(name));
    files.filter(|file| file.is_absolute()).find(|file| file.is_file())
}

/// The working directory that the program was started in, while it is in another one.
static STARTED_IN: OnceLock<PathBuf> = OnceLock::new();

/// Goes to a directory, which names in a script are relative to. Programs that are
/// started find themselves where this one was.
pub fn work_in(directory: &Path) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format_args!("can't go to {}: {error}", directory.display()));
    let here = std::env::current_dir().map_err(failed)?;
    std::env::set_current_dir(directory).map_err(failed)?;
    let _ = STARTED_IN.set(here);
    Ok(())
}

/// The working directory that programs are started in.
pub fn working_directory() -> std::io::Result<PathBuf> {
    STARTED_IN.get().map_or_else(std::env::current_dir, |directory| Ok(directory.clone()))
}

/// Becomes a program, foreign or not, with more environment variables; nothing is
/// left of the session then.
pub fn become_program(
    opened: Opened,
    program: &Path,
    arguments: &[OsString],
    variables: &Variables,
    more: &[(OsString, OsString)],
) -> Result<ExitCode, Failure> {
    let runnable = opened.session.examine(program).map_err(saltire_driver::Error::from)?;
    let mut launch =
        opened.session.launch(program, arguments, runnable, &saltire_driver::Emulators::Only(Vec::new()))?;
    launch = launch.with_environment(variables.all());
    for (name, value) in more {
        launch = launch.with_variable(name, value);
    }
    opened.progress.finish();
    drop(opened);
    if let Some(directory) = STARTED_IN.get() {
        std::env::set_current_dir(directory)
            .map_err(|error| Failure::new(format_args!("can't go to {}: {error}", directory.display())))?;
    }
    Err(launch.exec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &[&str], expected: Result<&str, &str>) {
        let mut words = Arguments::new("nix run", options.iter().map(OsString::from).collect());
        let mut variables = Variables::default();
        while let Some(word) = words.next().ok().flatten() {
            assert!(variables.take(&word, &mut words).unwrap_or(false), "{word}");
        }
        let own = [("A", "1"), ("B", "2")].map(|(name, value)| (name.into(), value.into()));
        let seen = variables.of(own.into_iter());
        let seen: Vec<String> =
            seen.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        match (variables.check(), expected) {
            (Ok(()), Ok(expected)) => assert_eq!(seen.join(" "), expected),
            (Err(error), Err(expected)) => assert!(error.message.contains(expected), "{error:?}"),
            (result, _) => panic!("{options:?}: {result:?}"),
        }
    }

    #[test]
    fn options_choose_what_is_seen() {
        check(&[], Ok("A=1 B=2"));
        check(&["-i"], Ok(""));
        check(&["-i", "-k", "B", "-s", "C", "3"], Ok("B=2 C=3"));
        check(&["--unset-env-var", "A", "-s", "B", "x"], Ok("B=x"));
        check(&["-k", "A"], Err("--keep-env-var does not make sense"));
        check(&["-i", "-u", "A"], Err("--unset-env-var does not make sense"));
        check(&["-u", "A", "-s", "A", "1"], Err("both set and unset"));
    }
}
