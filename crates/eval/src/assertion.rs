//! Errors of failed assertions: the condition as text, and for `assert a == b` how
//! the two values differ.

use bumpalo::Bump;
use saltire_diagnostics::Pos;
use saltire_syntax::PrintPaths;

use crate::attrs::Attrs;
use crate::error::{ErrorKind, EvalError, Result};
use crate::evaluator::Evaluator;
use crate::ir::{Expr, ExprRef, Operator};
use crate::list::List;
use crate::print::type_name;
use crate::value::{Env, Kind, Value};

impl Evaluator {
    /// The error for an assertion whose condition is false.
    #[cold]
    pub(crate) fn assertion_failed(
        &mut self,
        condition: ExprRef,
        pos: Pos,
        env: &'static Env,
    ) -> Box<EvalError> {
        let text = self.condition_text(pos);
        if let Expr::Binary(Operator::Equal, operands) = *condition
            && let Err(error) = self.check_equality(operands.left, operands.right, env)
        {
            if error.kind != ErrorKind::Assertion {
                return error;
            }
            return error.traced(pos, format!("while evaluating the condition of the assertion '{text}'"));
        }
        EvalError::new(ErrorKind::Assertion, pos, format!("assertion '{text}' failed"))
    }

    /// As in the reference, the steps of a comparison have no place.
    fn check_equality(&mut self, left: ExprRef, right: ExprRef, env: &'static Env) -> Result<()> {
        let left = self.eval(left, env)?;
        let right = self.eval(right, env)?;
        self.assert_equal(left, right, Pos::NONE)
    }

    /// The condition of the assertion that is written at `pos`, as a tree is printed.
    fn condition_text(&self, pos: Pos) -> String {
        let Some((file, offset)) = self.sources().lookup(pos) else { return String::new() };
        let written = file.text().get(offset as usize..).unwrap_or_default();
        let rest = written.strip_prefix(b"assert").unwrap_or(written);
        let options = self.settings().parse_options();
        let home = self.host().home_dir().unwrap_or_default();
        let path = file.origin.to_string();
        let paths = PrintPaths { directory: crate::paths::parent(path.as_bytes()), home: &home };
        // The condition ends at the first semicolon up to which it is an expression.
        let ends = rest.iter().enumerate().filter(|(_, byte)| **byte == b';').map(|(end, _)| end);
        for end in ends {
            let arena = Bump::new();
            if let Ok(tree) = saltire_syntax::parse(&arena, &rest[..end], &options) {
                return saltire_syntax::print(tree, paths).to_string();
            }
        }
        String::new()
    }

    /// Fails where two values differ; goes the same way as [`Evaluator::equal`].
    fn assert_equal(&mut self, left: Value, right: Value, pos: Pos) -> Result<()> {
        let same = left.is_same(right);
        let left = self.force(left)?;
        let right = self.force(right)?;
        if same {
            return Ok(());
        }
        let (shown_left, shown_right) = (self.short_text(left), self.short_text(right));
        let differ =
            |kind: &str| Err(differ(format!("{kind} '{shown_left}' is not equal to {kind} '{shown_right}'")));
        match (left.kind(), right.kind()) {
            (Kind::Int(a), Kind::Int(b)) if a == b => Ok(()),
            (Kind::Float(a), Kind::Float(b)) if a == b => Ok(()),
            (Kind::Int(a), Kind::Float(b)) | (Kind::Float(b), Kind::Int(a)) if a as f64 == b => Ok(()),
            (Kind::Int(_) | Kind::Float(_), Kind::Int(_) | Kind::Float(_)) => Err(self::differ(format!(
                "{} with value '{shown_left}' is not equal to {} with value '{shown_right}'",
                type_name(left),
                type_name(right)
            ))),
            (Kind::Bool(a), Kind::Bool(b)) if a == b => Ok(()),
            (Kind::Bool(_), Kind::Bool(_)) => differ("boolean"),
            (Kind::Null, Kind::Null) => Ok(()),
            (Kind::String(a), Kind::String(b)) if a.as_bytes() == b.as_bytes() => Ok(()),
            (Kind::String(_), Kind::String(_)) => differ("string"),
            (Kind::Path(a), Kind::Path(b)) if a.as_bytes() == b.as_bytes() => Ok(()),
            (Kind::Path(_), Kind::Path(_)) => differ("path"),
            (Kind::List(a), Kind::List(b)) => self.nested(pos, |this| this.assert_equal_lists(a, b, pos)),
            (Kind::Attrs(a), Kind::Attrs(b)) => self.nested(pos, |this| this.assert_equal_attrs(a, b, pos)),
            _ if left.is_function() && right.is_function() => Err(self::differ(
                "distinct functions and immediate comparisons of identical functions compare as unequal"
                    .to_owned(),
            )),
            _ => Err(self::differ(format!(
                "{} of value '{shown_left}' is not equal to {} of value '{shown_right}'",
                type_name(left),
                type_name(right)
            ))),
        }
    }

    fn assert_equal_lists(&mut self, left: List, right: List, pos: Pos) -> Result<()> {
        if left.len() != right.len() {
            let (a, b) = (left.len(), right.len());
            let (left, right) = (Value::from_list(left), Value::from_list(right));
            return Err(differ(format!(
                "list of size '{a}' is not equal to list of size '{b}', left hand side is '{}', right hand side is '{}'",
                self.short_text(left),
                self.short_text(right)
            )));
        }
        for (index, (a, b)) in left.iter().zip(right.iter()).enumerate() {
            self.assert_equal(a, b, pos)
                .map_err(|error| error.traced(pos, format!("while comparing list element {index}")))?;
        }
        Ok(())
    }

    fn assert_equal_attrs(&mut self, left: Attrs, right: Attrs, pos: Pos) -> Result<()> {
        if self.is_derivation(left)? && self.is_derivation(right)? {
            let name = self.names.out_path;
            if let (Some(a), Some(b)) = (left.get(name), right.get(name)) {
                let what = "while comparing a derivation by its 'outPath' attribute";
                return self.assert_equal(a, b, pos).map_err(|error| error.traced(pos, what));
            }
        }
        let shown =
            |e: &Self| (e.short_text(Value::from_attrs(left)), e.short_text(Value::from_attrs(right)));
        if left.len() != right.len() {
            let (left, right) = shown(self);
            return Err(differ(format!(
                "attribute names of attribute set '{left}' differs from attribute set '{right}'"
            )));
        }
        let all: (Vec<_>, Vec<_>) = (left.iter().collect(), right.iter().collect());
        for (a, b) in all.0.iter().zip(&all.1) {
            if a.name != b.name {
                let (shown_left, shown_right) = shown(self);
                return Err(differ(if right.contains(a.name) {
                    format!(
                        "attribute name '{}' is missing in '{shown_left}', but is contained in '{shown_right}'",
                        b.name
                    )
                } else {
                    format!(
                        "attribute name '{}' is contained in '{shown_left}', but not in '{shown_right}'",
                        a.name
                    )
                }));
            }
            self.assert_equal(a.value, b.value, pos).map_err(|mut error| {
                for (pos, what) in [(b.pos, "where right hand side is"), (a.pos, "where left hand side is")] {
                    if pos.is_some() {
                        error = error.traced(pos, what);
                    }
                }
                error.traced(pos, format!("while comparing attribute '{}'", a.name))
            })?;
        }
        Ok(())
    }
}

fn differ(message: String) -> Box<EvalError> {
    EvalError::new(ErrorKind::Assertion, Pos::NONE, message)
}
