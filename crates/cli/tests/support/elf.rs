//! What every ELF file of a finished package has to satisfy.

use crate::support::{home, stdout};
use object::Endianness;
use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, SectionHeader};
use saltire_platforms::{Class, Platform, identify_elf};
use saltire_store::{Store, StoreLocation, StoreOptions};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where a store path's files are.
pub fn physical(path: &str) -> PathBuf {
    home().join("data/saltire/root").join(path.trim_start_matches('/'))
}

/// The store paths that a path needs at run time, itself included.
pub fn closure(path: &str) -> BTreeSet<String> {
    let store = Store::new(StoreLocation::below(&home().join("data/saltire/root")), StoreOptions::default());
    let parsed = store.store_dir().parse(path).unwrap();
    store.query_closure([&parsed]).unwrap().iter().map(|member| store.display(member)).collect()
}

/// Run-time library path and needed libraries.
#[derive(Debug, Default)]
struct Dynamic {
    run_path: Vec<String>,
    needed: Vec<String>,
    has_rpath: bool,
}

fn dynamic<Header: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Dynamic {
    let header = Header::parse(bytes).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, bytes).unwrap();
    let mut found = Dynamic::default();
    for section in sections.iter() {
        let Some((entries, link)) = section.dynamic(endian, bytes).unwrap() else { continue };
        let strings = sections.strings(endian, bytes, link).unwrap();
        let text = |entry: &<Header as FileHeader>::Dyn| {
            String::from_utf8(entry.string(endian, strings).unwrap().to_vec()).unwrap()
        };
        for entry in entries {
            match entry.tag(endian) {
                DT_NEEDED => found.needed.push(text(entry)),
                DT_RUNPATH => found.run_path = text(entry).split(':').map(str::to_owned).collect(),
                DT_RPATH => found.has_rpath = true,
                _ => {}
            }
        }
    }
    found
}

/// Checks all ELF files below a store path: made for the platform, interpreter and
/// run-time library path within the closure, each entry of it once and for a
/// reason, every needed library found. Returns how many there were.
pub fn check_elf_files(path: &str, platform: &Platform) -> usize {
    let members = closure(path);
    let in_closure = |file: &str| members.iter().any(|member| file.starts_with(&format!("{member}/")));
    let mut count = 0;
    for file in files_below(&physical(path)) {
        let bytes = std::fs::read(&file).unwrap();
        let Ok(elf) = identify_elf(&bytes) else { continue };
        count += 1;
        let shown = format!("{} for {}", file.display(), platform.name);
        assert!(elf.platforms().iter().any(|found| found.system == platform.system), "{shown}: {elf:?}");
        if let Some(interpreter) = &elf.interpreter {
            assert!(interpreter.ends_with(platform.dynamic_linker_name().unwrap()), "{shown}: {interpreter}");
            assert!(in_closure(interpreter), "{shown}: {interpreter} is not in the closure");
        }
        let dynamic = match elf.class {
            Class::Elf32 => dynamic::<FileHeader32<Endianness>>(&bytes),
            Class::Elf64 => dynamic::<FileHeader64<Endianness>>(&bytes),
        };
        check_run_path(&shown, &dynamic, in_closure);
    }
    count
}

fn check_run_path(shown: &str, dynamic: &Dynamic, in_closure: impl Fn(&str) -> bool) {
    assert!(!dynamic.has_rpath, "{shown}: has the older RPATH");
    let mut seen = BTreeSet::new();
    for directory in &dynamic.run_path {
        assert!(in_closure(&format!("{directory}/")), "{shown}: {directory} is not in the closure");
        assert!(seen.insert(directory), "{shown}: {directory} is in the run-time library path twice");
        assert!(
            dynamic.needed.iter().any(|name| physical(directory).join(name).exists()),
            "{shown}: nothing needed is in {directory}"
        );
    }
    for name in &dynamic.needed {
        assert!(
            dynamic.run_path.iter().any(|directory| physical(directory).join(name).exists()),
            "{shown}: {name} is in none of {:?}",
            dynamic.run_path
        );
    }
}

/// The regular files below a directory.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files
}

/// Runs a program of a store path, under an emulator where needed.
pub fn run(program: &str) -> String {
    stdout(&format!("exec {program}"))
}
