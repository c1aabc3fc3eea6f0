//! Sets: names, `inherit`, merging of nested paths.

use super::check;

#[test]
fn names() {
    check("{ }", "{ }");
    check("rec { a = 1; }", "rec { a = 1; }");
    check("{ b = 1; a = 2; }", "{ a = 2; b = 1; }");
    check(
        "{ \"a b\" = 1; \"c\" = 2; \"if\" = 3; \"\" = 4; }",
        "{ \"\" = 4; \"a b\" = 1; c = 2; \"if\" = 3; }",
    );
    check("{ ${a} = 1; \"x${b}\" = 2; ${\"c\"} = 3; }", "{ c = 3; \"${a}\" = 1; \"${(\"x\" + b)}\" = 2; }");
    check("let ${\"a\"} = 1; in a", "(let a = 1; in a)");
    check("let a.${b} = 1; in a", "(let a = { \"${b}\" = 1; }; in a)");
}

#[test]
fn inherit() {
    check("{ inherit; }", "{ }");
    check("{ inherit b a; }", "{ inherit a b; }");
    check("{ inherit \"a b\" ${\"c\"}; }", "{ inherit \"a b\" c; }");
    check("{ inherit (x) b a; inherit (y) c; inherit (z); }", "{ inherit (x) a b; inherit (y) c; }");
    check("let inherit (x) a; in a", "(let inherit (x) a; in a)");
}

#[test]
fn nested_paths_merge() {
    check("{ a.b = 1; a.c = 2; }", "{ a = { b = 1; c = 2; }; }");
    check("{ a.b.c = 1; a.b.d = 2; a.e = 3; }", "{ a = { b = { c = 1; d = 2; }; e = 3; }; }");
    check("{ a = { b = 1; }; a.c = 2; }", "{ a = { b = 1; c = 2; }; }");
    check("{ a.c = 2; a = { b = 1; }; }", "{ a = { b = 1; c = 2; }; }");
    check("{ a = { b.c = 1; }; a = { b.d = 2; }; }", "{ a = { b = { c = 1; d = 2; }; }; }");
    check("{ a = ({ b = 1; }); a.c = 2; }", "{ a = { b = 1; c = 2; }; }");
    check("let a.b = 1; a.c = 2; in a", "(let a = { b = 1; c = 2; }; in a)");
    check("{ a.${x} = 1; a.${x} = 2; }", "{ a = { \"${x}\" = 1; \"${x}\" = 2; }; }");
    check("{ ${x}.a = 1; ${x}.b.c = 2; }", "{ \"${x}\" = { a = 1; }; \"${x}\" = { b = { c = 2; }; }; }");
    check("{ ${x}.a.${y} = 1; }", "{ \"${x}\" = { a = { \"${y}\" = 1; }; }; }");
}

#[test]
fn the_first_rec_decides() {
    check("{ a = rec { b = 1; }; a.c = 2; }", "{ a = rec { b = 1; c = 2; }; }");
    check("{ a.c = 2; a = rec { b = 1; }; }", "{ a = { b = 1; c = 2; }; }");
}

#[test]
fn merged_sets_keep_their_inherit_sources() {
    check(
        "{ a = { inherit (x) b; }; a = { inherit (y) c; inherit d; }; }",
        "{ a = { inherit d; inherit (x) b; inherit (y) c; }; }",
    );
    check(
        "{ a = { inherit (x) b; }; a.e = 1; a = { inherit (y) c; ${d} = 2; }; }",
        "{ a = { inherit (x) b; inherit (y) c; e = 1; \"${d}\" = 2; }; }",
    );
}

#[test]
fn names_bound_twice() {
    check("{ a = 1; a = 2; }", "1:10: attribute 'a' already defined at «string»:1:3");
    check("{ a.b = 1; a.b = 2; }", "1:12: attribute 'a.b' already defined at «string»:1:3");
    check("{ a.b = 1; a.b.c = 2; }", "1:12: attribute 'a.b' already defined at «string»:1:3");
    check("{ a = 1; a.b.c = 2; }", "1:10: attribute 'a' already defined at «string»:1:3");
    check("{ a.b = 1; a = 2; }", "1:12: attribute 'a' already defined at «string»:1:3");
    check("{ x.z = 3; x = { y = 3; z = 3; }; }", "1:25: attribute 'x.z' already defined at «string»:1:3");
    check(
        "{ x.y.y = 3; x = { y.y = 3; z = 3; }; }",
        "1:20: attribute 'x.y.y' already defined at «string»:1:3",
    );
    check("{ inherit a a; }", "1:13: attribute 'a' already defined at «string»:1:11");
    check("{ a = 1; inherit (b) a; }", "1:22: attribute 'a' already defined at «string»:1:3");
    check("{ inherit a; a.b = 1; }", "1:14: attribute 'a' already defined at «string»:1:11");
    check("let a = 1;\n\"a\" = 2; in a", "2:1: attribute 'a' already defined at «string»:1:5");
    check("{ \"a b\" = 1; \"a b\" = 2; }", "1:14: attribute '\"a b\"' already defined at «string»:1:3");
    check("{ a = let { body = { }; }; a.b = 1; }", "1:28: attribute 'a' already defined at «string»:1:3");
}

#[test]
fn large_sets_find_duplicates_too() {
    let many: String = (0..100).map(|i| format!("a{i} = 1; ")).collect();
    let text = format!("{{ {many} a50 = 2; }}");
    let at = text.rfind("a50").unwrap_or_default() + 1;
    let first = text.find("a50").unwrap_or_default() + 1;
    check(&text, &format!("1:{at}: attribute 'a50' already defined at «string»:1:{first}"));
    let formals: String = (0..100).map(|i| format!("a{i}, ")).collect();
    let text = format!("{{ {formals} a7 }}: 1");
    let at = text.rfind("a7").unwrap_or_default() + 1;
    check(&text, &format!("1:{at}: duplicate formal function argument 'a7'"));
}

#[test]
fn duplicate_arguments() {
    check("{ x, y, x }: x", "1:9: duplicate formal function argument 'x'");
    check("x@{ x }: x", "1:1: duplicate formal function argument 'x'");
    check("{ x }@x: x", "1:1: duplicate formal function argument 'x'");
}
