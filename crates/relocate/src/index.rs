//! Which tree holds which library or program, and where.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::elf::{ET_DYN, Machine, identify};
use crate::files::{Kind, kind_of, read_start, walk};
use crate::merge::{merged, parent, read_link};
use crate::{RelocateError, Tree};

/// Links followed on the way to a file before giving up; Linux's own limit.
const MAX_LINKS: usize = 40;

/// A shared library, under one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Library {
    /// Its directory, relative to the tree's root.
    pub directory: PathBuf,
    /// What it runs on.
    pub machine: Machine,
}

/// A tree and the shared libraries in it by file name, best directory first.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    /// The tree.
    pub tree: Tree<'a>,
    libraries: BTreeMap<OsString, Vec<Library>>,
}

impl<'a> Index<'a> {
    /// Looks through the whole tree.
    pub(crate) fn new(tree: Tree<'a>) -> Result<Index<'a>, RelocateError> {
        let mut libraries: BTreeMap<OsString, Vec<Library>> = BTreeMap::new();
        for entry in walk(tree.physical)? {
            let Some(name) = entry.path.file_name() else {
                continue;
            };
            if entry.kind == Kind::Directory || !may_be_library(name.as_bytes()) {
                continue;
            }
            let directory = parent(&entry.path);
            // Variants for newer processors, which the run-time linker finds by
            // itself below the ordinary directory.
            if directory.iter().any(|part| part == "glibc-hwcaps") {
                continue;
            }
            let Some(file) = resolve(tree.physical, &entry.path)? else {
                continue;
            };
            let start = read_start(&tree.physical.join(file), 64)?;
            if let Some((machine, ET_DYN)) = identify(&start) {
                let library = Library { directory: directory.to_owned(), machine };
                libraries.entry(name.to_owned()).or_default().push(library);
            }
        }
        for places in libraries.values_mut() {
            places.sort_by(|left, right| {
                let key = |library: &Library| {
                    let directory = &library.directory;
                    (rank(directory), directory.components().count())
                };
                key(left).cmp(&key(right)).then_with(|| left.directory.cmp(&right.directory))
            });
        }
        Ok(Index { tree, libraries })
    }

    /// Directories that hold a library of this name for this machine (any, if
    /// `None`), best first.
    pub(crate) fn directories<'s>(
        &'s self,
        name: &std::ffi::OsStr,
        machine: Option<Machine>,
    ) -> impl Iterator<Item = &'s Path> {
        let places = self.libraries.get(name).map_or(&[][..], Vec::as_slice);
        places
            .iter()
            .filter(move |library| machine.is_none_or(|wanted| library.machine == wanted))
            .map(|library| library.directory.as_path())
    }

    /// Whether `directory` holds any library for this machine.
    pub(crate) fn has_libraries(&self, directory: &Path, machine: Machine) -> bool {
        self.libraries
            .values()
            .flatten()
            .any(|library| library.machine == machine && library.directory == directory)
    }

    /// The file of this tree that `path`, relative to the root of a machine's
    /// file system, means: the path under which it is found here.
    pub(crate) fn find(&self, path: &Path) -> Result<Option<PathBuf>, RelocateError> {
        let path = merged(path);
        Ok(resolve(self.tree.physical, &path)?.map(|_| path))
    }
}

fn may_be_library(name: &[u8]) -> bool {
    name.windows(3).any(|part| part == b".so")
}

/// The usual directories of libraries come before private ones.
fn rank(directory: &Path) -> u8 {
    let mut parts = directory.iter().map(OsStrExt::as_bytes);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(b"lib"), None, None) => 0,
        (Some(b"lib64" | b"lib32" | b"libx32"), None, None) => 1,
        (Some(b"lib"), Some(part), None) if part.contains(&b'-') => 2,
        (Some(b"lib" | b"lib64" | b"lib32" | b"libx32" | b"libexec"), _, _) => 3,
        _ => 4,
    }
}

/// What `path` leads to inside the tree at `root`, as a path without links;
/// absolute links count from `root`, and none leads out of it. `None` if there is
/// no such file.
pub(crate) fn resolve(root: &Path, path: &Path) -> Result<Option<PathBuf>, RelocateError> {
    let mut pending: Vec<OsString> = Vec::new();
    let push = |pending: &mut Vec<OsString>, path: &Path| {
        pending.extend(path.components().rev().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        }));
    };
    push(&mut pending, path);
    let mut current = PathBuf::new();
    let mut links = 0;
    while let Some(part) = pending.pop() {
        if part == ".." {
            current.pop();
            continue;
        }
        let next = current.join(&part);
        match kind_of(&root.join(&next))? {
            None => return Ok(None),
            Some(Kind::Link) => {
                links += 1;
                if links > MAX_LINKS {
                    return Ok(None);
                }
                let target = read_link(&root.join(&next))?;
                if target.is_absolute() {
                    current = PathBuf::new();
                }
                push(&mut pending, &target);
            }
            Some(_) => current = next,
        }
    }
    Ok(Some(current))
}
