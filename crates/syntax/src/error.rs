//! What is wrong with a source text.

use saltire_diagnostics::{Diagnostic, SourceFile, Span};

/// Why a text is not an expression of the Nix language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What was wrong; like the reference's text, which people search for.
    pub message: String,
    /// Where.
    pub span: Span,
    /// For "already defined": where it was first. The message then ends such
    /// that "at FILE:LINE:COLUMN" continues it.
    pub earlier: Option<Span>,
    /// What to do.
    pub hints: Vec<String>,
}

impl ParseError {
    /// An error without hints.
    pub(crate) fn new(message: impl Into<String>, span: Span) -> Self {
        Self { message: message.into(), span, earlier: None, hints: Vec::new() }
    }

    /// Adds what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The error as a diagnostic about the file that the text came from.
    pub fn into_diagnostic(self, file: &SourceFile) -> Diagnostic {
        let mut message = self.message;
        if let Some(earlier) = self.earlier {
            let (line, column) = file.line_column(earlier.start);
            message.push_str(&format!(" at {}:{line}:{column}", file.origin));
        }
        Diagnostic { message, pos: file.pos(self.span.start), trace: Vec::new(), hints: self.hints }
    }
}

/// "line 3, column 7" of an offset; lines as [`SourceFile::line_column`] counts.
pub(crate) fn line_and_column(text: &[u8], offset: usize) -> String {
    let offset = offset.min(text.len());
    let (mut line, mut start) = (1, 0);
    for (i, &byte) in text[..offset].iter().enumerate() {
        if byte == b'\n' || (byte == b'\r' && text.get(i + 1) != Some(&b'\n')) {
            line += 1;
            start = i + 1;
        }
    }
    format!("line {line}, column {}", offset - start + 1)
}
