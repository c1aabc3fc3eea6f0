//! Evaluation of expressions.

use saltire_diagnostics::Pos;
use smallvec::SmallVec;

use crate::arithmetic::in_operator;
use crate::attrs::{Attr, Attrs};
use crate::error::{ErrorKind, EvalError, Result, Traced, did_you_mean};
use crate::evaluator::Evaluator;
use crate::ir::{
    Binding, ComplexAttrs, Expr, ExprRef, Key, Operator, ScopeCode, Select, SelectPath, WithVariable,
};
use crate::list::List;
use crate::print::shown_name;
use crate::region::Mark;
use crate::stack;
use crate::symbol::Symbol;
use crate::value::{Env, Pending, Slot, Thunk, Value};

type EnvRef = &'static Env;

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
        let mark = self.region.mark();
        let result = match code {
            Expr::Apply1 => {
                let function = thunk.value(0);
                let pos = function.as_closure().map_or(Pos::NONE, |closure| closure.0.code.pos);
                self.apply(function, &[thunk.value(1)], pos)
            }
            Expr::Apply2 => self.apply(thunk.value(0), &[thunk.value(1), thunk.value(2)], Pos::NONE),
            Expr::ThunkSelect => match thunk.value(1).as_str() {
                Some(name) => self.select(thunk.value(0), name.symbol(), Pos::NONE),
                None => Ok(Value::NULL),
            },
            code => self.eval(code, thunk.env()),
        };
        match self.release(mark, result) {
            Ok(value) => {
                thunk.finish(&mut self.region, value);
                Ok(value)
            }
            Err(error) => {
                if error.is_transient() {
                    thunk.restore(code);
                } else {
                    thunk.fail(Box::leak(error.clone()));
                }
                Err(error)
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse_call(&self, pos: Pos) -> Box<EvalError> {
        if crate::interactive::is_interrupted() {
            return EvalError::new(ErrorKind::Interrupted, pos, "interrupted by the user");
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
        if self.depth >= self.shared.settings.max_call_depth || crate::interactive::is_interrupted() {
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
    pub(crate) fn eval(&mut self, expr: ExprRef, env: EnvRef) -> Result<Value> {
        if stack::address() < self.stack_limit {
            return self.eval_at_limit(expr, env);
        }
        self.eval_loop::<false>(expr, env)
    }

    /// `WATCHED` is with a debugger, which is told of each change of the environment.
    #[inline(always)]
    pub(crate) fn eval_loop<const WATCHED: bool>(
        &mut self,
        mut expr: ExprRef,
        mut env: EnvRef,
    ) -> Result<Value> {
        loop {
            match expr {
                Expr::Constant(value) => return self.force(*value),
                Expr::Local { slot, pos } => return self.variable(env.slot(*slot), *pos),
                Expr::Variable { depth, slot, pos } => {
                    return self.variable(env.outer(*depth).slot(*slot), *pos);
                }
                Expr::With(variable) => return self.with_variable(variable, env),
                Expr::Select(select) => return self.eval_select(select, env),
                Expr::SelectPath(select) => return self.select_path(select, env),
                Expr::HasAttr { subject, path, pos } => return self.has_attr(subject, path, *pos, env),
                Expr::Call { function, arguments, pos } => {
                    let mark = self.region.mark();
                    let result = self.eval_call(function, arguments, *pos, env);
                    return self.release(mark, result);
                }
                Expr::Lambda(code) => {
                    return Ok(Value::new_closure(&mut self.region, code, env));
                }
                Expr::Let { scope, body } => {
                    env = self.enter_scope(scope, env);
                    expr = body;
                    if WATCHED {
                        return self.eval(expr, env);
                    }
                }
                Expr::Attrs(code) => {
                    let values = code.values;
                    let attrs = self.fill_attrs(code.shape, |this, index| this.delay(values[index], env));
                    return Ok(Value::from_attrs(attrs));
                }
                Expr::ComplexAttrs(code) => return self.complex_attrs(code, env),
                Expr::List(items) => {
                    let list = self.build_list(items.len(), |this, index| this.delay(items[index], env));
                    return Ok(Value::from_list(list));
                }
                Expr::WithScope { scope, body } => {
                    let set = self.delay(scope, env);
                    env = Env::new(&mut self.region, env, 1);
                    env.slot(0).set(set);
                    expr = body;
                    if WATCHED {
                        return self.eval(expr, env);
                    }
                }
                Expr::If { branches, pos } => {
                    let condition = self.eval(branches.0, env);
                    let what = || "while evaluating a branch condition".to_owned();
                    expr = if self.condition(condition, *pos).traced(*pos, what)? {
                        branches.1
                    } else {
                        branches.2
                    };
                    if WATCHED {
                        return self.eval(expr, env);
                    }
                }
                Expr::Assert { condition, body, pos } => {
                    let holds = self.eval(condition, env);
                    let what = || "in the condition of the assert statement".to_owned();
                    if !self.condition(holds, *pos).traced(*pos, what)? {
                        return Err(self.assertion_failed(condition, *pos, env));
                    }
                    expr = body;
                    if WATCHED {
                        return self.eval(expr, env);
                    }
                }
                Expr::Not { operand, pos } => {
                    let value = self.eval(operand, env);
                    let what = || "in the argument of the not operator".to_owned();
                    let value = self.condition(value, *pos).traced(*pos, what);
                    let value = value.map_err(|error| self.in_operand(error, *pos, 0))?;
                    return Ok(Value::from_bool(!value));
                }
                Expr::Negate { operand, pos } => {
                    let value = self.eval(operand, env);
                    let zero = self.new_int(0);
                    let result =
                        value.and_then(|value| self.arithmetic(Operator::Subtract, zero, value, Pos::NONE));
                    return result.map_err(|error| in_operator(error, Operator::Subtract, *pos));
                }
                Expr::Binary { operator, operands, pos } => {
                    return self.binary(*operator, operands.0, operands.1, *pos, env);
                }
                Expr::Interpolate { parts, pos } => return self.interpolate(parts, *pos, env),
                Expr::InterpolatePath { parts, pos } => return self.interpolate_path(parts, *pos, env),
                Expr::CurrentPosition(pos) => return Ok(self.position(*pos)),
                Expr::Lazy(lazy) => {
                    expr = self.lazy_expr(lazy)?;
                    if WATCHED {
                        return self.eval(expr, env);
                    }
                }
                // Only thunks hold these, and `force_thunk` handles them.
                Expr::Apply1 | Expr::Apply2 | Expr::ThunkSelect => return Ok(Value::NULL),
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

    #[inline(always)]
    fn eval_call(
        &mut self,
        function: ExprRef,
        arguments: &'static [ExprRef],
        pos: Pos,
        env: EnvRef,
    ) -> Result<Value> {
        let function = self.eval(function, env)?;
        match arguments {
            [argument] => {
                let argument = self.delay(argument, env);
                self.apply1(function, argument, pos)
            }
            [first, second] => {
                let values = [self.delay(first, env), self.delay(second, env)];
                self.apply(function, &values, pos)
            }
            arguments => {
                let mut values: SmallVec<[Value; 6]> = SmallVec::new();
                for argument in arguments {
                    values.push(self.delay(argument, env));
                }
                self.apply(function, &values, pos)
            }
        }
    }

    /// A variable's value; a thunk in its slot is replaced by the result.
    #[inline(always)]
    fn variable(&mut self, slot: &Slot, pos: Pos) -> Result<Value> {
        let value = slot.get();
        if !value.is_thunk() {
            return Ok(value);
        }
        match self.force(value) {
            Ok(result) => {
                slot.replace_thunk(&mut self.region, result);
                Ok(result)
            }
            Err(error) if error.kind == ErrorKind::InfiniteRecursion => Err(error.at(pos)),
            Err(error) => Err(error),
        }
    }

    /// The expression's value if that needs no work, else a thunk.
    #[inline]
    pub(crate) fn delay(&mut self, expr: ExprRef, env: EnvRef) -> Value {
        match expr {
            Expr::Constant(value) => {
                self.region.counts.avoided += 1;
                *value
            }
            Expr::Local { slot, .. } => match env.slot(*slot).get_if_set() {
                Some(value) => {
                    self.region.counts.avoided += 1;
                    value.shorten()
                }
                None => Thunk::in_env(&mut self.region, expr, env),
            },
            Expr::Variable { depth, slot, .. } => match env.outer(*depth).slot(*slot).get_if_set() {
                Some(value) => {
                    self.region.counts.avoided += 1;
                    value.shorten()
                }
                None => Thunk::in_env(&mut self.region, expr, env),
            },
            Expr::Lambda(code) => Value::new_delayed_closure(&mut self.region, code, env),
            Expr::Select(select) => match ready_attribute(select, env) {
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
        shape: &'static crate::attrs::Shape,
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
        let mut attrs = match code.values {
            None => self.fill_attrs(code.shape, |_, index| env.slot(index as u32).get()),
            Some(values) => self.fill_attrs(code.shape, |this, index| this.bind(values[index], env, outer)),
        };
        if let Some(slot) = code.overrides {
            attrs = self.apply_overrides(attrs, slot, code, env, outer)?;
        }
        if code.dynamic.is_empty() {
            return Ok(Value::from_attrs(attrs));
        }
        let inner = if recursive { env } else { outer };
        let mut added: Vec<Attr> = Vec::with_capacity(code.dynamic.len());
        for attr in code.dynamic {
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
            if let Some(index) = attrs.find_index(attr.name) {
                env.slot(index as u32).set(attr.value);
            }
        }
        // What only names another variable may have taken its old value: bind again.
        for (index, binding) in code.scope.iter().flat_map(|scope| scope.values).enumerate() {
            let name = code.shape.symbols[index];
            if index as u32 != slot && !overrides.contains(name) {
                let value = self.bind(*binding, env, outer);
                env.slot(index as u32).set(value);
            }
        }
        let attrs = self.fill_attrs(code.shape, |_, index| env.slot(index as u32).get());
        Ok(attrs.update(&mut self.region, overrides))
    }

    #[inline(never)]
    fn with_variable(&mut self, variable: &'static WithVariable, env: EnvRef) -> Result<Value> {
        for depth in variable.depths {
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
            let shape = attrs.flat_shape_address();
            if let Some(index) = shape.and_then(|shape| variable.cache.get(shape)) {
                return self.variable(&attrs.slots()[index], variable.pos);
            }
            if let Some((slot, _)) = attrs.find(variable.name) {
                if let Some(shape) = shape
                    && let Some(index) = attrs.find_index(variable.name)
                {
                    variable.cache.set(shape, index);
                }
                return self.variable(slot, variable.pos);
            }
        }
        let message = format!("undefined variable '{}'", variable.name);
        Err(EvalError::new(ErrorKind::UndefinedVariable, variable.pos, message))
    }

    #[inline]
    fn eval_select(&mut self, select: &'static Select, env: EnvRef) -> Result<Value> {
        self.region.counts.lookups += 1;
        let subject = match select.subject {
            Expr::Local { slot, pos } => self.variable(env.slot(*slot), *pos)?,
            Expr::Variable { depth, slot, pos } => self.variable(env.outer(*depth).slot(*slot), *pos)?,
            subject => self.eval(subject, env)?,
        };
        if let Some(attrs) = subject.as_attrs() {
            if let Some(shape) = attrs.flat_shape_address() {
                let index = select.cache.get(shape).or_else(|| {
                    let index = attrs.find_index(select.name)?;
                    select.cache.set(shape, index);
                    Some(index)
                });
                if let Some(index) = index {
                    let found = (select.name, select.pos);
                    return self.attribute(&attrs.slots()[index], attrs, found, || path_text(select));
                }
            } else if let Some((slot, _)) = attrs.find(select.name) {
                return self.attribute(slot, attrs, (select.name, select.pos), || path_text(select));
            }
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
            Some((slot, _)) => self.attribute(slot, attrs, (name, pos), || shown_name(name)),
            None => Err(missing_attribute(attrs, name, pos)),
        }
    }

    fn key(&mut self, key: &'static Key, env: EnvRef) -> Result<(Symbol, Pos)> {
        match key {
            Key::Static(name, pos) => Ok((*name, *pos)),
            Key::Dynamic(expr, pos) => {
                let value = self.eval(expr, env)?;
                let what = "while evaluating an attribute name";
                Ok((self.plain_string(value, Pos::NONE, what)?.symbol(), *pos))
            }
        }
    }

    fn select_path(&mut self, select: &'static SelectPath, env: EnvRef) -> Result<Value> {
        let mut value = self.eval(select.subject, env)?;
        for key in select.path {
            let (name, pos) = self.key(key, env)?;
            if let Some(default) = select.default {
                let found = value.as_attrs().and_then(|attrs| Some((attrs, attrs.find(name)?.0)));
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

    fn has_attr(&mut self, subject: ExprRef, path: &'static [Key], _: Pos, env: EnvRef) -> Result<Value> {
        let mut value = self.eval(subject, env)?;
        for (index, key) in path.iter().enumerate() {
            let (name, _) = self.key(key, env)?;
            let Some((slot, _)) = value.as_attrs().and_then(|attrs| attrs.find(name)) else {
                return Ok(Value::FALSE);
            };
            if index + 1 < path.len() {
                value = self.force_slot(slot)?;
            }
        }
        Ok(Value::TRUE)
    }

    /// A boolean where one is needed.
    #[inline]
    pub(crate) fn condition(&mut self, value: Result<Value>, pos: Pos) -> Result<bool> {
        let value = value?;
        match value.as_bool() {
            Some(value) => Ok(value),
            None => {
                let message = format!("expected a Boolean but found {}", self.describe(value));
                Err(EvalError::type_error(pos, message))
            }
        }
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: ExprRef,
        right: ExprRef,
        pos: Pos,
        env: EnvRef,
    ) -> Result<Value> {
        let decide = |this: &mut Self, expr, side: &str, name: &str| {
            let value = this.eval(expr, env);
            let what = || format!("in the {side} operand of the {name} operator");
            this.condition(value, pos).traced(pos, what)
        };
        match operator {
            Operator::And => Ok(Value::from_bool(
                decide(self, left, "left", "AND (&&)")? && decide(self, right, "right", "AND (&&)")?,
            )),
            Operator::Or => Ok(Value::from_bool(
                decide(self, left, "left", "OR (||)")? || decide(self, right, "right", "OR (||)")?,
            )),
            Operator::Implies => Ok(Value::from_bool(
                !decide(self, left, "left", "IMPL (->)")? || decide(self, right, "right", "IMPL (->)")?,
            )),
            _ => self
                .operands(operator, left, right, pos, env)
                .map_err(|error| in_operator(error, operator, pos)),
        }
    }

    #[inline]
    fn operands(
        &mut self,
        operator: Operator,
        left: ExprRef,
        right: ExprRef,
        pos: Pos,
        env: EnvRef,
    ) -> Result<Value> {
        // In the order of the reference, where `a > b` and `a <= b` are about `b < a`.
        match operator {
            Operator::Greater | Operator::LessOrEqual => {
                let right = self.eval(right, env)?;
                let left = self.eval(left, env)?;
                return self.apply_operator(operator, left, right, pos);
            }
            Operator::Update => {
                let right = self.update_operand(right, env, pos, "right")?;
                let left = self.update_operand(left, env, pos, "left")?;
                return Ok(Value::from_attrs(left.update(&mut self.region, right)));
            }
            _ => {}
        }
        let left = self.eval(left, env)?;
        if operator == Operator::Add {
            self.check_addable(left, pos)?;
        }
        let right = self.eval(right, env)?;
        self.apply_operator(operator, left, right, pos)
    }

    fn update_operand(&mut self, expr: ExprRef, env: EnvRef, pos: Pos, side: &str) -> Result<Attrs> {
        match self.eval(expr, env) {
            Ok(value) => self.attrs_operand(value, pos, side),
            // A chain of updates is one step.
            Err(error) if matches!(expr, Expr::Binary { operator: Operator::Update, .. }) => Err(error),
            Err(error) => {
                let what = format!("in the {side} operand of the update (//) operator");
                Err(self.in_operand(error.traced(pos, what), pos, usize::from(side == "right")))
            }
        }
    }

    fn apply_operator(&mut self, operator: Operator, left: Value, right: Value, pos: Pos) -> Result<Value> {
        match operator {
            Operator::Add => self.add(left, right, pos),
            Operator::Concat => {
                let left =
                    self.list_value(left, pos, "while evaluating one of the elements to concatenate")?;
                let right =
                    self.list_value(right, pos, "while evaluating one of the elements to concatenate")?;
                Ok(Value::from_list(match (left.is_empty(), right.is_empty()) {
                    (true, _) => right,
                    (_, true) => left,
                    _ => self.joined_list(&[left, right], pos)?,
                }))
            }
            Operator::Equal => Ok(Value::from_bool(self.equal(left, right, pos)?)),
            Operator::NotEqual => Ok(Value::from_bool(!self.equal(left, right, pos)?)),
            Operator::Less => Ok(Value::from_bool(self.less(left, right, Pos::NONE)?)),
            Operator::Greater => Ok(Value::from_bool(self.less(right, left, Pos::NONE)?)),
            Operator::LessOrEqual => Ok(Value::from_bool(!self.less(right, left, Pos::NONE)?)),
            Operator::GreaterOrEqual => Ok(Value::from_bool(!self.less(left, right, Pos::NONE)?)),
            _ => self.arithmetic(operator, left, right, Pos::NONE),
        }
    }

    fn attrs_operand(&mut self, value: Value, pos: Pos, side: &str) -> Result<Attrs> {
        value.as_attrs().ok_or_else(|| {
            let message = format!("expected a set but found {}", self.describe(value));
            let what = format!("in the {side} operand of the update (//) operator");
            let error = EvalError::type_error(Pos::NONE, message).traced(pos, what);
            self.in_operand(error, pos, usize::from(side == "right"))
        })
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
fn ready_attribute(select: &'static Select, env: EnvRef) -> Option<Value> {
    let subject = match select.subject {
        Expr::Local { slot, .. } => env.slot(*slot).get_if_set(),
        Expr::Variable { depth, slot, .. } => env.outer(*depth).slot(*slot).get_if_set(),
        _ => None,
    };
    let attrs = subject?.resolve().as_attrs()?;
    let slot = match attrs.flat_shape_address() {
        Some(shape) => {
            let index = select.cache.get(shape).or_else(|| {
                let index = attrs.find_index(select.name)?;
                select.cache.set(shape, index);
                Some(index)
            });
            &attrs.slots()[index?]
        }
        None => attrs.find(select.name)?.0,
    };
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
