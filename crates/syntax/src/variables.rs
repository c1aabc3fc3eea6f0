//! Variables that nothing binds, found without evaluating.

use crate::ast::{
    AttrName, AttributeValue, BinaryOperator, Bindings, Expr, ExprKind, Lambda, Name, StringPart,
};
use crate::deep;
use bstr::{BStr, ByteSlice as _};
use hashbrown::HashMap;
use saltire_diagnostics::Span;

/// A use of a variable that nothing around it binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndefinedVariable<'a> {
    /// The name, where it is used.
    pub name: Name<'a>,
    /// The names that the text binds around this place, in any order, for suggestions.
    pub visible: Vec<&'a BStr>,
}

/// The first variable of a tree, in the order in which the reference looks, that
/// is bound neither in the tree nor, as `is_global` says, outside of it. What is
/// inside of a `with` may come from its set, so it is never missing.
///
/// The time is linear in the size of the tree.
pub fn undefined_variable<'a>(
    tree: &Expr<'a>,
    is_global: impl FnMut(&[u8]) -> bool,
) -> Option<UndefinedVariable<'a>> {
    let mut search = Search { bound: HashMap::new(), is_global };
    let name = search.expr(tree).err()?;
    let bound = search.bound.iter().filter(|(_, count)| (1..GLOBAL).contains(*count));
    Some(UndefinedVariable { name, visible: bound.map(|(name, _)| *name).collect() })
}

/// The count of names that are global.
const GLOBAL: u32 = u32::MAX / 2;

struct Search<'a, F> {
    /// How many scopes around the present place bind a name.
    bound: HashMap<&'a BStr, u32>,
    is_global: F,
}

type Result<'a> = std::result::Result<(), Name<'a>>;

impl<'a, F: FnMut(&[u8]) -> bool> Search<'a, F> {
    fn variable(&mut self, text: &'a BStr, span: Span) -> Result<'a> {
        let count = self.bound.entry(text).or_insert(0);
        if *count == 0 {
            if text != "__curPos" && !(self.is_global)(text) {
                return Err(Name { text, span });
            }
            *count = GLOBAL;
        }
        Ok(())
    }

    fn bind(&mut self, name: &Name<'a>) {
        *self.bound.entry(name.text).or_insert(0) += 1;
    }

    fn unbind(&mut self, name: &Name<'a>) {
        if let Some(count) = self.bound.get_mut(name.text) {
            *count -= 1;
        }
    }

    fn expr(&mut self, expr: &Expr<'a>) -> Result<'a> {
        match &expr.kind {
            ExprKind::Deferred(_) | ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::String(_) => Ok(()),
            ExprKind::Var(text) => self.variable(text, expr.span),
            _ => deep(|| self.compound(expr)),
        }
    }

    fn compound(&mut self, expr: &Expr<'a>) -> Result<'a> {
        match &expr.kind {
            ExprKind::Interpolated(parts) | ExprKind::Path(_, parts) => {
                parts.iter().try_for_each(|part| match part {
                    StringPart::Literal(..) => Ok(()),
                    StringPart::Interpolation(expr) => self.expr(expr),
                })
            }
            // Both may be bound to something else, and are hence variables as others.
            ExprKind::SearchPath(_) => {
                self.variable(b"__findFile".as_bstr(), expr.span)?;
                self.variable(b"__nixPath".as_bstr(), expr.span)
            }
            ExprKind::Select { subject, path, default } => {
                self.expr(subject)?;
                if let Some(default) = default {
                    self.expr(default)?;
                }
                self.path(path)
            }
            ExprKind::HasAttr { subject, path } => {
                self.expr(subject)?;
                self.path(path)
            }
            ExprKind::Apply { function, arguments } => {
                self.expr(function)?;
                self.all(arguments)
            }
            ExprKind::Lambda(lambda) => self.lambda(lambda),
            ExprKind::Let(bindings, body) => self.recursive(bindings, Some(body)),
            ExprKind::LegacyLet(bindings) | ExprKind::AttrSet { recursive: true, bindings } => {
                self.recursive(bindings, None)
            }
            ExprKind::AttrSet { recursive: false, bindings } => self.plain(bindings),
            ExprKind::List(items) => self.all(items),
            // What is in the body may all be in the set.
            ExprKind::With(subject, _) => self.expr(subject),
            ExprKind::If(condition, yes, no) => {
                self.expr(condition)?;
                self.expr(yes)?;
                self.expr(no)
            }
            ExprKind::Assert(condition, body) => {
                self.expr(condition)?;
                self.expr(body)
            }
            ExprKind::Not(operand) | ExprKind::Negate(operand) => self.expr(operand),
            // Written the other way round for the reference.
            ExprKind::Binary {
                operator: BinaryOperator::PipeRight | BinaryOperator::Greater | BinaryOperator::LessOrEqual,
                left,
                right,
                ..
            } => {
                self.expr(right)?;
                self.expr(left)
            }
            ExprKind::Binary { left, right, .. } => {
                self.expr(left)?;
                self.expr(right)
            }
            ExprKind::Var(_)
            | ExprKind::Deferred(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::String(_) => self.expr(expr),
        }
    }

    fn all(&mut self, exprs: &[Expr<'a>]) -> Result<'a> {
        exprs.iter().try_for_each(|expr| self.expr(expr))
    }

    fn path(&mut self, path: &[AttrName<'a>]) -> Result<'a> {
        path.iter().try_for_each(|name| match name {
            AttrName::Static(_) => Ok(()),
            AttrName::Dynamic(expr) => self.expr(expr),
        })
    }

    fn lambda(&mut self, lambda: &Lambda<'a>) -> Result<'a> {
        let formals = lambda.formals.map_or(&[][..], |formals| formals.formals);
        let names = || formals.iter().map(|formal| &formal.name).chain(&lambda.argument);
        names().for_each(|name| self.bind(name));
        formals.iter().filter_map(|formal| formal.default).try_for_each(|default| self.expr(default))?;
        self.expr(lambda.body)?;
        names().for_each(|name| self.unbind(name));
        Ok(())
    }

    /// The attributes, whose values are where `plain` is not said to be inherited.
    fn attributes(&mut self, bindings: &Bindings<'a>, inherited: bool) -> Result<'a> {
        for attribute in bindings.attributes {
            match attribute.value {
                AttributeValue::Plain(expr) => self.expr(expr)?,
                AttributeValue::Inherited if inherited => {
                    self.variable(attribute.name.text, attribute.name.span)?;
                }
                AttributeValue::Inherited | AttributeValue::InheritedFrom(_) => {}
            }
        }
        Ok(())
    }

    fn dynamic(&mut self, bindings: &Bindings<'a>) -> Result<'a> {
        for attribute in bindings.dynamic {
            self.expr(attribute.name)?;
            self.expr(attribute.value)?;
        }
        Ok(())
    }

    fn plain(&mut self, bindings: &Bindings<'a>) -> Result<'a> {
        self.all(bindings.inherit_from)?;
        self.attributes(bindings, true)?;
        self.dynamic(bindings)
    }

    /// `let` or `rec`: `inherit name;` means the variable outside, all else sees the names.
    fn recursive(&mut self, bindings: &Bindings<'a>, body: Option<&Expr<'a>>) -> Result<'a> {
        for attribute in bindings.attributes {
            if let AttributeValue::Inherited = attribute.value {
                self.variable(attribute.name.text, attribute.name.span)?;
            }
        }
        bindings.attributes.iter().for_each(|attribute| self.bind(&attribute.name));
        self.all(bindings.inherit_from)?;
        self.attributes(bindings, false)?;
        self.dynamic(bindings)?;
        if let Some(body) = body {
            self.expr(body)?;
        }
        bindings.attributes.iter().for_each(|attribute| self.unbind(&attribute.name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParseOptions, parse};

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, u32)>) {
        let arena = bumpalo::Bump::new();
        let tree = parse(&arena, text.as_bytes(), &ParseOptions::default()).unwrap();
        let found = undefined_variable(tree, |name| name == b"global" || name.starts_with(b"__"));
        let found = found.map(|found| (found.name.text.to_string(), found.name.span.start));
        assert_eq!(found, expected.map(|(name, at)| (name.to_owned(), at)), "{text}");
    }

    #[test]
    fn variables_that_nothing_binds_are_found_where_they_are_used() {
        check("x", Some(("x", 0)));
        check("y: { a = x; }", Some(("x", 9)));
        check("{ a = 1; b = a; }", Some(("a", 13)));
        check("let a = 1; in { inherit a; inherit b; }", Some(("b", 35)));
        check("let inherit a; in a", Some(("a", 12)));
        check("rec { inherit (b) a; }", Some(("b", 15)));
        check("({ a }: a) a", Some(("a", 11)));
        check("(let a = 1; in a) + a", Some(("a", 20)));
        check("\"${a}\"", Some(("a", 3)));
        check("__curPos ? ${a}", Some(("a", 13)));
        check("with a; b", Some(("a", 5)));
        check("{ a, b ? c }: a", Some(("c", 9)));
    }

    #[test]
    fn bound_variables_are_not() {
        check("global + global", None);
        check("x: y: x y", None);
        check("{ a ? b, b ? a, ... }@c: c", None);
        check("rec { a = b; b = c.a; inherit (a) c; ${a} = b; }", None);
        check("let { body = a; a = <x/y>; }", None);
        check("with { }; a { b = c; }", None);
        check("let a = b; b = a; in x: { inherit a x; }", None);
        check("a: a.b.c or (a ? d) && (if a then -a else !a)", None);
    }

    #[test]
    fn names_around_the_place_are_visible() {
        let arena = bumpalo::Bump::new();
        let text = b"let a = 1; in (b: b) (c: d)";
        let tree = parse(&arena, text, &ParseOptions::default()).unwrap();
        let mut visible = undefined_variable(tree, |_| false).unwrap().visible;
        visible.sort_unstable();
        assert_eq!(visible, ["a", "c"]);
    }

    #[test]
    fn long_and_deep_texts_are_no_problem() {
        check(&format!("x: {}x", "x + ".repeat(100_000)), None);
        check(&format!("{}y", "x: ".repeat(10_000)), Some(("y", 30_000)));
    }
}
