//! Makes a tree of files that were built for `/usr` run from anywhere.
//!
//! Debian's packages expect their files at fixed places: the program interpreter
//! at `/lib64`, libraries in directories that the run-time linker knows,
//! interpreters of scripts in `/usr/bin`. [`relocate_tree`] turns an unpacked set
//! of packages into one that works at a store path and that refers only to itself
//! and to the trees named in the request. It works in place, without running any
//! program, for every ELF machine, class and byte order, and its result depends
//! on nothing but the request and the files.
//!
//! What it cannot change: paths compiled into programs (for example `/bin/sh` in
//! `system()`), and the run-time linker's built-in `/lib` and `/usr/lib`.

mod elf;
mod error;
mod files;
mod index;
mod links;
mod merge;
mod relocate;
mod text;

use std::path::{Path, PathBuf};

pub use error::RelocateError;
pub use merge::{Selection, merge_usr};
pub use relocate::relocate_tree;

/// A tree of files: where it is now, and where it will be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree<'a> {
    /// Directory that holds the files now.
    pub physical: &'a Path,
    /// Absolute path under which programs will see them, for example
    /// `/nix/store/…-glibc`; it goes into the files.
    pub logical: &'a Path,
}

/// What to do with a tree.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The tree, changed in place; unpacked packages, with or without `usr`.
    pub output: Tree<'a>,
    /// Finished trees in which libraries, interpreters and programs are looked
    /// for, after the tree itself, in this order.
    pub dependencies: &'a [Tree<'a>],
    /// Directory of the merged tree that becomes the whole tree, for example
    /// `riscv64-linux-gnu`.
    pub subtree: Option<&'a str>,
    /// Patterns of what stays, relative to the result; everything if empty.
    pub keep: &'a [String],
    /// Patterns of what goes.
    pub remove: &'a [String],
    /// Links to make, as `path=target`.
    pub links: &'a [String],
    /// The tree whose `bin` scripts find their interpreters in before all others.
    pub shell: Option<Tree<'a>>,
}

/// A shared library or interpreter that is in none of the trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The file that needs it, relative to the tree.
    pub file: PathBuf,
    /// What it needs: a library's name, or an interpreter's path.
    pub name: String,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Number of ELF files with a new interpreter or library path.
    pub patched: usize,
    /// Number of scripts with another interpreter.
    pub scripts: usize,
    /// Number of linker scripts with bare file names.
    pub linker_scripts: usize,
    /// Number of symbolic links that lead elsewhere than before.
    pub retargeted_links: usize,
    /// Symbolic links that led nowhere, relative to the tree.
    pub removed_links: Vec<PathBuf>,
    /// Libraries and program interpreters that were not found. Programs that need
    /// them will not start; plugins may find theirs already loaded.
    pub missing: Vec<Missing>,
}
