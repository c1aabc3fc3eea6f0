//! Where the operands of an operator stand: for errors, which need it so rarely that
//! the text is parsed again rather than the places kept.

use crate::ast::{AttrName, AttributeValue, BinaryOperator, Bindings, Expr, ExprKind, StringPart};
use crate::{ParseOptions, deep, parse};

/// The offsets of the operands of what is at an offset: of the binary operator that
/// stands there, or of the `!`, string or path that starts there, whose operands are
/// its parts. Parentheses, and `${`, belong to what is in them; of `//` and `!` they
/// do not, as in the reference, where some operands have no place ([`place`]).
/// Empty if there is no such thing.
pub fn operand_offsets(text: &[u8], offset: u32, options: &ParseOptions) -> Vec<Option<u32>> {
    let arena = bumpalo::Bump::new();
    let Ok(tree) = parse(&arena, text, options) else { return Vec::new() };
    let mut search = Search { text, offset, found: Vec::new() };
    search.expr(tree);
    search.found
}

struct Search<'t> {
    text: &'t [u8],
    offset: u32,
    found: Vec<Option<u32>>,
}

/// Where the reference places an expression by itself: constants and `let` nowhere,
/// strings with parts behind the quote, operators where the operator stands.
pub fn place(expr: &Expr<'_>, text: &[u8]) -> Option<u32> {
    let start = expr.span.start;
    match &expr.kind {
        ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::String(_) | ExprKind::Let(..) => None,
        ExprKind::Path(_, [] | [StringPart::Literal(..)]) | ExprKind::List([]) => None,
        ExprKind::List([first, ..]) => deep(|| place(first, text)),
        ExprKind::Not(operand) => deep(|| place(operand, text)),
        ExprKind::Interpolated(_) => {
            Some(start + if text.get(start as usize) == Some(&b'"') { 1 } else { 2 })
        }
        ExprKind::Binary { operator, operator_span, .. } => {
            let equality = matches!(operator, BinaryOperator::Equal | BinaryOperator::NotEqual);
            (!equality).then_some(operator_span.start)
        }
        _ => Some(start),
    }
}

impl Search<'_> {
    fn expr(&mut self, expr: &Expr<'_>) {
        // Parentheses around an expression are not in its span, but never hide one.
        let inside = expr.span.start <= self.offset && self.offset <= expr.span.end;
        if inside && self.found.is_empty() {
            deep(|| {
                if !self.is_here(expr) {
                    self.children(expr);
                }
            });
        }
    }

    fn is_here(&mut self, expr: &Expr<'_>) -> bool {
        match &expr.kind {
            ExprKind::Binary { operator, operator_span, left, right }
                if operator_span.start == self.offset =>
            {
                self.found = match operator {
                    BinaryOperator::Update => vec![place(left, self.text), place(right, self.text)],
                    _ => vec![
                        Some(self.opened(left, operator_span.start)),
                        Some(self.behind(operator_span.end)),
                    ],
                };
            }
            ExprKind::Not(operand) if expr.span.start == self.offset => {
                self.found = vec![place(operand, self.text)];
            }
            ExprKind::Interpolated(parts) | ExprKind::Path(_, parts) if expr.span.start == self.offset => {
                let start = |part: &StringPart<'_>| match part {
                    StringPart::Literal(_, span) => span.start,
                    StringPart::Interpolation(expr) => self.brace_before(expr.span.start),
                };
                // Neighbouring texts in a string are evaluated as one.
                let string = matches!(expr.kind, ExprKind::Interpolated(_));
                let is_text = |part: &StringPart<'_>| string && matches!(part, StringPart::Literal(..));
                let runs = parts.chunk_by(|left, right| is_text(left) && is_text(right));
                self.found = runs.map(|run| run.first().map(start)).collect();
            }
            _ => return false,
        }
        true
    }

    /// The first offset from one on that is neither space nor comment.
    fn behind(&self, offset: u32) -> u32 {
        let mut rest = &self.text[(offset as usize).min(self.text.len())..];
        loop {
            rest = rest.trim_ascii_start();
            let skipped = match rest {
                [b'#', ..] => rest.iter().position(|byte| *byte == b'\n'),
                [b'/', b'*', ..] => rest.windows(2).position(|pair| pair == b"*/").map(|at| at + 2),
                _ => break,
            };
            rest = &rest[skipped.unwrap_or(rest.len())..];
        }
        (self.text.len() - rest.len()) as u32
    }

    /// Where the parentheses open that close between an operand and the operator at `end`.
    fn opened(&self, operand: &Expr<'_>, end: u32) -> u32 {
        let behind = self.text.get(operand.span.end as usize..end as usize).unwrap_or_default();
        let closed = behind.iter().filter(|byte| **byte == b')').count();
        (0..closed).fold(operand.span.start, |start, _| {
            let before = &self.text[..(start as usize).min(self.text.len())];
            before.iter().rposition(|byte| *byte == b'(').map_or(start, |at| at as u32)
        })
    }

    /// Where the `${` before an offset is.
    fn brace_before(&self, offset: u32) -> u32 {
        let before = &self.text[..(offset as usize).min(self.text.len())];
        before.windows(2).rposition(|pair| pair == b"${").map_or(offset, |at| at as u32)
    }

    fn all(&mut self, exprs: &[Expr<'_>]) {
        exprs.iter().for_each(|expr| self.expr(expr));
    }

    fn path(&mut self, path: &[AttrName<'_>]) {
        for name in path {
            if let AttrName::Dynamic(expr) = name {
                self.expr(expr);
            }
        }
    }

    fn bindings(&mut self, bindings: &Bindings<'_>) {
        for attribute in bindings.attributes {
            // A set made by several paths is longer than its span.
            match attribute.value {
                AttributeValue::Plain(Expr { kind: ExprKind::AttrSet { bindings, .. }, .. }) => {
                    deep(|| self.bindings(bindings));
                }
                AttributeValue::Plain(expr) => self.expr(expr),
                AttributeValue::Inherited | AttributeValue::InheritedFrom(_) => {}
            }
        }
        for attribute in bindings.dynamic {
            self.expr(attribute.name);
            self.expr(attribute.value);
        }
        self.all(bindings.inherit_from);
    }

    fn children(&mut self, expr: &Expr<'_>) {
        match &expr.kind {
            ExprKind::Deferred(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::String(_)
            | ExprKind::SearchPath(_)
            | ExprKind::Var(_) => {}
            ExprKind::Interpolated(parts) | ExprKind::Path(_, parts) => {
                for part in *parts {
                    if let StringPart::Interpolation(expr) = part {
                        self.expr(expr);
                    }
                }
            }
            ExprKind::Select { subject, path, default } => {
                self.expr(subject);
                self.path(path);
                default.iter().for_each(|default| self.expr(default));
            }
            ExprKind::HasAttr { subject, path } => {
                self.expr(subject);
                self.path(path);
            }
            ExprKind::Apply { function, arguments } => {
                self.expr(function);
                self.all(arguments);
            }
            ExprKind::Lambda(lambda) => {
                let formals = lambda.formals.map_or(&[][..], |formals| formals.formals);
                formals.iter().filter_map(|formal| formal.default).for_each(|default| self.expr(default));
                self.expr(lambda.body);
            }
            ExprKind::Let(bindings, body) => {
                self.bindings(bindings);
                self.expr(body);
            }
            ExprKind::LegacyLet(bindings) | ExprKind::AttrSet { bindings, .. } => self.bindings(bindings),
            ExprKind::List(items) => self.all(items),
            ExprKind::With(first, second) | ExprKind::Assert(first, second) => {
                self.expr(first);
                self.expr(second);
            }
            ExprKind::If(condition, yes, no) => [condition, yes, no].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Not(operand) | ExprKind::Negate(operand) => self.expr(operand),
            ExprKind::Binary { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` has `^` before what is asked for, and `|` before each operand expected.
    #[track_caller]
    fn check(text: &str) {
        let plain = text.replace(['^', '|'], "");
        let before = |at: usize| text[..at].replace(['^', '|'], "").len() as u32;
        let offset = before(text.find('^').unwrap());
        let expected: Vec<Option<u32>> = text.match_indices('|').map(|(at, _)| Some(before(at))).collect();
        let found = operand_offsets(plain.as_bytes(), offset, &ParseOptions::default());
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn operands_are_found() {
        check("|1 ^+ |a");
        check("|(x: x) ^+ /* c */ |(1)");
        check("f (|a ^+ # c\n |b) c");
        check("{ a.b = 1; c = 2; a.c = |x ^+ |y; }");
        check("(|x: x) ^// (|{ })");
        check("^!(|a)");
        check("[ ^\"|a|${(b)}|c\" ]");
        check("^''|${b}''");
        check("with a; let b = c: { d ? |1 ^+ |2 }: e; in b");
        check("if a then b else |c ^+ |d");
        check("a ^. b");
    }

    #[test]
    fn constants_have_no_place() {
        let of_not = |text: &str| operand_offsets(text.as_bytes(), 0, &ParseOptions::default());
        for text in ["!1", "!1.5", "!\"a\"", "!/a", "![ ]", "!(let a = 1; in a)", "!(a == b)"] {
            assert_eq!(of_not(text), [None], "{text}");
        }
        assert_eq!(of_not("!(a && b)"), [Some(4)]);
        assert_eq!(of_not("![ 1 a ]"), [None]);
        assert_eq!(of_not("!\"${a}\""), [Some(2)]);
    }
}
