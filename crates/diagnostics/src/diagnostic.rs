//! Error values.

use crate::source::Pos;

/// One step of the trace: what was being done when the error happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where, or `Pos::NONE`.
    pub pos: Pos,
    /// What, such as "while evaluating the attribute 'x'".
    pub message: String,
    /// Whether to show it even where the trace is cut.
    pub always: bool,
}

/// An error (or warning) about some source text: what was wrong, where, on the
/// way to what, and what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostic {
    /// What was wrong, in one sentence without a final full stop.
    pub message: String,
    /// Where, or `Pos::NONE`.
    pub pos: Pos,
    /// What was being done, innermost first.
    pub trace: Vec<Frame>,
    /// What to do, such as "did you mean 'hello'?".
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// An error without trace and hints.
    pub fn new(pos: Pos, message: impl Into<String>) -> Self {
        Self { message: message.into(), pos, ..Self::default() }
    }

    /// Adds an outer step to the trace.
    #[must_use]
    pub fn with_frame(mut self, pos: Pos, message: impl Into<String>) -> Self {
        self.trace.push(Frame { pos, message: message.into(), always: false });
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
