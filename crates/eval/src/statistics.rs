//! What an evaluation did and made, counted (`NIX_SHOW_STATS`).
//!
//! The names of the fields in the text are the reference's. A number counts the
//! same thing as there; bytes are those of this representation of values.

use std::fmt::Write as _;

use crate::evaluator::Evaluator;
use crate::symbol;

macro_rules! counts {
    ($($(#[$about:meta])* $name:ident,)*) => {
        /// Running numbers of one evaluator. Plain additions: they cost too little to be
        /// switched off.
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Counts {
            $($(#[$about])* pub(crate) $name: u64,)*
        }

        impl Counts {
            pub(crate) const NONE: Self = Self { $($name: 0,)* };

            /// Adds what another thread did.
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counts! {
    thunks,
    /// Units of 8 bytes of thunks, state and payload.
    thunk_words,
    /// Expressions that needed no thunk where one was asked for.
    avoided,
    envs,
    env_slots,
    sets,
    /// Slots of sets; the references between layers count as slots.
    set_slots,
    shapes,
    shape_names,
    lists,
    list_elements,
    list_concats,
    strings,
    string_bytes,
    closures,
    calls,
    builtin_calls,
    lookups,
    updates,
    update_copies,
    /// Bytes that were used again.
    taken_back,
}

/// What an evaluation did and made.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    counts: Counts,
    /// User and system time of the process, in seconds.
    cpu_seconds: f64,
    /// Bytes of values, shapes included, that were not taken back.
    values: u64,
    /// Bytes of code.
    code: u64,
    /// Bytes of syntax trees.
    trees: u64,
    symbols: u64,
    symbol_bytes: u64,
}

/// Bytes of a value and of a reference.
const WORD: u64 = size_of::<crate::value::Value>() as u64;
/// Bytes of which everything takes a multiple.
const UNIT: u64 = 8;

impl Statistics {
    /// Thunks made.
    pub fn thunks(&self) -> u64 {
        self.counts.thunks
    }

    /// Calls of functions written in the language.
    pub fn calls(&self) -> u64 {
        self.counts.calls
    }

    /// Bytes that values, code, trees and names take.
    pub fn allocated(&self) -> u64 {
        self.values + self.code + self.trees + self.symbol_bytes
    }

    /// The JSON object that `NIX_SHOW_STATS=1` prints, keys sorted.
    pub fn to_json(&self) -> String {
        let c = &self.counts;
        let env_bytes = (c.envs + c.env_slots) * WORD;
        let list_bytes = (2 * c.lists + c.list_elements) * WORD;
        let shape_bytes = c.shapes * size_of::<crate::shape::Shape>() as u64 + c.shape_names * 2 * WORD;
        let set_bytes = (c.sets + c.set_slots) * WORD + shape_bytes;
        let value_bytes = (c.thunk_words + c.closures) * UNIT;
        let mut text = Json::default();
        text.object("code", &[("bytes", self.code), ("treeBytes", self.trees)]);
        text.number("cpuTime", self.cpu_seconds);
        text.object("envs", &[("bytes", env_bytes), ("elements", c.env_slots), ("number", c.envs)]);
        let heap = self.allocated();
        text.object("gc", &[("cycles", 0), ("heapSize", heap), ("totalBytes", heap + c.taken_back)]);
        text.object(
            "list",
            &[("bytes", list_bytes), ("concats", c.list_concats), ("elements", c.list_elements)],
        );
        text.number("nrAvoided", c.avoided);
        text.number("nrFunctionCalls", c.calls);
        text.number("nrLookups", c.lookups);
        text.number("nrOpUpdateValuesCopied", c.update_copies);
        text.number("nrOpUpdates", c.updates);
        text.number("nrPrimOpCalls", c.builtin_calls);
        text.number("nrThunks", c.thunks);
        text.object("sets", &[("bytes", set_bytes), ("elements", c.set_slots), ("number", c.sets)]);
        text.object("shapes", &[("bytes", shape_bytes), ("elements", c.shape_names), ("number", c.shapes)]);
        text.object("sizes", &[("Attr", WORD), ("Bindings", WORD), ("Env", WORD), ("Value", WORD)]);
        text.object("strings", &[("bytes", c.string_bytes), ("number", c.strings)]);
        text.object("symbols", &[("bytes", self.symbol_bytes), ("number", self.symbols)]);
        text.object_of("time", &[("cpu", self.cpu_seconds), ("gc", 0.0), ("gcFraction", 0.0)]);
        text.object("values", &[("bytes", value_bytes), ("number", c.thunks + c.closures)]);
        text.finish()
    }
}

/// An object of numbers and objects of numbers, indented by two.
#[derive(Default)]
struct Json(String);

impl Json {
    fn key(&mut self, key: &str) {
        self.0.push_str(if self.0.is_empty() { "{\n" } else { ",\n" });
        let _ = write!(self.0, "  \"{key}\": ");
    }

    fn number(&mut self, key: &str, value: impl std::fmt::Debug) {
        self.key(key);
        let _ = write!(self.0, "{value:?}");
    }

    fn object(&mut self, key: &str, members: &[(&str, u64)]) {
        self.object_of(key, members);
    }

    fn object_of<T: std::fmt::Debug>(&mut self, key: &str, members: &[(&str, T)]) {
        self.key(key);
        for (index, (name, value)) in members.iter().enumerate() {
            let start = if index == 0 { "{" } else { "," };
            let _ = write!(self.0, "{start}\n    \"{name}\": {value:?}");
        }
        self.0.push_str("\n  }");
    }

    fn finish(mut self) -> String {
        self.0.push_str("\n}\n");
        self.0
    }
}

impl Evaluator {
    /// What this evaluator did so far.
    pub fn statistics(&self) -> Statistics {
        let (symbols, symbol_bytes) = symbol::table_size();
        Statistics {
            counts: self.region.counts,
            cpu_seconds: cpu_seconds(),
            values: self.allocated() - self.code.allocated(),
            code: self.code.allocated(),
            trees: self.tree_bytes(),
            symbols,
            symbol_bytes,
        }
    }
}

/// User and system time of this process, in seconds.
fn cpu_seconds() -> f64 {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{Evaluator, FsHost, Settings};

    #[test]
    fn work_is_counted() {
        let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), Settings::default());
        let before = evaluator.statistics();
        evaluator.eval_str("let f = x: y: x + y; in f 1 (f 2 3)", b"/").unwrap();
        let after = evaluator.statistics();
        assert_eq!(after.calls() - before.calls(), 4);
        assert_eq!(after.thunks() - before.thunks(), 1);
        let text = after.to_json();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("  \"")).collect();
        assert!(lines.is_sorted(), "{text}");
        assert!(text.contains("\n  \"sizes\": {\n    \"Attr\": 4,\n    \"Bindings\": 4,"), "{text}");
    }
}
