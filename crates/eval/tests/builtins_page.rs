//! `docs/builtins.md` is made from the table of builtins. With `UPDATE_EXPECT=1`
//! it is written instead of checked.

use std::fmt::Write as _;
use std::path::Path;

use saltire_eval::builtins::{DEVIATIONS, tables};

const HEAD: &str = "# Builtin functions

This page is made from the table in the source (`crates/eval/src/builtins`).
A function marked *global* is also a variable without `builtins.` in front.

| function | arguments | |
|---|---|---|
";

const CONSTANTS: &str = "
Constants: `true`, `false`, `null` and `derivation` (global); `builtins`,
`currentSystem`, `currentTime` (both absent in pure evaluation), `langVersion`,
`nixPath`, `nixVersion`, `storeDir`.
";

fn page() -> String {
    let mut builtins: Vec<_> = tables().collect();
    builtins.sort_by_key(|builtin| builtin.name);
    let mut page = HEAD.to_owned();
    for builtin in builtins {
        let global = if builtin.global { "*Global.* " } else { "" };
        let doc = builtin.doc.replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(page, "| `{}` | {} | {global}{doc} |", builtin.name, builtin.arguments.join(", "));
    }
    page += CONSTANTS;
    page += "\n## Deviations from Nix 2.35\n\nAll others are meant to be the same; where they aren't it is a mistake.\n\n";
    page += "| function | deviation |\n|---|---|\n";
    for (name, deviation) in DEVIATIONS {
        let _ = writeln!(page, "| `{name}` | {deviation} |");
    }
    page
}

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/builtins.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, page()).expect("writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, page(), "write docs/builtins.md anew with UPDATE_EXPECT=1");
}

#[test]
fn every_builtin_is_described_once() {
    let mut names: Vec<_> = tables().map(|builtin| builtin.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name is there twice: {names:?}");
    for builtin in tables() {
        assert!(builtin.doc.ends_with('.'), "{}: no description", builtin.name);
        assert!(!builtin.arguments.is_empty(), "{}: no arguments", builtin.name);
    }
}

/// All builtins that are functions of Nix 2.35.2, with those of experimental
/// features, but without those that it has for its own use.
const REFERENCE: &str = "abort add addDrvOutputDependencies addErrorContext all any appendContext \
    attrNames attrValues baseNameOf bitAnd bitOr bitXor break catAttrs ceil compareVersions concatLists \
    concatMap concatStringsSep convertHash deepSeq derivationStrict dirOf div elem elemAt exec \
    fetchClosure fetchGit fetchMercurial fetchTarball fetchTree fetchurl filter filterSource findFile \
    flakeRefToString floor foldl' fromJSON fromTOML functionArgs genList genericClosure getAttr \
    getContext getEnv getFlake groupBy hasAttr hasContext hashFile hashString head import importNative \
    intersectAttrs isAttrs isBool isFloat isFunction isInt isList isNull isPath isString length lessThan \
    listToAttrs map mapAttrs match mul outputOf parseDrvName parseFlakeRef partition path pathExists \
    placeholder readDir readFile readFileType removeAttrs replaceStrings scopedImport seq sort split \
    splitVersion storePath stringLength sub substring tail throw toFile toJSON toPath toString toXML trace \
    traceVerbose tryEval typeOf unsafeDiscardOutputDependency unsafeDiscardStringContext \
    unsafeGetAttrPos warn zipAttrsWith";

#[test]
fn every_builtin_of_the_reference_is_there_or_explained() {
    for name in REFERENCE.split_whitespace() {
        let there = tables().any(|builtin| builtin.name == name);
        let explained = DEVIATIONS.iter().any(|(other, why)| *other == name && why.starts_with("Missing"));
        assert!(there != explained, "{name}: there: {there}, said to be missing: {explained}");
    }
    for builtin in tables() {
        assert!(REFERENCE.split_whitespace().any(|name| name == builtin.name), "{}: unknown", builtin.name);
    }
}
