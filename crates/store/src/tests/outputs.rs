//! Registering what builders made.

use saltire_store_model::{ContentAddress, Hash, Ingestion};

use super::*;

fn path(name: &str) -> StorePath {
    let hash = Hash::sha256(name).fold();
    StorePath::from_parts(&hash, name).unwrap()
}

impl Scratch {
    /// An output at its own place with this content.
    fn built(&self, name: &str, content: &str) -> OutputToFinish {
        self.with_database(|_| Ok(())).unwrap();
        let path = path(name);
        let place = self.physical_path(&path);
        fs::write(&place, content).unwrap();
        OutputToFinish { path, place, fixed: None, built_here: true }
    }
}

#[test]
fn references_are_found() {
    let store = scratch();
    let dependency = store.text("dep", &[]);
    let unused = store.text("unused", &[]);
    let library = store.built("lib", &format!("x {}", store.display(&dependency)));
    let program = store.built("bin", &format!("{} {}", path("lib"), path("bin")));
    let candidates = [dependency.clone(), unused].into();
    let outputs = [program, library];
    let finished = store.finish_outputs(&outputs, &candidates, Some(&dependency)).unwrap();
    let references: Vec<_> = finished.iter().map(|output| &output.info.references).collect();
    assert_eq!(references, [&[path("bin"), path("lib")].into(), &[dependency.clone()].into()]);
    let info = store.path_info(&path("bin")).unwrap();
    assert!(info.ultimate);
    assert_eq!(info.deriver, Some(dependency));
    assert!(store.verify(true, &mut |_| ()).unwrap().problems.is_empty());
}

#[test]
fn outputs_elsewhere_are_moved() {
    let store = scratch();
    let mut output = store.built("x", "");
    fs::remove_file(&output.place).unwrap();
    output.place = store.root().join("scratch");
    fs::create_dir_all(output.place.join("a/b")).unwrap();
    store.finish_outputs(&[output.clone()], &BTreeSet::new(), None).unwrap();
    assert!(store.physical_path(&output.path).join("a/b").is_dir());
    assert!(!output.place.exists());
    assert!(store.verify(true, &mut |_| ()).unwrap().problems.is_empty());
}

#[test]
fn cycles_are_refused() {
    let store = scratch();
    let a = store.built("a", path("b").base_name());
    let b = store.built("b", path("a").base_name());
    let error = store.finish_outputs(&[a, b], &BTreeSet::new(), None).unwrap_err();
    assert!(matches!(error, StoreError::ReferenceCycle(_)), "{error}");
    assert!(store.query_all_valid_paths().unwrap().is_empty());
}

#[test]
fn missing_outputs_are_named() {
    let store = scratch();
    let output = store.built("a", "");
    fs::remove_file(&output.place).unwrap();
    let error = store.finish_outputs(&[output], &BTreeSet::new(), None).unwrap_err();
    assert!(error.to_string().starts_with("builder failed to produce output path '/nix/store/"));
}

#[track_caller]
fn check_fixed(content: &str, executable: bool, address: ContentAddress, message: Option<&str>) {
    let store = scratch();
    let dependency = store.text("dep", &[]);
    let content = content.replace("DEP", &store.display(&dependency));
    let mut output = store.built("f", &content);
    output.fixed = Some(address);
    if executable {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&output.place, mode).unwrap();
    }
    let result = store.finish_outputs(&[output], &[dependency.clone()].into(), Some(&dependency));
    match (result, message) {
        (Ok(_), None) => {}
        (Err(error), Some(message)) => {
            let error = error.to_string().replace(&store.display(&dependency), "DRV");
            assert!(error.contains(message), "{error}");
            assert_eq!(store.query_all_valid_paths().unwrap().len(), 1);
        }
        (other, expected) => panic!("{other:?}, expected {expected:?}"),
    }
}

#[test]
fn fixed_outputs_are_checked() {
    let flat = |content: &str| ContentAddress { ingestion: Ingestion::Flat, hash: Hash::sha256(content) };
    check_fixed("hello", false, flat("hello"), None);
    check_fixed(
        "hello",
        false,
        flat("other"),
        Some(
            "hash mismatch in fixed-output derivation 'DRV':\n  \
             specified: sha256-2SmKENGwc1g33EvYXaxkGw887yekfl1TpU8vP1svz/o=\n     \
             got:    sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        ),
    );
    check_fixed("hello", true, flat("hello"), Some("should be a non-executable regular file"));
    let nar = saltire_store_model::nar::nar_of_file(b"hello", true);
    let recursive = ContentAddress { ingestion: Ingestion::Nar, hash: Hash::sha256(&nar) };
    check_fixed("hello", true, recursive, None);
    check_fixed("hello", false, recursive, Some("hash mismatch"));
}

#[test]
fn fixed_outputs_refer_to_nothing() {
    let store = scratch();
    let dependency = store.text("dep", &[]);
    let content = store.display(&dependency);
    let mut output = store.built("f", &content);
    output.fixed = Some(ContentAddress { ingestion: Ingestion::Flat, hash: Hash::sha256(&content) });
    let error = store.finish_outputs(&[output], &[dependency].into(), None).unwrap_err();
    assert!(matches!(error, StoreError::FixedReferences { .. }), "{error}");
}
