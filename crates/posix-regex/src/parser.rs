//! From the pattern's text to a [`Program`], without recursion.
//!
//! A construct's states are contiguous in the list, so that an interval can copy
//! them; the last one's successor is filled in when the next construct follows.

use crate::RegexError;
use crate::bytes::{ByteSet, class, collating_symbol};
use crate::program::{NONE, Program, State, StateId};

/// The largest number of states that a pattern may need, as in the reference.
pub const STATE_LIMIT: usize = 100_000;

/// A construct: the place where its states begin in the list, its entry, and
/// the state whose successor is still open.
#[derive(Debug, Clone, Copy)]
struct Fragment {
    low: StateId,
    start: StateId,
    end: StateId,
}

/// A parenthesis (or the whole pattern) that is being read.
#[derive(Debug)]
struct Level {
    /// The group's number and the fragment of its start; `None` for the whole.
    group: Option<(u32, Fragment)>,
    /// The alternatives read so far.
    alternatives: Option<Fragment>,
    /// The sequence so far in the current alternative.
    sequence: Fragment,
    /// The atom that a quantifier would apply to; not yet part of `sequence`.
    atom: Option<Fragment>,
}

enum Failure {
    Invalid(&'static str),
    TooLarge,
}

struct Parser<'a> {
    pattern: &'a [u8],
    at: usize,
    states: Vec<State>,
    sets: Vec<ByteSet>,
    groups: u32,
}

/// Compiles `pattern`.
pub(crate) fn parse(pattern: &[u8]) -> Result<Program, RegexError> {
    let mut parser = Parser { pattern, at: 0, states: Vec::new(), sets: Vec::new(), groups: 0 };
    match parser.parse() {
        Ok(start) => Ok(Program::new(parser.states, parser.sets, start, parser.groups as usize)),
        Err(failure) => {
            let offset = parser.at;
            let pattern = String::from_utf8_lossy(pattern).into_owned();
            Err(match failure {
                Failure::Invalid(reason) => RegexError::Invalid { pattern, reason, offset },
                Failure::TooLarge => RegexError::TooLarge { pattern },
            })
        }
    }
}

impl Parser<'_> {
    fn parse(&mut self) -> Result<StateId, Failure> {
        let mut levels = Vec::new();
        let mut level = self.open(None)?;
        while let Some(byte) = self.take() {
            match byte {
                b'(' => {
                    let group = self.groups;
                    self.groups += 1;
                    let start = self.add(State::GroupStart { group, next: NONE })?;
                    let inner = self.open(Some((group, start)))?;
                    levels.push(std::mem::replace(&mut level, inner));
                }
                b')' => {
                    let Some(outer) = levels.pop() else {
                        return Err(Failure::Invalid("a ')' without its '('"));
                    };
                    let closed = self.close(std::mem::replace(&mut level, outer))?;
                    self.push_atom(&mut level, closed);
                }
                b'|' => {
                    self.end_alternative(&mut level)?;
                    level.sequence = self.add(State::Empty { next: NONE })?;
                }
                b'*' | b'+' | b'?' | b'{' => {
                    let Some(atom) = level.atom else {
                        return Err(Failure::Invalid("nothing that could be repeated"));
                    };
                    level.atom = Some(self.quantify(byte, atom)?);
                }
                b'^' | b'$' => {
                    let state = if byte == b'^' {
                        State::TextStart { next: NONE }
                    } else {
                        State::TextEnd { next: NONE }
                    };
                    let anchor = self.add(state)?;
                    self.push_atom(&mut level, anchor);
                    self.settle(&mut level);
                }
                other => {
                    let atom = self.simple_atom(other)?;
                    self.push_atom(&mut level, atom);
                }
            }
        }
        if !levels.is_empty() {
            return Err(Failure::Invalid("a '(' without its ')'"));
        }
        let whole = self.close(level)?;
        let accept = self.add(State::Accept)?;
        self.link(whole.end, accept.start);
        Ok(whole.start)
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.pattern.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    fn add(&mut self, state: State) -> Result<Fragment, Failure> {
        if self.states.len() >= STATE_LIMIT {
            return Err(Failure::TooLarge);
        }
        let id = self.states.len() as StateId;
        self.states.push(state);
        Ok(Fragment { low: id, start: id, end: id })
    }

    fn link(&mut self, from: StateId, to: StateId) {
        self.states[from as usize].set_next(to);
    }

    fn join(&mut self, left: Fragment, right: Fragment) -> Fragment {
        self.link(left.end, right.start);
        Fragment { low: left.low, start: left.start, end: right.end }
    }

    fn open(&mut self, group: Option<(u32, Fragment)>) -> Result<Level, Failure> {
        Ok(Level { group, alternatives: None, sequence: self.add(State::Empty { next: NONE })?, atom: None })
    }

    /// Makes the pending atom part of the sequence.
    fn settle(&mut self, level: &mut Level) {
        if let Some(atom) = level.atom.take() {
            level.sequence = self.join(level.sequence, atom);
        }
    }

    fn push_atom(&mut self, level: &mut Level, atom: Fragment) {
        self.settle(level);
        level.atom = Some(atom);
    }

    fn end_alternative(&mut self, level: &mut Level) -> Result<(), Failure> {
        self.settle(level);
        let Some(before) = level.alternatives else {
            level.alternatives = Some(level.sequence);
            return Ok(());
        };
        let branch = self.add(State::Alternative { first: before.start, next: level.sequence.start })?;
        let end = self.add(State::Empty { next: NONE })?;
        self.link(before.end, end.start);
        self.link(level.sequence.end, end.start);
        level.alternatives = Some(Fragment { low: before.low, start: branch.start, end: end.end });
        Ok(())
    }

    fn close(&mut self, mut level: Level) -> Result<Fragment, Failure> {
        self.end_alternative(&mut level)?;
        let inner = level.alternatives.unwrap_or(level.sequence);
        let Some((group, start)) = level.group else {
            return Ok(inner);
        };
        let end = self.add(State::GroupEnd { group, next: NONE })?;
        let opened = self.join(start, inner);
        Ok(self.join(opened, end))
    }

    /// An atom of one character, or a bracket expression.
    fn simple_atom(&mut self, byte: u8) -> Result<Fragment, Failure> {
        match byte {
            b'.' => self.add_set(ByteSet::any()),
            b'[' => {
                let set = self.bracket()?;
                self.add_set(set)
            }
            b'\\' => match self.peek() {
                None => Err(Failure::Invalid("a '\\' at the end")),
                Some(escaped) if b".[\\()*+?{|^$".contains(&escaped) => {
                    self.at += 1;
                    self.add(State::Byte { byte: escaped, next: NONE })
                }
                Some(_) => Err(Failure::Invalid("a '\\' before a character that has no special meaning")),
            },
            byte => self.add(State::Byte { byte, next: NONE }),
        }
    }

    fn add_set(&mut self, set: ByteSet) -> Result<Fragment, Failure> {
        if let Some(byte) = set.single() {
            return self.add(State::Byte { byte, next: NONE });
        }
        let index = self.sets.iter().rposition(|known| *known == set);
        let index = index.unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        self.add(State::Set { set: index as u32, next: NONE })
    }

    fn quantify(&mut self, quantifier: u8, atom: Fragment) -> Result<Fragment, Failure> {
        match quantifier {
            b'*' => self.repeat(atom),
            b'+' => {
                let again = self.add(State::Repeat { body: atom.start, next: NONE })?;
                Ok(self.join(atom, again))
            }
            b'?' => {
                let end = self.add(State::Empty { next: NONE })?;
                let branch = self.add(State::Repeat { body: atom.start, next: end.start })?;
                self.link(atom.end, end.start);
                Ok(Fragment { low: atom.low, start: branch.start, end: end.end })
            }
            _ => self.interval(atom),
        }
    }

    fn repeat(&mut self, atom: Fragment) -> Result<Fragment, Failure> {
        let again = self.add(State::Repeat { body: atom.start, next: NONE })?;
        self.link(atom.end, again.start);
        Ok(Fragment { low: atom.low, ..again })
    }

    /// `{m}`, `{m,}` or `{m,n}`, of which `{` has been read.
    fn interval(&mut self, atom: Fragment) -> Result<Fragment, Failure> {
        let Some(minimum) = self.number() else {
            return Err(Failure::Invalid("no number after '{'"));
        };
        let mut maximum = Some(minimum);
        if self.peek() == Some(b',') {
            self.at += 1;
            maximum = self.number();
        }
        if self.peek() != Some(b'}') {
            return Err(Failure::Invalid("a '{' without its '}'"));
        }
        self.at += 1;
        if maximum.is_some_and(|maximum| maximum < minimum) {
            return Err(Failure::Invalid("an interval that ends before it begins"));
        }
        let high = self.states.len() as StateId;
        let mut all = self.add(State::Empty { next: NONE })?;
        all.low = atom.low;
        for _ in 0..minimum {
            let copy = self.copy(atom, high)?;
            all = self.join(all, copy);
        }
        let Some(maximum) = maximum else {
            let copy = self.copy(atom, high)?;
            let again = self.repeat(copy)?;
            return Ok(self.join(all, again));
        };
        let end = self.add(State::Empty { next: NONE })?;
        for _ in minimum..maximum {
            let copy = self.copy(atom, high)?;
            let branch = self.add(State::Repeat { body: copy.start, next: end.start })?;
            self.link(all.end, branch.start);
            all.end = copy.end;
        }
        Ok(self.join(all, end))
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            self.at += 1;
            let digit = u64::from(digit - b'0');
            value = Some(value.unwrap_or(0_u64).saturating_mul(10).saturating_add(digit));
        }
        value
    }

    /// Copies the states of `atom`, which end before `high`. Its open successor
    /// is still unset, so all references stay within.
    fn copy(&mut self, atom: Fragment, high: StateId) -> Result<Fragment, Failure> {
        let base = self.states.len() as StateId;
        if self.states.len() + (high - atom.low) as usize > STATE_LIMIT {
            return Err(Failure::TooLarge);
        }
        for id in atom.low..high {
            let mut state = self.states[id as usize];
            state.map_successors(|target| match target {
                NONE => NONE,
                target => target - atom.low + base,
            });
            self.states.push(state);
        }
        Ok(Fragment { low: base, start: atom.start - atom.low + base, end: atom.end - atom.low + base })
    }
}

/// What stands directly before a place in a bracket expression.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    Char(u8),
    Class,
}

/// An item of a bracket expression.
enum Item {
    End,
    Dash,
    Char(u8),
    Symbol(u8),
    Equivalence(u8),
    Class(fn(&u8) -> bool),
}

impl Parser<'_> {
    /// A bracket expression, of which `[` has been read.
    fn bracket(&mut self) -> Result<ByteSet, Failure> {
        let negated = self.peek() == Some(b'^');
        if negated {
            self.at += 1;
        }
        let mut set = ByteSet::default();
        let mut before = Before::Nothing;
        let mut first = true;
        loop {
            match self.bracket_item(first)? {
                Item::End => break,
                Item::Dash if first => before = Before::Char(b'-'),
                Item::Dash => {
                    if self.bracket_dash(&mut set, &mut before)? {
                        break;
                    }
                }
                Item::Char(byte) | Item::Symbol(byte) => {
                    if let Before::Char(earlier) = before {
                        set.insert(earlier);
                    }
                    before = Before::Char(byte);
                }
                Item::Equivalence(byte) => {
                    set.insert(byte.to_ascii_lowercase());
                    set.insert(byte.to_ascii_uppercase());
                    self.after_class(&mut set, &mut before);
                }
                Item::Class(predicate) => {
                    set.insert_where(|byte| predicate(&byte));
                    self.after_class(&mut set, &mut before);
                }
            }
            first = false;
        }
        if let Before::Char(earlier) = before {
            set.insert(earlier);
        }
        if negated {
            set.negate();
        }
        Ok(set)
    }

    fn after_class(&self, set: &mut ByteSet, before: &mut Before) {
        if let Before::Char(earlier) = *before {
            set.insert(earlier);
        }
        *before = Before::Class;
    }

    /// A `-` that is not the first item. Returns whether the expression ended.
    fn bracket_dash(&mut self, set: &mut ByteSet, before: &mut Before) -> Result<bool, Failure> {
        const PLACE: Failure = Failure::Invalid("a '-' in brackets that forms no range");
        let next = self.bracket_item(false)?;
        if matches!(next, Item::End) {
            if let Before::Char(earlier) = *before {
                set.insert(earlier);
            }
            *before = Before::Char(b'-');
            return Ok(true);
        }
        let Before::Char(low) = *before else {
            return Err(PLACE);
        };
        let high = match next {
            Item::Char(byte) => byte,
            Item::Dash => b'-',
            _ => return Err(PLACE),
        };
        if low.cast_signed() > high.cast_signed() {
            return Err(Failure::Invalid("a range that ends before it begins"));
        }
        set.insert_where(|byte| (low.cast_signed()..=high.cast_signed()).contains(&byte.cast_signed()));
        *before = Before::Nothing;
        Ok(false)
    }

    fn bracket_item(&mut self, first: bool) -> Result<Item, Failure> {
        match self.take() {
            None => Err(Failure::Invalid("a '[' without its ']'")),
            Some(b']') if !first => Ok(Item::End),
            Some(b'-') => Ok(Item::Dash),
            Some(b'[') => match self.peek() {
                None => Err(Failure::Invalid("a '[' without its ']'")),
                Some(kind @ (b'.' | b':' | b'=')) => {
                    self.at += 1;
                    self.named_item(kind)
                }
                Some(_) => Ok(Item::Char(b'[')),
            },
            Some(byte) => Ok(Item::Char(byte)),
        }
    }

    /// What follows `[.`, `[:` or `[=`.
    fn named_item(&mut self, kind: u8) -> Result<Item, Failure> {
        let rest = &self.pattern[self.at..];
        let Some(length) = rest.iter().position(|byte| *byte == kind) else {
            return Err(Failure::Invalid("a class in brackets that does not end"));
        };
        if rest.get(length + 1) != Some(&b']') {
            return Err(Failure::Invalid("a class in brackets that does not end"));
        }
        let name = &rest[..length];
        self.at += length + 2;
        let item = match kind {
            b':' => class(name).map(Item::Class),
            b'=' => collating_symbol(name).map(Item::Equivalence),
            _ => collating_symbol(name).map(Item::Symbol),
        };
        item.ok_or(Failure::Invalid("an unknown class or symbol in brackets"))
    }
}
