//! A tree as text: what `nix-instantiate --parse` prints (that of Nix 2.35).
//!
//! Everything is in parentheses, names are sorted, operators that are calls of
//! builtins in the reference are printed as such, and paths are absolute.

use crate::ast::{
    AttrName, Attribute, AttributeValue, BinaryOperator, Bindings, Expr, ExprKind, Lambda, PathBase,
    StringPart,
};
use bstr::{BStr, BString, ByteSlice};
use std::io::Write as _;

/// What relative paths in the tree are relative to.
#[derive(Clone, Copy, Debug)]
pub struct PrintPaths<'p> {
    /// For `./a`: the absolute path of the folder that the file is in.
    pub directory: &'p [u8],
    /// For `~/a`: the user's home folder.
    pub home: &'p [u8],
}

/// The tree in the form of `nix-instantiate --parse`, without a line break at
/// the end.
pub fn print(expression: &Expr, paths: PrintPaths) -> BString {
    let mut printer = Printer { out: BString::default(), paths };
    printer.expression(expression);
    printer.out
}

/// A name as it is written in a set: in quotes only where needed.
pub(crate) fn write_name(out: &mut BString, name: &BStr) {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'\'' | b'-');
    let starts = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    let keyword = crate::token::Token::keyword(name).is_some_and(|token| token.is_keyword());
    if !keyword && name.first().is_some_and(starts) && name.iter().all(plain) {
        out.extend_from_slice(name);
    } else {
        write_string(out, name);
    }
}

/// A string literal.
fn write_string(out: &mut BString, text: &[u8]) {
    out.push(b'"');
    for (i, &byte) in text.iter().enumerate() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'$' if text.get(i + 1) == Some(&b'{') => out.extend_from_slice(b"\\$"),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

/// A number with six significant digits, as C's `%g` prints it.
fn write_float(out: &mut BString, value: f64) {
    let scientific = format!("{value:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    let text = if (-4..6).contains(&exponent) {
        trim(&format!("{value:.*}", (5 - exponent).max(0) as usize))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
    };
    out.extend_from_slice(text.as_bytes());
}

struct Printer<'p> {
    out: BString,
    paths: PrintPaths<'p>,
}

impl Printer<'_> {
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn expression(&mut self, expression: &Expr) {
        crate::deep(|| self.expression_here(expression));
    }

    /// Long, as it has one arm for each kind.
    fn expression_here(&mut self, expression: &Expr) {
        match expression.kind {
            ExprKind::Deferred(_) => self.out.extend_from_slice("…".as_bytes()),
            ExprKind::Int(value) => {
                let _ = write!(self.out, "{value}");
            }
            ExprKind::Float(value) => write_float(&mut self.out, value),
            ExprKind::String(text) => write_string(&mut self.out, text),
            ExprKind::Interpolated(parts) => self.interpolated(parts),
            ExprKind::Path(base, parts) => self.path(base, parts),
            ExprKind::Var(name) => self.name(name),
            ExprKind::Select { subject, path, default } => self.select(subject, path, default),
            ExprKind::HasAttr { subject, path } => {
                self.text("((");
                self.expression(subject);
                self.text(") ? ");
                self.attr_path(path);
                self.text(")");
            }
            ExprKind::Lambda(lambda) => self.lambda(lambda),
            ExprKind::Let(bindings, body) => {
                self.text("(let ");
                self.bindings(bindings);
                self.text("in ");
                self.expression(body);
                self.text(")");
            }
            ExprKind::LegacyLet(bindings) => {
                self.text("(rec { ");
                self.bindings(bindings);
                self.text("}).body");
            }
            ExprKind::AttrSet { recursive, bindings } => {
                self.text(if recursive { "rec { " } else { "{ " });
                self.bindings(bindings);
                self.text("}");
            }
            ExprKind::List(elements) => {
                self.text("[ ");
                for element in elements {
                    self.text("(");
                    self.expression(element);
                    self.text(") ");
                }
                self.text("]");
            }
            ExprKind::With(scope, body) => self.mixed(&["(with ", "; ", ")"], &[scope, body]),
            ExprKind::If(condition, yes, no) => {
                self.mixed(&["(if ", " then ", " else ", ")"], &[condition, yes, no]);
            }
            ExprKind::Assert(condition, body) => {
                self.mixed(&["assert ", "; ", ""], &[condition, body]);
            }
            ExprKind::Not(operand) => self.mixed(&["(! ", ")"], &[operand]),
            ExprKind::Binary { operator, left, right, .. } if infix(operator).is_some() => {
                let operator = infix(operator).unwrap_or_default();
                self.mixed(&["(", operator, ")"], &[left, right]);
            }
            ExprKind::Binary { operator: BinaryOperator::LessOrEqual, left, right, .. } => {
                self.mixed(&["(! (__lessThan ", " ", "))"], &[right, left])
            }
            ExprKind::Binary { operator: BinaryOperator::GreaterOrEqual, left, right, .. } => {
                self.mixed(&["(! (__lessThan ", " ", "))"], &[left, right])
            }
            ExprKind::Apply { .. }
            | ExprKind::SearchPath(_)
            | ExprKind::Negate(_)
            | ExprKind::Binary { .. } => {
                self.open_call(expression);
                self.text(")");
            }
        }
    }

    /// Texts with expressions between them.
    fn mixed(&mut self, texts: &[&str], expressions: &[&Expr]) {
        for (i, text) in texts.iter().enumerate() {
            self.text(text);
            if let Some(expression) = expressions.get(i) {
                self.expression(expression);
            }
        }
    }

    /// A call without the closing parenthesis, as the arguments of a call of a
    /// call are printed together.
    fn open_call(&mut self, function: &Expr) {
        use BinaryOperator as Op;
        match function.kind {
            ExprKind::Apply { function, arguments } => {
                // The reference does not join what the odd `f or` is made of.
                let odd = matches!(arguments, [Expr { kind: ExprKind::Var(name), .. }] if *name == "or");
                if odd {
                    self.mixed(&["("], &[function]);
                } else {
                    crate::deep(|| self.open_call(function));
                }
                for argument in arguments {
                    self.text(" ");
                    self.expression(argument);
                }
            }
            ExprKind::SearchPath(text) => {
                self.text("(__findFile __nixPath ");
                write_string(&mut self.out, text);
            }
            ExprKind::Negate(operand) => self.mixed(&["(__sub 0 "], &[operand]),
            ExprKind::Binary { operator, left, right, .. } => match operator {
                Op::Subtract => self.mixed(&["(__sub ", " "], &[left, right]),
                Op::Multiply => self.mixed(&["(__mul ", " "], &[left, right]),
                Op::Divide => self.mixed(&["(__div ", " "], &[left, right]),
                Op::Less => self.mixed(&["(__lessThan ", " "], &[left, right]),
                Op::Greater => self.mixed(&["(__lessThan ", " "], &[right, left]),
                Op::PipeRight | Op::PipeLeft => {
                    let (function, argument) = match operator {
                        Op::PipeRight => (right, left),
                        _ => (left, right),
                    };
                    crate::deep(|| self.open_call(function));
                    self.mixed(&[" "], &[argument]);
                }
                _ => self.mixed(&["("], &[function]),
            },
            _ => self.mixed(&["("], &[function]),
        }
    }

    fn name(&mut self, name: &BStr) {
        write_name(&mut self.out, name);
    }

    fn interpolated(&mut self, parts: &[StringPart]) {
        self.text("(");
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                self.text(" + ");
            }
            self.string_part(part);
        }
        self.text(")");
    }

    fn string_part(&mut self, part: &StringPart) {
        match part {
            StringPart::Literal(text, _) => write_string(&mut self.out, text),
            StringPart::Interpolation(expression) => self.expression(expression),
        }
    }

    fn path(&mut self, base: PathBase, parts: &[StringPart]) {
        let (first, rest) = match parts {
            [StringPart::Literal(first, _), rest @ ..] => (*first, rest),
            _ => (BStr::new(""), parts),
        };
        if !rest.is_empty() {
            self.text("(");
        }
        match base {
            PathBase::Absolute => self.canonical(b"", first),
            PathBase::Relative => self.canonical(self.paths.directory, first),
            PathBase::Home => {
                self.out.extend_from_slice(self.paths.home);
                self.out.push(b'/');
                self.out.extend_from_slice(first);
            }
        }
        for part in rest {
            self.text(" + ");
            self.string_part(part);
        }
        if !rest.is_empty() {
            self.text(")");
        }
    }

    /// A path without `.`, `..` and doubled slashes; a slash at its end stays.
    fn canonical(&mut self, directory: &[u8], path: &BStr) {
        let mut names: Vec<&[u8]> = Vec::new();
        let all = directory.split_str("/").chain(path.split_str("/"));
        for name in all {
            match name {
                b"" | b"." => {}
                b".." => {
                    names.pop();
                }
                name => names.push(name),
            }
        }
        for name in &names {
            self.out.push(b'/');
            self.out.extend_from_slice(name);
        }
        if names.is_empty() || (path.len() > 1 && path.ends_with(b"/")) {
            self.out.push(b'/');
        }
    }

    fn select(&mut self, subject: &Expr, path: &[AttrName], default: Option<&Expr>) {
        self.mixed(&["(", ")."], &[subject]);
        self.attr_path(path);
        if let Some(default) = default {
            self.mixed(&[" or (", ")"], &[default]);
        }
    }

    fn attr_path(&mut self, path: &[AttrName]) {
        for (i, name) in path.iter().enumerate() {
            if i > 0 {
                self.text(".");
            }
            match name {
                AttrName::Static(name) => self.name(name.text),
                AttrName::Dynamic(name) => self.mixed(&["\"${", "}\""], &[name]),
            }
        }
    }

    fn lambda(&mut self, lambda: &Lambda) {
        self.text("(");
        if let Some(formals) = lambda.formals {
            self.text("{ ");
            let mut sorted = formals.formals.to_vec();
            sorted.sort_by_key(|formal| formal.name.text);
            let mut separator = "";
            for formal in sorted {
                self.text(separator);
                self.name(formal.name.text);
                if let Some(default) = formal.default {
                    self.mixed(&[" ? "], &[default]);
                }
                separator = ", ";
            }
            if formals.ellipsis {
                self.text(separator);
                self.text("...");
            }
            self.text(" }");
            if lambda.argument.is_some() {
                self.text(" @ ");
            }
        }
        if let Some(argument) = lambda.argument {
            self.name(argument.text);
        }
        self.mixed(&[": ", ")"], &[lambda.body]);
    }

    fn bindings(&mut self, bindings: &Bindings) {
        let mut sorted: Vec<&Attribute> = bindings.attributes.iter().collect();
        sorted.sort_by_key(|attribute| attribute.name.text);
        self.inherited(&sorted, "inherit", |value| matches!(value, AttributeValue::Inherited));
        let mut sources: Vec<usize> = sorted
            .iter()
            .filter_map(|attribute| match attribute.value {
                AttributeValue::InheritedFrom(source) => Some(source),
                _ => None,
            })
            .collect();
        sources.sort_unstable();
        sources.dedup();
        for source in sources {
            self.mixed(&["inherit (", ")"], &[&bindings.inherit_from[source]]);
            self.inherited(
                &sorted,
                "",
                |value| matches!(value, AttributeValue::InheritedFrom(s) if *s == source),
            );
        }
        for attribute in sorted {
            if let AttributeValue::Plain(value) = attribute.value {
                self.name(attribute.name.text);
                self.mixed(&[" = ", "; "], &[value]);
            }
        }
        for attribute in bindings.dynamic {
            self.mixed(&["\"${", "}\" = ", "; "], &[attribute.name, attribute.value]);
        }
    }

    /// The names with such a value behind a word, if there are any.
    fn inherited(&mut self, sorted: &[&Attribute], word: &str, wanted: impl Fn(&AttributeValue) -> bool) {
        let mut word = Some(word);
        for attribute in sorted.iter().filter(|attribute| wanted(&attribute.value)) {
            if let Some(word) = word.take() {
                self.text(word);
            }
            self.text(" ");
            self.name(attribute.name.text);
        }
        if word.is_none() {
            self.text("; ");
        }
    }
}

/// The operators that the reference prints as operators.
fn infix(operator: BinaryOperator) -> Option<&'static str> {
    Some(match operator {
        BinaryOperator::Add => " + ",
        BinaryOperator::Concat => " ++ ",
        BinaryOperator::Update => " // ",
        BinaryOperator::Equal => " == ",
        BinaryOperator::NotEqual => " != ",
        BinaryOperator::And => " && ",
        BinaryOperator::Or => " || ",
        BinaryOperator::Implies => " -> ",
        _ => return None,
    })
}
