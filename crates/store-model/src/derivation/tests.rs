//! Comparison with files that Nix wrote (see `golden/README.md`), and bad input.

use std::collections::BTreeMap;

use super::*;

const GOLDEN: [(&str, &[u8]); 6] = [
    (
        "245daf5lbijazfa2bxhcqbambwff16z4-src.tar.gz.drv",
        include_bytes!("golden/245daf5lbijazfa2bxhcqbambwff16z4-src.tar.gz.drv"),
    ),
    (
        "4qjyqbgibvfaj80yabv32104qhmp3v50-st.drv",
        include_bytes!("golden/4qjyqbgibvfaj80yabv32104qhmp3v50-st.drv"),
    ),
    (
        "4sh2mjiv96x5kkxwk53116as98p4x5wp-lib-1.0.drv",
        include_bytes!("golden/4sh2mjiv96x5kkxwk53116as98p4x5wp-lib-1.0.drv"),
    ),
    (
        "pisv4psfb0zilhx14qfbm4b3583hdsn5-old.drv",
        include_bytes!("golden/pisv4psfb0zilhx14qfbm4b3583hdsn5-old.drv"),
    ),
    (
        "x2b0pz9xg924fn7xpp621pw2psld0mzd-app.drv",
        include_bytes!("golden/x2b0pz9xg924fn7xpp621pw2psld0mzd-app.drv"),
    ),
    (
        "zrakgcp3nn6n078ip8mrsa6a68jph7sx-tree.drv",
        include_bytes!("golden/zrakgcp3nn6n078ip8mrsa6a68jph7sx-tree.drv"),
    ),
];

fn golden() -> BTreeMap<StorePath, (&'static [u8], Derivation)> {
    GOLDEN
        .iter()
        .map(|(base_name, text)| {
            let path = StorePath::from_base_name(base_name.as_bytes()).unwrap();
            let name = path.derivation_name().unwrap().to_owned();
            let derivation = Derivation::parse(&StoreDir::default(), &name, text).unwrap();
            (path, (*text, derivation))
        })
        .collect()
}

/// The derivation as it is before its paths are known.
fn unfinished(derivation: &Derivation) -> Derivation {
    let mut derivation = derivation.clone();
    for (output, value) in &mut derivation.outputs {
        derivation.environment.remove(output.as_bytes());
        if matches!(value, DerivationOutput::InputAddressed { .. }) {
            *value = DerivationOutput::Deferred;
        }
    }
    derivation
}

#[test]
fn print_is_the_inverse_of_parse() {
    for (path, (text, derivation)) in golden() {
        let printed = derivation.print(&StoreDir::default()).unwrap();
        assert_eq!(bstr::BStr::new(&printed), bstr::BStr::new(text), "{path}");
        assert_eq!(derivation.path_of_text(&StoreDir::default(), text).unwrap(), path);
    }
}

#[test]
fn finish_computes_the_paths_that_nix_computed() {
    let golden = golden();
    for (path, (text, derivation)) in &golden {
        let cache = ModuloCache::new();
        let mut again = unfinished(derivation);
        let finished = again
            .finish(&StoreDir::default(), &cache, |path| {
                golden.get(path).map(|(_, derivation)| derivation.clone()).ok_or("not there")
            })
            .unwrap();
        assert_eq!(&finished.path, path);
        assert_eq!(finished.text, *text);
        assert_eq!(&again, derivation);
    }
}

#[test]
fn cache_makes_reading_unnecessary() {
    let golden = golden();
    let cache = ModuloCache::new();
    let reads = std::cell::RefCell::new(Vec::new());
    for path in golden.keys() {
        cache
            .hash_of(&StoreDir::default(), path, |path| {
                reads.borrow_mut().push(path.clone());
                Ok::<_, std::convert::Infallible>(golden[path].1.clone())
            })
            .unwrap();
    }
    let mut reads = reads.into_inner();
    reads.sort();
    assert!(reads.iter().eq(golden.keys()), "each is read once");
}

#[test]
fn a_floating_input_defers_the_output_paths() {
    let store_dir = StoreDir::default();
    let cache = ModuloCache::new();
    let floating = DerivationOutput::Floating { ingestion: Ingestion::Nar, algorithm: HashAlgorithm::Sha256 };
    let mut input = Derivation {
        name: "floating".into(),
        outputs: [("out".to_owned(), floating)].into(),
        system: "x".into(),
        builder: "/b".into(),
        ..Derivation::default()
    };
    let none = |_: &StorePath| Err::<Derivation, _>("nothing to read");
    let input_path = input.finish(&store_dir, &cache, none).unwrap().path;
    assert_eq!(
        input.print(&store_dir).unwrap(),
        concat!(
            r#"Derive([("out","","r:sha256","")],[],[],"x","/b",[],"#,
            r#"[("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9")])"#
        )
        .as_bytes()
    );
    let mut user = Derivation {
        name: "user".into(),
        outputs: [("out".to_owned(), DerivationOutput::Deferred)].into(),
        input_derivations: [(input_path, ["out".to_owned()].into())].into(),
        ..input.clone()
    };
    let finished = user.finish(&store_dir, &cache, none).unwrap();
    assert!(finished.outputs.is_empty());
    assert_eq!(user.kind(), Ok(DerivationKind::Deferred));
    assert!(matches!(cache.get(&finished.path), Some(ModuloHash::Deferred(_))));
}

#[test]
fn cycles_and_missing_outputs_are_errors() {
    let store_dir = StoreDir::default();
    let path = StorePath::from_base_name(b"00000000000000000000000000000000-a.drv").unwrap();
    let output = DerivationOutput::InputAddressed { path: path.clone() };
    let derivation = Derivation {
        name: "a".into(),
        outputs: [("out".to_owned(), output)].into(),
        input_derivations: [(path.clone(), ["out".to_owned()].into())].into(),
        ..Derivation::default()
    };
    let read = |_: &StorePath| Ok::<_, std::convert::Infallible>(derivation.clone());
    let error = ModuloCache::new().hash_of(&store_dir, &path, read).unwrap_err();
    assert!(matches!(error, ModuloError::Cycle(_)), "{error}");

    let leaf = Derivation { input_derivations: BTreeMap::new(), ..derivation.clone() };
    let mut user = Derivation { input_derivations: [(path, ["doc".to_owned()].into())].into(), ..derivation };
    let read = |_: &StorePath| Ok::<_, std::convert::Infallible>(leaf.clone());
    let error = user.finish(&store_dir, &ModuloCache::new(), read).unwrap_err();
    assert_eq!(error.to_string(), "derivation '00000000000000000000000000000000-a.drv' has no output 'doc'");
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    let error = Derivation::parse(&StoreDir::default(), "x", text.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), format!("error parsing derivation 'x' at byte {expected}"));
}

#[test]
fn bad_text() {
    check_error("", "0: expected 'Derive(['");
    check_error("Derive([", "8: expected ']'");
    check_error("Derive([]", "9: expected ',['");
    check_error("Derive([],[],[],\"x", "16: the string that starts here does not end");
    check_error("Derive([],[],[],\"x\\", "16: the string that starts here does not end");
    check_error("Derive([],[],[],\"\",\"\",[\"a\" \"b\"]", "26: expected ','");
    check_error("Derive([],[],[],\"\",\"\",[],[])x", "28: trailing text");
    check_error(
        "Derive([(\"out\",\"/tmp/x\",\"\",\"\")],",
        "30: path '/tmp/x' is not in the Nix store '/nix/store'",
    );
    check_error("Derive([],[],[],\"\",\"\",[],[(\"a\",\"\"),(\"a\",\"\")])", "43: 'a' occurs twice");
    check_error(
        "DrvWithVersion(\"xp-dyn-drv\",[])",
        "27: this derivation uses the experimental feature 'xp-dyn-drv', which is not supported",
    );
    let wrong = format!(
        "Derive([(\"out\",\"/nix/store/{}-x\",\"sha256\",\"{}\")],[],[],\"\",\"\",[],[])",
        "0".repeat(32),
        "0".repeat(64)
    );
    check_error(
        &wrong,
        "139: fixed output 'out' has path '/nix/store/00000000000000000000000000000000-x', \
         should be '/nix/store/yplc6kklcg6k8aln037jq8jxq5v92wln-x'",
    );
}

#[test]
fn deep_nesting_can_not_overflow() {
    let text = format!("Derive([{}", "(".repeat(100_000));
    assert!(Derivation::parse(&StoreDir::default(), "x", text.as_bytes()).is_err());
}
