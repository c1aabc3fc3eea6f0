//! Equality and order.

use std::cmp::Ordering;

use saltire_diagnostics::Pos;

use crate::attrs::Attrs;
use crate::error::{EvalError, Result};
use crate::evaluator::Evaluator;
use crate::list::List;
use crate::print::type_name;
use crate::value::{Kind, Value};

impl Evaluator {
    /// `left == right`.
    ///
    /// Functions are never equal, but a set or list element that is the same object
    /// on both sides is equal whatever it is (compiler platforms in package sets
    /// hold functions and are compared).
    pub fn equal(&mut self, left: Value, right: Value, pos: Pos) -> Result<bool> {
        let left = self.force(left)?;
        let right = self.force(right)?;
        match (left.kind(), right.kind()) {
            (Kind::Int(a), Kind::Int(b)) => Ok(a == b),
            (Kind::Int(a), Kind::Float(b)) => Ok(a as f64 == b),
            (Kind::Float(a), Kind::Int(b)) => Ok(a == b as f64),
            (Kind::Float(a), Kind::Float(b)) => Ok(a == b),
            (Kind::Bool(a), Kind::Bool(b)) => Ok(a == b),
            (Kind::Null, Kind::Null) => Ok(true),
            (Kind::String(a), Kind::String(b)) | (Kind::Path(a), Kind::Path(b)) => {
                Ok(a.as_bytes() == b.as_bytes())
            }
            (Kind::List(a), Kind::List(b)) if a.len() != b.len() => Ok(false),
            (Kind::List(a), Kind::List(b)) => self.nested(pos, |this| this.equal_lists(a, b, pos)),
            (Kind::Attrs(a), Kind::Attrs(b)) => self.nested(pos, |this| this.equal_attrs(a, b, pos)),
            _ => Ok(false),
        }
    }

    /// Elements and attributes: the same object is equal to itself, a function too.
    fn equal_inside(&mut self, left: Value, right: Value, pos: Pos) -> Result<bool> {
        let same = left.is_same(right);
        let left = self.force(left)?;
        let right = self.force(right)?;
        if same {
            return Ok(true);
        }
        self.equal(left, right, pos)
    }

    fn equal_lists(&mut self, left: List, right: List, pos: Pos) -> Result<bool> {
        if left.len() != right.len() {
            return Ok(false);
        }
        for (a, b) in left.iter().zip(right.iter()) {
            if !self.equal_inside(a, b, pos)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn equal_attrs(&mut self, left: Attrs, right: Attrs, pos: Pos) -> Result<bool> {
        if self.is_derivation(left)? && self.is_derivation(right)? {
            let name = self.names.out_path;
            if let (Some(a), Some(b)) = (left.get(name), right.get(name)) {
                return self.equal_inside(a, b, pos);
            }
        }
        if left.len() != right.len() {
            return Ok(false);
        }
        for (a, b) in left.in_order().zip(right.in_order()) {
            if a.name != b.name {
                return Ok(false);
            }
            if !self.equal_inside(a.value, b.value, pos)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a set has `type = "derivation"`.
    pub fn is_derivation(&mut self, attrs: Attrs) -> Result<bool> {
        let Some(value) = attrs.get(self.names.type_) else { return Ok(false) };
        let value = self.force(value)?;
        Ok(value.as_str().is_some_and(|text| text.as_bytes() == b"derivation"))
    }

    /// `left < right`.
    pub fn less(&mut self, left: Value, right: Value, pos: Pos) -> Result<bool> {
        Ok(self.compare(left, right, pos)? == Ordering::Less)
    }

    fn compare_lists(&mut self, left: List, right: List, pos: Pos) -> Result<Ordering> {
        for (x, y) in left.iter().zip(right.iter()) {
            if !self.equal_inside(x, y, pos)? {
                let what = "while comparing two list elements";
                return self.compare(x, y, pos).map_err(|error| error.traced(Pos::NONE, what));
            }
        }
        Ok(left.len().cmp(&right.len()))
    }

    /// The order of two numbers, strings, paths or lists.
    pub fn compare(&mut self, left: Value, right: Value, pos: Pos) -> Result<Ordering> {
        let left = self.force(left)?;
        let right = self.force(right)?;
        let by_float = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or(Ordering::Greater);
        match (left.kind(), right.kind()) {
            (Kind::Int(a), Kind::Int(b)) => Ok(a.cmp(&b)),
            (Kind::Int(a), Kind::Float(b)) => Ok(by_float(a as f64, b)),
            (Kind::Float(a), Kind::Int(b)) => Ok(by_float(a, b as f64)),
            (Kind::Float(a), Kind::Float(b)) => Ok(by_float(a, b)),
            (Kind::String(a), Kind::String(b)) | (Kind::Path(a), Kind::Path(b)) => {
                Ok(a.as_bytes().cmp(b.as_bytes()))
            }
            (Kind::List(a), Kind::List(b)) => self.nested(pos, |this| this.compare_lists(a, b, pos)),
            (a, b) => {
                let same = std::mem::discriminant(&a) == std::mem::discriminant(&b);
                let (kinds, values) =
                    ((type_name(left), type_name(right)), (self.short_text(left), self.short_text(right)));
                let values = format!("values are {} and {}", values.0, values.1);
                let message = if same {
                    format!(
                        "cannot compare {} with {}; values of that type are incomparable ({values})",
                        kinds.0, kinds.1
                    )
                } else {
                    format!("cannot compare {} with {}; {values}", kinds.0, kinds.1)
                };
                Err(EvalError::type_error(pos, message))
            }
        }
    }
}
