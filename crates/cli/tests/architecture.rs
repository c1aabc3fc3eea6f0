//! The dependency direction that ARCHITECTURE.md promises.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Crate names with their rows, from the table in ARCHITECTURE.md.
fn rows() -> BTreeMap<String, u32> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let row = cells.next()?.parse().ok()?;
        Some((cells.next()?.trim_matches('`').to_owned(), row))
    };
    text.lines().filter_map(row).collect()
}

/// The crates below `crates/` that a crate depends on, development ones aside.
fn dependencies(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
    let mut in_dependencies = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            in_dependencies = line.starts_with("[dependencies") || line.starts_with("[target");
        }
        if in_dependencies && let Some((_, path)) = line.split_once("path = \"../") {
            found.push(path.split('"').next().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn crates_depend_only_on_rows_above_their_own() {
    let rows = rows();
    let mut crates: Vec<String> = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    crates.sort();
    let listed: Vec<String> = rows.keys().cloned().collect();
    assert_eq!(crates, listed, "crates/ and the table in ARCHITECTURE.md list the same crates");
    for name in &crates {
        for dependency in dependencies(name) {
            assert!(rows[&dependency] < rows[name], "{name} must not depend on {dependency}");
        }
    }
}
