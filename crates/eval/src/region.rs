//! Memory for values: blocks that are handed out front to back.
//!
//! Blocks stay until the process ends, references into a region are `'static`,
//! no destructor runs and no reference is counted. A block is only address space
//! until it is touched.
//!
//! What a call made can be taken back when it ends, as on a stack, if nothing that
//! stays refers to it: see [`Region::mark`]. Objects refer to objects made before
//! them, with one exception: what a thunk or a slot is replaced by. Each such
//! write is told to the region ([`Region::wrote`]). So while a mark is set and no
//! write put something younger than the mark into something older, nothing
//! older than the mark leads to anything younger, and if the call's result does
//! not either, all that is younger is garbage.
//!
//! What is rarely garbage or is known by its address has regions of its own in
//! which no mark is ever set: code, names, shapes of sets.

#![allow(unsafe_code)]

use std::alloc::Layout;
use std::ptr::NonNull;

use crate::shape::ShapeTable;
use crate::statistics::Counts;
use crate::value::Value;

/// Size of the first block, in bytes; each further one is twice as large.
const FIRST_BLOCK: usize = 1 << 20;
/// Size at which blocks stop growing.
const LARGEST_BLOCK: usize = 32 << 20;

/// Blocks from this size on ask for pages of this size.
const HUGE_PAGE: usize = 2 << 20;

/// The allocator of one thread.
pub(crate) struct Region {
    cursor: usize,
    end: usize,
    next_block: usize,
    /// Bytes of all blocks but the current one that were handed out.
    finished: u64,
    start: usize,
    /// The oldest object of the current block that was made to refer to a younger
    /// one since the innermost mark was set.
    lowest: usize,
    pub(crate) counts: Counts,
    pub(crate) shapes: Option<Box<ShapeTable>>,
}

/// A point in time: see [`Region::mark`].
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    cursor: usize,
    lowest: usize,
}

impl Mark {
    /// No point in time.
    pub(crate) const NONE: Self = Self { cursor: 0, lowest: 0 };

    #[inline(always)]
    pub(crate) fn is_none(self) -> bool {
        self.cursor == 0
    }
}

impl Region {
    /// A region without a block; the first allocation makes one.
    pub(crate) const fn new() -> Self {
        Self {
            cursor: 8,
            end: 0,
            next_block: FIRST_BLOCK,
            finished: 0,
            start: 8,
            lowest: usize::MAX,
            counts: Counts::NONE,
            shapes: None,
        }
    }

    /// Bytes handed out so far.
    pub(crate) fn allocated(&self) -> u64 {
        self.finished + (self.cursor - self.start) as u64
    }

    /// Counts bytes that an object refers to outside of the region.
    pub(crate) fn count_outside(&mut self, bytes: usize) {
        self.finished += bytes as u64;
    }

    /// Uninitialised memory for `words` 8-byte words, aligned to 8.
    #[inline(always)]
    pub(crate) fn words(&mut self, words: usize) -> NonNull<u64> {
        let bytes = words * 8;
        if bytes > self.end.wrapping_sub(self.cursor) || self.end == 0 {
            return self.grow(bytes);
        }
        let address = self.cursor;
        self.cursor += bytes;
        // SAFETY: `cursor` is inside a block, hence not null.
        unsafe { NonNull::new_unchecked(address as *mut u64) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: usize) -> NonNull<u64> {
        let size = if bytes > self.next_block / 4 { bytes.next_multiple_of(4096) } else { self.next_block };
        let block = map(size);
        if size == self.next_block {
            self.finished += (self.cursor - self.start) as u64;
            self.next_block = (self.next_block * 2).min(LARGEST_BLOCK);
            self.start = block.as_ptr() as usize;
            self.cursor = self.start + bytes;
            self.end = self.start + size;
        } else {
            // A large object has a block to itself; the current one goes on. As it
            // looks old but is not, nothing is taken back while it may be in use.
            self.keep_all();
            self.finished += bytes as u64;
        }
        block.cast()
    }

    /// Remembers this point, before a call. [`Region::release`] must follow whatever
    /// happens; marks are released in the opposite order.
    #[inline(always)]
    pub(crate) fn mark(&mut self) -> Mark {
        let mark = Mark { cursor: self.cursor, lowest: self.lowest };
        self.lowest = usize::MAX;
        mark
    }

    /// Notes that a thunk or slot at an address now refers to a value.
    #[inline(always)]
    pub(crate) fn wrote(&mut self, at: usize, value: Value) {
        // Of older blocks nothing is taken back.
        if let Some(address) = value.address()
            && self.is_in_block(address)
        {
            let at = if self.is_in_block(at) { at } else { 0 };
            if at < address {
                self.lowest = self.lowest.min(at);
            }
        }
    }

    #[inline(always)]
    fn is_in_block(&self, address: usize) -> bool {
        address.wrapping_sub(self.start) < self.cursor - self.start
    }

    /// Nothing that was made since any mark may be taken back.
    pub(crate) fn keep_all(&mut self) {
        self.lowest = 0;
    }

    /// Takes back what was made since the mark if nothing can refer to it any more,
    /// the call having ended with `result`. A result that refers to nothing else
    /// may be moved; the value to go on with is returned.
    #[inline(always)]
    pub(crate) fn release(&mut self, mark: Mark, result: Value) -> Value {
        // A mark in an older block is of no use.
        let in_block = mark.cursor.wrapping_sub(self.start) <= self.cursor - self.start;
        let unused = self.lowest >= mark.cursor && in_block;
        self.lowest = self.lowest.min(mark.lowest);
        let made = self.cursor.wrapping_sub(mark.cursor);
        if !unused || made == 0 {
            return result;
        }
        match result.address() {
            Some(address) if address.wrapping_sub(mark.cursor) < made => {
                self.keep_result(mark.cursor, result)
            }
            _ => {
                self.take_back(mark.cursor);
                result
            }
        }
    }

    /// As `release` when the call failed: errors refer to no values.
    #[cold]
    pub(crate) fn release_failed(&mut self, mark: Mark) {
        self.release(mark, Value::NULL);
    }

    /// Takes back what was made since the mark but for a result that was.
    fn keep_result(&mut self, to: usize, result: Value) -> Value {
        let Some((value, size)) = result.move_leaf(to, (self.cursor - to) / 2) else { return result };
        self.take_back(to + size);
        value
    }

    #[inline(always)]
    fn take_back(&mut self, to: usize) {
        self.counts.taken_back += (self.cursor - to) as u64;
        if cfg!(debug_assertions) {
            // A use after this is to be seen. SAFETY: the bytes are this region's and unused.
            unsafe { std::ptr::write_bytes(to as *mut u8, 0xA5, self.cursor - to) };
        }
        self.cursor = to;
    }

    /// Moves a value into the region. Its destructor never runs.
    pub(crate) fn alloc<T>(&mut self, value: T) -> &'static T {
        const { assert!(align_of::<T>() <= 8) };
        let at = self.words(size_of::<T>().div_ceil(8)).cast::<T>();
        // SAFETY: the memory is large enough, aligned and used by nobody else.
        unsafe {
            at.write(value);
            at.as_ref()
        }
    }

    /// Copies values into the region, one slice behind the other.
    pub(crate) fn alloc_copy(&mut self, parts: &[&[Value]]) -> &'static [Value] {
        let count = parts.iter().map(|part| part.len()).sum();
        let start = self.words(count).cast::<Value>();
        let mut at = start;
        // SAFETY: there is room for all parts; a value is a word.
        unsafe {
            for part in parts {
                std::ptr::copy_nonoverlapping(part.as_ptr(), at.as_ptr(), part.len());
                at = at.add(part.len());
            }
            std::slice::from_raw_parts(start.as_ptr(), count)
        }
    }

    /// Moves the items into the region.
    pub(crate) fn alloc_slice<T>(&mut self, mut items: Vec<T>) -> &'static [T] {
        const { assert!(align_of::<T>() <= 8) };
        let count = items.len();
        let at = self.words((size_of::<T>() * count).div_ceil(8)).cast::<T>();
        // SAFETY: as in `alloc`; the vector forgets the items that were moved out.
        unsafe {
            std::ptr::copy_nonoverlapping(items.as_ptr(), at.as_ptr(), count);
            items.set_len(0);
            std::slice::from_raw_parts(at.as_ptr(), count)
        }
    }
}

/// Memory from the system, of which only what is touched is used.
fn map(size: usize) -> NonNull<u8> {
    // Room to begin at a huge page.
    let room = if size >= HUGE_PAGE { HUGE_PAGE } else { 0 };
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: asks for memory that nobody uses; a size that can't be had fails.
    let start =
        unsafe { libc::mmap(std::ptr::null_mut(), size.saturating_add(room), protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        std::alloc::handle_alloc_error(
            Layout::from_size_align(size, 8).unwrap_or(Layout::new::<[u8; 4096]>()),
        );
    }
    let offset = if room == 0 { 0 } else { start.align_offset(HUGE_PAGE) };
    // SAFETY: `room` more bytes than needed were mapped, and `offset` is less.
    let block = unsafe { start.cast::<u8>().add(offset.min(room)) };
    if room > 0 {
        // SAFETY: the range is the block's; the advice changes no contents. It is only
        // an optimisation (fewer page faults), so that its failure does not matter.
        unsafe { libc::madvise(block.cast(), size, libc::MADV_HUGEPAGE) };
    }
    // SAFETY: the system gives no memory at zero.
    unsafe { NonNull::new_unchecked(block) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::ir::APPLY1;
    use crate::string::Str;
    use crate::value::Thunk;

    fn text(region: &mut Region, bytes: &[u8]) -> Value {
        Value::from_str(Str::new(region, bytes, Context::EMPTY))
    }

    fn thunk(region: &mut Region) -> Value {
        Thunk::with_values(region, &APPLY1, &[Value::NULL, Value::NULL])
    }

    /// What a call that makes a thunk and a text and does `work` with them leaves.
    fn check(work: impl FnOnce(&mut Region, Value, Value) -> Value) -> (u64, Value) {
        let mut region = Region::new();
        text(&mut region, b"before");
        let before = region.allocated();
        let mark = region.mark();
        let (delayed, made) = (thunk(&mut region), text(&mut region, b"made"));
        let result = work(&mut region, delayed, made);
        let result = region.release(mark, result);
        (region.allocated() - before, result)
    }

    #[test]
    fn what_nothing_refers_to_is_taken_back() {
        assert_eq!(check(|_, _, _| Value::TRUE).0, 0);
        // Also when what was made refers to each other.
        let cyclic = check(|region, delayed, made| {
            delayed.as_thunk().unwrap().finish(region, made);
            Value::NULL
        });
        assert_eq!(cyclic.0, 0);
    }

    #[test]
    fn a_result_is_kept_and_a_leaf_is_moved() {
        let thunk_words = 3;
        let (kept, _) = check(|_, delayed, _| delayed);
        assert_eq!(kept, thunk_words * 8 + 24 + 8);
        let (kept, result) = check(|region, _, made| {
            text(region, &[0; 100]);
            made
        });
        assert_eq!(kept, 24 + 8);
        assert_eq!(result.as_str().unwrap().as_bytes(), b"made");
    }

    #[test]
    fn what_older_objects_refer_to_is_kept() {
        let mut region = Region::new();
        let old = thunk(&mut region).as_thunk().unwrap();
        let outer = region.mark();
        thunk(&mut region);
        let start = region.allocated();
        let inner = region.mark();
        let made = text(&mut region, b"made");
        old.finish(&mut region, made);
        let result = region.release(inner, Value::NULL);
        assert!(result.is_null() && region.allocated() > start);
        region.release(outer, Value::NULL);
        assert!(region.allocated() > start);
        assert_eq!(old.result().unwrap().as_str().unwrap().as_bytes(), b"made");
        // Later calls are not affected.
        let start = region.allocated();
        let mark = region.mark();
        thunk(&mut region);
        region.release(mark, Value::NULL);
        assert_eq!(region.allocated(), start);
    }

    #[test]
    fn an_older_value_in_an_older_object_keeps_nothing() {
        let mut region = Region::new();
        let made = text(&mut region, b"made");
        let old = thunk(&mut region).as_thunk().unwrap();
        let start = region.allocated();
        let mark = region.mark();
        thunk(&mut region);
        old.finish(&mut region, made);
        region.release(mark, Value::NULL);
        assert_eq!(region.allocated(), start);
    }

    #[test]
    fn large_objects_and_new_blocks_are_kept() {
        let (kept, result) = check(|region, _, _| text(region, &[b'x'; FIRST_BLOCK]));
        assert!(kept > FIRST_BLOCK as u64 && result.as_str().unwrap().len() == FIRST_BLOCK);
        let (kept, _) = check(|region, _, _| {
            for _ in 0..6 {
                text(region, &[b'x'; FIRST_BLOCK / 5]);
            }
            Value::NULL
        });
        assert!(kept > FIRST_BLOCK as u64);
    }
}
