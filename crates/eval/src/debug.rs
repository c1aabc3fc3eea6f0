//! Stopping where an error happens, and at `builtins.break`, with the scope at hand.
//!
//! Without a debugger this costs nothing: with one, the limit of the native stack is
//! put so high that each evaluation of an expression takes the way for a stack that is
//! used up ([`Evaluator::eval_at_limit`]), which keeps the list of what is being done.

use std::collections::HashMap;

use saltire_diagnostics::Pos;

use crate::error::{ErrorKind, EvalError, Result};
use crate::evaluator::Evaluator;
use crate::interactive::Variables;
use crate::ir::{Expr, ExprRef};
use crate::print::shown_name;
use crate::scope::{Scope, ScopeKind};
use crate::stack;
use crate::symbol::Symbol;
use crate::value::{Env, Value};

/// Is asked what to do where evaluation stops.
pub trait Debugger {
    /// Evaluation stopped; `evaluator` can be used for anything.
    fn stopped(&mut self, evaluator: &mut Evaluator, stop: &Stop) -> Resume;
}

/// When to stop, other than for errors and `builtins.break`.
#[derive(Clone, Copy, Debug, Default)]
pub struct StopAt {
    /// At `builtins.trace`.
    pub traces: bool,
    /// At `builtins.warn`.
    pub warnings: bool,
    /// Not for errors inside of `builtins.tryEval`.
    pub not_in_try: bool,
}

/// Why and where evaluation stopped.
pub struct Stop {
    /// Why.
    pub reason: Reason,
    /// What is being done, innermost first; the first is that of the error if it is one.
    pub frames: Vec<StackFrame>,
    /// Whether `builtins.tryEval` is around it.
    pub in_try: bool,
}

/// Why evaluation stopped.
pub enum Reason {
    /// An error, to which no outer steps were added yet.
    Error(Box<EvalError>),
    /// `builtins.break`
    Break,
    /// A message was written.
    Message,
    /// One step was to be done.
    Step,
}

/// How to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Until the next reason to stop; an error takes its way.
    Continue,
    /// Until something else is begun.
    Step,
    /// Not at all.
    Quit,
}

/// Something that is being done, and the scope in which.
#[derive(Clone, Copy)]
pub struct StackFrame {
    what: What,
    pos: Pos,
    scope: &'static Scope,
    env: &'static Env,
}

#[derive(Clone, Copy)]
enum What {
    Stop,
    Call,
    Body(Option<Symbol>),
    Let,
    Select(ExprRef),
}

/// The names that one scope adds.
pub struct Level {
    /// What it binds, sorted.
    pub names: Vec<String>,
    /// What kind of scope it is.
    pub kind: LevelKind,
}

/// What kind of scope a level is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelKind {
    /// `let`, `rec`, a function's arguments.
    Bound,
    /// `with`; without names if its set is not evaluated yet.
    With,
    /// The variables of a session.
    Session,
    /// The builtins.
    Builtins,
}

/// Where an expression is written.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    scope: &'static Scope,
    pos: Pos,
}

/// What lowering notes for the debugger, by the addresses of expressions.
#[derive(Default)]
pub(crate) struct Places {
    all: HashMap<usize, Place>,
    bodies: HashMap<usize, (Option<Symbol>, Place)>,
    lets: HashMap<usize, &'static Scope>,
}

impl Places {
    pub(crate) fn add(&mut self, expr: ExprRef, scope: &'static Scope, pos: Pos) {
        self.all.insert(address(expr), Place { scope, pos });
    }

    /// `body` is that of a function at `pos`, whose arguments are in `scope`.
    pub(crate) fn add_body(&mut self, body: ExprRef, name: Option<Symbol>, scope: &'static Scope, pos: Pos) {
        self.bodies.insert(address(body), (name, Place { scope, pos }));
    }

    /// `body` is in the scope of a `let`.
    pub(crate) fn add_let(&mut self, body: ExprRef, scope: &'static Scope) {
        self.lets.insert(address(body), scope);
    }
}

fn address(expr: ExprRef) -> usize {
    expr.address() as usize
}

/// The debugger of an evaluator.
pub(crate) struct Debug {
    /// Absent while it is asked.
    debugger: Option<Box<dyn Debugger>>,
    /// The debugger after it was left.
    left: Option<Box<dyn Debugger>>,
    at: StopAt,
    frames: Vec<StackFrame>,
    pub(crate) places: Places,
    /// The address below which the stack is used up.
    limit: usize,
    step: bool,
    tries: u32,
}

/// Stack that the debugger itself needs, in bytes: where less is left, an error is
/// shown further out.
const ROOM: usize = 4 << 20;

impl Evaluator {
    /// Stops from now on where errors happen. What was read before is without scopes.
    pub fn set_debugger(&mut self, debugger: Box<dyn Debugger>, at: StopAt) {
        self.debug = Some(Box::new(Debug {
            debugger: Some(debugger),
            left: None,
            at,
            frames: Vec::new(),
            places: Places::default(),
            limit: self.stack_limit,
            step: false,
            tries: 0,
        }));
        self.stack_limit = usize::MAX;
        self.unwatched = false;
    }

    /// Lets a debugger that was left be asked again.
    pub fn resume_debugger(&mut self) {
        if let Some(debug) = self.debug.as_mut() {
            debug.debugger = debug.left.take().or(debug.debugger.take());
        }
    }

    /// Does something in which errors don't stop, such as completing a name.
    pub fn without_debugger<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let debugger = self.debug.as_mut().and_then(|debug| debug.debugger.take());
        let result = work(self);
        if let Some(debug) = self.debug.as_mut().filter(|_| debugger.is_some()) {
            debug.debugger = debugger;
        }
        result
    }

    /// Evaluates an expression although the stack's limit is reached, if that is only
    /// since there is a debugger.
    #[cold]
    #[inline(never)]
    pub(crate) fn eval_at_limit(&mut self, expr: ExprRef, env: &'static Env) -> Result<Value> {
        self.at_stack_limit(Pos::NONE)?;
        let Some(debug) = &mut self.debug else { return Ok(Value::NULL) };
        let before = debug.frames.len();
        let key = address(expr);
        if let Some((name, Place { scope, pos })) = debug.places.bodies.get(&key).copied() {
            self.push_frame(What::Body(name), pos, scope, env)?;
        }
        if let Some(scope) = self.debug.as_ref().and_then(|debug| debug.places.lets.get(&key).copied()) {
            self.push_frame(What::Let, Pos::NONE, scope, env)?;
        }
        let place = self.debug.as_ref().and_then(|debug| debug.places.all.get(&key).copied());
        let what = match *expr {
            Expr::Call(_) => Some(What::Call),
            Expr::Select(_) | Expr::SelectPath(_) => Some(What::Select(expr)),
            _ => None,
        };
        if let (Some(what), Some(Place { scope, pos })) = (what, place) {
            self.push_frame(what, pos, scope, env)?;
        }
        let mut result = self.eval_watched(expr, env);
        if let Err(error) = &mut result {
            self.stop_for(error, place.map(|place| (place, env)));
        }
        if let Some(debug) = &mut self.debug {
            debug.frames.truncate(before);
        }
        result
    }

    /// An error if the stack is really used up.
    #[cold]
    #[inline(never)]
    pub(crate) fn at_stack_limit(&self, pos: Pos) -> Result<()> {
        if self.debug.as_ref().is_some_and(|debug| stack::address() >= debug.limit) {
            return Ok(());
        }
        let message = "stack overflow (possible infinite recursion)";
        Err(EvalError::new(ErrorKind::StackOverflow, pos, message))
    }

    fn push_frame(&mut self, what: What, pos: Pos, scope: &'static Scope, env: &'static Env) -> Result<()> {
        let Some(debug) = &mut self.debug else { return Ok(()) };
        debug.frames.push(StackFrame { what, pos, scope, env });
        if debug.step && debug.debugger.is_some() {
            return self.stop(Reason::Step, None);
        }
        Ok(())
    }

    /// Shows an error to the debugger, once.
    fn stop_for(&mut self, error: &mut Box<EvalError>, place: Option<(Place, &'static Env)>) {
        let Some(debug) = &mut self.debug else { return };
        let is_tried = debug.tries > 0 && debug.at.not_in_try;
        let is_reason = !matches!(error.kind, ErrorKind::Interrupted | ErrorKind::Parse);
        let wanted = debug.debugger.is_some()
            && is_reason
            && !is_tried
            && !error.seen
            && stack::address() > debug.limit.saturating_add(ROOM);
        if wanted {
            error.seen = true;
            // To go on after an error is to let it take its way.
            let _ = self.stop(Reason::Error(error.clone()), place);
        }
    }

    /// Asks the debugger, if there is one. An error if evaluation is not to go on.
    pub(crate) fn stop(&mut self, reason: Reason, place: Option<(Place, &'static Env)>) -> Result<()> {
        let Some(debug) = &mut self.debug else { return Ok(()) };
        let Some(mut debugger) = debug.debugger.take() else { return Ok(()) };
        let mut frames: Vec<StackFrame> = debug.frames.iter().rev().copied().collect();
        let (mut pos, is_error) = match &reason {
            Reason::Error(error) => (error.pos, true),
            Reason::Break => (Pos::NONE, true),
            Reason::Message | Reason::Step => (Pos::NONE, false),
        };
        if is_error {
            let here = place.map(|(place, env)| (place.scope, env, place.pos));
            let here = here.or_else(|| frames.first().map(|frame| (frame.scope, frame.env, frame.pos)));
            if let Some((scope, env, place)) = here {
                pos = if pos.is_some() { pos } else { place };
                frames.insert(0, StackFrame { what: What::Stop, pos, scope, env });
            }
        }
        let is_break = matches!(reason, Reason::Break);
        let in_try = debug.tries > 0;
        let (step, depth) = (std::mem::take(&mut debug.step), std::mem::take(&mut self.depth));
        // Values may be kept that belong to calls that are not at their end.
        self.region.keep_all();
        let resume = debugger.stopped(self, &Stop { reason, frames, in_try });
        self.region.keep_all();
        self.depth = depth;
        let Some(debug) = &mut self.debug else { return Ok(()) };
        debug.step = step;
        match resume {
            Resume::Quit => {
                debug.left = Some(debugger);
                let message = if is_break { "breakpoint reached" } else { "ended in the debugger" };
                return Err(EvalError::new(ErrorKind::Abort, Pos::NONE, message));
            }
            Resume::Continue => debug.step = false,
            Resume::Step => debug.step = true,
        }
        debug.debugger = Some(debugger);
        Ok(())
    }

    /// Stops if a message of this kind is a reason to.
    pub(crate) fn stop_at_message(&mut self, is_reason: fn(StopAt) -> bool) -> Result<()> {
        match &self.debug {
            Some(debug) if is_reason(debug.at) => self.stop(Reason::Message, None),
            _ => Ok(()),
        }
    }

    /// Does what `tryEval` does around an evaluation.
    pub(crate) fn in_try<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let count = |this: &mut Self, change: fn(u32) -> u32| {
            this.debug.iter_mut().for_each(|debug| debug.tries = change(debug.tries));
        };
        count(self, |tries| tries + 1);
        let result = work(self);
        count(self, |tries| tries.saturating_sub(1));
        result
    }

    /// The variables of a frame, as texts can use them, and those that are not builtins
    /// by name.
    pub fn frame_variables(&mut self, frame: &StackFrame) -> (Variables, Vec<(Symbol, Value)>) {
        // Lexical variables count more than any `with`, inner ones more than outer ones.
        let (mut sets, mut bound, mut constants) = (Vec::new(), Vec::new(), None);
        for (scope, env) in levels(frame) {
            match &scope.kind {
                ScopeKind::Constants(_) => {
                    constants = constants.or(Some(scope));
                }
                ScopeKind::With(_) => sets.push(with_values(env)),
                _ => bound.push(bound_values(scope, env)),
            }
        }
        let mut variables = constants.map(Variables);
        let mut all: HashMap<Symbol, Value> = HashMap::new();
        for names in sets.into_iter().rev().chain(bound.into_iter().rev()) {
            all.extend(names.iter().copied());
            variables = Some(self.variables(variables, names));
        }
        let variables = variables.unwrap_or(Variables(self.globals));
        (variables, all.into_iter().collect())
    }
}

/// The scopes of a frame with their environments, innermost first.
fn levels(frame: &StackFrame) -> Vec<(&'static Scope, &'static Env)> {
    let (mut next, mut env) = (Some(frame.scope), frame.env);
    let mut all = Vec::new();
    while let Some(scope) = next {
        all.push((scope, env));
        if !matches!(scope.kind, ScopeKind::Constants(_)) {
            env = env.outer(1);
        }
        next = scope.up;
    }
    all
}

fn bound_values(scope: &Scope, env: &'static Env) -> Vec<(Symbol, Value)> {
    let ScopeKind::Names(names) = &scope.kind else { return Vec::new() };
    names.iter().filter_map(|(name, slot)| Some((*name, env.slot(*slot).get_if_set()?))).collect()
}

/// The attributes of a `with` whose set is evaluated.
fn with_values(env: &'static Env) -> Vec<(Symbol, Value)> {
    let attrs = env.slot(0).get_if_set().and_then(|set| set.resolve().as_attrs());
    attrs.map(|attrs| attrs.iter().map(|attr| (attr.name, attr.value)).collect()).unwrap_or_default()
}

impl crate::value::Closure {
    /// What the function is bound to, if it is.
    pub fn name(self) -> Option<Symbol> {
        self.0.code.name
    }

    /// Where the function is written.
    pub fn pos(self) -> Pos {
        self.0.code.pos
    }
}

impl StackFrame {
    /// Where it is written.
    pub fn pos(&self) -> Pos {
        self.pos
    }

    /// What is being done; none where evaluation stopped.
    pub fn title(&self) -> Option<String> {
        Some(match self.what {
            What::Stop => return None,
            What::Call => "while calling a function".to_owned(),
            What::Body(Some(name)) => format!("while calling '{name}'"),
            What::Body(None) => "while calling anonymous lambda".to_owned(),
            What::Let => "while evaluating a 'let' expression".to_owned(),
            What::Select(expr) => format!("while evaluating the attribute '{}'", attribute_path(expr)),
        })
    }

    /// The scopes, innermost first.
    pub fn levels(&self) -> Vec<Level> {
        let level = |(scope, env): (&'static Scope, &'static Env)| {
            let (names, kind) = match &scope.kind {
                ScopeKind::Names(names) => (names.iter().map(|entry| entry.0).collect(), LevelKind::Bound),
                ScopeKind::With(_) => {
                    (with_values(env).iter().map(|entry| entry.0).collect(), LevelKind::With)
                }
                ScopeKind::Constants(names) => {
                    let kind = if scope.up.is_some() { LevelKind::Session } else { LevelKind::Builtins };
                    (names.iter().map(|entry| entry.0).collect::<Vec<_>>(), kind)
                }
                ScopeKind::Hidden => return None,
            };
            let mut names: Vec<String> = names.iter().map(Symbol::to_string).collect();
            names.sort();
            Some(Level { names, kind })
        };
        let mut all: Vec<Level> = Vec::new();
        for level in levels(self).into_iter().filter_map(level) {
            match all.last_mut() {
                // Each line of a session adds one.
                Some(last) if last.kind == LevelKind::Session && level.kind == LevelKind::Session => {
                    last.names.extend(level.names);
                    last.names.sort();
                    last.names.dedup();
                }
                _ => all.push(level),
            }
        }
        all
    }
}

/// `a.b` of a selection `subject.a.b`.
fn attribute_path(expr: ExprRef) -> String {
    match *expr {
        Expr::Select(select) => {
            let mut names = vec![shown_name(select.name)];
            let mut subject = select.subject;
            while let Expr::Select(inner) = *subject {
                names.push(shown_name(inner.name));
                subject = inner.subject;
            }
            names.reverse();
            names.join(".")
        }
        Expr::SelectPath(select) => {
            let name = |key: &crate::ir::Key| match key {
                crate::ir::Key::Static(name, ..) => shown_name(*name),
                crate::ir::Key::Dynamic(..) => "«dynamic»".to_owned(),
            };
            select.path.iter().map(name).collect::<Vec<_>>().join(".")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FsHost, Settings};
    use saltire_diagnostics::Origin;
    use std::fmt::Write as _;
    use std::sync::{Arc, Mutex};

    /// Writes where it is stopped, the scope's own variables, and what an expression is there.
    struct Writer {
        text: Arc<Mutex<String>>,
        expression: &'static str,
        resume: Resume,
    }

    impl Debugger for Writer {
        fn stopped(&mut self, evaluator: &mut Evaluator, stop: &Stop) -> Resume {
            let mut text = match &stop.reason {
                Reason::Error(error) => format!("error {}", error.message),
                Reason::Break => "break".to_owned(),
                Reason::Message => "message".to_owned(),
                Reason::Step => "step".to_owned(),
            };
            if stop.in_try {
                text += " in try";
            }
            for frame in &stop.frames {
                let names: Vec<String> = frame
                    .levels()
                    .iter()
                    .filter(|level| level.kind != LevelKind::Builtins)
                    .flat_map(|l| l.names.clone())
                    .collect();
                let _ = write!(text, "\n  {} [{}]", frame.title().unwrap_or_default(), names.join(" "));
            }
            if let Some(frame) = stop.frames.first().filter(|_| !self.expression.is_empty()) {
                let (variables, _) = evaluator.frame_variables(frame);
                let value = evaluator
                    .delayed_text(Origin::String, self.expression.as_bytes().into(), b"/", Some(variables))
                    .and_then(|value| evaluator.force(value));
                let shown =
                    value.map(|value| evaluator.print(value)).unwrap_or_else(|error| error.message.into());
                let _ = write!(text, "\n  = {}", String::from_utf8_lossy(&shown));
            }
            *self.text.lock().unwrap() += &(text + "\n");
            self.resume
        }
    }

    fn session(source: &str, expression: &'static str, at: StopAt, resume: Resume) -> String {
        crate::with_large_stack(|| {
            let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), Settings::default());
            let text = Arc::new(Mutex::new(String::new()));
            evaluator.set_debugger(Box::new(Writer { text: Arc::clone(&text), expression, resume }), at);
            let result = evaluator.eval_str(source, b"/").and_then(|value| evaluator.force_deep(value));
            let shown = match result {
                Ok(value) => String::from_utf8_lossy(&evaluator.print(value)).into_owned(),
                Err(error) => format!("error: {}", error.message),
            };
            text.lock().unwrap().clone() + &shown
        })
    }

    #[track_caller]
    fn check(source: &str, expression: &'static str, expected: &str) {
        assert_eq!(session(source, expression, StopAt::default(), Resume::Continue), expected, "{source}");
    }

    #[test]
    fn errors_stop_once_in_the_scope_of_their_expression() {
        check(
            "let f = x: let y = x + 1; in throw \"no ${toString y}\"; in { a = f 2; }.a",
            "x + y",
            "error no 3\n   [y x f]\n  while calling a function [y x f]\n  while evaluating a 'let' expression [y x f]\n  \
             while calling 'f' [x f]\n  while calling a function [f]\n  while evaluating the attribute 'a' [f]\n  \
             while evaluating a 'let' expression [f]\n  = 5\nerror: no 3",
        );
        check(
            "1 + \"a\"",
            "",
            "error cannot add a string to an integer\n   []\nerror: cannot add a string to an integer",
        );
        check(
            "let a = 1; in assert a == 2; a",
            "a",
            "error an integer with value '1' is not equal to an integer with value '2'\n   [a]\n  while evaluating a 'let' expression [a]\n  = 1\nerror: an integer with value '1' is not equal to an integer with value '2'",
        );
    }

    #[test]
    fn inner_names_hide_outer_ones_and_any_name_hides_with() {
        check(
            "let a = 1; in with { a = 2; b = 3; }; b + (let c = a; in builtins.break c)",
            "{ inherit a b c; }",
            "break\n   [c a b a]\n  while calling a function [c a b a]\n  while evaluating a 'let' expression [c a b a]\n  while evaluating a 'let' expression [a]\n  = { a = 1; b = 3; c = 1; }\n4",
        );
    }

    #[test]
    fn what_is_tried_can_be_left_out() {
        let source = "(builtins.tryEval (throw \"a\")).success";
        let shown = session(source, "", StopAt::default(), Resume::Continue);
        assert!(shown.starts_with("error a in try\n") && shown.ends_with("\nfalse"), "{shown}");
        let at = StopAt { not_in_try: true, ..StopAt::default() };
        assert_eq!(session(source, "", at, Resume::Continue), "false");
    }

    #[test]
    fn stepping_and_leaving() {
        let shown = session("builtins.break (let a = 1; in a)", "", StopAt::default(), Resume::Step);
        assert!(
            shown.starts_with("break\n") && shown.contains("step\n  while evaluating a 'let' expression [a]"),
            "{shown}"
        );
        assert!(shown.ends_with("\n1"), "{shown}");
        let shown = session("builtins.break 1", "", StopAt::default(), Resume::Quit);
        assert!(shown.ends_with("error: breakpoint reached"), "{shown}");
    }

    #[test]
    fn deep_recursion_stops_where_there_is_room() {
        let shown = session("(x: x x) (x: x x)", "1 + 1", StopAt::default(), Resume::Continue);
        assert!(shown.starts_with("error stack overflow; max-call-depth exceeded\n"), "{}", &shown[..80]);
        assert!(shown.contains("\n  = 2\n"));
    }
}
