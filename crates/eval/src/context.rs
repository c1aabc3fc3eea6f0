//! String contexts: which store objects a string's text depends on.
//!
//! Elements are interned process-wide; a context is a sorted set of element
//! numbers, itself interned, so that equal contexts are the same pointer and
//! the context of most strings (none) costs nothing to combine.

use std::fmt;
use std::sync::{Mutex, PoisonError, RwLock};

use foldhash::HashMap;
use saltire_store_model::{StoreDir, StorePath};

/// One thing that a string depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContextElement {
    /// A store object as it is: a source, a `.drv` as a file.
    Opaque(StorePath),
    /// A derivation with all its outputs and its whole closure (`drvPath`).
    DerivationDeep(StorePath),
    /// An output of a derivation.
    Output {
        /// The `.drv`.
        derivation: StorePath,
        /// The output's name.
        output: Box<str>,
    },
}

impl ContextElement {
    /// As messages show it: `path`, `path (deep)` or `path^output`.
    pub fn display(&self, store: &StoreDir) -> String {
        match self {
            Self::Opaque(path) => store.display(path),
            Self::DerivationDeep(path) => format!("{} (deep)", store.display(path)),
            Self::Output { derivation, output } => format!("{}^{output}", store.display(derivation)),
        }
    }

    /// As Nix writes it: a path, `=path` or `!output!path`.
    pub fn to_text(&self, store: &StoreDir) -> String {
        match self {
            Self::Opaque(path) => store.display(path),
            Self::DerivationDeep(path) => format!("={}", store.display(path)),
            Self::Output { derivation, output } => format!("!{output}!{}", store.display(derivation)),
        }
    }
}

/// A set of context elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Context(Option<&'static ContextSet>);

struct ContextSet {
    ids: &'static [u32],
}

impl PartialEq for ContextSet {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for ContextSet {}

#[derive(Default)]
struct Table {
    elements: HashMap<&'static ContextElement, u32>,
    sets: HashMap<&'static [u32], &'static ContextSet>,
    unions: HashMap<(usize, usize), Context>,
}

static ELEMENTS: RwLock<Vec<&'static ContextElement>> = RwLock::new(Vec::new());
static TABLE: Mutex<Option<Table>> = Mutex::new(None);

fn with_table<R>(work: impl FnOnce(&mut Table) -> R) -> R {
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    work(table.get_or_insert_default())
}

impl Table {
    fn element(&mut self, element: ContextElement) -> u32 {
        if let Some(id) = self.elements.get(&element) {
            return *id;
        }
        let element: &'static ContextElement = Box::leak(Box::new(element));
        let mut all = ELEMENTS.write().unwrap_or_else(PoisonError::into_inner);
        let id = all.len() as u32;
        all.push(element);
        self.elements.insert(element, id);
        id
    }

    /// The set with these sorted, distinct elements.
    fn set(&mut self, ids: &[u32]) -> Context {
        if ids.is_empty() {
            return Context::EMPTY;
        }
        if let Some(set) = self.sets.get(ids) {
            return Context(Some(set));
        }
        let ids: &'static [u32] = Vec::leak(ids.to_vec());
        let set: &'static ContextSet = Box::leak(Box::new(ContextSet { ids }));
        self.sets.insert(ids, set);
        Context(Some(set))
    }
}

impl Context {
    /// No dependency.
    pub const EMPTY: Context = Context(None);

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0.is_none()
    }

    /// Number of elements.
    pub fn len(self) -> usize {
        self.ids().len()
    }

    fn ids(self) -> &'static [u32] {
        self.0.map_or(&[], |set| set.ids)
    }

    /// The context with one element.
    pub fn from_element(element: ContextElement) -> Self {
        Self::from_elements([element])
    }

    /// The context with these elements.
    pub fn from_elements(elements: impl IntoIterator<Item = ContextElement>) -> Self {
        with_table(|table| {
            let mut ids: Vec<u32> = elements.into_iter().map(|e| table.element(e)).collect();
            ids.sort_unstable();
            ids.dedup();
            table.set(&ids)
        })
    }

    /// The elements of both.
    #[inline]
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if other.is_empty() || self == other {
            return self;
        }
        if self.is_empty() {
            return other;
        }
        self.union_of_two(other)
    }

    #[cold]
    fn union_of_two(self, other: Self) -> Self {
        let address = |context: Self| context.0.map_or(0, |set| std::ptr::from_ref(set) as usize);
        let key = (address(self), address(other));
        with_table(|table| {
            if let Some(union) = table.unions.get(&key) {
                return *union;
            }
            let mut ids = [self.ids(), other.ids()].concat();
            ids.sort_unstable();
            ids.dedup();
            let union = table.set(&ids);
            table.unions.insert(key, union);
            union
        })
    }

    /// The elements of all, each once, in no particular order.
    pub(crate) fn elements_of(contexts: &[Self]) -> Vec<&'static ContextElement> {
        let mut ids: Vec<u32> = contexts.iter().flat_map(|context| context.ids()).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let all = ELEMENTS.read().unwrap_or_else(PoisonError::into_inner);
        ids.into_iter().map(|id| all[id as usize]).collect()
    }

    /// The elements, in no particular order.
    pub fn iter(self) -> impl Iterator<Item = &'static ContextElement> {
        let elements: Vec<_> = if self.is_empty() {
            Vec::new()
        } else {
            let all = ELEMENTS.read().unwrap_or_else(PoisonError::into_inner);
            self.ids().iter().map(|id| all[*id as usize]).collect()
        };
        elements.into_iter()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
