//! The builtin functions.
//!
//! Each module has a table `BUILTINS`; [`tables`] lists them. A builtin gets its
//! arguments as they are (perhaps thunks) and forces what it needs.
//!
//! Builtins that the reference has only with an experimental feature are there
//! without one; what is missing or different is in [`DEVIATIONS`].

mod core;
mod data;
mod exec;
mod fetch;
mod files;
mod flakes;
pub(crate) mod float_text;
mod json_error;
pub(crate) mod json_text;
mod strings;
pub(crate) mod version_text;
mod xml;

pub use version_text::compare_versions;

use saltire_diagnostics::Pos;

use crate::error::Result;
use crate::evaluator::{Evaluator, Settings};
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
    /// Index of the argument that is evaluated before anything else, whatever the
    /// others are; [`LAZY`] if there is none.
    pub(crate) forces: u8,
}

/// No argument.
const LAZY: u8 = u8::MAX;

/// See [`Builtin::forces`].
const fn forces(name: &str) -> u8 {
    match name.as_bytes() {
        b"isNull"
        | b"isBool"
        | b"isInt"
        | b"isFloat"
        | b"isString"
        | b"isPath"
        | b"isList"
        | b"isAttrs"
        | b"isFunction"
        | b"typeOf"
        | b"toString"
        | b"throw"
        | b"abort"
        | b"seq"
        | b"length"
        | b"head"
        | b"tail"
        | b"elemAt"
        | b"concatLists"
        | b"concatMap"
        | b"all"
        | b"any"
        | b"foldl'"
        | b"attrNames"
        | b"attrValues"
        | b"getAttr"
        | b"hasAttr"
        | b"removeAttrs"
        | b"listToAttrs"
        | b"intersectAttrs"
        | b"catAttrs"
        | b"functionArgs"
        | b"stringLength"
        | b"concatStringsSep"
        | b"baseNameOf"
        | b"match"
        | b"split"
        | b"compareVersions"
        | b"lessThan"
        | b"import"
        | b"genericClosure"
        | b"unsafeDiscardStringContext" => 0,
        b"map" | b"filter" | b"elem" | b"mapAttrs" | b"sort" => 1,
        _ => LAZY,
    }
}

/// A builtin that needs `builtins.` (or `__`) in front.
const fn builtin(
    name: &'static str,
    arguments: &'static [&'static str],
    function: BuiltinFn,
    doc: &'static str,
) -> Builtin {
    Builtin { name, arguments, doc, global: false, function, forces: forces(name) }
}

/// A builtin that is also a variable of its own.
const fn global(
    name: &'static str,
    arguments: &'static [&'static str],
    function: BuiltinFn,
    doc: &'static str,
) -> Builtin {
    Builtin { name, arguments, doc, global: true, function, forces: forces(name) }
}

/// All builtins that there are with these settings.
pub(crate) fn available(settings: &Settings) -> impl Iterator<Item = &'static Builtin> + use<> {
    let native_code = settings.native_code;
    tables().filter(move |builtin| native_code || builtin.name != "exec")
}

/// All tables of builtins.
pub fn tables() -> impl Iterator<Item = &'static Builtin> {
    let tables: [&[Builtin]; 8] = [
        core::BUILTINS,
        data::BUILTINS,
        exec::BUILTINS,
        fetch::BUILTINS,
        files::BUILTINS,
        flakes::BUILTINS,
        strings::BUILTINS,
        xml::BUILTINS,
    ];
    tables.into_iter().flatten()
}

/// What `builtins.currentTime` is made from.
pub(crate) static CURRENT_TIME: Builtin = builtin("currentTime", &["unit"], current_time, "The time.");

fn current_time(e: &mut Evaluator, _: &[Value], _: Pos) -> Result<Value> {
    let time = e.host().current_time().unwrap_or_default();
    Ok(e.new_int(time))
}

/// Where builtins differ from those of Nix 2.35: the builtin, and how.
pub static DEVIATIONS: &[(&str, &str)] = &[
    (
        "exec",
        "A program that can't be started is one error; the reference writes one more, of the process that was to become it.",
    ),
    (
        "importNative",
        "Missing, also with `allow-unsafe-native-code-during-evaluation`: its plugins are of the reference's own memory layout.",
    ),
    ("outputOf", "Missing; the reference has it only with the experimental feature `dynamic-derivations`."),
    ("fetchFinalTree", "Missing; the reference has it for its own use."),
    ("fetchClosure", "There without the experimental feature `fetch-closure`."),
    ("fetchTree", "There without the experimental feature `fetch-tree`."),
    ("flakeRefToString", "There without the experimental feature `flakes`."),
    ("getFlake", "There without the experimental feature `flakes`."),
    ("parseFlakeRef", "There without the experimental feature `flakes`."),
    (
        "derivationStrict",
        "Refuses `__contentAddressed` and `__impure`, as the reference does without their experimental features.",
    ),
    (
        "==",
        "Compares attributes in the order of their names; in the reference the order depends on which names it read first. It shows only where comparing an attribute fails.",
    ),
    (
        "floor",
        "Gives integers beyond 2^53 as they are, which the reference refuses, as it once rounded them; so does `ceil`.",
    ),
    (
        "fromTOML",
        "Dates and times are an error, as in the reference without the experimental feature `parse-toml-timestamps`.",
    ),
];
