//! Which variable an expression evaluates before it does anything else.
//!
//! If a function's parameter is that variable, its argument can be evaluated before
//! the call: no error, trace or endless loop can come before it. So there is no
//! need of a thunk.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::ir::{Binding, Expr, ExprRef, LambdaCode, Operator};

/// How many steps are looked at; variables of `let` may refer to each other.
const STEPS: u32 = 24;

/// What is known of a function's body: see [`LambdaCode::first`].
#[derive(Default)]
pub(crate) struct FirstCache(AtomicU8);

/// Not looked at yet.
const UNKNOWN: u8 = 0;
/// None of the variables that matter.
const NONE: u8 = u8::MAX;

impl LambdaCode {
    /// How far out the parameter is that the body evaluates first: zero for the function's
    /// own, one for that of the function around. [`usize::MAX`] if there is none, or it isn't known yet.
    #[inline(always)]
    pub(crate) fn first(&self) -> usize {
        match self.first.0.load(Ordering::Relaxed) {
            UNKNOWN => self.find_first(),
            NONE => usize::MAX,
            found => usize::from(found - 1),
        }
    }

    #[cold]
    fn find_first(&self) -> usize {
        if matches!(*self.body, Expr::Lazy(lazy) if lazy.lowered.get().is_none()) {
            return usize::MAX;
        }
        let mut steps = STEPS;
        let distance = match first_variable(self.body, &mut steps) {
            Some((0, slot)) if self.formals.is_none() => self.filled.checked_sub(slot),
            Some((depth, 0)) if self.slots == 1 => Some(depth),
            _ => None,
        };
        let found = match distance {
            Some(distance) if distance < u32::from(NONE) - 1 => distance as u8 + 1,
            _ => NONE,
        };
        self.first.0.store(found, Ordering::Relaxed);
        if found == NONE { usize::MAX } else { usize::from(found - 1) }
    }

    /// Which of so many arguments a call evaluates before anything else, if the body
    /// of the last function that takes one is reached without evaluating anything.
    #[inline(always)]
    pub(crate) fn strict_argument(&self, count: usize) -> usize {
        let mut last = self;
        for _ in 1..count {
            match (last.formals, last.body.get()) {
                (None, Expr::Lambda(next)) => last = next.get(),
                _ => return usize::MAX,
            }
        }
        if last.formals.is_some() {
            return usize::MAX;
        }
        (count - 1).wrapping_sub(last.first())
    }
}

/// The depth and slot of the variable that an expression evaluates before anything
/// that can fail, call or be seen.
fn first_variable(mut expr: ExprRef, steps: &mut u32) -> Option<(u32, u32)> {
    loop {
        *steps = steps.checked_sub(1)?;
        expr = match *expr.get() {
            Expr::Local { slot, .. } => return Some((0, slot.into())),
            Expr::Variable { depth, slot, .. } => return Some((depth.into(), slot.into())),
            Expr::With(variable) => return Some((variable.withs.first()?.depth, 0)),
            Expr::Select(select) => select.subject,
            Expr::SelectPath(select) => select.subject,
            Expr::HasAttr(code) => code.subject,
            Expr::Call(code) => match *code.function {
                Expr::Constant(value) => {
                    let builtin = value.as_builtin()?;
                    if builtin.arguments.len() != code.arguments.len() {
                        return None;
                    }
                    code.arguments.get().get(usize::from(builtin.forces))?.expr()
                }
                _ => code.function,
            },
            Expr::If(code) => code.condition,
            Expr::Assert(code) => code.condition,
            Expr::Not(code) | Expr::Negate(code) => code.operand,
            Expr::Binary(operator, operands) => match operator {
                Operator::Greater | Operator::LessOrEqual | Operator::Update => operands.right,
                _ => operands.left,
            },
            Expr::Interpolate(code) => *code.parts.get().iter().find(|part| !is_text(**part))?,
            Expr::Let(code) => match first_variable(code.1, steps)? {
                // Follows what the variable is bound to.
                (0, slot) => match *code.0.values.get().get(slot as usize)? {
                    Binding::Outer(bound) => bound.expr(),
                    Binding::Inner(bound) => {
                        let mut found = first_variable(bound.expr(), steps)?;
                        while found.0 == 0 {
                            match *code.0.values.get().get(found.1 as usize)? {
                                Binding::Outer(bound) => return first_variable(bound.expr(), steps),
                                Binding::Inner(bound) => found = first_variable(bound.expr(), steps)?,
                            }
                        }
                        return Some((found.0 - 1, found.1));
                    }
                },
                (depth, slot) => return Some((depth - 1, slot)),
            },
            Expr::WithScope(code) => match first_variable(code.1, steps)? {
                (0, _) => code.0.expr(),
                (depth, slot) => return Some((depth - 1, slot)),
            },
            Expr::Lazy(lazy) => *lazy.get().lowered.get()?,
            _ => return None,
        };
    }
}

fn is_text(expr: ExprRef) -> bool {
    matches!(*expr, Expr::Constant(value) if value.as_str().is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use saltire_diagnostics::Pos;

    use crate::{Evaluator, FsHost, Settings, Value};

    /// What a call of a function gives, and how many thunks were made for it. It is
    /// called twice: what it does first is known when its body was read.
    #[track_caller]
    fn check(function: &str, arguments: &str, expected: &str, thunks: u64) {
        let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), Settings::default());
        let text = format!("let f = {function}; in ignored: f {arguments}");
        let caller = evaluator.eval_str(&text, b"/").unwrap();
        let mut found = Vec::new();
        for _ in 0..2 {
            let before = evaluator.region.counts.thunks;
            let shown = match evaluator.call(caller, &[Value::NULL], Pos::NONE) {
                Ok(value) => String::from_utf8_lossy(&evaluator.print(value)).into_owned(),
                Err(error) => error.message.clone(),
            };
            found.push((shown, evaluator.region.counts.thunks - before));
        }
        assert_eq!(found[0].0, found[1].0);
        assert_eq!(found[1], (expected.to_owned(), thunks), "({function}) {arguments}");
    }

    #[test]
    fn arguments_that_are_evaluated_first_need_no_thunk() {
        check("x: x + 1", "(1 + 1)", "3", 0);
        check("x: if x == 2 then 5 else 6", "(1 + 1)", "5", 0);
        check("x: let y = x.a; in !y && true", "({ } // { a = false; })", "true", 0);
        check("x: builtins.length x", "([ ] ++ [ 1 ])", "1", 1);
        check("x: with x; a", "({ } // { a = 3; })", "3", 0);
        // Of several arguments only the first one.
        check("x: y: y + x", "(1 + 1) (2 + 2)", "6", 1);
        check("x: y: x + y", "(1 + 1) (2 + 2)", "6", 1);
        check("x: y: z: x y z", "(if true then a: b: a - b else 0) (2 + 2) (1 + 2)", "1", 3);
    }

    #[test]
    fn others_stay_as_they_are() {
        check("x: 1", "(throw \"x\")", "1", 1);
        check("x: [ x ]", "(1 + 1)", "[ «thunk» ]", 1);
        check("x: y: y", "(1 + 1) (2 + 2)", "4", 1);
        check("x: (a: 7) x", "(throw \"x\")", "7", 1);
    }

    #[test]
    fn errors_and_functions_are_those_of_evaluation_in_the_function() {
        check("x: y: y + x", "(throw \"x\") (throw \"y\")", "y", 1);
        check("x: x.a", "(if true then { } else 1)", "attribute 'a' missing", 0);
        check("f: f 1 == 1 && [ f ] == [ f ]", "(if true then (x: x) else 0)", "true", 1);
        check("x: (builtins.tryEval (!x)).success", "(throw \"x\")", "false", 2);
    }
}
