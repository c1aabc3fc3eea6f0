//! How long a store's usual operations take.
//!
//! Targets: opening and asking, as a trivial command does, well below 10 ms;
//! adding a tree near the speed of `cp -r`, which is measured in the same run.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use saltire_store::{Store, StoreLocation, StoreOptions, TextObject, remove_tree};
use saltire_store_model::nar::keep_all;
use saltire_store_model::{HashAlgorithm, StoreDir};

/// As many derivations as a NixOS system has.
const TEXTS: usize = 1600;

fn time(what: &str, run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    let time = start.elapsed();
    println!("{what}: {:.2} ms", time.as_secs_f64() * 1e3);
    time
}

fn texts(prefix: &str) -> Vec<TextObject> {
    let store_dir = StoreDir::default();
    (0..TEXTS)
        .map(|number| {
            let name = format!("{prefix}-{number}");
            let content = name.repeat(100).into_bytes();
            let path = store_dir.make_text_path(&name, &content, []).expect("a path");
            let references = BTreeSet::new();
            TextObject { path, content, references, derivation_outputs: Default::default() }
        })
        .collect()
}

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().join("root");
    let open = || Store::new(StoreLocation::below(&root), StoreOptions { sync: false });
    let objects = texts("one-by-one");
    let first = &objects[0].path;
    time("create a store and ask", || {
        open().is_valid(first).expect("asking");
    });
    let store = open();
    time("add 1600 texts one by one", || {
        for object in &objects {
            store.add_texts(std::slice::from_ref(object)).expect("adding");
        }
    });
    let batch = texts("together");
    time("add 1600 texts together", || store.add_texts(&batch).expect("adding"));
    time("add them again", || store.add_texts(&batch).expect("adding"));
    time("open the store and ask", || {
        open().is_valid(first).expect("asking");
    });

    let source = directory.path().join("source");
    for number in 0..4000 {
        let parent = source.join(format!("{}", number / 100));
        fs::create_dir_all(&parent).expect("a directory");
        let content = vec![number as u8; 16 << 10];
        fs::write(parent.join(format!("{number}")), content).expect("a file");
    }
    let added = time("add a tree of 4000 files, 64 MiB", || {
        store.add_tree("tree", &source, HashAlgorithm::Sha256, &mut keep_all).expect("adding");
    });
    let copied = time("cp -r of the same", || {
        let copy = directory.path().join("copy");
        let status = Command::new("cp").arg("-r").arg(&source).arg(copy).status();
        assert!(status.is_ok_and(|status| status.success()), "cp");
    });
    println!("ratio to cp: {:.2}", added.as_secs_f64() / copied.as_secs_f64());
    drop(store);
    remove_tree(&root).expect("removing");
}
