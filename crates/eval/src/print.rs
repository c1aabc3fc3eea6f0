//! Types, names and strings as text, for messages and for the printers in
//! [`crate::printer`]; evaluating all of a value.

use std::collections::HashSet;

use saltire_diagnostics::Pos;

use crate::error::{Result, Traced};
use crate::evaluator::Evaluator;
use crate::printer::short_text;
use crate::symbol::Symbol;
use crate::value::{Kind, Value};

/// The type as `builtins.typeOf` names it.
pub fn type_of(value: Value) -> &'static str {
    match value.kind() {
        Kind::Thunk(_) => "thunk",
        Kind::Null => "null",
        Kind::Bool(_) => "bool",
        Kind::Int(_) => "int",
        Kind::Float(_) => "float",
        Kind::String(_) => "string",
        Kind::Path(_) => "path",
        Kind::List(_) => "list",
        Kind::Attrs(_) => "set",
        Kind::Lambda(_) | Kind::Builtin(_) | Kind::Partial(_) => "lambda",
    }
}

/// The type with an article, for messages.
pub fn type_name(value: Value) -> String {
    match value.kind() {
        Kind::Thunk(_) => "a thunk",
        Kind::Null => "null",
        Kind::Bool(_) => "a Boolean",
        Kind::Int(_) => "an integer",
        Kind::Float(_) => "a float",
        Kind::String(text) if !text.context().is_empty() => "a string with context",
        Kind::String(_) => "a string",
        Kind::Path(_) => "a path",
        Kind::List(_) => "a list",
        Kind::Attrs(_) => "a set",
        Kind::Lambda(_) => "a function",
        Kind::Builtin(builtin) => return format!("the built-in function '{}'", builtin.name),
        Kind::Partial(partial) => {
            return format!("the partially applied built-in function '{}'", partial.builtin.name);
        }
    }
    .to_owned()
}

/// The type and the value, shortened, for messages: `a string: "abc"`.
pub fn describe(value: Value) -> String {
    format!("{}: {}", type_name(value), short_text(value))
}

/// An attribute's name as messages show it: in quotes of its own if it is no identifier.
pub(crate) fn shown_name(name: Symbol) -> String {
    let mut out = Vec::new();
    attribute_name(&mut out, name.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// A string in quotes, with escapes.
pub fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    escape(out, text, text.len());
    out.push(b'"');
}

/// The first `shown` bytes of a text with escapes.
fn escape(out: &mut Vec<u8>, text: &[u8], shown: usize) {
    for (index, byte) in text[..shown].iter().enumerate() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            b'$' if text.get(index + 1) == Some(&b'{') => out.extend(b"\\$"),
            byte => out.push(*byte),
        }
    }
}

/// An attribute's name, quoted if it is no identifier.
pub fn attribute_name(out: &mut Vec<u8>, name: &[u8]) {
    // `or` is a name where an attribute's name stands.
    const KEYWORDS: [&[u8]; 9] =
        [b"if", b"then", b"else", b"assert", b"with", b"let", b"in", b"rec", b"inherit"];
    let identifier = name.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'\'' | b'-'));
    if identifier && !KEYWORDS.contains(&name) { out.extend_from_slice(name) } else { quote(out, name) }
}

impl Evaluator {
    /// The type and the value, shortened, for messages: `a string: "abc"`.
    pub fn describe(&self, value: Value) -> String {
        format!("{}: {}", type_name(value), self.short_text(value))
    }

    /// Evaluates everything in a value.
    pub fn force_deep(&mut self, value: Value) -> Result<Value> {
        let mut seen = HashSet::new();
        self.force_deep_into(value, Pos::NONE, &mut seen)
    }

    fn force_deep_into(&mut self, value: Value, pos: Pos, seen: &mut HashSet<usize>) -> Result<Value> {
        let value = self.force(value)?;
        match value.kind() {
            Kind::List(list) if !list.is_empty() && seen.insert(list.slots().as_ptr() as usize) => {
                self.nested(pos, |this| {
                    list.iter().enumerate().try_for_each(|(index, item)| {
                        let what = || format!("while evaluating list element at index {index}");
                        this.force_deep_into(item, pos, seen).traced(Pos::NONE, what).map(drop)
                    })
                })?;
            }
            Kind::Attrs(attrs) if seen.insert(std::ptr::from_ref(attrs.0) as usize) => {
                self.nested(pos, |this| {
                    attrs.sorted().iter().try_for_each(|attr| {
                        let what = || format!("while evaluating the attribute '{}'", shown_name(attr.name));
                        this.force_deep_into(attr.value, attr.pos, seen).traced(attr.pos, what).map(drop)
                    })
                })?;
            }
            Kind::Lambda(closure) => closure.mark_used(),
            _ => {}
        }
        Ok(value)
    }
}
