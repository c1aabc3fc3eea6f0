//! Variables of `with`, and attributes.

use saltire_diagnostics::Pos;

use crate::attrs::Attrs;
use crate::error::{ErrorKind, EvalError, Result, did_you_mean};
use crate::evaluator::Evaluator;
use crate::ir::{Expr, ExprRef, Key, Select, SelectPath, WithPlace, WithVariable};
use crate::print::shown_name;
use crate::symbol::Symbol;
use crate::value::{Env, Slot, Value};

type EnvRef = &'static Env;

impl Evaluator {
    #[inline(never)]
    pub(crate) fn with_variable(&mut self, variable: &'static WithVariable, env: EnvRef) -> Result<Value> {
        for WithPlace { depth, cache, pos } in variable.withs.get() {
            let slot = env.outer(*depth).slot(0);
            let value = slot.get();
            let value = self.force(value).map_err(|error| error.needed_at(*pos))?;
            slot.replace_thunk(&mut self.region, value);
            let Some(attrs) = value.as_attrs() else {
                let message = format!("expected a set but found {}", self.describe(value));
                let what = "while evaluating the first subexpression of a with expression";
                return Err(EvalError::type_error(Pos::NONE, message).traced(*pos, what));
            };
            if let Some(slot) = cache.find(attrs, variable.name) {
                return self.variable(slot, variable.pos);
            }
        }
        let message = format!("undefined variable '{}'", variable.name);
        Err(EvalError::new(ErrorKind::UndefinedVariable, variable.pos, message))
    }

    #[inline]
    pub(crate) fn eval_select(&mut self, select: &'static Select, env: EnvRef) -> Result<Value> {
        self.region.counts.lookups += 1;
        let subject = match *select.subject {
            Expr::Local { slot, pos } => self.variable(env.slot(slot.into()), pos)?,
            Expr::Variable { depth, slot, pos } => {
                self.variable(env.outer(depth.into()).slot(slot.into()), pos)?
            }
            _ => match self.eval_operand(select.subject, env) {
                Ok(value) => value,
                Err(error) => return Err(selection_goes_on(error, select)),
            },
        };
        if let Some(attrs) = subject.as_attrs()
            && let Some(slot) = select.find(attrs)
        {
            let found = (select.name, select.pos);
            return self.attribute(slot, attrs, found, Some(select));
        }
        Err(self.cannot_select(subject, select, env))
    }

    /// Why there is no such attribute; names what was selected before it.
    #[cold]
    fn cannot_select(&mut self, subject: Value, select: &'static Select, env: EnvRef) -> Box<EvalError> {
        let error = match subject.as_attrs() {
            Some(attrs) => missing_attribute(attrs, select.name, select.pos),
            None => self.not_a_set(subject, select.pos),
        };
        let before = match *select.subject {
            Expr::Select(inner) => {
                let subject = match *inner.subject {
                    // A set that is written there is made again.
                    Expr::Attrs(_) => self.eval_operand(inner.subject, env).ok(),
                    _ => ready(inner.subject, env),
                };
                subject.and_then(|value| value.as_attrs()?.attr(inner.name))
            }
            _ => None,
        };
        match before {
            Some(attr) => while_evaluating(error, attr.pos, &path_text(select), address(select)),
            None => error,
        }
    }

    #[cold]
    fn not_a_set(&mut self, value: Value, pos: Pos) -> Box<EvalError> {
        let message = format!("expected a set but found {}", self.describe(value));
        EvalError::type_error(Pos::NONE, message).traced(pos, "while selecting an attribute")
    }

    /// Forces an attribute that was found; an error says which it was.
    #[inline(always)]
    fn attribute(
        &mut self,
        slot: &Slot,
        attrs: Attrs,
        (name, pos): (Symbol, Pos),
        select: Option<&'static Select>,
    ) -> Result<Value> {
        let value = slot.get();
        if !value.is_thunk() {
            return Ok(value);
        }
        match self.force(value) {
            Ok(result) => {
                slot.replace_thunk(&mut self.region, result);
                Ok(result)
            }
            Err(error) => {
                let at = attrs.attr(name).map_or(Pos::NONE, |attr| attr.pos);
                let error = error.needed_at(if at.is_some() { at } else { pos });
                let path = select.map_or_else(|| shown_name(name), path_text);
                Err(while_evaluating(error, at, &path, select.map_or(0, address)))
            }
        }
    }

    /// `subject.name`, forced.
    pub(crate) fn select(&mut self, subject: Value, name: Symbol, pos: Pos) -> Result<Value> {
        let subject = self.force(subject)?;
        let Some(attrs) = subject.as_attrs() else {
            return Err(self.not_a_set(subject, pos));
        };
        match attrs.find(name) {
            Some(slot) => self.attribute(slot, attrs, (name, pos), None),
            None => Err(missing_attribute(attrs, name, pos)),
        }
    }

    fn key(&mut self, key: &'static Key, env: EnvRef) -> Result<Symbol> {
        match key {
            Key::Static(name, _) => Ok(*name),
            Key::Dynamic(expr, pos) => {
                let value = self.eval(*expr, env)?;
                Ok(self.plain_string(value, *pos, "while evaluating an attribute name")?.symbol())
            }
        }
    }

    pub(crate) fn select_path(&mut self, select: &'static SelectPath, env: EnvRef) -> Result<Value> {
        let mut value = self.eval_operand(select.subject, env)?;
        let mut last = None;
        let mut keys = select.path.get().iter();
        while let Some(key) = keys.next() {
            match self.select_key(value, key, select, &mut last, env) {
                Ok(Some(found)) => value = found,
                Ok(None) => return select.default.map_or(Ok(value), |default| self.eval(default, env)),
                Err(error) => {
                    let attr = last.and_then(|(attrs, name)| attrs.attr(name));
                    let place = attr.map(|attr| attr.pos).filter(|pos| keys.len() == 0 && pos.is_some());
                    let error = error.needed_at(place.unwrap_or(select.pos));
                    return Err(self.failed_path(error, last, select, env));
                }
            }
        }
        Ok(value)
    }

    /// The next value on a path; `None` if there is none and a default is to be used.
    /// `last` becomes the attribute that was found.
    fn select_key(
        &mut self,
        value: Value,
        key: &'static Key,
        select: &'static SelectPath,
        last: &mut Option<(Attrs, Symbol)>,
        env: EnvRef,
    ) -> Result<Option<Value>> {
        let name = self.key(key, env)?;
        let Some(attrs) = value.as_attrs() else {
            return if select.default.is_some() { Ok(None) } else { Err(self.not_a_set(value, select.pos)) };
        };
        let Some(slot) = find(attrs, key, name) else {
            let missing = || missing_attribute(attrs, name, select.pos);
            return if select.default.is_some() { Ok(None) } else { Err(missing()) };
        };
        *last = Some((attrs, name));
        let value = slot.get();
        if !value.is_thunk() {
            return Ok(Some(value));
        }
        match self.force(value) {
            Ok(result) => {
                slot.replace_thunk(&mut self.region, result);
                Ok(Some(result))
            }
            Err(error) => Err(error),
        }
    }

    /// An error after `last` was found on a path.
    #[cold]
    fn failed_path(
        &mut self,
        error: Box<EvalError>,
        last: Option<(Attrs, Symbol)>,
        select: &'static SelectPath,
        env: EnvRef,
    ) -> Box<EvalError> {
        let Some(attr) = last.and_then(|(attrs, name)| attrs.attr(name)) else { return error };
        let mut path = String::new();
        for key in select.path.get() {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(&self.key(key, env).map_or_else(|_| "\"${…}\"".to_owned(), shown_name));
        }
        while_evaluating(error, attr.pos, &path, 0)
    }

    pub(crate) fn has_attr(&mut self, subject: ExprRef, path: &'static [Key], env: EnvRef) -> Result<Value> {
        let mut value = self.eval_operand(subject, env)?;
        for (index, key) in path.iter().enumerate() {
            let name = self.key(key, env)?;
            let Some(slot) = value.as_attrs().and_then(|attrs| find(attrs, key, name)) else {
                return Ok(Value::FALSE);
            };
            if index + 1 < path.len() {
                value = self.force_slot(slot)?;
            }
        }
        Ok(Value::TRUE)
    }
}

#[inline]
fn find(attrs: Attrs, key: &'static Key, name: Symbol) -> Option<&'static Slot> {
    match key {
        Key::Static(_, cache) => cache.find(attrs, name),
        Key::Dynamic(..) => attrs.find(name),
    }
}

/// Tells `Select` nodes apart.
fn address(select: &'static Select) -> usize {
    std::ptr::from_ref(select) as usize
}

/// A step for an attribute that was made at a known place, marked with who selects.
#[cold]
fn while_evaluating(error: Box<EvalError>, place: Pos, path: &str, mark: usize) -> Box<EvalError> {
    match place.is_some() {
        true => error.traced(place, format!("while evaluating the attribute '{path}'")).marked(mark),
        false => error,
    }
}

/// An error in what is selected from. If that is a selection, too, its step gets the
/// whole path.
#[cold]
fn selection_goes_on(error: Box<EvalError>, select: &'static Select) -> Box<EvalError> {
    let Expr::Select(inner) = *select.subject else { return error };
    if !error.is_marked(address(inner.get())) {
        return error;
    }
    let message = format!("while evaluating the attribute '{}'", path_text(select));
    error.selected_from(select.pos).renamed(message).marked(address(select))
}

/// The value of a variable, or of an attribute of one, if it is evaluated.
fn ready(expr: ExprRef, env: EnvRef) -> Option<Value> {
    let value = match *expr {
        Expr::Constant(value) => value,
        Expr::Local { slot, .. } => env.slot(slot.into()).get_if_set()?,
        Expr::Variable { depth, slot, .. } => env.outer(depth.into()).slot(slot.into()).get_if_set()?,
        Expr::With(variable) => {
            let found = |place: &WithPlace| {
                let attrs = env.outer(place.depth).slot(0).get_if_set()?.resolve_untracked().as_attrs()?;
                attrs.get(variable.name)
            };
            variable.withs.iter().find_map(found)?
        }
        Expr::Select(select) => ready(select.subject, env)?.as_attrs()?.get(select.name)?,
        _ => return None,
    };
    Some(value.resolve_untracked()).filter(|value| !value.is_thunk())
}

/// The names of a selection up to this one, as they are written.
#[cold]
fn path_text(select: &'static Select) -> String {
    let mut names = vec![shown_name(select.name)];
    let mut subject = select.subject;
    while let Expr::Select(inner) = *subject {
        names.push(shown_name(inner.name));
        subject = inner.subject;
    }
    names.reverse();
    names.join(".")
}

/// An attribute of a variable if both are evaluated. Functions are not taken: they
/// are equal only if they are in the same thunk.
#[inline]
pub(crate) fn ready_attribute(select: &'static Select, env: EnvRef) -> Option<Value> {
    let subject = match *select.subject {
        Expr::Local { slot, .. } => env.slot(slot.into()).get_if_set(),
        Expr::Variable { depth, slot, .. } => env.outer(depth.into()).slot(slot.into()).get_if_set(),
        _ => None,
    };
    let slot = select.find(subject?.resolve_untracked().as_attrs()?)?;
    let value = slot.get().shorten();
    (!value.is_thunk() && value.replaces_thunk()).then_some(value)
}

/// The error for an attribute that isn't there.
#[cold]
pub(crate) fn missing_attribute(attrs: Attrs, name: Symbol, pos: Pos) -> Box<EvalError> {
    let hint = did_you_mean(name.as_bytes(), attrs.iter().map(|attr| attr.name.as_bytes()));
    let message = format!("attribute '{}' missing", shown_name(name));
    EvalError::new(ErrorKind::MissingAttribute, pos, message).with_hint(hint)
}
