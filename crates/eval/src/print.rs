//! Values as text: as `nix-instantiate --eval` prints them, and in messages.

use std::collections::HashSet;

use saltire_diagnostics::Pos;

use crate::builtins::float_text::short;
use crate::error::Result;
use crate::evaluator::Evaluator;
use crate::ir::{Expr, ExprRef};
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
pub fn type_name(value: Value) -> &'static str {
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
        Kind::Builtin(_) => "a built-in function",
        Kind::Partial(_) => "a partially applied built-in function",
    }
}

/// The type and the value, shortened, for messages: `a string: "abc"`.
pub fn describe(value: Value) -> String {
    let kind = type_name(value);
    match value.kind() {
        Kind::Null => kind.to_owned(),
        Kind::Builtin(builtin) => format!("the built-in function '{}'", builtin.name),
        Kind::Partial(partial) => {
            format!("the partially applied built-in function '{}'", partial.builtin.name)
        }
        _ => format!("{kind}: {}", Printer::short(value)),
    }
}

/// The value, shortened, for messages.
pub(crate) fn short_text(value: Value) -> String {
    Printer::short(value)
}

/// A string in quotes, with escapes.
pub fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            b'$' if text.get(index + 1) == Some(&b'{') => out.extend(b"\\$"),
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// An attribute's name, quoted if it is no identifier.
pub fn attribute_name(out: &mut Vec<u8>, name: &[u8]) {
    const KEYWORDS: [&[u8]; 10] =
        [b"if", b"then", b"else", b"assert", b"with", b"let", b"in", b"rec", b"inherit", b"or"];
    let identifier = name.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'\'' | b'-'));
    if identifier && !KEYWORDS.contains(&name) { out.extend_from_slice(name) } else { quote(out, name) }
}

/// Prints values without evaluating anything.
#[derive(Default)]
struct Printer {
    out: Vec<u8>,
    seen: HashSet<usize>,
    limits: Option<Limits>,
}

/// How much of a value a message shows.
struct Limits {
    depth: usize,
    items: usize,
    bytes: usize,
}

impl Printer {
    fn short(value: Value) -> String {
        let limits = Some(Limits { depth: 3, items: 10, bytes: 1024 });
        let mut printer = Printer { limits, ..Printer::default() };
        printer.value(value, 0, None);
        String::from_utf8_lossy(&printer.out).into_owned()
    }

    /// Whether an object is printed for the first time; by address of its slots.
    fn first(&mut self, address: usize) -> bool {
        let first = self.seen.insert(address);
        if !first {
            self.out.extend("«repeated»".as_bytes());
        }
        first
    }

    fn value(&mut self, value: Value, depth: usize, places: Option<&Evaluator>) {
        let too_deep = self.limits.as_ref().is_some_and(|limits| depth >= limits.depth);
        let items = self.limits.as_ref().map_or(usize::MAX, |limits| limits.items);
        match value.resolve().kind() {
            Kind::Thunk(_) => self.out.extend("«thunk»".as_bytes()),
            Kind::Null => self.out.extend(b"null"),
            Kind::Bool(value) => self.out.extend(value.to_string().as_bytes()),
            Kind::Int(value) => self.out.extend(value.to_string().as_bytes()),
            Kind::Float(value) => self.out.extend(short(value).as_bytes()),
            Kind::String(text) => {
                let limit = self.limits.as_ref().map_or(usize::MAX, |limits| limits.bytes);
                let bytes = text.as_bytes();
                quote(&mut self.out, &bytes[..bytes.len().min(limit)]);
                if bytes.len() > limit {
                    let more = format!(" «{} bytes elided»", bytes.len() - limit);
                    self.out.extend(more.as_bytes());
                }
            }
            Kind::Path(path) => self.out.extend(path.as_bytes()),
            Kind::List(list) if list.is_empty() => self.out.extend(b"[ ]"),
            Kind::List(_) if too_deep => self.out.extend("[ ... ]".as_bytes()),
            Kind::List(list) => {
                if !self.first(list.slots().as_ptr() as usize) {
                    return;
                }
                self.out.extend(b"[ ");
                for item in list.iter().take(items) {
                    self.value(item, depth + 1, places);
                    self.out.push(b' ');
                }
                self.elided(list.len(), items, "item");
                self.out.push(b']');
            }
            Kind::Attrs(attrs) if attrs.is_empty() => self.out.extend(b"{ }"),
            Kind::Attrs(_) if too_deep => self.out.extend(b"{ ... }"),
            Kind::Attrs(attrs) => {
                if !self.first(std::ptr::from_ref(attrs.0) as usize) {
                    return;
                }
                self.out.extend(b"{ ");
                for attr in attrs.sorted().into_iter().take(items) {
                    attribute_name(&mut self.out, attr.name.as_bytes());
                    self.out.extend(b" = ");
                    self.value(attr.value, depth + 1, places);
                    self.out.extend(b"; ");
                }
                self.elided(attrs.len(), items, "attribute");
                self.out.push(b'}');
            }
            Kind::Lambda(closure) => {
                let name = closure.0.code.name.map(|name| format!(" {name}")).unwrap_or_default();
                let at = places.map(|p| format!(" @ {}", p.describe_pos(closure.0.code.pos)));
                self.out.extend(format!("«lambda{name}{}»", at.unwrap_or_default()).as_bytes());
            }
            Kind::Builtin(builtin) => {
                self.out.extend(format!("«primop {}»", builtin.name).as_bytes());
            }
            Kind::Partial(partial) => {
                self.out.extend(format!("«partially applied primop {}»", partial.builtin.name).as_bytes());
            }
        }
    }

    fn elided(&mut self, len: usize, shown: usize, what: &str) {
        if len > shown {
            let more = len - shown;
            let plural = if more == 1 { "" } else { "s" };
            self.out.extend(format!("«{more} {what}{plural} elided» ").as_bytes());
        }
    }
}

impl Evaluator {
    /// The value as text, as far as it is evaluated.
    pub fn print(&self, value: Value) -> Vec<u8> {
        let mut printer = Printer::default();
        printer.value(value, 0, Some(self));
        printer.out
    }

    /// Evaluates everything in a value.
    pub fn force_deep(&mut self, value: Value) -> Result<Value> {
        let mut seen = HashSet::new();
        self.force_deep_into(value, &mut seen)
    }

    fn force_deep_into(&mut self, value: Value, seen: &mut HashSet<usize>) -> Result<Value> {
        let value = self.force(value)?;
        self.check_stack(Pos::NONE)?;
        match value.kind() {
            Kind::List(list) if !list.is_empty() && seen.insert(list.slots().as_ptr() as usize) => {
                for item in list.iter() {
                    self.force_deep_into(item, seen)?;
                }
            }
            Kind::Attrs(attrs) if seen.insert(std::ptr::from_ref(attrs.0) as usize) => {
                for attr in attrs.sorted() {
                    self.force_deep_into(attr.value, seen).map_err(|error| {
                        error.traced(attr.pos, format!("while evaluating the attribute '{}'", attr.name))
                    })?;
                }
            }
            _ => {}
        }
        Ok(value)
    }

    /// An expression as in a message about a failed assertion.
    pub(crate) fn expr_text(&self, expr: ExprRef) -> String {
        let mut out = Vec::new();
        if let Expr::Constant(value) = expr {
            out = self.print(*value);
        } else if let Some(pos) = self.expr_pos(expr)
            && let Some(location) = self.sources().resolve(pos)
        {
            let line = location.file.line(location.line);
            out.extend_from_slice(&line[(location.column as usize - 1).min(line.len())..]);
            let end = out.iter().position(|byte| *byte == b';').unwrap_or(out.len());
            out.truncate(end);
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    fn expr_pos(&self, expr: ExprRef) -> Option<Pos> {
        Some(match expr {
            Expr::Local { pos, .. } | Expr::Variable { pos, .. } | Expr::Call { pos, .. } => *pos,
            Expr::Not { pos, .. } | Expr::HasAttr { pos, .. } | Expr::If { pos, .. } => *pos,
            Expr::Select(select) => return self.expr_pos(select.subject).or(Some(select.pos)),
            Expr::SelectPath(select) => select.pos,
            Expr::With(variable) => variable.pos,
            Expr::Binary { operands, .. } => return self.expr_pos(operands.0),
            _ => return None,
        })
    }
}
