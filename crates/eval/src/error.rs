//! Evaluation errors.

use saltire_diagnostics::{Diagnostic, Frame, Pos};

/// What sort of mistake it was; `builtins.tryEval` catches the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `throw`
    Throw,
    /// `assert`
    Assertion,
    /// `abort`
    Abort,
    /// A value of the wrong type.
    Type,
    /// No such attribute.
    MissingAttribute,
    /// No such variable.
    UndefinedVariable,
    /// A value that depends on itself.
    InfiniteRecursion,
    /// Calls or data nested too deeply; may succeed from a less deep place.
    StackOverflow,
    /// A syntax error.
    Parse,
    /// A file that can't be read, a path that does not exist.
    Io,
    /// Something that the evaluation mode forbids.
    Restricted,
    /// Wrong arithmetic, such as division by zero.
    Arithmetic,
    /// The evaluation was told to stop.
    Interrupted,
    /// Anything else.
    Other,
}

/// An error with its place and trace.
#[derive(Clone, Debug)]
pub struct EvalError {
    /// What sort of mistake it was.
    pub kind: ErrorKind,
    /// What was wrong.
    pub message: String,
    /// Where.
    pub pos: Pos,
    /// What to do, such as "did you mean 'a'?"; at most one.
    pub hint: Option<String>,
    /// The exit code of a program that ends with it; 1 unless the host says more.
    pub exit_code: u8,
    /// What was being done, innermost first.
    pub(crate) trace: Trace,
    /// Whether a debugger has shown it.
    pub(crate) seen: bool,
    /// The outermost step of a certain length of the trace, and what it was added for.
    mark: (u32, usize),
}

/// Frames shared between an error and its copies in thunks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trace(Option<&'static TraceNode>);

#[derive(Debug)]
struct TraceNode {
    frame: Frame,
    inner: Trace,
    depth: u32,
}

/// Innermost frames that an error keeps.
const MAX_INNER: u32 = 5_000;

/// Outermost frames that a longer trace keeps at least; those between are lost.
const MIN_OUTER: u32 = 32;

impl Trace {
    fn depth(self) -> u32 {
        self.0.map_or(0, |node| node.depth)
    }

    fn with(self, frame: Frame) -> Self {
        let depth = self.depth() + 1;
        Self(Some(Box::leak(Box::new(TraceNode { frame, inner: self, depth }))))
    }

    /// Without the frames between the innermost and the last few.
    fn shortened(self) -> Self {
        let mut outer = Vec::new();
        let mut rest = self;
        while let Some(node) = rest.0.filter(|node| node.depth > MAX_INNER) {
            if outer.len() < MIN_OUTER as usize {
                outer.push(&node.frame);
            }
            rest = node.inner;
        }
        outer.into_iter().rev().fold(rest, |trace, frame| trace.with(frame.clone()))
    }
}

/// What evaluation gives.
pub type Result<T, E = Box<EvalError>> = std::result::Result<T, E>;

impl EvalError {
    /// An error at a place.
    #[cold]
    pub fn new(kind: ErrorKind, pos: Pos, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            kind,
            message: message.into(),
            pos,
            hint: None,
            exit_code: 1,
            trace: Trace::default(),
            seen: false,
            mark: (0, 0),
        })
    }

    /// An error about a type.
    #[cold]
    pub fn type_error(pos: Pos, message: impl Into<String>) -> Box<Self> {
        Self::new(ErrorKind::Type, pos, message)
    }

    /// Any other error.
    #[cold]
    pub fn other(pos: Pos, message: impl Into<String>) -> Box<Self> {
        Self::new(ErrorKind::Other, pos, message)
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_hint(mut self: Box<Self>, hint: Option<String>) -> Box<Self> {
        self.hint = hint;
        self
    }

    /// Gives the error a place if it has none.
    #[must_use]
    pub fn at(mut self: Box<Self>, pos: Pos) -> Box<Self> {
        if !self.pos.is_some() {
            self.pos = pos;
        }
        self
    }

    /// Says where a value was needed that depends on itself; other errors have their place.
    #[cold]
    #[must_use]
    pub(crate) fn needed_at(self: Box<Self>, pos: Pos) -> Box<Self> {
        if self.kind == ErrorKind::InfiniteRecursion { self.at(pos) } else { self }
    }

    /// Says that the value that depends on itself was needed to select from it, if this is
    /// the first that is said of it but for the attribute that it is.
    #[must_use]
    pub(crate) fn selected_from(mut self: Box<Self>, pos: Pos) -> Box<Self> {
        if self.kind == ErrorKind::InfiniteRecursion && self.trace.depth() == 1 {
            self.pos = pos;
        }
        self
    }

    /// Adds an outer step to the trace. The steps stay in memory.
    #[cold]
    #[must_use]
    pub fn traced(self: Box<Self>, pos: Pos, message: impl Into<String>) -> Box<Self> {
        self.with_step(Frame { pos, message: message.into(), always: false })
    }

    /// Adds an outer step that is shown even where the trace is cut.
    #[cold]
    pub(crate) fn traced_always(self: Box<Self>, message: String) -> Box<Self> {
        self.with_step(Frame { pos: Pos::NONE, message, always: true })
    }

    fn with_step(mut self: Box<Self>, frame: Frame) -> Box<Self> {
        if self.trace.depth() >= MAX_INNER + 2 * MIN_OUTER {
            self.trace = self.trace.shortened();
        }
        self.trace = self.trace.with(frame);
        self
    }

    /// Remembers what the outermost step was added for.
    #[must_use]
    pub(crate) fn marked(mut self: Box<Self>, what: usize) -> Box<Self> {
        self.mark = (self.trace.depth(), what);
        self
    }

    /// Whether the outermost step was added for this.
    pub(crate) fn is_marked(&self, what: usize) -> bool {
        self.mark == (self.trace.depth(), what) && self.trace.depth() > 0
    }

    /// With another text of the outermost step.
    #[must_use]
    pub(crate) fn renamed(mut self: Box<Self>, message: String) -> Box<Self> {
        let Some(node) = self.trace.0 else { return self };
        self.trace = node.inner;
        self.with_step(Frame { message, ..node.frame.clone() })
    }

    /// With another place, where the error and its outermost steps had the place `from`.
    #[cold]
    pub(crate) fn moved(mut self: Box<Self>, from: Pos, to: Pos) -> Box<Self> {
        if self.pos == from {
            self.pos = to;
        }
        let mut outer = Vec::new();
        while let Some(node) = self.trace.0.filter(|node| node.frame.pos == from) {
            outer.push(Frame { pos: to, ..node.frame.clone() });
            self.trace = node.inner;
        }
        outer.into_iter().rev().fold(self, EvalError::with_step)
    }

    /// Whether `tryEval` turns this into a value.
    pub fn is_catchable(&self) -> bool {
        matches!(self.kind, ErrorKind::Throw | ErrorKind::Assertion)
    }

    /// Whether the same computation may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::StackOverflow | ErrorKind::Interrupted)
    }

    /// The error alone, without the steps that led to it.
    pub fn without_trace(&self) -> Self {
        Self { trace: Trace::default(), ..self.clone() }
    }

    /// The error for rendering.
    pub fn to_diagnostic(&self) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(self.pos, self.message.clone());
        let mut node = self.trace.0;
        while let Some(step) = node {
            diagnostic.trace.push(step.frame.clone());
            node = step.inner.0;
        }
        diagnostic.trace.reverse();
        diagnostic.hints.extend(self.hint.clone());
        diagnostic
    }
}

impl std::fmt::Display for EvalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvalError {}

/// Adds a step to the trace of an error.
pub(crate) trait Traced {
    fn traced(self, pos: Pos, message: impl FnOnce() -> String) -> Self;
}

impl<T> Traced for Result<T> {
    #[inline]
    fn traced(self, pos: Pos, message: impl FnOnce() -> String) -> Self {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(error.traced(pos, message())),
        }
    }
}

/// Names further away than this many edits are no help.
const MAX_DISTANCE: usize = 2;

/// "did you mean …?", from the names nearest to what was written.
pub fn did_you_mean<'a>(wrong: &[u8], names: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    /// As many as the reference shows.
    const MAX_NAMES: usize = 5;
    let mut near: Vec<(usize, &[u8])> = names
        .filter(|name| name.len().abs_diff(wrong.len()) <= MAX_DISTANCE)
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= MAX_DISTANCE)
        .collect();
    near.sort();
    near.truncate(MAX_NAMES);
    let names: Vec<_> = near.iter().map(|(_, name)| String::from_utf8_lossy(name)).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("Did you mean {one}?")),
        [first @ .., last] => Some(format!("Did you mean one of {} or {last}?", first.join(", "))),
    }
}

/// As [`did_you_mean`], for a name out of very many: only those that most of what was
/// written is in.
pub(crate) fn did_you_mean_variable<'a>(
    wrong: &[u8],
    names: impl Iterator<Item = &'a [u8]>,
) -> Option<String> {
    let alike = |name: &&[u8]| {
        let distance = distance(wrong, name);
        distance < name.len() && 2 * distance < wrong.len()
    };
    let near = names.filter(|name| name.len().abs_diff(wrong.len()) <= MAX_DISTANCE);
    did_you_mean(wrong, near.filter(alike))
}

/// Edit distance where swapping neighbours counts once.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut current = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (previous[j] + 1).min(current[j - 1] + 1).min(previous[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            current[j] = best;
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[b.len()]
}
