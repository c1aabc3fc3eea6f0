//! Source files, positions and error values.
//!
//! A [`SourceMap`] gives every source text a range of one global offset space, so
//! that a position anywhere in any file is four bytes ([`Pos`]). Errors are
//! values ([`Diagnostic`]) that carry positions; [`render`] turns one
//! into text. This crate does no I/O: a file's text is handed in.

mod diagnostic;
mod render;
mod source;

pub use diagnostic::{Diagnostic, Frame};
pub use render::{Style, render, render_place, render_warning};
pub use source::{Location, Origin, Pos, Reader, SourceFile, SourceMap, Span};
