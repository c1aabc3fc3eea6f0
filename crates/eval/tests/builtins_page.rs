//! `docs/builtins.md` is made from the table of builtins. With `UPDATE_EXPECT=1`
//! it is written instead of checked.

use std::fmt::Write as _;
use std::path::Path;

use saltire_eval::builtins::tables;

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
    page + CONSTANTS
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
