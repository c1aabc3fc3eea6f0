//! Mercurial repositories, through the `hg` program.

use super::program::{About, run};
use super::{Input, is_revision};
use crate::tree::{Tree, TreeError};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

const PROGRAM: &str = "hg";

/// What a version is called that is not said.
const USUAL_BRANCH: &str = "default";

/// Runs `hg` for one repository.
pub(crate) struct Mercurial<'a> {
    directory: PathBuf,
    cancelled: &'a AtomicBool,
}

/// A commit.
pub(crate) struct Commit {
    /// Its hash.
    pub rev: String,
    /// Its number in this repository.
    pub number: u64,
    /// Its branch.
    pub branch: String,
}

impl<'a> Mercurial<'a> {
    /// For the repository that `directory` is the root of.
    pub fn new(directory: &Path, cancelled: &'a AtomicBool) -> Self {
        Self { directory: directory.to_owned(), cancelled }
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, TreeError> {
        let mut command = Command::new(PROGRAM);
        command.arg("-R").arg(&self.directory).args(arguments);
        self.finish(command, arguments)
    }

    fn finish(&self, mut command: Command, arguments: &[&str]) -> Result<Vec<u8>, TreeError> {
        // The same output whatever the user has configured.
        command.env("HGPLAIN", "").env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let about = About {
            program: PROGRAM,
            repository: &self.directory,
            command: arguments.first().copied().unwrap_or_default(),
        };
        run(command, None, about, self.cancelled)
    }

    /// Makes it a copy of another repository, or adds what has come there since.
    pub fn copy_from(&self, url: &str) -> Result<(), TreeError> {
        if self.directory.join(".hg").exists() {
            return match self.run(&["pull", "--", url]) {
                // Another process was ended in the middle of it.
                Err(TreeError::Program { .. }) if self.directory.join(".hg/store/journal").exists() => {
                    self.run(&["recover"])?;
                    self.run(&["pull", "--", url]).map(drop)
                }
                result => result.map(drop),
            };
        }
        let mut command = Command::new(PROGRAM);
        let arguments = ["clone", "--noupdate", "--", url];
        command.args(arguments).arg(&self.directory);
        self.finish(command, &arguments).map(drop)
    }

    /// The commit that a branch, tag or hash stands for; none if there is none.
    pub fn commit(&self, name: &str) -> Result<Option<Commit>, TreeError> {
        let output = match self.run(&["log", "--template", "{node} {rev} {branch}", "--rev", name]) {
            Ok(output) => String::from_utf8_lossy(&output).into_owned(),
            Err(TreeError::Program { message, .. }) if message.contains("unknown revision") => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut words = output.splitn(3, ' ');
        let commit = (|| {
            let (rev, number, branch) = (words.next()?, words.next()?, words.next()?);
            is_revision(rev).then_some(())?;
            Some(Commit { rev: rev.to_owned(), number: number.parse().ok()?, branch: branch.to_owned() })
        })();
        Ok(commit)
    }

    /// Whether tracked files of the working tree were changed.
    pub fn is_dirty(&self) -> Result<bool, TreeError> {
        Ok(!self.run(&["status", "--modified", "--added", "--removed"])?.is_empty())
    }

    /// The working tree, as it is.
    pub fn working_tree(&self, input: &Input) -> Result<Tree, TreeError> {
        let listing = self.run(&["status", "--clean", "--modified", "--added", "--no-status", "--print0"])?;
        let names = listing.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let files: BTreeSet<PathBuf> = names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect();
        let mut input = input.clone();
        let branch = self.run(&["branch"])?;
        input.set("ref", String::from_utf8_lossy(&branch).trim());
        Ok(Tree { files: Some(files), ..Tree::new(self.directory.clone(), input) })
    }

    /// Writes a commit's files below `place`.
    pub fn export(&self, rev: &str, place: &Path) -> Result<(), TreeError> {
        let mut command = Command::new(PROGRAM);
        let arguments = ["archive", "--rev", rev];
        command.arg("-R").arg(&self.directory).args(arguments).arg("--").arg(place);
        self.finish(command, &arguments)?;
        let note = place.join(".hg_archival.txt");
        match std::fs::remove_file(&note) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(TreeError::File { action: "remove", path: note, source })
            }
            _ => Ok(()),
        }
    }
}

/// The branch or tag of an input.
pub(crate) fn reference(input: &Input) -> &str {
    input.text("ref").unwrap_or(USUAL_BRANCH)
}
