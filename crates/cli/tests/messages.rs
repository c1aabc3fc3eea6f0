//! What the user sees when something is wrong.

mod support;

use support::{failure, stdout};

#[test]
fn an_unknown_platform_has_suggestions() {
    let (text, code) = failure("build hello --for riscv63");
    assert_eq!(
        text,
        "error: unknown platform 'riscv63'; did you mean 'riscv64' or 'riscv32'?\nhint: 'saltire platforms' lists all of them\n"
    );
    assert_eq!(code, 1);
}

#[test]
fn an_unknown_package_has_suggestions() {
    let (text, _) = failure("build helo");
    assert!(text.contains("attribute 'helo' in selection path 'helo' not found"), "{text}");
    assert!(text.contains("hello"), "{text}");
}

#[test]
fn a_syntax_error_shows_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("broken.nix");
    std::fs::write(&file, "{\n  a = 1\n}\n").unwrap();
    let (text, _) = failure(&format!("eval -f {}", file.display()));
    assert!(text.contains("syntax error"), "{text}");
    assert!(text.contains("broken.nix:3:1"), "{text}");
}

#[test]
fn a_throw_in_a_package_file_is_shown_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("default.nix");
    std::fs::write(&file, "{ hello = throw \"not today\"; }\n").unwrap();
    let (text, _) = failure(&format!("build hello -f {}", file.display()));
    assert!(text.contains("not today") && text.contains("default.nix:1:11"), "{text}");
}

#[test]
fn a_mirror_that_is_down_is_named() {
    let output = support::saltire("build sandboxShell --no-link --mirror http://127.0.0.1:9/debian")
        .env("XDG_DATA_HOME", tempfile::tempdir().unwrap().path())
        .env("XDG_CACHE_HOME", tempfile::tempdir().unwrap().path())
        .env("SALTIRE_STORE", tempfile::tempdir().unwrap().path())
        .output()
        .unwrap();
    let text = support::text(&output.stderr);
    assert!(!output.status.success() && text.contains("http://127.0.0.1:9/debian/pool/"), "{text}");
}

#[test]
fn a_program_for_an_unknown_machine_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16..20].copy_from_slice(&[2, 0, 0xfe, 0xfe]);
    std::fs::write(&file, bytes).unwrap();
    let (text, _) = failure(&format!("exec {}", file.display()));
    assert!(text.starts_with("error: ") && text.contains("program"), "{text}");
}

#[test]
fn evaluation_prints_values() {
    assert_eq!(stdout("eval --expr 1+1"), "2\n");
    assert_eq!(stdout("eval --json --expr {a=[1];}"), "{\"a\":[1]}\n");
    assert_eq!(stdout("eval --raw hello.pname"), "hello");
    assert_eq!(stdout("eval --expr {a?5}:{b=a;} b"), "5\n");
}

#[test]
fn an_expression_is_evaluated_as_it_is_written() {
    let (text, _) = failure("eval --expr [1]+oops");
    assert!(text.contains("undefined variable 'oops'") && text.contains("«string»:1:5"), "{text}");
    let (text, _) = failure("eval --json --expr {a?5}:a");
    assert!(text.contains("to JSON"), "a function is not called: {text}");
}

#[test]
fn a_store_that_is_elsewhere_says_what_to_do_instead() {
    for command in ["nix build", "build", "nix eval"] {
        let (text, _) = failure(&format!("{command} --store ssh-ng://builder --expr 1"));
        assert!(text.contains("error: store 'ssh-ng://builder' is not supported"), "{text}");
        assert!(
            text.contains("hint: to build on that machine: --builders 'ssh-ng://builder SYSTEM'"),
            "{text}"
        );
    }
    let (text, _) = failure("nix eval --store http://cache.example --expr 1");
    assert!(text.contains("hint: a binary cache is taken from with --substituters http://cache"), "{text}");
}
