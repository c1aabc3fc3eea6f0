//! The form that is evaluated: variables resolved to slots, constants made,
//! names interned. Nodes are in a region and never freed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use saltire_diagnostics::{Pos, SourceFile};

use crate::attrs::Attrs;
use crate::dependencies::Dependency;
use crate::error::EvalError;
use crate::near::{Near, NearSlice, Tagged};
use crate::scope::Scope;
use crate::shape::{Place, Shape};
use crate::strictness::FirstCache;
use crate::symbol::Symbol;
use crate::value::{Slot, Value};

pub(crate) type ExprRef = Near<Expr>;

/// An expression: a word, what needs more is referred to.
#[repr(align(8))]
pub(crate) enum Expr {
    /// Its value is known.
    Constant(Value),
    /// A variable of the innermost scope.
    Local { slot: u16, pos: Pos },
    /// A variable of a scope further out.
    Variable { depth: u8, slot: u16, pos: Pos },
    /// A variable that is too far out for that, or in too large a scope.
    Far(Near<FarVariable>),
    /// A variable that a `with` may bind.
    With(Near<WithVariable>),
    /// `subject.name`
    Select(Near<Select>),
    /// `subject.path` with several or dynamic names, or a default.
    SelectPath(Near<SelectPath>),
    /// `subject ? path`
    HasAttr(Near<HasAttr>),
    /// A call.
    Call(Near<CallCode>),
    /// A function.
    Lambda(Near<LambdaCode>),
    /// `let … in body`
    Let(Near<(ScopeCode, ExprRef)>),
    /// A non-recursive set without dynamic names and hidden sources.
    Attrs(Near<AttrsCode>),
    /// Any other set.
    ComplexAttrs(Near<ComplexAttrs>),
    /// `[ … ]`, not empty.
    List(Near<NearSlice<Delayed>>),
    /// `with scope; body`
    WithScope(Near<(Delayed, ExprRef)>),
    /// `if condition then yes else no`
    If(Near<IfCode>),
    /// `assert condition; body`
    Assert(Near<AssertCode>),
    /// `!x`
    Not(Near<Operand>),
    /// `-x`
    Negate(Near<Operand>),
    /// A binary operator that isn't one of the following.
    Binary(Operator, Near<Operands>),
    /// `"a${b}c"`
    Interpolate(Near<Parts>),
    /// A path with interpolations; the first part is a path constant.
    InterpolatePath(Near<Parts>),
    /// `__curPos`
    CurrentPosition(Pos),
    /// Not lowered yet.
    Lazy(Near<Lazy>),
    /// A thunk's call of its first value with one argument.
    Apply1,
    /// A thunk's call of its first value with two arguments.
    Apply2,
    /// A thunk's selection of the symbol named by its second value from its first.
    ThunkSelect,
    /// What a thunk has whose evaluation failed.
    Failed(Near<&'static EvalError>),
    /// What a thunk has whose result, in the thunk, depends on something.
    Tracked(Dependency),
}

const _: () = assert!(size_of::<Expr>() == 8);

/// A reference to an expression of which a thunk may be needed. It says itself whether,
/// so that there is no need to look at the expression, which is often in no cache.
#[derive(Clone, Copy)]
pub(crate) struct Delayed(Tagged<Expr>);

/// What [`Delayed`] says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Anything that takes work.
    Work,
    /// A constant or a variable.
    Known,
    /// A function.
    Lambda,
    /// What may be known, once it is looked at.
    Perhaps,
}

impl Delayed {
    pub(crate) fn new(expr: ExprRef) -> Self {
        let sort = match *expr {
            Expr::Constant(_) | Expr::Local { .. } | Expr::Variable { .. } => Sort::Known,
            Expr::Lambda(_) => Sort::Lambda,
            Expr::Select(_) | Expr::Lazy(_) => Sort::Perhaps,
            _ => Sort::Work,
        };
        Self(Tagged::new(expr, sort as u32))
    }

    #[inline(always)]
    pub(crate) fn expr(self) -> ExprRef {
        self.0.object()
    }

    #[inline(always)]
    fn is(self, sort: Sort) -> bool {
        self.0.tag() == sort as u32
    }

    /// Whether it is neither a value nor a variable.
    #[inline(always)]
    pub(crate) fn is_work(self) -> bool {
        !self.is(Sort::Known) && !self.is(Sort::Lambda)
    }

    /// Whether it is a constant or a variable.
    #[inline(always)]
    pub(crate) fn is_known(self) -> bool {
        self.is(Sort::Known)
    }

    /// Whether it needs a thunk whatever it is.
    #[inline(always)]
    pub(crate) fn needs_thunk(self) -> bool {
        self.is(Sort::Work)
    }
}

/// A variable anywhere.
pub(crate) struct FarVariable {
    pub(crate) depth: u32,
    pub(crate) slot: u32,
    pub(crate) pos: Pos,
}

/// What is called with what.
pub(crate) struct CallCode {
    pub(crate) function: ExprRef,
    pub(crate) arguments: NearSlice<Delayed>,
    pub(crate) pos: Pos,
}

/// `if condition then yes else no`
pub(crate) struct IfCode {
    pub(crate) condition: ExprRef,
    pub(crate) yes: ExprRef,
    pub(crate) no: ExprRef,
    pub(crate) pos: Pos,
}

/// `assert condition; body`
pub(crate) struct AssertCode {
    pub(crate) condition: ExprRef,
    pub(crate) body: ExprRef,
    pub(crate) pos: Pos,
}

/// What an operator has on its right.
pub(crate) struct Operand {
    pub(crate) operand: ExprRef,
    pub(crate) pos: Pos,
}

/// What an operator has on both sides.
pub(crate) struct Operands {
    pub(crate) left: ExprRef,
    pub(crate) right: ExprRef,
    pub(crate) pos: Pos,
}

/// What is joined.
pub(crate) struct Parts {
    pub(crate) parts: NearSlice<ExprRef>,
    pub(crate) pos: Pos,
}

/// `subject ? path`
pub(crate) struct HasAttr {
    pub(crate) subject: ExprRef,
    pub(crate) path: NearSlice<Key>,
}

/// Operators whose both sides are evaluated or that decide by the left one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Concat,
    Update,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Implies,
}

/// A variable that is looked up in the sets of the `with`s around it.
pub(crate) struct WithVariable {
    pub(crate) name: Symbol,
    pub(crate) pos: Pos,
    /// The innermost first.
    pub(crate) withs: NearSlice<WithPlace>,
}

/// A `with` in which a variable is looked up.
pub(crate) struct WithPlace {
    /// How far out it is.
    pub(crate) depth: u32,
    /// Where it is written.
    pub(crate) pos: Pos,
    pub(crate) cache: SearchCache,
}

/// `subject.name`
pub(crate) struct Select {
    pub(crate) subject: ExprRef,
    pub(crate) name: Symbol,
    pub(crate) pos: Pos,
    pub(crate) cache: SelectCache,
}

impl Select {
    /// The slot of the attribute.
    #[inline(always)]
    pub(crate) fn find(&self, attrs: Attrs) -> Option<&'static Slot> {
        let shape = attrs.shape_id();
        match self.cache.get(shape) {
            Some(place) => Some(attrs.slot(place)),
            None => self.search(attrs),
        }
    }

    #[inline(never)]
    fn search(&self, attrs: Attrs) -> Option<&'static Slot> {
        let place = attrs.find_place(self.name)?;
        self.cache.set(attrs.shape_id(), place);
        Some(attrs.slot(place))
    }
}

/// The last shape that was selected from at a place, and where in its sets the
/// attribute is.
#[derive(Default)]
pub(crate) struct SelectCache(AtomicU64);

/// Shapes' addresses have 32 bits; the rest holds the place.
const PLACE_BITS: u32 = 32;
/// The part of it that is the index.
const INDEX_BITS: u32 = 26;

impl SelectCache {
    #[inline(always)]
    pub(crate) fn get(&self, shape: usize) -> Option<Place> {
        let word = self.0.load(Ordering::Relaxed);
        let bits = word as u32;
        let place = Place { level: bits >> INDEX_BITS, index: bits & ((1 << INDEX_BITS) - 1) };
        (word >> PLACE_BITS == shape as u64).then_some(place)
    }

    #[inline]
    pub(crate) fn set(&self, shape: usize, place: Place) {
        let fits = place.index < 1 << INDEX_BITS && place.level < 1 << (PLACE_BITS - INDEX_BITS);
        if fits {
            let bits = u64::from(place.level << INDEX_BITS | place.index);
            self.0.store((shape as u64) << PLACE_BITS | bits, Ordering::Relaxed);
        }
    }
}

/// As [`SelectCache`] where the attribute may be missing.
#[derive(Default)]
pub(crate) struct SearchCache {
    found: SelectCache,
    /// The last shape without the name.
    absent: AtomicU32,
}

impl SearchCache {
    /// The slot of an attribute, if there is one.
    #[inline]
    pub(crate) fn find(&self, attrs: Attrs, name: Symbol) -> Option<&'static Slot> {
        let shape = attrs.shape_id();
        if let Some(place) = self.found.get(shape) {
            return Some(attrs.slot(place));
        }
        if self.absent.load(Ordering::Relaxed) as usize == shape {
            return None;
        }
        match attrs.find_place(name) {
            Some(place) => {
                self.found.set(shape, place);
                Some(attrs.slot(place))
            }
            None => {
                self.absent.store(shape as u32, Ordering::Relaxed);
                None
            }
        }
    }
}

/// A selection with all that the grammar allows.
pub(crate) struct SelectPath {
    pub(crate) subject: ExprRef,
    pub(crate) path: NearSlice<Key>,
    pub(crate) default: Option<ExprRef>,
    pub(crate) pos: Pos,
}

/// A name in an attribute path.
pub(crate) enum Key {
    Static(Symbol, SearchCache),
    Dynamic(ExprRef, Pos),
}

/// A function.
pub(crate) struct LambdaCode {
    /// What it is bound to, for messages.
    pub(crate) name: Option<Symbol>,
    /// `x` in `x: …` and `x@{ … }: …`.
    pub(crate) argument: Option<Symbol>,
    pub(crate) formals: Option<Near<Formals>>,
    /// The argument alone, or the formals and then the argument. Functions that only
    /// give a function (`a: b: …`) share one environment, in which each has a slot.
    pub(crate) slots: u32,
    /// How many slots the functions around this one have filled that share its environment.
    pub(crate) filled: u32,
    pub(crate) body: ExprRef,
    pub(crate) pos: Pos,
    pub(crate) first: FirstCache,
}

impl LambdaCode {
    /// The function that the body is, if it goes on in the same environment.
    #[inline(always)]
    pub(crate) fn continued(&self) -> Option<&'static LambdaCode> {
        match self.body.get() {
            Expr::Lambda(next) if next.filled > 0 => Some(next.get()),
            _ => None,
        }
    }
}

/// `{ a, b ? default, ... }`, sorted by symbol; each has the slot of its index.
pub(crate) struct Formals {
    pub(crate) names: NearSlice<Symbol>,
    pub(crate) defaults: NearSlice<Option<Delayed>>,
    pub(crate) positions: NearSlice<Pos>,
    pub(crate) ellipsis: bool,
}

/// What fills the slots of a recursive scope, in order.
pub(crate) struct ScopeCode {
    pub(crate) values: NearSlice<Binding>,
}

/// What a name is bound to.
#[derive(Clone, Copy)]
pub(crate) enum Binding {
    /// An expression in the scope itself.
    Inner(Delayed),
    /// An expression in the scope around (`inherit x;`).
    Outer(Delayed),
}

/// A set whose names are all known and whose values are in the scope around.
pub(crate) struct AttrsCode {
    pub(crate) shape: Near<Shape>,
    pub(crate) values: NearSlice<Delayed>,
}

/// A set with a scope of its own: recursive, or with sources of `inherit (…)`.
pub(crate) struct ComplexAttrs {
    pub(crate) shape: Near<Shape>,
    /// Fills the scope; `None` if the set needs none.
    pub(crate) scope: Option<ScopeCode>,
    /// The values in shape order: in a recursive set the slots of the scope.
    pub(crate) values: Option<NearSlice<Binding>>,
    /// Evaluated in the scope if the set is recursive.
    pub(crate) dynamic: NearSlice<DynamicAttr>,
    /// The slot of `__overrides` in a recursive set that has it.
    pub(crate) overrides: Option<u32>,
    pub(crate) pos: Pos,
}

/// `${name} = value;`
pub(crate) struct DynamicAttr {
    pub(crate) name: ExprRef,
    pub(crate) value: Delayed,
    pub(crate) pos: Pos,
}

/// An expression that is lowered when it is first evaluated.
pub(crate) struct Lazy {
    pub(crate) lowered: OnceLock<ExprRef>,
    /// Where it starts in the file's tree.
    pub(crate) at: u32,
    pub(crate) scope: Near<Scope>,
    pub(crate) file: Near<FileCode>,
    pub(crate) name: Option<Symbol>,
}

/// What lowering needs to know about a file.
pub(crate) struct FileCode {
    pub(crate) source: std::sync::Arc<SourceFile>,
    /// Its syntax tree, once it was parsed.
    pub(crate) tree: OnceLock<&'static [u8]>,
    /// What relative paths are relative to.
    pub(crate) base: Vec<u8>,
    /// For `~/…`.
    pub(crate) home: Option<Vec<u8>>,
}
