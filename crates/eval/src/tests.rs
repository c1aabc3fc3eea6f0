//! Text in, text out: expressions and what they print or fail with.

use std::sync::Arc;

use crate::{Evaluator, FsHost, Settings, with_large_stack};

/// Evaluates everything in an expression: the printed value, or the error's message.
fn evaluate(expression: &str) -> String {
    evaluate_with(Settings::default(), expression)
}

fn evaluate_with(settings: Settings, expression: &str) -> String {
    with_large_stack(|| {
        let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), settings);
        let value = evaluator.eval_str(expression, b"/base");
        match value.and_then(|value| evaluator.force_deep(value)) {
            Ok(value) => String::from_utf8_lossy(&evaluator.print(value)).into_owned(),
            Err(error) => {
                let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                format!("error: {}{hint}", error.message)
            }
        }
    })
}

#[track_caller]
fn check(expression: &str, expected: &str) {
    assert_eq!(evaluate(expression), expected, "{expression}");
}

#[test]
fn variables_of_large_scopes_and_from_far_out() {
    let bindings: String = (0..70_000).map(|number| format!("v{number} = {number};")).collect();
    check(&format!("let {bindings} in [ v69999 ((x: v69998) 0) v3 ]"), "[ 69999 69998 3 ]");
    let nested = |body: &str| format!("let v = 7; in {}{body}", "with { }; let w = v; in ".repeat(150));
    check(&nested("[ v w ]"), "[ 7 7 ]");
}

#[test]
fn arithmetic() {
    check("1 + 2 * 3 - 4 / 2", "5");
    check("1.5 + 1", "2.5");
    check("7 / 2", "3");
    check("-3 / 2", "-1");
    check("1 / 0", "error: division by zero");
    check("9223372036854775807 + 1", "error: integer overflow in adding 9223372036854775807 + 1");
    check(
        "[ 9223372036854775807 4611686018427387904 (-1152921504606846977) ]",
        "[ 9223372036854775807 4611686018427387904 -1152921504606846977 ]",
    );
    check("1 + \"a\"", "error: cannot add a string to an integer");
}

#[test]
fn variables_and_functions() {
    check("let a = b + 1; b = 2; in a", "3");
    check("(x: y: x - y) 5 3", "2");
    check(
        "({ a, b ? a + 1, ... }@all: [ a b (builtins.attrNames all) ]) { a = 1; c = 3; }",
        "[ 1 2 [ \"a\" \"c\" ] ]",
    );
    check("let f = { a }: a; in f { }", "error: function 'f' called without required argument 'a'");
    check(
        "({ abc }: abc) { abd = 1; abc = 2; }",
        "error: function 'anonymous lambda' called with unexpected argument 'abd' (Did you mean abc?)",
    );
    check("let f = x: y: z: x + y + z; g = f 1; in [ (g 2 3) (g 4 5) ]", "[ 6 10 ]");
    check("let s = { __functor = self: x: self.y + x; y = 1; }; in s 2", "3");
    check("let abc = 1; in abd", "error: undefined variable 'abd' (Did you mean abc?)");
    check("1 2", "error: attempt to call something which is not a function but an integer: 1");
}

#[test]
fn with_and_inherit() {
    check("let x = 1; in with { x = 2; y = 3; }; [ x y ]", "[ 1 3 ]");
    check("with { a = 1; }; with { a = 2; }; a", "2");
    check("with { map = 1; }; builtins.typeOf map", "\"lambda\"");
    check(
        "let s = { a = 1; b = 2; }; in { inherit (s) a b; c = let inherit (s) a; in a; }",
        "{ a = 1; b = 2; c = 1; }",
    );
    check("let a = 1; in rec { inherit a; b = a; }", "{ a = 1; b = 1; }");
    check("{ inherit (throw \"no\") a; }.a", "error: no");
    check("{ inherit ({ a = 1; } // { b = 2; }) a b; ${\"c\"} = 3; }", "{ a = 1; b = 2; c = 3; }");
}

#[test]
fn attribute_sets() {
    check("{ a.b = 1; a.c = 2; } // { d = 3; }", "{ a = { b = 1; c = 2; }; d = 3; }");
    check("rec { a = b; b = 1; ${\"c\" + \"d\"} = a; }", "{ a = 1; b = 1; cd = 1; }");
    check("{ a = 1; ${null} = 2; }", "{ a = 1; }");
    check("{ a.b = 1; } ? a.b", "true");
    check("{ a.b = 1; } ? a.c.d", "false");
    check("{ a = 1; }.b or 5", "5");
    check("{ abc = 1; }.abd", "error: attribute 'abd' missing (Did you mean abc?)");
    check("rec { __overrides = { a = 2; }; a = 1; b = a; }.b", "2");
    check("let { a = 1; body = a; }", "1");
}

#[test]
fn updates_in_layers_are_one_set() {
    check(
        "let big = builtins.listToAttrs (builtins.genList (n: { name = \"n${toString n}\"; value = n; }) 100);
             layered = builtins.foldl' (s: n: s // { \"n${toString n}\" = 0 - n; \"x${toString n}\" = n; }) big (builtins.genList (n: n) 20);
         in [ (builtins.length (builtins.attrNames layered)) layered.n5 layered.n50 layered.x19
              (layered == layered // { n5 = -5; }) (builtins.length (builtins.attrValues (removeAttrs layered [ \"n5\" ]))) ]",
        "[ 120 -5 50 19 true 119 ]",
    );
}

#[test]
fn strings_and_paths() {
    check("\"a${\"b\"}${toString 1}\"", "\"ab1\"");
    check("\"${1}\"", "error: cannot coerce an integer to a string: 1");
    check("toString [ 1 [ ] [ 2 3 ] null true ./x ]", "\"1 2 3  1 /base/x\"");
    check("./a/../b + \"/c\"", "/base/b/c");
    check("/a + ./b", "/a/base/b");
    check("\"${{ __toString = self: self.x; x = \"y\"; }}\"", "\"y\"");
    check("''\n  a\n    b\n''", "\"a\\n  b\\n\"");
    check("[ 1.0 0.1 1.0e10 123456789.0 ]", "[ 1 0.1 1e+10 1.23457e+08 ]");
}

#[test]
fn equality_and_order() {
    check("let f = x: x; in [ (f == f) ({ inherit f; } == { inherit f; }) ]", "[ false true ]");
    // What a function gives is another value each time, even if it is its argument.
    check("let f = x: x; id = x: x; in [ ([ f ] == [ f ]) ([ (id f) ] == [ (id f) ]) ]", "[ true false ]");
    check(
        "let s = { f = x: x; }; in [ (s == s) (builtins.mapAttrs (n: v: v) s == s) (s // { } == s) ]",
        "[ true false true ]",
    );
    check("[ 1 { a = 2; } ] == [ 1.0 { a = 2; } ]", "true");
    check("[ (1 < 2) (\"a\" < \"b\") ([ 1 2 ] < [ 1 3 ]) ]", "[ true true true ]");
    check("1 < \"a\"", "error: cannot compare an integer with a string; values are 1 and \"a\"");
    check(
        "{ type = \"derivation\"; outPath = 1; a = 1; } == { type = \"derivation\"; outPath = 1; }",
        "true",
    );
}

#[test]
fn failures() {
    check("builtins.tryEval (throw \"x\")", "{ success = false; value = false; }");
    check("builtins.tryEval (assert false; 1)", "{ success = false; value = false; }");
    check(
        "builtins.tryEval (abort \"x\")",
        "error: evaluation aborted with the following error message: 'x'",
    );
    check(
        "let x = throw \"once\"; in [ (builtins.tryEval x).success (builtins.tryEval x).success ]",
        "[ false false ]",
    );
    check("let x = x; in x", "error: infinite recursion encountered");
    check("let f = x: f (x + 1); in f 0", "error: stack overflow; max-call-depth exceeded");
    check("let x = [ x ]; in builtins.length x", "1");
    check("if 1 then 2 else 3", "error: expected a Boolean but found an integer: 1");
}

#[test]
fn deep_data_does_not_overflow_the_stack() {
    check("builtins.foldl' (a: n: a + n) 0 (builtins.genList (n: n) 100000)", "4999950000");
    // A chain of a hundred thousand thunks.
    check(
        "(builtins.foldl' (a: n: { x = a.x + n; }) { x = 0; } (builtins.genList (n: n) 100000)).x",
        "4999950000",
    );
    check(
        "builtins.stringLength (builtins.foldl' (a: n: a + \"x\") \"\" (builtins.genList (n: n) 100000))",
        "100000",
    );
    check(
        "builtins.length (builtins.foldl' (a: n: a ++ [ n ]) [ ] (builtins.genList (n: n) 100000))",
        "100000",
    );
    check(
        "builtins.elemAt (builtins.foldl' (a: n: [ n ] ++ a) [ ] (builtins.genList (n: n) 100000)) 7",
        "99992",
    );
}

#[test]
fn appending_twice_to_the_same_value_keeps_both() {
    check(
        "let l = builtins.foldl' (a: n: a ++ [ n ]) [ ] (builtins.genList (n: n) 50); a = l ++ [ 1 ]; b = l ++ [ 2 ];
         in [ (builtins.elemAt a 50) (builtins.elemAt b 50) (builtins.length l) ]",
        "[ 1 2 50 ]",
    );
    check(
        "let s = builtins.foldl' (a: n: a + \"0123456789\") \"\" (builtins.genList (n: n) 100); a = s + \"a\"; b = s + \"b\";
         in [ (builtins.substring 1000 9 a) (builtins.substring 1000 9 b) (builtins.stringLength s) ]",
        "[ \"a\" \"b\" 1000 ]",
    );
}

#[test]
fn derivations_have_the_paths_of_the_reference() {
    // Computed by Nix 2.8.0.
    check(
        "(derivation { name = \"a\"; system = \"x\"; builder = \"/b\"; }).drvPath",
        "\"/nix/store/zls09i4hh0vfzm882j1ry186i11233w6-a.drv\"",
    );
    check(
        "(import <nix/fetchurl.nix> { url = \"http://x/y\"; sha256 = \"0000000000000000000000000000000000000000000000000000\"; }).drvPath",
        "\"/nix/store/8igv8jm1cw9fgsycs01xlr644h933c2x-y.drv\"",
    );
    check(
        "let d = derivation { name = \"a\"; system = \"x\"; builder = \"/b\"; outputs = [ \"out\" \"dev\" ]; }; in
         [ d.dev.outputName (builtins.length d.all) (builtins.hasContext d.outPath) d.type (d == d.out) ]",
        "[ \"dev\" 2 true \"derivation\" true ]",
    );
    check(
        "(derivation { name = \"a\"; system = \"x\"; }).drvPath",
        "error: required attribute 'builder' missing",
    );
    check(
        "(derivation { name = \"a b\"; system = \"x\"; builder = \"/b\"; }).drvPath",
        "error: invalid derivation name: name 'a b' contains illegal character ' '. Please pass a different 'name'.",
    );
}

#[test]
fn builtins_on_lists_and_strings() {
    check("builtins.sort builtins.lessThan [ 3 1 2 ]", "[ 1 2 3 ]");
    check("builtins.sort (a: b: a.k < b.k) (map (k: { inherit k; }) [ 2 1 ])", "[ { k = 1; } { k = 2; } ]");
    check("builtins.groupBy (n: if n < 2 then \"a\" else \"b\") [ 1 2 3 ]", "{ a = [ 1 ]; b = [ 2 3 ]; }");
    check(
        "map (x: x.key) (builtins.genericClosure { startSet = [ { key = 1; } ]; operator = x: if x.key < 3 then [ { key = x.key + 1; } { key = 1; } ] else [ ]; })",
        "[ 1 2 3 ]",
    );
    check("builtins.replaceStrings [ \"a\" \"\" ] [ \"b\" \"-\" ] \"xay\"", "\"-xb-y-\"");
    check("builtins.split \"(b)\" \"abc\"", "[ \"a\" [ \"b\" ] \"c\" ]");
    check("builtins.match \"(a|ab)(c)?\" \"abc\"", "[ \"ab\" \"c\" ]");
    check(
        "builtins.fromJSON (builtins.toJSON { a = [ 1 2.5 null true \"x\\n\" ]; })",
        "{ a = [ 1 2.5 null true \"x\\n\" ]; }",
    );
    check("builtins.fromTOML \"a = 1\\n[b]\\nc = [ 'x' ]\"", "{ a = 1; b = { c = [ \"x\" ]; }; }");
    check("builtins.compareVersions \"1.2\" \"1.10\"", "-1");
    check("builtins.zipAttrsWith (n: v: v) [ { a = 1; } { a = 2; b = 3; } ]", "{ a = [ 1 2 ]; b = [ 3 ]; }");
}

#[test]
fn every_builtin_is_documented_once() {
    let mut names: Vec<&str> = crate::builtins::tables().map(|builtin| builtin.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(crate::builtins::tables().all(|b| !b.doc.is_empty() && !b.arguments.is_empty()));
}

#[test]
fn programs_are_run_where_that_is_allowed() {
    check("builtins ? exec", "false");
    #[track_caller]
    fn check_exec(arguments: &str, expected: &str) {
        let settings = Settings { native_code: true, ..Settings::default() };
        let expression = format!("builtins.exec {arguments}");
        assert_eq!(evaluate_with(settings, &expression), expected, "{expression}");
    }
    check_exec("[ \"echo\" 1 ]", "error: cannot coerce an integer to a string: 1");
    check_exec("[ \"echo\" \"[ (1 + 1)\" \"./b ]\" ]", "[ 2 /b ]");
    check_exec("[ \"sh\" \"-c\" \"exit 7\" ]", "error: program \"sh\" failed with exit code 7");
    check_exec("[ \"sh\" \"-c\" \"kill -9 $$\" ]", "error: program \"sh\" failed due to signal 9");
    check_exec("[ \"/nowhere\" ]", "error: path '/nowhere' does not exist");
    check_exec("[ ]", "error: at least one argument to 'exec' required");
}

#[test]
fn functions_inside_of_values_are_thunks_until_they_are_used() {
    let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), Settings::default());
    let value = evaluator.eval_str("{ f = x: x; }", b"/").unwrap();
    let error = evaluator.print_json(value, false, false).unwrap_err();
    assert_eq!(error.message, "cannot convert a thunk to JSON");
    let text = evaluator.to_xml(value, false, false).unwrap();
    assert!(String::from_utf8(text).unwrap().contains("<unevaluated />"));
    let error = evaluator.print_json(value, true, false).unwrap_err();
    assert_eq!(error.message, "cannot convert a function to JSON");
}
