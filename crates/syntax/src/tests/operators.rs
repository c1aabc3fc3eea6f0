//! Precedence, associativity, application, functions and keywords.

use super::{check, check_same};

#[test]
fn operators_bind_by_precedence() {
    check("a -> b || c && d", "(a -> (b || (c && d)))");
    check("a && b == c", "(a && (b == c))");
    check("a == b < c", "(a == (__lessThan b c))");
    check("a < b // c", "(__lessThan a (b // c))");
    check("a // b + c", "(a // (b + c))");
    check("a + b * c", "(a + (__mul b c))");
    check("a * b ++ c", "(__mul a (b ++ c))");
    check("a ++ b ? c", "(a ++ ((b) ? c))");
    check("a - b / c", "(__sub a (__div b c))");
}

#[test]
fn operators_associate() {
    check("a - b - c", "(__sub (__sub a b) c)");
    check("a + b - c + d", "((__sub (a + b) c) + d)");
    check("a / b * c", "(__mul (__div a b) c)");
    check("a // b // c", "(a // (b // c))");
    check("a ++ b ++ c", "(a ++ (b ++ c))");
    check("a -> b -> c", "(a -> (b -> c))");
    check("a || b || c", "((a || b) || c)");
    check("a ? b ? c", "((((a) ? b)) ? c)");
}

#[test]
fn prefix_operators() {
    check("!a + b", "(! (a + b))");
    check("!a == b", "((! a) == b)");
    check("!!a", "(! (! a))");
    check("a ++ !b + c ++ d // e", "((a ++ (! (b + (c ++ d)))) // e)");
    check("-a.b", "(__sub 0 (a).b)");
    check("-f x", "(__sub 0 (f x))");
    check("-a ? b", "(((__sub 0 a)) ? b)");
    check("- -1", "(__sub 0 (__sub 0 1))");
    check("a - -b", "(__sub a (__sub 0 b))");
    check("a * -b + c", "((__mul a (__sub 0 b)) + c)");
}

#[test]
fn comparisons_become_calls() {
    check("a <= b", "(! (__lessThan b a))");
    check("a >= b", "(! (__lessThan a b))");
    check("a > b", "(__lessThan b a)");
    check("a != b", "(a != b)");
}

#[test]
fn pipes() {
    check("a |> f |> g", "(g (f a))");
    check("g <| f <| a", "(g (f a))");
    check("a + b |> f", "(f (a + b))");
    check("a -> b |> f", "(f (a -> b))");
    check(
        "a |> f <| b",
        "1:8: syntax error, unexpected '<|', expecting end of file\n  '<|' and '|>' can only be mixed with parentheses",
    );
    check(
        "a <| f |> b",
        "1:8: syntax error, unexpected '|>', expecting end of file\n  '<|' and '|>' can only be mixed with parentheses",
    );
}

#[test]
fn application_and_selection() {
    check("f a b", "(f a b)");
    check("(f a) b", "(f a b)");
    check("f (a b)", "(f (a b))");
    check("f a.b c", "(f (a).b c)");
    check("(a - b) c", "(__sub a b c)");
    check("<x> a", "(__findFile __nixPath \"x\" a)");
    check("a.b.\"c d\".${e}", "(a).b.\"c d\".\"${e}\"");
    check("a.\"b\".${\"c\"}.\"x${y}\"", "(a).b.c.\"${(\"x\" + y)}\"");
    check("a ? b.\"c\".${d}", "((a) ? b.c.\"${d}\")");
    check("{ }.a", "({ }).a");
    check("[ f a.b (f a) ]", "[ (f) ((a).b) ((f a)) ]");
}

#[test]
fn or_is_a_keyword_and_a_name() {
    check("a.b or c", "(a).b or (c)");
    check("a.b or c d", "((a).b or (c) d)");
    check("a.b or c.d or e", "(a).b or ((c).d or (e))");
    check("a.b or (x: x)", "(a).b or ((x: x))");
    check("f or a", "(f or a)");
    check("[ f or a ]", "[ ((f or)) (a) ]");
    check("<a> or b", "((__findFile __nixPath \"a\") or b)");
    check("(f a) or b", "((f a) or b)");
    check("a.or", "(a).or");
    check("a.or or b", "(a).or or (b)");
    check("{ or = 1; }", "{ or = 1; }");
    check("{ inherit or; }", "{ inherit or; }");
    check("or", "1:1: syntax error, unexpected 'or'");
}

#[test]
fn functions() {
    check("x: y: x", "(x: (y: x))");
    check("{ }: a", "({  }: a)");
    check("{ ... }: a", "({ ... }: a)");
    check("{ b, a ? 1, }: a", "({ a ? 1, b }: a)");
    check("{ a, ... } @ args: a", "({ a, ... } @ args: a)");
    check("args@{ a }: a", "({ a } @ args: a)");
    check("{ a ? { b, c }: b }: a", "({ a ? ({ b, c }: b) }: a)");
    check("{ a ? b: c, d }: a", "({ a ? (b: c), d }: a)");
    check("f (x: x) { }", "(f (x: x) { })");
    check("a: a + 1", "(a: (a + 1))");
}

#[test]
fn keywords() {
    check_same("(if a then b else c)");
    check("if a then b else c + d", "(if a then b else (c + d))");
    check("if a then if b then c else d else e", "(if a then (if b then c else d) else e)");
    check("with a; b.c", "(with a; (b).c)");
    check("with a; with b; c", "(with a; (with b; c))");
    check_same("assert a; b");
    check_same("(let a = 1; b = 2; in a)");
    check("let in a", "(let in a)");
    check("let { body = 1; }", "(rec { body = 1; }).body");
    check("f let { body = 1; } a", "(f (rec { body = 1; }).body a)");
    check("let { body = 1; }.x + 1", "(((rec { body = 1; }).body).x + 1)");
    check("__curPos", "__curPos");
    check("(((a)))", "a");
    check("if a then x: y else z", "(if a then (x: y) else z)");
}

#[test]
fn words_with_dashes_and_quotes() {
    check("a-b", "a-b");
    check("a'b", "a'b");
    check("_a", "_a");
    check("a->b", "(__lessThan b a-)");
    check("ifx", "ifx");
    check("a -b", "(__sub a b)");
    check("a -1", "(__sub a 1)");
}
