//! From bytes to a tree.

use bstr::{BStr, ByteSlice as _};
use bumpalo::Bump;
use saltire_diagnostics::Span;
use saltire_syntax::ast::{
    AttrName, Attribute, AttributeValue, BinaryOperator, Bindings, DynamicAttribute, Expr, ExprKind, Formal,
    Formals, Lambda, Name, PathBase, StringPart,
};

use super::tag;

/// How deep the expressions of one piece may be nested: far deeper than the parser
/// allows, so that damaged bytes do not use up the stack.
const MAX_DEPTH: u32 = 1_000_000;

/// The piece of a tree that starts at `at`, pieces in it left out: [`ExprKind::Deferred`]
/// holds where they start. Only the starts of spans are known, and of spans of parts of
/// strings and of patterns not even these. `None` if the bytes are damaged.
pub(crate) fn read<'a>(bytes: &'a [u8], at: usize, arena: &'a Bump) -> Option<&'a Expr<'a>> {
    let mut reader = Reader { bytes, at, last: 0, depth: 0, arena };
    let expr = reader.expr()?;
    Some(arena.alloc(expr))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    last: u32,
    depth: u32,
    arena: &'a Bump,
}

fn span(start: u32) -> Span {
    Span { start, end: start }
}

impl<'a> Reader<'a> {
    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        let byte = self.byte()?;
        if byte < 0x80 {
            return Some(u64::from(byte));
        }
        let mut number = u64::from(byte & 0x7F);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number of things that each take at least a byte.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.bytes.len() - self.at).then_some(count)
    }

    #[inline]
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let bytes = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a BStr> {
        let len = self.count()?;
        Some(self.take(len)?.as_bstr())
    }

    fn place(&mut self) -> Option<Span> {
        let start = i64::from(self.last).checked_add(self.signed()?)?;
        self.last = u32::try_from(start).ok()?;
        Some(span(self.last))
    }

    fn name(&mut self) -> Option<Name<'a>> {
        Some(Name { text: self.text()?, span: self.place()? })
    }

    fn slice<T: Copy>(
        &mut self,
        count: usize,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<&'a [T]> {
        let mut items = bumpalo::collections::Vec::with_capacity_in(count.min(1 << 16), self.arena);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items.into_bump_slice())
    }

    fn slice_of<T: Copy>(&mut self, item: impl FnMut(&mut Self) -> Option<T>) -> Option<&'a [T]> {
        let count = self.count()?;
        self.slice(count, item)
    }

    fn boxed(&mut self) -> Option<&'a Expr<'a>> {
        let expr = self.expr()?;
        Some(self.arena.alloc(expr))
    }

    fn expr(&mut self) -> Option<Expr<'a>> {
        let tag = self.byte()?;
        if tag == tag::DEFERRED {
            let len = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
            let kind = ExprKind::Deferred(u32::try_from(self.at).ok()?);
            self.take(len as usize)?;
            return Some(Expr { span: span(0), kind });
        }
        let span = self.place()?;
        self.depth += 1;
        let kind = if self.depth < MAX_DEPTH { self.kind(tag) } else { None };
        self.depth -= 1;
        Some(Expr { span, kind: kind? })
    }

    fn kind(&mut self, tag: u8) -> Option<ExprKind<'a>> {
        Some(match tag {
            tag::INT => ExprKind::Int(self.signed()?),
            tag::FLOAT => ExprKind::Float(f64::from_bits(u64::from_le_bytes(self.take(8)?.try_into().ok()?))),
            tag::STRING => ExprKind::String(self.text()?),
            tag::INTERPOLATED => ExprKind::Interpolated(self.parts()?),
            tag::PATH => {
                let base = match self.byte()? {
                    0 => PathBase::Absolute,
                    1 => PathBase::Relative,
                    2 => PathBase::Home,
                    _ => return None,
                };
                ExprKind::Path(base, self.parts()?)
            }
            tag::SEARCH_PATH => ExprKind::SearchPath(self.text()?),
            tag::VAR => ExprKind::Var(self.text()?),
            tag::SELECT => ExprKind::Select { subject: self.boxed()?, path: self.path()?, default: None },
            tag::SELECT_OR => {
                let (subject, path) = (self.boxed()?, self.path()?);
                ExprKind::Select { subject, path, default: Some(self.boxed()?) }
            }
            tag::HAS_ATTR => ExprKind::HasAttr { subject: self.boxed()?, path: self.path()? },
            tag::APPLY => ExprKind::Apply { function: self.boxed()?, arguments: self.slice_of(Self::expr)? },
            tag::LAMBDA => {
                let lambda = self.lambda()?;
                ExprKind::Lambda(self.arena.alloc(lambda))
            }
            tag::LET => ExprKind::Let(self.bindings()?, self.boxed()?),
            tag::LEGACY_LET => ExprKind::LegacyLet(self.bindings()?),
            tag::ATTR_SET => ExprKind::AttrSet { recursive: false, bindings: self.bindings()? },
            tag::RECURSIVE_SET => ExprKind::AttrSet { recursive: true, bindings: self.bindings()? },
            tag::LIST => ExprKind::List(self.slice_of(Self::expr)?),
            tag::WITH => ExprKind::With(self.boxed()?, self.boxed()?),
            tag::IF => ExprKind::If(self.boxed()?, self.boxed()?, self.boxed()?),
            tag::ASSERT => ExprKind::Assert(self.boxed()?, self.boxed()?),
            tag::NOT => ExprKind::Not(self.boxed()?),
            tag::NEGATE => ExprKind::Negate(self.boxed()?),
            tag::BINARY => {
                let operator = *BinaryOperator::ALL.get(usize::from(self.byte()?))?;
                let operator_span = self.place()?;
                ExprKind::Binary { operator, operator_span, left: self.boxed()?, right: self.boxed()? }
            }
            _ => return None,
        })
    }

    fn parts(&mut self) -> Option<&'a [StringPart<'a>]> {
        self.slice_of(|this| {
            Some(match this.byte()? {
                0 => StringPart::Literal(this.text()?, span(0)),
                1 => StringPart::Interpolation(this.boxed()?),
                _ => return None,
            })
        })
    }

    fn path(&mut self) -> Option<&'a [AttrName<'a>]> {
        self.slice_of(|this| {
            Some(match this.byte()? {
                0 => AttrName::Static(this.name()?),
                1 => AttrName::Dynamic(this.boxed()?),
                _ => return None,
            })
        })
    }

    fn lambda(&mut self) -> Option<Lambda<'a>> {
        let flags = self.byte()?;
        let argument = if flags & 1 != 0 { Some(self.name()?) } else { None };
        let formals = if flags & 2 != 0 {
            let formals = self.slice_of(|this| {
                let name = this.name()?;
                let default = if this.byte()? != 0 { Some(this.boxed()?) } else { None };
                Some(Formal { name, default })
            })?;
            Some(Formals { formals, ellipsis: flags & 4 != 0, span: span(0) })
        } else {
            None
        };
        Some(Lambda { argument, formals, body: self.boxed()? })
    }

    fn bindings(&mut self) -> Option<&'a Bindings<'a>> {
        let attributes = self.slice_of(|this| {
            let name = this.name()?;
            let value = match this.number()? {
                0 => AttributeValue::Plain(this.boxed()?),
                1 => AttributeValue::Inherited,
                source => AttributeValue::InheritedFrom(usize::try_from(source - 2).ok()?),
            };
            Some(Attribute { name, value })
        })?;
        let dynamic = self.slice_of(|this| {
            let span = this.place()?;
            Some(DynamicAttribute { name: this.boxed()?, value: this.boxed()?, span })
        })?;
        let inherit_from = self.slice_of(Self::expr)?;
        let known = |attribute: &Attribute<'_>| match attribute.value {
            AttributeValue::InheritedFrom(source) => source < inherit_from.len(),
            _ => true,
        };
        attributes
            .iter()
            .all(known)
            .then(|| &*self.arena.alloc(Bindings { attributes, dynamic, inherit_from }))
    }
}
