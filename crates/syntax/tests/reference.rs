//! Compares trees with those of `nix-instantiate --parse`, where installed.

use std::process::Command;

use bumpalo::Bump;
use saltire_syntax::{ParseOptions, PrintPaths, parse, print};

/// Expressions that all versions of the reference print in the same way. They
/// stand below binders of the variables that they use.
const EXPRESSIONS: &[&str] = &[
    "a + b * c - a / b",
    "a ++ !b + c ++ d // a",
    "-a ? b && !c -> a || b",
    "a <= b == (c > d)",
    "(a b) c (a - b)",
    "a.b.\"c d\".${c} or d.e or a",
    "[ a b.c (a b) ./x ~/y <z> 1.5 .5 http://x.y/z ]",
    "./${a}/b/${c}d",
    "a/b${c}",
    "{ a.b = 1; a.c.d = 2; a.c.e = rec { f = 3; }; \"x y\" = 4; ${a} = 5; }",
    "{ a = rec { b = 1; }; a.c = 2; }",
    "let x.y = 1; x.z = 2; in x",
    "let { body = a; }",
    "x: { y ? x, ... }@z: with x; assert y; if a then b else c",
    "\"a${b}c\\n\\t\\\"${\"d${a}\"}\"",
    "''\n    a\n      ${b}\n\n   c ''\\n d\n  ''",
    "''\n  a ${b}\n\td\n  ''",
    "''it's '' + ''  \n a\n  b''",
    "1 + 007 - 123456.789 * 1.0e30",
];

#[test]
fn trees_equal_those_of_the_reference() {
    if Command::new("nix-instantiate").arg("--version").output().is_err() {
        println!("skipped: nix-instantiate is not installed");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().canonicalize().expect("the directory exists");
    let file = path.join("test.nix");
    for expression in EXPRESSIONS {
        let text = format!("a: b: c: d: {expression}");
        std::fs::write(&file, &text).expect("writing the expression");
        let output = Command::new("nix-instantiate")
            .args(["--store", "dummy://", "--parse"])
            .arg(&file)
            .env("HOME", "/home/me")
            .output()
            .expect("nix-instantiate starts");
        let arena = Bump::new();
        let tree = parse(&arena, text.as_bytes(), &ParseOptions::default())
            .unwrap_or_else(|error| panic!("{expression}: {error}"));
        let directory = path.as_os_str().as_encoded_bytes();
        let ours = print(tree, PrintPaths { directory, home: b"/home/me" }).to_string();
        let theirs = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(joined(&ours), joined(theirs.trim_end()), "for {expression}: {errors}");
    }
}

/// The reference keeps pieces of a literal apart, depending on its version.
fn joined(printed: &str) -> String {
    printed.replace("\" + \"", "")
}
