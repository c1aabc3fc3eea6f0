//! The Nix language's text: lexer, parser, tree and printer.
//!
//! [`parse`] makes the tree of one text; it reads no files and knows no
//! evaluation. [`print()`] writes a tree in the fully parenthesised form of
//! `nix-instantiate --parse`. Neither overflows the stack on deep input: the
//! stack grows on the heap, and nesting is limited to [`MAX_NESTING`]. [`undefined_variable`] finds names that
//! nothing binds.

pub mod ast;
mod bindings;
mod error;
mod lexer;
mod lints;
mod operands;
mod parser;
mod print;
mod token;
mod variables;

pub use error::ParseError;
pub use lints::{Lint, Lints};
pub use operands::{operand_offsets, place};
pub use parser::{MAX_NESTING, ParseOptions, parse, parse_with_warnings};
pub use print::{PrintPaths, print};
pub use variables::{UndefinedVariable, undefined_variable};

/// Calls a function that may be deep in a recursion, on more stack if needed.
#[inline]
fn deep<T>(f: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(64 * 1024, 1024 * 1024, f)
}

#[cfg(test)]
mod tests;
