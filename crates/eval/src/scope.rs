//! Scopes while lowering: which name is in which slot.

use saltire_diagnostics::Pos;

use crate::symbol::Symbol;
use crate::value::Value;

/// One environment that will exist at run time, or the constants outside of all.
pub(crate) struct Scope {
    pub(crate) up: Option<&'static Scope>,
    pub(crate) kind: ScopeKind,
}

pub(crate) enum ScopeKind {
    /// Names that are constants; has no environment.
    Constants(&'static [(Symbol, Value)]),
    /// Variables, sorted by symbol, with their slots.
    Names(&'static [(Symbol, u32)]),
    /// A `with`, at this place; its set is in slot 0.
    With(Pos),
    /// Slots without names.
    Hidden,
}

/// Where a variable was found.
pub(crate) enum Found {
    Constant(Value),
    Slot {
        depth: u32,
        slot: u32,
    },
    /// Nowhere, but there are `with`s, this far out, at these places.
    With(Vec<(u32, Pos)>),
    Nowhere,
}

impl Scope {
    pub(crate) fn find(&'static self, name: Symbol) -> Found {
        let mut depth = 0;
        let mut withs = Vec::new();
        let mut next = Some(self);
        while let Some(scope) = next {
            match scope.kind {
                ScopeKind::Constants(names) => {
                    if let Ok(index) = names.binary_search_by_key(&name, |entry| entry.0) {
                        return Found::Constant(names[index].1);
                    }
                    // Constants have no environment to count.
                    next = scope.up;
                    continue;
                }
                ScopeKind::Names(names) => {
                    let index = if names.len() <= 6 {
                        names.iter().position(|entry| entry.0 == name)
                    } else {
                        names.binary_search_by_key(&name, |entry| entry.0).ok()
                    };
                    if let Some(index) = index {
                        return Found::Slot { depth, slot: names[index].1 };
                    }
                }
                ScopeKind::With(pos) => withs.push((depth, pos)),
                ScopeKind::Hidden => {}
            }
            depth += 1;
            next = scope.up;
        }
        if withs.is_empty() { Found::Nowhere } else { Found::With(withs) }
    }

    /// Whether a variable is one of the constants that are outside of a text.
    pub(crate) fn has_constant(&'static self, name: Symbol) -> bool {
        matches!(self.find(name), Found::Constant(_))
    }

    /// All names that are visible, for suggestions.
    pub(crate) fn names(&'static self) -> Vec<&'static [u8]> {
        let mut all = Vec::new();
        let mut next = Some(self);
        while let Some(scope) = next {
            match scope.kind {
                ScopeKind::Constants(names) => all.extend(names.iter().map(|n| n.0.as_bytes())),
                ScopeKind::Names(names) => all.extend(names.iter().map(|n| n.0.as_bytes())),
                ScopeKind::With(_) | ScopeKind::Hidden => {}
            }
            next = scope.up;
        }
        all
    }
}
