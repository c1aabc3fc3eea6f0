//! Finding values by attribute path, as command lines name them.

use saltire_diagnostics::Pos;

use crate::error::{ErrorKind, EvalError, Result, did_you_mean};
use crate::evaluator::Evaluator;
use crate::print::describe;
use crate::symbol::Symbol;
use crate::value::Value;

/// The parts of `a."b.c".0`.
fn parts(path: &str) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quoted = false;
    let mut pending = false;
    for character in path.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                pending = true;
            }
            '.' if !quoted => {
                parts.push(std::mem::take(&mut part));
                pending = true;
            }
            other => {
                part.push(other);
                pending = true;
            }
        }
    }
    if quoted {
        return Err(EvalError::other(Pos::NONE, format!("missing closing quote in selection path '{path}'")));
    }
    if pending {
        parts.push(part);
    }
    Ok(parts)
}

impl Evaluator {
    /// The value at a path such as `a.b.0`; functions on the way are called with
    /// their defaults. An empty path is the value itself.
    pub fn select_path_text(&mut self, value: Value, path: &str) -> Result<Value> {
        let no_arguments = self.new_attrs(Vec::new());
        let Some(no_arguments) = no_arguments.as_attrs() else { return Ok(value) };
        let mut value = self.auto_call(value, no_arguments)?;
        for part in parts(path)? {
            let index = part.parse::<usize>().ok();
            value = match (value.as_list(), index) {
                (Some(list), Some(index)) => match list.get(index) {
                    Some(item) => item,
                    None => {
                        let message =
                            format!("list index {index} in selection path '{path}' is out of range");
                        return Err(EvalError::new(ErrorKind::MissingAttribute, Pos::NONE, message));
                    }
                },
                _ => self.select_text(value, &part, path)?,
            };
            value = self.auto_call(value, no_arguments)?;
        }
        Ok(value)
    }

    fn select_text(&mut self, value: Value, part: &str, path: &str) -> Result<Value> {
        let Some(attrs) = value.as_attrs() else {
            let message = format!(
                "the expression selected by the selection path '{path}' should be a set but is {}",
                describe(value)
            );
            return Err(EvalError::type_error(Pos::NONE, message));
        };
        match attrs.get(Symbol::intern(part)) {
            Some(value) => Ok(value),
            None => {
                let hint = did_you_mean(part.as_bytes(), attrs.iter().map(|attr| attr.name.as_bytes()));
                let message = format!("attribute '{part}' in selection path '{path}' not found");
                Err(EvalError::new(ErrorKind::MissingAttribute, Pos::NONE, message).with_hint(hint))
            }
        }
    }

    /// The path of the `.drv` of a derivation; `None` for anything else.
    pub fn derivation_path(&mut self, value: Value) -> Result<Option<String>> {
        let value = self.force(value)?;
        let Some(attrs) = value.as_attrs() else { return Ok(None) };
        if !self.is_derivation(attrs)? {
            return Ok(None);
        }
        // That this attribute is being evaluated is no step that the user wrote.
        let path = match attrs.get(self.names.drv_path) {
            Some(path) => self.force(path)?,
            None => self.select(value, self.names.drv_path, Pos::NONE)?,
        };
        Ok(path.as_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn paths_are_split_at_dots_outside_of_quotes() {
        let check = |path: &str, expected: &[&str]| assert_eq!(parts(path).unwrap(), expected);
        check("", &[]);
        check("a.b.0", &["a", "b", "0"]);
        check("a.\"b.c\".d", &["a", "b.c", "d"]);
        assert!(parts("a.\"b").is_err());
    }
}
