//! Operators with two operands.

use saltire_diagnostics::Pos;

use crate::arithmetic::in_operator;
use crate::attrs::Attrs;
use crate::error::{EvalError, Result, Traced};
use crate::evaluator::Evaluator;
use crate::ir::{Expr, ExprRef, Operands, Operator};
use crate::value::{Env, Value};

type EnvRef = &'static Env;

impl Evaluator {
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

    pub(crate) fn binary(
        &mut self,
        operator: Operator,
        operands: &'static Operands,
        env: EnvRef,
    ) -> Result<Value> {
        let Operands { left, right, pos } = *operands;
        let result = match operator {
            Operator::And => {
                let name = "AND (&&)";
                self.decide(left, env, pos, "left", name)? && self.decide(right, env, pos, "right", name)?
            }
            Operator::Or => {
                let name = "OR (||)";
                self.decide(left, env, pos, "left", name)? || self.decide(right, env, pos, "right", name)?
            }
            Operator::Implies => {
                let name = "IMPL (->)";
                !self.decide(left, env, pos, "left", name)? || self.decide(right, env, pos, "right", name)?
            }
            Operator::Equal | Operator::NotEqual => {
                let left = self.eval_operand(left, env)?;
                let right = self.eval_operand(right, env)?;
                let equal = match left.quick_equal(right) {
                    Some(equal) => equal,
                    None => self.equal(left, right, pos)?,
                };
                equal == (operator == Operator::Equal)
            }
            _ => {
                let result = self.operands(operator, left, right, pos, env);
                return result.map_err(|error| in_operator(error, operator, pos));
            }
        };
        Ok(Value::from_bool(result))
    }

    /// An operand that must be a boolean.
    #[inline]
    fn decide(&mut self, expr: ExprRef, env: EnvRef, pos: Pos, side: &str, name: &str) -> Result<bool> {
        let value = self.eval_operand(expr, env);
        if let Ok(value) = &value
            && let Some(decided) = value.as_bool()
        {
            return Ok(decided);
        }
        let what = || format!("in the {side} operand of the {name} operator");
        self.condition(value, pos).traced(pos, what)
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
            Err(error) if matches!(*expr, Expr::Binary(Operator::Update, _)) => Err(error),
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
