//! Variables of `with`, and attributes.

use saltire_diagnostics::Pos;

use crate::attrs::Attrs;
use crate::error::{ErrorKind, EvalError, Result, did_you_mean};
use crate::evaluator::Evaluator;
use crate::ir::{Expr, ExprRef, Key, Select, SelectPath, WithVariable};
use crate::print::shown_name;
use crate::symbol::Symbol;
use crate::value::{Env, Slot, Value};

type EnvRef = &'static Env;

impl Evaluator {
    #[inline(never)]
    pub(crate) fn with_variable(&mut self, variable: &'static WithVariable, env: EnvRef) -> Result<Value> {
        for (depth, cache) in variable.withs {
            let slot = env.outer(*depth).slot(0);
            let value = slot.get();
            let value = match self.force(value) {
                Ok(value) => value,
                Err(error) => {
                    let what = "while evaluating the first subexpression of a with expression";
                    return Err(error.at(variable.pos).traced(variable.pos, what));
                }
            };
            slot.replace_thunk(&mut self.region, value);
            let Some(attrs) = value.as_attrs() else {
                let message = format!("expected a set but found {}", self.describe(value));
                let what = "while evaluating the first subexpression of a with expression";
                return Err(EvalError::type_error(variable.pos, message).traced(variable.pos, what));
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
        let subject = match select.subject {
            Expr::Local { slot, pos } => self.variable(env.slot(*slot), *pos)?,
            Expr::Variable { depth, slot, pos } => self.variable(env.outer(*depth).slot(*slot), *pos)?,
            subject => self.eval_operand(subject, env)?,
        };
        if let Some(attrs) = subject.as_attrs()
            && let Some(slot) = select.find(attrs)
        {
            let found = (select.name, select.pos);
            return self.attribute(slot, attrs, found, || path_text(select));
        }
        self.select(subject, select.name, select.pos)
    }

    /// Forces an attribute that was found; an error says which it was.
    #[inline(always)]
    fn attribute(
        &mut self,
        slot: &Slot,
        attrs: Attrs,
        (name, pos): (Symbol, Pos),
        label: impl FnOnce() -> String,
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
                let error = if error.kind == ErrorKind::InfiniteRecursion { error.at(pos) } else { error };
                Err(error.traced(at, format!("while evaluating the attribute '{}'", label())))
            }
        }
    }

    /// `subject.name`, forced.
    pub(crate) fn select(&mut self, subject: Value, name: Symbol, pos: Pos) -> Result<Value> {
        let subject = self.force(subject)?;
        let Some(attrs) = subject.as_attrs() else {
            let message = format!("expected a set but found {}", self.describe(subject));
            return Err(EvalError::type_error(pos, message).traced(pos, "while selecting an attribute"));
        };
        match attrs.find(name) {
            Some(slot) => self.attribute(slot, attrs, (name, pos), || shown_name(name)),
            None => Err(missing_attribute(attrs, name, pos)),
        }
    }

    fn key(&mut self, key: &'static Key, env: EnvRef) -> Result<(Symbol, Pos)> {
        match key {
            Key::Static(name, pos, _) => Ok((*name, *pos)),
            Key::Dynamic(expr, pos) => {
                let value = self.eval(expr, env)?;
                let what = "while evaluating an attribute name";
                Ok((self.plain_string(value, Pos::NONE, what)?.symbol(), *pos))
            }
        }
    }

    pub(crate) fn select_path(&mut self, select: &'static SelectPath, env: EnvRef) -> Result<Value> {
        let mut value = self.eval_operand(select.subject, env)?;
        for key in select.path {
            let (name, pos) = self.key(key, env)?;
            if let Some(default) = select.default {
                let found = value.as_attrs().and_then(|attrs| Some((attrs, find(attrs, key, name)?)));
                match found {
                    Some((attrs, slot)) => {
                        value = self.attribute(slot, attrs, (name, pos), || shown_name(name))?;
                    }
                    None => return self.eval(default, env),
                }
            } else {
                value = self.select(value, name, pos)?;
            }
        }
        Ok(value)
    }

    pub(crate) fn has_attr(&mut self, subject: ExprRef, path: &'static [Key], env: EnvRef) -> Result<Value> {
        let mut value = self.eval_operand(subject, env)?;
        for (index, key) in path.iter().enumerate() {
            let (name, _) = self.key(key, env)?;
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
        Key::Static(_, _, cache) => cache.find(attrs, name),
        Key::Dynamic(..) => attrs.find(name),
    }
}

/// The names of a selection up to this one, as they are written.
#[cold]
fn path_text(select: &'static Select) -> String {
    let mut names = vec![shown_name(select.name)];
    let mut subject = select.subject;
    while let Expr::Select(inner) = subject {
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
    let subject = match select.subject {
        Expr::Local { slot, .. } => env.slot(*slot).get_if_set(),
        Expr::Variable { depth, slot, .. } => env.outer(*depth).slot(*slot).get_if_set(),
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
