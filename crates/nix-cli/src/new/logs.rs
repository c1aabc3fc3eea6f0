//! Logs of builds: `nix log` and `nix store copy-log`.

use super::copy::open;
use super::info::{goals, parse, paths};
use crate::arguments::{Arguments, Word};
use crate::installable::{Goal, InstallableOptions};
use crate::options::Options;
use saltire_driver::{OtherStore, Session, StorePath};
use saltire_terminal::{Failure, print_bytes};
use std::process::ExitCode;

/// Text of `nix log --help`.
pub const LOG_HELP: &str = "\
Usage: nix log [--store STORE] INSTALLABLE…

Prints the log of a build: that of this store (or STORE), else that of a binary cache.
";
/// Text of `nix store copy-log --help`.
pub const COPY_LOG_HELP: &str = "\
Usage: nix store copy-log [--from STORE] [--to STORE] INSTALLABLE…

Copies the logs of builds from one store to another; the one that is not named is this
store. Logs can be had from stores on this machine and from binary caches, and sent
to stores on this machine, file:///DIRECTORY and ssh-ng://HOST.
";

/// Runs `nix log`.
pub fn log(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let installables = parse(&mut words, &mut options, |_| false)?;
    let (opened, store) = open(&mut options)?;
    let session = &opened.session;
    for installable in installables.all(&mut options, Some("."))? {
        let goals = installable.goals(session, &options)?;
        opened.progress.finish();
        for path in paths(session, &goals, true)? {
            show(session, &store, &path, &installable.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the log of a path's build, which the user called `name`.
pub(crate) fn show(
    session: &Session,
    store: &OtherStore,
    path: &StorePath,
    name: &str,
) -> Result<(), Failure> {
    let Some((log, place)) = session.find_log(store, path)? else {
        return Err(Failure::new(format_args!("build log of '{name}' is not available")));
    };
    eprintln!("got build log for '{name}' from '{place}'");
    print_bytes(&log)
}

/// Runs `nix store copy-log`.
pub fn copy_log(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::default();
    let (mut from, mut to) = (None, None);
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if name == "from" => from = Some(words.value(&word)?),
            Word::Long(name) if name == "to" => to = Some(words.value(&word)?),
            _ if installables.take(&word, &mut words)? || options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    if from.is_none() && to.is_none() {
        return Err(Failure::new("you must pass '--from' and/or '--to'"));
    }
    options.impure |= installables.has_file();
    let (opened, here) = open(&mut options)?;
    let session = &opened.session;
    let from = from.map_or(Ok(here), |address| OtherStore::open(&address, session))?;
    let to = OtherStore::open(to.as_deref().unwrap_or("auto"), session)?;
    for goal in goals(&opened, &installables, &mut options)? {
        let derivation = derivation_of(session, &from, &goal)?;
        match from.log(&derivation)? {
            Some(log) => to.add_log(&derivation, &log)?,
            None => {
                let path = session.store().display(&derivation);
                return Err(Failure::new(format_args!("build log for '{path}' is not available")));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The derivation that something is built by, as a store knows it.
fn derivation_of(session: &Session, store: &OtherStore, goal: &Goal) -> Result<StorePath, Failure> {
    let path = match goal {
        Goal::Built(wanted) => return Ok(wanted.derivation.clone()),
        Goal::Path(path) if path.is_derivation() => return Ok(path.clone()),
        Goal::Path(path) => path,
    };
    let deriver = store.info(path)?.and_then(|known| known.info().deriver.clone());
    deriver.ok_or_else(|| {
        let path = session.store().display(path);
        Failure::new(format_args!("'{path}' does not have a known deriver"))
    })
}
