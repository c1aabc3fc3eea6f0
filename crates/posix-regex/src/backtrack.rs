//! Matching with groups, and searching: an ordered walk over the states with a
//! memory of failures, so that each pair of branch state and position is
//! entered a bounded number of times.

use std::collections::HashMap;

use crate::program::{NONE, Program, State, StateId};
use crate::{Group, Match};

/// Position that is not set.
const UNSET: usize = usize::MAX;
/// How many memory entries are kept in an array.
const DENSE_ENTRIES: usize = 1 << 22;

/// What is known about a branch state at a position.
type Knowledge = u32;
/// Nothing.
const UNSEEN: Knowledge = 0;
/// It leads to no match (or is being tried).
const FAILS: Knowledge = 1;
/// This and greater: the attempt in which it led to a match.
const FIRST_ATTEMPT: Knowledge = 2;

#[derive(Debug)]
enum Memory {
    Dense(Vec<Knowledge>),
    Sparse(HashMap<u64, Knowledge>),
}

impl Memory {
    fn new(branches: usize, positions: usize) -> Self {
        match branches.checked_mul(positions) {
            Some(entries) if entries <= DENSE_ENTRIES => Self::Dense(vec![UNSEEN; entries]),
            _ => Self::Sparse(HashMap::new()),
        }
    }

    fn get(&self, key: u64) -> Knowledge {
        match self {
            Self::Dense(entries) => entries[key as usize],
            Self::Sparse(entries) => entries.get(&key).copied().unwrap_or(UNSEEN),
        }
    }

    fn set(&mut self, key: u64, value: Knowledge) {
        match self {
            Self::Dense(entries) => entries[key as usize] = value,
            Self::Sparse(entries) => {
                entries.insert(key, value);
            }
        }
    }
}

/// What is left to do, innermost last.
#[derive(Debug, Clone, Copy)]
enum Job {
    Explore(StateId, usize),
    AfterBody { next: StateId, at: usize, key: u64 },
    AfterRepeat { key: u64 },
    AfterFirst { next: StateId, at: usize, key: u64 },
    AfterAlternative { found_before: bool, key: u64 },
    RestoreStart(u32, usize),
    RestoreEnd(u32, usize, usize),
    RestoreLoop(u32, (usize, u8)),
}

/// Where a match is allowed to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// At the end of the text only.
    Whole,
    /// Anywhere, the further the better.
    Longest,
    /// The same, but not where it began.
    LongestNotEmpty,
}

/// Start and end of a group. Only `end` says whether the group has matched;
/// `start` is already set while the group is being tried again.
type Slot = (usize, usize);

/// Matches one program against one text.
#[derive(Debug)]
pub(crate) struct Searcher<'a> {
    program: &'a Program,
    text: &'a [u8],
    memory: Memory,
    attempt: Knowledge,
    slots: Vec<Slot>,
    /// For each loop that can run on nothing: the position where it was last
    /// entered, and how often it was entered there.
    loops: Vec<(usize, u8)>,
    jobs: Vec<Job>,
    best: Option<(usize, Vec<Slot>)>,
}

impl<'a> Searcher<'a> {
    pub(crate) fn new(program: &'a Program, text: &'a [u8]) -> Self {
        let branches = program.branch_count * 3_usize.pow(program.empty_loop_count as u32);
        Self {
            program,
            text,
            memory: Memory::new(branches, text.len() + 1),
            attempt: FIRST_ATTEMPT,
            slots: vec![(UNSET, UNSET); program.groups],
            loops: vec![(UNSET, 0); program.empty_loop_count],
            jobs: Vec::new(),
            best: None,
        }
    }

    pub(crate) fn text_length(&self) -> usize {
        self.text.len()
    }

    /// The groups, if the whole text matches.
    pub(crate) fn full_match(&mut self) -> Option<Vec<Group>> {
        self.walk(0, Goal::Whole);
        let (_, slots) = self.best.take()?;
        Some(groups(&slots))
    }

    /// The longest match that begins at `at`.
    pub(crate) fn match_at(&mut self, at: usize, not_empty: bool) -> Option<Match> {
        let goal = if not_empty { Goal::LongestNotEmpty } else { Goal::Longest };
        self.walk(at, goal);
        let (end, slots) = self.best.take()?;
        Some(Match { range: at..end, groups: groups(&slots) })
    }

    /// The first match at or after `from`.
    pub(crate) fn search(&mut self, from: usize) -> Option<Match> {
        let program = self.program;
        for at in from..=self.text.len() {
            if let Some(first) = &program.first
                && !self.text.get(at).is_some_and(|byte| first.contains(*byte))
            {
                continue;
            }
            let found = self.match_at(at, false);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn walk(&mut self, begin: usize, goal: Goal) {
        self.attempt = self.attempt.wrapping_add(1).max(FIRST_ATTEMPT);
        self.slots.fill((UNSET, UNSET));
        self.loops.fill((UNSET, 0));
        self.best = None;
        self.jobs.clear();
        self.jobs.push(Job::Explore(self.program.start, begin));
        let mut found = false;
        while let Some(job) = self.jobs.pop() {
            match job {
                Job::Explore(state, at) => {
                    found |= self.explore(state, at, begin, goal);
                    if found && self.best_is_final(goal) {
                        self.remember_success();
                        return;
                    }
                }
                Job::AfterBody { next, at, key } => {
                    if found {
                        self.memory.set(key, self.attempt);
                    } else {
                        self.jobs.push(Job::AfterRepeat { key });
                        self.jobs.push(Job::Explore(next, at));
                    }
                }
                Job::AfterRepeat { key } => {
                    if found {
                        self.memory.set(key, self.attempt);
                    }
                }
                Job::AfterFirst { next, at, key } => {
                    let found_before = std::mem::take(&mut found);
                    self.jobs.push(Job::AfterAlternative { found_before, key });
                    self.jobs.push(Job::Explore(next, at));
                }
                Job::AfterAlternative { found_before, key } => {
                    found |= found_before;
                    if found {
                        self.memory.set(key, self.attempt);
                    }
                }
                Job::RestoreStart(group, start) => self.slots[group as usize].0 = start,
                Job::RestoreEnd(group, start, end) => self.slots[group as usize] = (start, end),
                Job::RestoreLoop(index, value) => self.loops[index as usize] = value,
            }
        }
    }

    /// Notes for all states that are being tried that they led to a match.
    fn remember_success(&mut self) {
        for job in &self.jobs {
            if let Job::AfterBody { key, .. }
            | Job::AfterRepeat { key }
            | Job::AfterFirst { key, .. }
            | Job::AfterAlternative { key, .. } = job
            {
                self.memory.set(*key, self.attempt);
            }
        }
    }

    /// Whether no later match can be better.
    fn best_is_final(&self, goal: Goal) -> bool {
        goal == Goal::Whole || self.best.as_ref().is_some_and(|(end, _)| *end == self.text.len())
    }

    /// Follows a path until it branches, fails or accepts. Returns whether it
    /// led to a match.
    fn explore(&mut self, mut id: StateId, mut at: usize, begin: usize, goal: Goal) -> bool {
        let program = self.program;
        loop {
            match program.states[id as usize] {
                State::Byte { byte, next } => {
                    if self.text.get(at) != Some(&byte) {
                        return false;
                    }
                    at += 1;
                    id = next;
                }
                State::Set { set, next } => {
                    let set = &program.sets[set as usize];
                    if !self.text.get(at).is_some_and(|byte| set.contains(*byte)) {
                        return false;
                    }
                    at += 1;
                    id = next;
                }
                State::TextStart { next } if at == 0 => id = next,
                State::TextEnd { next } if at == self.text.len() => id = next,
                State::TextStart { .. } | State::TextEnd { .. } => return false,
                State::Empty { next } => id = next,
                State::GroupStart { group, next } => {
                    let slot = &mut self.slots[group as usize];
                    self.jobs.push(Job::RestoreStart(group, slot.0));
                    slot.0 = at;
                    id = next;
                }
                State::GroupEnd { group, next } => {
                    let slot = &mut self.slots[group as usize];
                    self.jobs.push(Job::RestoreEnd(group, slot.0, slot.1));
                    slot.1 = at;
                    id = next;
                }
                State::Alternative { first, next } => {
                    let key = self.key(id, at);
                    match self.memory.get(key) {
                        FAILS => return false,
                        known if known == self.attempt => return true,
                        _ => {}
                    }
                    self.memory.set(key, FAILS);
                    self.jobs.push(Job::AfterFirst { next, at, key });
                    id = first;
                }
                State::Repeat { body, next } => {
                    let key = self.key(id, at);
                    match self.memory.get(key) {
                        FAILS => return false,
                        known if known == self.attempt => return true,
                        _ => {}
                    }
                    self.memory.set(key, FAILS);
                    self.jobs.push(Job::AfterBody { next, at, key });
                    if !self.enter_loop(id, at) {
                        return false;
                    }
                    id = body;
                }
                State::Accept => return self.accept(at, begin, goal),
            }
        }
    }

    fn accept(&mut self, at: usize, begin: usize, goal: Goal) -> bool {
        let accepted = match goal {
            Goal::Whole => at == self.text.len(),
            Goal::Longest => true,
            Goal::LongestNotEmpty => at != begin,
        };
        if accepted && self.best.as_ref().is_none_or(|(end, _)| *end < at) {
            self.best = Some((at, self.slots.clone()));
        }
        accepted
    }

    /// Counts an entry into a loop's body. A loop is entered at most twice at
    /// one position.
    fn enter_loop(&mut self, id: StateId, at: usize) -> bool {
        let index = self.program.empty_loop[id as usize];
        if index == NONE {
            return true;
        }
        let entry = &mut self.loops[index as usize];
        let before = *entry;
        *entry = match before {
            (position, count) if position == at && count >= 2 => return false,
            (position, count) if position == at => (at, count + 1),
            _ => (at, 1),
        };
        self.jobs.push(Job::RestoreLoop(index, before));
        true
    }

    /// The memory's key for a branch state at a position: what happens from
    /// there depends on nothing else but the loops entered at this position.
    fn key(&self, id: StateId, at: usize) -> u64 {
        let mut code = u64::from(self.program.branch[id as usize]);
        for (position, count) in &self.loops {
            code = code * 3 + if *position == at { u64::from(*count) } else { 0 };
        }
        code * (self.text.len() as u64 + 1) + at as u64
    }
}

fn groups(slots: &[Slot]) -> Vec<Group> {
    let group = |(start, end): &Slot| (*end != UNSET).then_some(*start..*end);
    slots.iter().map(group).collect()
}
