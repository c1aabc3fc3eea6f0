//! From a tree to bytes.

use saltire_syntax::ast::{
    AttrName, AttributeValue, BinaryOperator, Bindings, Expr, ExprKind, Lambda, Name, PathBase, StringPart,
};

use super::tag;

/// A branch that is longer than this many bytes of text is read when it is taken.
const LARGE: u32 = 200;

/// The bytes of a tree.
pub(crate) fn write(tree: &Expr<'_>) -> Vec<u8> {
    let mut writer = Writer { out: Vec::new(), last: 0 };
    writer.expr(tree);
    writer.out
}

struct Writer {
    out: Vec<u8>,
    /// The place that was written last.
    last: u32,
}

/// Whether an expression that is needed later, if at all, is better read at once:
/// it needs no thunk, or not more than its length would.
fn is_small(expr: &Expr<'_>) -> bool {
    match expr.kind {
        ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::String(_)
        | ExprKind::Path(..)
        | ExprKind::Var(_)
        | ExprKind::Lambda(_) => true,
        ExprKind::Select { path, default, subject } => {
            path.len() == 1 && default.is_none() && matches!(subject.kind, ExprKind::Var(_))
        }
        ExprKind::List(items) => items.is_empty(),
        _ => false,
    }
}

impl Writer {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.out.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.out.extend_from_slice(text);
    }

    fn place(&mut self, start: u32) {
        let difference = i64::from(start) - i64::from(self.last);
        self.number((difference << 1 ^ difference >> 63) as u64);
        self.last = start;
    }

    fn name(&mut self, name: &Name<'_>) {
        self.text(name.text);
        self.place(name.span.start);
    }

    /// An expression that is needed later, if at all.
    fn later(&mut self, expr: &Expr<'_>) {
        if is_small(expr) {
            return self.expr(expr);
        }
        self.out.push(tag::DEFERRED);
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        let last = std::mem::take(&mut self.last);
        self.expr(expr);
        self.last = last;
        // A source text has less than four gigabytes, and its tree is not much larger;
        // of one that is, the piece's end would be wrong and hence not be read.
        let len = u32::try_from(self.out.len() - at - 4).unwrap_or(u32::MAX);
        self.out[at..at + 4].copy_from_slice(&len.to_le_bytes());
    }

    fn branch(&mut self, expr: &Expr<'_>) {
        let large = expr.span.end.saturating_sub(expr.span.start) > LARGE;
        if large { self.later(expr) } else { self.expr(expr) }
    }

    fn later_if_any(&mut self, expr: Option<&Expr<'_>>) {
        self.out.push(u8::from(expr.is_some()));
        if let Some(expr) = expr {
            self.later(expr);
        }
    }

    fn all_later(&mut self, exprs: &[Expr<'_>]) {
        self.number(exprs.len() as u64);
        for expr in exprs {
            self.later(expr);
        }
    }

    fn expr(&mut self, expr: &Expr<'_>) {
        let at = self.out.len();
        self.out.push(0);
        self.place(expr.span.start);
        self.out[at] = match &expr.kind {
            ExprKind::Deferred(_) => unreachable!("the parser leaves nothing out"),
            ExprKind::Int(value) => {
                self.number((value << 1 ^ value >> 63) as u64);
                tag::INT
            }
            ExprKind::Float(value) => {
                self.out.extend_from_slice(&value.to_bits().to_le_bytes());
                tag::FLOAT
            }
            ExprKind::String(text) => {
                self.text(text);
                tag::STRING
            }
            ExprKind::Interpolated(parts) => {
                self.string_parts(parts);
                tag::INTERPOLATED
            }
            ExprKind::Path(base, parts) => {
                self.out.push(match base {
                    PathBase::Absolute => 0,
                    PathBase::Relative => 1,
                    PathBase::Home => 2,
                });
                self.parts(parts);
                tag::PATH
            }
            ExprKind::SearchPath(text) => {
                self.text(text);
                tag::SEARCH_PATH
            }
            ExprKind::Var(text) => {
                self.text(text);
                tag::VAR
            }
            ExprKind::Select { subject, path, default } => {
                self.expr(subject);
                self.path(path);
                match default {
                    None => tag::SELECT,
                    Some(default) => {
                        self.later(default);
                        tag::SELECT_OR
                    }
                }
            }
            ExprKind::HasAttr { subject, path } => {
                self.expr(subject);
                self.path(path);
                tag::HAS_ATTR
            }
            ExprKind::Apply { function, arguments } => {
                self.expr(function);
                self.all_later(arguments);
                tag::APPLY
            }
            ExprKind::Lambda(lambda) => {
                self.lambda(lambda);
                tag::LAMBDA
            }
            ExprKind::Let(bindings, body) => {
                self.bindings(bindings);
                self.expr(body);
                tag::LET
            }
            ExprKind::LegacyLet(bindings) => {
                self.bindings(bindings);
                tag::LEGACY_LET
            }
            ExprKind::AttrSet { recursive, bindings } => {
                self.bindings(bindings);
                if *recursive { tag::RECURSIVE_SET } else { tag::ATTR_SET }
            }
            ExprKind::List(items) => {
                self.all_later(items);
                tag::LIST
            }
            ExprKind::With(subject, body) => {
                self.later(subject);
                self.expr(body);
                tag::WITH
            }
            ExprKind::If(condition, yes, no) => {
                self.expr(condition);
                self.branch(yes);
                self.branch(no);
                tag::IF
            }
            ExprKind::Assert(condition, body) => {
                self.expr(condition);
                self.branch(body);
                tag::ASSERT
            }
            ExprKind::Not(operand) => {
                self.expr(operand);
                tag::NOT
            }
            ExprKind::Negate(operand) => {
                self.expr(operand);
                tag::NEGATE
            }
            ExprKind::Binary { operator, operator_span, left, right } => {
                self.binary(*operator, operator_span.start, left, right);
                tag::BINARY
            }
        };
    }

    fn binary(&mut self, operator: BinaryOperator, start: u32, left: &Expr<'_>, right: &Expr<'_>) {
        self.out.push(operator as u8);
        self.place(start);
        match operator {
            BinaryOperator::PipeRight => self.later(left),
            _ => self.expr(left),
        }
        match operator {
            BinaryOperator::PipeLeft => self.later(right),
            BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Implies => self.branch(right),
            _ => self.expr(right),
        }
    }

    /// The parts of a string; neighbouring texts are one.
    fn string_parts(&mut self, parts: &[StringPart<'_>]) {
        let is_text = |part: &StringPart<'_>| matches!(part, StringPart::Literal(..));
        let runs = || parts.chunk_by(|left, right| is_text(left) && is_text(right));
        self.number(runs().count() as u64);
        for run in runs() {
            if let [StringPart::Interpolation(expr)] = run {
                self.out.push(1);
                self.expr(expr);
                continue;
            }
            let texts = || {
                run.iter().filter_map(|part| match part {
                    StringPart::Literal(text, _) => Some(text),
                    StringPart::Interpolation(_) => None,
                })
            };
            self.out.push(0);
            self.number(texts().map(|text| text.len() as u64).sum());
            texts().for_each(|text| self.out.extend_from_slice(text));
        }
    }

    /// The parts of a path.
    fn parts(&mut self, parts: &[StringPart<'_>]) {
        self.number(parts.len() as u64);
        for part in parts {
            match part {
                StringPart::Literal(text, _) => {
                    self.out.push(0);
                    self.text(text);
                }
                StringPart::Interpolation(expr) => {
                    self.out.push(1);
                    self.expr(expr);
                }
            }
        }
    }

    fn path(&mut self, path: &[AttrName<'_>]) {
        self.number(path.len() as u64);
        for name in path {
            match name {
                AttrName::Static(name) => {
                    self.out.push(0);
                    self.name(name);
                }
                AttrName::Dynamic(expr) => {
                    self.out.push(1);
                    self.expr(expr);
                }
            }
        }
    }

    fn lambda(&mut self, lambda: &Lambda<'_>) {
        let flag = |set: bool, bit: u8| u8::from(set) << bit;
        let ellipsis = lambda.formals.is_some_and(|formals| formals.ellipsis);
        self.out
            .push(flag(lambda.argument.is_some(), 0) | flag(lambda.formals.is_some(), 1) | flag(ellipsis, 2));
        if let Some(argument) = &lambda.argument {
            self.name(argument);
        }
        if let Some(formals) = &lambda.formals {
            self.number(formals.formals.len() as u64);
            for formal in formals.formals {
                self.name(&formal.name);
                self.later_if_any(formal.default);
            }
        }
        self.later(lambda.body);
    }

    fn bindings(&mut self, bindings: &Bindings<'_>) {
        self.number(bindings.attributes.len() as u64);
        for attribute in bindings.attributes {
            self.name(&attribute.name);
            match attribute.value {
                AttributeValue::Plain(expr) => {
                    self.number(0);
                    self.later(expr);
                }
                AttributeValue::Inherited => self.number(1),
                AttributeValue::InheritedFrom(source) => self.number(2 + source as u64),
            }
        }
        self.number(bindings.dynamic.len() as u64);
        for attribute in bindings.dynamic {
            self.place(attribute.span.start);
            self.expr(attribute.name);
            self.later(attribute.value);
        }
        self.all_later(bindings.inherit_from);
    }
}
