//! The Nix language's text: lexer, parser and tree.

pub mod ast;
