//! NARs against what `nix-store --dump` wrote, and hostile archives.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::hash::Hash;

/// The tree that `nix-store --dump | sha256sum` of Nix 2.8.0 was asked about.
fn make_tree(root: &Path) {
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    for (name, content) in [
        ("a", "hello\n"),
        ("run", "#!/bin/sh\n"),
        ("zero", ""),
        ("eight", "12345678"),
        ("sub/Z", "x"),
        ("sub/ä", "y"),
    ] {
        fs::write(root.join(name), content).unwrap();
    }
    fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../a", root.join("sub/link")).unwrap();
}

fn dump(path: &Path) -> Vec<u8> {
    write_tree(path, Vec::new(), &mut keep_all).unwrap()
}

#[test]
fn equals_the_dump_of_nix() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("t");
    make_tree(&root);
    let summary = summarize_tree(&root, &mut keep_all).unwrap();
    assert_eq!(
        (summary.hash.to_base16().as_str(), summary.size),
        ("7f1285d4cc1c2db20a3337ef6c32c4d0e585ee793c99b3258c1f499b85c7acdb", 1808)
    );
    assert_eq!(Hash::sha256(dump(&root)), summary.hash);
}

#[test]
fn unpacks_with_canonical_metadata() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("t");
    make_tree(&root);
    let archive = dump(&root);
    let copy = directory.path().join("copy");
    unpack(&mut archive.as_slice(), &copy).unwrap();
    assert_eq!(dump(&copy), archive);
    for (name, mode) in [("", 0o555), ("a", 0o444), ("run", 0o555), ("sub", 0o555)] {
        let metadata = fs::symlink_metadata(copy.join(name)).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (mode, 1), "{name}");
    }
    assert_eq!(fs::symlink_metadata(copy.join("sub/link")).unwrap().mtime(), 1);
    for name in ["", "empty", "sub"] {
        fs::set_permissions(copy.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn filter_leaves_out() {
    let directory = tempfile::tempdir().unwrap();
    make_tree(directory.path());
    let mut asked = Vec::new();
    let mut filter = |path: &Path, kind: FileKind| {
        let name = path.strip_prefix(directory.path()).unwrap().display().to_string();
        let keep = name != "sub" && kind != FileKind::Symlink;
        asked.push(format!("{} {name}", kind.name()));
        Ok(keep)
    };
    let archive = write_tree(directory.path(), Vec::new(), &mut filter).unwrap();
    assert_eq!(
        asked,
        ["regular a", "regular eight", "directory empty", "regular run", "directory sub", "regular zero"]
    );
    fs::remove_dir_all(directory.path().join("sub")).unwrap();
    assert_eq!(archive, dump(directory.path()));
    let mut fails = |_: &Path, _: FileKind| Err("no".into());
    let error = write_tree(directory.path(), Vec::new(), &mut fails).unwrap_err();
    assert!(matches!(error, NarError::Filter { .. }));
}

#[test]
fn file_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("f");
    for content in [vec![], b"12345678".to_vec(), vec![b'x'; 3 * BUFFER_SIZE + 5]] {
        fs::write(&file, &content).unwrap();
        assert_eq!(dump(&file), nar_of_file(&content, false));
    }
    symlink("f", directory.path().join("l")).unwrap();
    assert_eq!(dump(&directory.path().join("l")).len(), 120);
}

#[test]
fn sockets_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = write_tree(directory.path(), Vec::new(), &mut keep_all).unwrap_err();
    assert!(matches!(error, NarError::UnsupportedType(path) if path == socket));
}

/// An archive of strings; what begins with `=` is a bare number instead.
fn archive(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in std::iter::once(&MAGIC).chain(words) {
        if let Some(number) = word.strip_prefix('=') {
            bytes.extend(number.parse::<u64>().unwrap().to_le_bytes());
            continue;
        }
        bytes.extend((word.len() as u64).to_le_bytes());
        bytes.extend(word.as_bytes());
        bytes.resize(bytes.len().div_ceil(8) * 8, 0);
    }
    bytes
}

const FILE: [&str; 6] = ["(", "type", "regular", "contents", "x", ")"];

fn entry<'n>(name: &'n str, object: &[&'n str]) -> Vec<&'n str> {
    [&["entry", "(", "name", name, "node"], object, &[")"]].concat()
}

fn directory<'n>(entries: &[Vec<&'n str>]) -> Vec<&'n str> {
    [&["(", "type", "directory"][..], &entries.concat(), &[")"]].concat()
}

#[track_caller]
fn check_bytes(bytes: &[u8], expected: &str) {
    let place = tempfile::tempdir().unwrap();
    let error = unpack(&mut &bytes[..], &place.path().join("x")).unwrap_err();
    assert_eq!(error.to_string(), format!("bad archive at byte {expected}"));
    let names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name == "x"), "{names:?}");
    if place.path().join("x").is_dir() {
        fs::set_permissions(place.path().join("x"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[track_caller]
fn check(words: &[&str], expected: &str) {
    check_bytes(&archive(words), expected);
}

#[test]
fn hostile_archives() {
    check_bytes(b"", "0: unexpected end");
    check_bytes(b"\xff\xff\xff\xff\xff\xff\xff\xff", "8: token of 18446744073709551615 bytes is too long");
    check(
        &["(", "type", "fifo", ")"],
        "72: expected \"regular\", \"symlink\" or \"directory\", got \"fifo\"",
    );
    check(&["(", "type", "regular", ")"], "88: expected \"contents\", got \")\"");
    check(&["(", "type", "regular", "executable", "x"], "112: expected \"\", got \"x\"");
    check(&["(", "type", "regular", "contents", "=9223372036854775807"], "96: unexpected end");
    check(&["(", "type", "symlink", "target", "", ")"], "96: link target is empty or has a NUL byte");
    check(&["(", "type", "symlink", "target", "=5000"], "96: link target of 5000 bytes is too long");
    for name in ["", ".", "..", "a/b", "/etc", "../x", "a\0b"] {
        let offset = if name.is_empty() { 136 } else { 144 };
        check(
            &directory(&[entry(name, &FILE)]),
            &format!("{offset}: entry name {:?} is not allowed", bstr::BStr::new(name)),
        );
    }
    check(&directory(&[entry("b", &FILE), entry("a", &FILE)]), "336: entry \"a\" is not in ascending order");
    check(
        &directory(&[entry("a", &["(", "type", "symlink", "target", "/etc", ")"]), entry("a", &FILE)]),
        "336: entry \"a\" is not in ascending order",
    );
    let long = "x".repeat(256);
    check(&directory(&[entry(&long, &FILE)]), "136: name of 256 bytes is too long");
    let mut padded = archive(&FILE);
    let last = padded.len() - 17;
    padded[last] = 1;
    check_bytes(&padded, &format!("{}: padding is not zero", last + 1));
    let deep = ["(", "type", "directory", "entry", "(", "name", "a", "node"].repeat(MAX_DEPTH + 10);
    let mut ignore = Ignore;
    let error = parse(&mut archive(&deep).as_slice(), &mut ignore).unwrap_err();
    assert!(error.to_string().ends_with("nested more than 512 directories deep"), "{error}");
    let trailing = [archive(&FILE), vec![0]].concat();
    assert!(parse_one(&mut trailing.as_slice(), &mut ignore).is_ok());
    let error = parse(&mut trailing.as_slice(), &mut ignore).unwrap_err();
    assert_eq!(error.to_string(), "bad archive at byte 120: trailing bytes");
}

#[test]
fn every_truncation_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    make_tree(place.path());
    let whole = dump(place.path());
    for end in 0..whole.len() {
        assert!(parse(&mut &whole[..end], &mut Ignore).is_err(), "{end}");
    }
    parse(&mut whole.as_slice(), &mut Ignore).unwrap();
}

#[test]
fn nothing_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    let existing = place.path().join("x");
    fs::write(&existing, "old").unwrap();
    assert!(unpack(&mut archive(&FILE).as_slice(), &existing).is_err());
    assert_eq!(fs::read(&existing).unwrap(), b"old");
    let dangling = place.path().join("l");
    symlink("nowhere", &dangling).unwrap();
    assert!(unpack(&mut archive(&FILE).as_slice(), &dangling).is_err());
    assert!(!place.path().join("nowhere").exists());
}

struct Ignore;

impl Visitor for Ignore {
    fn regular(&mut self, _: bool, _: u64, _: &mut dyn io::Read) -> Result<(), NarError> {
        Ok(())
    }
    fn symlink(&mut self, _: &[u8]) -> Result<(), NarError> {
        Ok(())
    }
    fn begin_directory(&mut self) -> Result<(), NarError> {
        Ok(())
    }
    fn enter(&mut self, _: &[u8]) -> Result<(), NarError> {
        Ok(())
    }
    fn leave(&mut self) -> Result<(), NarError> {
        Ok(())
    }
    fn end_directory(&mut self) -> Result<(), NarError> {
        Ok(())
    }
}
