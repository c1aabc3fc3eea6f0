//! Tests of a whole store in a temporary directory.

mod adding;
mod collecting;
mod disasters;
mod interoperation;
mod outputs;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use saltire_store_model::nar::keep_all;
use saltire_store_model::{HashAlgorithm, StorePath};

use crate::*;

/// A store in a directory that is removed afterwards.
struct Scratch {
    store: Store,
    directory: tempfile::TempDir,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Read-only directories stop `TempDir`.
        let _ = remove_tree(&self.root());
    }
}

impl std::ops::Deref for Scratch {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

fn open(root: &Path) -> Store {
    Store::new(StoreLocation::below(root), StoreOptions { sync: false })
}

fn scratch() -> Scratch {
    let directory = tempfile::tempdir().unwrap();
    Scratch { store: open(&directory.path().join("root")), directory }
}

impl Scratch {
    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// Another process's view of the same store, so to speak.
    fn again(&self) -> Store {
        open(&self.root())
    }

    fn text(&self, name: &str, references: &[&StorePath]) -> StorePath {
        let references: BTreeSet<_> = references.iter().map(|path| (*path).clone()).collect();
        self.add_text(name, name.as_bytes(), &references).unwrap()
    }

    /// What is in the store's directory, temporary directories apart.
    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.root().join("nix/store"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("tmp-"))
            .collect();
        names.sort();
        names
    }

    fn tree(&self) -> PathBuf {
        let tree = self.directory.path().join("tree");
        fs::create_dir_all(tree.join("bin")).unwrap();
        fs::write(tree.join("bin/tool"), "#!/bin/sh\n").unwrap();
        fs::write(tree.join("note"), "x").unwrap();
        tree
    }

    fn add(&self, name: &str) -> StorePath {
        self.add_tree(name, &self.tree(), HashAlgorithm::Sha256, &mut keep_all).unwrap().path
    }
}

#[test]
fn store_is_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Store>();
}
