//! Calling functions.

use saltire_diagnostics::Pos;
use smallvec::SmallVec;

use crate::attrs::{Attr, Attrs};
use crate::builtins::Builtin;
use crate::error::{ErrorKind, EvalError, Result, did_you_mean};
use crate::evaluator::Evaluator;
use crate::ir::{Expr, Formals, LambdaCode};
use crate::value::{Closure, Env, Kind, Other, Partial, Value};

impl Evaluator {
    /// Calls a function with one argument. The result is forced.
    #[inline]
    pub(crate) fn call1(&mut self, function: Value, argument: Value, pos: Pos) -> Result<Value> {
        let mark = self.region.mark();
        let result = self.apply1(function, argument, pos);
        self.release(mark, result)
    }

    /// Calls a function with arguments one after the other. The result is forced.
    pub fn call(&mut self, function: Value, arguments: &[Value], pos: Pos) -> Result<Value> {
        let mark = self.region.mark();
        let result = self.apply(function, arguments, pos);
        self.release(mark, result)
    }

    /// As [`Evaluator::call1`], but keeps what the call made.
    #[inline]
    pub(crate) fn apply1(&mut self, function: Value, argument: Value, pos: Pos) -> Result<Value> {
        match function.as_closure() {
            Some(closure) => self.call_closure(closure, argument, pos),
            None => self.apply(function, &[argument], pos),
        }
    }

    /// As [`Evaluator::call`], but keeps what the call made.
    pub(crate) fn apply(&mut self, function: Value, arguments: &[Value], pos: Pos) -> Result<Value> {
        let mut function = self.force(function)?;
        let mut rest = arguments;
        while let [argument, others @ ..] = rest {
            match function.kind() {
                Kind::Lambda(closure) => {
                    function = self.call_closures(closure, &mut rest, pos)?;
                    continue;
                }
                Kind::Builtin(builtin) => {
                    let arity = builtin.arguments.len();
                    if rest.len() >= arity {
                        function = self.call_builtin(builtin, &rest[..arity], pos)?;
                        rest = &rest[arity..];
                        continue;
                    }
                    return Ok(self.partial(builtin, &[], rest));
                }
                Kind::Partial(partial) => {
                    let missing = partial.builtin.arguments.len() - partial.arguments.len();
                    if rest.len() < missing {
                        return Ok(self.partial(partial.builtin, partial.arguments, rest));
                    }
                    let mut all: SmallVec<[Value; 4]> = SmallVec::from_slice(partial.arguments);
                    all.extend_from_slice(&rest[..missing]);
                    function = self.call_builtin(partial.builtin, &all, pos)?;
                    rest = &rest[missing..];
                    continue;
                }
                Kind::Attrs(attrs) => match attrs.attr(self.names.functor) {
                    Some(functor) => {
                        self.enter(pos)?;
                        let result = self.call(functor.value, &[function, *argument], functor.pos);
                        self.leave();
                        function = result.map_err(|e| {
                            e.traced(
                                pos,
                                "while calling a functor (an attribute set with a '__functor' attribute)",
                            )
                        })?;
                        rest = others;
                    }
                    None => return Err(self.not_a_function(function, pos)),
                },
                _ => return Err(self.not_a_function(function, pos)),
            }
        }
        Ok(function)
    }

    #[cold]
    fn not_a_function(&self, value: Value, pos: Pos) -> Box<EvalError> {
        let found = self.describe(value);
        let message = format!("attempt to call something which is not a function but {found}");
        EvalError::type_error(pos, message)
    }

    fn partial(&mut self, builtin: &'static Builtin, first: &[Value], more: &[Value]) -> Value {
        let arguments = self.region.alloc_copy(&[first, more]);
        let partial = self.region.alloc(Partial { builtin, arguments });
        Value::from_other(self.region.alloc(Other::Partial(partial)))
    }

    #[inline]
    pub(crate) fn call_builtin(
        &mut self,
        builtin: &'static Builtin,
        arguments: &[Value],
        pos: Pos,
    ) -> Result<Value> {
        self.enter(pos)?;
        self.region.counts.builtin_calls += 1;
        // The step added below has the place; as in the reference, steps inside have none.
        let result = match self.profile {
            None => (builtin.function)(self, arguments, Pos::NONE),
            Some(_) => self.profiled_builtin(builtin, arguments, pos, |this| {
                (builtin.function)(this, arguments, Pos::NONE)
            }),
        };
        self.leave();
        match result {
            Ok(value) => self.force(value),
            // Its own step says more.
            Err(error) if builtin.name == "addErrorContext" => Err(error),
            Err(error) => {
                Err(error.needed_at(pos).traced(pos, format!("while calling the '{}' builtin", builtin.name)))
            }
        }
    }

    /// Calls a closure, and while its body is a function again, that one, without
    /// making closures in between.
    fn call_closures(&mut self, closure: Closure, arguments: &mut &[Value], pos: Pos) -> Result<Value> {
        let (mut code, mut env) = (closure.0.code.get(), closure.env());
        while let [argument, others @ ..] = *arguments {
            *arguments = others;
            env = self.bind_arguments(code, env, *argument, pos)?;
            while let (Some(next), [argument, others @ ..]) = (code.continued(), *arguments) {
                (code, *arguments) = (next, others);
                self.bind_next(code, env, *argument);
            }
            if arguments.is_empty() {
                break;
            }
            match *code.body {
                Expr::Lambda(inner) => code = inner.get(),
                _ => break,
            }
        }
        self.run_body(code, env, pos)
    }

    #[inline]
    fn call_closure(&mut self, closure: Closure, argument: Value, pos: Pos) -> Result<Value> {
        let (code, env) = (closure.0.code.get(), closure.env());
        let env = self.bind_arguments(code, env, argument, pos)?;
        self.run_body(code, env, pos)
    }

    #[inline]
    pub(crate) fn run_body(
        &mut self,
        code: &'static LambdaCode,
        env: &'static Env,
        pos: Pos,
    ) -> Result<Value> {
        self.enter(pos)?;
        let result = match self.profile {
            None => self.eval(code.body, env),
            Some(_) => self.profiled_function(code, pos, |this| this.eval(code.body, env)),
        };
        self.leave();
        match result {
            Ok(value) => Ok(value),
            Err(error) if self.shared.settings.show_trace => Err(calling(error, code, pos)),
            Err(error) => Err(error),
        }
    }

    #[inline(always)]
    pub(crate) fn bind_arguments(
        &mut self,
        code: &'static LambdaCode,
        env: &'static Env,
        argument: Value,
        pos: Pos,
    ) -> Result<&'static Env> {
        self.region.counts.calls += 1;
        match code.formals {
            None => Ok(self.bind_argument(code, env, argument)),
            Some(formals) => {
                let env = Env::new(&mut self.region, env, code.slots as usize);
                self.bind_formals(code, formals.get(), env, argument, pos)?;
                Ok(env)
            }
        }
    }

    /// The environment of a function that takes any argument.
    #[inline(always)]
    fn bind_argument(
        &mut self,
        code: &'static LambdaCode,
        env: &'static Env,
        argument: Value,
    ) -> &'static Env {
        if code.slots == 1 {
            return Env::with_value(&mut self.region, env, argument);
        }
        let slots = code.slots as usize;
        let env = match code.filled {
            0 => Env::new(&mut self.region, env, slots),
            // Other calls may go on from the same.
            filled => env.copy(&mut self.region, filled as usize, slots),
        };
        env.slot(code.filled).set(argument);
        env
    }

    /// As [`Evaluator::bind_arguments`], of a function that goes on in an environment that
    /// was made for the same call.
    #[inline(always)]
    pub(crate) fn bind_next(&mut self, code: &'static LambdaCode, env: &'static Env, argument: Value) {
        self.region.counts.calls += 1;
        env.slot(code.filled).set(argument);
    }

    #[inline(never)]
    fn bind_formals(
        &mut self,
        code: &'static LambdaCode,
        formals: &'static Formals,
        env: &'static Env,
        argument: Value,
        pos: Pos,
    ) -> Result<()> {
        let from_call_site = |error: Box<EvalError>| match pos.is_some() {
            true => error.traced(pos, "from call site"),
            false => error,
        };
        let value = self.force(argument).map_err(from_call_site)?;
        let Some(attrs) = value.as_attrs() else {
            let message = format!("expected a set but found {}", self.describe(value));
            let what = "while evaluating the value passed for the lambda argument";
            let error = EvalError::type_error(Pos::NONE, message).traced(code.pos, what);
            return Err(from_call_site(error));
        };
        let count = formals.names.len();
        if code.slots as usize > count {
            env.slot(count as u32).set(value);
        }
        let mut matched = 0;
        if attrs.is_flat() && attrs.len() <= 2 * count + 8 {
            // Both are sorted: one pass.
            let names = attrs.shape().symbols;
            let slots = attrs.slots();
            let mut at = 0;
            for (index, name) in formals.names.iter().enumerate() {
                while at < names.len() && names[at] < *name {
                    at += 1;
                }
                if at < names.len() && names[at] == *name {
                    env.slot(index as u32).set(slots[at].get().shorten());
                    matched += 1;
                    at += 1;
                }
            }
        } else {
            for (index, name) in formals.names.iter().enumerate() {
                if let Some(slot) = attrs.find(*name) {
                    env.slot(index as u32).set(slot.get().shorten());
                    matched += 1;
                }
            }
        }
        if matched < count {
            self.bind_defaults(code, formals, env, pos)?;
        }
        if !formals.ellipsis && matched != attrs.len() {
            return Err(unexpected_argument(code, formals, attrs, pos));
        }
        Ok(())
    }

    fn bind_defaults(
        &mut self,
        code: &'static LambdaCode,
        formals: &'static Formals,
        env: &'static Env,
        pos: Pos,
    ) -> Result<()> {
        for (index, default) in formals.defaults.iter().enumerate() {
            let slot = env.slot(index as u32);
            if slot.get_if_set().is_some() {
                continue;
            }
            let Some(default) = default else {
                let name = formals.names[index];
                let message = format!("function '{}' called without required argument '{name}'", title(code));
                let error = EvalError::type_error(code.pos, message);
                return Err(error.traced(pos, "from call site"));
            };
            slot.set(self.delay(*default, env));
        }
        Ok(())
    }

    /// Calls a function with those attributes that its formals name (and all, if
    /// it has `...`); anything else is given back as it is.
    pub fn auto_call(&mut self, function: Value, arguments: Attrs) -> Result<Value> {
        let mut function = self.force(function)?;
        if let Some(attrs) = function.as_attrs() {
            let Some(functor) = attrs.get(self.names.functor) else { return Ok(function) };
            function = self.call(functor, &[function], Pos::NONE)?;
            return self.auto_call(function, arguments);
        }
        let Some(closure) = function.as_closure() else { return Ok(function) };
        let code = closure.0.code.get();
        let Some(formals) = code.formals else { return Ok(function) };
        let mut given: Vec<Attr> = Vec::new();
        if formals.ellipsis {
            given.extend(arguments.iter());
        } else {
            given.extend(formals.names.iter().filter_map(|name| arguments.attr(*name)));
        }
        for (index, name) in formals.names.iter().enumerate() {
            if !formals.ellipsis && formals.defaults[index].is_none() && arguments.get(*name).is_none() {
                let message = format!(
                    "cannot evaluate a function that has an argument without a value ('{name}')\nNix attempted to evaluate a function as a top level expression; in\nthis case it must have its arguments supplied either by default\nvalues, or passed explicitly with '--arg' or '--argstr'. See\nhttps://nix.dev/manual/nix/stable/language/syntax.html#functions."
                );
                return Err(EvalError::new(ErrorKind::MissingAttribute, formals.positions[index], message));
            }
        }
        let argument = self.new_attrs_at(given);
        self.call(function, &[argument], Pos::NONE)
    }
}

/// A function's name for messages.
fn title(code: &LambdaCode) -> String {
    code.name.map_or_else(|| "anonymous lambda".to_owned(), |name| name.to_string())
}

#[cold]
fn calling(error: Box<EvalError>, code: &LambdaCode, pos: Pos) -> Box<EvalError> {
    let what = match code.name {
        Some(name) => format!("while calling '{name}'"),
        None => "while calling anonymous lambda".to_owned(),
    };
    let error = error.traced(code.pos, what);
    if pos.is_some() { error.traced(pos, "from call site") } else { error }
}

#[cold]
fn unexpected_argument(code: &LambdaCode, formals: &Formals, attrs: Attrs, pos: Pos) -> Box<EvalError> {
    let unexpected = attrs.sorted().into_iter().find(|attr| !formals.names.contains(&attr.name));
    let name = unexpected.map_or(b"".as_slice(), |attr| attr.name.as_bytes());
    let hint = did_you_mean(name, formals.names.iter().map(|name| name.as_bytes()));
    let text = String::from_utf8_lossy(name);
    let message = format!("function '{}' called with unexpected argument '{text}'", title(code));
    let error = EvalError::type_error(code.pos, message).with_hint(hint);
    error.traced(pos, "from call site")
}
