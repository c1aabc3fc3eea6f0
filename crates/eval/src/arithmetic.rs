//! Arithmetic, and the errors of operators that the reference makes calls of builtins.

use saltire_diagnostics::Pos;

use crate::error::{ErrorKind, EvalError, Result};
use crate::evaluator::Evaluator;
use crate::ir::Operator;
use crate::value::{Kind, Value};

impl Evaluator {
    /// `+ - * /` on numbers.
    pub(crate) fn arithmetic(
        &mut self,
        operator: Operator,
        left: Value,
        right: Value,
        pos: Pos,
    ) -> Result<Value> {
        let (a, b) = match (left.kind(), right.kind()) {
            (Kind::Int(a), Kind::Int(b)) => return self.integer_arithmetic(operator, a, b, pos),
            (Kind::Int(a), Kind::Float(b)) => (a as f64, b),
            (Kind::Float(a), Kind::Int(b)) => (a, b as f64),
            (Kind::Float(a), Kind::Float(b)) => (a, b),
            // Looked at before the dividend's type.
            (_, Kind::Int(0) | Kind::Float(0.0)) if operator == Operator::Divide => {
                return Err(EvalError::new(ErrorKind::Arithmetic, pos, "division by zero"));
            }
            _ => return Err(not_a_number(self, operator, left, right, pos)),
        };
        let result = match operator {
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide if b == 0.0 => {
                return Err(EvalError::new(ErrorKind::Arithmetic, pos, "division by zero"));
            }
            Operator::Divide => a / b,
            _ => a + b,
        };
        Ok(self.new_float(result))
    }

    fn integer_arithmetic(&mut self, operator: Operator, a: i64, b: i64, pos: Pos) -> Result<Value> {
        let (result, verb, sign) = match operator {
            Operator::Subtract => (a.checked_sub(b), "subtracting", '-'),
            Operator::Multiply => (a.checked_mul(b), "multiplying", '*'),
            Operator::Divide if b == 0 => {
                return Err(EvalError::new(ErrorKind::Arithmetic, pos, "division by zero"));
            }
            Operator::Divide => (a.checked_div(b), "dividing", '/'),
            _ => (a.checked_add(b), "adding", '+'),
        };
        match result {
            Some(result) => Ok(self.new_int(result)),
            None => {
                let message = format!("integer overflow in {verb} {a} {sign} {b}");
                // Only of an addition there is a place: that of the second operand.
                Err(self.in_operand(EvalError::new(ErrorKind::Arithmetic, pos, message), pos, 1))
            }
        }
    }
}

#[cold]
fn not_a_number(e: &Evaluator, operator: Operator, left: Value, right: Value, pos: Pos) -> Box<EvalError> {
    let number = |value: Value| matches!(value.kind(), Kind::Int(_) | Kind::Float(_));
    let float = |value: Value| matches!(value.kind(), Kind::Float(_));
    // A divisor is looked at first, and as a float, to see whether it is zero.
    let second = number(left) || (operator == Operator::Divide && !number(right));
    let (value, which) = if second { (right, "second") } else { (left, "first") };
    let kind = match operator {
        Operator::Divide if second => "a float",
        _ if float(left) || float(right) => "a float",
        _ => "an integer",
    };
    let part = match (operator, which) {
        (Operator::Subtract, which) => format!("{which} argument of the subtraction"),
        (Operator::Multiply, "first") if kind == "a float" => "first of the multiplication".to_owned(),
        (Operator::Multiply, which) => format!("{which} argument of the multiplication"),
        (Operator::Divide, which) => format!("{which} operand of the division"),
        (_, which) => format!("{which} argument of the addition"),
    };
    let message = format!("expected {kind} but found {}", e.describe(value));
    EvalError::type_error(pos, message).traced(pos, format!("while evaluating the {part}"))
}

/// The builtin that the reference calls for an operator.
fn builtin_of(operator: Operator) -> Option<&'static str> {
    match operator {
        Operator::Subtract => Some("sub"),
        Operator::Multiply => Some("mul"),
        Operator::Divide => Some("div"),
        Operator::Less | Operator::Greater | Operator::LessOrEqual | Operator::GreaterOrEqual => {
            Some("lessThan")
        }
        _ => None,
    }
}

/// Adds the step for an operator at `pos` to an error of it or of its operands.
#[cold]
pub(crate) fn in_operator(error: Box<EvalError>, operator: Operator, pos: Pos) -> Box<EvalError> {
    let Some(name) = builtin_of(operator) else { return error };
    let error = error.traced(pos, format!("while calling the '{name}' builtin"));
    match operator {
        // `a >= b` is `!(a < b)`.
        Operator::LessOrEqual | Operator::GreaterOrEqual => {
            error.traced(pos, "in the argument of the not operator")
        }
        _ => error,
    }
}
