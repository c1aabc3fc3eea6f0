//! The tree that the parser makes: names as written, nothing resolved.
//!
//! Nodes live in a `bumpalo` arena for as long as the tree is needed, which is
//! until the evaluator has lowered it to its own form. Spans are byte offsets
//! in the source text of the one file.

use bstr::BStr;
use saltire_diagnostics::Span;

/// An expression with its place.
#[derive(Clone, Copy, Debug)]
pub struct Expr<'a> {
    /// From the first to behind the last byte of the expression, without
    /// parentheses around it; its start is where Nix places the expression.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind<'a>,
}

/// A name as written: of a variable, an attribute or an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// The text; an identifier, or the contents of a quoted attribute name.
    pub text: &'a BStr,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Copy, Debug)]
pub enum ExprKind<'a> {
    /// A part that is kept elsewhere, under this number. The parser leaves nothing out.
    Deferred(u32),
    /// `12`
    Int(i64),
    /// `1.5`
    Float(f64),
    /// A string without interpolation, escapes already replaced and
    /// indentation already stripped; also an unquoted URI.
    String(&'a BStr),
    /// A string with at least one interpolation (or, for `"${x}"`, only that).
    Interpolated(&'a [StringPart<'a>]),
    /// A path literal: at first always text, which Nix makes absolute and
    /// canonical (a `/` at its end stays) before it appends the other parts.
    Path(PathBase, &'a [StringPart<'a>]),
    /// `<name>` or `<name/rest>`: the text between the angle brackets.
    SearchPath(&'a BStr),
    /// A variable (also `true`, `null`, `__curPos`, …: nothing is special here).
    Var(&'a BStr),
    /// `subject.path` or `subject.path or default`
    Select {
        /// What is selected from.
        subject: &'a Expr<'a>,
        /// At least one name.
        path: &'a [AttrName<'a>],
        /// Behind `or`.
        default: Option<&'a Expr<'a>>,
    },
    /// `subject ? path`
    HasAttr {
        /// What is looked into.
        subject: &'a Expr<'a>,
        /// At least one name.
        path: &'a [AttrName<'a>],
    },
    /// `function argument argument …`: all arguments of a chain together.
    Apply {
        /// The function; itself an `Apply` only if that is in parentheses or is
        /// the odd `f or`, which passes a variable named `or`.
        function: &'a Expr<'a>,
        /// At least one argument.
        arguments: &'a [Expr<'a>],
    },
    /// `x: body`, `{ a, b ? 1, ... }@x: body`
    Lambda(&'a Lambda<'a>),
    /// `let … in body`
    Let(&'a Bindings<'a>, &'a Expr<'a>),
    /// `let { …; body = …; }`
    LegacyLet(&'a Bindings<'a>),
    /// `{ … }` or, recursive, `rec { … }`
    AttrSet {
        /// With `rec`.
        recursive: bool,
        /// What it holds.
        bindings: &'a Bindings<'a>,
    },
    /// `[ … ]`
    List(&'a [Expr<'a>]),
    /// `with scope; body`
    With(&'a Expr<'a>, &'a Expr<'a>),
    /// `if condition then yes else no`
    If(&'a Expr<'a>, &'a Expr<'a>, &'a Expr<'a>),
    /// `assert condition; body`
    Assert(&'a Expr<'a>, &'a Expr<'a>),
    /// `!x`
    Not(&'a Expr<'a>),
    /// `-x`
    Negate(&'a Expr<'a>),
    /// `left operator right`
    Binary {
        /// Which.
        operator: BinaryOperator,
        /// Where the operator stands (Nix reports errors of `a + b` there).
        operator_span: Span,
        /// Before it.
        left: &'a Expr<'a>,
        /// Behind it.
        right: &'a Expr<'a>,
    },
}

/// A literal piece of a string or path, or an interpolation.
#[derive(Clone, Copy, Debug)]
pub enum StringPart<'a> {
    /// Text, with its place.
    Literal(&'a BStr, Span),
    /// `${…}`
    Interpolation(&'a Expr<'a>),
}

/// What a path literal is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathBase {
    /// Starts with `/`.
    Absolute,
    /// Relative to the folder of the file; the first part has the text as written (`./x`, `../x`, `a/b`).
    Relative,
    /// Started with `~/`, which the first part no longer has.
    Home,
}

/// A name in an attribute path.
#[derive(Clone, Copy, Debug)]
pub enum AttrName<'a> {
    /// `a` or `"a"`
    Static(Name<'a>),
    /// `${x}` or a string with interpolations
    Dynamic(&'a Expr<'a>),
}

/// A function.
#[derive(Clone, Copy, Debug)]
pub struct Lambda<'a> {
    /// `x` in `x: …` and in `x@{ … }: …`
    pub argument: Option<Name<'a>>,
    /// The argument's pattern, if it has one.
    pub formals: Option<Formals<'a>>,
    /// Behind the colon.
    pub body: &'a Expr<'a>,
}

/// `{ a, b ? default, ... }`
#[derive(Clone, Copy, Debug)]
pub struct Formals<'a> {
    /// In the order written; no name twice (the parser reports that).
    pub formals: &'a [Formal<'a>],
    /// With `...`.
    pub ellipsis: bool,
    /// The braces with all between.
    pub span: Span,
}

/// One name of a pattern.
#[derive(Clone, Copy, Debug)]
pub struct Formal<'a> {
    /// The name.
    pub name: Name<'a>,
    /// Behind `?`.
    pub default: Option<&'a Expr<'a>>,
}

/// What a set or `let` binds, with nested paths (`a.b = 1; a.c = 2;`) merged
/// and duplicates already reported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bindings<'a> {
    /// Names known when parsing, in the order first written.
    pub attributes: &'a [Attribute<'a>],
    /// `${name} = value;` in the order written.
    pub dynamic: &'a [DynamicAttribute<'a>],
    /// The sources of `inherit (source) …;`, evaluated at most once each.
    pub inherit_from: &'a [Expr<'a>],
}

/// One attribute with a known name.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// The name, where it was first written. As in Nix, its place starts where
    /// the whole attribute path does: at `a` for the `c` in `a.b.c = 1;`.
    pub name: Name<'a>,
    /// What it is bound to.
    pub value: AttributeValue<'a>,
}

/// What an attribute is bound to.
#[derive(Clone, Copy, Debug)]
pub enum AttributeValue<'a> {
    /// `name = value;`
    Plain(&'a Expr<'a>),
    /// `inherit name;`: the variable of that name *around* the set.
    Inherited,
    /// `inherit (source) name;`: an index into [`Bindings::inherit_from`].
    InheritedFrom(usize),
}

/// `${name} = value;`
#[derive(Clone, Copy, Debug)]
pub struct DynamicAttribute<'a> {
    /// Gives the name, or null to leave the attribute out.
    pub name: &'a Expr<'a>,
    /// The value.
    pub value: &'a Expr<'a>,
    /// From the start of the attribute path to the end of the name.
    pub span: Span,
}

/// The binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryOperator {
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
    /// `function_input |> function`, an experimental feature
    PipeRight,
    /// `function <| input`, an experimental feature
    PipeLeft,
}

impl BinaryOperator {
    /// All of them, in the order of their numbers (`operator as usize`).
    pub const ALL: [Self; 17] = [
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Concat,
        Self::Update,
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::And,
        Self::Or,
        Self::Implies,
        Self::PipeRight,
        Self::PipeLeft,
    ];
}

const _: () = {
    let mut number = 0;
    while number < BinaryOperator::ALL.len() {
        assert!(BinaryOperator::ALL[number] as usize == number, "in order");
        number += 1;
    }
};
