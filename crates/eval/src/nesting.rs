//! Limits of data: how deeply it may be nested where all of it is gone through, and
//! how long lists may be.
//!
//! Lazily made data can be endless without any call being nested, and a list that is
//! doubled forty times has a million million elements: both would fill the memory.
//! The limits are far above what anybody makes on purpose.

use saltire_diagnostics::Pos;

use crate::error::{ErrorKind, EvalError, Result};
use crate::evaluator::Evaluator;
use crate::list::List;

/// Levels of sets and lists. (The reference allows as many as calls.)
const MAX_NESTING: u32 = 200_000;

/// Elements of a list: two gigabytes with their thunks.
const MAX_LIST: u64 = 1 << 27;

/// Bytes of an element with its thunk.
const ELEMENT: usize = 32;

/// Objects from this size on, in bytes, are made only if there is memory for them.
const LARGE: usize = 64 << 20;

/// Fails for a list that is too long.
pub(crate) fn check_list_size(size: u64, pos: Pos) -> Result<()> {
    if size <= MAX_LIST {
        return check_memory(size as usize * ELEMENT, pos);
    }
    Err(EvalError::other(pos, format!("cannot create list of size {size}")))
}

/// Fails if this much memory can't be had at once. That it can be had says nothing
/// about the next time, nor about whether the system has to end a process for it.
pub(crate) fn check_memory(bytes: usize, pos: Pos) -> Result<()> {
    if bytes < LARGE {
        return Ok(());
    }
    let mut probe: Vec<u8> = Vec::new();
    let available = probe.try_reserve_exact(bytes).is_ok();
    // Else the compiler is free to leave the allocation out.
    std::hint::black_box(&probe);
    if available {
        return Ok(());
    }
    Err(EvalError::other(pos, format!("out of memory: {} MB more are needed at once", bytes >> 20)))
}

impl Evaluator {
    /// The elements of several lists.
    pub(crate) fn joined_list(&mut self, lists: &[List], pos: Pos) -> Result<List> {
        check_list_size(lists.iter().map(|list| list.len() as u64).sum(), pos)?;
        Ok(List::concat(&mut self.region, lists))
    }

    /// Goes one level into a set or list.
    ///
    /// # Errors
    ///
    /// Data nested too deeply; the native stack used up.
    #[inline]
    pub(crate) fn nested<T>(&mut self, pos: Pos, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.check_stack(pos)?;
        check_nesting(self.nesting as usize, pos)?;
        self.nesting += 1;
        let result = work(self);
        self.nesting -= 1;
        result
    }
}

/// Fails for a depth that is too large.
pub(crate) fn check_nesting(depth: usize, pos: Pos) -> Result<()> {
    if depth < MAX_NESTING as usize {
        return Ok(());
    }
    Err(EvalError::new(ErrorKind::StackOverflow, pos, "stack overflow; max-call-depth exceeded"))
}
