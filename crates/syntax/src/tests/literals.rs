//! Numbers, strings, paths, URIs and comments.

use super::{check, outcome};

#[test]
fn numbers() {
    check("12", "12");
    check("007", "7");
    check("9223372036854775807", "9223372036854775807");
    check(
        "9223372036854775808",
        "1:1: invalid integer '9223372036854775808'\n  the largest integer is 9223372036854775807",
    );
    check("1.5", "1.5");
    check("1.", "1");
    check(".5", "0.5");
    check("0.5", "0.5");
    check("1.e3", "1000");
    check("1.5E-3", "0.0015");
    check("123456.789", "123457");
    check("1234567.0", "1.23457e+06");
    check("0.00001", "1e-05");
    check("100000.0", "100000");
    check("1.0e30", "1e+30");
    check("0.0", "0");
    check("00.5", "(0 0.5)");
    check("1e3", "(1 e3)");
    check("1.5.5", "(1.5 0.5)");
    check("1.0e999", "1:1: invalid float '1.0e999'");
    check("1.0e-320", "1:1: invalid float '1.0e-320'");
}

#[test]
fn strings() {
    check(r#""""#, r#""""#);
    check(r#""a\n\r\t\\\"\x\${b}""#, r#""a\n\r\t\\\"x\${b}""#);
    check(r#""$a $$ $""#, r#""$a $$ $""#);
    check(r#""$${a}""#, r#""$\${a}""#);
    check(r#""$\n""#, r#""$\n""#);
    check(r#""$\${a}""#, r#""$\${a}""#);
    check("\"a\r\nb\rc\"", r#""a\nb\nc""#);
    check("\"a\\\rb\"", r#""a\rb""#);
    check("\"a\nb\"", r#""a\nb""#);
    check(r#""${a}""#, "(a)");
    check(r#""x${a}y${"z"}""#, r#"("x" + a + "y" + "z")"#);
    check(r#""${{ a = "}"; }.a}""#, r#"(({ a = "}"; }).a)"#);
    check(r#""${"${a}"}""#, "((a))");
}

#[test]
fn strings_may_hold_any_bytes_but_nul() {
    assert_eq!(outcome(b"\"\xff\""), "\"\u{fffd}\"");
    assert_eq!(
        outcome(b"\"\0\""),
        "1:2: input string '␀' cannot be represented as Nix string because it contains null bytes"
    );
    assert_eq!(
        outcome(b"\"a\\\0\""),
        "1:2: input string 'a\\␀' cannot be represented as Nix string because it contains null bytes"
    );
    assert_eq!(
        outcome(b"''a\0''"),
        "1:3: input string 'a␀' cannot be represented as Nix string because it contains null bytes"
    );
    assert_eq!(outcome(b"# \0\n1"), "1");
}

#[test]
fn indented_strings_lose_their_indentation() {
    check("''''", r#""""#);
    check("''a''", r#""a""#);
    check("''\n  a\n    b\n  c\n''", r#""a\n  b\nc\n""#);
    check("''\n  a\n b''", r#"" a\nb""#);
    check("''  \n  a''", r#""a""#);
    check("''x\n  a''", r#""x\n  a""#);
    // Blank lines do not count, but keep what they have beyond the indentation.
    check("''\n  a\n\n   \n  b\n ''", r#""a\n\n \nb\n""#);
    // The last line only counts if it holds something.
    check("''\n    a\n  ''", r#""a\n""#);
    check("''\n    a\n  b''", r#""  a\nb""#);
    check("''\n   ''", r#""""#);
    // Tabs are not indentation.
    check("''\n\ta\n\tb''", r#""\ta\n\tb""#);
    check("''\r\n  a''", r#""\r\n  a""#);
}

#[test]
fn interpolation_ends_indentation() {
    check("''${a}''", "(a)");
    check("''\n  ${a}\n    b\n''", r#"(a + "\n  b\n")"#);
    check("''\n    a\n  ${b}''", r#"("  a\n" + b)"#);
    check("''\n  a${b}\n  ''", r#"("a" + b + "\n")"#);
    check("''\n  a\n  ${b}\n  c\n''", r#"("a\n" + b + "\nc\n")"#);
    check("''\n  ${a}  b''", r#"(a + "  b")"#);
}

#[test]
fn escapes_in_indented_strings() {
    check("''a$b''", r#""a$b""#);
    check("''a$''", r#"("a" + "$")"#);
    check("''$${a}''", r#""$\${a}""#);
    check(
        "'''${a}'",
        "1:9: syntax error, unexpected end of file, expecting indented string or '${' or end of an indented string\n  the indented string at line 1, column 1 has no '' yet",
    );
    // What is escaped is a part of its own.
    check("''''${a}''", r#"("$" + "{a}")"#);
    check("'' ''' ''", r#"("''" + " ")"#);
    check("''it's''", r#""it's""#);
    check("''a'${b}''", r#"("a" + "'" + b)"#);
    check("''a''\\nb''\\tc''\\x''\\${d}''", r#"("a" + "\n" + "b" + "\t" + "c" + "x" + "$" + "{d}")"#);
    check("''\\n''", r#""\\n""#);
    // An escape ends the indentation of its line.
    check("''\n    a\n  ''\\tb\n''", r#"("  a\n" + "\t" + "b\n")"#);
    check("''\n  ''$a\n   b''", r#"("$" + "a\n b")"#);
}

#[test]
fn paths() {
    check("/a/b", "/a/b");
    check("./a", "/dir/a");
    check("../a/./b/..", "/a");
    check("a/b", "/dir/a/b");
    check("./.", "/dir");
    check("/.", "/");
    check("~/a", "/home/me/a");
    check("1/2", "/dir/1/2");
    check("a.b-c+d/e", "/dir/a.b-c+d/e");
    check("-a/b", "/dir/-a/b");
    check("a /b", "(a /b)");
    check("a/ b", "(__div a b)");
    check("a //b", "(a // b)");
    check("[./a ./b]", "[ (/dir/a) (/dir/b) ]");
    check("./a.nix", "/dir/a.nix");
    check(".../a", "/dir/.../a");
}

#[test]
fn paths_with_interpolation() {
    check("./${a}", "(/dir/ + a)");
    check("./${a}/b", "(/dir/ + a + \"/b\")");
    check("./a${b}c/${d}.nix", "(/dir/a + b + \"c/\" + d + \".nix\")");
    check("/${a}", "(/ + a)");
    check("~/${a}", "(/home/me/ + a)");
    check("~/a/${b}", "(/home/me/a/ + b)");
    check("a/${b}", "(/dir/a/ + b)");
    check("./${a}//b", "(/dir/ + a + \"//b\")");
    check("./${a} b", "((/dir/ + a) b)");
    check("[ ./${a}./b ]", "[ ((/dir/ + a + \"./b\")) ]");
    check("{ a = ./${b}; }", "{ a = (/dir/ + b); }");
}

#[test]
fn slashes_at_the_end_of_paths() {
    check("./a/", "1:1: path has a trailing slash\n  write './a' without the last slash");
    check("[ ./a/ ]", "1:7: path has a trailing slash\n  write './a' without the last slash");
    check("./${a}/ ", "1:8: path has a trailing slash");
    check(
        "a/b//c//d",
        "1:8: syntax error, unexpected string, expecting '${'\n  a path literal cannot contain '//'; write a single slash",
    );
    check("a/b//${c}", "(/dir/a/b/ + \"/\" + c)");
    check(
        "a/b//c",
        "1:5: syntax error, unexpected end of path, expecting '${'\n  a path literal cannot contain '//'; write a single slash",
    );
}

#[test]
fn search_paths_and_uris() {
    check("<a>", "(__findFile __nixPath \"a\")");
    check("<a/b.c>", "(__findFile __nixPath \"a/b.c\")");
    check("a <b> c", "(a (__findFile __nixPath \"b\") c)");
    check("a<b", "(__lessThan a b)");
    check("http://a.b/c?d=e", "\"http://a.b/c?d=e\"");
    check("x:x", "\"x:x\"");
    check("x: x", "(x: x)");
    check("x_y:x", "(x_y: x)");
    check("a.b:c", "\"a.b:c\"");
    check("{ a }:a", "({ a }: a)");
}

#[test]
fn comments_and_blanks() {
    check("# a\n1 # b", "1");
    check("/* a * / ** */ 1 /**/ /***/", "1");
    check("1 # a\r2", "(1 2)");
    check("\t1\r\n", "1");
    check("a/* b */.c", "(a).c");
    check("/*/ 1", "1:1: syntax error, unexpected '/'\n  the comment that starts here is not closed by '*/'");
}
