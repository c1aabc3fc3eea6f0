//! What a store knows of its paths, as text: `nix-store --dump-db`, `--load-db`,
//! `--register-validity`; and keys: `--generate-binary-cache-key`.
//!
//! For each path there are lines: the path, (its NAR's hash in base 16, its NAR's size,)
//! its deriver (perhaps empty), the number of references, the references.

use super::{failed, parse_path};
use crate::new::copy::new_key;
use saltire_driver::{Error, Session, StorePath};
use saltire_store::{Registration, canonicalise};
use saltire_store_model::nar::{keep_all, summarize_tree};
use saltire_store_model::{Hash, HashAlgorithm, PathInfo};
use saltire_terminal::{Failure, print};
use std::collections::BTreeMap;
use std::io::BufRead;

/// Prints what is known of paths, or of all.
pub fn dump(session: &Session, names: &[String]) -> Result<(), Failure> {
    let store = session.store();
    let mut paths: Vec<StorePath> =
        names.iter().map(|name| parse_path(session, name)).collect::<Result<_, Error>>()?;
    if paths.is_empty() {
        paths.extend(store.query_all_valid_paths().map_err(failed)?);
    }
    let mut output = String::new();
    for path in &paths {
        let info = store.path_info(path).map_err(failed)?;
        let deriver = info.deriver.as_ref().map(|path| store.display(path)).unwrap_or_default();
        output += &format!("{}\n{}\n{}\n", store.display(path), info.nar_hash.to_base16(), info.nar_size);
        output += &format!("{deriver}\n{}\n", info.references.len());
        output.extend(info.references.iter().map(|path| format!("{}\n", store.display(path))));
    }
    print(&output)
}

/// Registers what standard input says.
pub fn load(session: &Session, hash_given: bool, again: bool) -> Result<(), Failure> {
    let store = session.store();
    let mut lines = std::io::stdin().lock().lines();
    let mut line = || match lines.next() {
        Some(line) => line.map(Some).map_err(|error| Failure::new(format_args!("can't read: {error}"))),
        None => Ok(None),
    };
    let mut registrations = Vec::new();
    while let Some(path) = line()? {
        let mut need = || line()?.ok_or_else(|| Failure::new("the input ends too early"));
        let path = session.parse(&path)?;
        let hash = match hash_given {
            true => {
                let hash = Hash::parse(&need()?, Some(HashAlgorithm::Sha256)).map_err(Failure::new)?;
                Some((hash, number(&need()?)?))
            }
            false => None,
        };
        let deriver = need()?;
        let mut references = Vec::new();
        for _ in 0..number(&need()?)? {
            references.push(session.parse(&need()?)?);
        }
        if store.is_valid(&path).map_err(failed)? && !again {
            continue;
        }
        let (hash, size) = match hash {
            Some(known) => known,
            None => {
                let place = store.physical_path(&path);
                canonicalise(&place).map_err(failed)?;
                let found = summarize_tree(&place, &mut keep_all).map_err(Failure::new)?;
                (found.hash, found.size)
            }
        };
        let mut info = PathInfo::new(path.clone(), hash, size);
        info.references.extend(references);
        info.deriver = if deriver.is_empty() { None } else { Some(session.parse(&deriver)?) };
        let derivation_outputs = match path.is_derivation() {
            true => {
                let derivation = store.read_derivation(&path).map_err(failed)?;
                derivation.output_paths(store.store_dir()).map_err(Failure::new)?
            }
            false => BTreeMap::new(),
        };
        registrations.push(Registration { info, derivation_outputs });
    }
    store.register(&registrations).map_err(failed)
}

fn number(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::new(format_args!("'{text}' is not a number")))
}

/// Writes a new pair of keys to two files.
pub fn generate_key(operands: &[String]) -> Result<(), Failure> {
    let [name, secret_file, public_file] = operands else {
        return Err(Failure::new("three arguments expected: a name, and the files for both keys"));
    };
    let key = new_key(name)?;
    let write = |file: &str, text: &str, mode: u32| {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let written =
            options.open(file).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        written.map_err(|error| Failure::new(format_args!("can't write {file}: {error}")))
    };
    write(public_file, &key.public_key().to_text(), 0o644)?;
    write(secret_file, &key.to_text(), 0o600)
}
