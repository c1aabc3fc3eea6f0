//! Evaluating texts among variables that come and go, as at a prompt, and
//! stopping an evaluation that takes too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use saltire_diagnostics::Origin;

use crate::error::Result;
use crate::evaluator::Evaluator;
use crate::scope::{Found, Scope, ScopeKind};
use crate::symbol::Symbol;
use crate::value::{COMMON, Thunk, Value};

/// Why evaluations are to stop: any of the following.
static STOP: AtomicU8 = AtomicU8::new(0);
const INTERRUPTED: u8 = 1;
const EXHAUSTED: u8 = 2;

/// Whether evaluations are to stop for any reason.
#[inline(always)]
pub(crate) fn must_stop() -> bool {
    STOP.load(Ordering::Relaxed) != 0
}

/// Makes evaluations end with an error: there is nearly no more memory for values.
pub(crate) fn set_exhausted() {
    STOP.fetch_or(EXHAUSTED, Ordering::Relaxed);
}

/// Whether evaluations in this process are to stop.
#[inline(always)]
pub fn is_interrupted() -> bool {
    STOP.load(Ordering::Relaxed) & INTERRUPTED != 0
}

/// Makes all evaluations in this process end with an error soon (`true`), or lets
/// new ones run (`false`). Values that were being evaluated can be evaluated again.
/// May be called from a signal handler.
pub fn set_interrupted(interrupted: bool) {
    match interrupted {
        true => STOP.fetch_or(INTERRUPTED, Ordering::Relaxed),
        false => STOP.fetch_and(!INTERRUPTED, Ordering::Relaxed),
    };
}

/// Variables that texts can use, in layers over the builtins.
#[derive(Clone, Copy)]
pub struct Variables(pub(crate) &'static Scope);

impl Variables {
    /// The value that a name has for texts, perhaps a thunk.
    pub fn get(self, name: Symbol) -> Option<Value> {
        match self.0.find(name) {
            Found::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// All names that texts can use, those of builtins included, sorted.
    pub fn names(self) -> Vec<&'static [u8]> {
        let mut names = self.0.names();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Evaluator {
    /// A layer of variables over another, or over the builtins alone. Of a name
    /// that is given twice, the last value counts.
    pub fn variables(&mut self, below: Option<Variables>, mut names: Vec<(Symbol, Value)>) -> Variables {
        names.reverse();
        names.sort_by_key(|entry| entry.0);
        names.dedup_by_key(|entry| entry.0);
        self.region.keep_all();
        let names = self.code.alloc_slice(names);
        let up = below.map_or(self.globals, |below| below.0);
        Variables(self.code.alloc(Scope { up: Some(up), kind: ScopeKind::Constants(names) }))
    }

    /// The value of a text, not evaluated yet; relative paths in it are relative
    /// to `base`. Errors are those of parsing.
    pub fn delayed_text(
        &mut self,
        origin: Origin,
        text: Arc<[u8]>,
        base: &[u8],
        variables: Option<Variables>,
    ) -> Result<Value> {
        let scope = variables.map_or(self.globals, |variables| variables.0);
        let expr = self.parse_text(origin, text, base, scope)?;
        Ok(Thunk::in_env(&mut self.region, expr, COMMON.env))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FsHost, Settings};

    #[test]
    fn later_variables_hide_earlier_ones_and_are_not_evaluated() {
        let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), Settings::default());
        let mut text = |text: &str, variables: Option<Variables>| {
            evaluator.delayed_text(Origin::String, text.as_bytes().into(), b"/", variables).unwrap()
        };
        let (one, two, wrong) = (text("1", None), text("2", None), text("throw \"never\"", None));
        let [a, b] = ["a", "b"].map(Symbol::intern);
        let below = evaluator.variables(None, vec![(a, wrong), (a, one), (b, wrong)]);
        let above = evaluator.variables(Some(below), vec![(b, two)]);
        let sum = evaluator.delayed_text(Origin::String, (*b"a + b").into(), b"/", Some(above)).unwrap();
        assert_eq!(evaluator.force(sum).unwrap().as_int(), Some(3));
        assert!(above.get(b).unwrap().is_same(two) && above.get(Symbol::intern("c")).is_none());
        let names = above.names();
        assert!(names.is_sorted() && [b"a".as_slice(), b"b", b"map"].iter().all(|name| names.contains(name)));
    }

    #[test]
    fn a_session_goes_on_after_an_error() {
        let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), Settings::default());
        let mut text = |text: &str, variables| {
            evaluator.delayed_text(Origin::String, text.as_bytes().into(), b"/", variables)
        };
        let wrong = text("throw \"no\"", None).unwrap();
        assert!(text("1 +", None).is_err());
        let variables = evaluator.variables(None, vec![(Symbol::intern("wrong"), wrong)]);
        let mut check = |text: &str, expected: Option<i64>| {
            let text = text.as_bytes().into();
            let value = evaluator.delayed_text(Origin::String, text, b"/", Some(variables));
            let value = value.and_then(|value| evaluator.force(value)).ok();
            assert_eq!(value.and_then(Value::as_int), expected);
        };
        check("wrong + 1", None);
        check("wrong + 1", None);
        check("1 + 1", Some(2));
    }
}
