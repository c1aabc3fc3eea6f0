//! Syntax trees as bytes: what stays of a file after parsing, and what a cache of
//! parsed files holds.
//!
//! A tree is written once and then read piece by piece, each piece when it is
//! first evaluated, which most of a package set never is. A piece that is likely
//! to be evaluated later, or never, is preceded by its length so that it can be
//! passed over: the bodies of functions and the larger values of sets, arguments
//! and branches.
//!
//! Numbers are in LEB128, places are the difference to the place before. Reading
//! trusts nothing: damaged bytes give no tree.

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

/// To be increased with every change of what is written.
pub(crate) const FORMAT: u8 = 2;

/// The first byte of each expression.
mod tag {
    pub(super) const DEFERRED: u8 = 0;
    pub(super) const INT: u8 = 1;
    pub(super) const FLOAT: u8 = 2;
    pub(super) const STRING: u8 = 3;
    pub(super) const INTERPOLATED: u8 = 4;
    pub(super) const PATH: u8 = 5;
    pub(super) const SEARCH_PATH: u8 = 6;
    pub(super) const VAR: u8 = 7;
    pub(super) const SELECT: u8 = 8;
    pub(super) const SELECT_OR: u8 = 9;
    pub(super) const HAS_ATTR: u8 = 10;
    pub(super) const APPLY: u8 = 11;
    pub(super) const LAMBDA: u8 = 12;
    pub(super) const LET: u8 = 13;
    pub(super) const LEGACY_LET: u8 = 14;
    pub(super) const ATTR_SET: u8 = 15;
    pub(super) const RECURSIVE_SET: u8 = 16;
    pub(super) const LIST: u8 = 17;
    pub(super) const WITH: u8 = 18;
    pub(super) const IF: u8 = 19;
    pub(super) const ASSERT: u8 = 20;
    pub(super) const NOT: u8 = 21;
    pub(super) const NEGATE: u8 = 22;
    pub(super) const BINARY: u8 = 23;
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;
    use saltire_syntax::ParseOptions;
    use saltire_syntax::ast::{Expr, ExprKind};

    use super::{read, write};

    const TEXT: &str = r#"
        { a, b ? 1.5 + a, ... }@all: with all; let inherit (a) x y; z = rec { c.d = x; ${b} = -1; }; in
        assert !(a ? x."y".${z}); if x -> y then [ 1 "s" "a${b}c" ./p/${a} ~/q /r <nixpkgs/lib> ] else
        f x (y: y.a.b or z) { inherit a; inherit (f a) b; } || let { body = x |> f; n = g <| y; } // z != u:v
    "#;

    fn encode(text: &str) -> Vec<u8> {
        let arena = Bump::new();
        let options = ParseOptions { pipe_operators: true, ..ParseOptions::default() };
        write(saltire_syntax::parse(&arena, text.as_bytes(), &options).unwrap())
    }

    /// All pieces of a tree, as they are read.
    fn pieces(bytes: &[u8], at: usize, found: &mut Vec<String>) {
        let arena = Bump::new();
        let expr = read(bytes, at, &arena).unwrap();
        let text = format!("{expr:?}");
        found.push(text.clone());
        for deferred in text.split("Deferred(").skip(1) {
            let offset = deferred.split(')').next().unwrap().parse().unwrap();
            pieces(bytes, offset, found);
        }
    }

    #[test]
    fn small_trees_are_read_as_they_were_written() {
        let check = |text: &str| {
            let arena = Bump::new();
            let tree = saltire_syntax::parse(&arena, text.as_bytes(), &ParseOptions::default()).unwrap();
            let (bytes, other) = (write(tree), Bump::new());
            let strip = |expr: &Expr<'_>| {
                let text = format!("{expr:?}");
                let parts: Vec<&str> = text.split(", end: ").collect();
                parts
                    .iter()
                    .map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()))
                    .collect::<String>()
            };
            assert_eq!(strip(read(&bytes, 0, &other).unwrap()), strip(tree));
        };
        check("a.b.c - -12 * 1.5e3");
        check("x: x");
        check("{ a = b; inherit c; inherit (d) e; ${f} = g; }");
        check("rec { a = b; }");
        check("[ a \"b\" 1 (x: x) ]");
        check("a ? b.${c} && !d");
    }

    #[test]
    fn every_piece_of_a_tree_can_be_read() {
        let bytes = encode(TEXT);
        let mut found = Vec::new();
        pieces(&bytes, 0, &mut found);
        let all = found.concat();
        for part in
            ["Interpolated", "LegacyLet", "PipeLeft", "SearchPath", "InheritedFrom(0)", "Home", "\"u:v\""]
        {
            assert!(all.contains(part), "{part} is not in {all}");
        }
        assert!(found.len() > 5);
    }

    #[test]
    fn damaged_trees_are_not_read_or_give_another_tree() {
        let bytes = encode(TEXT);
        for at in 0..bytes.len() {
            let arena = Bump::new();
            let _ = read(&bytes[..at], 0, &arena);
            let mut damaged = bytes.clone();
            for byte in [0, 0x7F, 0x80, 0xFF] {
                damaged[at] = byte;
                if let Some(Expr { kind: ExprKind::Deferred(offset), .. }) = read(&damaged, 0, &arena) {
                    let _ = read(&damaged, *offset as usize, &arena);
                }
            }
        }
        assert!(read(&bytes, bytes.len() + 1, &Bump::new()).is_none());
    }
}
