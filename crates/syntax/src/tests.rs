//! Texts and what they print as, or the error and its hints.

use super::{ParseOptions, PrintPaths, parse, print};
use bumpalo::Bump;
use saltire_diagnostics::{Origin, SourceMap};
use std::fmt::Write as _;

mod literals;
mod mistakes;
mod operators;
mod robustness;
mod sets;

/// What the text prints as, or "LINE:COLUMN: message" and the hints below it.
fn outcome(text: &[u8]) -> String {
    let options = ParseOptions { pipe_operators: true, ..ParseOptions::default() };
    let arena = Bump::new();
    match parse(&arena, text, &options) {
        Ok(tree) => {
            let paths = PrintPaths { directory: b"/dir", home: b"/home/me" };
            print(tree, paths).to_string()
        }
        Err(error) => {
            let sources = SourceMap::new();
            let file = sources.add(Origin::String, text).expect("the first file fits");
            let (line, column) = file.line_column(error.span.start);
            let diagnostic = error.into_diagnostic(&file);
            let mut shown = format!("{line}:{column}: {}", diagnostic.message);
            for hint in diagnostic.hints {
                let _ = write!(shown, "\n  {hint}");
            }
            shown
        }
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(outcome(text.as_bytes()), expected, "for {text:?}");
}

/// The text prints as itself.
#[track_caller]
fn check_same(text: &str) {
    check(text, text);
}
