//! Profiles: what a user has installed, in generations that can be gone back to.
//!
//! As in Nix: a profile is a link `NAME` to one of the links `NAME-N-link` beside it,
//! each of which is a root of the garbage collector. A generation is a tree of links to
//! the packages, with a list of them in `manifest.json` (`nix profile`) or
//! `manifest.nix` (`nix-env`).

pub mod commands;
pub mod elements;
pub mod environment;
pub mod installed;
mod manifest;
mod query;
mod xml;

use saltire_driver::{Error, Session, StorePath};
use saltire_terminal::Failure;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A profile that nobody else changes meanwhile.
pub struct Profile {
    /// The link.
    pub link: PathBuf,
    /// Keeps others away until it is dropped.
    _lock: std::fs::File,
}

/// A state of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Counted from 1.
    pub number: u64,
    /// The link.
    pub link: PathBuf,
    /// When it was made.
    pub created: SystemTime,
}

/// Which generations to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// All but the current one.
    Old,
    /// Those that were current for the last time longer ago than this.
    OlderThan(Duration),
    /// All but the last so many before the current one, and it.
    AllBut(usize),
    /// Those with these numbers.
    Numbers(Vec<u64>),
}

fn file_failed(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let text = format!("can't {action} {}", path.display());
    move |error| Failure::new(format_args!("{text}: {error}"))
}

fn absolute_variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The user's own profile: where `~/.nix-profile` leads to, which is made if it is not
/// there.
fn default_profile(session: &Session) -> Result<PathBuf, Failure> {
    let home =
        absolute_variable("HOME").ok_or_else(|| Failure::new("HOME is not set to an absolute path"))?;
    let link = home.join(".nix-profile");
    if let Ok(target) = std::fs::read_link(&link) {
        return Ok(home.join(target));
    }
    let profile = profiles_directory(session)?.join("profile");
    symlink(&profile, &link).map_err(file_failed("create", &link))?;
    Ok(profile)
}

/// Where the user's profiles are: in the store's state for root, else at home.
pub fn profiles_directory(session: &Session) -> Result<PathBuf, Failure> {
    let directory = if rustix::process::geteuid().is_root() {
        session.store().location().state_dir.join("profiles/per-user/root")
    } else {
        let state = absolute_variable("XDG_STATE_HOME")
            .or_else(|| Some(absolute_variable("HOME")?.join(".local/state")))
            .ok_or_else(|| Failure::new("HOME is not set to an absolute path"))?;
        state.join("nix/profiles")
    };
    std::fs::create_dir_all(&directory).map_err(file_failed("create", &directory))?;
    Ok(directory)
}

impl Profile {
    /// Opens a profile, the user's own one unless another is named, and waits for
    /// others that change it.
    pub fn open(session: &Session, named: Option<&str>) -> Result<Self, Failure> {
        let link = match named {
            Some(path) => std::path::absolute(path).map_err(file_failed("find", path.as_ref()))?,
            None => default_profile(session)?,
        };
        let directory = link.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(directory).map_err(file_failed("create", directory))?;
        let mut name = link.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let lock = options.open(&path).map_err(file_failed("open", &path))?;
        lock.lock().map_err(file_failed("lock", &path))?;
        Ok(Self { link, _lock: lock })
    }

    fn name(&self) -> String {
        self.link.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn directory(&self) -> &Path {
        self.link.parent().unwrap_or(Path::new("/"))
    }

    /// The number in the name of a generation's link.
    fn number_of(&self, file: &str) -> Option<u64> {
        file.strip_prefix(&self.name())?.strip_prefix('-')?.strip_suffix("-link")?.parse().ok()
    }

    /// All generations, the oldest first.
    pub fn generations(&self) -> Result<Vec<Generation>, Failure> {
        let directory = self.directory();
        let mut generations = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(file_failed("read", directory))? {
            let entry = entry.map_err(file_failed("read", directory))?;
            if let Some(number) = self.number_of(&entry.file_name().to_string_lossy()) {
                let metadata = entry.metadata().map_err(file_failed("read", &entry.path()))?;
                let created = metadata.modified().unwrap_or(UNIX_EPOCH);
                generations.push(Generation { number, link: entry.path(), created });
            }
        }
        generations.sort_by_key(|generation| generation.number);
        Ok(generations)
    }

    /// The number of the generation that is current.
    pub fn current(&self) -> Option<u64> {
        let target = std::fs::read_link(&self.link).ok()?;
        self.number_of(&target.file_name()?.to_string_lossy())
    }

    /// Where the files of the current generation are, physically; nothing if there is
    /// none.
    pub fn files(&self, session: &Session) -> Option<PathBuf> {
        let target = self.directory().join(std::fs::read_link(&self.link).ok()?);
        let place = std::fs::read_link(&target).map_or(target.clone(), |place| self.directory().join(place));
        Some(session.store().location().to_physical(&place))
    }

    /// Makes a new generation of a store path and makes it current. One like the last
    /// one is that one.
    pub fn set(&self, session: &Session, path: &StorePath) -> Result<(), Failure> {
        let generations = self.generations()?;
        if let Some(last) = generations.last()
            && generation_path(session, last).as_ref() == Some(path)
        {
            return self.switch(last.number);
        }
        let number = generations.last().map_or(1, |last| last.number + 1);
        let link = self.directory().join(format!("{}-{number}-link", self.name()));
        session.store().add_root(&link, path).map_err(Error::from)?;
        self.switch(number)
    }

    fn switch(&self, number: u64) -> Result<(), Failure> {
        let name = format!("{}-{number}-link", self.name());
        let temporary = self.directory().join(format!(".{}-{}.new", self.name(), std::process::id()));
        let _ = std::fs::remove_file(&temporary);
        symlink(&name, &temporary).map_err(file_failed("create", &temporary))?;
        std::fs::rename(&temporary, &self.link).map_err(file_failed("replace", &self.link))
    }

    /// Goes to another generation, the one before the current one unless it is named.
    pub fn go_to(&self, wanted: Option<u64>, dry_run: bool) -> Result<(), Failure> {
        let current = self.current().unwrap_or(0);
        let generations = self.generations()?;
        let before = generations.iter().rev().map(|one| one.number).find(|number| *number < current);
        let number = match wanted {
            Some(number) if generations.iter().any(|one| one.number == number) => number,
            Some(number) => {
                return Err(Failure::new(format_args!("profile version {number} does not exist")));
            }
            None => before.ok_or_else(|| {
                Failure::new(format_args!("no profile version older than the current ({current}) exists"))
            })?,
        };
        eprintln!("switching profile from version {current} to {number}");
        if dry_run { Ok(()) } else { self.switch(number) }
    }

    /// Deletes generations.
    pub fn delete(&self, unwanted: &Unwanted, dry_run: bool) -> Result<(), Failure> {
        let current = self.current().unwrap_or(0);
        let generations = self.generations()?;
        for generation in unwanted.among(&generations, current, SystemTime::now())? {
            let verb = if dry_run { "would remove" } else { "removing" };
            eprintln!("{verb} profile version {}", generation.number);
            if !dry_run {
                std::fs::remove_file(&generation.link).map_err(file_failed("remove", &generation.link))?;
            }
        }
        Ok(())
    }
}

/// The store path of a generation.
pub fn generation_path(session: &Session, generation: &Generation) -> Option<StorePath> {
    let target = std::fs::read_link(&generation.link).ok()?;
    session.store().store_path_of(&target)
}

impl Unwanted {
    /// Reads what `--delete-generations` is given.
    pub fn parse(words: &[String]) -> Result<Self, Failure> {
        let wrong = |word: &str| Failure::new(format_args!("invalid number of generations '{word}'"));
        match words {
            [word] if word == "old" => Ok(Self::Old),
            [word] if word.ends_with('d') => Self::older_than(word),
            [word] if word.starts_with('+') => word[1..].parse().map(Self::AllBut).map_err(|_| wrong(word)),
            words => {
                let numbers = words.iter().map(|word| word.parse().map_err(|_| wrong(word)));
                numbers.collect::<Result<_, _>>().map(Self::Numbers)
            }
        }
    }

    /// Reads an age in days, such as `30d`.
    pub fn older_than(word: &str) -> Result<Self, Failure> {
        const DAY: u64 = 86_400;
        let days = word.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()).filter(|days| *days > 0);
        let days = days.ok_or_else(|| {
            Failure::new(format_args!(
                "invalid number of days specifier '{word}', expected something like '14d'"
            ))
        })?;
        Ok(Self::OlderThan(Duration::from_secs(days.saturating_mul(DAY))))
    }

    fn among<'g>(
        &self,
        all: &'g [Generation],
        current: u64,
        now: SystemTime,
    ) -> Result<Vec<&'g Generation>, Failure> {
        let others = all.iter().filter(|one| one.number != current);
        Ok(match self {
            Self::Old => others.collect(),
            Self::Numbers(numbers) if numbers.contains(&current) => {
                return Err(Failure::new(format_args!(
                    "cannot delete current version of profile ({current})"
                )));
            }
            Self::Numbers(numbers) => others.filter(|one| numbers.contains(&one.number)).collect(),
            Self::AllBut(count) => {
                let kept = all.iter().rev().filter(|one| one.number <= current).take(*count);
                let oldest = kept.last().map_or(current, |one| one.number);
                others.filter(|one| one.number < oldest).collect()
            }
            Self::OlderThan(age) => {
                let is_old =
                    |one: &Generation| now.duration_since(one.created).is_ok_and(|passed| passed > *age);
                // The youngest of the old ones was current at that time.
                let kept = all.iter().rev().find(|one| is_old(one)).map_or(0, |one| one.number);
                others.filter(|one| is_old(one) && one.number != kept).collect()
            }
        })
    }
}

/// All profiles of the machine and of the user, for `nix-collect-garbage -d`.
pub fn all_profiles(session: &Session) -> Vec<PathBuf> {
    let mut pending = vec![session.store().location().state_dir.join("profiles")];
    pending.extend(profiles_directory(session));
    let mut profiles = std::collections::BTreeSet::new();
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(path),
                Ok(kind) if kind.is_symlink() && leads_to_generation(&path) => drop(profiles.insert(path)),
                _ => {}
            }
        }
    }
    profiles.into_iter().collect()
}

fn leads_to_generation(path: &Path) -> bool {
    let name = path.file_name().map(|name| format!("{}-", name.to_string_lossy())).unwrap_or_default();
    std::fs::read_link(path).is_ok_and(|target| {
        let target = target.to_string_lossy();
        target.starts_with(&name) && target.ends_with("-link")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_to_delete_are_chosen() {
        const DAY: u64 = 86_400;
        let at = |number: u64| UNIX_EPOCH + Duration::from_secs(number * DAY);
        let all: Vec<_> =
            (1..=5).map(|number| Generation { number, link: PathBuf::new(), created: at(number) }).collect();
        let check = |words: &[&str], expected: &[u64]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let unwanted = Unwanted::parse(&words).unwrap();
            let chosen = unwanted.among(&all, 4, at(6)).unwrap();
            assert_eq!(chosen.iter().map(|one| one.number).collect::<Vec<_>>(), expected, "{words:?}");
        };
        check(&["old"], &[1, 2, 3, 5]);
        check(&["1", "3"], &[1, 3]);
        check(&["+2"], &[1, 2]);
        check(&["2d"], &[1, 2]);
        check(&["9d"], &[]);
        assert!(Unwanted::Numbers(vec![4]).among(&all, 4, at(6)).is_err());
        assert!(Unwanted::parse(&["x".to_owned()]).is_err() && Unwanted::older_than("0d").is_err());
    }
}
