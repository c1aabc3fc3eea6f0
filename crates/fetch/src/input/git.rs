//! Git repositories, through the `git` program.
//!
//! Trees are taken from Git's objects as they are: no line ends are changed and no
//! filters run. Of a working tree exactly the tracked files are taken.

use super::program::{About, run, spawn};
use super::url::Url;
use super::{Input, is_revision};
use crate::tree::{Tree, TreeError};
use saltire_store_model::nar::{keep_all, write_tree};
use saltire_store_model::{HashAlgorithm, Hasher};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

const PROGRAM: &str = "git";

/// The path of a repository on this machine.
pub(crate) fn local_repository(input: &Input) -> Option<PathBuf> {
    let url = Url::parse(input.text("url")?).ok()?;
    (url.scheme == "file" && url.authority.as_deref().is_none_or(str::is_empty)).then(|| url.path().into())
}

/// What the working tree of a repository on this machine differs by from its last commit,
/// as the reference writes it into fingerprints: a hash of the files that changed. Nothing
/// where it has submodules, or can't be read.
pub fn changes(input: &Input) -> Option<String> {
    let root = local_repository(input)?;
    if root.join(".gitmodules").exists() {
        return None;
    }
    let never = AtomicBool::new(false);
    let status = ["status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames"];
    let output = Git::new(&root, &never).run(&status).ok()?;
    let (mut changed, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    for entry in output.split(|byte| *byte == 0).filter(|entry| entry.len() > 3) {
        let path = Path::new(OsStr::from_bytes(&entry[3..]));
        let is_deleted = entry[..2].contains(&b'D');
        if is_deleted { &mut deleted } else { &mut changed }.insert(path);
    }
    let mut hasher = Hasher::new(HashAlgorithm::Sha512);
    let put = |hasher: &mut Hasher, text: &[u8]| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text);
        hasher.update(&[0; 8][..text.len().next_multiple_of(8) - text.len()]);
    };
    let name = |path: &Path| [b"/", path.as_os_str().as_bytes()].concat();
    for path in changed {
        put(&mut hasher, b"modified:");
        put(&mut hasher, &name(path));
        hasher = write_tree(&root.join(path), hasher, &mut keep_all).ok()?;
    }
    for path in deleted {
        put(&mut hasher, b"deleted:");
        put(&mut hasher, &name(path));
    }
    Some(hasher.finish().to_base16())
}

/// Runs `git` for one repository.
pub(crate) struct Git<'a> {
    directory: PathBuf,
    cancelled: &'a AtomicBool,
}

impl<'a> Git<'a> {
    /// For the repository that `directory` is the root of.
    pub fn new(directory: &Path, cancelled: &'a AtomicBool) -> Self {
        Self { directory: directory.to_owned(), cancelled }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("-C").arg(&self.directory);
        // Nothing of the repository's configuration may start programs.
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]);
        command.args(arguments);
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"] {
            command.env_remove(variable);
        }
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it; what it wrote. Its complaints are the error's text.
    pub fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, TreeError> {
        self.run_with_input(arguments, None)
    }

    /// Runs it with this on its standard input.
    fn run_with_input(&self, arguments: &[&str], input: Option<Vec<u8>>) -> Result<Vec<u8>, TreeError> {
        let about = About {
            program: PROGRAM,
            repository: &self.directory,
            command: arguments.first().copied().unwrap_or_default(),
        };
        run(self.command(arguments), input, about, self.cancelled)
    }

    /// Runs it; its first line.
    pub fn line(&self, arguments: &[&str]) -> Result<String, TreeError> {
        let output = self.run(arguments)?;
        Ok(String::from_utf8_lossy(&output).lines().next().unwrap_or_default().to_owned())
    }

    /// The commit that a name stands for; none if there is none.
    pub fn commit(&self, name: &str) -> Result<Option<String>, TreeError> {
        let name = format!("{name}^{{commit}}");
        match self.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name]) {
            Ok(rev) => Ok(Some(rev).filter(|rev| is_revision(rev))),
            Err(TreeError::Program { message, .. }) if message.is_empty() => Ok(None),
            Err(TreeError::Program { message, .. }) if message.contains("Needed a single revision") => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The commit that is checked out, and its branch's full name, if no tracked
    /// file was changed since.
    pub fn clean_head(&self) -> Result<Option<(String, Option<String>)>, TreeError> {
        let arguments =
            ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=no", "--ignore-submodules=all"];
        let output = match self.run(&arguments) {
            Ok(output) => output,
            // What is wrong will be found out later.
            Err(TreeError::Program { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let output = String::from_utf8_lossy(&output).into_owned();
        let (mut rev, mut branch) = (None, None);
        for line in output.split('\0').filter(|line| !line.is_empty()) {
            match line.strip_prefix("# ").map(|line| line.split_once(' ').unwrap_or((line, ""))) {
                // Before the first commit there is `(initial)`.
                Some(("branch.oid", name)) => rev = Some(name.to_owned()).filter(|rev| is_revision(rev)),
                Some(("branch.head", name)) if name != "(detached)" => {
                    branch = Some(format!("refs/heads/{name}"));
                }
                Some(_) => {}
                None => return Ok(None),
            }
        }
        Ok(rev.map(|rev| (rev, branch)))
    }

    /// Seconds since 1970 at which a commit was made.
    pub fn commit_time(&self, rev: &str) -> Result<u64, TreeError> {
        let line = self.line(&["log", "-1", "--format=%ct", "--no-show-signature", rev])?;
        Ok(line.parse().unwrap_or_default())
    }

    /// Whether commits are missing here.
    pub fn is_shallow(&self) -> Result<bool, TreeError> {
        Ok(self.line(&["rev-parse", "--is-shallow-repository"])? == "true")
    }

    /// The number of commits that lead to one.
    pub fn count(&self, rev: &str) -> Result<u64, TreeError> {
        Ok(self.line(&["rev-list", "--count", rev])?.parse().unwrap_or_default())
    }

    /// The tracked files of a working tree that exist.
    fn tracked_files(&self, submodules: bool) -> Result<BTreeSet<PathBuf>, TreeError> {
        let mut arguments = vec!["ls-files", "-z"];
        if submodules {
            arguments.push("--recurse-submodules");
        }
        let output = self.run(&arguments)?;
        let names = output.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let paths = names.map(|name| PathBuf::from(OsStr::from_bytes(name)));
        // A directory is the place of a submodule, which commits have, but not working trees.
        let exists = |path: &PathBuf| {
            let found = fs::symlink_metadata(self.directory.join(path));
            found.is_ok_and(|found| !found.is_dir())
        };
        Ok(paths.filter(exists).collect())
    }

    /// Takes out what has the attribute `export-ignore`, alone or through a directory
    /// above it.
    fn without_ignored(&self, files: BTreeSet<PathBuf>) -> Result<BTreeSet<PathBuf>, TreeError> {
        let directories: BTreeSet<&Path> = files
            .iter()
            .flat_map(|path| path.ancestors().skip(1))
            .filter(|path| *path != Path::new(""))
            .collect();
        let mut input = Vec::new();
        for (path, end) in directories
            .iter()
            .map(|path| (*path, &b"/\0"[..]))
            .chain(files.iter().map(|path| (path.as_path(), &b"\0"[..])))
        {
            input.extend_from_slice(path.as_os_str().as_bytes());
            input.extend_from_slice(end);
        }
        let output = self.run_with_input(&["check-attr", "--stdin", "-z", "export-ignore"], Some(input))?;
        let fields: Vec<&[u8]> = output.split(|byte| *byte == 0).collect();
        let ignored: BTreeSet<&Path> = fields
            .chunks_exact(3)
            .filter(|fields| fields[2] == b"set")
            .map(|fields| Path::new(OsStr::from_bytes(fields[0].strip_suffix(b"/").unwrap_or(fields[0]))))
            .collect();
        let stays = |path: &PathBuf| !path.ancestors().any(|path| ignored.contains(path));
        Ok(files.iter().filter(|path| stays(path)).cloned().collect())
    }

    /// Whether tracked files differ from the last commit.
    fn is_dirty(&self, submodules: bool) -> Result<bool, TreeError> {
        let ignore = if submodules { "--ignore-submodules=none" } else { "--ignore-submodules=all" };
        let output = self.run(&["status", "--porcelain=v1", "-z", "--untracked-files=no", ignore])?;
        Ok(!output.is_empty())
    }

    /// The working tree, as it is.
    pub fn working_tree(&self, input: &Input, warn: &dyn Fn(&str)) -> Result<Tree, TreeError> {
        let submodules = input.flag("submodules");
        let mut files = self.tracked_files(submodules)?;
        if input.flag("exportIgnore") {
            files = self.without_ignored(files)?;
        }
        let head = self.commit("HEAD")?;
        let mut input = input.clone();
        match &head {
            Some(rev) if !self.is_dirty(submodules)? => {
                if let Ok(reference) = self.line(&["symbolic-ref", "--quiet", "HEAD"]) {
                    input.set("ref", reference);
                }
                input.set("rev", rev.as_str());
                if !input.flag("shallow") {
                    self.refuse_shallow(&input)?;
                    input.set("revCount", self.count(rev)?);
                }
            }
            _ => {
                warn(&format!("Git tree '{}' is dirty", self.directory.display()));
                if let Some(rev) = &head {
                    input.set("dirtyRev", format!("{rev}-dirty"));
                    input.set("dirtyShortRev", format!("{}-dirty", &rev[..7]));
                }
            }
        }
        input.set("lastModified", head.map_or(Ok(0), |rev| self.commit_time(&rev))?);
        Ok(Tree { files: Some(files), ..Tree::new(self.directory.clone(), input) })
    }

    /// Fails for a clone without its history, unless the input allows that.
    pub fn refuse_shallow(&self, input: &Input) -> Result<(), TreeError> {
        match !input.flag("shallow") && self.is_shallow()? {
            true => Err(TreeError::Shallow(self.directory.clone())),
            false => Ok(()),
        }
    }

    /// Writes a commit's files below `place`, which must not exist. Submodules are
    /// given to `submodule`: the path in the tree and the commit.
    pub fn export(
        &self,
        rev: &str,
        ignore: bool,
        place: &Path,
        submodule: &mut dyn FnMut(&Path, &str) -> Result<(), TreeError>,
    ) -> Result<(), TreeError> {
        let file_error =
            |action, path: &Path, source| TreeError::File { action, path: path.to_owned(), source };
        fs::create_dir_all(place).map_err(|e| file_error("create", place, e))?;
        let kept = if ignore { Some(self.archived_files(rev)?) } else { None };
        let listing = self.run(&["ls-tree", "-r", "-z", "--full-tree", rev])?;
        let mut objects = Objects::open(self)?;
        let mut links = Vec::new();
        for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(TreeError::Interrupted);
            }
            let entry = Entry::parse(line).ok_or_else(|| self.strange("ls-tree"))?;
            let is_submodule = entry.mode == "160000";
            if kept.as_ref().is_some_and(|kept| !kept.contains(&entry.path)) {
                continue;
            }
            let path = place.join(&entry.path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|e| file_error("create", parent, e))?;
            }
            if is_submodule {
                fs::create_dir_all(&path).map_err(|e| file_error("create", &path, e))?;
                submodule(&entry.path, &entry.hash)?;
                continue;
            }
            let content = objects.read(&entry.hash)?;
            if entry.mode == "120000" {
                links.push((path, content));
                continue;
            }
            fs::write(&path, content).map_err(|e| file_error("write", &path, e))?;
            if entry.mode == "100755" {
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(&path, mode).map_err(|e| file_error("make executable", &path, e))?;
            }
        }
        // Last, so that nothing is written through one.
        for (path, target) in links {
            symlink(OsStr::from_bytes(&target), &path)
                .map_err(|e| file_error("create the link", &path, e))?;
        }
        Ok(())
    }

    /// The files, and places of submodules, that `git archive` takes: those without the attribute `export-ignore`.
    fn archived_files(&self, rev: &str) -> Result<BTreeSet<PathBuf>, TreeError> {
        let archive = self.run(&["archive", "--format=tar", rev])?;
        let mut files = BTreeSet::new();
        saltire_debian::archive::read_tar(archive.as_slice(), Default::default(), |member, _| {
            files.insert(member.path);
            Ok::<(), std::io::Error>(())
        })
        .map_err(|_| self.strange("archive"))?;
        Ok(files)
    }

    fn strange(&self, command: &str) -> TreeError {
        let message = "its output can't be understood".to_owned();
        About { program: PROGRAM, repository: &self.directory, command }.failed(message)
    }
}

/// A line of `git ls-tree`.
struct Entry {
    mode: String,
    hash: String,
    path: PathBuf,
}

impl Entry {
    fn parse(line: &[u8]) -> Option<Self> {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let mut words = std::str::from_utf8(&line[..tab]).ok()?.split(' ');
        let (mode, _, hash) = (words.next()?, words.next()?, words.next()?);
        let path = saltire_debian::archive::safe_path(&line[tab + 1..]).ok()?;
        let is_git_directory = path.components().any(|part| part.as_os_str().eq_ignore_ascii_case(".git"));
        (!is_git_directory).then(|| Self { mode: mode.to_owned(), hash: hash.to_owned(), path })
    }
}

/// A running `git cat-file --batch`.
struct Objects<'a> {
    git: &'a Git<'a>,
    child: Child,
    reader: BufReader<std::process::ChildStdout>,
}

impl<'a> Objects<'a> {
    fn open(git: &'a Git<'a>) -> Result<Self, TreeError> {
        let mut command = git.command(&["cat-file", "--batch"]);
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = spawn(command, PROGRAM)?;
        let output = child.stdout.take().ok_or_else(|| git.strange("cat-file"))?;
        Ok(Self { git, child, reader: BufReader::with_capacity(1 << 17, output) })
    }

    fn read(&mut self, hash: &str) -> Result<Vec<u8>, TreeError> {
        let strange = || self.git.strange("cat-file");
        let input = self.child.stdin.as_mut().ok_or_else(strange)?;
        writeln!(input, "{hash}").and_then(|()| input.flush()).map_err(|_| strange())?;
        let mut header = String::new();
        self.reader.read_line(&mut header).map_err(|_| strange())?;
        let size = header.trim_end().rsplit(' ').next().and_then(|size| size.parse::<usize>().ok());
        let mut content = vec![0; size.ok_or_else(strange)? + 1];
        self.reader.read_exact(&mut content).map_err(|_| strange())?;
        content.pop();
        Ok(content)
    }
}

impl Drop for Objects<'_> {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
