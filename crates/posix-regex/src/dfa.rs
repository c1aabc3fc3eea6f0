//! The deterministic automaton that decides whether a whole text matches. Its
//! states are made when they are first reached and thrown away when they become
//! too many.

use std::collections::HashMap;

use crate::program::{Program, State, StateId};

/// How many states are kept.
const KEPT_STATES: usize = 2_000;
/// How many transitions (states × byte classes) are kept.
const KEPT_TRANSITIONS: usize = 200_000;
/// How often the states may be thrown away during one match.
const RESETS: usize = 4;

/// Transition not worked out yet.
const UNKNOWN: u32 = u32::MAX;
/// The state that cannot lead to a match.
const DEAD: u32 = 0;
/// Where a text starts.
const START: u32 = 1;

/// The states made so far, and the memory that making them needs.
#[derive(Debug)]
pub(crate) struct Dfa {
    /// For each byte, its class: bytes of one class are never distinguished.
    classes: Box<[u16; 256]>,
    class_count: usize,
    /// A byte of each class.
    representative: Vec<u8>,
    transitions: Vec<u32>,
    accepting: Vec<bool>,
    members: Vec<Box<[StateId]>>,
    known: HashMap<Box<[StateId]>, u32>,
    seen: Vec<u32>,
    stamp: u32,
    stack: Vec<StateId>,
}

impl Dfa {
    pub(crate) fn new(program: &Program) -> Self {
        let (classes, representative) = byte_classes(program);
        Self {
            classes,
            class_count: representative.len(),
            representative,
            transitions: Vec::new(),
            accepting: Vec::new(),
            members: Vec::new(),
            known: HashMap::new(),
            seen: Vec::new(),
            stamp: 0,
            stack: Vec::new(),
        }
    }

    /// Whether the whole of `text` matches; `None` if that needs too many states.
    pub(crate) fn is_full_match(&mut self, program: &Program, text: &[u8]) -> Option<bool> {
        if self.accepting.is_empty() {
            self.reset(program);
        }
        let mut resets = 0;
        let mut at = START;
        for (offset, byte) in text.iter().enumerate() {
            let class = usize::from(self.classes[usize::from(*byte)]);
            let mut next = self.transitions[at as usize * self.class_count + class];
            if next == UNKNOWN {
                if self.members.len() >= KEPT_STATES || self.transitions.len() >= KEPT_TRANSITIONS {
                    resets += 1;
                    if resets > RESETS {
                        return None;
                    }
                    let members = self.members[at as usize].clone();
                    self.reset(program);
                    at = if offset == 0 { START } else { self.intern(program, members, false) };
                }
                next = self.step(program, at, class);
            }
            if next == DEAD {
                return Some(false);
            }
            at = next;
        }
        Some(self.accepting[at as usize])
    }

    fn reset(&mut self, program: &Program) {
        self.transitions.clear();
        self.accepting.clear();
        self.members.clear();
        self.known.clear();
        self.seen.clear();
        self.seen.resize(program.states.len(), 0);
        self.stamp = 0;
        self.intern(program, Box::default(), false);
        let members = self.closure(program, &[program.start], true, false).0;
        let id = self.push(members);
        debug_assert_eq!(id, START);
        self.accepting[START as usize] = self.closure(program, &[program.start], true, true).1;
    }

    fn push(&mut self, members: Box<[StateId]>) -> u32 {
        let id = self.members.len() as u32;
        self.transitions.resize(self.transitions.len() + self.class_count, UNKNOWN);
        self.accepting.push(false);
        self.members.push(members);
        id
    }

    /// The automaton's state for a set of states that have been reached by
    /// consuming a byte, closed over what consumes nothing.
    fn intern(&mut self, program: &Program, members: Box<[StateId]>, accepts: bool) -> u32 {
        if let Some(id) = self.known.get(&members) {
            return *id;
        }
        let id = self.push(members.clone());
        self.accepting[id as usize] = accepts;
        if !accepts {
            self.accepting[id as usize] = self.closure(program, &members, false, true).1;
        }
        self.known.insert(members, id);
        id
    }

    fn step(&mut self, program: &Program, from: u32, class: usize) -> u32 {
        let byte = self.representative[class];
        let mut targets = Vec::new();
        for id in &self.members[from as usize] {
            match program.states[*id as usize] {
                State::Byte { byte: wanted, next } if wanted == byte => targets.push(next),
                State::Set { set, next } if program.sets[set as usize].contains(byte) => {
                    targets.push(next);
                }
                _ => {}
            }
        }
        let next = if targets.is_empty() {
            DEAD
        } else {
            let (members, accepts) = self.closure(program, &targets, false, false);
            self.intern(program, members, accepts)
        };
        self.transitions[from as usize * self.class_count + class] = next;
        next
    }

    /// The consuming states, `$` and the accepting state that are reachable from
    /// `from` without consuming anything, sorted, and whether the accepting
    /// state is among them.
    fn closure(
        &mut self,
        program: &Program,
        from: &[StateId],
        at_start: bool,
        at_end: bool,
    ) -> (Box<[StateId]>, bool) {
        self.stamp += 1;
        let mut members = Vec::new();
        let mut accepts = false;
        self.stack.extend_from_slice(from);
        while let Some(id) = self.stack.pop() {
            let seen = &mut self.seen[id as usize];
            if std::mem::replace(seen, self.stamp) == self.stamp {
                continue;
            }
            match program.states[id as usize] {
                State::Byte { .. } | State::Set { .. } => members.push(id),
                State::Accept => {
                    accepts = true;
                    members.push(id);
                }
                State::TextStart { .. } if !at_start => {}
                State::TextEnd { .. } if !at_end => members.push(id),
                other => self.stack.extend(other.successors().0.into_iter().flatten()),
            }
        }
        members.sort_unstable();
        (members.into_boxed_slice(), accepts)
    }
}

/// Splits the bytes into classes that no set of the program distinguishes.
fn byte_classes(program: &Program) -> (Box<[u16; 256]>, Vec<u8>) {
    let mut classes = Box::new([0_u16; 256]);
    let mut count = 1_u16;
    let mut refine = |contains: &dyn Fn(u8) -> bool| {
        let mut renamed = [u16::MAX; 257];
        let before = count;
        let mut outside = vec![false; usize::from(before)];
        for byte in 0..=u8::MAX {
            if !contains(byte) {
                outside[usize::from(classes[usize::from(byte)])] = true;
            }
        }
        for byte in 0..=u8::MAX {
            let class = &mut classes[usize::from(byte)];
            if contains(byte) && outside[usize::from(*class)] {
                let target = &mut renamed[usize::from(*class)];
                if *target == u16::MAX {
                    *target = count;
                    count += 1;
                }
                *class = *target;
            }
        }
    };
    let mut single = [false; 256];
    for state in &program.states {
        if let State::Byte { byte, .. } = state
            && !std::mem::replace(&mut single[usize::from(*byte)], true)
        {
            refine(&|other| other == *byte);
        }
    }
    for set in &program.sets {
        refine(&|byte| set.contains(byte));
    }
    let mut representative = vec![0; usize::from(count)];
    for byte in (0..=u8::MAX).rev() {
        representative[usize::from(classes[usize::from(byte)])] = byte;
    }
    (classes, representative)
}
