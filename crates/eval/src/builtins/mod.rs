//! The builtin functions.
//!
//! Each module has a table `BUILTINS`; [`tables`] lists them. A builtin gets its
//! arguments as they are (perhaps thunks) and forces what it needs.
//!
//! Missing, as they are in the reference unless experimental features are on:
//! `getFlake`, `parseFlakeRef`, `flakeRefToString`, `fetchClosure`, `outputOf`.

mod core;
mod data;
mod fetch;
mod files;
pub(crate) mod float_text;
pub(crate) mod json_text;
mod strings;
pub(crate) mod version_text;
mod xml;

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

/// A builtin that needs `builtins.` (or `__`) in front.
const fn builtin(
    name: &'static str,
    arguments: &'static [&'static str],
    function: BuiltinFn,
    doc: &'static str,
) -> Builtin {
    Builtin { name, arguments, doc, global: false, function }
}

/// A builtin that is also a variable of its own.
const fn global(
    name: &'static str,
    arguments: &'static [&'static str],
    function: BuiltinFn,
    doc: &'static str,
) -> Builtin {
    Builtin { name, arguments, doc, global: true, function }
}

/// All tables of builtins.
pub fn tables() -> impl Iterator<Item = &'static Builtin> {
    [core::BUILTINS, data::BUILTINS, fetch::BUILTINS, files::BUILTINS, strings::BUILTINS, xml::BUILTINS]
        .into_iter()
        .flatten()
}
