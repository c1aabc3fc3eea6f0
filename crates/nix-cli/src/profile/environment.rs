//! Trees of links to packages.
//!
//! A directory that only one package has is a link to it; one that several have is made
//! of links to what is in them. Of files with the same name the one of the package with
//! the lower priority number counts. Source of the rules: the Nix manual,
//! `nix-env --set-flag priority` and `nix profile add`, "Conflicts".

use saltire_driver::{Error, Session, StorePath};
use saltire_store_model::nar::{keep_all, summarize_tree};
use saltire_store_model::{ContentAddress, Ingestion, PathInfo, References};
use saltire_terminal::Failure;
use std::collections::{BTreeSet, HashMap};
use std::io::BufReader;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The priority of a package that names none.
pub const USUAL_PRIORITY: i64 = 5;

/// Files that each package may have for itself.
const IGNORED: [&str; 7] = [
    "/propagated-build-inputs",
    "/nix-support",
    "/perllocal.pod",
    "/info/dir",
    "/log",
    "/manifest.nix",
    "/manifest.json",
];

/// Two packages of the same priority that have the same file.
#[derive(Debug)]
pub struct Conflict {
    /// The file of the one that was there first.
    pub first: PathBuf,
    /// The file of the other.
    pub second: PathBuf,
    /// Their priority.
    pub priority: i64,
}

/// Why there is no tree.
pub enum Problem {
    /// Two packages have the same file.
    Conflict(Conflict),
    /// Anything else.
    Other(Failure),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

struct Maker<'s> {
    session: &'s Session,
    /// Priorities of the links that were made.
    priorities: HashMap<PathBuf, i64>,
    done: BTreeSet<PathBuf>,
    /// What packages want to be installed with them.
    postponed: BTreeSet<PathBuf>,
}

fn failed(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Problem {
    let text = format!("can't {action} {}", path.display());
    move |error| Problem::Other(Failure::new(format_args!("{text}: {error}")))
}

/// Fills the directory `place` with links to packages: paths in the store with their
/// priorities.
pub fn link_packages(session: &Session, packages: &[(String, i64)], place: &Path) -> Result<(), Problem> {
    let mut maker =
        Maker { session, priorities: HashMap::new(), done: BTreeSet::new(), postponed: BTreeSet::new() };
    let mut sorted: Vec<(i64, &String)> = packages.iter().map(|(path, priority)| (*priority, path)).collect();
    sorted.sort();
    for (priority, package) in sorted {
        maker.package(Path::new(package), place, priority)?;
    }
    // Behind everything that was asked for.
    let mut priority = 1000;
    while !maker.postponed.is_empty() {
        for package in std::mem::take(&mut maker.postponed) {
            maker.package(&package, place, priority)?;
            priority += 1;
        }
    }
    Ok(())
}

impl Maker<'_> {
    fn physical(&self, logical: &Path) -> PathBuf {
        self.session.store().location().to_physical(logical)
    }

    /// What a path is, where links are followed in the store as it is for its users.
    fn resolve(&self, logical: &Path) -> Option<PathBuf> {
        /// More links than that are a cycle.
        const LINKS: usize = 40;
        let mut path = logical.to_owned();
        for _ in 0..LINKS {
            match std::fs::read_link(self.physical(&path)) {
                Ok(target) => {
                    let joined = path.parent().unwrap_or(Path::new("/")).join(target);
                    let normal = saltire_eval::paths::normalise(joined.as_os_str().as_encoded_bytes());
                    path = PathBuf::from(String::from_utf8_lossy(&normal).into_owned());
                }
                Err(_) => return Some(path),
            }
        }
        None
    }

    fn package(&mut self, package: &Path, place: &Path, priority: i64) -> Result<(), Problem> {
        if !self.done.insert(package.to_owned()) {
            return Ok(());
        }
        let is_directory = self.resolve(package).is_some_and(|path| self.physical(&path).is_dir());
        if !is_directory {
            eprintln!(
                "warning: not including \"{}\" in the user environment because it's not a directory",
                package.display()
            );
            return Ok(());
        }
        self.links(package, place, priority)?;
        let more = self.physical(&package.join("nix-support/propagated-user-env-packages"));
        let more = std::fs::read_to_string(more).unwrap_or_default();
        let new = more.split_whitespace().map(PathBuf::from).filter(|path| !self.done.contains(path));
        self.postponed.extend(new);
        Ok(())
    }

    /// Makes links in `place` to what is in a directory of the store.
    fn links(&mut self, source: &Path, place: &Path, priority: i64) -> Result<(), Problem> {
        let physical = self.physical(&self.resolve(source).unwrap_or_else(|| source.to_owned()));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&physical).map_err(failed("read", &physical))? {
            names.push(entry.map_err(failed("read", &physical))?.file_name());
        }
        names.sort();
        for name in names {
            let (from, to) = (source.join(&name), place.join(&name));
            let text = from.to_string_lossy();
            if name.as_encoded_bytes().starts_with(b".") || IGNORED.iter().any(|end| text.ends_with(end)) {
                continue;
            }
            let kind = self.resolve(&from).and_then(|path| self.physical(&path).symlink_metadata().ok());
            match kind {
                None => eprintln!("warning: skipping dangling symlink '{text}'"),
                Some(kind) if kind.is_dir() => self.directory(&from, &to, priority)?,
                Some(_) => self.file(&from, &to, priority)?,
            }
        }
        Ok(())
    }

    fn directory(&mut self, from: &Path, to: &Path, priority: i64) -> Result<(), Problem> {
        match to.symlink_metadata() {
            Ok(present) if present.is_dir() => return self.links(from, to, priority),
            Ok(_) => {
                let target = std::fs::read_link(to).map_err(failed("read", to))?;
                let is_directory = self.resolve(&target).is_some_and(|path| self.physical(&path).is_dir());
                if !is_directory {
                    return Err(Failure::new(format_args!(
                        "collision between '{}' and non-directory '{}'",
                        from.display(),
                        target.display()
                    ))
                    .into());
                }
                std::fs::remove_file(to).map_err(failed("remove", to))?;
                std::fs::create_dir(to).map_err(failed("create", to))?;
                let before = self.priorities.get(to).copied().unwrap_or(priority);
                self.links(&target, to, before)?;
                return self.links(from, to, priority);
            }
            Err(_) => {}
        }
        self.link(from, to, priority)
    }

    fn file(&mut self, from: &Path, to: &Path, priority: i64) -> Result<(), Problem> {
        match to.symlink_metadata() {
            Ok(present) if present.is_dir() => {
                return Err(Failure::new(format_args!(
                    "collision between non-directory '{}' and directory '{}'",
                    from.display(),
                    to.display()
                ))
                .into());
            }
            Ok(_) => {
                let before = self.priorities.get(to).copied().unwrap_or(priority);
                if before == priority {
                    let first = std::fs::read_link(to).map_err(failed("read", to))?;
                    return Err(Problem::Conflict(Conflict { first, second: from.to_owned(), priority }));
                }
                if before < priority {
                    return Ok(());
                }
                std::fs::remove_file(to).map_err(failed("remove", to))?;
            }
            Err(_) => {}
        }
        self.link(from, to, priority)
    }

    fn link(&mut self, from: &Path, to: &Path, priority: i64) -> Result<(), Problem> {
        symlink(from, to).map_err(failed("create", to))?;
        self.priorities.insert(to.to_owned(), priority);
        Ok(())
    }
}

/// Adds a tree that refers to other paths to the store, under a name that follows from
/// its content.
pub fn add_with_references(
    session: &Session,
    name: &str,
    place: &Path,
    references: BTreeSet<StorePath>,
) -> Result<StorePath, Failure> {
    let store = session.store();
    let summary = summarize_tree(place, &mut keep_all).map_err(Failure::new)?;
    let address = ContentAddress { ingestion: Ingestion::Nar, hash: summary.hash };
    let all = References { others: references.clone(), to_self: false };
    let path = store.store_dir().make_content_addressed_path(name, &address, &all).map_err(Failure::new)?;
    let mut info = PathInfo::new(path.clone(), summary.hash, summary.size);
    info.references = references;
    info.content_address = Some(address);
    let (reader, writer) =
        std::io::pipe().map_err(|error| Failure::new(format_args!("can't make a pipe: {error}")))?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            saltire_store_model::nar::write_tree(place, std::io::BufWriter::new(writer), &mut keep_all)
                .map_err(|error| error.to_string())
                .and_then(|mut sink| std::io::Write::flush(&mut sink).map_err(|error| error.to_string()))
        });
        let added = store.add_nar(&info, &mut BufReader::new(reader));
        let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // If the path was there already, nobody read.
        match added {
            Ok(()) => Ok(()),
            Err(error) => Err(written.err().map_or_else(|| Error::from(error).into(), Failure::new)),
        }
    })?;
    Ok(path)
}
