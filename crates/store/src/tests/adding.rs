//! Adding and asking.

use saltire_store_model::{Derivation, DerivationOutput, Hash, Ingestion, PathInfo};

use super::*;

#[test]
fn texts() {
    let store = scratch();
    let a = store.text("a", &[]);
    let b = store.text("b", &[&a]);
    assert_eq!(store.text("a", &[]), a);
    assert_eq!(fs::read(store.physical_path(&b)).unwrap(), b"b");
    assert_eq!(store.query_references(&b).unwrap(), [a.clone()].into());
    assert_eq!(store.query_referrers(&a).unwrap(), [b.clone()].into());
    assert_eq!(store.query_closure([&b]).unwrap(), [a.clone(), b.clone()].into());
    assert_eq!(store.query_referrers_closure([&a]).unwrap(), [a.clone(), b.clone()].into());
    assert_eq!(store.query_path_from_hash_part(a.hash_part()).unwrap(), Some(a.clone()));
    assert_eq!(store.query_path_from_hash_part(&"0".repeat(32)).unwrap(), None);
    let info = store.again().path_info(&b).unwrap();
    assert_eq!(info.has_right_content_address(store.store_dir()), Ok(Some(true)));
    assert!(store.again().verify(true, &mut |_| ()).unwrap().problems.is_empty());
}

#[test]
fn texts_in_one_go_refer_to_each_other() {
    let store = scratch();
    let dir = store.store_dir().clone();
    let object = |name: &str, references: &[&StorePath]| {
        let references: BTreeSet<_> = references.iter().map(|path| (*path).clone()).collect();
        TextObject {
            path: dir.make_text_path(name, name, &references).unwrap(),
            content: name.into(),
            references,
            derivation_outputs: Default::default(),
        }
    };
    let a = object("a", &[]);
    let b = object("b", &[&a.path]);
    store.add_texts(&[b.clone(), a.clone(), a.clone()]).unwrap();
    assert_eq!(store.files().len(), 2);
    let missing = object("c", &[&object("d", &[]).path]);
    let error = store.add_texts(std::slice::from_ref(&missing)).unwrap_err();
    assert!(matches!(error, StoreError::NotValid(_)), "{error}");
    assert!(!store.is_valid(&missing.path).unwrap());
}

#[test]
fn derivations() {
    let store = scratch();
    let mut derivation = Derivation {
        name: "d".into(),
        outputs: ["dev", "out"].map(|name| (name.to_owned(), DerivationOutput::Deferred)).into(),
        system: "x86_64-linux".into(),
        builder: "/bin/sh".into(),
        ..Derivation::default()
    };
    let finished = derivation
        .finish(store.store_dir(), store.modulo_cache(), |path| store.read_derivation(path))
        .unwrap();
    let path = store.add_derivation(&derivation).unwrap();
    assert_eq!(path, finished.path);
    assert_eq!(store.query_derivation_outputs(&path).unwrap(), finished.outputs);
    assert_eq!(store.query_valid_derivers(&finished.outputs["dev"]).unwrap(), [path.clone()].into());
    assert_eq!(store.read_derivation(&path).unwrap(), derivation);
}

#[test]
fn trees() {
    let store = scratch();
    let path = store.add("t");
    assert_eq!(store.add("t"), path);
    let place = store.physical_path(&path);
    assert_eq!(fs::read(place.join("note")).unwrap(), b"x");
    let fixed = store.path_info(&path).unwrap();
    assert_eq!(fixed.has_right_content_address(store.store_dir()), Ok(Some(true)));

    let mut no_notes = |path: &Path, _| Ok(path.file_name().unwrap() != "note");
    let filtered = store.add_tree("t", &store.tree(), HashAlgorithm::Sha1, &mut no_notes).unwrap();
    assert!(!store.physical_path(&filtered.path).join("note").exists());
    assert!(store.verify(true, &mut |_| ()).unwrap().problems.is_empty());
}

#[test]
fn files_and_archives() {
    let store = scratch();
    let flat = store.add_file("f", b"hello", false, Ingestion::Flat, HashAlgorithm::Sha256).unwrap();
    // `nix-store --print-fixed-path sha256 <sha256 of hello> n` of Nix 2.8.0 for the name n.
    let named = store.add_file("n", b"hello", false, Ingestion::Flat, HashAlgorithm::Sha256).unwrap();
    assert_eq!(named.path.base_name(), "53hm6h0fkmzbkbhl5n2jl75y1vh68s32-n");

    let other = scratch();
    let info = store.path_info(&flat.path).unwrap();
    let mut archive = store.write_nar(&flat.path, Vec::new()).unwrap();
    archive.extend_from_slice(b"more");
    let mut reader = archive.as_slice();
    other.add_nar(&info, &mut reader).unwrap();
    assert_eq!(other.path_info(&flat.path).unwrap().nar_hash, info.nar_hash);
    assert_eq!(fs::read(other.physical_path(&flat.path)).unwrap(), b"hello");
}

#[test]
fn bad_archives_leave_nothing() {
    let store = scratch();
    let source = scratch();
    let good = source.add("t");
    let info = source.path_info(&good).unwrap();
    let archive = source.write_nar(&good, Vec::new()).unwrap();
    let check = |info: &PathInfo, archive: &[u8], message: &str| {
        let error = store.add_nar(info, &mut &*archive).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert_eq!(store.files(), [""; 0]);
        assert!(!store.is_valid(&info.path).unwrap());
    };
    check(&info, &archive[..archive.len() - 8], "unexpected end");
    let mut changed = archive.clone();
    let at = changed.len() - 40;
    changed[at] ^= 1;
    check(&info, &changed, "");
    let wrong = PathInfo { nar_hash: Hash::sha256("x"), content_address: None, ..info.clone() };
    check(&wrong, &archive, "hash mismatch");
    let wrong = PathInfo {
        path: StorePath::from_base_name(format!("{}-t", "0".repeat(32)).as_bytes()).unwrap(),
        ..info.clone()
    };
    check(&wrong, &archive, "not the one that its content address gives");
    let unknown = StorePath::from_base_name(format!("{}-u", "0".repeat(32)).as_bytes()).unwrap();
    let wrong = PathInfo { references: [unknown].into(), content_address: None, ..info.clone() };
    check(&wrong, &archive, "is not valid");
    store.add_nar(&info, &mut archive.as_slice()).unwrap();
}

#[test]
fn foreign_derivations_can_not_claim_outputs() {
    let store = scratch();
    let text = concat!(
        r#"Derive([("out","/nix/store/00000000000000000000000000000000-x","","")],[],[],"#,
        r#""x86_64-linux","/bin/sh",[],[("out","/nix/store/00000000000000000000000000000000-x")])"#
    );
    let path = store.store_dir().make_text_path("x.drv", text, []).unwrap();
    let archive = saltire_store_model::nar::nar_of_file(text.as_bytes(), false);
    let info = PathInfo::new(path.clone(), Hash::sha256(&archive), archive.len() as u64);
    let error = store.add_nar(&info, &mut archive.as_slice()).unwrap_err();
    assert!(matches!(error, StoreError::WrongOutputs { .. }), "{error}");
    assert!(!store.is_valid(&path).unwrap());
}

#[test]
fn leftovers_are_replaced() {
    let store = scratch();
    let path = store.store_dir().make_text_path("a", "a", []).unwrap();
    fs::create_dir_all(store.physical_path(&path).join("half")).unwrap();
    assert_eq!(store.text("a", &[]), path);
    assert_eq!(fs::read(store.physical_path(&path)).unwrap(), b"a");
}

#[test]
fn threads_add_the_same() {
    let store = scratch();
    store.tree();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..10 {
                    store.text(&format!("text-{number}"), &[]);
                    let added = store.again().add_tree(
                        &format!("tree-{number}"),
                        &store.directory.path().join("tree"),
                        HashAlgorithm::Sha256,
                        &mut keep_all,
                    );
                    added.unwrap();
                }
            });
        }
    });
    assert_eq!(store.files().len(), 20);
    assert!(store.verify(true, &mut |_| ()).unwrap().problems.is_empty());
}

#[test]
fn unwritable_places_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file).add_text("a", b"a", &BTreeSet::new()).unwrap_err().to_string();
    assert!(error.contains(&file.display().to_string()), "{error}");
}

#[test]
fn unknown_schemas_are_refused() {
    let store = scratch();
    store.text("a", &[]);
    fs::write(store.root().join("nix/var/nix/db/schema"), "11").unwrap();
    let error = store.again().query_all_valid_paths().unwrap_err();
    assert!(error.to_string().contains("schema version '11', only 10 is supported"), "{error}");
}

#[test]
fn no_database_is_made_twice() {
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let root = directory.path();
            scope.spawn(move || {
                open(root).add_text(&number.to_string(), b"", &BTreeSet::new()).unwrap();
            });
        }
    });
    assert_eq!(open(directory.path()).query_all_valid_paths().unwrap().len(), 8);
}

#[test]
fn logs() {
    let store = scratch();
    let derivation = store.text("x.drv-log", &[]);
    assert_eq!(store.read_log(&derivation).unwrap(), None);
    let mut log = store.create_log(&derivation).unwrap();
    std::io::Write::write_all(&mut log, b"building\n").unwrap();
    let place = log.finish().unwrap();
    let (head, tail) = derivation.base_name().split_at(2);
    assert!(place.ends_with(format!("nix/var/log/nix/drvs/{head}/{tail}.bz2")));
    assert_eq!(store.read_log(&derivation).unwrap().unwrap(), b"building\n");
    fs::write(place.with_extension(""), "plain").unwrap();
    fs::remove_file(place).unwrap();
    assert_eq!(store.read_log(&derivation).unwrap().unwrap(), b"plain");
}
