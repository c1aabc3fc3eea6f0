//! The builtin functions.
//!
//! Each module has a table `BUILTINS`; [`tables`] lists them. A builtin gets its
//! arguments as they are (perhaps thunks) and forces what it needs.
//!
//! - `core`: derivationStrict, import, scopedImport, tryEval, seq, deepSeq, throw,
//!   abort, toString, map, filter, foldl', genList, length, head, tail, elemAt, elem, concatLists,
//!   concatMap, all, any, attrNames, attrValues, mapAttrs, getAttr, hasAttr, removeAttrs, listToAttrs,
//!   intersectAttrs, functionArgs, is*, typeOf, sub, add, mul, div, lessThan, placeholder.

mod core;
pub(crate) mod float_text;
pub(crate) mod json_text;
pub(crate) mod version_text;

use saltire_diagnostics::Pos;

use crate::error::Result;
use crate::evaluator::Evaluator;
use crate::value::Value;

/// What a builtin does: it gets as many arguments as its arity.
pub type BuiltinFn = fn(&mut Evaluator, &[Value], Pos) -> Result<Value>;

/// A builtin function.
pub struct Builtin {
    /// Its name in `builtins`.
    pub name: &'static str,
    /// The names of its arguments, as many as it takes.
    pub arguments: &'static [&'static str],
    /// What it does, in Markdown.
    pub doc: &'static str,
    /// Also a variable without `builtins.` in front; then its name is `name`,
    /// else only `__name` is.
    pub global: bool,
    /// Does it.
    pub function: BuiltinFn,
}

/// All tables of builtins.
pub fn tables() -> impl Iterator<Item = &'static Builtin> {
    [core::BUILTINS].into_iter().flatten()
}
