//! Many attributes in little memory, and again after an edit in little time.
//!
//! The unit is an *item*: an attribute of a package set, or of a set in it that wants
//! to be entered. One process evaluates what all items need, the package set itself
//! above all. Then it starts workers, copies of itself, each of which evaluates some
//! items, tells what it found and ends, so that its memory is gone.
//!
//! Everything that evaluation asks for is noted ([`trace`]), and what of it each item
//! depends on, also through values that were computed for another item
//! ([`DependencyLog`](saltire_eval::DependencyLog)). What was found is kept with those
//! inputs ([`record`]); the next time only items are evaluated whose inputs changed.
//!
//! A package that two attributes name is listed once, where it comes first. Two
//! values are the same if they are the same object in one process. So attributes
//! with equal names and derivations that were evaluated in different processes are
//! evaluated once more in one, as far as it takes to see which object they are.

mod pool;
mod record;
mod run;
mod trace;
mod wire;

use std::sync::Arc;

use saltire_eval::{Attrs, Evaluator, Value};

use crate::error::Error;
use crate::packages::{Forgive, Package};
use crate::session::{EvaluationError, Session};

/// Evaluates the package sets that are asked about, and the arguments for functions
/// in them.
pub type Roots<'q> = dyn Fn(&mut Evaluator) -> Result<(Vec<Value>, Attrs), EvaluationError> + Sync + 'q;

/// What is wanted of a package, as bytes; `None` if it is not to be listed. The
/// number is that of the package set.
pub type Describe<'q> =
    dyn Fn(&mut Evaluator, usize, &Package) -> Result<Option<Vec<u8>>, EvaluationError> + Sync + 'q;

/// A question about all packages of package sets.
pub struct Query<'q> {
    /// The package sets.
    pub roots: &'q Roots<'q>,
    /// What is wanted of each package.
    pub describe: &'q Describe<'q>,
    /// Which errors leave a package out while it is looked for.
    pub forgive: Forgive,
    /// Which errors leave a package out while it is described.
    pub forgive_description: Forgive,
    /// Everything but settings and inputs that the answer depends on; without it
    /// the answer is not kept.
    pub key: Option<Vec<u8>>,
    /// List a package under each of its names, not only under the first.
    pub repeated: bool,
    /// How the work is divided.
    pub division: Division,
}

/// How the work of a [`Query`] is divided.
#[derive(Clone, Copy, Debug)]
pub struct Division {
    /// Processes that evaluate at the same time.
    pub workers: usize,
    /// Items that one evaluates at most.
    pub items: usize,
    /// Bytes of values after which a worker ends and leaves its other items to another.
    pub memory: u64,
    /// Fewer items than this are evaluated without workers.
    pub alone: usize,
}

/// Bytes of values that all workers together may have.
const MEMORY: u64 = 720 << 20;

impl Division {
    /// For so many workers at the same time. The fewer there are the less is evaluated
    /// by more than one of them, since each can keep more.
    pub fn among(workers: usize) -> Self {
        Self { workers, items: 16384, memory: MEMORY / workers.max(1) as u64, alone: 64 }
    }
}

/// A package that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// In which package set.
    pub root: usize,
    /// Its attribute path there.
    pub path: String,
    /// Its description.
    pub description: Vec<u8>,
}

/// What was done for an [`Answer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Items that were evaluated.
    pub evaluated: usize,
    /// Items whose earlier results were taken.
    pub kept: usize,
    /// Workers that were started.
    pub workers: usize,
    /// Items that were evaluated once more to see which are the same.
    pub compared: usize,
}

/// The packages, in the order of their attribute paths.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The packages.
    pub rows: Vec<Row>,
    /// What was done.
    pub effort: Effort,
}

/// How an item is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Mode {
    /// An attribute: a package, or a set that says that it wants to be entered.
    Attribute,
    /// A member of a list: a package, or entered.
    Member,
    /// Entered.
    Enter,
}

impl Mode {
    fn from_number(number: u8) -> Option<Self> {
        [Self::Attribute, Self::Member, Self::Enter].get(usize::from(number)).copied()
    }
}

/// What an item turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing to be listed.
    Nothing,
    /// A package.
    Found {
        /// The `name`.
        name: Vec<u8>,
        /// The path of the derivation, as far as it was asked for.
        derivation: Vec<u8>,
        /// Which object it is: equal for the same objects.
        class: u64,
        /// The description, if it is to be listed.
        row: Option<Vec<u8>>,
    },
    /// A set or list to look into.
    Set {
        /// How its members are looked at.
        mode: Mode,
        /// Their names.
        names: Vec<Vec<u8>>,
    },
    /// An error that ends the search, laid out for the user.
    Failed(String),
}

impl Session {
    /// Finds and describes all packages of package sets. Nothing is written to the store.
    ///
    /// # Errors
    /// Those of evaluation, the first in the order of attribute paths as far as it
    /// went, and of processes that end unexpectedly. Answers that can't be kept are
    /// no errors.
    pub fn query(self: &Arc<Self>, query: &Query<'_>) -> Result<Answer, Error> {
        run::answer(self, query)
    }
}

#[cfg(test)]
mod tests;
