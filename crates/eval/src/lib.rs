//! The Nix language: values, evaluation, builtins.
//!
//! [`Evaluator`] evaluates files and texts to [`Value`]s. Everything from outside
//! comes through the [`Host`] trait. Values, code and names are in memory that is
//! never freed (see `region`), so a [`Value`] is one word, freely copied.
//!
//! # Decisions
//!
//! - Variables are a depth and a slot in a chain of environments; a thunk is two
//!   words (code and environment), and its result replaces the code. A function of a
//!   function (`a: b: …`) fills one environment, argument by argument; a call with fewer
//!   arguments copies it.
//! - Attribute sets share the names and positions of the literal that made them
//!   (a *shape*), which also makes selection caches a comparison of one word.
//!   `large // small` refers to the large set; the shape of the result says where
//!   in both its attributes are.
//! - A call at the end of a function takes the native stack of the function that it is
//!   in, though it counts as nested. What a call certainly evaluates first (a builtin's
//!   argument, a set for a pattern) gets no thunk.
//! - A part of a file is lowered when it is first evaluated. Undefined variables are
//!   looked for once, when the file is parsed; a tree from the cache has none.
//! - A failed thunk keeps its error and fails the same way again, except for
//!   errors that depend on how deep the evaluation was.
//! - Functions inside of sets and lists compare equal if they are in the same thunk
//!   (the same value of the reference), which derivations of NixOS depend on.

#![warn(missing_docs)]

mod access;
mod arithmetic;
mod assertion;
mod attrs;
pub mod builtins;
mod call;
mod coerce;
mod compare;
mod context;
mod debug;
mod dependencies;
mod derivation;
mod error;
mod evaluator;
mod fs_host;
mod heap;
mod host;
mod interactive;
mod ir;
mod json;
mod list;
mod lower;
mod machine;
mod near;
mod nesting;
mod operators;
mod parallel;
pub mod paths;
mod print;
mod printer;
mod profile;
mod region;
mod scope;
mod select;
mod shape;
mod stack;
mod statistics;
mod strictness;
mod string;
mod symbol;
mod tree;
mod tree_cache;
mod value;

pub use attrs::{Attr, Attrs};
pub use coerce::Coerce;
pub use context::{Context, ContextElement};
pub use debug::{Debugger, Level, LevelKind, Reason, Resume, StackFrame, Stop, StopAt};
pub use dependencies::{Dependency, DependencyKind, DependencyLog};
pub use derivation::FETCHURL_PATH;
pub use error::{ErrorKind, EvalError, Result, did_you_mean};
pub use evaluator::{Evaluator, Settings};
pub use fs_host::FsHost;
pub use heap::expect_threads;
pub use host::{
    AddPath, FetchAttrs, FetchKind, FetchValue, Fetched, FileType, FlakeCall, Host, HostError, HostResult,
    PathFilter,
};
pub use interactive::{Variables, is_interrupted, set_interrupted};
pub use list::List;
pub use print::{attribute_name, describe, quote, type_name, type_of};
pub use printer::{PrintErrors, PrintOptions};
pub use saltire_syntax::{Lint, Lints};
pub use stack::with_large_stack;
pub use statistics::Statistics;
pub use string::Str;
pub use symbol::{Symbol, WellKnown};
pub use tree_cache::{FileStamp, TreeCache, TreeKey};
pub use value::{Closure, Kind, Partial, Slot, Thunk, Value};

/// What `builtins.nixVersion` says: the version that this is compatible with.
pub const NIX_VERSION: &str = "2.35.2";

/// What `builtins.langVersion` says.
pub const LANGUAGE_VERSION: i64 = 6;

#[cfg(test)]
mod tests;
