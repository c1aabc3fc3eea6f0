//! Attribute paths as command lines name them: `a."b.c".0`.

use saltire_diagnostics::Pos;
use saltire_eval::{Attrs, ErrorKind, EvalError, Evaluator, Symbol, Value, did_you_mean, type_name};

type Result<T> = std::result::Result<T, Box<EvalError>>;

/// The names of an attribute path; none for the empty one.
pub fn split_attribute_path(path: &str) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quoted = false;
    for character in path.chars() {
        match character {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    if quoted {
        return Err(EvalError::other(Pos::NONE, format!("missing closing quote in selection path '{path}'")));
    }
    if !part.is_empty() {
        parts.push(part);
    }
    Ok(parts)
}

/// The value at an attribute path. Functions on the way are called with `arguments`
/// and their defaults; what is found at the end is not, and is not evaluated.
pub fn find_along(evaluator: &mut Evaluator, root: Value, path: &str, arguments: Attrs) -> Result<Value> {
    let mut value = root;
    for part in split_attribute_path(path)? {
        value = evaluator.force(value)?;
        value = evaluator.auto_call(value, arguments)?;
        value = evaluator.force(value)?;
        let index = part.parse::<usize>().ok();
        value = match (value.as_list(), index) {
            (Some(list), Some(index)) => list.get(index).ok_or_else(|| {
                let message = format!("list index {index} in selection path '{path}' is out of range");
                EvalError::new(ErrorKind::MissingAttribute, Pos::NONE, message)
            })?,
            _ => attribute(value, &part, path)?,
        };
    }
    Ok(value)
}

fn attribute(value: Value, part: &str, path: &str) -> Result<Value> {
    let missing = |message: String| EvalError::new(ErrorKind::MissingAttribute, Pos::NONE, message);
    let Some(attrs) = value.as_attrs() else {
        let kind = if part.parse::<usize>().is_ok() { "list" } else { "set" };
        let found = type_name(value);
        let message = format!(
            "the expression selected by the selection path '{path}' should be a {kind} but is {found}"
        );
        return Err(EvalError::type_error(Pos::NONE, message));
    };
    if part.is_empty() {
        return Err(missing(format!("empty attribute name in selection path '{path}'")));
    }
    attrs.get(Symbol::intern(part)).ok_or_else(|| {
        let hint = did_you_mean(part.as_bytes(), attrs.iter().map(|attr| attr.name.as_bytes()));
        missing(format!("attribute '{part}' in selection path '{path}' not found")).with_hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltire_eval::FsHost;
    use std::sync::Arc;

    #[test]
    fn paths_are_split_at_dots_outside_of_quotes() {
        let check = |path: &str, expected: &[&str]| assert_eq!(split_attribute_path(path).unwrap(), expected);
        check("", &[]);
        check("a.b.0", &["a", "b", "0"]);
        check("a.\"b.c\".d", &["a", "b.c", "d"]);
        check("a.", &["a"]);
        check("a..b", &["a", "", "b"]);
        assert!(split_attribute_path("a.\"b").is_err());
    }

    fn check(root: &str, path: &str, expected: &str) {
        let host = Arc::new(FsHost::new("x86_64-linux"));
        let mut evaluator = Evaluator::new(host, saltire_eval::Settings::default());
        let root = evaluator.eval_str(root, b"/").unwrap();
        let five = evaluator.eval_str("{ five = 5; }", b"/").unwrap().as_attrs().unwrap();
        let found = find_along(&mut evaluator, root, path, five).and_then(|value| evaluator.force(value));
        let text = match found {
            Ok(value) => String::from_utf8(evaluator.print(value)).unwrap(),
            Err(error) => error.message,
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn functions_on_the_way_are_called_and_the_last_is_not() {
        check("{ five }: { a = [ 1 { b = five; } ]; }", "a.1.b", "5");
        check("{ a = { five }: five; }", "a", "«lambda a @ «string»:1:7»");
        check("{ aa = 1; }", "ab", "attribute 'ab' in selection path 'ab' not found");
        check("{ a = [ ]; }", "a.0", "list index 0 in selection path 'a.0' is out of range");
        check(
            "{ a = 1; }",
            "a.b",
            "the expression selected by the selection path 'a.b' should be a set but is an integer",
        );
        check("{ a = 1; }", "a.", "1");
    }
}
