//! POSIX extended regular expressions on bytes, as `builtins.match` and
//! `builtins.split` need them.
//!
//! The language's reference program uses C++'s `std::regex` with the `extended`
//! grammar, and its results depend on how the GNU implementation resolves what
//! POSIX leaves open. This crate gives the same results, but in time
//! proportional to pattern size times text size and without using the native
//! stack, where that implementation backtracks exponentially or overflows:
//!
//! - *Match or no match* of a whole text is decided by a lazily built
//!   deterministic automaton ([`Regex::is_full_match`]).
//! - *Groups* and *searching* use a backtracking walk that remembers, for each
//!   pair of branch state and text position, that it has failed before.
//!
//! # Semantics
//!
//! - `.` matches every byte but NUL, a newline included. `^` matches at offset 0
//!   only and `$` at the end only, whatever the flags of other dialects say.
//! - Alternatives are all tried and the longest match wins; between equally long
//!   ones, the one found first: left alternative first, loops greedily. A loop
//!   that led to a match is not left earlier to look for a longer one, so
//!   `a*(ab)?` finds `aa` in `aab`.
//! - A group reports its last iteration; one that took part in an earlier
//!   iteration of an enclosing loop keeps that value. A loop whose body matched
//!   the empty string runs twice at one position, which empties its groups:
//!   `(a*)*` on `aa` reports `""`.
//! - In brackets a backslash is an ordinary character, `]` is ordinary in first
//!   place, `-` is ordinary in first and last place, elsewhere it must form a
//!   range. Ranges compare bytes as *signed* characters (`[a-é]` is an error).
//!   Classes are those of the C locale plus `[:d:]`, `[:s:]`, `[:w:]`, with
//!   names in any case; `[=a=]` ignores case; `[.hyphen.]` names single bytes.
//! - Outside brackets only the special characters ``.[\()*+?{|^$`` may be
//!   escaped. There are no back-references.
//! - `{m}`, `{m,}`, `{m,n}` with m ≤ n; more than [`STATE_LIMIT`] states are
//!   refused with [`RegexError::TooLarge`].
//!
//! # Known differences
//!
//! The state count differs a little from the GNU implementation's, so a pattern
//! close to the limit may be accepted by one and refused by the other. With more
//! than twelve loops that can match the empty string, what the groups inside
//! them report when they last matched nothing may differ.

mod backtrack;
mod bytes;
mod dfa;
mod parser;
mod program;

use std::ops::Range;
use std::sync::Mutex;

pub use parser::STATE_LIMIT;

use backtrack::Searcher;
use dfa::Dfa;
use program::Program;

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegexError {
    /// The pattern is not a POSIX extended regular expression.
    #[error("invalid regular expression '{pattern}'")]
    Invalid {
        /// The pattern, with replacement characters where it is not UTF-8.
        pattern: String,
        /// What is wrong, for a hint.
        reason: &'static str,
        /// Offset in bytes of the character that could not be used.
        offset: usize,
    },
    /// The pattern needs more than [`STATE_LIMIT`] states.
    #[error("memory limit exceeded by regular expression '{pattern}'")]
    TooLarge {
        /// The pattern, with replacement characters where it is not UTF-8.
        pattern: String,
    },
}

/// The byte range that a group matched, or `None` if it took no part.
pub type Group = Option<Range<usize>>;

/// One match found by [`Regex::find_iter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The whole match.
    pub range: Range<usize>,
    /// The groups, in the order of their opening parentheses.
    pub groups: Vec<Group>,
}

/// A compiled pattern. It can be shared between threads.
#[derive(Debug)]
pub struct Regex {
    program: Program,
    automaton: Mutex<Dfa>,
}

impl Regex {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// [`RegexError`] if it is malformed or too large.
    pub fn new(pattern: &[u8]) -> Result<Self, RegexError> {
        let program = parser::parse(pattern)?;
        let automaton = Mutex::new(Dfa::new(&program));
        Ok(Self { program, automaton })
    }

    /// How many groups the pattern has.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.program.groups
    }

    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn is_full_match(&self, text: &[u8]) -> bool {
        if let Ok(mut automaton) = self.automaton.try_lock()
            && let Some(answer) = automaton.is_full_match(&self.program, text)
        {
            return answer;
        }
        Searcher::new(&self.program, text).full_match().is_some()
    }

    /// The groups, if the whole of `text` matches.
    #[must_use]
    pub fn full_match(&self, text: &[u8]) -> Option<Vec<Group>> {
        if self.program.groups == 0 {
            return self.is_full_match(text).then(Vec::new);
        }
        if let Ok(mut automaton) = self.automaton.try_lock()
            && automaton.is_full_match(&self.program, text) == Some(false)
        {
            return None;
        }
        Searcher::new(&self.program, text).full_match()
    }

    /// All matches from left to right, not overlapping. After an empty match a
    /// non-empty one at the same place is tried before moving on.
    pub fn find_iter<'a>(&'a self, text: &'a [u8]) -> Matches<'a> {
        Matches { searcher: Searcher::new(&self.program, text), state: IterState::At(0) }
    }
}

/// The iterator of [`Regex::find_iter`].
#[derive(Debug)]
pub struct Matches<'a> {
    searcher: Searcher<'a>,
    state: IterState,
}

#[derive(Debug)]
enum IterState {
    At(usize),
    AfterEmpty(usize),
    Done,
}

impl Iterator for Matches<'_> {
    type Item = Match;

    fn next(&mut self) -> Option<Match> {
        let length = self.searcher.text_length();
        let found = match self.state {
            IterState::Done => None,
            IterState::At(from) => self.searcher.search(from),
            IterState::AfterEmpty(at) if at == length => None,
            IterState::AfterEmpty(at) => {
                self.searcher.match_at(at, true).or_else(|| self.searcher.search(at + 1))
            }
        };
        self.state = match &found {
            None => IterState::Done,
            Some(found) if found.range.is_empty() => IterState::AfterEmpty(found.range.end),
            Some(found) => IterState::At(found.range.end),
        };
        found
    }
}
