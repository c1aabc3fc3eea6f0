//! `nix store add` and its like, `nix store delete`.

use super::{failed, say_freed};
use crate::arguments::{Arguments, Word, exactly, text};
use crate::installable::{Goal, InstallableOptions};
use crate::new::info::{goals, set};
use crate::options::Options;
use saltire_driver::{Session, StorePath};
use saltire_store::DeleteOptions;
use saltire_store_model::nar::{keep_all, measure_tree};
use saltire_store_model::{ContentAddress, HashAlgorithm, Ingestion, References};
use saltire_terminal::{Failure, print};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Text of `nix store add --help`.
pub const ADD_HELP: &str = "\
Usage: nix store add [OPTION]… PATH
       nix store add-file, add-path  the same, with --mode flat and --mode nar

Copies a file to the store and prints where it is.

  -n, --name NAME        its name there (default: its own)
      --mode MODE        what its path follows from: nar (default), flat, text
      --hash-algo ALGORITHM  sha256 (default), sha512, sha1, md5
      --dry-run          only print where it would be
";
/// Text of `nix store delete --help`.
pub const DELETE_HELP: &str = "\
Usage: nix store delete [OPTION]… INSTALLABLE…

Deletes store paths that nothing needs.

  -r, --recursive        also what they need
      --ignore-liveness  also what a root of the garbage collector keeps
      --skip-alive       leave what is needed, which is no error
      --also-referrers   also what needs them
";

/// Runs `nix store add` and `nix store add-path`.
pub fn new_add(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    add(words, options, Ingestion::Nar)
}

/// Runs `nix store add-file`.
pub fn new_add_file(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    add(words, options, Ingestion::Flat)
}

fn add(mut words: Arguments, mut options: Options, mut mode: Ingestion) -> Result<ExitCode, Failure> {
    let (mut name, mut algorithm, mut operands) = (None, HashAlgorithm::Sha256, Vec::new());
    while let Some(word) = words.next()? {
        match &word {
            Word::Short('n') => name = Some(words.value(&word)?),
            Word::Long(option) if option == "name" => name = Some(words.value(&word)?),
            Word::Long(option) if option == "mode" => mode = mode_named(&words.value(&word)?)?,
            Word::Long(option) if option == "hash-algo" => {
                algorithm = HashAlgorithm::from_name(&words.value(&word)?).map_err(Failure::new)?;
            }
            Word::Plain(operand) => operands.push(text(operand.clone())?),
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let [file] = exactly(operands)?;
    let place = std::path::absolute(&file).map_err(|error| Failure::new(format_args!("{file}: {error}")))?;
    let place = saltire_eval::paths::normalise(place.as_os_str().as_encoded_bytes());
    let place = PathBuf::from(String::from_utf8_lossy(&place).into_owned());
    let own = || place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.unwrap_or_else(own);
    let opened = options.open()?;
    let session = &opened.session;
    let path = match options.dry_run {
        true => would_be(session, &name, &place, mode, algorithm)?,
        false => put(session, &name, &place, mode, algorithm)?,
    };
    print(&format!("{}\n", session.store().display(&path)))?;
    Ok(ExitCode::SUCCESS)
}

fn mode_named(name: &str) -> Result<Ingestion, Failure> {
    Ok(match name {
        "nar" => Ingestion::Nar,
        "flat" => Ingestion::Flat,
        "text" => Ingestion::Text,
        _ => {
            return Err(Failure::new(format_args!(
                "Unknown file ingestion method '{name}', expect `flat`, `nar`, or `text`"
            )));
        }
    })
}

/// The content of a file.
fn content(place: &Path) -> Result<Vec<u8>, Failure> {
    if place.is_dir() {
        return Err(Failure::new(format_args!("'{}' is not a regular file", place.display())));
    }
    std::fs::read(place)
        .map_err(|error| Failure::new(format_args!("can't read {}: {error}", place.display())))
}

fn put(
    session: &Session,
    name: &str,
    place: &Path,
    mode: Ingestion,
    algorithm: HashAlgorithm,
) -> Result<StorePath, Failure> {
    let store = session.store();
    let added = match mode {
        Ingestion::Nar => store.add_tree(name, place, algorithm, &mut keep_all),
        Ingestion::Flat | Ingestion::Text => store.add_file(name, &content(place)?, false, mode, algorithm),
    };
    Ok(added.map_err(failed)?.path)
}

/// Where something would be.
fn would_be(
    session: &Session,
    name: &str,
    place: &Path,
    mode: Ingestion,
    algorithm: HashAlgorithm,
) -> Result<StorePath, Failure> {
    let hash = match mode {
        Ingestion::Nar => measure_tree(place, algorithm, &mut keep_all).map_err(Failure::new)?.0,
        Ingestion::Flat | Ingestion::Text => algorithm.hash(content(place)?),
    };
    let address = ContentAddress { ingestion: mode, hash };
    let path =
        session.store().store_dir().make_content_addressed_path(name, &address, &References::default());
    path.map_err(Failure::new)
}

/// Runs `nix store delete`.
pub fn new_delete(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::default();
    let (mut how, mut recursive) = (DeleteOptions::default(), false);
    while let Some(word) = words.next()? {
        let known = match &word {
            Word::Short('r') => set(&mut recursive),
            Word::Long(name) => match name.as_str() {
                "recursive" => set(&mut recursive),
                "ignore-liveness" => set(&mut how.ignore_roots),
                "skip-alive" | "skip-live" => set(&mut how.skip_alive),
                "also-referrers" => set(&mut how.referrers),
                _ => false,
            },
            _ => false,
        };
        if !known && !installables.take(&word, &mut words)? && !options.take(&word, &mut words)? {
            return Err(words.unknown(&word));
        }
    }
    options.impure |= installables.has_file();
    let opened = options.open()?;
    let session = &opened.session;
    let mut paths = BTreeSet::new();
    for goal in goals(&opened, &installables, &mut options)? {
        match goal {
            Goal::Path(path) => drop(paths.insert(path)),
            Goal::Built(wanted) => {
                for output in &wanted.outputs {
                    paths.insert(session.output(&wanted.derivation, output)?);
                }
            }
        }
    }
    if recursive {
        paths = session.store().query_closure(&paths).map_err(failed)?;
    }
    say_freed(&session.store().delete_paths(&paths, how).map_err(failed)?)?;
    Ok(ExitCode::SUCCESS)
}
