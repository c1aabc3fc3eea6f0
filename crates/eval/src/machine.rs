//! Evaluation of expressions.

use saltire_diagnostics::Pos;
use smallvec::SmallVec;

use crate::access::ready_attribute;
use crate::arithmetic::in_operator;
use crate::attrs::{Attr, Attrs};
use crate::builtins::Builtin;
use crate::dependencies::Dependency;
use crate::error::{ErrorKind, EvalError, Result, Traced};
use crate::evaluator::Evaluator;
use crate::ir::{Binding, ComplexAttrs, Delayed, Expr, ExprRef, Operator, ScopeCode};
use crate::list::List;
use crate::near::Near;
use crate::print::shown_name;
use crate::region::Mark;
use crate::stack;
use crate::value::{Closure, Env, Pending, Slot, Thunk, Value};

type EnvRef = &'static Env;

/// What a call leads to.
enum Step {
    /// Its result, evaluated.
    Done(Value),
    /// A function's body, to be evaluated with its variables.
    Body(ExprRef, EnvRef),
}

impl Evaluator {
    /// The value itself, evaluated to its outermost constructor.
    #[inline(always)]
    pub fn force(&mut self, value: Value) -> Result<Value> {
        match value.as_thunk() {
            None => Ok(value),
            Some(thunk) => match thunk.result() {
                Some(result) => Ok(result),
                None => self.force_thunk(thunk),
            },
        }
    }

    /// Forces what a slot holds and leaves the result there.
    #[inline(always)]
    pub(crate) fn force_slot(&mut self, slot: &Slot) -> Result<Value> {
        let value = slot.get();
        if !value.is_thunk() {
            return Ok(value);
        }
        let result = self.force(value)?;
        slot.replace_thunk(&mut self.region, result);
        Ok(result)
    }

    #[inline(never)]
    fn force_thunk(&mut self, thunk: Thunk) -> Result<Value> {
        let code = loop {
            match thunk.pending() {
                Pending::Value(value) => return Ok(value),
                Pending::Blackhole => self.wait_for(thunk)?,
                Pending::Failed(error) => return Err(Box::new(error.clone())),
                Pending::Tracked(value, dependency) => {
                    if !self.dependencies.reuse(dependency) {
                        thunk.finish(&mut self.region, value);
                    }
                    return Ok(value);
                }
                Pending::Code(code) => match self.owner {
                    None => {
                        thunk.start();
                        break code;
                    }
                    Some(owner) if thunk.start_as(owner, code) => break code,
                    Some(_) => {}
                },
            }
        };
        let before = self.dependencies.len();
        let result = match *code {
            Expr::Apply1 => {
                let function = thunk.value(0);
                let pos = function.as_closure().map_or(Pos::NONE, |closure| closure.0.code.pos);
                self.call1(function, thunk.value(1), pos)
            }
            Expr::Apply2 => self.call(thunk.value(0), &[thunk.value(1), thunk.value(2)], Pos::NONE),
            Expr::ThunkSelect => match thunk.value(1).as_str() {
                Some(name) => self.select(thunk.value(0), name.symbol(), Pos::NONE),
                None => Ok(Value::NULL),
            },
            _ => {
                let mark = self.region.mark();
                self.eval_from(code, thunk.env(), mark)
            }
        };
        match result {
            Ok(value) => {
                if self.dependencies.len() == before {
                    thunk.finish(&mut self.region, value);
                } else if let Some(dependency) = self.dependencies.join(before) {
                    let mark = self.tracked_by(dependency);
                    thunk.finish_tracked(&mut self.region, value, mark);
                }
                Ok(value)
            }
            Err(error) => {
                // There is no room to say what a kept error depends on.
                if error.is_transient() || self.dependencies.len() != before {
                    thunk.restore(code);
                } else {
                    let kept: &'static EvalError = Box::leak(error.clone());
                    let kept = Near::new(self.code.alloc(kept));
                    thunk.restore(Near::new(self.code.alloc(Expr::Failed(kept))));
                }
                Err(error)
            }
        }
    }

    /// Code that says what the result of a thunk depends on.
    #[cold]
    fn tracked_by(&mut self, dependency: Dependency) -> ExprRef {
        match self.tracked {
            // Mostly the same as that of the thunk evaluated before.
            Some(last) if matches!(*last, Expr::Tracked(known) if known == dependency) => last,
            _ => *self.tracked.insert(Near::new(self.code.alloc(Expr::Tracked(dependency)))),
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse_call(&self, pos: Pos) -> Box<EvalError> {
        if crate::interactive::is_interrupted() {
            return EvalError::new(ErrorKind::Interrupted, pos, "interrupted by the user");
        }
        if crate::interactive::must_stop() {
            let message = "out of memory: the values of one process can take 4 GiB";
            return EvalError::new(ErrorKind::StackOverflow, pos, message);
        }
        let message = "stack overflow; max-call-depth exceeded";
        EvalError::new(ErrorKind::StackOverflow, pos, message)
    }

    /// Errors if the native stack is nearly used up.
    #[inline(always)]
    pub(crate) fn check_stack(&self, pos: Pos) -> Result<()> {
        if stack::address() < self.stack_limit {
            return self.at_stack_limit(pos);
        }
        Ok(())
    }

    /// Counts a call; [`Evaluator::leave`] takes it back. Errors if calls are nested
    /// too deeply, or if evaluation is to stop: nothing runs for long without calls.
    #[inline(always)]
    pub(crate) fn enter(&mut self, pos: Pos) -> Result<()> {
        if self.depth >= self.max_depth || crate::interactive::must_stop() {
            return Err(self.refuse_call(pos));
        }
        self.depth += 1;
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Evaluates to the outermost constructor.
    #[inline(always)]
    pub(crate) fn eval(&mut self, expr: ExprRef, env: EnvRef) -> Result<Value> {
        self.eval_from(expr, env, Mark::NONE)
    }

    /// As [`Evaluator::eval`]; the simplest expressions cost no call.
    #[inline(always)]
    pub(crate) fn eval_operand(&mut self, expr: ExprRef, env: EnvRef) -> Result<Value> {
        if stack::address() < self.stack_limit {
            return self.eval(expr, env);
        }
        match *expr.get() {
            Expr::Constant(value) if !value.is_thunk() => Ok(value),
            Expr::Local { slot, pos } => self.variable(env.slot(slot.into()), pos),
            Expr::Variable { depth, slot, pos } => {
                self.variable(env.outer(depth.into()).slot(slot.into()), pos)
            }
            Expr::Select(select) => self.eval_select(select.get(), env),
            Expr::Binary(operator, operands) => self.binary(operator, operands.get(), env),
            Expr::With(variable) => self.with_variable(variable.get(), env),
            Expr::SelectPath(select) => self.select_path(select.get(), env),
            Expr::HasAttr(code) => self.has_attr(code.subject, code.path.get(), env),
            _ => self.eval(expr, env),
        }
    }

    /// Evaluates to the outermost constructor. What was made since the mark, if there
    /// is one, is taken back if nothing refers to it.
    fn eval_from(&mut self, expr: ExprRef, env: EnvRef, mut mark: Mark) -> Result<Value> {
        let depth = self.depth;
        let result = if stack::address() < self.stack_limit {
            self.eval_at_limit(expr, env)
        } else {
            self.run::<false>(expr, env, &mut mark)
        };
        self.depth = depth;
        if mark.is_none() { result } else { self.release(mark, result) }
    }

    /// As [`Evaluator::eval`] with a debugger, which is told of each change of the
    /// environment.
    pub(crate) fn eval_watched(&mut self, expr: ExprRef, env: EnvRef) -> Result<Value> {
        let mut mark = self.region.mark();
        let result = self.run::<true>(expr, env, &mut mark);
        self.release(mark, result)
    }

    /// The loop of evaluation. A call at the end of a function takes the place of the
    /// function that it is in, on the native stack that is: it counts as nested.
    #[inline(always)]
    fn run<const WATCHED: bool>(
        &mut self,
        mut expr: ExprRef,
        mut env: EnvRef,
        mark: &mut Mark,
    ) -> Result<Value> {
        loop {
            match *expr.get() {
                Expr::Constant(value) => return self.force(value),
                Expr::Local { slot, pos } => return self.variable(env.slot(slot.into()), pos),
                Expr::Variable { depth, slot, pos } => {
                    return self.variable(env.outer(depth.into()).slot(slot.into()), pos);
                }
                Expr::Far(far) => return self.variable(env.outer(far.depth).slot(far.slot), far.pos),
                Expr::With(variable) => return self.with_variable(variable.get(), env),
                Expr::Select(select) => return self.eval_select(select.get(), env),
                Expr::SelectPath(select) => return self.select_path(select.get(), env),
                Expr::HasAttr(code) => return self.has_attr(code.subject, code.path.get(), env),
                Expr::Call(code) => {
                    if mark.is_none() {
                        *mark = self.region.mark();
                    }
                    match self.start_call(code.function, code.arguments.get(), code.pos, env)? {
                        Step::Done(value) => return Ok(value),
                        Step::Body(body, inner) => (expr, env) = (body, inner),
                    }
                }
                Expr::Lambda(code) => {
                    return Ok(Value::new_closure(&mut self.region, code.get(), env));
                }
                Expr::Let(code) => {
                    let (scope, body) = code.get();
                    env = self.enter_scope(scope, env);
                    expr = *body;
                    if WATCHED {
                        return self.eval(expr, env);
                    }
                }
                Expr::Attrs(code) => {
                    let values = code.values.get();
                    let attrs =
                        self.fill_attrs(code.shape.get(), |this, index| this.delay(values[index], env));
                    return Ok(Value::from_attrs(attrs));
                }
                Expr::ComplexAttrs(code) => return self.complex_attrs(code.get(), env),
                Expr::List(items) => {
                    let items = items.get().get();
                    let list = self.build_list(items.len(), |this, index| this.delay(items[index], env));
                    return Ok(Value::from_list(list));
                }
                Expr::WithScope(code) => {
                    let (scope, body) = *code.get();
                    let set = self.delay(scope, env);
                    env = Env::new(&mut self.region, env, 1);
                    env.slot(0).set(set);
                    expr = body;
                    if WATCHED {
                        return self.eval(expr, env);
                    }
                }
                Expr::If(code) => {
                    let condition = self.eval_operand(code.condition, env);
                    let what = || "while evaluating a branch condition".to_owned();
                    let holds = self.condition(condition, code.pos).traced(code.pos, what)?;
                    expr = if holds { code.yes } else { code.no };
                    if WATCHED {
                        return self.eval(expr, env);
                    }
                }
                Expr::Assert(code) => {
                    let pos = code.pos;
                    let holds = self.eval_operand(code.condition, env);
                    let what = || "in the condition of the assert statement".to_owned();
                    if !self.condition(holds, pos).traced(pos, what)? {
                        return Err(self.assertion_failed(code.condition, pos, env));
                    }
                    expr = code.body;
                    if WATCHED {
                        return self.eval(expr, env);
                    }
                }
                Expr::Not(code) => {
                    let pos = code.pos;
                    let value = self.eval_operand(code.operand, env);
                    let what = || "in the argument of the not operator".to_owned();
                    let value = self.condition(value, pos).traced(pos, what);
                    let value = value.map_err(|error| self.in_operand(error, pos, 0))?;
                    return Ok(Value::from_bool(!value));
                }
                Expr::Negate(code) => {
                    let value = self.eval(code.operand, env);
                    let zero = self.new_int(0);
                    let result =
                        value.and_then(|value| self.arithmetic(Operator::Subtract, zero, value, Pos::NONE));
                    return result.map_err(|error| in_operator(error, Operator::Subtract, code.pos));
                }
                Expr::Binary(operator, operands) => return self.binary(operator, operands.get(), env),
                Expr::Interpolate(code) => return self.interpolate(code.parts.get(), code.pos, env),
                Expr::InterpolatePath(code) => return self.interpolate_path(code.parts.get(), code.pos, env),
                Expr::CurrentPosition(pos) => return Ok(self.position(pos)),
                Expr::Lazy(lazy) => {
                    expr = self.lazy_expr(lazy.get())?;
                    if WATCHED {
                        return self.eval(expr, env);
                    }
                }
                // Only thunks hold these, and `force_thunk` handles them.
                Expr::Apply1 | Expr::Apply2 | Expr::ThunkSelect | Expr::Failed(_) | Expr::Tracked(_) => {
                    return Ok(Value::NULL);
                }
            }
        }
    }

    /// Takes back what a call made, if nothing refers to it.
    #[inline(always)]
    pub(crate) fn release(&mut self, mark: Mark, result: Result<Value>) -> Result<Value> {
        match result {
            Ok(value) => Ok(self.region.release(mark, value)),
            Err(error) => {
                self.region.release_failed(mark);
                Err(error)
            }
        }
    }

    /// A call as far as the body of the function, or to its end if the function is
    /// a builtin or the call is watched.
    #[inline(always)]
    fn start_call(
        &mut self,
        function: ExprRef,
        arguments: &'static [Delayed],
        pos: Pos,
        env: EnvRef,
    ) -> Result<Step> {
        let callee = self.eval_operand(function, env)?;
        if let Some(closure) = callee.as_closure()
            && self.unwatched
        {
            return self.start_closure(closure, arguments, pos, env);
        }
        if let Some(builtin) = callee.as_builtin()
            && builtin.arguments.len() == arguments.len()
        {
            return self.start_builtin(builtin, arguments, pos, env).map(Step::Done);
        }
        let mut values: SmallVec<[Value; 4]> = SmallVec::new();
        for argument in arguments {
            values.push(self.delay(*argument, env));
        }
        self.apply(callee, &values, pos).map(Step::Done)
    }

    /// A call of a builtin with all of its arguments.
    fn start_builtin(
        &mut self,
        builtin: &'static Builtin,
        arguments: &'static [Delayed],
        pos: Pos,
        env: EnvRef,
    ) -> Result<Value> {
        match arguments {
            [only] => {
                let values = [self.argument(builtin.forces == 0, *only, env)];
                self.call_builtin(builtin, &values, pos)
            }
            [first, second] => {
                let first = self.argument(builtin.forces == 0, *first, env);
                let values = [first, self.argument(builtin.forces == 1, *second, env)];
                self.call_builtin(builtin, &values, pos)
            }
            [first, second, third] => {
                let values = [self.delay(*first, env), self.delay(*second, env), self.delay(*third, env)];
                self.call_builtin(builtin, &values, pos)
            }
            _ => {
                let values: SmallVec<[Value; 4]> =
                    arguments.iter().map(|argument| self.delay(*argument, env)).collect();
                self.call_builtin(builtin, &values, pos)
            }
        }
    }

    /// An argument. `strict`: the call evaluates it before anything else, so that it can
    /// be evaluated before the call. An error is for the call to find, which knows what
    /// to say about it.
    #[inline(always)]
    fn argument(&mut self, strict: bool, argument: Delayed, env: EnvRef) -> Value {
        if strict && argument.is_work() {
            self.evaluated(argument.expr(), env)
        } else {
            self.delay(argument, env)
        }
    }

    /// An argument that the function evaluates before anything else.
    #[inline(always)]
    fn strict_argument(&mut self, argument: Delayed, env: EnvRef) -> Value {
        if !argument.is_work() {
            return self.delay(argument, env);
        }
        let value = self.evaluated(argument.expr(), env);
        // A function is equal to itself only behind its thunk.
        if value.replaces_thunk() { value } else { Thunk::finished(&mut self.region, value) }
    }

    #[inline(never)]
    fn evaluated(&mut self, expr: ExprRef, env: EnvRef) -> Value {
        match self.eval_operand(expr, env) {
            Ok(value) => value,
            Err(error) if error.is_transient() => Thunk::in_env(&mut self.region, expr, env),
            Err(error) => Thunk::failed(&mut self.region, Box::leak(error)),
        }
    }

    #[inline(always)]
    fn start_closure(
        &mut self,
        closure: Closure,
        mut arguments: &'static [Delayed],
        pos: Pos,
        env: EnvRef,
    ) -> Result<Step> {
        let (mut code, mut inner) = (closure.0.code.get(), closure.env());
        let strict = arguments.len().wrapping_sub(code.strict_argument(arguments.len()));
        while let [argument, others @ ..] = arguments {
            let argument = match &code.formals {
                Some(_) => self.argument(true, *argument, env),
                None if arguments.len() == strict => self.strict_argument(*argument, env),
                None => self.delay(*argument, env),
            };
            inner = self.bind_arguments(code, inner, argument, pos)?;
            arguments = others;
            while let (Some(next), [argument, others @ ..]) = (code.continued(), arguments) {
                let argument = match arguments.len() == strict {
                    true => self.strict_argument(*argument, env),
                    false => self.delay(*argument, env),
                };
                (code, arguments) = (next, others);
                self.bind_next(code, inner, argument);
            }
            if arguments.is_empty() {
                break;
            }
            match *code.body {
                Expr::Lambda(next) => code = next.get(),
                _ => {
                    // The result is called, so that this call is not the last one.
                    let callee = self.run_body(code, inner, pos)?;
                    let values: SmallVec<[Value; 4]> =
                        arguments.iter().map(|argument| self.delay(*argument, env)).collect();
                    return self.apply(callee, &values, pos).map(Step::Done);
                }
            }
        }
        self.enter(pos)?;
        Ok(Step::Body(code.body, inner))
    }

    /// A variable's value; a thunk in its slot is replaced by the result.
    #[inline(always)]
    pub(crate) fn variable(&mut self, slot: &Slot, pos: Pos) -> Result<Value> {
        let value = slot.get();
        if !value.is_thunk() {
            return Ok(value);
        }
        match self.force(value) {
            Ok(result) => {
                slot.replace_thunk(&mut self.region, result);
                Ok(result)
            }
            Err(error) => Err(error.needed_at(pos)),
        }
    }

    /// The expression's value if that needs no work, else a thunk.
    #[inline(always)]
    pub(crate) fn delay(&mut self, delayed: Delayed, env: EnvRef) -> Value {
        let expr = delayed.expr();
        if delayed.needs_thunk() {
            return Thunk::in_env(&mut self.region, expr, env);
        }
        if !delayed.is_known() {
            return self.delay_other(expr, env);
        }
        let known = match *expr {
            Expr::Constant(value) => Some(value),
            Expr::Local { slot, .. } => env.slot(slot.into()).get_if_set(),
            Expr::Variable { depth, slot, .. } => env.outer(depth.into()).slot(slot.into()).get_if_set(),
            _ => None,
        };
        match known {
            Some(value) => {
                self.region.counts.avoided += 1;
                value.shorten()
            }
            None => Thunk::in_env(&mut self.region, expr, env),
        }
    }

    #[inline(never)]
    fn delay_other(&mut self, mut expr: ExprRef, env: EnvRef) -> Value {
        if let Expr::Lazy(lazy) = *expr
            && let Some(lowered) = lazy.lowered.get()
        {
            expr = *lowered;
        }
        match *expr {
            Expr::Lambda(code) => Value::new_delayed_closure(&mut self.region, code.get(), env),
            Expr::Select(select) => match ready_attribute(select.get(), env) {
                Some(value) => {
                    self.region.counts.avoided += 1;
                    value
                }
                None => Thunk::in_env(&mut self.region, expr, env),
            },
            _ => Thunk::in_env(&mut self.region, expr, env),
        }
    }

    /// A flat set of a shape; unlike `Attrs::with_shape` the values may be thunks made here.
    #[inline]
    fn fill_attrs(
        &mut self,
        shape: &'static crate::shape::Shape,
        mut value: impl FnMut(&mut Self, usize) -> Value,
    ) -> Attrs {
        let attrs = Attrs::with_shape(&mut self.region, shape, |_, _| Value::NULL);
        for (index, slot) in attrs.slots().iter().enumerate() {
            slot.set(value(self, index));
        }
        attrs
    }

    #[inline]
    fn build_list(&mut self, len: usize, mut item: impl FnMut(&mut Self, usize) -> Value) -> List {
        let list = List::build(&mut self.region, len, |_, _| Value::NULL);
        for (index, slot) in list.slots().iter().enumerate() {
            slot.set(item(self, index));
        }
        list
    }

    /// The environment of `let` or `rec`, its slots filled with thunks.
    #[inline]
    fn enter_scope(&mut self, scope: &'static ScopeCode, env: EnvRef) -> EnvRef {
        let inner = Env::new(&mut self.region, env, scope.values.len());
        for (index, binding) in scope.values.iter().enumerate() {
            let value = self.bind(*binding, inner, env);
            inner.slot(index as u32).set(value);
        }
        inner
    }

    #[inline]
    fn bind(&mut self, binding: Binding, inner: EnvRef, outer: EnvRef) -> Value {
        match binding {
            Binding::Inner(expr) => self.delay(expr, inner),
            Binding::Outer(expr) => self.delay(expr, outer),
        }
    }

    fn complex_attrs(&mut self, code: &'static ComplexAttrs, outer: EnvRef) -> Result<Value> {
        let env = match &code.scope {
            Some(scope) => self.enter_scope(scope, outer),
            None => outer,
        };
        let recursive = code.values.is_none();
        let shape = code.shape.get();
        let mut attrs = match code.values {
            None => self.fill_attrs(shape, |_, index| env.slot(index as u32).get()),
            Some(values) => self.fill_attrs(shape, |this, index| this.bind(values[index], env, outer)),
        };
        if let Some(slot) = code.overrides {
            attrs = self.apply_overrides(attrs, slot, code, env, outer)?;
        }
        if code.dynamic.is_empty() {
            return Ok(Value::from_attrs(attrs));
        }
        let inner = if recursive { env } else { outer };
        let mut added: Vec<Attr> = Vec::with_capacity(code.dynamic.len());
        for attr in code.dynamic.get() {
            let name = self.eval(attr.name, inner)?;
            if name.is_null() {
                continue;
            }
            let what = "while evaluating the name of a dynamic attribute";
            let name = self.plain_string(name, attr.pos, what)?.symbol();
            let earlier = added.iter().find(|a| a.name == name).copied().or_else(|| attrs.attr(name));
            if let Some(earlier) = earlier {
                let at = self.describe_pos(earlier.pos);
                let name = shown_name(name);
                let message = format!("dynamic attribute '{name}' already defined at {at}");
                return Err(EvalError::other(attr.pos, message));
            }
            let value = self.delay(attr.value, inner);
            added.push(Attr { name, value, pos: attr.pos });
        }
        added.extend(attrs.iter());
        Ok(Value::from_attrs(Attrs::from_unsorted(&mut self.region, added)))
    }

    /// `__overrides` in a `rec` set: replaces attributes and variables.
    fn apply_overrides(
        &mut self,
        attrs: Attrs,
        slot: u32,
        code: &'static ComplexAttrs,
        env: EnvRef,
        outer: EnvRef,
    ) -> Result<Attrs> {
        let pos = code.pos;
        let value = self.force(env.slot(slot).get())?;
        let Some(overrides) = value.as_attrs() else {
            let message = format!("expected a set but found {}", self.describe(value));
            return Err(EvalError::type_error(pos, message)
                .traced(pos, "while evaluating the `__overrides` attribute"));
        };
        for attr in overrides.iter() {
            if let Some(place) = attrs.find_place(attr.name) {
                env.slot(place.index).set(attr.value);
            }
        }
        // What only names another variable may have taken its old value: bind again.
        for (index, binding) in code.scope.iter().flat_map(|scope| scope.values.get()).enumerate() {
            let name = code.shape.symbols[index];
            if index as u32 != slot && !overrides.contains(name) {
                let value = self.bind(*binding, env, outer);
                env.slot(index as u32).set(value);
            }
        }
        let attrs = self.fill_attrs(code.shape.get(), |_, index| env.slot(index as u32).get());
        Ok(attrs.update(&mut self.region, overrides))
    }
}
