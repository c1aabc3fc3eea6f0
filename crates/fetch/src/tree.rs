//! From an input to a tree of files on disk.
//!
//! [`Fetcher::lock`] finds out which version an input means, [`Fetcher::fetch`] gets it.
//! What was fetched before is the caller's to remember; clones of Git repositories are
//! kept below [`Fetcher::cache`].

use crate::archive::{UnpackError, unpack_archive};
use crate::download::{Downloader, Observer, Received, Unpinned};
use crate::error::FetchError;
use crate::input::git::Git;
use crate::input::mercurial::{self, Mercurial};
use crate::input::url::Url;
use crate::input::{Forge, Input, InputError, Kind, is_revision};
use rustix::fs::{FlockOperation, flock};
use saltire_store_model::Hash;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use thiserror::Error;

/// What an input holds, on disk.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The directory or file.
    pub path: PathBuf,
    /// The files to take, relative to the directory, with the directories above
    /// them; all if there is none.
    pub files: Option<BTreeSet<PathBuf>>,
    /// The input with all that is known of this version.
    pub input: Input,
    /// The entity tag of the download.
    pub etag: Option<String>,
}

impl Tree {
    pub(crate) fn new(path: PathBuf, input: Input) -> Self {
        Self { path, files: None, input, etag: None }
    }

    /// Whether a path belongs to the tree, `path` being below [`Tree::path`].
    pub fn contains(&self, path: &Path) -> bool {
        let Some(files) = &self.files else { return true };
        let Ok(relative) = path.strip_prefix(&self.path) else { return true };
        // Paths are ordered part by part: what is in a directory comes right behind it.
        relative.as_os_str().is_empty()
            || files.range(relative.to_owned()..).next().is_some_and(|file| file.starts_with(relative))
    }
}

/// Why an input could not be had.
#[derive(Debug, Error)]
pub enum TreeError {
    /// The description is wrong.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What was downloaded is no archive.
    #[error("can't unpack {url}: {source}")]
    Unpack {
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        source: UnpackError,
    },
    /// A working tree has changes, which the settings forbid.
    #[error("{kind} tree '{}' is {what}", .path.display(), kind = repositories(.program), what = if *.program == "git" { "dirty" } else { "unclean" })]
    Dirty {
        /// The program of its kind of repositories.
        program: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The program is not there that knows a kind of repositories.
    #[error("the program '{0}' is needed to fetch {kind} repositories, and it is not installed", kind = repositories(.0))]
    NoProgram(&'static str),
    /// The program of a repository failed.
    #[error("'{program} {command}' failed in {}{}", .repository.display(), message_text(.message))]
    Program {
        /// The program.
        program: &'static str,
        /// The directory in which it ran.
        repository: PathBuf,
        /// Its first argument.
        command: String,
        /// What it said.
        message: String,
    },
    /// No directory is there.
    #[error("Git repository \"{}\" does not exist.", .0.display())]
    NoRepository(PathBuf),
    /// A clone without its history.
    #[error("'{}' is a shallow Git repository, but shallow repositories are only allowed when `shallow = true;` is specified", .0.display())]
    Shallow(PathBuf),
    /// A branch, tag or commit that is not there.
    #[error("there is no branch, tag or commit '{name}' in {place}")]
    NoCommit {
        /// Its name.
        name: String,
        /// The repository.
        place: String,
    },
    /// A forge's answer that can't be understood.
    #[error("{url} did not say which commit '{name}' is")]
    Answer {
        /// What was asked.
        url: String,
        /// The branch or tag.
        name: String,
    },
    /// A name that no registry has.
    #[error("cannot find flake '{0}' in the flake registries")]
    Indirect(String),
    /// A path that is relative to nothing.
    #[error("cannot fetch input 'path:{0}' because it uses a relative path")]
    Relative(String),
    /// A file can't be read or written.
    #[error("can't {action} {}: {source}", .path.display())]
    File {
        /// "read", "write", …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The user called it off.
    #[error("interrupted")]
    Interrupted,
}

impl TreeError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::Dirty { .. } => Some("commit the changes, or set 'allow-dirty'".into()),
            Self::Shallow(_) => {
                Some("get the rest with 'git fetch --unshallow', or add '?shallow=1' to its address".into())
            }
            Self::NoProgram(program) => {
                Some(format!("install {program}, or use an input that is fetched as an archive"))
            }
            Self::Indirect(id) => {
                Some(format!("write where it is, such as 'github:OWNER/{id}', or add it to a registry"))
            }
            Self::Program { message, .. } if message.contains("dubious ownership") => {
                Some("the repository belongs to another user; see 'safe.directory' in git-config(1)".into())
            }
            _ => None,
        }
    }
}

/// What a program's repositories are called.
fn repositories(program: &str) -> &'static str {
    if program == "git" { "Git" } else { "Mercurial" }
}

fn message_text(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(":\n{message}") }
}

/// Fetches inputs.
pub struct Fetcher<'a> {
    /// Downloads.
    pub downloader: &'a Downloader,
    /// The directory for clones.
    pub cache: &'a Path,
    /// Tokens by host, or by `HOST/OWNER` or `HOST/OWNER/REPO`.
    pub access_tokens: &'a BTreeMap<String, String>,
    /// Working trees with changes may be taken.
    pub allow_dirty: bool,
    /// And the user is told of them.
    pub warn_dirty: bool,
    /// Is told of downloads.
    pub observer: &'a dyn Observer,
    /// Is told what the user should know.
    pub warn: &'a dyn Fn(&str),
    /// Ends what runs when it becomes true.
    pub cancelled: &'a AtomicBool,
}

/// The directory on this machine that should hold a repository, if it is not there.
fn missing_repository(input: &Input) -> Option<PathBuf> {
    input.local_directory().filter(|path| !path.exists())
}

impl Fetcher<'_> {
    /// Finds out which version an input means now. An input of which only
    /// fetching can tell (archives, directories, working trees) stays as it is.
    pub fn lock(&self, input: &Input) -> Result<Input, TreeError> {
        if let (Kind::Git, false, Some(path)) = (input.kind(), input.is_locked(), missing_repository(input)) {
            return Err(TreeError::NoRepository(path));
        }
        match input.kind() {
            _ if input.is_locked() => Ok(input.clone()),
            Kind::Forge(forge) => self.lock_forge(input, forge),
            Kind::Git => match input.local_directory().filter(|path| !is_bare(path)) {
                // Submodules are taken from where they are checked out.
                Some(_) if input.flag("submodules") => Ok(input.clone()),
                Some(path) => self.lock_working_tree(input, &path),
                None => self.lock_git(input),
            },
            Kind::Mercurial => self.lock_mercurial(input),
            Kind::Indirect => Err(TreeError::Indirect(input.text("id").unwrap_or_default().to_owned())),
            _ => Ok(input.clone()),
        }
    }

    /// Gets a version that [`Fetcher::lock`] gave. `place` must not exist; it may
    /// be used or not. None if it is the version with the entity tag `known`.
    pub fn fetch(&self, input: &Input, place: &Path, known: Option<&str>) -> Result<Option<Tree>, TreeError> {
        match input.kind() {
            Kind::Path => self.fetch_path(input).map(Some),
            Kind::Git => self.fetch_git(input, place).map(Some),
            Kind::Mercurial => self.fetch_mercurial(input, place).map(Some),
            Kind::Forge(forge) => {
                let rev = input.text("rev").unwrap_or_default();
                let token = self.token(forge, input);
                let url = forge.archive_url(input, rev, token.is_some());
                let headers = token.map(|token| forge.authorization(token)).into_iter().collect();
                let mut input = input.clone();
                input.remove("ref");
                self.fetch_archive(&input, url, headers, place, None)
            }
            Kind::Tarball => {
                let url = input.text("url").unwrap_or_default().to_owned();
                self.fetch_archive(input, url, Vec::new(), place, known)
            }
            Kind::File => {
                let url = input.text("url").unwrap_or_default().to_owned();
                let received = self.download(url, Vec::new(), known, place)?;
                let tree = Tree { etag: received.etag, ..Tree::new(place.to_owned(), input.clone()) };
                Ok((!received.not_modified).then_some(tree))
            }
            Kind::Indirect => Err(TreeError::Indirect(input.text("id").unwrap_or_default().to_owned())),
        }
    }

    fn download(
        &self,
        url: String,
        headers: Vec<(String, String)>,
        known: Option<&str>,
        place: &Path,
    ) -> Result<Received, TreeError> {
        let unless = known.map(str::to_owned);
        let request = Unpinned { name: url.clone(), urls: vec![url], unless, headers };
        Ok(self.downloader.fetch_unpinned(&request, place, self.observer, self.cancelled)?)
    }

    fn fetch_path(&self, input: &Input) -> Result<Tree, TreeError> {
        let text = input.text("path").unwrap_or_default();
        let path = Path::new(text);
        if !path.is_absolute() {
            return Err(TreeError::Relative(text.to_owned()));
        }
        let path = fs::canonicalize(path);
        let path = path.map_err(|source| TreeError::File { action: "read", path: text.into(), source })?;
        Ok(Tree::new(path, input.clone()))
    }

    fn fetch_archive(
        &self,
        input: &Input,
        url: String,
        headers: Vec<(String, String)>,
        place: &Path,
        known: Option<&str>,
    ) -> Result<Option<Tree>, TreeError> {
        let mut input = input.clone();
        let mut file = place.as_os_str().to_owned();
        file.push(".archive");
        let file = PathBuf::from(file);
        let received = self.download(url.clone(), headers, known, &file)?;
        if received.not_modified {
            return Ok(None);
        }
        let unpacked = unpack_archive(&file, place, self.cancelled);
        let removed = fs::remove_file(&file);
        let unpacked = unpacked.map_err(|source| match source {
            UnpackError::Interrupted => TreeError::Interrupted,
            source => TreeError::Unpack { url, source },
        })?;
        removed.map_err(|source| TreeError::File { action: "remove", path: file, source })?;
        if input.int("lastModified").is_none() {
            input.set("lastModified", unpacked.last_modified);
        }
        if let Some(immutable) = received.immutable {
            self.take_immutable(&mut input, &immutable)?;
        }
        Ok(Some(Tree { etag: received.etag, ..Tree::new(place.to_owned(), input) }))
    }

    /// Takes the address at which this version stays, and what it says about it.
    fn take_immutable(&self, input: &mut Input, immutable: &str) -> Result<(), TreeError> {
        let locked = Input::parse(immutable, true)?;
        if locked.kind() == Kind::Tarball {
            input.set("url", locked.text("url").unwrap_or_default());
            for name in ["rev", "revCount", "lastModified"] {
                if let Some(value) = locked.attributes().get(name) {
                    input.set(name, value.clone());
                }
            }
        }
        Ok(())
    }

    /// The access token for a repository: that of `HOST/OWNER/REPO`, of a part of it, or of
    /// the host.
    fn token(&self, forge: Forge, input: &Input) -> Option<&String> {
        let part = |name: &str| input.text(name).unwrap_or_default();
        let place = format!("{}/{}/{}", forge.host(input), part("owner"), part("repo"));
        let is_meant = |name: &str| {
            place.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let meant = self.access_tokens.iter().filter(|(name, _)| is_meant(name));
        meant.max_by_key(|(name, _)| name.len()).map(|(_, token)| token)
    }

    fn lock_forge(&self, input: &Input, forge: Forge) -> Result<Input, TreeError> {
        let scratch = tempfile::tempdir().map_err(|source| TreeError::File {
            action: "create a directory in",
            path: std::env::temp_dir(),
            source,
        })?;
        let token = self.token(forge, input);
        let headers: Vec<_> = token.map(|token| forge.authorization(token)).into_iter().collect();
        let ask = |url: String, name: &str| -> Result<String, TreeError> {
            let path = scratch.path().join(name);
            self.download(url, headers.clone(), None, &path)?;
            let bytes = fs::read(&path);
            let bytes = bytes.map_err(|source| TreeError::File { action: "read", path, source })?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let mut reference = input.text("ref").unwrap_or("HEAD").to_owned();
        if forge == Forge::SourceHut && reference == "HEAD" {
            let head = ask(forge.head_url(input), "head")?;
            reference = head.trim().trim_start_matches("ref: ").to_owned();
        }
        let url = forge.commit_url(input, &reference);
        let answer = ask(url.clone(), "commit")?;
        let rev = forge.commit(&answer, &reference).filter(|rev| is_revision(rev));
        let mut input = input.clone();
        input.remove("ref");
        input.set("rev", rev.ok_or(TreeError::Answer { url, name: reference })?);
        Ok(input)
    }

    /// The repository of an input: itself if it is on this machine, else a clone.
    /// Its lock is held as long as the second value lives.
    fn repository(&self, input: &Input) -> Result<(PathBuf, Option<File>), TreeError> {
        if let Some(path) = crate::input::git::local_repository(input) {
            return Ok((path, None));
        }
        let (path, lock) = self.locked_clone("", input.text("url").unwrap_or_default())?;
        if !path.join("HEAD").exists() {
            let error = |source| TreeError::File { action: "create", path: path.clone(), source };
            fs::create_dir_all(&path).map_err(error)?;
            Git::new(&path, self.cancelled).run(&["init", "--quiet", "--bare", "."])?;
        }
        Ok((path, Some(lock)))
    }

    /// Where the clone of an address is, and the lock that keeps others away from it.
    fn locked_clone(&self, prefix: &str, url: &str) -> Result<(PathBuf, File), TreeError> {
        let path = self.cache.join(format!("{prefix}{}", Hash::sha256(url).to_nix_base32()));
        let file_error =
            |action, path: &Path, source| TreeError::File { action, path: path.to_owned(), source };
        fs::create_dir_all(self.cache).map_err(|e| file_error("create", self.cache, e))?;
        let lock_path = path.with_extension("lock");
        let lock = File::create(&lock_path).map_err(|e| file_error("write", &lock_path, e))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|e| file_error("lock", &lock_path, e.into()))?;
        Ok((path, lock))
    }

    /// A working tree without changes is the commit that is checked out, unless it has
    /// submodules that are left out: then it has no directories in their places.
    fn lock_working_tree(&self, input: &Input, path: &Path) -> Result<Input, TreeError> {
        let mut input = input.clone();
        if !input.flag("submodules") && path.join(".gitmodules").exists() {
            return Ok(input);
        }
        if let Some((rev, branch)) = Git::new(path, self.cancelled).clean_head()? {
            if let Some(branch) = branch {
                input.set("ref", branch);
            }
            input.set("rev", rev);
        }
        Ok(input)
    }

    fn lock_git(&self, input: &Input) -> Result<Input, TreeError> {
        let (path, lock) = self.repository(input)?;
        let git = Git::new(&path, self.cancelled);
        let url = input.text("url").unwrap_or_default();
        let mut input = input.clone();
        let rev = if lock.is_none() {
            let reference = match input.text("ref").filter(|name| *name != "HEAD") {
                Some(reference) => reference.to_owned(),
                None => git.line(&["symbolic-ref", "--quiet", "HEAD"])?,
            };
            let rev = git.commit(&reference)?;
            input.set("ref", reference);
            rev
        } else {
            let reference = match input.text("ref").filter(|name| *name != "HEAD") {
                Some(reference) => reference.to_owned(),
                None => default_branch(&git, url)?,
            };
            let name = full_name(&reference);
            input.set("ref", reference);
            fetch_from(&git, url, &format!("{name}:{name}"), input.flag("shallow"))?;
            git.commit(&name)?
        };
        let name = input.text("ref").unwrap_or_default().to_owned();
        input.set("rev", rev.ok_or_else(|| TreeError::NoCommit { name, place: url.to_owned() })?);
        Ok(input)
    }

    fn fetch_git(&self, input: &Input, place: &Path) -> Result<Tree, TreeError> {
        if let Some(path) = missing_repository(input) {
            return Err(TreeError::NoRepository(path));
        }
        let (path, lock) = self.repository(input)?;
        let git = Git::new(&path, self.cancelled);
        let Some(rev) = input.text("rev") else {
            let tree = git.working_tree(input, &|text| {
                if self.warn_dirty {
                    (self.warn)(text);
                }
            })?;
            return match tree.input.text("rev") {
                None if !self.allow_dirty => Err(TreeError::Dirty { program: "git", path: path.clone() }),
                _ => Ok(tree),
            };
        };
        let url = input.text("url").unwrap_or_default();
        let missing = || TreeError::NoCommit { name: rev.to_owned(), place: url.to_owned() };
        if lock.is_some() && git.commit(rev)?.is_none() {
            let shallow = input.flag("shallow");
            // Not every server gives a commit that is not the last of a branch.
            let first = match input.text("ref").filter(|_| !input.flag("allRefs")).map(full_name) {
                Some(name) => format!("{name}:{name}"),
                None => rev.to_owned(),
            };
            match fetch_from(&git, url, &first, shallow) {
                Err(TreeError::Interrupted) => return Err(TreeError::Interrupted),
                Ok(()) if git.commit(rev)?.is_some() => {}
                _ => fetch_from(&git, url, "refs/*:refs/*", false)?,
            }
        }
        git.commit(rev)?.ok_or_else(missing)?;
        let mut found = input.clone();
        if !input.flag("shallow") {
            git.refuse_shallow(input)?;
            found.set("revCount", git.count(rev)?);
        }
        found.set("lastModified", git.commit_time(rev)?);
        let submodules = input.flag("submodules").then(|| self.submodules(&git, input, rev)).transpose()?;
        git.export(rev, input.flag("exportIgnore"), place, &mut |path, rev| {
            let Some(urls) = &submodules else { return Ok(()) };
            let missing =
                || TreeError::NoCommit { name: path.display().to_string(), place: ".gitmodules".into() };
            let mut module = urls.get(path).ok_or_else(missing)?.clone();
            module.set("rev", rev);
            module.set("submodules", true);
            module.set("allRefs", true);
            let inside = place.join(path);
            fs::remove_dir(&inside).map_err(|source| TreeError::File {
                action: "remove",
                path: inside.clone(),
                source,
            })?;
            self.fetch_git(&module, &inside).map(drop)
        })?;
        Ok(Tree::new(place.to_owned(), found))
    }

    /// The commit that an input means; a working tree with changes stays as it is.
    fn lock_mercurial(&self, input: &Input) -> Result<Input, TreeError> {
        if let Some(path) = input.local_directory()
            && Mercurial::new(&path, self.cancelled).is_dirty()?
        {
            return Ok(input.clone());
        }
        let url = input.text("url").unwrap_or_default();
        let (clone, _lock) = self.locked_clone("hg-", url)?;
        let repository = Mercurial::new(&clone, self.cancelled);
        repository.copy_from(&mercurial_address(input))?;
        let name = mercurial::reference(input).to_owned();
        let commit = repository.commit(&name)?;
        let commit = commit.ok_or_else(|| TreeError::NoCommit { name, place: url.to_owned() })?;
        let mut input = input.clone();
        input.set("rev", commit.rev);
        input.set("ref", commit.branch);
        Ok(input)
    }

    fn fetch_mercurial(&self, input: &Input, place: &Path) -> Result<Tree, TreeError> {
        let url = input.text("url").unwrap_or_default();
        let Some(rev) = input.text("rev") else {
            let path = input.local_directory().unwrap_or_default();
            if !self.allow_dirty {
                return Err(TreeError::Dirty { program: "hg", path });
            }
            if self.warn_dirty {
                (self.warn)(&format!("Mercurial tree '{}' is unclean", path.display()));
            }
            return Mercurial::new(&path, self.cancelled).working_tree(input);
        };
        let (clone, _lock) = self.locked_clone("hg-", url)?;
        let repository = Mercurial::new(&clone, self.cancelled);
        let known = if clone.exists() { repository.commit(rev)? } else { None };
        let commit = match known {
            Some(commit) => Some(commit),
            None => {
                repository.copy_from(&mercurial_address(input))?;
                repository.commit(rev)?
            }
        };
        let missing = || TreeError::NoCommit { name: rev.to_owned(), place: url.to_owned() };
        let commit = commit.ok_or_else(missing)?;
        repository.export(&commit.rev, place)?;
        let mut found = input.clone();
        found.set("ref", commit.branch);
        found.set("revCount", commit.number);
        Ok(Tree::new(place.to_owned(), found))
    }

    /// The repositories that a commit's `.gitmodules` names, by their paths.
    fn submodules(
        &self,
        git: &Git<'_>,
        input: &Input,
        rev: &str,
    ) -> Result<BTreeMap<PathBuf, Input>, TreeError> {
        let blob = format!("{rev}:.gitmodules");
        let listing = match git.run(&["config", "--blob", &blob, "--list", "-z"]) {
            Ok(listing) => String::from_utf8_lossy(&listing).into_owned(),
            Err(TreeError::Program { .. }) => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        let settings: BTreeMap<&str, &str> =
            listing.split('\0').filter_map(|line| line.split_once('\n')).collect();
        let mut modules = BTreeMap::new();
        for (key, path) in &settings {
            let Some(module) = key.strip_suffix(".path") else { continue };
            let Some(url) = settings.get(format!("{module}.url").as_str()) else { continue };
            let url = absolute_url(input.text("url").unwrap_or_default(), url);
            let attributes = [("type".to_owned(), "git".into()), ("url".to_owned(), url.into())];
            modules.insert(PathBuf::from(path), Input::from_attributes(attributes.into())?);
        }
        Ok(modules)
    }
}

/// The address of a repository as `hg` takes it: a path if it is on this machine.
fn mercurial_address(input: &Input) -> String {
    let local = crate::input::git::local_repository(input);
    local.map_or_else(|| input.text("url").unwrap_or_default().to_owned(), |path| path.display().to_string())
}

fn is_bare(path: &Path) -> bool {
    !path.join(".git").exists() && path.join("HEAD").exists()
}

/// A branch's full name; names that begin with `refs/` are full.
fn full_name(reference: &str) -> String {
    match reference {
        "HEAD" => reference.to_owned(),
        _ if reference.starts_with("refs/") => reference.to_owned(),
        _ => format!("refs/heads/{reference}"),
    }
}

fn default_branch(git: &Git<'_>, url: &str) -> Result<String, TreeError> {
    let line = git.line(&["ls-remote", "--symref", "--", url, "HEAD"])?;
    let name = line.strip_prefix("ref: ").and_then(|line| line.split('\t').next());
    Ok(name.unwrap_or("HEAD").to_owned())
}

fn fetch_from(git: &Git<'_>, url: &str, names: &str, shallow: bool) -> Result<(), TreeError> {
    let mut arguments = vec!["fetch", "--quiet", "--force", "--no-write-fetch-head", "--update-head-ok"];
    if shallow {
        arguments.push("--depth=1");
    }
    arguments.extend(["--", url, names]);
    git.run(&arguments).map(drop)
}

/// The address of a submodule, which may be relative to that of its repository.
fn absolute_url(base: &str, url: &str) -> String {
    if !url.starts_with("./") && !url.starts_with("../") {
        return if url.starts_with('/') { format!("file://{url}") } else { url.to_owned() };
    }
    let Ok(mut base) = Url::parse(base) else { return url.to_owned() };
    let mut parts: Vec<&str> = base.raw_path.trim_end_matches('/').split('/').collect();
    for part in url.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    base.raw_path = parts.join("/");
    base.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_submodules() {
        let check = |url, expected: &str| assert_eq!(absolute_url("https://h/a/b", url), expected);
        check("../c", "https://h/a/c");
        check("./c", "https://h/a/b/c");
        check("https://g/c", "https://g/c");
        check("/srv/c", "file:///srv/c");
    }
}
