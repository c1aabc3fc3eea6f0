//! Syntax errors: the reference's words, and the hints.

use super::{check, outcome};

#[test]
fn missing_semicolons() {
    check(
        "{ a = 1 }",
        "1:9: syntax error, unexpected '}', expecting ';'\n  a ';' seems to be missing at line 1, column 8",
    );
    check(
        "{\n  a = f 1\n  b.c = 2;\n}",
        "3:7: syntax error, unexpected '=', expecting ';'\n  a ';' seems to be missing at line 2, column 10",
    );
    check(
        "let a = 1 in a",
        "1:11: syntax error, unexpected 'in', expecting ';'\n  a ';' seems to be missing at line 1, column 10",
    );
    check("with a b", "1:9: syntax error, unexpected end of file, expecting ';'");
}

#[test]
fn unclosed_brackets_point_to_the_opener() {
    check(
        "{\n  a = [ (b c];\n}",
        "2:13: syntax error, unexpected ']', expecting ')'\n  the '(' at line 2, column 9 has no ')' yet",
    );
    check("[ 1 2", "1:6: syntax error, unexpected end of file\n  the '[' at line 1, column 1 has no ']' yet");
    check(
        "{ a = 1;\n",
        "2:1: syntax error, unexpected end of file, expecting 'inherit'\n  the '{' at line 1, column 1 has no '}' yet",
    );
    check(
        "\"a${b",
        "1:6: syntax error, unexpected end of file, expecting '}'\n  the '${' at line 1, column 3 has no '}' yet",
    );
    check(
        "\n\"abc\n",
        "3:1: syntax error, unexpected end of file, expecting '\"'\n  the string at line 2, column 1 has no '\"' yet",
    );
    check(
        "a 1\"$",
        "1:6: syntax error, unexpected end of file, expecting '\"'\n  the string at line 1, column 4 has no '\"' yet",
    );
    check(
        "let a = 1;",
        "1:11: syntax error, unexpected end of file, expecting 'in' or 'inherit'\n  the 'let' at line 1, column 1 has no 'in' yet",
    );
    check(
        "1 }",
        "1:3: syntax error, unexpected '}', expecting end of file\n  there is nothing open that this '}' could close",
    );
}

#[test]
fn what_is_expected() {
    check("", "1:1: syntax error, unexpected end of file");
    check("1 = 2", "1:3: syntax error, unexpected '=', expecting end of file");
    check("if 1 else", "1:6: syntax error, unexpected 'else', expecting 'then'");
    check("if then", "1:4: syntax error, unexpected 'then'");
    check("1 != != 2", "1:6: syntax error, unexpected '!='");
    check("a.1", "(a 0.1)");
    check("a.~/x", "1:3: syntax error, unexpected '~/…' path, expecting identifier or 'or' or '${' or '\"'");
    check("{ } ? ./x", "1:7: syntax error, unexpected path, expecting identifier or 'or' or '${' or '\"'");
    check("{ inherit http://x; }", "1:11: syntax error, unexpected URI");
    check("rec 1", "1:5: syntax error, unexpected integer, expecting '{'");
    check(
        "rec { 1 }",
        "1:7: syntax error, unexpected integer, expecting 'inherit' or '}'\n  a name that starts with a digit is written in quotes: \"1\"",
    );
    check("x@y: z", "1:3: syntax error, unexpected identifier, expecting '{'");
    check("{ a }@1: a", "1:7: syntax error, unexpected integer, expecting identifier");
    check("{ a } b", "1:7: syntax error, unexpected identifier, expecting ':' or '@'");
    check("{ a, b c }: a", "1:8: syntax error, unexpected identifier, expecting '}' or ','");
    check("{ a, 1 }: a", "1:6: syntax error, unexpected integer, expecting identifier or '...' or '}'");
    check("{ ..., a }: a", "1:6: syntax error, unexpected ',', expecting '}'");
    check("f let a = 1; in a", "1:7: syntax error, unexpected identifier, expecting '{'");
}

#[test]
fn hints_for_common_slips() {
    check(
        "a == b == c",
        "1:8: syntax error, unexpected '=='\n  '==' cannot follow another comparison; put one of them in parentheses",
    );
    check(
        "a < b >= c",
        "1:7: syntax error, unexpected '>='\n  '>=' cannot follow another comparison; put one of them in parentheses",
    );
    check(
        "if a = b then c else d",
        "1:6: syntax error, unexpected '=', expecting 'then'\n  to compare, write '=='",
    );
    check(
        "[ 1, 2 ]",
        "1:4: syntax error, unexpected ','\n  the elements of a list are separated by spaces only",
    );
    check(
        "[ a: b ]",
        "1:4: syntax error, unexpected ':'\n  in a list, put parentheses around functions, operators and keywords",
    );
    check(
        "a.if",
        "1:3: syntax error, unexpected 'if', expecting identifier or 'or' or '${' or '\"'\n  'if' is a keyword; as a name, write it in quotes: \"if\"",
    );
    check(
        "{ a: 1; }",
        "1:4: syntax error, unexpected ':', expecting '.' or '='\n  attributes are written 'name = value;'",
    );
    check(
        "{ a b }: a",
        "1:5: syntax error, unexpected identifier, expecting '.' or '='\n  a '=' is missing, or in the arguments of a function a ','",
    );
    check(
        "{ inherit ${a}; }",
        "1:11: dynamic attributes not allowed in inherit\n  write 'name = source.${name};' instead",
    );
    check(
        "let ${a} = 1; in a",
        "1:1: dynamic attributes not allowed in let\n  the name at line 1, column 5 is only known when evaluating; bind a set instead, as in 'let x = { ${name} = …; }; in …'",
    );
}

#[test]
fn bytes_that_start_no_token() {
    check(
        "a & b",
        "1:3: syntax error, unexpected invalid token, expecting end of file\n  logical and is '&&'",
    );
    check(
        "'a'",
        "1:1: syntax error, unexpected invalid token\n  strings are written in double quotes or in two single quotes",
    );
    check(
        "123 é 4",
        "1:5: syntax error, unexpected invalid token, expecting end of file\n  'é' can only stand in strings and comments",
    );
    check(
        "\u{feff}1",
        "1:1: syntax error, unexpected invalid token\n  the file starts with a byte order mark; remove it",
    );
    assert_eq!(
        outcome(b"1 \0"),
        "1:3: syntax error, unexpected invalid token, expecting end of file\n  this is a NUL byte"
    );
    assert_eq!(
        outcome(b"1 \xff"),
        "1:3: syntax error, unexpected invalid token, expecting end of file\n  the byte 0xff here is not valid UTF-8"
    );
}

#[test]
fn pipes_have_to_be_switched_on() {
    let arena = bumpalo::Bump::new();
    let error = crate::parse(&arena, b"a |> b", &crate::ParseOptions::default());
    let message = error.map(|_| ()).map_err(|error| error.message);
    assert_eq!(
        message,
        Err("experimental Nix feature 'pipe-operators' is disabled; add '--extra-experimental-features pipe-operators' to enable it".to_owned())
    );
}

/// What is said of a text that has only what is discouraged, or the error.
#[track_caller]
fn check_lints(text: &str, lint: crate::Lint, expected: &[&str]) {
    let lints = crate::Lints { url_literals: lint, short_path_literals: lint, absolute_path_literals: lint };
    let options = crate::ParseOptions { pipe_operators: false, lints };
    let arena = bumpalo::Bump::new();
    let mut said = Vec::new();
    let mut say = |error: crate::ParseError| said.push(format!("{}: {}", error.span.start, error.message));
    let parsed = crate::parse_with_warnings(&arena, text.as_bytes(), &options, &mut say);
    if let Err(error) = parsed.map(drop) {
        said.push(format!("error at {}: {}", error.span.start, error.message));
    }
    assert_eq!(said, expected, "{text}");
}

#[test]
fn discouraged_literals() {
    use crate::Lint::{Fatal, Ignore, Warn};
    check_lints("[ http://a.b a/b /c ~/d ]", Ignore, &[]);
    check_lints("[ ./a ../b ./c/${d} <e> \"http://a\" ]", Fatal, &[]);
    check_lints(
        "[ http://a.b a/b${c} /c/${d} ~/e ]",
        Warn,
        &[
            "2: URL literals are discouraged. Consider using a string literal \"http://a.b\" instead (lint-url-literals)",
            "13: relative path literal 'a/b' should be prefixed with '.' for clarity: './a/b' (lint-short-path-literals)",
            "21: absolute path literals are not portable. Consider replacing path literal '/c/' by a string, relative path, or parameter (lint-absolute-path-literals)",
            "29: home path literals are not portable. Consider replacing path literal '~/e' by a string, relative path, or parameter (lint-absolute-path-literals)",
        ],
    );
    check_lints(
        "[ http://a a/b ]",
        Fatal,
        &[
            "error at 2: URL literals are disallowed. Consider using a string literal \"http://a\" instead (lint-url-literals)",
        ],
    );
}
