//! What evaluating flakes gave before, on disk.
//!
//! Evaluation of a locked flake is pure: what comes out follows from the lock file,
//! the fetched trees, the settings of the evaluator, the program itself, and the
//! question. All of that but the question is the *fingerprint*, a directory below
//! `$XDG_CACHE_HOME/saltire/flakes`; a question is a file in it. So attributes are
//! evaluated as they are asked for, processes can share a cache without locks (files
//! appear whole), and a damaged file (a checksum comes first) or one that can't be
//! written is as good as none.
//!
//! An answer that names a derivation is only good while that is in the store, so the
//! file says which store paths it needs. Failures are not kept: asking again shows
//! the whole error. Trees that differ from any commit count as well: they are known
//! by their content.

use crate::session::Session;
use saltire_flake::LockedFlake;
use saltire_store_model::{Hash, StorePath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How many flakes, in all their versions, are remembered.
const MOST_FLAKES: usize = 500;

/// Version of the files' format.
const FORMAT: u32 = 1;

/// What is known about one locked flake.
pub struct Answers<'a> {
    session: &'a Session,
    directory: PathBuf,
}

/// What stands before an answer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    question: String,
    /// Of each, one path must be valid.
    needs: Vec<Vec<String>>,
}

impl Session {
    /// What is known about a locked flake; `None` if answers about it can't be kept,
    /// as evaluation is not pure or the cache is switched off.
    pub fn answers(&self, flake: &LockedFlake) -> Option<Answers<'_>> {
        let settings = &self.settings;
        // What evaluation does besides giving a value would be missed.
        let shows_more = settings.profile.is_some()
            || settings.abort_on_warn
            || settings.trace_verbose
            || !settings.lints.are_off()
            || self.is_watched();
        if !settings.pure || !settings.eval_cache || shows_more || settings.native_code {
            return None;
        }
        let call = self.flakes().call(flake).ok()?;
        let program = std::fs::metadata("/proc/self/exe").ok()?;
        let mut text = format!("{FORMAT} {} {} {}", env!("CARGO_PKG_VERSION"), program.size(), program.ino());
        // Writing to a string can't fail.
        let _ = write!(
            text,
            " {} {} {} {} {} {}\n{call:?}",
            program.mtime(),
            program.mtime_nsec(),
            self.store().store_dir().as_str(),
            settings.pipe_operators,
            settings.max_call_depth,
            settings.import_from_derivation,
        );
        let directory = self.cache_directory().join("flakes").join(Hash::sha256(text).to_nix_base32());
        Some(Answers { session: self, directory })
    }
}

impl Answers<'_> {
    fn file(&self, question: &str) -> PathBuf {
        self.directory.join(Hash::sha256(question).to_nix_base32())
    }

    /// The answer to a question, if it is known and what it names is in the store.
    pub fn get(&self, question: &str) -> Option<Vec<u8>> {
        let (header, answer) = parse(&std::fs::read(self.file(question)).ok()?)?;
        let known = header.question == question && header.needs.iter().all(|paths| self.any_valid(paths));
        known.then_some(answer)
    }

    fn any_valid(&self, paths: &[String]) -> bool {
        let store = self.session.store();
        paths.iter().any(|path| {
            // A root first: the collector may be at work.
            store.store_dir().parse(path).is_ok_and(|path| {
                store.add_temp_root(&path).is_ok() && store.is_valid(&path).unwrap_or(false)
            })
        })
    }

    /// Remembers an answer, if all derivations that it names are in the store. A cache
    /// that can't be written is done without.
    pub fn put(&self, question: &str, answer: &[u8]) {
        if let Some(needs) = self.needs(answer) {
            let header = Header { question: question.to_owned(), needs };
            let _ = self.write(&self.file(question), &print(&header, answer));
        }
    }

    /// For each path that the answer names: it, and the derivations that make it. What
    /// neither is there nor can be made is text.
    fn needs(&self, answer: &[u8]) -> Option<Vec<Vec<String>>> {
        let store = self.session.store();
        let mut needs = Vec::new();
        for path in mentioned(store.store_dir().as_str(), answer) {
            let valid = store.is_valid(&path).ok()?;
            if path.is_derivation() && !valid {
                return None;
            }
            let makers = store.query_valid_derivers(&path).ok()?;
            if valid || !makers.is_empty() {
                let all = std::iter::once(&path).chain(&makers);
                needs.push(all.map(|path| store.display(path)).collect());
            }
        }
        Some(needs)
    }

    fn write(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        if !self.directory.is_dir() {
            std::fs::create_dir_all(&self.directory)?;
            forget_old(self.directory.parent().unwrap_or(&self.directory), MOST_FLAKES)?;
        }
        let file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory)?;
        std::fs::write(file.path(), text)?;
        file.persist(path)?;
        Ok(())
    }
}

fn print(header: &Header, answer: &[u8]) -> Vec<u8> {
    let mut rest = serde_json::to_vec(header).unwrap_or_default();
    rest.push(b'\n');
    rest.extend_from_slice(answer);
    let mut text = Hash::sha256(&rest).to_base16().into_bytes();
    text.push(b'\n');
    text.append(&mut rest);
    text
}

fn parse(text: &[u8]) -> Option<(Header, Vec<u8>)> {
    let (checksum, rest) = split_line(text)?;
    if Hash::sha256(rest).to_base16().as_bytes() != checksum {
        return None;
    }
    let (header, answer) = split_line(rest)?;
    Some((serde_json::from_slice(header).ok()?, answer.to_owned()))
}

fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    Some((&text[..end], &text[end + 1..]))
}

/// The store paths in a text.
fn mentioned(store: &str, text: &[u8]) -> BTreeSet<StorePath> {
    let prefix = format!("{store}/");
    let mut found = BTreeSet::new();
    for at in bstr::ByteSlice::find_iter(text, prefix.as_bytes()) {
        let rest = &text[at + prefix.len()..];
        let is_part = |byte: &u8| saltire_store_model::store_path::is_name_character(*byte);
        let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        found.extend(StorePath::from_base_name(&rest[..end]));
    }
    found
}

/// Removes the directories that were made first when there are too many; never one
/// that is younger than an hour.
fn forget_old(directory: &Path, most: usize) -> io::Result<()> {
    let mut all: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        all.push((entry.metadata()?.modified()?, entry.path()));
    }
    if all.len() > most {
        all.sort();
        let limit = SystemTime::now() - Duration::from_secs(3_600);
        let count = all.len() - most / 2;
        for (_, path) in all.into_iter().take(count).filter(|(time, _)| *time < limit) {
            // Another process may be doing the same.
            let _ = std::fs::remove_dir_all(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_not_read() {
        let header = Header { question: "a\nb".into(), needs: vec![vec!["/s/x".into()]] };
        let text = print(&header, b"answer\n\xff");
        assert_eq!(parse(&text), Some((header, b"answer\n\xff".to_vec())));
        for cut in [0, 1, 64, 65, 80, text.len() - 1] {
            assert_eq!(parse(&text[..cut]), None, "{cut}");
        }
        for at in [0, 64, 70, text.len() - 1] {
            let mut text = text.clone();
            text[at] ^= 1;
            assert_eq!(parse(&text), None, "{at}");
        }
    }

    #[test]
    fn store_paths_are_found_in_text() {
        let hash = "0123456789abcdfghijklmnpqrsvwxyz";
        let text = format!("\"/s/{hash}-a.drv\" /s/{hash}-b/bin/x /s/short-c");
        let found: Vec<_> =
            mentioned("/s", text.as_bytes()).iter().map(|path| path.name().to_owned()).collect();
        assert_eq!(found, ["a.drv", "b"]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - Duration::from_secs(86_400);
        for index in 0..6u64 {
            let path = directory.path().join(index.to_string());
            std::fs::create_dir(&path).unwrap();
            let time = if index == 0 { SystemTime::now() } else { old + Duration::from_secs(index) };
            std::fs::File::open(&path).unwrap().set_modified(time).unwrap();
        }
        forget_old(directory.path(), 6).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 6);
        forget_old(directory.path(), 4).unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["0", "5"]);
    }
}
