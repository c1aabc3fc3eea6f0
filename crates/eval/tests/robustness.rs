//! Bad and extreme input gives a value or an error: never a crash, never memory
//! without end.

use std::sync::Arc;

use saltire_eval::{Evaluator, FsHost, Settings, with_large_stack};

/// The value of an expression, or its error's message.
fn evaluate(text: &[u8]) -> Result<String, String> {
    with_large_stack(|| {
        let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), Settings::default());
        let value = evaluator.eval_text(saltire_diagnostics::Origin::String, text.into(), b"/");
        let printed = value.and_then(|value| {
            let value = evaluator.force_deep(value)?;
            evaluator.print_plain(value)
        });
        printed.map(|text| String::from_utf8_lossy(&text).into_owned()).map_err(|error| error.message.clone())
    })
}

fn check_error(text: &str, expected: &str) {
    let found = evaluate(text.as_bytes()).expect_err(text);
    assert!(found.contains(expected), "{text}: {found}");
}

#[test]
fn deep_expressions() {
    let nested = |open: &str, inner: &str, close: &str| {
        let depth = 10_000;
        let text = open.repeat(depth) + inner + &close.repeat(depth);
        evaluate(text.as_bytes())
    };
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{a=", "1", ";}"),
        ("rec{a=", "1", ";}"),
        ("let a=", "1", ";in a"),
        ("let{body=", "1", ";}"),
        ("x:", "x", ""),
        ("!", "true", ""),
        ("-", "1", ""),
        ("1+(", "1", ")"),
        ("[]++", "[]", ""),
        ("{}//", "{}", ""),
        ("true&&", "true", ""),
        ("\"${", "\"a\"", "}\""),
        ("''${", "\"a\"", "}''"),
        ("with {};", "1", ""),
        ("assert true;", "1", ""),
        ("if true then ", "1", " else 2"),
        ("{}.a or ", "1", ""),
        ("false||", "true", ""),
        ("true -> ", "true", ""),
        ("{${\"a\"}=", "1", ";}"),
        ("{inherit(", "{a=1;}", ")a;}"),
        ("{a?", "1", "}:a"),
        ("/* */", "1", ""),
        ("#\n", "1", ""),
    ] {
        nested(open, inner, close).unwrap_or_else(|error| panic!("{open}: {error}"));
    }
    for open in ["(", "[", "{a=", "\"${", "''${", "{a?", "let a=", "if ", "f ", "./a/${"] {
        nested(open, "", "").expect_err(open);
    }
}

#[test]
fn long_chains() {
    const LENGTH: usize = 10_000;
    let good = |text: String| drop(evaluate(text.as_bytes()).unwrap_or_else(|error| panic!("{error}")));
    good("{a=".repeat(LENGTH) + "1" + &";}".repeat(LENGTH) + &".a".repeat(LENGTH));
    good(format!("{{ {}a = 1; }}{}", "a.".repeat(LENGTH), ".a".repeat(LENGTH)));
    good(format!("{{ }} ? {}a", "a.".repeat(LENGTH)));
    good(format!("{}1", "(x: x) ".repeat(LENGTH)));
    good("1".to_owned() + &" + 1".repeat(LENGTH));
    good("[ ]".to_owned() + &" ++ [ 1 ]".repeat(LENGTH));
    good("{ }".to_owned() + &" // { a = 1; }".repeat(LENGTH));
    good(format!("{}1", "with { a = 1; }; ".repeat(LENGTH)));
    // Calls are counted: an error, or not, but no crash.
    let _ = evaluate(("builtins.add 1 (".repeat(LENGTH) + "1" + &")".repeat(LENGTH)).as_bytes());
}

#[test]
fn deep_texts_of_other_languages() {
    const DEPTH: usize = 10_000;
    let nested = |open: &str, close: &str| open.repeat(DEPTH) + "1" + &close.repeat(DEPTH);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let json = nested(open, close);
        let read = format!("builtins.fromJSON ''{json}''");
        evaluate(format!("builtins.stringLength (builtins.toJSON ({read}))").as_bytes()).unwrap();
        let _ = evaluate(format!("builtins.stringLength (builtins.toXML ({read}))").as_bytes());
        evaluate(format!("builtins.fromJSON ''{}''", open.repeat(DEPTH)).as_bytes()).unwrap_err();
    }
    for toml in [format!("a = {}", nested("[", "]")), format!("a = {}", nested("{a=", "}"))] {
        let _ = evaluate(format!("builtins.fromTOML ''{toml}''").as_bytes());
    }
    let _ = evaluate(format!("builtins.match ''{}'' \"1\"", nested("(", ")")).as_bytes());
}

#[test]
fn truncated_files() {
    fn files(directory: &std::path::Path, found: &mut Vec<Vec<u8>>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "nix") {
                found.push(std::fs::read(path).unwrap());
            }
        }
    }
    let mut texts = Vec::new();
    files(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lang"), &mut texts);
    let options = saltire_syntax::ParseOptions { pipe_operators: true, ..Default::default() };
    let mut arena = bumpalo::Bump::new();
    for text in texts.iter().filter(|text| text.len() < 4_000) {
        for end in 0..text.len() {
            let _ = saltire_syntax::parse(&arena, &text[..end], &options);
            arena.reset();
        }
    }
}

/// By hand: `cargo test -p saltire-eval --test robustness -- --ignored`.
#[test]
#[ignore = "needs 15 gigabytes of memory"]
fn enormous_strings() {
    let double = "let f = n: s: if n == 0 then s else f (n - 1) (s + s); in ";
    assert_eq!(
        evaluate(format!("{double}builtins.stringLength (f 30 \"a\")").as_bytes()),
        Ok("1073741824".to_owned())
    );
    evaluate(format!("{double}builtins.stringLength (f 60 \"a\")").as_bytes()).unwrap_err();
    let list = "builtins.genList (n: f 20 \"a\") 1000000";
    evaluate(format!("{double}builtins.concatStringsSep \"\" ({list})").as_bytes()).unwrap_err();
}

#[test]
fn endless_data() {
    let endless = "let f = n: { a = f (n + 1); }; g = n: [ (g (n + 1)) ]; in ";
    for use_of in
        ["f 0", "f 0 == f 0", "g 0 < g 0", "builtins.toJSON (f 0)", "builtins.toXML (f 0)", "toString (g 0)"]
    {
        check_error(&format!("{endless}{use_of}"), "stack overflow");
    }
    check_error("let f = n: { outPath = f n; }; in \"${f 0}\"", "stack overflow");
    check_error("let f = n: { __functor = self: f n; }; in f 0 1", "stack overflow");
    check_error("let f = x: f (x + 1); in f 0", "stack overflow");
    check_error("let f = x: builtins.tryEval (f x); in f 0", "stack overflow");
}

#[test]
fn large_data() {
    check_error(
        "let l = builtins.genList (n: n) 100000; in builtins.concatLists (builtins.genList (n: l) 2000)",
        "cannot create list of size",
    );
    check_error("builtins.genList (n: n) 9223372036854775807", "cannot create list of size");
    check_error("map (n: n) (builtins.genList (n: n) 1000000000000)", "cannot create list of size");
    check_error("99999999999999999999", "invalid integer");
    check_error("9223372036854775807 + 1", "integer overflow");
    check_error("builtins.mul 9223372036854775807 2", "integer overflow");
    assert_eq!(evaluate(b"builtins.substring 1 9223372036854775807 \"abc\""), Ok("\"bc\"".to_owned()));
}

#[test]
fn broken_bytes() {
    check_error("\"a\0b\"", "null bytes");
    check_error("1 \0 2", "unexpected invalid token");
    evaluate(b"\xff\xfe").expect_err("no token");
    assert_eq!(evaluate(b"builtins.stringLength \"\xff\xc3\""), Ok("2".to_owned()));
    evaluate(b"builtins.toJSON \"\xff\"").expect_err("JSON is UTF-8");
    // A small linear generator is enough for noise.
    let mut state = 1_u32;
    for _ in 0..200 {
        let noise: Vec<u8> = (0..60)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let _ = evaluate(&noise);
    }
}
