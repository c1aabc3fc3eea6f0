//! From the tree to the form that is evaluated.
//!
//! A file is lowered piece by piece, each when it is evaluated: see [`crate::tree`].

use saltire_diagnostics::{Pos, Span};
use saltire_syntax::ast::{
    AttrName, AttributeValue, BinaryOperator, Bindings, Expr as Ast, ExprKind, Lambda, Name, PathBase,
    StringPart,
};

use crate::context::Context;
use crate::debug::Places;
use crate::error::{ErrorKind, EvalError, Result, did_you_mean_variable};
use crate::ir::{
    AssertCode, AttrsCode, Binding, CallCode, ComplexAttrs, Delayed, DynamicAttr, Expr, ExprRef, FarVariable,
    FileCode, Formals, HasAttr, IfCode, Key, LambdaCode, Lazy, Operand, Operands, Operator, Parts, ScopeCode,
    SearchCache, Select, SelectCache, SelectPath, WithPlace, WithVariable,
};
use crate::list::List;
use crate::near::{Near, NearSlice};
use crate::paths;
use crate::region::Region;
use crate::scope::{Found, Scope, ScopeKind};
use crate::shape::Shape;
use crate::string::Str;
use crate::symbol::{Interner, Symbol};
use crate::value::{Other, Value};

/// Lowers the parts of one file.
pub(crate) struct Lowerer<'r> {
    pub(crate) region: &'r mut Region,
    pub(crate) names: Interner,
    pub(crate) file: &'static FileCode,
    /// Where expressions are is noted here for a debugger.
    pub(crate) places: Option<&'r mut Places>,
}

type ScopeRef = &'static Scope;

/// An attribute that is about to be bound: name, where, value.
struct Bound<'a> {
    name: Symbol,
    pos: Pos,
    value: AttributeValue<'a>,
}

impl Lowerer<'_> {
    fn pos(&self, span: Span) -> Pos {
        self.file.source.pos(span.start)
    }

    fn node(&mut self, expr: Expr) -> ExprRef {
        self.near(expr)
    }

    fn near<T>(&mut self, code: T) -> Near<T> {
        Near::new(self.region.alloc(code))
    }

    fn slice<T>(&mut self, items: Vec<T>) -> NearSlice<T> {
        NearSlice::new(self.region.alloc_slice(items))
    }

    fn constant(&mut self, value: Value) -> ExprRef {
        self.node(Expr::Constant(value))
    }

    fn string(&mut self, text: &[u8]) -> Value {
        Value::from_str(Str::new(self.region, text, Context::EMPTY))
    }

    fn path(&mut self, text: &[u8]) -> Value {
        let text = Str::new(self.region, text, Context::EMPTY);
        Value::from_other(self.region.alloc(Other::Path(text)))
    }

    /// Lowers now, all but what was left out.
    pub(crate) fn expr(&mut self, ast: &Ast<'_>, scope: ScopeRef) -> Result<ExprRef> {
        self.named(ast, scope, None)
    }

    fn deferred(&mut self, at: u32, scope: ScopeRef, name: Option<Symbol>) -> Expr {
        let (scope, file) = (Near::new(scope), Near::new(self.file));
        Expr::Lazy(self.near(Lazy { lowered: Default::default(), at, scope, file, name }))
    }

    /// `name` is what the expression is bound to.
    pub(crate) fn named(&mut self, ast: &Ast<'_>, scope: ScopeRef, name: Option<Symbol>) -> Result<ExprRef> {
        let expr = self.lowered(ast, scope, name)?;
        let pos = self.pos(ast.span);
        if let Some(places) = &mut self.places {
            places.add(expr, scope, pos);
        }
        Ok(expr)
    }

    fn lowered(&mut self, ast: &Ast<'_>, scope: ScopeRef, name: Option<Symbol>) -> Result<ExprRef> {
        let pos = self.pos(ast.span);
        let node = match &ast.kind {
            ExprKind::Deferred(at) => self.deferred(*at, scope, name),
            ExprKind::Int(value) => match Value::small_int(*value) {
                Some(value) => Expr::Constant(value),
                None => Expr::Constant(Value::from_other(self.region.alloc(Other::Int(*value)))),
            },
            ExprKind::Float(value) => {
                Expr::Constant(Value::from_other(self.region.alloc(Other::Float(*value))))
            }
            ExprKind::String(text) => Expr::Constant(self.string(text)),
            ExprKind::Interpolated(parts) => {
                let parts = self.parts(parts, scope)?;
                Expr::Interpolate(self.near(Parts { parts, pos }))
            }
            ExprKind::Path(base, parts) => return self.path_literal(*base, parts, pos, scope),
            ExprKind::SearchPath(text) => {
                // Both names may be bound to something else where this is written.
                let function = self.variable(b"__findFile", pos, scope)?;
                let entries = self.variable(b"__nixPath", pos, scope)?;
                let name = self.string(text);
                let arguments = vec![Delayed::new(entries), Delayed::new(self.constant(name))];
                self.call(function, arguments, pos)
            }
            ExprKind::Var(text) => return self.variable(text, pos, scope),
            ExprKind::Select { subject, path, default } => {
                return self.select(subject, path, *default, pos, scope);
            }
            ExprKind::HasAttr { subject, path } => {
                let code = HasAttr { subject: self.expr(subject, scope)?, path: self.keys(path, scope)? };
                Expr::HasAttr(self.near(code))
            }
            ExprKind::Apply { function, arguments } => {
                let function = self.expr(function, scope)?;
                let lowered = self.delayed(arguments, scope)?;
                self.call(function, lowered, pos)
            }
            ExprKind::Lambda(lambda) => self.lambda(lambda, pos, scope, name)?,
            ExprKind::Let(bindings, body) => {
                let (inner, code) = self.recursive(bindings, scope)?;
                let body = self.expr(body, inner)?;
                if let Some(places) = &mut self.places {
                    places.add_let(body, inner);
                }
                Expr::Let(self.near((code, body)))
            }
            ExprKind::LegacyLet(bindings) => {
                let subject = self.attr_set(true, bindings, pos, scope)?;
                let name = self.names.intern(b"body");
                Expr::Select(self.near(Select { subject, name, pos, cache: SelectCache::default() }))
            }
            ExprKind::AttrSet { recursive, bindings } => {
                return self.attr_set(*recursive, bindings, pos, scope);
            }
            ExprKind::List([]) => Expr::Constant(Value::from_list(List::empty())),
            ExprKind::List(items) => {
                let lowered = self.delayed(items, scope)?;
                let items = self.slice(lowered);
                Expr::List(self.near(items))
            }
            ExprKind::With(subject, body) => {
                let set = self.expr(subject, scope)?;
                let inner = self.region.alloc(Scope { up: Some(scope), kind: ScopeKind::With(pos) });
                let parts = (Delayed::new(set), self.expr(body, inner)?);
                Expr::WithScope(self.near(parts))
            }
            ExprKind::If(condition, yes, no) => {
                let condition = self.expr(condition, scope)?;
                let (yes, no) = (self.expr(yes, scope)?, self.expr(no, scope)?);
                Expr::If(self.near(IfCode { condition, yes, no, pos }))
            }
            ExprKind::Assert(condition, body) => {
                let (condition, body) = (self.expr(condition, scope)?, self.expr(body, scope)?);
                Expr::Assert(self.near(AssertCode { condition, body, pos }))
            }
            ExprKind::Not(operand) => {
                let operand = self.expr(operand, scope)?;
                Expr::Not(self.near(Operand { operand, pos }))
            }
            ExprKind::Negate(operand) => {
                let operand = self.expr(operand, scope)?;
                Expr::Negate(self.near(Operand { operand, pos }))
            }
            ExprKind::Binary { operator, operator_span, left, right } => {
                let pos = self.pos(*operator_span);
                return self.binary(*operator, left, right, pos, scope);
            }
        };
        Ok(self.node(node))
    }

    fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &Ast<'_>,
        right: &Ast<'_>,
        pos: Pos,
        scope: ScopeRef,
    ) -> Result<ExprRef> {
        let operator = match operator {
            BinaryOperator::Add => Operator::Add,
            BinaryOperator::Subtract => Operator::Subtract,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            BinaryOperator::Concat => Operator::Concat,
            BinaryOperator::Update => Operator::Update,
            BinaryOperator::Equal => Operator::Equal,
            BinaryOperator::NotEqual => Operator::NotEqual,
            BinaryOperator::Less => Operator::Less,
            BinaryOperator::LessOrEqual => Operator::LessOrEqual,
            BinaryOperator::Greater => Operator::Greater,
            BinaryOperator::GreaterOrEqual => Operator::GreaterOrEqual,
            BinaryOperator::And => Operator::And,
            BinaryOperator::Or => Operator::Or,
            BinaryOperator::Implies => Operator::Implies,
            BinaryOperator::PipeRight => return self.pipe(right, left, pos, scope),
            BinaryOperator::PipeLeft => return self.pipe(left, right, pos, scope),
        };
        let right = self.expr(right, scope)?;
        let left = self.expr(left, scope)?;
        let operands = self.near(Operands { left, right, pos });
        Ok(self.node(Expr::Binary(operator, operands)))
    }

    fn pipe(&mut self, function: &Ast<'_>, input: &Ast<'_>, pos: Pos, scope: ScopeRef) -> Result<ExprRef> {
        let function = self.expr(function, scope)?;
        let input = self.expr(input, scope)?;
        let call = self.call(function, vec![Delayed::new(input)], pos);
        Ok(self.node(call))
    }

    fn delayed(&mut self, all: &[Ast<'_>], scope: ScopeRef) -> Result<Vec<Delayed>> {
        all.iter().map(|ast| Ok(Delayed::new(self.expr(ast, scope)?))).collect()
    }

    fn call(&mut self, function: ExprRef, arguments: Vec<Delayed>, pos: Pos) -> Expr {
        let arguments = self.slice(arguments);
        Expr::Call(self.near(CallCode { function, arguments, pos }))
    }

    fn parts(&mut self, parts: &[StringPart<'_>], scope: ScopeRef) -> Result<NearSlice<ExprRef>> {
        let lowered = self.lowered_parts(parts, scope)?;
        Ok(self.slice(lowered))
    }

    fn lowered_parts(&mut self, parts: &[StringPart<'_>], scope: ScopeRef) -> Result<Vec<ExprRef>> {
        let mut lowered = Vec::with_capacity(parts.len());
        for part in parts {
            lowered.push(match part {
                StringPart::Literal(text, _) => {
                    let text = self.string(text);
                    self.constant(text)
                }
                StringPart::Interpolation(expr) => self.expr(expr, scope)?,
            });
        }
        Ok(lowered)
    }

    fn path_literal(
        &mut self,
        base: PathBase,
        parts: &[StringPart<'_>],
        pos: Pos,
        scope: ScopeRef,
    ) -> Result<ExprRef> {
        let (first, rest): (&[u8], _) = match parts {
            [StringPart::Literal(text, _), rest @ ..] => (text, rest),
            rest => (b"", rest),
        };
        let mut text = match base {
            PathBase::Absolute => Vec::new(),
            PathBase::Relative => self.file.base.clone(),
            PathBase::Home => match &self.file.home {
                Some(home) => home.clone(),
                None => {
                    let message = "can't resolve a path that starts with '~': no home directory is known";
                    return Err(EvalError::other(pos, message));
                }
            },
        };
        text.push(b'/');
        text.extend_from_slice(first);
        let mut normal = paths::normalise(&text);
        if rest.is_empty() {
            let value = self.path(&normal);
            return Ok(self.constant(value));
        }
        if first.ends_with(b"/") && normal.len() > 1 {
            normal.push(b'/');
        }
        let value = self.path(&normal);
        let mut all = vec![self.constant(value)];
        all.extend(self.lowered_parts(rest, scope)?);
        let parts = self.slice(all);
        let parts = self.near(Parts { parts, pos });
        Ok(self.node(Expr::InterpolatePath(parts)))
    }

    fn variable(&mut self, text: &[u8], pos: Pos, scope: ScopeRef) -> Result<ExprRef> {
        if text == b"__curPos" {
            return Ok(self.node(Expr::CurrentPosition(pos)));
        }
        let name = self.names.intern(text);
        let node = match scope.find(name) {
            Found::Constant(value) => Expr::Constant(value),
            Found::Slot { depth, slot } => self.slot(depth, slot, pos),
            Found::With(places) => {
                let place = |(depth, pos)| WithPlace { depth, pos, cache: SearchCache::default() };
                let withs = self.slice(places.into_iter().map(place).collect());
                Expr::With(self.near(WithVariable { name, pos, withs }))
            }
            Found::Nowhere => {
                let message = format!("undefined variable '{}'", String::from_utf8_lossy(text));
                let hint = did_you_mean_variable(text, scope.names().into_iter());
                return Err(EvalError::new(ErrorKind::UndefinedVariable, pos, message).with_hint(hint));
            }
        };
        Ok(self.node(node))
    }

    fn slot(&mut self, depth: u32, slot: u32, pos: Pos) -> Expr {
        match (u8::try_from(depth), u16::try_from(slot)) {
            (Ok(0), Ok(slot)) => Expr::Local { slot, pos },
            (Ok(depth), Ok(slot)) => Expr::Variable { depth, slot, pos },
            _ => Expr::Far(self.near(FarVariable { depth, slot, pos })),
        }
    }

    fn keys(&mut self, path: &[AttrName<'_>], scope: ScopeRef) -> Result<NearSlice<Key>> {
        let mut keys = Vec::with_capacity(path.len());
        for name in path {
            keys.push(match name {
                AttrName::Static(name) => {
                    let symbol = self.names.intern(name.text);
                    Key::Static(symbol, SearchCache::default())
                }
                AttrName::Dynamic(expr) => {
                    let place = saltire_syntax::place(expr, self.file.source.text());
                    let pos = place.map_or(Pos::NONE, |offset| self.file.source.pos(offset));
                    Key::Dynamic(self.expr(expr, scope)?, pos)
                }
            });
        }
        Ok(self.slice(keys))
    }

    fn select(
        &mut self,
        subject: &Ast<'_>,
        path: &[AttrName<'_>],
        default: Option<&Ast<'_>>,
        pos: Pos,
        scope: ScopeRef,
    ) -> Result<ExprRef> {
        let mut subject = self.expr(subject, scope)?;
        let all_static = path.iter().all(|name| matches!(name, AttrName::Static(_)));
        if default.is_none() && all_static {
            for name in path {
                let AttrName::Static(name) = name else { continue };
                let name = self.names.intern(name.text);
                let select = Select { subject, name, pos, cache: SelectCache::default() };
                let select = self.near(select);
                subject = self.node(Expr::Select(select));
            }
            return Ok(subject);
        }
        let path = self.keys(path, scope)?;
        let default = default.map(|ast| self.expr(ast, scope)).transpose()?;
        let select = self.near(SelectPath { subject, path, default, pos });
        Ok(self.node(Expr::SelectPath(select)))
    }

    fn lambda(
        &mut self,
        lambda: &Lambda<'_>,
        pos: Pos,
        scope: ScopeRef,
        name: Option<Symbol>,
    ) -> Result<Expr> {
        if lambda.formals.is_none() && self.places.is_none() {
            return self.functions(lambda, pos, scope, name);
        }
        let mut formals: Vec<(Symbol, Pos, Option<&Ast<'_>>)> = Vec::new();
        if let Some(pattern) = &lambda.formals {
            for formal in pattern.formals {
                let symbol = self.names.intern(formal.name.text);
                formals.push((symbol, self.pos(formal.name.span), formal.default));
            }
            formals.sort_unstable_by_key(|formal| formal.0);
        }
        let argument = lambda.argument.map(|name| self.names.intern(name.text));
        let mut names: Vec<(Symbol, u32)> =
            formals.iter().enumerate().map(|(index, formal)| (formal.0, index as u32)).collect();
        names.extend(argument.map(|name| (name, formals.len() as u32)));
        names.sort_unstable_by_key(|entry| entry.0);
        let slots = names.len() as u32;
        let names = self.region.alloc_slice(names);
        let inner = self.region.alloc(Scope { up: Some(scope), kind: ScopeKind::Names(names) });
        let formals_code = match &lambda.formals {
            None => None,
            Some(pattern) => {
                let mut defaults = Vec::with_capacity(formals.len());
                for (name, _, default) in &formals {
                    let default = default.map(|ast| self.named(ast, inner, Some(*name))).transpose()?;
                    defaults.push(default.map(Delayed::new));
                }
                let formals = Formals {
                    names: self.slice(formals.iter().map(|f| f.0).collect()),
                    defaults: self.slice(defaults),
                    positions: self.slice(formals.iter().map(|f| f.1).collect()),
                    ellipsis: pattern.ellipsis,
                };
                Some(self.near(formals))
            }
        };
        // A function that gives a function has the same name.
        let body = self.named(lambda.body, inner, name)?;
        if let Some(places) = &mut self.places {
            places.add_body(body, name, inner, pos);
        }
        let first = Default::default();
        let code = LambdaCode { name, argument, formals: formals_code, slots, filled: 0, body, pos, first };
        Ok(Expr::Lambda(self.near(code)))
    }

    /// A function of any argument, and those that it gives, in one environment. (A
    /// debugger shows one for each.)
    fn functions(
        &mut self,
        lambda: &Lambda<'_>,
        pos: Pos,
        scope: ScopeRef,
        name: Option<Symbol>,
    ) -> Result<Expr> {
        let mut arguments = Vec::new();
        let (mut lambda, mut pos) = (lambda, pos);
        let body = loop {
            arguments.push((lambda.argument.map(|name| self.names.intern(name.text)), pos));
            match &lambda.body.kind {
                ExprKind::Lambda(next) if next.formals.is_none() => {
                    pos = self.pos(lambda.body.span);
                    lambda = next;
                }
                _ => break lambda.body,
            }
        };
        // Of a name that is given twice the last one counts.
        let mut names: Vec<(Symbol, u32)> = Vec::with_capacity(arguments.len());
        for (slot, (argument, _)) in arguments.iter().enumerate() {
            names.retain(|known| Some(known.0) != *argument);
            names.extend(argument.map(|name| (name, slot as u32)));
        }
        names.sort_unstable_by_key(|entry| entry.0);
        let names = self.region.alloc_slice(names);
        let inner = self.region.alloc(Scope { up: Some(scope), kind: ScopeKind::Names(names) });
        let mut body = self.named(body, inner, name)?;
        let slots = arguments.len() as u32;
        let function = |this: &mut Self, filled: usize, body| {
            let ((argument, pos), first) = (arguments[filled], Default::default());
            let (formals, filled) = (None, filled as u32);
            Expr::Lambda(this.near(LambdaCode { name, argument, formals, slots, filled, body, pos, first }))
        };
        for filled in (1..slots as usize).rev() {
            let inner = function(self, filled, body);
            body = self.node(inner);
        }
        Ok(function(self, 0, body))
    }

    /// The attributes sorted by symbol.
    fn bound<'a>(&mut self, bindings: &Bindings<'a>) -> Vec<Bound<'a>> {
        let bind = |this: &mut Self, name: Name<'a>, value| Bound {
            name: this.names.intern(name.text),
            pos: this.pos(name.span),
            value,
        };
        let attributes = bindings.attributes.iter();
        let mut all: Vec<Bound> = attributes.map(|a| bind(self, a.name, a.value)).collect();
        all.sort_unstable_by_key(|bound| bound.name);
        all
    }

    fn shape(&mut self, bound: &[Bound<'_>]) -> &'static Shape {
        let symbols = self.region.alloc_slice(bound.iter().map(|b| b.name).collect());
        let positions = self.region.alloc_slice(bound.iter().map(|b| b.pos).collect());
        Shape::new(self.region, symbols, positions)
    }

    fn select_hidden(&mut self, slot: usize, name: Symbol, pos: Pos) -> ExprRef {
        let subject = self.slot(0, slot as u32, pos);
        let subject = self.node(subject);
        let select = self.near(Select { subject, name, pos, cache: SelectCache::default() });
        self.node(Expr::Select(select))
    }

    /// The scope of `let` or `rec` and what fills it: the attributes sorted by
    /// symbol, then the sources of `inherit (…)`.
    fn recursive(&mut self, bindings: &Bindings<'_>, scope: ScopeRef) -> Result<(ScopeRef, ScopeCode)> {
        let bound = self.bound(bindings);
        self.recursive_bound(&bound, bindings, scope)
    }

    fn recursive_bound(
        &mut self,
        bound: &[Bound<'_>],
        bindings: &Bindings<'_>,
        scope: ScopeRef,
    ) -> Result<(ScopeRef, ScopeCode)> {
        let names = bound.iter().enumerate().map(|(index, b)| (b.name, index as u32)).collect();
        let names = self.region.alloc_slice(names);
        let inner: ScopeRef = self.region.alloc(Scope { up: Some(scope), kind: ScopeKind::Names(names) });
        let mut values = Vec::with_capacity(bound.len() + bindings.inherit_from.len());
        for item in bound {
            values.push(match item.value {
                AttributeValue::Plain(ast) => {
                    Binding::Inner(Delayed::new(self.named(ast, inner, Some(item.name))?))
                }
                AttributeValue::Inherited => {
                    Binding::Outer(Delayed::new(self.variable(item.name.as_bytes(), item.pos, scope)?))
                }
                AttributeValue::InheritedFrom(source) => Binding::Inner(Delayed::new(self.select_hidden(
                    bound.len() + source,
                    item.name,
                    item.pos,
                ))),
            });
        }
        for source in bindings.inherit_from {
            values.push(Binding::Inner(Delayed::new(self.expr(source, inner)?)));
        }
        Ok((inner, ScopeCode { values: self.slice(values) }))
    }

    fn attr_set(
        &mut self,
        recursive: bool,
        bindings: &Bindings<'_>,
        pos: Pos,
        scope: ScopeRef,
    ) -> Result<ExprRef> {
        let bound = self.bound(bindings);
        let shape = self.shape(&bound);
        if recursive {
            let (inner, code) = self.recursive_bound(&bound, bindings, scope)?;
            let overrides = self.names.intern(b"__overrides");
            let overrides = bound.binary_search_by_key(&overrides, |b| b.name).ok().map(|i| i as u32);
            let dynamic = self.dynamic(bindings, inner)?;
            let shape = Near::new(shape);
            let code = ComplexAttrs { shape, scope: Some(code), values: None, dynamic, overrides, pos };
            let code = self.near(code);
            return Ok(self.node(Expr::ComplexAttrs(code)));
        }
        let simple = |source: &Ast| matches!(source.kind, ExprKind::Var(_));
        let needs_scope = !bindings.inherit_from.iter().all(simple);
        let mut values = Vec::with_capacity(bound.len());
        for item in &bound {
            values.push(match item.value {
                AttributeValue::Plain(ast) => {
                    Binding::Outer(Delayed::new(self.named(ast, scope, Some(item.name))?))
                }
                AttributeValue::Inherited => {
                    Binding::Outer(Delayed::new(self.variable(item.name.as_bytes(), item.pos, scope)?))
                }
                AttributeValue::InheritedFrom(source) if needs_scope => {
                    Binding::Inner(Delayed::new(self.select_hidden(source, item.name, item.pos)))
                }
                AttributeValue::InheritedFrom(source) => {
                    let subject = self.expr(&bindings.inherit_from[source], scope)?;
                    let (name, pos) = (item.name, item.pos);
                    let select = Select { subject, name, pos, cache: SelectCache::default() };
                    let select = self.near(select);
                    Binding::Outer(Delayed::new(self.node(Expr::Select(select))))
                }
            });
        }
        if !needs_scope && bindings.dynamic.is_empty() {
            let exprs = values.iter().map(|(Binding::Inner(expr) | Binding::Outer(expr))| *expr);
            let values = self.slice(exprs.collect());
            let code = self.near(AttrsCode { shape: Near::new(shape), values });
            return Ok(self.node(Expr::Attrs(code)));
        }
        let hidden = if needs_scope {
            let sources: Vec<Binding> = bindings
                .inherit_from
                .iter()
                .map(|source| Ok(Binding::Outer(Delayed::new(self.expr(source, scope)?))))
                .collect::<Result<_>>()?;
            Some(ScopeCode { values: self.slice(sources) })
        } else {
            None
        };
        let dynamic = self.dynamic(bindings, scope)?;
        let values = Some(self.slice(values));
        let shape = Near::new(shape);
        let code = self.near(ComplexAttrs { shape, scope: hidden, values, dynamic, overrides: None, pos });
        Ok(self.node(Expr::ComplexAttrs(code)))
    }

    fn dynamic(&mut self, bindings: &Bindings<'_>, scope: ScopeRef) -> Result<NearSlice<DynamicAttr>> {
        let mut all = Vec::with_capacity(bindings.dynamic.len());
        for attr in bindings.dynamic {
            all.push(DynamicAttr {
                name: self.expr(attr.name, scope)?,
                value: Delayed::new(self.expr(attr.value, scope)?),
                pos: self.pos(attr.span),
            });
        }
        Ok(self.slice(all))
    }
}
