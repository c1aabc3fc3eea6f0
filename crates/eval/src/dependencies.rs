//! What results depend on, to the thunk.
//!
//! A host that wants to know notes a number for each thing that it is asked
//! ([`DependencyLog::note`]); while a thunk is evaluated these numbers pile up. If
//! there are any when it is done, it is *tracked*: it keeps a mark that stands for
//! them, they are replaced by the mark, and each later use of its result adds the
//! mark again. So what an evaluation adds leads to everything that its result follows
//! from, also through thunks that others evaluated first. Thunks in whose evaluation
//! nothing was asked stay as they are and cost nothing.
//!
//! A mark is the number of an input, or that of a node: a list of marks. Nodes refer
//! to earlier ones only.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An input or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dependency(u32);

/// A [`Dependency`] by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyKind {
    /// The number of an input, as the host noted it.
    Input(u32),
    /// The number of a node.
    Node(u32),
}

impl Dependency {
    /// An input, by a number below 2³¹.
    pub fn input(number: u32) -> Self {
        Self(number << 1)
    }

    /// A node, by a number below 2³¹.
    pub fn node(number: u32) -> Self {
        Self(number << 1 | 1)
    }

    /// What it is.
    pub fn kind(self) -> DependencyKind {
        match self.0 & 1 {
            0 => DependencyKind::Input(self.0 >> 1),
            _ => DependencyKind::Node(self.0 >> 1),
        }
    }

    /// As a number of 32 bits.
    pub fn to_bits(self) -> u32 {
        self.0
    }

    /// From the number that [`Dependency::to_bits`] gave.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

/// Collects what an evaluation depends on; the host and the evaluator share it.
#[derive(Debug, Default)]
pub struct DependencyLog {
    /// How many are in the list: read at each thunk.
    len: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    list: Vec<Dependency>,
    nodes: Nodes,
    /// Nodes by a number that follows from their parts.
    by_content: HashMap<u64, u32>,
    /// What was read once for many: files by their path.
    shared: HashMap<Vec<u8>, Dependency>,
    /// Inputs and nodes that everything depends on anyway.
    void_inputs: Vec<bool>,
    void_nodes: Vec<bool>,
}

/// An odd number whose bits look random (2⁶⁴ divided by the golden ratio).
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// Lists of dependencies, one behind the other.
#[derive(Clone, Debug, Default)]
struct Nodes {
    all: Vec<Dependency>,
    ends: Vec<u32>,
}

impl Nodes {
    fn get(&self, number: u32) -> &[Dependency] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.all[start..self.ends[number] as usize]
    }
}

impl State {
    fn is_void(&self, dependency: Dependency) -> bool {
        let (all, number) = match dependency.kind() {
            DependencyKind::Input(number) => (&self.void_inputs, number),
            DependencyKind::Node(number) => (&self.void_nodes, number),
        };
        all.get(number as usize).copied().unwrap_or(false)
    }

    /// One dependency that stands for those from some place in the list on, which go.
    fn join(&mut self, start: usize) -> Option<Dependency> {
        let mut parts = self.list.split_off(start.min(self.list.len()));
        parts.sort_unstable();
        parts.dedup();
        if parts.len() <= 1 {
            return parts.first().copied();
        }
        let mix = |sum: u64, part: &Dependency| (sum.rotate_left(5) ^ u64::from(part.0)).wrapping_mul(MIX);
        let hash = parts.iter().fold(parts.len() as u64, mix);
        let next = self.nodes.ends.len() as u32;
        let number = *self.by_content.entry(hash).or_insert(next);
        if number < next && self.nodes.get(number) == parts {
            return Some(Dependency::node(number));
        }
        self.nodes.all.extend(&parts);
        self.nodes.ends.push(self.nodes.all.len() as u32);
        Some(Dependency::node(next))
    }
}

impl DependencyLog {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are now, to be given to [`DependencyLog::take`] later.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes that what is being evaluated depends on something.
    pub fn note(&self, dependency: Dependency) {
        let mut state = self.state();
        if !state.is_void(dependency) {
            state.list.push(dependency);
            self.len.store(state.list.len(), Ordering::Relaxed);
        }
    }

    /// What was noted since there were `start`, as one; it is forgotten.
    pub fn take(&self, start: usize) -> Option<Dependency> {
        let mut state = self.state();
        let joined = state.join(start);
        self.len.store(state.list.len(), Ordering::Relaxed);
        joined
    }

    /// As [`DependencyLog::take`], but what it gives is noted again.
    #[cold]
    pub(crate) fn join(&self, start: usize) -> Option<Dependency> {
        let mut state = self.state();
        let joined = state.join(start);
        state.list.extend(joined);
        self.len.store(state.list.len(), Ordering::Relaxed);
        joined
    }

    /// Notes the use of a tracked result. False if that means nothing any more.
    #[cold]
    pub(crate) fn reuse(&self, dependency: Dependency) -> bool {
        let mut state = self.state();
        if state.is_void(dependency) {
            return false;
        }
        state.list.push(dependency);
        self.len.store(state.list.len(), Ordering::Relaxed);
        true
    }

    /// Remembers what was noted since `start` for later uses of a thing that is read once.
    pub fn share(&self, thing: &[u8], start: usize) {
        if self.len() == start {
            return;
        }
        if let Some(joined) = self.join(start) {
            self.state().shared.insert(thing.to_vec(), joined);
        }
    }

    /// Notes what was noted when a thing was read.
    pub fn recall(&self, thing: &[u8]) {
        let mut state = self.state();
        if let Some(dependency) = state.shared.get(thing).copied()
            && !state.is_void(dependency)
        {
            state.list.push(dependency);
            self.len.store(state.list.len(), Ordering::Relaxed);
        }
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> u32 {
        self.state().nodes.ends.len() as u32
    }

    /// The nodes from a number on.
    pub fn nodes_from(&self, first: u32) -> Vec<Vec<Dependency>> {
        let state = self.state();
        (first..state.nodes.ends.len() as u32).map(|number| state.nodes.get(number).to_vec()).collect()
    }

    /// The inputs that a dependency leads to, in ascending order.
    pub fn inputs_of(&self, dependency: Dependency) -> Vec<u32> {
        let state = self.state();
        let (mut inputs, mut todo) = (Vec::new(), vec![dependency]);
        let mut seen = std::collections::HashSet::new();
        while let Some(dependency) = todo.pop() {
            match dependency.kind() {
                DependencyKind::Input(number) => inputs.push(number),
                DependencyKind::Node(number) if seen.insert(number) => todo.extend(state.nodes.get(number)),
                DependencyKind::Node(_) => {}
            }
        }
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }

    /// From now on everything is taken to depend on these inputs: they are noted no
    /// more, nor is what leads to nothing else.
    pub fn make_void(&self, inputs: &[u32]) {
        let mut state = self.state();
        let state = &mut *state;
        for input in inputs {
            let index = *input as usize;
            if state.void_inputs.len() <= index {
                state.void_inputs.resize(index + 1, false);
            }
            state.void_inputs[index] = true;
        }
        state.void_nodes.clear();
        for number in 0..state.nodes.ends.len() as u32 {
            let void = state.nodes.get(number).iter().all(|part| state.is_void(*part));
            state.void_nodes.push(void);
        }
    }
}

/// For evaluators without a host that wants to know.
pub(crate) static NOTHING: std::sync::LazyLock<DependencyLog> =
    std::sync::LazyLock::new(DependencyLog::default);

#[cfg(test)]
mod tests;
