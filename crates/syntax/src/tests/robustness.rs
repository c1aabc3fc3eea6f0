//! Deep, long, broken and random texts give a tree or an error, in bounded
//! stack and time.

use super::outcome;
use crate::MAX_NESTING;

/// A text with a bit of everything.
const SAMPLE: &str = r#"
# A comment.
{ lib, a ? ./a/b.nix, b ? <x/y>, c ? ~/z, ... }@args:
let
  inherit (lib) map or "quoted name";
  s = "a ${toString (1 + 2)} \n $${x} ${"n${e}sted"}";
  t = ''
    indented ${a}
      ''${kept} ''' ''\n
  '';
  legacy = let { body = rec { x = 1.5e3; y = [ .5 (-x) (!true) ]; }; };
  f = x: y@{ p, q ? p }: with x; assert p != q -> x ? a."b".${c}; x.y.z or 3;
  url = http://example.org/x?y=z; d.e.f = 1; d.e.g = 2; d.${s} = ./${a}/b;
in /* another */ if a == b && c || !d then f { } { p = 1; } // rec { } else [ ] ++ [ 1 2 ]
"#;

/// A small generator of pseudo-random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

#[test]
fn every_truncation_is_answered() {
    for end in 0..=SAMPLE.len() {
        outcome(&SAMPLE.as_bytes()[..end]);
        outcome(&SAMPLE.as_bytes()[end..]);
    }
    assert!(outcome(SAMPLE.as_bytes()).starts_with("({ a ? /dir/a/b.nix, "));
}

#[test]
fn mutations_are_answered() {
    let mut random = Random(1);
    let pieces: Vec<&[u8]> = SAMPLE.as_bytes().chunks(3).collect();
    for _ in 0..2000 {
        let mut text = SAMPLE.as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(text.len());
            match random.below(4) {
                0 => text[at] = random.below(256) as u8,
                1 => drop(text.drain(at..text.len().min(at + random.below(20)))),
                2 => drop(text.splice(at..at, pieces[random.below(pieces.len())].iter().copied())),
                _ => text.insert(at, b"{}[]()\"'$.;:/"[random.below(13)]),
            }
        }
        outcome(&text);
    }
}

#[test]
fn random_bytes_are_answered() {
    let mut random = Random(2);
    let alphabet = b"ax1.:/$'\"{}[]()\\;=+-*<>!?@,|&~# \n\0\xff";
    for _ in 0..5000 {
        let length = random.below(60);
        let text: Vec<u8> = (0..length).map(|_| alphabet[random.below(alphabet.len())]).collect();
        outcome(&text);
    }
}

#[test]
fn printed_trees_print_the_same_again() {
    let text = "({ a ? [ (1) (-x) ], ... } @ b: let c = rec { d = \"e\\n\"; f.\"g h\" = (i).j or (k); }; in \
                (with l; (if m then (n + o) else ((p ? q) ++ (! r)))))";
    let once = outcome(text.as_bytes());
    assert!(once.starts_with("({ a ? [ (1) ((__sub 0 x)) ], ... } @ b: "), "{once}");
    assert_eq!(outcome(once.as_bytes()), once);
}

#[track_caller]
fn check_deep(open: &str, middle: &str, close: &str) {
    let nest = |depth: usize| {
        let text = [&open.repeat(depth), middle, &close.repeat(depth)].concat();
        outcome(text.as_bytes())
    };
    let printed = nest(10_000);
    assert!(!printed.contains(" error, "), "{open}: {}", &printed[..200.min(printed.len())]);
    let error = nest(MAX_NESTING + 1);
    assert!(error.contains("expressions are nested more than 20000 levels deep"), "{open}: {error}");
}

#[test]
fn deep_nesting_has_a_limit() {
    check_deep("(", "1", ")");
    check_deep("[", "", "]");
    check_deep("{a=", "1", ";}");
    check_deep("\"${", "a", "}\"");
    check_deep("''${", "a", "}''");
    check_deep("a: ", "a", "");
    check_deep("{a?", "1", "}:a");
    check_deep("if a then b else ", "c", "");
    check_deep("let a = 1; in ", "a", "");
    check_deep("with a; ", "a", "");
    check_deep("assert a; ", "a", "");
    check_deep("a.b or ", "a", "");
    check_deep("f (", "a", ")");
    check_deep("{ a.b = ", "1", "; }");
}

#[test]
fn chains_have_none() {
    let chain = |piece: &str, last: &str| {
        let printed = outcome([&piece.repeat(100_000), last].concat().as_bytes());
        assert!(printed.len() > 100_000, "{piece}: {printed}");
    };
    chain("a + ", "a");
    chain("a ++ ", "a");
    chain("a -> ", "a");
    chain("a // ", "a");
    chain("a |> ", "a");
    chain("!", "a");
    chain("-", "1");
    chain("a ", "a");
    chain("a.", "a");
    chain("a ? b ++ ", "a");
    let list = format!("[{}]", "1 ".repeat(100_000));
    assert_eq!(outcome(list.as_bytes()).len(), 4 * 100_000 + 3);
}
