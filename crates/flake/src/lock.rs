//! From a flake to the lock file that it needs.
//!
//! What the present lock file says is kept as long as `flake.nix` still asks for
//! it, without fetching anything; what is new or to be updated is fetched, and
//! brings the contents of its own lock file with it.

use crate::changes::diff;
use crate::lock_file::{Edge, InputPath, LockFile, LockFileError, LockedInput, Node, path_text};
use crate::metadata::{FlakeInput, Metadata, MetadataError};
use crate::reference::{FlakeRef, ReferenceError};
use crate::registry::{RegistryError, is_flake_id};
use saltire_fetch::input::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use thiserror::Error;

/// Why a flake can't be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// A tree can't be fetched.
    #[error("{0}")]
    Source(Box<dyn std::error::Error + Send + Sync>),
    /// A name has no meaning.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A reference is wrong.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A lock file is damaged.
    #[error(transparent)]
    LockFile(#[from] LockFileError),
    /// A `flake.nix` is wrong.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A tree without `flake.nix`.
    #[error("source tree referenced by '{reference}' does not contain a '{file}' file")]
    NoFlakeFile {
        /// The tree.
        reference: String,
        /// Where the file should be.
        file: String,
    },
    /// A file that Git does not know of.
    #[error("path '{file}' in the repository '{}' is not tracked by Git", .repository.display())]
    Untracked {
        /// The file in the repository.
        file: String,
        /// The repository.
        repository: PathBuf,
    },
    /// A relative path that leads out of its tree, or nowhere.
    #[error("path '{path}' does not exist in the tree of the flake that has the input '{input}'")]
    Outside {
        /// The path.
        path: String,
        /// The input.
        input: String,
    },
    /// A flake that needs itself.
    #[error("found circular import of flake '{0}'")]
    Circular(String),
    /// Something changeable in pure evaluation.
    #[error("cannot update unlocked flake input '{0}' in pure mode")]
    Unlocked(String),
    /// The lock file is to stay as it is.
    #[error("flake '{0}' requires lock file changes but they're not allowed due to '--no-update-lock-file'")]
    NotAllowed(String),
    /// The lock file may not be written, which the command was to do.
    #[error(
        "Not writing lock file of flake '{flake}' because it has an unlocked input ('{input}'). \
         Use '--allow-dirty-locks' to allow this anyway."
    )]
    UnlockedInput {
        /// The flake.
        flake: String,
        /// The input that can change.
        input: String,
    },
    /// There is no place to write the lock file to.
    #[error("cannot write modified lock file of flake '{0}' (use '--no-write-lock-file' to ignore)")]
    NotLocal(String),
    /// The program of a repository failed.
    #[error("'{program} {command}' failed: {message}")]
    Program {
        /// The program.
        program: &'static str,
        /// Its first argument.
        command: String,
        /// What it said.
        message: String,
    },
    /// A file can't be read or written.
    #[error("can't {action} {}: {source}", .path.display())]
    File {
        /// "read", "write", …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something about an input of an input.
    #[error("{source}\nwhile updating the flake input '{input}'")]
    Input {
        /// The input.
        input: String,
        /// What is wrong.
        source: Box<LockError>,
    },
}

impl LockError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Untracked { file, repository } => {
                let add = if repository.join(".hg").exists() { "hg --cwd" } else { "git -C" };
                Some(format!("to make it visible, run: {add} \"{}\" add \"{file}\"", repository.display()))
            }
            Self::Circular(_) => {
                Some("let one of the flakes follow the other, or name it without the cycle".into())
            }
            Self::Metadata(error) => error.hint.map(str::to_owned),
            Self::Input { source, .. } => source.hint(),
            _ => None,
        }
    }
}

/// A tree that is in the store.
#[derive(Clone, Debug)]
pub struct FlakeTree {
    /// The version, with the hash of its content.
    pub locked: FlakeRef,
    /// The path by which evaluation knows it.
    pub store_path: String,
    /// Where its files can be read.
    pub files: PathBuf,
}

/// Which registries may give names a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseRegistries {
    /// None.
    No,
    /// The command line's and the global one: the same on all machines.
    Limited,
    /// All.
    All,
}

/// Fetches trees.
pub trait TreeSource {
    /// What a name stands for; other references stay.
    fn resolve(&self, reference: &FlakeRef, registries: UseRegistries) -> Result<FlakeRef, LockError>;

    /// Puts the tree of a reference that is no name into the store.
    fn fetch(&self, reference: &FlakeRef) -> Result<FlakeTree, LockError>;

    /// As [`TreeSource::fetch`], of a working tree in which the lock file was just written:
    /// the user is not told that it has changes.
    fn fetch_again(&self, reference: &FlakeRef) -> Result<FlakeTree, LockError> {
        self.fetch(reference)
    }

    /// Tells the user something.
    fn warn(&self, text: &str);
}

/// How to lock.
#[derive(Clone, Debug)]
pub struct LockFlags {
    /// Forget the present lock file.
    pub recreate: bool,
    /// The lock file may change.
    pub update: bool,
    /// Write a changed lock file.
    pub write: bool,
    /// Not to write the lock file since an input can change is an error, not a warning.
    pub must_write: bool,
    /// Commit a lock file that was written, if the flake is in a Git repository.
    pub commit: bool,
    /// The first line of the commit's message, if it is not the usual one.
    pub commit_summary: Option<String>,
    /// Write the lock file even if it has working trees with changes in it.
    pub allow_dirty_locks: bool,
    /// Names may be looked up.
    pub use_registries: bool,
    /// References that can mean something else tomorrow are allowed.
    pub allow_unlocked: bool,
    /// The lock file to read instead of the flake's.
    pub reference_lock_file: Option<PathBuf>,
    /// The lock file to write instead of the flake's.
    pub output_lock_file: Option<PathBuf>,
    /// Inputs to replace.
    pub overrides: BTreeMap<InputPath, FlakeRef>,
    /// Inputs to look up anew.
    pub updates: BTreeSet<InputPath>,
}

impl Default for LockFlags {
    /// Change and write what is needed.
    fn default() -> Self {
        Self {
            recreate: false,
            update: true,
            write: true,
            must_write: false,
            commit: false,
            commit_summary: None,
            allow_dirty_locks: false,
            use_registries: true,
            allow_unlocked: true,
            reference_lock_file: None,
            output_lock_file: None,
            overrides: BTreeMap::new(),
            updates: BTreeSet::new(),
        }
    }
}

/// A flake with all its inputs locked.
#[derive(Clone, Debug)]
pub struct LockedFlake {
    /// What the user named.
    pub original: FlakeRef,
    /// What that stands for.
    pub resolved: FlakeRef,
    /// Its tree.
    pub tree: FlakeTree,
    /// What it says of itself.
    pub metadata: Metadata,
    /// The lock file that it needs.
    pub lock: LockFile,
    /// The trees that were fetched, by node, the root's among them.
    pub trees: BTreeMap<usize, FlakeTree>,
}

/// The path of an input as users write it, `a/b`; nothing if it can't be one.
pub fn is_input_path(text: &str) -> Option<InputPath> {
    let names: InputPath = text.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    (!names.is_empty() && names.iter().all(|name| is_flake_id(name))).then_some(names)
}

/// A flake's files and what it says of itself.
struct Flake {
    tree: FlakeTree,
    /// The directory in the tree.
    directory: String,
    metadata: Metadata,
}

/// Locks a flake, and writes its lock file if that changes and may be written.
pub fn lock_flake(
    source: &dyn TreeSource,
    reference: &FlakeRef,
    flags: &LockFlags,
) -> Result<LockedFlake, LockError> {
    let registries = if flags.use_registries { UseRegistries::All } else { UseRegistries::No };
    let resolved = source.resolve(reference, registries)?;
    let mut flake = get_flake(source, &resolved)?;
    let own_attributes = std::mem::take(&mut flake.metadata.self_attributes);
    let mut resolved = resolved;
    if own_attributes.iter().any(|(name, value)| resolved.input.attributes().get(name) != Some(value)) {
        // The flake wants its own tree fetched in another way.
        let mut attributes = resolved.to_attributes();
        attributes.extend(own_attributes);
        resolved = FlakeRef::from_attributes(attributes)?;
        flake = get_flake(source, &resolved)?;
    }
    let old = match &flags.reference_lock_file {
        Some(path) => read_lock_file(path)?,
        None => read_lock_file(&flake.tree.files.join(&flake.directory).join("flake.lock"))?,
    };
    let mut locker = Locker {
        source,
        flags,
        lock: LockFile::default(),
        overrides: BTreeMap::new(),
        parents: vec![resolved.clone()],
        trees: BTreeMap::from([(0, flake.tree.clone())]),
        seen: BTreeSet::new(),
    };
    let place = Place { tree: flake.tree.clone(), directory: flake.directory.clone() };
    for (path, target) in &flags.overrides {
        let input = FlakeInput { reference: Some(target.clone()), is_flake: true, ..FlakeInput::default() };
        let entry = Override { input, place: place.clone(), parent: InputPath::new() };
        locker.overrides.insert(path.clone(), entry);
    }
    let old = Rc::new(old);
    let known = (!flags.recreate).then(|| (Rc::clone(&old), 0));
    let inputs = flake.metadata.inputs.clone();
    let level =
        Level { node: 0, path: Vec::new(), known, follows_prefix: Vec::new(), place, trusts_lock: false };
    locker.inputs(&inputs, &level)?;
    locker.warn_of_unused();
    let (lock, trees) = (locker.lock, locker.trees);
    lock.check()?;
    let mut locked = LockedFlake {
        original: reference.clone(),
        resolved,
        tree: flake.tree,
        metadata: flake.metadata,
        lock,
        trees,
    };
    locked.write(source, &old, flags)?;
    Ok(locked)
}

fn get_flake(source: &dyn TreeSource, reference: &FlakeRef) -> Result<Flake, LockError> {
    let tree = source.fetch(reference)?;
    let directory = reference.directory.clone();
    let local = reference.input.local_directory();
    read_flake(tree, directory, &reference.to_text(), local.as_deref())
}

/// Reads `flake.nix` of a tree; `local` is where the tree comes from, if it is of
/// this machine.
fn read_flake(
    tree: FlakeTree,
    directory: String,
    name: &str,
    local: Option<&Path>,
) -> Result<Flake, LockError> {
    let relative = Path::new(&directory).join("flake.nix");
    let file = tree.files.join(&relative);
    let text = match std::fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let file = relative.display().to_string();
            return Err(match local.filter(|root| root.join(&relative).exists()) {
                Some(root) => LockError::Untracked { file, repository: root.to_owned() },
                None => LockError::NoFlakeFile { reference: name.to_owned(), file },
            });
        }
        Err(source) => return Err(LockError::File { action: "read", path: file, source }),
    };
    let copy = Path::new(&tree.store_path);
    let is_repository = matches!(tree.locked.input.kind(), Kind::Git | Kind::Mercurial);
    let shown = local.filter(|_| is_repository).unwrap_or(copy).join(&relative);
    let metadata = Metadata::parse(&text, &shown.display().to_string(), name)?;
    Ok(Flake { tree, directory, metadata })
}

fn read_lock_file(path: &Path) -> Result<LockFile, LockError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(LockFile::parse(&text, &path.display().to_string())?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(LockFile::default()),
        Err(source) => Err(LockError::File { action: "read", path: path.to_owned(), source }),
    }
}

/// Where an input's relative paths begin.
#[derive(Clone)]
struct Place {
    tree: FlakeTree,
    directory: String,
}

/// An input that a flake further up replaces.
struct Override {
    input: FlakeInput,
    place: Place,
    /// The input that replaces it.
    parent: InputPath,
}

/// The flake whose inputs are being locked.
struct Level {
    /// Its node in the new lock file.
    node: usize,
    /// Its path of inputs.
    path: InputPath,
    /// Its node in the lock file that was.
    known: Option<(Rc<LockFile>, usize)>,
    /// What paths in that lock file are relative to.
    follows_prefix: InputPath,
    place: Place,
    /// Whether the inputs come from that lock file.
    trusts_lock: bool,
}

struct Locker<'a> {
    source: &'a dyn TreeSource,
    flags: &'a LockFlags,
    lock: LockFile,
    overrides: BTreeMap<InputPath, Override>,
    /// The flakes being locked, outermost first.
    parents: Vec<FlakeRef>,
    trees: BTreeMap<usize, FlakeTree>,
    /// The inputs that there are.
    seen: BTreeSet<InputPath>,
}

impl Locker<'_> {
    /// Locks the inputs of one flake. Paths that they follow begin at the root.
    fn inputs(&mut self, inputs: &BTreeMap<String, FlakeInput>, level: &Level) -> Result<(), LockError> {
        for (name, input) in inputs {
            self.take_overrides(input, &joined(&level.path, name), level);
        }
        for path in self.overrides.keys() {
            if let Some((name, above)) = path.split_last()
                && !above.is_empty()
                && above == level.path
                && !inputs.contains_key(name)
            {
                let above = path_text(above);
                self.source
                    .warn(&format!("input '{above}' has an override for a non-existent input '{name}'"));
            }
        }
        for (name, input) in inputs {
            let path = joined(&level.path, name);
            self.input(name, input, &path, level).map_err(|source| match source {
                source @ LockError::Input { .. } => source,
                source => LockError::Input { input: path_text(&path), source: Box::new(source) },
            })?;
        }
        Ok(())
    }

    /// Notes what an input replaces; what was noted first, further up, counts.
    fn take_overrides(&mut self, input: &FlakeInput, path: &InputPath, level: &Level) {
        for (name, replacement) in &input.overrides {
            let path = joined(path, name);
            if replacement.reference.is_some() || replacement.follows.is_some() {
                self.overrides.entry(path.clone()).or_insert_with(|| Override {
                    input: replacement.clone(),
                    place: level.place.clone(),
                    parent: level.path.clone(),
                });
            }
            self.take_overrides(replacement, &path, level);
        }
    }

    fn input(
        &mut self,
        name: &str,
        declared: &FlakeInput,
        path: &InputPath,
        level: &Level,
    ) -> Result<(), LockError> {
        self.seen.insert(path.clone());
        let from_user = self.flags.overrides.contains_key(path);
        let (mut input, place, parent) = match self.overrides.get(path) {
            Some(found) => (found.input.clone(), found.place.clone(), found.parent.clone()),
            None => (declared.clone(), level.place.clone(), level.path.clone()),
        };
        input.is_flake = declared.is_flake;
        if let Some(follows) = input.follows {
            self.put(level.node, name, Edge::Follows(follows));
            return Ok(());
        }
        let reference = match input.reference {
            Some(reference) => reference,
            None => FlakeRef::indirect(name)?,
        };
        let parent = reference.input.relative_path().map(|_| parent);
        let asked = Asked { name, path, reference, is_flake: input.is_flake, parent, place, from_user };
        let known = level.known.as_ref().filter(|_| !self.flags.updates.contains(path));
        let known = known.and_then(|(lock, node)| match lock.nodes[*node].inputs.get(name) {
            Some(Edge::Node(target)) => Some((Rc::clone(lock), *target)),
            _ => None,
        });
        if let Some((lock, node)) = known
            && let Some(locked) = &lock.nodes[node].locked
            && locked.original.canonical() == asked.reference.canonical()
            && locked.parent == asked.parent
            && !from_user
        {
            let locked = LockedInput { is_flake: asked.is_flake, ..locked.clone() };
            return self.keep(&asked, locked, (Rc::clone(&lock), node), level);
        }
        self.lock_anew(&asked, declared, level)
    }

    fn put(&mut self, node: usize, name: &str, edge: Edge) {
        self.lock.nodes[node].inputs.insert(name.to_owned(), edge);
    }

    fn add_node(&mut self, parent: usize, name: &str, locked: LockedInput) -> usize {
        let node = self.lock.nodes.len();
        self.lock.nodes.push(Node { locked: Some(locked), ..Node::default() });
        self.put(parent, name, Edge::Node(node));
        node
    }

    /// Keeps what the lock file has, and its inputs as far as nothing further up
    /// changes them.
    fn keep(
        &mut self,
        asked: &Asked<'_>,
        locked: LockedInput,
        known: (Rc<LockFile>, usize),
        level: &Level,
    ) -> Result<(), LockError> {
        let mut needs_tree = self
            .flags
            .updates
            .iter()
            .any(|update| update.len() > asked.path.len() && update.starts_with(asked.path));
        let mut inputs = BTreeMap::new();
        for (name, edge) in &known.0.nodes[known.1].inputs {
            let mut input = FlakeInput { is_flake: true, ..FlakeInput::default() };
            match edge {
                Edge::Node(target) => {
                    if let Some(below) = &known.0.nodes[*target].locked {
                        input.reference = Some(below.original.clone());
                        input.is_flake = below.is_flake;
                    }
                }
                Edge::Follows(target) => {
                    // The flake may have stopped saying so.
                    let overridden = self.overrides.contains_key(&joined(asked.path, name));
                    needs_tree |= !level.trusts_lock && !overridden;
                    let target = level.follows_prefix.iter().chain(target).cloned().collect();
                    input.follows = Some(target);
                }
            }
            inputs.insert(name.clone(), input);
        }
        let node = self.add_node(level.node, asked.name, locked.clone());
        let mut below = Level {
            node,
            path: asked.path.clone(),
            known: Some(known),
            follows_prefix: level.follows_prefix.clone(),
            place: level.place.clone(),
            trusts_lock: true,
        };
        if needs_tree && locked.is_flake {
            let flake = self.get_input(asked, &locked.locked, UseRegistries::No)?;
            inputs = rooted(&flake.metadata.inputs, asked.path);
            below.place = Place { tree: flake.tree.clone(), directory: flake.directory };
            below.trusts_lock = false;
            self.trees.insert(node, flake.tree);
        }
        self.inputs(&inputs, &below)
    }

    /// Fetches an input that the lock file does not have, and its inputs.
    fn lock_anew(
        &mut self,
        asked: &Asked<'_>,
        declared: &FlakeInput,
        level: &Level,
    ) -> Result<(), LockError> {
        let reference = &asked.reference;
        let is_relative = reference.input.relative_path().is_some();
        if !self.flags.allow_unlocked && !reference.input.is_locked() && !is_relative {
            return Err(LockError::Unlocked(path_text(asked.path)));
        }
        // What the user replaces for once is not to stay replaced.
        let original =
            declared.reference.clone().filter(|_| asked.from_user).unwrap_or_else(|| reference.clone());
        let registries = match (self.flags.use_registries, asked.from_user) {
            (false, _) => UseRegistries::No,
            (true, true) => UseRegistries::All,
            (true, false) => UseRegistries::Limited,
        };
        let (parent, is_flake) = (asked.parent.clone(), asked.is_flake);
        if !asked.is_flake {
            let locked = match self.relative_place(asked)? {
                Some(_) => reference.clone(),
                None => self.source.fetch(&self.source.resolve(reference, registries)?)?.locked,
            };
            self.add_node(level.node, asked.name, LockedInput { locked, original, is_flake, parent });
            return Ok(());
        }
        if self.parents.contains(reference) {
            return Err(LockError::Circular(reference.to_text()));
        }
        let flake = self.get_input(asked, reference, registries)?;
        let locked = if is_relative { reference.clone() } else { flake.tree.locked.clone() };
        let node = self.add_node(level.node, asked.name, LockedInput { locked, original, is_flake, parent });
        if !is_relative {
            self.trees.insert(node, flake.tree.clone());
        }
        let lock = read_lock_file(&flake.tree.files.join(&flake.directory).join("flake.lock"))?;
        let below = Level {
            node,
            path: asked.path.clone(),
            known: Some((Rc::new(lock), 0)),
            follows_prefix: asked.path.clone(),
            place: Place { tree: flake.tree.clone(), directory: flake.directory.clone() },
            trusts_lock: false,
        };
        self.parents.push(reference.clone());
        let result = self.inputs(&rooted(&flake.metadata.inputs, asked.path), &below);
        self.parents.pop();
        result
    }

    fn get_input(
        &self,
        asked: &Asked<'_>,
        reference: &FlakeRef,
        registries: UseRegistries,
    ) -> Result<Flake, LockError> {
        match self.relative_place(asked)? {
            Some(place) => read_flake(place.tree, place.directory, &asked.reference.to_text(), None),
            None => get_flake(self.source, &self.source.resolve(reference, registries)?),
        }
    }

    /// Where a relative path leads to, if the input is one.
    fn relative_place(&self, asked: &Asked<'_>) -> Result<Option<Place>, LockError> {
        let Some(relative) = asked.reference.input.relative_path() else { return Ok(None) };
        let outside = || LockError::Outside { path: relative.to_owned(), input: path_text(asked.path) };
        let mut parts: Vec<&str> = Vec::new();
        let places = [asked.place.directory.as_str(), relative, asked.reference.directory.as_str()];
        for part in places.iter().flat_map(|place| place.split('/')) {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop().ok_or_else(outside)?),
                part => parts.push(part),
            }
        }
        let place = Place { tree: asked.place.tree.clone(), directory: parts.join("/") };
        let exists = std::fs::symlink_metadata(place.tree.files.join(&place.directory)).is_ok();
        if exists { Ok(Some(place)) } else { Err(outside()) }
    }

    fn warn_of_unused(&self) {
        for (path, target) in self.flags.overrides.iter().filter(|(path, _)| !self.seen.contains(*path)) {
            let path = path_text(path);
            self.source
                .warn(&format!("the flag '--override-input {path} {target}' does not match any input"));
        }
        for path in self.flags.updates.iter().filter(|path| !self.seen.contains(*path)) {
            self.source.warn(&format!("'{}' does not match any input of this flake", path_text(path)));
        }
    }
}

/// An input that is being locked.
struct Asked<'a> {
    name: &'a str,
    path: &'a InputPath,
    reference: FlakeRef,
    is_flake: bool,
    parent: Option<InputPath>,
    /// What a relative path is relative to.
    place: Place,
    /// Whether the command line says so.
    from_user: bool,
}

fn joined(path: &[String], name: &str) -> InputPath {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

/// Inputs with what they follow from the root on, not from their flake on.
fn rooted(inputs: &BTreeMap<String, FlakeInput>, prefix: &[String]) -> BTreeMap<String, FlakeInput> {
    let root = |input: &FlakeInput| FlakeInput {
        follows: input.follows.as_ref().map(|path| prefix.iter().chain(path).cloned().collect()),
        overrides: rooted(&input.overrides, prefix),
        ..input.clone()
    };
    inputs.iter().map(|(name, input)| (name.clone(), root(input))).collect()
}

impl LockedFlake {
    /// Writes the lock file if it changed.
    fn write(&mut self, source: &dyn TreeSource, old: &LockFile, flags: &LockFlags) -> Result<(), LockError> {
        if self.lock == *old && flags.output_lock_file.is_none() {
            return Ok(());
        }
        let name = self.original.to_text();
        let changes = diff(old, &self.lock);
        let changes = changes.trim_end();
        if !flags.write {
            if !changes.is_empty() {
                source.warn(&format!("not writing modified lock file of flake '{name}':\n{changes}"));
            }
            return Ok(());
        }
        if !flags.update {
            return Err(LockError::NotAllowed(name));
        }
        if let Some(input) = self.lock.unlocked(flags.allow_dirty_locks) {
            if flags.must_write {
                return Err(LockError::UnlockedInput { flake: name, input: input.to_string() });
            }
            source.warn(&format!(
                "not writing lock file of flake '{name}' because it has an unlocked input ('{input}')"
            ));
            return Ok(());
        }
        let local = self.resolved.input.local_directory();
        let relative = Path::new(&self.resolved.directory).join("flake.lock");
        let path = match (&flags.output_lock_file, &local) {
            (Some(path), _) => path.clone(),
            (None, Some(root)) => root.join(&relative),
            (None, None) => return Err(LockError::NotLocal(name)),
        };
        let existed = path.exists();
        if flags.output_lock_file.is_none() {
            // As the reference writes it, a space before the line's end included.
            let (verb, behind) = match existed {
                true if changes.is_empty() => ("updating", String::new()),
                true => ("updating", format!(":\n{changes}")),
                false => ("creating", format!(": \n{changes}")),
            };
            source.warn(&format!("{verb} lock file \"{}\"{behind}", path.display()));
        }
        write_whole(&path, &self.lock.to_text())?;
        if let (Some(root), None) = (local, &flags.output_lock_file) {
            let program = [("git", ".git"), ("hg", ".hg")].iter().find(|(_, mark)| root.join(mark).exists());
            if let Some((program, _)) = program {
                let add: &[&str] =
                    if *program == "git" { &["add", "--intent-to-add", "--"] } else { &["add", "--"] };
                // If that fails the file is only not part of the tree yet.
                let _ = repository_command(program, &root, add, &relative);
                if flags.commit {
                    let title = if existed { "Update" } else { "Add" };
                    let usual = || format!("{}: {title}", relative.display());
                    let summary = flags.commit_summary.clone().unwrap_or_else(usual);
                    let message = format!("--message={summary}\n\nFlake lock file updates:\n\n{changes}");
                    let commit = ["commit", "--quiet", &message, "--"];
                    repository_command(program, &root, &commit, &relative)?;
                }
            }
            // The lock file belongs to the tree.
            self.tree = source.fetch_again(&self.resolved)?;
            self.trees.insert(0, self.tree.clone());
        }
        Ok(())
    }
}

/// Runs `git` or `hg` on a file of a repository.
fn repository_command(
    program: &'static str,
    root: &Path,
    arguments: &[&str],
    file: &Path,
) -> Result<(), LockError> {
    let mut command = std::process::Command::new(program);
    command.args(arguments).arg(file).current_dir(root).stdin(std::process::Stdio::null());
    let output = command.output();
    let output = output.map_err(|source| LockError::File { action: "run", path: program.into(), source })?;
    match output.status.success() {
        true => Ok(()),
        false => Err(LockError::Program {
            program,
            command: arguments.first().copied().unwrap_or_default().to_owned(),
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}

/// Writes a file so that it is never seen half written.
fn write_whole(path: &Path, text: &str) -> Result<(), LockError> {
    let error = |source| LockError::File { action: "write", path: path.to_owned(), source };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let file = tempfile::Builder::new().permissions(mode).tempfile_in(parent).map_err(error)?;
    std::fs::write(file.path(), text).map_err(error)?;
    file.persist(path).map_err(|failure| error(failure.error))?;
    Ok(())
}
