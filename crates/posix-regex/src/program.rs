//! The compiled form of a pattern: a nondeterministic automaton whose branches
//! are ordered.

use crate::bytes::ByteSet;

/// Index of a state.
pub(crate) type StateId = u32;

/// One state. `next` is where it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Consumes this byte.
    Byte { byte: u8, next: StateId },
    /// Consumes a byte of the set with this index.
    Set { set: u32, next: StateId },
    /// Tries `first`, then `next` as well, and the longer match wins.
    Alternative { first: StateId, next: StateId },
    /// Tries `body` and, only if that leads to no match, `next`.
    Repeat { body: StateId, next: StateId },
    /// Start of a group.
    GroupStart { group: u32, next: StateId },
    /// End of a group.
    GroupEnd { group: u32, next: StateId },
    /// `^`.
    TextStart { next: StateId },
    /// `$`.
    TextEnd { next: StateId },
    /// Does nothing; only while a pattern is being compiled.
    Empty { next: StateId },
    /// The match is complete.
    Accept,
}

impl State {
    /// The successors: the less preferred first, and whether getting there
    /// consumes a byte.
    pub(crate) fn successors(self) -> ([Option<StateId>; 2], bool) {
        match self {
            Self::Byte { next, .. } | Self::Set { next, .. } => ([Some(next), None], true),
            Self::Alternative { first, next } => ([Some(next), Some(first)], false),
            Self::Repeat { body, next } => ([Some(next), Some(body)], false),
            Self::GroupStart { next, .. }
            | Self::GroupEnd { next, .. }
            | Self::TextStart { next }
            | Self::TextEnd { next }
            | Self::Empty { next } => ([Some(next), None], false),
            Self::Accept => ([None, None], false),
        }
    }

    /// Applies `map` to every successor.
    pub(crate) fn map_successors(&mut self, map: impl Fn(StateId) -> StateId) {
        match self {
            Self::Alternative { first, next } | Self::Repeat { body: first, next } => {
                *first = map(*first);
                *next = map(*next);
            }
            Self::Byte { next, .. }
            | Self::Set { next, .. }
            | Self::GroupStart { next, .. }
            | Self::GroupEnd { next, .. }
            | Self::TextStart { next }
            | Self::TextEnd { next }
            | Self::Empty { next } => *next = map(*next),
            Self::Accept => {}
        }
    }

    /// Sets the (last) successor.
    pub(crate) fn set_next(&mut self, target: StateId) {
        match self {
            Self::Alternative { next, .. }
            | Self::Repeat { next, .. }
            | Self::Byte { next, .. }
            | Self::Set { next, .. }
            | Self::GroupStart { next, .. }
            | Self::GroupEnd { next, .. }
            | Self::TextStart { next }
            | Self::TextEnd { next }
            | Self::Empty { next } => *next = target,
            Self::Accept => {}
        }
    }
}

/// How many loops that can run on the empty string are followed exactly.
const EXACT_EMPTY_LOOPS: usize = 12;

/// No index.
pub(crate) const NONE: u32 = u32::MAX;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) states: Vec<State>,
    pub(crate) sets: Vec<ByteSet>,
    pub(crate) start: StateId,
    pub(crate) groups: usize,
    /// For each state, its number among the branch states, or [`NONE`].
    pub(crate) branch: Vec<u32>,
    pub(crate) branch_count: usize,
    /// For each state, its number among the loops that can come back to
    /// themselves without consuming anything, or [`NONE`].
    pub(crate) empty_loop: Vec<u32>,
    pub(crate) empty_loop_count: usize,
    /// Bytes that a match can begin with; `None` if it can be empty.
    pub(crate) first: Option<ByteSet>,
}

impl Program {
    /// Completes a list of states: shortens paths over empty states and works
    /// out what the searchers want to know.
    pub(crate) fn new(states: Vec<State>, sets: Vec<ByteSet>, start: StateId, groups: usize) -> Self {
        let (states, start) = compact(&states, start);
        let mut branch = vec![NONE; states.len()];
        let mut branch_count = 0;
        for (state, number) in states.iter().zip(&mut branch) {
            if matches!(state, State::Alternative { .. } | State::Repeat { .. }) {
                *number = branch_count;
                branch_count += 1;
            }
        }
        let (empty_loop, empty_loop_count) = empty_loops(&states);
        let first = first_bytes(&states, &sets, start);
        Self {
            states,
            sets,
            start,
            groups,
            branch,
            branch_count: branch_count as usize,
            empty_loop,
            empty_loop_count,
            first,
        }
    }
}

/// Leaves out the empty states and those that are not reachable (of which an
/// interval leaves some behind).
fn compact(states: &[State], start: StateId) -> (Vec<State>, StateId) {
    let target = |mut id: StateId| {
        // This ends: empty states stand at the ends of constructs only, and
        // every loop passes a `Repeat`.
        while let State::Empty { next } = states[id as usize] {
            id = next;
        }
        id
    };
    let mut numbers = vec![NONE; states.len()];
    let mut kept = Vec::new();
    let mut stack = vec![target(start)];
    while let Some(id) = stack.pop() {
        if numbers[id as usize] != NONE {
            continue;
        }
        numbers[id as usize] = kept.len() as u32;
        let mut state = states[id as usize];
        state.map_successors(target);
        stack.extend(state.successors().0.into_iter().flatten());
        kept.push(state);
    }
    for state in &mut kept {
        state.map_successors(|id| numbers[id as usize]);
    }
    (kept, numbers[target(start) as usize])
}

/// Numbers the `Repeat` states that may lie on a cycle without consumption.
/// States that have no predecessor left are removed one after the other, then
/// those that have no successor; cycles, and what lies between them, remain.
fn empty_loops(states: &[State]) -> (Vec<u32>, usize) {
    let forward: Vec<Vec<StateId>> = states
        .iter()
        .map(|state| match state.successors() {
            (_, true) => Vec::new(),
            (successors, false) => successors.into_iter().flatten().collect(),
        })
        .collect();
    let mut backward = vec![Vec::new(); states.len()];
    for (id, targets) in forward.iter().enumerate() {
        for target in targets {
            backward[*target as usize].push(id as StateId);
        }
    }
    let mut alive = vec![true; states.len()];
    prune(&mut alive, &forward, &backward);
    prune(&mut alive, &backward, &forward);
    let mut numbers = vec![NONE; states.len()];
    let mut total = 0;
    for (id, state) in states.iter().enumerate() {
        if alive[id] && matches!(state, State::Repeat { .. }) {
            numbers[id] = total;
            total += 1;
        }
    }
    if total as usize > EXACT_EMPTY_LOOPS {
        return (vec![NONE; states.len()], 0);
    }
    (numbers, total as usize)
}

/// Removes, again and again, the states that no living state leads to.
fn prune(alive: &mut [bool], outgoing: &[Vec<StateId>], incoming: &[Vec<StateId>]) {
    let mut degree: Vec<usize> =
        incoming.iter().map(|sources| sources.iter().filter(|s| alive[**s as usize]).count()).collect();
    let mut ready: Vec<usize> = (0..alive.len()).filter(|id| alive[*id] && degree[*id] == 0).collect();
    while let Some(id) = ready.pop() {
        alive[id] = false;
        for target in outgoing[id].iter().map(|t| *t as usize) {
            degree[target] -= 1;
            if alive[target] && degree[target] == 0 {
                ready.push(target);
            }
        }
    }
}

/// The bytes that a match can begin with, or `None` if it can be empty.
fn first_bytes(states: &[State], sets: &[ByteSet], start: StateId) -> Option<ByteSet> {
    let mut seen = vec![false; states.len()];
    let mut stack = vec![start];
    let mut first = ByteSet::default();
    while let Some(id) = stack.pop() {
        if std::mem::replace(&mut seen[id as usize], true) {
            continue;
        }
        match states[id as usize] {
            State::Byte { byte, .. } => first.insert(byte),
            State::Set { set, .. } => first.union(&sets[set as usize]),
            State::Accept => return None,
            other => stack.extend(other.successors().0.into_iter().flatten()),
        }
    }
    Some(first)
}
